// Microphone -> 16 kHz PCM16 in frames of 20 ms, straight to the socket's worker, while the gate is open.
// That somebody speaks goes straight to the loudspeaker's worklet, which then holds.
import { LevelMeter } from "./level-meter.js";
import { Resampler } from "./resampler.js";
import { SpeechDetector } from "./speech-detector.js";

const RATE = 16_000;
const FRAME = 320; // samples: 20 ms
const TAIL = 5; // frames that still go out after the gate was asked to close: 100 ms

class Microphone extends AudioWorkletProcessor {
  #frame = new Int16Array(FRAME);
  #filled = 0;
  #left = 0; // frames that may still go out; Infinity while open
  #worker = null;
  #mouth = null;

  constructor() {
    super();
    this.detector = new SpeechDetector((speaking) => this.#mouth.postMessage(speaking));
    this.resampler = new Resampler(sampleRate, RATE);
    this.meter = new LevelMeter(sampleRate, (level) => this.port.postMessage({ level }));
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  process([input]) {
    if (input.length) {
      this.meter.add(input[0]);
      this.resampler.push(input[0], (sample) => this.#add(sample));
    } else if (this.#left && this.#left < Infinity) {
      this.#close(); // the source is gone, so no tail will come
    }
    return true;
  }

  #obey({ port, mouth, gate, sensitivity }) {
    if (port) [this.#worker, this.#mouth] = [port, mouth];
    if (sensitivity) this.detector.sensitivity = sensitivity;
    if (gate === "open" || gate === "hold") this.#open(gate === "hold");
    if (gate === "end" && this.#left === Infinity) this.#worker.postMessage("end_of_speech");
    if (gate === "close" && this.#left === Infinity) this.#left = TAIL;
  }

  #open(held) {
    if (this.#left !== Infinity) this.#filled = 0;
    this.#left = Infinity;
    if (held) this.#worker.postMessage("start_of_speech");
  }

  #add(sample) {
    if (!this.#left) return;
    this.detector.add(sample);
    this.#frame[this.#filled++] = Math.round(sample * 32767);
    if (this.#filled === FRAME) this.#send();
  }

  #send() {
    const { buffer } = this.#frame;
    this.#worker.postMessage(buffer, [buffer]);
    this.#frame = new Int16Array(FRAME);
    this.#filled = 0;
    this.#left -= 1;
    if (!this.#left) this.#close();
  }

  #close() {
    this.#left = 0;
    this.detector.reset();
    this.#worker.postMessage("end_of_speech"); // after the last frame, on the same port: the order holds
  }
}

registerProcessor("aichat-microphone", Microphone);
