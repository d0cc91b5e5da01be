// Runs when the style sheet of an explorer or a sweep is on the page; `this` is its element.
const face = this.closest('.lab-explorer');

// JupyterLab would take keys for its own shortcuts: arrows would leave the cell, and "d d" delete it.
face.addEventListener('focusin', event => { event.target.dataset.lmSuppressShortcuts = ''; });

// A kernel that is gone sends nothing any more, and the last status would stand there for ever.
const lost = face.querySelector('.lab-lost');
const isAt = state => face.querySelector(`.lab-status[data-state=${state}]`);
let patience;
const wait = () => {
  clearTimeout(patience);
  patience = setTimeout(() => { lost.hidden = false; }, 1000 * lost.dataset.seconds);
};
new MutationObserver(() => {
  clearTimeout(patience);
  lost.hidden = true;
  if (isAt('training')) wait();
}).observe(face, { childList: true, characterData: true, subtree: true });
face.addEventListener('click', event => {
  if (event.target.closest('.lab-head .jupyter-button') && !isAt('loading')) wait();
});
