// The connection to the server, in a word and a colour.

const WORDS = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  offline: "Offline, reconnecting…",
  refused: "Not connected",
};
const GONE = 4404;

export class ConnectionIndicator {
  constructor(element) {
    Object.assign(this, { element, word: element.querySelector(".connection-word") });
  }

  get text() {
    return this.word.textContent;
  }

  /** Shows a state of ReconnectingSocket, and returns the one before. */
  show(state) {
    const before = this.element.dataset.state;
    this.element.dataset.state = state;
    this.word.textContent = WORDS[state];
    return before;
  }
}

/** Why the server refused a conversation, and what the user can do. */
export function refusal({ code, reason }) {
  if (code === GONE) return "This conversation does not exist any more. Start a new one from the menu.";
  return `${reason || "The server closed the connection."} Reload the page to try again.`;
}
