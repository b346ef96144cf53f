// Runs parts of the page for the tests: a line of JSON in, a line of JSON out.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const source = (name) => import(pathToFileURL(`${process.argv[2]}/${name}`));
const { PlaybackQueue } = await source("playback-queue.js");
const { markdownOf } = await source("composer-markdown.js");
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

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = asked.doc ? markdownOf(asked.doc) : asked.steps ? play(asked) : detect(asked);
  console.log(JSON.stringify(answer));
}
