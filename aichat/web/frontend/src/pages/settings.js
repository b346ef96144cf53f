// The Settings page: an import shows its progress, and can be cancelled.
import { applyFragments } from "../html-fragments.js";
import { toast } from "../shell/toasts.js";

const form = document.getElementById("import");
const shown = document.getElementById("import-progress");
const bar = shown.querySelector("progress");
const word = shown.querySelector("label span");
const cancel = document.getElementById("import-cancel");
let sending = null;
let job = ""; // what the server calls it

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (sending || !form.reportValidity()) return;
  job = crypto.getRandomValues(new Uint32Array(4)).join("-"); // randomUUID is for secure pages only
  sending = new XMLHttpRequest(); // fetch reports no progress of uploads
  sending.upload.addEventListener("progress", ({ loaded, total }) => measure(loaded, total));
  sending.upload.addEventListener("load", follow);
  sending.addEventListener("load", answered);
  sending.addEventListener("error", () => toast("The server does not answer, so the file was not imported."));
  sending.addEventListener("abort", () => toast("The import was cancelled. Everything is as it was.", "good"));
  sending.addEventListener("loadend", ended);
  sending.open("POST", `${form.action}?job=${job}`);
  sending.setRequestHeader("HX-Request", "true"); // the answer is a toast
  show(true);
  sending.send(new FormData(form));
});

cancel.addEventListener("click", async () => {
  if (!sending || cancel.getAttribute("aria-disabled") === "true") return;
  cancel.setAttribute("aria-disabled", "true");
  word.textContent = "Undoing the import";
  const asked = isSent() ? await fetch(`${form.action}/${job}/cancel`, { method: "POST" }).catch(() => null) : null;
  if (!isSent()) sending?.abort();
  else if (!asked) toast("The server does not answer, so it could not be asked to stop.");
});

const isSent = () => word.dataset.sent === "true";

/** The file is there: show how many of its records were taken in. */
async function follow() {
  word.dataset.sent = "true";
  word.textContent = "Checking the file";
  bar.removeAttribute("value");
  const answer = await fetch(`${form.action}/${job}`).catch(() => null); // without it, it is merely under way
  if (!answer?.ok) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const [done, total] = piece.value.trimEnd().split("\n").at(-1).split(" ").map(Number);
    if (!total || cancel.getAttribute("aria-disabled") === "true") continue;
    word.textContent = `Importing: ${done} of ${total}`;
    measure(done, total);
  }
}

function measure(done, total) {
  bar.max = total;
  bar.value = done;
}

function answered({ target }) {
  applyFragments(target.responseText);
  if (target.status === 200) form.reset();
}

function ended() {
  sending = null;
  show(false);
}

function show(going) {
  if (!going && shown.contains(document.activeElement)) form.querySelector("button").focus();
  shown.hidden = !going;
  cancel.setAttribute("aria-disabled", "false");
  bar.value = 0;
  word.dataset.sent = "false";
  word.textContent = "Sending the file";
}
