// Hearing a message from one of its words on, by keyboard as well: a slider goes through the words, Enter plays.
import { markWord, wordsOf } from "./captions.js";

export class PlayFrom {
  #panel = null;
  #words = [];

  /** *onPlay* gets the message's id and the number of the word, from 0. */
  constructor({ onPlay }) {
    this.onPlay = onPlay;
  }

  /** Shows the slider under a message, at word *number*. */
  open(message, number) {
    this.close();
    this.message = message;
    this.text = message.querySelector(".message-text");
    this.#words = wordsOf(this.text);
    if (!this.#words.length) return;
    this.#panel = document.getElementById("play-from-template").content.firstElementChild.cloneNode(true);
    this.slider = this.#panel.querySelector("input");
    this.slider.max = String(this.#words.length - 1);
    this.slider.value = String(number);
    this.#panel.addEventListener("input", () => this.#show());
    this.#panel.addEventListener("keydown", (event) => this.#key(event));
    this.#panel.addEventListener("click", ({ target }) => this.#clicked(target.closest("button")));
    this.text.after(this.#panel);
    this.#show();
    this.slider.focus();
  }

  close() {
    const hadFocus = this.#panel?.contains(document.activeElement);
    this.#panel?.remove();
    this.#panel = null;
    markWord(null);
    if (hadFocus) this.message.querySelector(".more > summary")?.focus();
  }

  #show() {
    const word = this.#words[this.slider.value];
    this.#panel.querySelector("output").textContent = word.text;
    this.slider.setAttribute("aria-valuetext", word.text);
    markWord(this.text, word);
  }

  #clicked(button) {
    if (!button) return;
    if ("close" in button.dataset) this.close();
    else this.#play();
  }

  #play() {
    this.onPlay(this.message.id.slice(2), Number(this.slider.value));
  }

  #key(event) {
    if (event.key === "Enter" && event.target === this.slider) this.#play();
    if (event.key !== "Escape") return;
    event.preventDefault(); // it silences nobody
    event.stopPropagation();
    this.close();
  }
}
