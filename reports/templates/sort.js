// Tables of results: sort by any column; the recordings stay on top.
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
  if (!table.tBodies[0].querySelector('.rank')) return;
  [...table.tBodies[0].rows].forEach((row, i) => { if (!row.classList.contains('truth')) row.querySelector('.rank').textContent = ranks[i] || '–'; });
  table.closest('[data-view]').querySelector('.by').textContent = th.querySelector('button').textContent;
}

document.addEventListener('click', (event) => { const button = event.target.closest('table.main th button'); if (button) sortBy(button); });
