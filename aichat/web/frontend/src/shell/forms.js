// Forms: one that saves itself reverts a change that failed; none is submitted while the server is away.
import { toast } from "./toasts.js";

const AWAY = "The server does not answer, so nothing was sent. What you wrote is still here.";

export function initForms(socket) {
  let changed = null;
  document.addEventListener("change", ({ target }) => {
    if (target.form?.matches("[data-saves]")) changed = target;
  });
  for (const failure of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(failure, ({ detail }) => {
      if (failure === "htmx:error") toast(AWAY);
      const form = detail.ctx?.sourceElement;
      if (!form?.matches?.("[data-saves]") || changed?.form !== form) return;
      if (changed.type === "checkbox") changed.checked = !changed.checked;
    });
  }
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || socket.works || event.target.method !== "post") return;
    event.preventDefault();
    toast(AWAY);
  });
}
