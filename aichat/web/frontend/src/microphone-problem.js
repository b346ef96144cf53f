// Shows why the microphone cannot be used and how to fix it, until it can be used.
import { reasons } from "./microphone.js";

export class MicrophoneProblem {
  constructor(box, { onAgain, announce }) {
    Object.assign(this, { box, announce });
    [this.what, this.hint] = box.children;
    [this.again, this.dismiss] = box.querySelectorAll("button");
    this.again.addEventListener("click", onAgain);
    this.dismiss.addEventListener("click", () => this.hide());
    this.#watch(onAgain);
  }

  show(error) {
    const [what, mend] = reasons(error);
    this.what.textContent = what;
    this.hint.textContent = mend;
    this.again.hidden = !navigator.mediaDevices; // trying again would not help
    this.box.hidden = false;
    this.announce(`${what} ${mend}`);
  }

  hide() {
    const focused = this.box.contains(document.activeElement);
    this.box.hidden = true;
    if (focused) document.getElementById("talk").focus();
  }

  /** The user has allowed it in the browser's settings: no need to press anything here. */
  async #watch(onAgain) {
    try {
      const permission = await navigator.permissions.query({ name: "microphone" });
      permission.addEventListener("change", () => permission.state === "granted" && !this.box.hidden && onAgain());
    } catch {
      // this browser does not report it; the button is there
    }
  }
}
