// The try-out box: a character that is not saved yet answers in text, and then aloud.
import { announce } from "../shell/announcer.js";
import { cancellable } from "./cancellable-button.js";
import { playStream } from "./streamed-wav.js";

export function initTryouts() {
  document.addEventListener("submit", (event) => {
    const address = event.submitter?.dataset.tryout;
    if (!address) return;
    event.preventDefault();
    cancellable(event.submitter, "Stop", (signal) => answer(event.target, event.submitter, address, signal));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("[data-tryout-field]")) return;
    event.preventDefault();
    event.target.form.requestSubmit(event.target.form.querySelector("[data-tryout]"));
  });
}

async function answer(form, button, address, signal) {
  const shown = document.getElementById("tryout-answer");
  const player = document.getElementById("tryout-player");
  shown.textContent = "…";
  shown.classList.remove("is-problem");
  player.hidden = true;
  player.pause();
  try {
    const reply = await fetch(address, { method: "POST", body: new FormData(form, button), signal });
    if (!reply.ok) throw new Error((await reply.json()).detail);
    const text = await streamed(reply, shown);
    announce(text);
    if (form.elements.aloud.checked) await speak(form, text, player, signal);
  } catch (error) {
    if (signal.aborted) return; // what was written stays
    shown.classList.add("is-problem");
    shown.append(`${shown.textContent ? " " : ""}${error.message}`);
  }
}

async function streamed(reply, shown) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  shown.textContent = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const [text, ...anew] = piece.value.split("\f"); // what came before it was a thought of the model
    if (anew.length) shown.textContent = anew.at(-1);
    else shown.append(text);
  }
  return shown.textContent;
}

async function speak(form, text, player, signal) {
  const sent = new FormData(form);
  sent.set("text", text);
  const reply = await fetch("/characters/speak", { method: "POST", body: sent, signal });
  if (!reply.ok) throw new Error((await reply.json()).detail);
  const sound = URL.createObjectURL(await playStream(reply.body, signal));
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = sound; // to hear it again
  player.hidden = false;
}
