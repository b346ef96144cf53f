// The settings: an import tells how far it has got, and can be cancelled.
import { applyFragments } from "../htmx.js";
import { announce } from "../shell/announcer.js";
import { toast } from "../shell/toasts.js";

const form = document.getElementById("import");
const shown = document.getElementById("import-progress");
const bar = shown.querySelector("progress");
const word = shown.querySelector("label span");
let sending = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (sending || !form.reportValidity()) return;
  sending = new XMLHttpRequest(); // fetch cannot tell how much has left
  sending.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.max = total;
    bar.value = loaded;
  });
  sending.upload.addEventListener("load", () => {
    bar.removeAttribute("value");
    word.textContent = "Checking it, and taking it in";
  });
  sending.addEventListener("load", answered);
  sending.addEventListener("error", () => toast("The server does not answer, so the file was not taken in."));
  sending.addEventListener("abort", () => announce("Cancelled."));
  sending.addEventListener("loadend", ended);
  sending.open("POST", form.action);
  sending.setRequestHeader("HX-Request", "true"); // the answer is a toast
  show(true);
  sending.send(new FormData(form));
});

document.getElementById("import-cancel").addEventListener("click", () => sending?.abort());

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
  bar.value = 0;
  word.textContent = "Sending the file";
}
