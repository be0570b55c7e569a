// Marks substituted, deleted and inserted words; built from text nodes only, so no transcript can become markup.
function align(reference, hypothesis) {
  const n = reference.length, m = hypothesis.length, width = m + 1;
  const cost = new Uint32Array((n + 1) * width);
  for (let i = 0; i <= n; i++) cost[i * width] = i;
  for (let j = 0; j <= m; j++) cost[j] = j;
  for (let i = 1; i <= n; i++) for (let j = 1; j <= m; j++) {
    const same = reference[i - 1] === hypothesis[j - 1] ? 0 : 1;
    cost[i * width + j] = Math.min(cost[(i - 1) * width + j - 1] + same, cost[(i - 1) * width + j] + 1, cost[i * width + j - 1] + 1);
  }
  const steps = [];
  for (let i = n, j = m; i > 0 || j > 0;) {
    const here = cost[i * width + j];
    const same = i > 0 && j > 0 && reference[i - 1] === hypothesis[j - 1];
    if (i > 0 && j > 0 && here === cost[(i - 1) * width + j - 1] + (same ? 0 : 1)) { steps.push([reference[--i], hypothesis[--j], same]); }
    else if (i > 0 && here === cost[(i - 1) * width + j] + 1) { steps.push([reference[--i], null, false]); }
    else { steps.push([null, hypothesis[--j], false]); }
  }
  return steps.reverse();
}

function differences(reference, hypothesis) {
  const box = document.createElement('bdi');
  box.dir = 'auto';
  const was = reference.split(/\s+/).filter(Boolean), now = hypothesis.split(/\s+/).filter(Boolean);
  if (was.length * now.length > 4e6) { box.append(reference, ' ⟶ ', hypothesis); return box; }
  for (const [before, after, same] of align(was, now)) {
    if (same) { box.append(before, ' '); continue; }
    if (before !== null) box.append(make('del', { title: after === null ? 'not heard' : 'expected' }, before), ' ');
    if (after !== null) box.append(make('ins', { title: before === null ? 'heard too much' : 'heard instead' }, after), ' ');
  }
  return box;
}

for (const node of document.querySelectorAll('.diff[data-ref]')) node.replaceChildren(differences(node.dataset.ref, node.dataset.hyp));
