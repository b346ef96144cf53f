// The page's line, for scripts of single pages.

let resolveLine;
/** Resolves with the page's Line. */
export const pageLine = new Promise((resolve) => (resolveLine = resolve));
export const setPageLine = (line) => resolveLine(line);
