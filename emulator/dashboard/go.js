// From one view to another, without the views knowing each other.

/** @param {string} view @param {string} [what] a function or a request */
export const go = (view, what) => document.dispatchEvent(new CustomEvent("go", { detail: { view, what } }));
