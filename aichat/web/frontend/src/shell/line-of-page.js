// The page's line, for scripts of single pages.

let tell;
/** Resolves with the page's Line. */
export const pageLine = new Promise((resolve) => (tell = resolve));
export const tellOf = (line) => tell(line);
