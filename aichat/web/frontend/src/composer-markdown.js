// What was written in the rich composer, as Markdown: the text that is sent, kept and answered.
// Colour and place are written after the words they belong to: [words]{.red}, a paragraph {.center};
// aichat/web/html/markdown.py reads them.

const SIGNS = { bold: "**", italic: "*", strike: "~~" };
const ORDER = ["link", "ink", "bold", "italic", "strike"]; // the outermost first
const TICKS = /`+/g;

/** *doc*: ProseMirror's JSON of a document. */
export function markdownOf(doc) {
  return blocks(doc.content).join("\n\n").trim();
}

const blocks = (nodes = []) => nodes.map(block);

function block(node) {
  const write = BLOCKS[node.type];
  return write ? write(node) : inline(node.content);
}

const BLOCKS = {
  paragraph: (node) => placed(node, inline(node.content)),
  heading: (node) => `${"#".repeat(node.attrs.level)} ${placed(node, inline(node.content))}`,
  blockquote: (node) => prefixed(blocks(node.content).join("\n\n"), "> ", "> "),
  codeBlock: (node) => fenced(textOf(node), node.attrs.language ?? ""),
  horizontalRule: () => "---",
  bulletList: (node) => node.content.map((item) => listItem(item, "- ")).join("\n"),
  orderedList: (node) => node.content.map((item, i) => listItem(item, `${(node.attrs.start ?? 1) + i}. `)).join("\n"),
};

const textOf = (node) => (node.content ?? []).map(({ text }) => text).join("");
const placed = ({ attrs }, text) => (attrs?.align && text ? `${text} {.${attrs.align}}` : text);

function prefixed(text, first, others) {
  return text.split("\n").map((line, i) => ((i ? others : first) + line).trimEnd()).join("\n");
}

function fenced(code, language) {
  const fence = longer(code, 3);
  return `${fence}${language}\n${code}\n${fence}`;
}

/** More ticks than *text* has in a row. */
function longer(text, least) {
  const longest = Math.max(0, ...(text.match(TICKS) ?? []).map((ticks) => ticks.length));
  return "`".repeat(Math.max(least, longest + 1));
}

function listItem({ content = [] }, sign) {
  const parts = content.map((node) => [node, block(node)]);
  const text = parts.reduce((sofar, [node, part], i) => {
    if (!i) return part;
    return `${sofar}${/List$/.test(node.type) ? "\n" : "\n\n"}${part}`;
  }, "");
  return prefixed(text, sign, " ".repeat(sign.length)) || sign.trimEnd();
}

// -- within a line -----------------------------------------------------------------------------

function inline(nodes = []) {
  const line = new Line();
  for (const node of nodes) line.add(node);
  return line.finish();
}

const rank = ({ type }) => ORDER.indexOf(type);
const same = (one, other) => one?.type === other?.type && JSON.stringify(one?.attrs) === JSON.stringify(other?.attrs);

/** Words between brackets: their own would end them. */
const bracketless = (words) => words.replace(/[[\]\\]/g, (sign) => ({ "[": "(", "]": ")" })[sign] ?? "/");

/** Opens and closes marks as the runs of text need them, so that they nest and hug their words. */
class Line {
  #out = "";
  #open = [];

  add(node) {
    if (node.type === "hardBreak") this.#write("\n", this.#open);
    else if (node.type === "mention") this.#write(`@${node.attrs.label}`, []);
    else if (node.type === "image") this.#write(`![${bracketless(node.attrs.alt ?? "")}](${node.attrs.src})`, []);
    else this.#addText(node.text, node.marks ?? []);
  }

  finish() {
    this.#closeTo(0);
    return this.#out;
  }

  #addText(text, marks) {
    const address = marks.find(({ type, attrs }) => type === "link" && attrs.href === text);
    if (address) this.#write(`<${text}>`, marks.filter((mark) => mark !== address));
    else if (marks.some(({ type }) => type === "code")) this.#write(ticked(text), marks);
    else this.#write(text, text.trim() ? marks : this.#open);
  }

  #write(text, marks) {
    const wanted = marks.filter((mark) => rank(mark) >= 0).sort((one, other) => rank(one) - rank(other));
    this.#closeTo(this.#shared(wanted));
    const fresh = wanted.slice(this.#open.length);
    const [space] = fresh.length ? /^\s*/.exec(text) : [""]; // a mark does not begin with a space
    this.#out += space + fresh.map(({ type }) => SIGNS[type] ?? "[").join("") + text.slice(space.length);
    this.#open = wanted;
  }

  #shared(wanted) {
    let count = 0;
    while (count < this.#open.length && same(this.#open[count], wanted[count])) count += 1;
    return count;
  }

  #closeTo(count) {
    const over = this.#open.slice(count);
    if (!over.length) return;
    const [space] = /\s*$/.exec(this.#out); // nor does it end with one
    const text = this.#out.slice(0, this.#out.length - space.length);
    this.#out = text + over.reverse().map(closing).join("") + space;
    this.#open = this.#open.slice(0, count);
  }
}

function closing({ type, attrs }) {
  if (type === "link") return `](${attrs.href})`;
  if (type === "ink") return `]{.${attrs.colour}}`;
  return SIGNS[type];
}

function ticked(text) {
  const ticks = longer(text, 1);
  const gap = /^`|`$/.test(text) ? " " : "";
  return ticks + gap + text + gap + ticks;
}
