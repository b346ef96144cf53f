// What the page's sockets need of a browser, in virtual time: timers, a network, a page that is seen or hidden.

export class VirtualBrowser {
  time = 0;
  timers = new Map(); // number -> {at, every, run}
  numbers = 0;
  listeners = new Map();
  sockets = [];
  log = []; // [time, what, ...] of all that happened

  /** Puts itself into the place of the globals. */
  install() {
    const globals = {
      setTimeout: (run, ms) => this.#timer(run, ms),
      setInterval: (run, ms) => this.#timer(run, ms, ms),
      clearTimeout: (number) => this.timers.delete(number),
      clearInterval: (number) => this.timers.delete(number),
      addEventListener: (name, listener) => this.listeners.set(name, listener),
      document: { visibilityState: "visible", addEventListener: (name, listener) => this.listeners.set(name, listener) },
      navigator: { onLine: true },
      location: { protocol: "https:", host: "example.org" },
      performance: { timeOrigin: 0, now: () => this.time },
      WebSocket: socketsOf(this),
    };
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    Math.random = () => 1; // the longest pauses
  }

  note(...what) {
    this.log.push([this.time, ...what]);
  }

  #timer(run, ms, every = 0) {
    this.timers.set((this.numbers += 1), { at: this.time + ms, every, run });
    return this.numbers;
  }

  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [number, timer] = due;
      this.time = timer.at;
      if (timer.every) timer.at += timer.every;
      else this.timers.delete(number);
      timer.run();
    }
    this.time = end;
  }

  /** One step of a test: [what, value]. */
  do(step, value) {
    const socket = this.sockets.at(-1);
    const steps = {
      pass: () => this.pass(value),
      accept: () => socket.accept(),
      frame: () => socket.onmessage?.({ data: JSON.stringify(value) }),
      end: () => socket.end(value),
      online: () => (navigator.onLine = value) && this.listeners.get("online")({}),
      show: () => this.#visible(value),
      event: () => this.listeners.get(value.name)(value),
    };
    steps[step]();
  }

  #visible(state) {
    document.visibilityState = state;
    this.listeners.get("visibilitychange")({});
  }
}

const socketsOf = (browser) =>
  class FakeSocket {
    static OPEN = 1;
    readyState = 0;
    bufferedAmount = 0;

    constructor(address) {
      browser.sockets.push(this);
      browser.note("open", String(address));
    }

    accept() {
      this.readyState = FakeSocket.OPEN;
      this.onopen?.();
    }

    send(data) {
      browser.note("sent", typeof data === "string" ? JSON.parse(data).type : data.byteLength);
    }

    /** The network does not answer to it: onclose is not called. */
    close() {
      this.readyState = 2;
      browser.note("closed");
    }

    end(code) {
      this.readyState = 3;
      this.onclose({ code, reason: `code ${code}` });
    }
  };
