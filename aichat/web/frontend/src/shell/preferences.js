// Preferences of this browser: attributes of <html> that the server renders, stored in a cookie.

const html = document.documentElement;

export const preference = (name) => html.dataset[name];

/** Lets the browser's own frame, and what it draws by itself, have the colours of a theme. */
function frame(theme) {
  document.querySelector("meta[name=color-scheme]").content = theme === "system" ? "light dark" : theme;
  const metas = [...document.querySelectorAll("meta[name=theme-color]")];
  const paper = Object.fromEntries(metas.map(({ dataset }) => [dataset.scheme, dataset.paper]));
  for (const meta of metas) meta.content = paper[theme] ?? meta.dataset.paper;
}

/** Applies a preference at once and has it kept. */
export function prefer(name, value) {
  html.dataset[name] = value;
  if (name === "theme") frame(value);
  for (const one of document.querySelectorAll(`[data-prefers] [type=radio][name=${name}]`)) one.checked = one.value === value;
  return fetch("/preferences", {
    method: "POST", body: new URLSearchParams({ [name]: value }), redirect: "manual",
  });
}
