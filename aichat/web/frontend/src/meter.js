// Loudness (root mean square, 0..1) about ten times a second.
export class Meter {
  #sum = 0;
  #count = 0;

  constructor(rate, tell) {
    this.span = rate / 10;
    this.tell = tell;
  }

  add(block) {
    for (const sample of block) this.#sum += sample * sample;
    this.#count += block.length;
    if (this.#count < this.span) return;
    this.tell(Math.sqrt(this.#sum / this.#count));
    this.#sum = this.#count = 0;
  }
}
