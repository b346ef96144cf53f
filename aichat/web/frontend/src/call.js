// Call mode: the same page with large captions. Joining is a gesture, so sound is unlocked by it.
import { shortcut } from "./shell/shortcuts.js";
import { WakeLock } from "./wake-lock.js";

const HASH = "#call";
const TYPING = "input, textarea, select, button, a, summary, [contenteditable=true], [role=option]";

const shortcutsOn = () => document.documentElement.dataset.shortcuts !== "off";

export class Call {
  #holding = false;
  #lock = new WakeLock();

  constructor({ button, end, mute, talk, announce }) {
    Object.assign(this, { button, end, mute, talk, announce });
    button.addEventListener("click", () => this.#join());
    end.addEventListener("click", () => this.leave());
    mute.addEventListener("click", () => this.#mute());
    for (const key of "mM") shortcut(key, () => this.on && this.#mute()); // on buttons too, which keep Space for themselves
    addEventListener("hashchange", () => this.#follow());
    addEventListener("keydown", (event) => this.#down(event));
    addEventListener("keyup", (event) => this.#up(event));
    addEventListener("blur", () => this.#let());
    this.#invite();
  }

  get on() {
    return document.body.classList.contains("is-call");
  }

  leave() {
    if (location.hash === HASH) history.replaceState(null, "", location.pathname + location.search);
    this.#follow();
  }

  #join() {
    if (location.hash !== HASH) history.pushState(null, "", HASH);
    this.#follow();
  }

  /** A page that was opened as a call waits for the gesture that joins it. */
  #invite() {
    const asked = location.hash === HASH || new URLSearchParams(location.search).get("mode") === "call";
    if (!asked) return;
    this.button.classList.add("is-strong");
    this.button.querySelector("span").textContent = "Join the call";
  }

  #follow() {
    const wanted = location.hash === HASH;
    if (wanted && !this.on) this.#begin();
    if (!wanted && this.on) this.#stop();
  }

  #begin() {
    document.body.classList.add("is-call");
    this.#lock.keep();
    this.talk.joinCall();
    this.announce("The call has begun. M mutes the microphone, Space holds it open, Escape interrupts.");
    document.getElementById("talk").focus();
  }

  #stop() {
    document.body.classList.remove("is-call");
    this.#lock.release();
    this.talk.leaveCall();
    this.#showMute();
    this.button.classList.remove("is-strong");
    this.button.querySelector("span").textContent = "Call";
    this.announce("The call has ended.");
    this.button.focus();
  }

  #mute() {
    this.talk.mute(!this.talk.muted);
    this.#showMute();
    this.announce(this.talk.muted ? "Microphone muted." : "Microphone unmuted.");
  }

  #showMute() {
    this.mute.setAttribute("aria-pressed", String(this.talk.muted));
    this.mute.textContent = this.talk.muted ? "Muted" : "Mute";
  }

  // -- keys: only in a call, only while nothing that takes keys has the focus -------------------

  #mine(event) {
    const { ctrlKey, altKey, metaKey, target } = event;
    const free = !target.closest?.(TYPING) && !document.querySelector("dialog[open]");
    return this.on && shortcutsOn() && free && !ctrlKey && !altKey && !metaKey;
  }

  #down(event) {
    if (event.key !== " " || !this.#mine(event) || event.repeat) return;
    event.preventDefault();
    this.#holding = true;
    this.talk.hold();
  }

  #up(event) {
    if (event.key === " ") this.#let();
  }

  #let() {
    if (!this.#holding) return;
    this.#holding = false;
    this.talk.letGo();
  }
}
