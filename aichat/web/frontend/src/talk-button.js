// The microphone's one control. Hold: talk while it is held. Toggle: press to talk, press to send. Hands-free:
// the microphone stays open, and a pause ends what is said. In a call it can be muted.

const REMEMBER = "aichat.microphone";
const MODES = ["hold", "toggle", "hands-free"];
const HOLD_KEYS = new Set([" ", "Enter"]);

export class TalkButton {
  #wanted = false; // the user holds it, or has switched it on
  #open = false;
  #held = false; // held although hands-free: the pauses do not end what is said
  #inCall = false;
  #before = null; // the mode before the call
  #hindrances = new Map(); // why nothing of what is said arrives, in words for the button
  muted = false;

  constructor({ button, modes, microphone, onTalk, onTrouble, onReady, onHint, onOpen }) {
    Object.assign(this, { button, modes, microphone, onTalk, onTrouble, onReady, onHint, onOpen });
    this.word = button.querySelector(".talk-word");
    this.#listen();
    this.#recall();
  }

  get mode() {
    return this.modes.elements.microphone.value;
  }

  set mode(mode) {
    this.modes.elements.microphone.value = mode;
    this.#show();
  }

  /** How loud the microphone hears us, 0..1. */
  level(value) {
    this.button.style.setProperty("--level", this.#open ? Math.min(1, value * 6).toFixed(2) : "0");
  }

  /** The server hears speech. */
  hears(speaking) {
    this.button.classList.toggle("is-heard", speaking && this.#open);
  }

  /** Nothing arrives although the microphone is open, and why, in a few words; "": it does again. */
  hinder(by, words) {
    if (words) this.#hindrances.set(by, words);
    else this.#hindrances.delete(by);
    this.#show();
  }

  /** The device went away. */
  lost() {
    this.#wanted = this.#open = false;
    this.#show();
  }

  // -- for a call --------------------------------------------------------------------------------

  /** Who never chose otherwise talks hands-free in a call; the microphone is asked for at once. */
  joinCall() {
    this.#inCall = true;
    this.#before = this.mode;
    if (!localStorage.getItem(REMEMBER)) this.mode = "hands-free";
    if (this.#wanted) this.#show();
    else if (this.mode === "hands-free") this.#start();
    else this.#prepare();
  }

  leaveCall() {
    this.#inCall = this.muted = false;
    if (this.#wanted) this.#stop();
    this.mode = this.#before ?? this.mode;
  }

  /** Shuts the microphone, or opens it again if it is to be open all the time. */
  mute(muted) {
    this.muted = muted;
    if (muted && this.#wanted) this.#stop();
    else if (!muted && this.mode === "hands-free") this.#start();
    this.#show();
  }

  /** Space is held: talk, whatever the mode. */
  hold() {
    if (!this.#open) this.#start(true);
    else if (this.mode === "hands-free") this.#holdOpen();
  }

  letGo() {
    if (!this.#held) return;
    this.#held = false;
    if (this.mode === "hands-free" && !this.muted && this.#open) this.microphone.endSpeech();
    else this.#stop();
    this.#show();
  }

  /** The permission has come, or the device: try again. */
  again() {
    if (this.mode === "hands-free" && !this.muted) this.#start();
    else this.#prepare();
  }

  // -- listening ---------------------------------------------------------------------------------

  #listen() {
    const { button } = this;
    button.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
      button.addEventListener(end, () => this.#let());
    }
    button.addEventListener("keydown", (event) => this.#keyDown(event));
    button.addEventListener("keyup", (event) => HOLD_KEYS.has(event.key) && this.#let());
    button.addEventListener("click", () => this.mode !== "hold" && this.#toggle());
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
    this.modes.addEventListener("change", () => this.#changeMode());
    document.addEventListener("visibilitychange", () => document.hidden && this.#let());
  }

  #pointerDown(event) {
    if (this.mode !== "hold" || this.muted || event.button !== 0) return;
    this.button.setPointerCapture(event.pointerId);
    this.#start();
  }

  #keyDown(event) {
    if (this.mode !== "hold" || this.muted || !HOLD_KEYS.has(event.key)) return;
    event.preventDefault(); // no click, no scrolling
    if (!event.repeat) this.#start();
  }

  #let() {
    if (this.mode === "hold" && this.#wanted && !this.#held) this.#stop();
  }

  #toggle() {
    if (this.muted) return;
    if (this.#wanted) this.#stop();
    else this.#start();
  }

  #changeMode() {
    if (this.#wanted) this.#stop();
    localStorage.setItem(REMEMBER, this.mode);
    this.#before = this.mode;
    this.#show();
    if (this.#inCall && this.mode === "hands-free" && !this.muted) this.#start();
  }

  #recall() {
    const mode = localStorage.getItem(REMEMBER);
    if (MODES.includes(mode)) this.mode = mode;
    this.#show();
  }

  // -- the microphone ----------------------------------------------------------------------------

  async #prepare() {
    try {
      await this.microphone.prepare();
    } catch (error) {
      this.lost();
      this.onTrouble(error);
      return false;
    }
    this.onReady();
    return true;
  }

  async #start(held = false) {
    this.#wanted = true;
    this.#held = held;
    if (held || this.mode !== "hands-free") this.onTalk(); // the speakers are interrupted at once
    this.#show();
    if (await this.#prepare()) this.#begin();
  }

  #begin() {
    if (this.#open) return; // a press while the browser was asking has opened it already
    if (!this.#wanted) {
      this.microphone.closeGate(); // let go while the browser was asking
      if (this.mode === "hold") this.onHint("The microphone is ready. Hold the button while you talk.");
      return;
    }
    this.microphone.openGate(this.#held || this.mode !== "hands-free");
    this.#open = true;
    this.#show();
  }

  #holdOpen() {
    this.#held = true;
    this.onTalk();
    this.microphone.openGate(true);
    this.#show();
  }

  #stop() {
    this.#wanted = this.#held = false;
    if (this.#open) this.microphone.closeGate();
    this.#open = false;
    this.level(0);
    this.#show();
  }

  #show() {
    this.button.classList.toggle("is-open", this.#open);
    this.button.setAttribute("aria-pressed", String(this.#wanted));
    this.button.setAttribute("aria-disabled", String(this.muted));
    this.word.textContent = this.#words();
    if (!this.#open) this.button.classList.remove("is-heard");
    this.onOpen(this.#open && !this.#hindrances.size);
  }

  #words() {
    if (this.#wanted && !this.#open) return "One moment…";
    const [hindrance] = this.#hindrances.values();
    if (this.#open && hindrance) return hindrance;
    if (this.#held) return "Let go of Space to send";
    if (this.muted) return "Microphone muted";
    if (this.mode === "hands-free") return this.#open ? "Listening: press to stop" : "Start listening";
    if (this.mode === "toggle") return this.#open ? "Press to send" : "Press to talk";
    return this.#open ? "Let go to send" : "Hold to talk";
  }
}
