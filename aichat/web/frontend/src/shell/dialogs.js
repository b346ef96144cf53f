// Dialogs: links with data-opens open what they point at, data-closes and a click beside it close it.

export function initDialogs(root = document) {
  root.addEventListener("click", (event) => {
    const opener = event.target.closest("a[data-opens]");
    if (opener) {
      event.preventDefault();
      document.getElementById(opener.hash.slice(1)).showModal();
    }
    const closer = event.target.closest("[data-closes]");
    if (closer) event.preventDefault();
    if (closer || event.target.matches("dialog[open]")) event.target.closest("dialog").close();
  });
}
