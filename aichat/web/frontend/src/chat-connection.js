// The page's handle on the socket's worker: sends it commands, and calls the handlers of its events.

export function openConnection({ worker: script, conversation, characters }) {
  const worker = new Worker(script, { name: "aichat-socket" });
  const handlers = new Map();
  const connection = {
    state: "connecting",
    on: (type, handler) => handlers.set(type, [...(handlers.get(type) ?? []), handler]),
    say: (text) => worker.postMessage({ do: "say", text }),
    /** How loud a character is to be heard here, 0..1. */
    volume: (character, gain) => worker.postMessage({ do: "volume", character, gain }),
    /** Sends a frame whose answer is a turn: the present speakers fall silent. */
    wish: (frame) => worker.postMessage({ do: "wish", frame }),
    draft: (text, number) => worker.postMessage({ do: "draft", text, number }),
    interrupt: () => worker.postMessage({ do: "interrupt" }),
    attach: (part, port) => worker.postMessage({ do: part, port }, [port]),
    /** Call once, when every handler is in place. */
    open: () => worker.postMessage({ do: "connect", conversation, characters }),
  };
  worker.onmessage = ({ data }) => {
    if (data.type === "connection") connection.state = data.state;
    for (const handler of handlers.get(data.type) ?? []) handler(data);
  };
  return connection;
}
