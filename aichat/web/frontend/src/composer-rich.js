// The rich box to type in, made with Tiptap. It is a bundle of its own that comes after the page.
import { Editor, Extension, Mark } from "@tiptap/core";
import Image from "@tiptap/extension-image";
import Mention from "@tiptap/extension-mention";
import { Placeholder } from "@tiptap/extensions";
import StarterKit from "@tiptap/starter-kit";

import { markdownOf } from "./composer-markdown.js";
import { Picker } from "./composer-picker.js";
import { Pictures } from "./composer-pictures.js";
import { Toolbar } from "./composer-toolbar.js";

const INK = /\bink-(\w+)\b/;
const PLACE = /\balign-(\w+)\b/;

/** Colours of the page's own, by name, so that they can be read on light and on dark. */
const Ink = Mark.create({
  name: "ink",
  addAttributes: () => ({
    colour: {
      default: null,
      parseHTML: (element) => INK.exec(element.className)?.[1],
      renderHTML: ({ colour }) => ({ class: `ink-${colour}` }),
    },
  }),
  parseHTML: () => [{ tag: "span[class^=ink-]" }],
  renderHTML: ({ HTMLAttributes }) => ["span", HTMLAttributes, 0],
});

const Place = Extension.create({
  name: "place",
  addGlobalAttributes: () => [
    {
      types: ["paragraph", "heading"],
      attributes: {
        align: {
          default: null,
          parseHTML: (element) => PLACE.exec(element.className)?.[1] ?? null,
          renderHTML: ({ align }) => (align ? { class: `align-${align}` } : {}),
        },
      },
    },
  ],
});

/** Enter sends, wherever the cursor is; Shift+Enter makes a line, and twice a paragraph. */
const Keys = Extension.create({
  name: "keys",
  priority: 1_000,
  addOptions: () => ({ handlers: null }),
  addKeyboardShortcuts() {
    const { handlers } = this.options;
    return {
      Enter: () => (handlers.onEnter(), true),
      "Shift-Enter": ({ editor }) => breakLine(editor),
      ArrowUp: ({ editor }) => editor.isEmpty && handlers.onUp(),
    };
  },
});

function breakLine(editor) {
  if (editor.isActive("codeBlock")) return editor.commands.newlineInCode();
  if (editor.isActive("listItem")) return editor.commands.splitListItem("listItem") || editor.commands.liftListItem("listItem");
  if (editor.isActive("heading")) return editor.chain().splitBlock().setParagraph().run();
  const { $from, empty } = editor.state.selection;
  const twice = empty && $from.nodeBefore?.type.name === "hardBreak";
  if (!twice) return editor.commands.setHardBreak();
  return editor.chain().deleteRange({ from: $from.pos - 1, to: $from.pos }).splitBlock().run();
}

/** Text as it was written: its lines, not what they might mean. */
function contentOf(text) {
  const lines = text.split("\n").flatMap((line, i) => [
    ...(i ? [{ type: "hardBreak" }] : []),
    ...(line ? [{ type: "text", text: line }] : []),
  ]);
  return { type: "doc", content: [{ type: "paragraph", content: lines }] };
}

export class RichField {
  /** Takes the place of *box*; *doc* is what stands there in our own form, if that is known. */
  constructor(box, handlers, { announce, doc }) {
    this.handlers = handlers;
    const { value, selectionEnd } = box;
    const hadFocus = document.activeElement === box;
    this.picker = new Picker(document.getElementById("mentions"), announce);
    const frame = document.getElementById("composer-rich");
    this.editor = new Editor({
      element: frame,
      injectCSS: false, // the page's style sheet has it; the CSP allows no other
      content: doc ?? contentOf(value),
      extensions: this.#extensions(box.placeholder),
      editorProps: {
        attributes: attributes(box),
        handleDOMEvents: { keydown: (_, event) => this.#leavesToPage(event) },
        handlePaste: (_, event) => this.pictures.pasted(event),
        handleDrop: (view, event, _, isMoved) => this.pictures.dropped(view, event, isMoved),
      },
      onUpdate: () => handlers.onChange(),
    });
    this.picker.owner = this.editor.view.dom;
    this.#swap(box, frame);
    this.pictures = new Pictures(this.editor);
    new Toolbar(document.getElementById("composer-toolbar"), this.editor);
    if (!hadFocus) return;
    this.element.focus(); // at once: the editor's own command waits for a frame, and a key would be lost
    this.editor.commands.setTextSelection(doc ? this.editor.state.doc.content.size : selectionEnd + 1);
  }

  get element() {
    return this.editor.view.dom;
  }

  get text() {
    return markdownOf(this.editor.getJSON());
  }

  set text(text) {
    if (text) this.editor.commands.setContent(contentOf(text), { emitUpdate: true });
    else this.editor.chain().clearContent(true).unsetAllMarks().run();
  }

  get doc() {
    return this.editor.getJSON();
  }

  focus() {
    this.editor.view.focus();
  }

  /** Puts a name where the cursor is. */
  mention(name) {
    const { $from } = this.editor.state.selection;
    const before = $from.parent.textBetween(0, $from.parentOffset, "\n", "@");
    const gap = before && !/\s$/.test(before) ? [{ type: "text", text: " " }] : [];
    const named = [{ type: "mention", attrs: { id: name, label: name } }, { type: "text", text: " " }];
    this.editor.chain().focus().insertContent([...gap, ...named]).run();
  }

  /** ProseMirror would swallow Escape, which silences the characters unless it closes the list of names. */
  #leavesToPage(event) {
    return event.key === "Escape" && !this.picker.isOpen;
  }

  #extensions(placeholder) {
    return [
      StarterKit.configure({
        heading: { levels: [1, 2, 3] },
        underline: false, // Markdown has none
        trailingNode: false,
        link: { openOnClick: false, defaultProtocol: "https" },
      }),
      Ink,
      Place,
      Image.configure({ inline: true }),
      Placeholder.configure({ placeholder }),
      Keys.configure({ handlers: this.handlers }),
      Mention.extend({ priority: 2_000 }).configure({ // an open list gets the keys first
        HTMLAttributes: { class: "mention" },
        renderText: ({ node }) => `@${node.attrs.label}`,
        renderHTML: ({ options, node }) => ["span", options.HTMLAttributes, `@${node.attrs.label}`],
        suggestion: this.picker.suggestion,
      }),
    ];
  }

  #swap(box, frame) {
    box.remove();
    this.element.id = "composer-text";
    frame.hidden = false;
  }
}

function attributes(box) {
  return {
    role: "textbox",
    "aria-multiline": "true",
    "aria-label": "Message",
    "aria-autocomplete": "list",
    "aria-describedby": box.getAttribute("aria-describedby"),
    enterkeyhint: "send",
    class: "rich-text",
  };
}
