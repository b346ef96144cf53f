// Drafts that are not sent yet, stored in this browser for each conversation.

const KEY = "aichat.draft.";

export class Draft {
  constructor(conversation) {
    this.key = KEY + (conversation || "new");
  }

  /** {text, doc}; doc is the rich composer's own form of it, if it was written there. */
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key)) ?? { text: "", doc: null };
    } catch {
      return { text: "", doc: null }; // storage is off, or was written by something else
    }
  }

  keep(text, doc) {
    try {
      if (text.trim()) localStorage.setItem(this.key, JSON.stringify({ text, doc }));
      else localStorage.removeItem(this.key);
    } catch {
      // storage is off or full: the draft lives as long as the page
    }
  }

  /** The conversation has got its address: its draft goes with it. */
  move(conversation) {
    const { text, doc } = this.read();
    this.keep("", null);
    this.key = KEY + conversation;
    if (text) this.keep(text, doc);
  }
}
