// Runs parts of the page for the tests: a line of JSON in, a line of JSON out.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { VirtualBrowser } from "./virtual_browser.mjs";

const source = (name) => import(pathToFileURL(`${process.argv[2]}/${name}`));
const { PlaybackQueue } = await source("playback-queue.js");
const { markdownOf } = await source("composer-markdown.js");
const { ReconnectingSocket } = await source("reconnecting-socket.js");
const { ChatSocket } = await source("chat-socket.js");
const { SpeechDetector } = await source("speech-detector.js");

function play({ rate, steps }) {
  const reports = [];
  const out = [];
  const queue = new PlaybackQueue(rate, (report) => report.state && reports.push({ ...report, at: out.length }));
  for (const [step, ...args] of steps) {
    if (step === "push") {
      const [generation, sequence, chunk, samples, last] = args;
      queue.push({ generation, sequence, chunk, last, samples: Int16Array.from(samples) });
    } else if (step === "render") {
      for (let k = 0; k < args[0]; k++) {
        const quantum = new Float32Array(128);
        queue.render(quantum, out.length);
        out.push(...quantum);
      }
    } else queue[step](...args);
  }
  return { out, reports, underruns: queue.underruns, dropped: queue.dropped };
}

function detect({ samples }) {
  const told = [];
  let at = 0;
  const detector = new SpeechDetector((speaking) => told.push([at, speaking]));
  for (const sample of samples) detector.add(sample, (at += 1));
  return { told };
}

/** What a socket of the page does on a network that does these *steps*. */
function connect({ socket: kind, network }) {
  const browser = new VirtualBrowser();
  browser.install();
  const onState = (state, reason, code) => browser.note(state, ...(code ? [reason] : []));
  const socket = kind === "chat" ? chatSocket(browser, onState) : statusSocket(onState);
  const own = { ping: () => socket.ping().then((ms) => browser.note("pong", ms), (error) => browser.note(error.message)) };
  socket.open();
  for (const [step, value] of network) (own[step] ?? (() => browser.do(step, value)))();
  return new Promise((resolve) => setImmediate(() => resolve(browser.log)));
}

function statusSocket(onState) {
  const options = { address: () => "/ws/status", firstPauseMs: 500, longestPauseMs: 15_000, patience: 1 };
  const socket = new ReconnectingSocket(options, { onState, onOpen: () => socket.connected(), onText: () => {} });
  return socket;
}

function chatSocket(browser, onState) {
  const position = () => ({ played_ms: 1_250 });
  return new ChatSocket({ conversation: "c-1" }, { onState, onMessage: ({ type }) => browser.note("got", type), position });
}

function answer(asked) {
  if (asked.socket) return connect(asked);
  if (asked.doc) return markdownOf(asked.doc);
  return asked.steps ? play(asked) : detect(asked);
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
