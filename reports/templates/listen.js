// A listening test in one page: one item at a time, answers only after every clip was heard to its end.
const byId = (id) => document.getElementById(id);
const study = JSON.parse(byId('study').textContent), clips = JSON.parse(byId('audio').textContent);
const place = `ttsbench:${study.study}:${study.rater}`, sound = byId('sound');
let state = { at: -1, answers: {}, comments: {}, heard: {} }, playing = null, began = 0;

try {
  const kept = JSON.parse(localStorage.getItem(place));
  if (kept) state = kept;
  localStorage.setItem(place, JSON.stringify(state));
} catch (fault) {
  byId('warning').textContent = 'This browser does not keep answers across a reload: finish in one sitting and save at the end.';
}
const keep = () => { try { localStorage.setItem(place, JSON.stringify(state)); } catch (fault) { /* said above */ } };
const item = () => study.items[state.at];
const heard = (each) => each.clips.every(([, code]) => (state.heard[each.id] || []).includes(code));

function make(tag, text, attributes) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return node;
}

function show() {
  sound.pause();
  playing = null;
  const done = Object.keys(state.answers).length, total = study.items.length;
  byId('done').value = done / total;
  byId('count').textContent = `${done} of ${total}`;
  byId('start').hidden = state.at >= 0;
  byId('item').hidden = state.at < 0 || state.at >= total;
  byId('end').hidden = state.at < total;
  if (state.at >= total) {
    const open = total - done;
    byId('outcome').textContent = open ? 'Not finished yet' : 'Thank you';
    byId('left').textContent = open ? `${open} ${open === 1 ? 'item is' : 'items are'} not answered yet: go back to them, or save what there is.` : 'Every item is answered. Save your answers and send the file back.';
    byId(open ? 'review' : 'save').focus();
  } else if (state.at >= 0) { draw(); }
}

function draw() {
  const each = item();
  byId('where').textContent = `Item ${Number(each.id) || each.id} of ${study.items.length}`;
  byId('category').textContent = each.category;
  byId('text').textContent = each.text;
  byId('criteria').replaceChildren(...each.criteria.flatMap((text, i) => text ? [make('dt', i === 0 ? 'About' : String(i)), make('dd', text)] : []));
  byId('clips').replaceChildren(...each.clips.map(([label, code]) => make('button', label, { type: 'button', class: 'play', 'data-code': code, 'aria-label': 'Play ' + label })));
  byId('scale').classList.toggle('long', study.scale.length > 5);  // on a phone a long scale stands, one answer a row
  byId('scale').replaceChildren(...study.scale.map(([value, label]) => {
    const choice = make('button', '', { type: 'button', role: 'radio', 'data-value': value, 'aria-checked': 'false' });
    choice.append(make('b', value === label ? value : value.replace('-', '\u2212')), value === label ? '' : make('span', label));
    return choice;
  }));
  byId('comment').value = state.comments[each.id] || '';
  refresh();
  byId('clips').querySelector('button').focus();
}

function refresh() {
  const each = item(), ready = heard(each);
  byId('answers').disabled = !ready;
  byId('hint').textContent = ready ? '' : each.clips.length > 1 ? 'Hear every clip to its end to answer.' : 'Hear it to the end to answer.';
  byId('next').disabled = state.answers[each.id] === undefined;
  byId('back').disabled = state.at === 0;
  for (const button of byId('clips').children) button.classList.toggle('done', (state.heard[each.id] || []).includes(button.dataset.code));
  for (const button of byId('clips').children) button.classList.toggle('on', button === playing && !sound.paused);
  for (const choice of byId('scale').children) choice.setAttribute('aria-checked', String(state.answers[each.id] === choice.dataset.value));
}

function play(button) {
  if (button === playing && !sound.paused) { sound.pause(); return; }
  if (button !== playing) { playing = button; began = 0; sound.src = clips[button.dataset.code]; }
  sound.play();
}

function answer(value) {
  if (byId('answers').disabled) return;
  state.answers[item().id] = value;
  keep();
  refresh();
  byId('done').value = Object.keys(state.answers).length / study.items.length;
  byId('count').textContent = `${Object.keys(state.answers).length} of ${study.items.length}`;
}

function move(by) {
  if (by > 0 && state.at >= 0 && state.answers[item().id] === undefined) return;
  state.at = Math.max(0, Math.min(study.items.length, state.at + by));
  keep();
  show();
}

sound.addEventListener('ended', () => {
  let covered = 0;  // a clip counts as heard when all of it was played, not when its end was reached
  for (let i = 0; i < sound.played.length; i++) covered += sound.played.end(i) - sound.played.start(i);
  if (covered < 0.9 * sound.duration) return;
  const list = state.heard[item().id] = state.heard[item().id] || [];
  if (!list.includes(playing.dataset.code)) list.push(playing.dataset.code);
  keep();
  refresh();
});
for (const event of ['play', 'pause']) sound.addEventListener(event, () => { if (state.at >= 0 && state.at < study.items.length) refresh(); });

byId('begin').addEventListener('click', () => { state.at = 0; keep(); show(); });
byId('back').addEventListener('click', () => move(-1));
byId('next').addEventListener('click', () => move(1));
byId('review').addEventListener('click', () => { const open = study.items.findIndex((each) => state.answers[each.id] === undefined); state.at = open < 0 ? study.items.length - 1 : open; keep(); show(); });
byId('clips').addEventListener('click', (event) => { const button = event.target.closest('button'); if (button) play(button); });
byId('scale').addEventListener('click', (event) => { const button = event.target.closest('button'); if (button) answer(button.dataset.value); });
byId('comment').addEventListener('input', () => { state.comments[item().id] = byId('comment').value; keep(); });
document.addEventListener('keydown', (event) => {
  if (state.at < 0 || state.at >= study.items.length || event.target === byId('comment') || event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = study.scale.map(([value]) => value).find((value, i) => value === event.key || (isNaN(value) && value[0].toLowerCase() === event.key.toLowerCase()) || (Number(value) <= 0 && study.scale.length === 7 && String(i + 1) === event.key));
  if (event.key === ' ' && event.target.closest('button') === null) { event.preventDefault(); play(playing || byId('clips').firstChild); }
  else if (event.key === 'ArrowRight') move(1);
  else if (event.key === 'ArrowLeft') move(-1);
  else if (digit !== undefined) answer(digit);
});
byId('save').addEventListener('click', () => {
  const data = { study: study.study, rater: study.rater, items: study.items.map((each) => each.id), answers: state.answers, comments: state.comments };
  const link = make('a', '', { href: URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], { type: 'application/json' })), download: `answers-${study.rater}.json` });
  link.click();
  byId('saved').textContent = `Saved as answers-${study.rater}.json, usually in the folder for downloads. Please send this file back.`;
});
show();
