// Marks the word that is being heard, by where the loudspeaker is; and finds the word that was clicked.

const NAME = "spoken-word";
const CHOSEN = "chosen-word";
const TOGETHER = 4; // words in a row that identify a place
const KEPT = 8; // messages whose words' times are known

/** Marks a range of text without touching the page's elements; where the browser cannot, nothing is marked. */
const highlight = "highlights" in CSS ? new Highlight() : null;
if (highlight) CSS.highlights.set(NAME, highlight);
const chosen = highlight && new Highlight();
if (chosen) CSS.highlights.set(CHOSEN, chosen);

export class Captions {
  #messages = new Map(); // message id -> {turn, clauses: Map of index -> words}
  #marked = ""; // which word of which message

  /** Keeps the times of a clause's words, as the server sent them. */
  setTimes({ message_id: id, turn_id: turn, clause, words }) {
    let known = this.#messages.get(id);
    if (known?.turn !== turn) known = { turn, clauses: new Map() };
    this.#messages.delete(id); // the newest is last
    this.#messages.set(id, known);
    known.clauses.set(clause, words);
    if (this.#messages.size > KEPT) this.#messages.delete(this.#messages.keys().next().value);
  }

  /** Marks the word at *ms* of the message with this id; those before it have been heard. */
  heard(id, ms) {
    const words = [...(this.#messages.get(id)?.clauses ?? [])].sort(([a], [b]) => a - b).flatMap(([, some]) => some);
    const index = words.findLastIndex((word) => word.at <= ms);
    const text = document.getElementById(`m-${id}`)?.querySelector(".message-text");
    if (index < 0 || !text) return this.silent();
    const mark = `${id} ${index} ${words[index].text}`;
    if (mark === this.#marked && highlight?.size && [...highlight][0].startContainer.isConnected) return undefined;
    this.#marked = mark;
    return this.#show(rangeOf(text, words, index));
  }

  silent() {
    this.#marked = "";
    highlight?.clear();
  }

  #show(range) {
    highlight?.clear();
    if (range) highlight?.add(range);
  }
}

const SMALL_WORD = 3; // letters
const NEAR = 24; // letters

/** Where word *index* is in the element: behind the words before it, in what the page shows. */
function rangeOf(element, words, index) {
  const shown = element.textContent;
  let end = beginning(shown, words);
  let start = -1;
  for (const { text } of words.slice(0, index + 1)) {
    const found = shown.indexOf(text, end);
    // a small word may be how a sign is read out ("to" for "3–5"): then another like it is further on
    start = text.length <= SMALL_WORD && found > end + NEAR ? -1 : found;
    if (start >= 0) end = start + text.length;
  }
  if (start < 0) return null;
  const rest = shown.slice(end).search(/[\s.,;:!?…]|$/); // what was read out may be the beginning of what stands there
  return between(element, start, end + rest);
}

/** Where the words begin in what is shown: a message may be said again from the middle on. */
function beginning(shown, words) {
  const first = words.slice(0, TOGETHER).map(({ text }) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return Math.max(0, shown.search(new RegExp(first.join("\\W*\\s\\W*"))));
}

function between(element, start, end) {
  const range = new Range();
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let before = 0;
  let open = false;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const after = before + node.length;
    if (!open && start < after) {
      range.setStart(node, start - before);
      open = true;
    }
    if (open && end <= after) {
      range.setEnd(node, end - before);
      return range;
    }
    before = after;
  }
  return null;
}

/** The words that the element shows, as wordAt counts them: {text, start, end} with places in its text. */
export function wordsOf(element) {
  return [...element.textContent.matchAll(/\S+/g)].map(({ 0: text, index }) => ({ text, start: index, end: index + text.length }));
}

/** Marks a word of the element that the user has come to; none without an element. */
export function markWord(element, word) {
  chosen?.clear();
  if (!element) return;
  const range = between(element, word.start, word.end);
  chosen?.add(range);
  range.startContainer.parentElement.scrollIntoView({ block: "nearest" });
}

/** The number of the word at a place of the element's text, from 0. */
export function wordAt(element, node, offset) {
  const range = new Range();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  const before = range.toString();
  const words = before.split(/\s+/).filter(Boolean).length;
  return /\S$/.test(before) ? words - 1 : words;
}

/** The number of the word that was clicked, or null. */
export function clickedWord(element, { clientX, clientY }) {
  const caret = document.caretPositionFromPoint?.(clientX, clientY);
  const old = caret ? null : document.caretRangeFromPoint?.(clientX, clientY);
  const node = caret?.offsetNode ?? old?.startContainer;
  if (!node || !element.contains(node)) return null;
  return wordAt(element, node, caret?.offset ?? old.startOffset);
}

/** The number of the first word that is selected in the element, or 0. */
export function selectedWord(element) {
  const selection = getSelection();
  if (selection.isCollapsed || !selection.rangeCount) return 0;
  const { startContainer, startOffset } = selection.getRangeAt(0);
  return element.contains(startContainer) ? wordAt(element, startContainer, startOffset) : 0;
}
