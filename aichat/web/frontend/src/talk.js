// The big button: hold it to talk, or (hands-free) press it to keep the microphone open.
import { explain } from "./microphone.js";

const REMEMBER = "aichat.microphone";
const HOLD_KEYS = new Set([" ", "Enter"]);

export class TalkButton {
  #wanted = false; // the user holds it, or has switched it on
  #open = false;

  constructor({ button, modes, microphone, onTalk, onProblem, onHint }) {
    Object.assign(this, { button, modes, microphone, onTalk, onProblem, onHint });
    this.word = button.querySelector(".talk-word");
    this.#listen();
    this.#recall();
  }

  get handsFree() {
    return this.modes.elements.microphone.value === "hands-free";
  }

  /** How loud the microphone hears us, 0..1. */
  level(value) {
    this.button.style.setProperty("--level", this.#open ? Math.min(1, value * 6).toFixed(2) : "0");
  }

  /** The server hears speech. */
  hears(speaking) {
    this.button.classList.toggle("is-heard", speaking && this.#open);
  }

  /** The device went away. */
  lost() {
    this.#wanted = this.#open = false;
    this.#show();
  }

  #listen() {
    const { button } = this;
    button.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
      button.addEventListener(end, () => this.#let());
    }
    button.addEventListener("keydown", (event) => this.#keyDown(event));
    button.addEventListener("keyup", (event) => HOLD_KEYS.has(event.key) && this.#let());
    button.addEventListener("click", () => this.handsFree && this.#toggle());
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
    this.modes.addEventListener("change", () => this.#changeMode());
    document.addEventListener("visibilitychange", () => document.hidden && this.#let());
  }

  #pointerDown(event) {
    if (this.handsFree || event.button !== 0) return;
    this.button.setPointerCapture(event.pointerId);
    this.#start();
  }

  #keyDown(event) {
    if (this.handsFree || !HOLD_KEYS.has(event.key)) return;
    event.preventDefault(); // no click, no scrolling
    if (!event.repeat) this.#start();
  }

  #let() {
    if (!this.handsFree && this.#wanted) this.#stop();
  }

  #toggle() {
    if (this.#wanted) this.#stop();
    else this.#start();
  }

  #changeMode() {
    if (this.#wanted) this.#stop();
    localStorage.setItem(REMEMBER, this.modes.elements.microphone.value);
    this.#show();
  }

  #recall() {
    const mode = localStorage.getItem(REMEMBER);
    if (mode === "hands-free" || mode === "hold") this.modes.elements.microphone.value = mode;
    this.#show();
  }

  async #start() {
    this.#wanted = true;
    if (!this.handsFree) this.onTalk(); // whoever speaks is interrupted at once
    this.#show();
    try {
      await this.microphone.prepare();
    } catch (error) {
      this.lost();
      this.onProblem(explain(error));
      return;
    }
    this.#begin();
  }

  #begin() {
    if (!this.#wanted) {
      this.microphone.closeGate(); // let go while the browser was asking
      this.onHint("The microphone is ready. Hold the button while you talk.");
      return;
    }
    this.microphone.openGate(!this.handsFree);
    this.#open = true;
    this.#show();
  }

  #stop() {
    this.#wanted = false;
    if (this.#open) this.microphone.closeGate();
    this.#open = false;
    this.level(0);
    this.#show();
  }

  #show() {
    this.button.classList.toggle("is-open", this.#open);
    this.button.setAttribute("aria-pressed", String(this.#wanted));
    this.word.textContent = this.#words();
    if (!this.#open) this.button.classList.remove("is-heard");
  }

  #words() {
    if (this.#wanted && !this.#open) return "One moment…";
    if (this.handsFree) return this.#open ? "Listening: press to stop" : "Start listening";
    return this.#open ? "Let go to send" : "Hold to talk";
  }
}
