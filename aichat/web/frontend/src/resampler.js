// Any rate -> 16 kHz by a windowed-sinc filter with a table of phases; exact timing at any ratio.

const PHASES = 256;
const REACH = 16; // samples of the lower rate on each side

export class Resampler {
  #buffer = new Float32Array(8192);
  #length;
  #position;

  constructor(from, to) {
    this.ratio = from / to;
    this.half = Math.ceil(REACH * Math.max(1, this.ratio));
    this.filters = Array.from({ length: PHASES }, (_, phase) => this.#filter(phase / PHASES));
    this.#length = 2 * this.half - 1; // the first samples see silence before them
    this.#position = this.half - 1;
  }

  /** Takes a block of input and hands each sample of output (-1..1) to *emit*. */
  push(block, emit) {
    this.#buffer.set(block, this.#length);
    this.#length += block.length;
    while (this.#position + this.half < this.#length) {
      emit(this.#sample());
      this.#position += this.ratio;
    }
    this.#forget();
  }

  #sample() {
    const whole = Math.floor(this.#position);
    const filter = this.filters[Math.floor((this.#position - whole) * PHASES)];
    const start = whole - this.half + 1;
    let sum = 0;
    for (let k = 0; k < filter.length; k++) sum += filter[k] * this.#buffer[start + k];
    return Math.max(-1, Math.min(1, sum));
  }

  #forget() {
    const drop = Math.floor(this.#position) - this.half + 1;
    if (drop <= 0) return;
    this.#buffer.copyWithin(0, drop, this.#length);
    this.#length -= drop;
    this.#position -= drop;
  }

  #filter(offset) {
    const cutoff = 0.46 / Math.max(1, this.ratio); // of the input rate; a little below the new Nyquist
    const taps = new Float32Array(2 * this.half);
    for (let k = 0; k < taps.length; k++) taps[k] = this.#tap(k - this.half + 1 - offset, cutoff);
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return taps.map((tap) => tap / sum);
  }

  #tap(x, cutoff) {
    if (Math.abs(x) >= this.half) return 0;
    const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
    const turn = (Math.PI * x) / this.half;
    return sinc * (0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn)); // Blackman
  }
}
