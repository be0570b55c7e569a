// Leaderboard tables: choose protocol, test set, language or category; sort by any column.
const choices = document.querySelectorAll('.tools select');
const sections = document.querySelectorAll('section.set');

function show() {
  const want = Object.fromEntries([...choices].map((select) => [select.dataset.filter, select.value]));
  let shown = 0;
  for (const section of sections) {
    const views = [...section.querySelectorAll('[data-view]')];
    const has = (kind) => !want[kind] || views.some((view) => view.dataset.kind === kind && view.dataset.view === want[kind]);
    const language = !want.language || has('language') || (section.dataset.languages === want.language);
    section.hidden = !((!want.protocol || section.dataset.protocol === want.protocol) && (!want.testset || section.dataset.testset === want.testset) && language && has('category'));
    shown += section.hidden ? 0 : 1;
    const cut = want.category || (has('language') && section.dataset.languages !== want.language ? want.language : '');
    for (const view of views) view.hidden = cut ? view.dataset.view !== cut : view.dataset.kind !== 'all';
  }
  document.querySelector('.tools output').textContent = shown === 1 ? '1 table' : shown + ' tables';
}

function sortBy(button) {
  const th = button.closest('th'), table = button.closest('table'), body = table.tBodies[0];
  const at = [...th.parentNode.children].indexOf(th);
  const down = th.getAttribute('aria-sort') === 'ascending' || (!th.hasAttribute('aria-sort') && th.dataset.better === 'higher');
  for (const other of table.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort');
  th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const key = (row) => { const text = row.children[at].dataset.sort; return text === undefined || text === '' ? null : isNaN(text) ? text : Number(text); };
  const rows = [...body.rows].sort((a, b) => {
    if (a.classList.contains('truth') !== b.classList.contains('truth')) return a.classList.contains('truth') ? -1 : 1;
    const x = key(a), y = key(b);
    if (x === y) return 0;
    if (x === null) return 1;
    if (y === null) return -1;
    return (x < y ? -1 : 1) * (down ? -1 : 1);
  });
  body.append(...rows);
  follow(table, at, th);
}

// "Ranked by" and the rank column follow the column that was sorted by, where its metric has ranks.
function follow(table, at, th) {
  const ranks = [...table.tBodies[0].rows].map((row) => row.children[at].dataset.rank);
  if (!ranks.some(Boolean)) return;
  [...table.tBodies[0].rows].forEach((row, i) => { if (!row.classList.contains('truth')) row.children[0].textContent = ranks[i] || '–'; });
  table.closest('[data-view]').querySelector('.by').textContent = th.querySelector('button').textContent;
}

for (const select of choices) select.addEventListener('change', show);
document.addEventListener('click', (event) => { const button = event.target.closest('th button'); if (button) sortBy(button); });
show();
