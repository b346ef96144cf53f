// The loudspeaker's end: audio comes straight from the socket's worker; the page only hears who speaks.
import { LevelMeter } from "./level-meter.js";
import { PlaybackQueue } from "./playback-queue.js";
import { samplesOf } from "./audio-frame.js";

class Player extends AudioWorkletProcessor {
  #worker = null;

  constructor() {
    super();
    this.queue = new PlaybackQueue(sampleRate, (report) => this.#report(report));
    this.meter = new LevelMeter(sampleRate, (level) => this.port.postMessage({ level, played: this.queue.played / (sampleRate / 1000) }));
    this.sounding = false;
    this.port.onmessage = ({ data }) => (data.port ? this.#attach(data) : this.queue.hush());
  }

  process(_, [[out]]) {
    this.queue.render(out, currentFrame);
    if (this.sounding) this.meter.add(out);
    return true;
  }

  #attach({ port, ears }) {
    this.#worker = port;
    port.onmessage = ({ data }) => this.#obey(data);
    ears.onmessage = ({ data }) => this.queue.hear(data); // straight from the microphone's worklet
  }

  #obey(order) {
    const { generation, sequence } = order;
    if (order.do === "play") this.queue.push({ ...order, samples: samplesOf(order.buffer) });
    if (order.do === "flush") this.queue.flush(generation, sequence);
    if (order.do === "volume") this.queue.volume(order, order.gain);
    if (order.do === "pause") this.queue.pause();
    if (order.do === "resume") this.queue.resume();
    if (order.do === "end") this.queue.end({ generation, sequence });
    if (order.do === "begin") this.queue.begin(order.floor, order.resumed);
  }

  #report(report) {
    if (report.state) {
      this.#worker.postMessage(report);
      return;
    }
    this.sounding = report.sounding !== null;
    const { underruns, dropped } = this.queue;
    this.port.postMessage({ sounding: report.sounding, underruns, dropped });
  }
}

registerProcessor("aichat-player", Player);
