// Detects speech by energy alone, so that the characters can hold at once. It may be wrong:
// the server's detector and the words decide what comes of it.

const FRAME = 160; // samples at 16 kHz: 10 ms
const ONSET = 3; // loud frames in a row begin speech,
const HANGOVER = 30; // quiet ones end it
const ABOVE = { low: 8, normal: 4, high: 2.8 }; // times the noise floor (18, 12, 9 dB): loud, as the user likes
const BELOW = 2; // times the noise floor (6 dB): quiet
const QUIETEST = 0.01; // nothing below it is speech (-40 dBFS)
const LOWEST = 0.0005; // a dead line is not the measure of a room
const FALL = 0.3; // share of the way down to a quieter frame
const RISE = 1.006; // a room that grows louder: 5 dB a second; the gaps between words bring it down again

export class SpeechDetector {
  #sum = 0;
  #count = 0;
  #run = 0; // frames in a row that speak for a change
  #floor = QUIETEST;

  constructor(onSpeech) {
    this.onSpeech = onSpeech; // called with true when speech begins and false when it ends
    this.speaking = false;
    this.sensitivity = "normal";
  }

  add(sample) {
    this.#sum += sample * sample;
    this.#count += 1;
    if (this.#count === FRAME) this.#judge();
  }

  /** The microphone is shut. */
  reset() {
    this.#sum = this.#count = this.#run = 0;
    this.#say(false);
  }

  #judge() {
    const level = Math.sqrt(this.#sum / FRAME);
    this.#sum = this.#count = 0;
    const limit = this.speaking ? Math.max(BELOW * this.#floor, QUIETEST / 2) : Math.max(ABOVE[this.sensitivity] * this.#floor, QUIETEST);
    const changes = this.speaking ? level < limit : level > limit;
    this.#run = changes ? this.#run + 1 : 0;
    if (this.#run >= (this.speaking ? HANGOVER : ONSET)) this.#say(!this.speaking);
    this.#follow(level);
  }

  #follow(level) {
    if (level < this.#floor) this.#floor += FALL * (level - this.#floor);
    else this.#floor = Math.min(level, this.#floor * RISE);
    this.#floor = Math.max(this.#floor, LOWEST);
  }

  #say(speaking) {
    this.#run = 0;
    if (this.speaking === speaking) return;
    this.speaking = speaking;
    this.onSpeech(speaking);
  }
}
