// The socket of pages without a conversation: is the server there, how far away, and how are the parts.
import { ConnectionIndicator } from "../connection-indicator.js";
import { ReconnectingSocket } from "../reconnecting-socket.js";
import { announce } from "./announcer.js";

let resolveSocket;
/** Resolves with the page's StatusSocket, for scripts of single pages. */
export const statusSocket = new Promise((resolve) => (resolveSocket = resolve));

export class StatusSocket {
  #socket;

  constructor({ state, banner, onHtml }) {
    Object.assign(this, { banner, indicator: new ConnectionIndicator(state) });
    this.#socket = new ReconnectingSocket(
      { address, firstPauseMs: 500, longestPauseMs: 15_000, patience: 1 },
      {
        onOpen: () => this.#socket.connected(),
        onState: (now) => this.#show(now),
        onText: (frame) => frame.type === "html" && onHtml(frame.html),
      },
    );
    resolveSocket(this);
  }

  get works() {
    return this.#socket.state !== "offline";
  }

  open() {
    this.#socket.open();
  }

  /** Resolves with the milliseconds until the server has answered. */
  ping() {
    return this.#socket.ping();
  }

  #show(state) {
    const before = this.indicator.show(state);
    this.banner.hidden = state !== "offline";
    if (state === before) return;
    if (state === "offline") announce("The server does not answer.");
    else if (before === "offline") announce("The server is back.");
  }
}

function address() {
  const url = new URL("/ws/status", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const { parts } = document.getElementById("statuses")?.dataset ?? {};
  if (parts) url.searchParams.set("parts", parts);
  if (document.getElementById("conversations")) url.searchParams.set("list", "yes");
  return url;
}
