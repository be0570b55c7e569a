// The list of utterances: sorted, filtered and searched in memory, drawn a hundred rows at a time.
const STEP = 100;
// a row: sample, system, clip, message of the failed speech, hypothesis, values, messages of failed metrics, flags, the
// share of the machine that other programs used where that spoils the timings
const SAMPLE = 0, SYSTEM = 1, CLIP = 2, ERROR = 3, HEARD = 4, VALUES = 5, TROUBLE = 6, FLAGS = 7, OTHERS = 8;
// a sample: id, text, speaker, category, language, prompt clip, truth clip, prompt text, reference
const ID = 0, TEXT = 1, SPEAKER = 2, CATEGORY = 3, LANGUAGE = 4, PROMPT = 5, TRUTH = 6, PROMPT_TEXT = 7, REFERENCE = 8;

function explorer(root) {
  const data = readBlock(root.dataset.rows);
  const body = root.querySelector('tbody'), head = root.querySelector('thead'), more = root.querySelector('.more');
  const count = root.querySelector('output'), search = root.querySelector('input'), filters = root.querySelectorAll('select');
  let chosen = [], shown = 0, sort = null, down = false;

  const text = data.rows.map((row) => {
    const sample = data.samples[row[SAMPLE]];
    return [sample[ID], sample[TEXT], sample[SPEAKER], row[HEARD] || ''].join('\n').toLowerCase();
  });
  const wrong = (row) => row[HEARD] !== null && row[HEARD] !== data.samples[row[SAMPLE]][REFERENCE];
  const keep = {
    system: (row, value) => row[SYSTEM] === Number(value),
    category: (row, value) => data.samples[row[SAMPLE]][CATEGORY] === value,
    language: (row, value) => data.samples[row[SAMPLE]][LANGUAGE] === value,
    state: (row, value) => value.startsWith('flag ') ? row[FLAGS] !== 0 && row[FLAGS].includes(value.slice(5)) : value === 'flagged' ? row[FLAGS] !== 0 : value === 'failed' ? row[ERROR] >= 0 || row[TROUBLE] !== 0 : value === 'wrong' ? wrong(row) : row[HEARD] !== null && !wrong(row),
  };

  function choose() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const active = [...filters].filter((select) => select.value !== '').map((select) => [keep[select.dataset.filter], select.value]);
    chosen = [];
    for (let i = 0; i < data.rows.length; i++) {
      if (words.every((word) => text[i].includes(word)) && active.every(([test, value]) => test(data.rows[i], value))) chosen.push(i);
    }
    if (sort !== null) {
      const sign = down ? -1 : 1;
      const key = sort < 0 ? (i) => data.samples[data.rows[i][SAMPLE]][ID] : (i) => data.rows[i][VALUES][sort];
      chosen.sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === y) return a - b;
        if (x === null) return 1;  // rows without a number stay at the end, whichever the direction
        if (y === null) return -1;
        return (x < y ? -1 : 1) * sign;
      });
    }
    body.replaceChildren();
    shown = 0;
    draw();
  }

  function draw() {
    const part = document.createDocumentFragment();
    const end = Math.min(shown + STEP, chosen.length);
    for (; shown < end; shown++) part.append(line(data.rows[chosen[shown]]));
    body.append(part);
    more.hidden = shown >= chosen.length;
    count.textContent = chosen.length === data.rows.length ? `${chosen.length} rows` : `${chosen.length} of ${data.rows.length} rows`;
  }

  function line(row) {
    const sample = data.samples[row[SAMPLE]], name = sample[ID] + ' · ' + data.systems[row[SYSTEM]];
    const button = (clip, label) => clip < 0 ? null : make('button', { type: 'button', class: 'play', 'data-clip': clip, 'data-name': name, 'aria-label': `Play ${label}: ${name}` }, label);
    const say = make('td', { class: 'say' });
    const meta = make('div', { class: 'meta' }, make('code', {}, make('bdi', {}, sample[ID])));
    for (const word of [sample[SPEAKER] && 'speaker ' + sample[SPEAKER], sample[CATEGORY]]) if (word) meta.append(make('bdi', {}, word));
    say.append(meta, sentence(row, sample), make('div', { class: 'listen' }, row[CLIP] === sample[TRUTH] ? null : button(row[CLIP], 'output'), button(sample[TRUTH], 'truth'), button(sample[PROMPT], 'prompt')));
    if (row[ERROR] >= 0) say.append(make('div', { class: 'error' }, make('bdi', {}, 'No speech: ' + data.messages[row[ERROR]])));
    if (row[FLAGS]) say.append(make('div', { class: 'flags' }, row[FLAGS].join(', ')));
    return make('tr', {}, say, make('td', { class: 'sys' }, make('bdi', {}, data.systems[row[SYSTEM]])), ...data.metrics.map((metric, i) => figure(row, metric, i)));
  }

  function sentence(row, sample) {
    if (row[HEARD] !== null && sample[REFERENCE] !== null) return make('div', {}, differences(sample[REFERENCE], row[HEARD]));
    const long = sample[TEXT].length > 600;
    const words = make('bdi', { dir: 'auto' }, long ? sample[TEXT].slice(0, 600) + '…' : sample[TEXT]);
    return make('div', {}, words);
  }

  function figure(row, metric, i) {
    const value = row[VALUES][i], fault = row[TROUBLE] ? row[TROUBLE][i] : undefined;
    const cell = make('td', { class: 'num', 'data-title': metric.title });
    const shownAs = value === null ? (fault === undefined ? '–' : 'failed') : (value * metric.scale).toFixed(metric.digits).replace('-', '−');
    cell.append(fault === undefined ? shownAs : make('span', { class: 'err', title: data.messages[fault], tabindex: 0 }, shownAs));
    if (metric.timed && row[OTHERS] && value !== null) cell.append(make('span', { class: 'ci', title: `other programs used ${Math.round(100 * row[OTHERS])} % of the machine` }, 'busy'));
    return cell;
  }

  function heading(title, index, numeric) {
    const th = make('th', { scope: 'col', class: numeric ? 'num' : index === null ? 'word' : '' });
    if (index === null) { th.append(title); return th; }
    const press = make('button', { type: 'button', title: 'Sort by ' + title }, title);
    press.addEventListener('click', () => {
      if (sort === index) down = !down;
      else { sort = index; down = index >= 0 && data.metrics[index].better !== 'higher'; }  // the worst first
      for (const other of head.querySelectorAll('th')) other.removeAttribute('aria-sort');
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      choose();
    });
    th.append(press);
    return th;
  }

  head.replaceChildren(make('tr', {}, heading('Utterance', -1, false), heading('System', null, false), ...data.metrics.map((metric, i) => heading(metric.title, i, true))));
  search.addEventListener('input', choose);
  for (const select of filters) select.addEventListener('change', choose);
  more.addEventListener('click', draw);
  new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting) && !more.hidden) draw(); }, { rootMargin: '800px' }).observe(more);
  choose();
  return () => { while (shown < chosen.length) draw(); };
}

// A table's rows are parsed when they come near the screen.
const started = new Map();  // an explorer's element to what draws all of its rows
function start(root) {
  if (!started.has(root)) started.set(root, explorer(root));
  return started.get(root);
}
const waiting = new IntersectionObserver((seen) => {
  for (const each of seen) if (each.isIntersecting) { waiting.unobserve(each.target); start(each.target); }
}, { rootMargin: '1000px' });
for (const root of document.querySelectorAll('.explorer')) waiting.observe(root);
window.addEventListener('beforeprint', () => { for (const root of document.querySelectorAll('.explorer')) start(root)(); });  // paper holds every row
