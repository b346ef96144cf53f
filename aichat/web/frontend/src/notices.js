// Errors to dismiss, and a folded banner of notices.
import { announce } from "./shell/announcer.js";
import { toast } from "./shell/toasts.js";

const KEY = "aichat.notices-seen";
const at = (id) => document.getElementById(id);

/** What is shown of a notice while it is folded; what stands after it may change, as of a download. */
const head = (line) => line.split(":")[0];
const newNotice = () => at("notice-template").content.firstElementChild.cloneNode(true);
const short = (line) => Object.assign(document.createElement("span"), { textContent: head(line) });

export class Notices {
  constructor() {
    this.fold = at("notices-fold");
    this.lines = [...at("notices").children].map(({ textContent }) => textContent);
    at("notices-dismiss").addEventListener("click", () => this.#dismiss());
    this.#fit();
  }

  announce = announce;

  /** Shows a problem until it is dismissed. */
  problem = (text) => toast(text, "bad");

  /** Shows an advice until it is dismissed. */
  advise = (text) => toast(text, "hint");

  /** Replaces the banner's lines. */
  show(lines) {
    if (lines.join("\n") === this.lines.join("\n")) return;
    this.lines = lines;
    at("notices").replaceChildren(...lines.map((line) => Object.assign(newNotice(), { textContent: line })));
    at("notices-short").replaceChildren(...lines.map(short));
    this.#fit();
  }

  /** Hidden while there is nothing new in it. */
  #fit() {
    this.fold.hidden = !this.lines.length || localStorage.getItem(KEY) === this.lines.map(head).join("\n");
  }

  #dismiss() {
    localStorage.setItem(KEY, this.lines.map(head).join("\n"));
    this.#fit();
    document.getElementById("scroller").focus(); // where the focus was is gone
  }
}
