"""How long the page to talk on takes: the server to make it, the browser to take in a word.

    python bench/page.py

The server is a process of its own, on SQLite in a fresh folder, with 30 conversations in the list.
Printed: the median and the 95th percentile of one client's requests for the page with 50 messages
and for the same page without any; then, in Chromium if it is there, what each of 1,000 streamed
words takes of the main thread: script, observers, style and layout of the page with 50 messages.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from uuid import UUID

import anyio
from api import CONVERSATIONS, compared, report, serve_aichat, serving

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SHOWN = 50
LISTED = 30
WORDS = 1_000
TEXTS = (
    "Where do you find your **books**, and what do you do with those that you have read?",
    "In other people's attics, mostly. A *good* attic smells of dust and apples, and has a window "
    "to read by. I have a list of them.\n\n- the mill\n- the old school\n- `attic_7`",
    "```python\ndef attic(apples: int) -> str:\n    return f'dust and {apples}'\n```\nLike this.",
)

STREAM = """
async (count) => {
  const who = document.querySelector("[id^=cast-]").id.slice(5);
  const tell = (data) => window.__worker.dispatchEvent(new MessageEvent("message", { data }));
  const lines = [{ message_id: "streamed", character_id: who, sequence_number: 0 }];
  const text = '<div class="message-text"></div>';
  const bubble = `<article id="m-streamed" class="message is-assistant">${text}</article>`;
  const html = `<hx-partial hx-target="#log" hx-swap="beforeend">${bubble}</hx-partial>`;
  tell({ type: "html", html });
  tell({ type: "turn_started", turn_id: "t", generation: 9999, speakers: [who], lines });
  const scroller = document.getElementById("scroller");
  const said = { character_id: who, character_name: "X", message_id: "streamed", turn_id: "t" };
  const took = [];
  for (let k = 0; k < count; k++) {
    const chunk = { ...said, sequence_number: 0, chunk_index: k, is_final: false };
    const begun = performance.now();
    tell({ type: "text_chunk", text: `word${k} `, ...chunk });
    await null; // what observes the page runs now
    scroller.scrollHeight; // style and layout
    took.push(performance.now() - begun);
    if (k % 4 === 0) await new Promise(requestAnimationFrame);
  }
  return took;
}
"""
SHIM = """
const Plain = window.Worker;
window.Worker = class extends Plain {
  constructor(...how) {
    super(...how);
    window.__worker = this;
  }
};
"""


async def fill(path: Path) -> None:
    """Conversations in the list; one of them has what is shown."""
    from aichat.core import Conversation, Message, new_id
    from aichat.plugins.sqlite.store import Sqlite

    async with Sqlite(str(path)) as store:
        cast = [who.id for who in await store.characters()][:2]
        for id in (str(UUID(id)) for id in CONVERSATIONS.values()):
            await store.add_conversation(Conversation(id, "Of books", cast))
        for number in range(LISTED - 2):
            other = Conversation(new_id(), f"Conversation {number}", cast)
            await store.add_conversation(other)
            await store.add_message(Message(new_id(), other.conversation_id, "user", "Hello!"))
        full = str(UUID(CONVERSATIONS["full"]))
        for number, text in enumerate(islice(cycle(TEXTS), SHOWN)):
            who = cast[number % 2] if number % 3 else None
            role = "assistant" if who else "user"
            await store.add_message(Message(new_id(), full, role, text, "Name", who))


def streamed(url: str) -> list[float]:
    """Milliseconds of the main thread for each word; none where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    from support.browser.install_chromium import found

    if (program := found()) is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script(SHIM)
        page.goto(url)
        page.locator("#connection[data-state=connected]").wait_for()
        took: list[float] = page.evaluate(STREAM, WORDS)
        browser.close()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="aichat-bench-") as folder:
        anyio.run(fill, Path(folder, "aichat.db"))
        with serving(serve_aichat, folder) as aichat:
            empty, full = (f"/c/{UUID(id)}" for id in CONVERSATIONS.values())
            bare, ours = compared(
                {
                    "GET the page, no messages": (aichat, empty),
                    f"GET the page, {SHOWN} messages": (aichat, full),
                }
            )
            print(f"  ratio {ours / bare:.1f}")
            took = streamed(f"http://127.0.0.1:{aichat.port}{full}")
    if not took:
        print("streamed words: skipped, there is no Chromium; `make browser` installs it")
        return
    report(f"{WORDS} streamed words, each", took)


if __name__ == "__main__":
    main()
