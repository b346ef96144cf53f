// How things stand with the server, in a word.

const WORDS = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  offline: "Offline: trying again",
  refused: "Not connected",
};
const GONE = 4404;

function reasonFor({ code, reason }) {
  if (code === GONE) return "This conversation does not exist any more. Start a new one from the menu.";
  return `${reason || "The server closed the connection."} Reload the page to try again.`;
}

export class Status {
  #before = "";

  constructor(element, { announce, onRefused }) {
    Object.assign(this, { element, announce, onRefused });
    this.word = element.querySelector(".connection-word");
  }

  show(event) {
    const { state } = event;
    this.element.dataset.state = state;
    this.word.textContent = WORDS[state];
    if (state === "refused") this.onRefused(reasonFor(event));
    else if (this.#before && state !== this.#before) this.announce(WORDS[state]);
    this.#before = state;
  }
}
