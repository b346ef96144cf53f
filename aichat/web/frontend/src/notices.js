// What the user must know: errors to dismiss, a banner of notices, and one voice for screen readers.
import { announce } from "./shell/announcer.js";
import { toast } from "./shell/toasts.js";

const newNotice = () => document.getElementById("notice-template").content.firstElementChild.cloneNode(true);

export class Notices {
  constructor(banner) {
    this.banner = banner;
  }

  announce = announce;

  /** Shows a problem until it is dismissed. */
  problem = (text) => toast(text, "bad");

  /** Replaces the banner's lines. */
  show(lines) {
    this.banner.replaceChildren(...lines.map((line) => Object.assign(newNotice(), { textContent: line })));
  }
}
