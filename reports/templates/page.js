// Wide tables: a shadow on each side where there is more. Paper: everything that is folded or not yet drawn is there.
for (const scroll of document.querySelectorAll('.scroll')) {
  const edge = document.createElement('div');
  edge.className = 'edge';
  scroll.replaceWith(edge);
  edge.append(scroll);
  const mark = () => {
    // What fits needs no box of its own: its headings stay at the top of the window. Long lists keep theirs.
    const inside = scroll.firstElementChild, list = !inside.classList.contains('main') && inside.offsetHeight > 2 * innerHeight;
    scroll.classList.toggle('fits', inside.offsetWidth <= scroll.clientWidth && !list && !inside.classList.contains('rows'));
    if (!scroll.hasAttribute('tabindex') && scroll.scrollWidth > scroll.clientWidth + 2) scroll.tabIndex = 0;  // for the keyboard
    edge.classList.toggle('left', scroll.scrollLeft > 2);
    edge.classList.toggle('right', scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
  };
  scroll.addEventListener('scroll', mark, { passive: true });
  new ResizeObserver(mark).observe(scroll);
  new ResizeObserver(mark).observe(scroll.firstElementChild);
}

let folded = [];
window.addEventListener('beforeprint', () => {
  folded = [...document.querySelectorAll('details:not([open])')];
  for (const each of folded) each.open = true;
});
window.addEventListener('afterprint', () => { for (const each of folded) each.open = false; });
