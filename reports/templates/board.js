// Leaderboard: choose protocol, test set, language or category.
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

for (const select of choices) select.addEventListener('change', show);
if (choices.length) show();  // one table alone has nothing to choose
