// What this browser prefers: drawn by the server as attributes of <html>, kept by it in a cookie.

const html = document.documentElement;

export const preference = (name) => html.dataset[name];

/** Applies a preference at once and has it kept. */
export function prefer(name, value) {
  html.dataset[name] = value;
  return fetch("/preferences", {
    method: "POST", body: new URLSearchParams({ [name]: value }), redirect: "manual",
  });
}
