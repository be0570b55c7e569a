// History: two points side by side, chosen in the lists or by a click (the later one) and shift-click (the earlier one).
const points = JSON.parse(document.getElementById('points').textContent);

for (const label of document.querySelectorAll('.ticks span')) label.style.top = label.dataset.y / 1.2 + '%';

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function told(point) {
  return [point.when, point.commit, point.version && 'version ' + point.version, point.machine].filter(Boolean).join(' · ');
}

function show(section) {
  const list = points[section.dataset.series];
  const [before, after] = [...section.querySelectorAll('select')].map((select) => list[select.value]);
  const table = element('table', undefined, 'list stack'), head = element('tr'), body = element('tbody');
  for (const [text, kind] of [['Metric'], ['Before', 'num'], ['After', 'num'], ['Change', 'num']]) {
    const th = element('th', text, kind); th.scope = 'col'; head.append(th);
  }
  const where = element('tr'), name = element('th', 'Point'); name.scope = 'row';
  where.append(name, element('td', told(before), 'num'), element('td', told(after), 'num'), element('td', '', 'num'));
  where.children[1].dataset.title = 'before'; where.children[2].dataset.title = 'after';
  body.append(where);
  for (const [metric, now] of Object.entries(after.rows)) {
    const then = before.rows[metric], row = element('tr'), th = element('th', metric); th.scope = 'row';
    row.append(th);
    for (const [side, which] of [[then, 'before'], [now, 'after']]) {
      const cell = element('td', side ? side[0] : '–', 'num'); cell.dataset.title = which;
      if (side && side[1]) cell.append(element('span', ' ' + side[1], 'ci'));
      if (side && side[2]) cell.append(element('span', side[2], 'bad'));
      row.append(cell);
    }
    const both = then && then[3] !== null && now[3] !== null;
    const changed = both && then[3] ? ((100 * (now[3] - then[3])) / Math.abs(then[3])).toFixed(1) : null;
    const change = element('td', changed === null ? '–' : (changed > 0 ? '+' : '') + changed.replace('-', '−') + ' %', 'num'); change.dataset.title = 'change';
    row.append(change);
    body.append(row);
  }
  const header = element('thead'); header.append(head); table.append(header, body);
  section.querySelector('.two').replaceChildren(table);
  const below = section.querySelector('.command');
  below.replaceChildren();
  if (before.run && after.run && before.run !== after.run) {
    below.append('Row by row, tested, with both audios: ', element('code', 'ttsbench compare ' + quoted(before.run) + ' ' + quoted(after.run)));
    if (after.page) {
      const link = element('a', 'the comparison that lies beside the later run'); link.href = encodeURI(after.page);
      below.append(' · ', link);
    }
  }
  const link = element('a', 'Link to these two points'), place = [section.dataset.series, ...[...section.querySelectorAll('select')].map((select) => select.value)];
  link.href = '#two-' + place.join('-');
  if (below.childNodes.length) below.append(' · ');
  below.append(link);
  mark(section, [...section.querySelectorAll('select')][1].value);
}

function quoted(path) { return /^[\w@./+:-]+$/.test(path) ? path : "'" + path.replaceAll("'", "'\\''") + "'"; }

// A list holds its own point alone until somebody opens it: thousands of options take longer than all else of the page.
function choice(list, index) { return new Option(list[index].when + ' ' + list[index].commit, index); }

function choose(select, list, index) {
  if (select.options.length < list.length) select.replaceChildren(choice(list, index));
  select.value = index;
}

function fill(select, list) {
  const now = select.value;
  if (select.options.length < list.length) select.replaceChildren(...list.map((_, index) => choice(list, index)));
  select.value = now;
}

function mark(section, index) {
  const count = points[section.dataset.series].length;
  for (const svg of section.querySelectorAll('.timeline svg')) {
    const x = (svg.viewBox.baseVal.width * (Number(index) + 0.5)) / count, line = svg.querySelector('.here');
    line.setAttribute('x1', x); line.setAttribute('x2', x);
  }
}

// An address that ends in #two-SERIES-BEFORE-AFTER opens the page at these two points.
function open() {
  const [, series, ...chosen] = /^#two-(\d+)-(\d+)-(\d+)$/.exec(location.hash) || [];
  const section = document.getElementById('s' + series);
  if (!section || chosen.some((index) => !(index in points[series]))) return;
  [...section.querySelectorAll('select')].forEach((select, at) => { choose(select, points[series], chosen[at]); });
  show(section);
  section.scrollIntoView();
}

for (const section of document.querySelectorAll('section.history')) {
  const selects = [...section.querySelectorAll('select')], list = points[section.dataset.series], count = list.length;
  selects.forEach((select, at) => {
    choose(select, list, Math.max(count - 2 + at, 0));
    for (const kind of ['pointerdown', 'focus', 'keydown']) select.addEventListener(kind, () => fill(select, list));
    select.addEventListener('change', () => show(section));
  });
  for (const svg of section.querySelectorAll('.timeline svg')) {
    svg.addEventListener('click', (event) => {
      const box = svg.getBoundingClientRect();
      const index = Math.min(count - 1, Math.max(0, Math.floor((count * (event.clientX - box.left)) / box.width)));
      choose(selects[event.shiftKey ? 0 : 1], list, index);
      show(section);
    });
  }
  show(section);
}
open();
addEventListener('hashchange', open);
