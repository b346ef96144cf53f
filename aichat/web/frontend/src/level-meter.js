// Loudness (root mean square, 0..1) about ten times a second.
export class LevelMeter {
  #sum = 0;
  #count = 0;

  constructor(rate, onLevel) {
    this.span = rate / 10;
    this.onLevel = onLevel;
  }

  add(block) {
    for (const sample of block) this.#sum += sample * sample;
    this.#count += block.length;
    if (this.#count < this.span) return;
    this.onLevel(Math.sqrt(this.#sum / this.#count));
    this.#sum = this.#count = 0;
  }
}
