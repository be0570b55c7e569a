// One audio element for the whole page; buttons carry the number of their clip.
const byId = (id) => document.getElementById(id);
const readBlock = (id) => JSON.parse(byId(id).textContent);
const player = { box: byId('player'), sound: byId('sound'), now: byId('now'), button: null, clips: null };

function play(button) {
  if (player.button === button && !player.sound.paused) { player.sound.pause(); return; }
  if (player.button !== button) {
    player.clips = player.clips || readBlock('audio');
    if (player.button) player.button.classList.remove('on');
    player.button = button;
    player.now.textContent = button.textContent + ' · ' + button.dataset.name;
    player.sound.src = player.clips[Number(button.dataset.clip)];
  }
  player.box.hidden = false;
  player.sound.play().catch((fault) => {
    if (fault.name === 'AbortError') return;
    const linked = !player.clips[Number(button.dataset.clip)].startsWith('data:');
    player.now.textContent = 'Cannot play ' + button.dataset.name + (linked ? ': it is a file in the run folder, which must lie where it lay when this page was written' : ': ' + fault.message);
  });
}

if (player.sound) {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button.play');
    if (button) play(button);
  });
  player.sound.addEventListener('play', () => player.button && player.button.classList.add('on'));
  for (const end of ['pause', 'ended']) player.sound.addEventListener(end, () => player.button && player.button.classList.remove('on'));
  byId('hush').addEventListener('click', () => { player.sound.pause(); player.box.hidden = true; if (player.button) player.button.focus(); });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') player.sound.pause(); });
}

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
