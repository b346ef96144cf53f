"""What the page makes of audio while it is busy: the microphone's way out, long tasks, underruns.

    python bench/page_audio.py [seconds of conversation]

The real server, the real page in Chromium. `microphone`: from the moment at which the worklet has
a frame of 20 ms together (its own clock, whole milliseconds) to its arrival at a proxy in front of
the server, page idle and page busy for 120 of every 300 ms. `long tasks`: of the main thread while
four characters stream their text and speak. `underruns`: how often the loudspeaker ran dry within a
line while characters talk among themselves for so many seconds (300).
"""

from __future__ import annotations

import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from support.browser.chat_page import connected, finished, rich, send
from support.browser.chromium import chromium
from support.browser.page_audio import microphone
from support.litestar_run import Server

OLIVIA, MARK, ROSA = "olivia-barns-001", "mark-chen-001", "rosa-alvarez-001"
MAGIC = 0x61696368
STAMP = f"""
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, transfer) {{
  if (message instanceof ArrayBuffer) {{
    const view = new DataView(message);
    view.setUint32(0, {MAGIC});
    view.setFloat64(4, Date.now());
  }}
  return post.call(this, message, transfer);
}};
"""
"""Put before the microphone's worklet: each frame begins with the moment at which it was whole."""
STAMPED = f"""
const add = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {{
  if (!url.includes("microphone-worklet")) return add.call(this, url);
  const parts = [{STAMP!r}, await (await fetch(url)).text()];
  return add.call(this, URL.createObjectURL(new Blob(parts, {{ type: "text/javascript" }})));
}};
"""
BUSY = """setInterval(() => {
  const end = performance.now() + 120;
  while (performance.now() < end);
}, 300)"""
LONG_TASKS = """() => {
  window.__tasks = [];
  const note = (list) => window.__tasks.push(...list.getEntries().map((one) => one.duration));
  new PerformanceObserver(note).observe({ type: "longtask" });
}"""


class Proxy:
    """Forwards to a port of this machine, and notes when the microphone's frames come by."""

    def __init__(self, port: int) -> None:
        self.port, self.delays = port, list[float]()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            near, _ = self.listener.accept()
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = socket.create_connection(("127.0.0.1", self.port))
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other, note in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._forward, args=(one, other, note), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket, note: bool) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                if note:
                    self.delays += delays(data, time.time() * 1_000)
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def delays(data: bytes, now: float) -> Iterator[float]:
    """Yield the age, in ms, of each microphone frame in what a client sent over its WebSocket."""
    at = data.find(b"\x82\xfe\x02\x80")  # binary, masked, 640 bytes
    while at >= 0 and len(data) >= at + 20:
        mask = data[at + 4 : at + 8]
        head = bytes(byte ^ mask[k % 4] for k, byte in enumerate(data[at + 8 : at + 20]))
        magic, stamp = struct.unpack(">Id", head)
        if magic == MAGIC:
            yield now - stamp
        at = data.find(b"\x82\xfe\x02\x80", at + 4)


def opened(browser: Browser, url: str) -> Page:
    # the stamp comes from a blob, which the page's own policy would refuse
    context = browser.new_context(permissions=["microphone"], bypass_csp=True)
    context.add_init_script(STAMPED)
    page = context.new_page()
    page.goto(url)
    connected(page)
    rich(page)
    return page


def of_the_microphone(browser: Browser, server: Server) -> None:
    for how in ("idle", "busy"):
        proxy = Proxy(server.port)
        with server.conversation(OLIVIA) as listener:
            page = opened(browser, proxy.url + listener.path)
            if how == "busy":
                page.evaluate(BUSY)
            page.get_by_label("Hands-free").check()
            page.locator("#talk").click()
            page.wait_for_timeout(20_000)
            page.context.close()
        ms = np.array(proxy.delays)
        p50, p95, p99 = np.percentile(ms, [50, 95, 99])
        print(
            f"microphone {how}: {len(ms)} frames, p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, "
            f"worst {ms.max():.1f} ms",
            flush=True,
        )


def of_four(browser: Browser, server: Server) -> None:
    made = httpx.post(
        f"{server.url}/api/characters", json={"name": "Zoe Bell", "system_prompt": "You are Zoe."}
    )
    with server.conversation(OLIVIA, MARK, ROSA, made.json()["id"]) as listener:
        page = opened(browser, server.url + listener.path)
        page.evaluate(LONG_TASKS)
        for text in ("@everyone, introduce yourselves.", "@everyone, tea or coffee?"):
            send(page, text)
            page.locator("#cast .is-speaking").wait_for()
            finished(page)
        tasks: list[float] = page.evaluate("window.__tasks")
        underruns = page.evaluate("Number(document.body.dataset.underruns ?? 0)")
        print(
            f"four characters: {len(tasks)} tasks over 50 ms, "
            f"longest {max(tasks, default=0):.0f} ms, underruns {underruns}",
            flush=True,
        )
        page.context.close()


def of_a_conversation(browser: Browser, server: Server, seconds: float) -> None:
    with server.conversation(OLIVIA, MARK, ROSA) as listener:
        settings: dict[str, Any] = {"auto": True, "auto_cap": 50}
        id = listener.path.removeprefix("/c/")
        httpx.put(f"{server.url}/api/conversations/{id}", json={"settings": settings})
        page = opened(browser, server.url + listener.path)
        page.evaluate(LONG_TASKS)
        began = time.monotonic()
        while (left := seconds - (time.monotonic() - began)) > 0:
            send(page, "Tell each other about your week.")
            page.locator("#cast .is-speaking").wait_for()
            silent = page.locator("#stop[aria-disabled=true]")
            with suppress(PlaywrightTimeout):  # to the end of what they say, or of our time
                silent.wait_for(timeout=left * 1_000)
        lines = page.locator("#log .message.is-assistant").count()
        told = page.evaluate("({ ...document.body.dataset })")
        tasks: list[float] = page.evaluate("window.__tasks")
        print(
            f"conversation of {seconds:g} s: {lines} lines, underruns {told['underruns']}, "
            f"dropped {told['dropped']}, longest task {max(tasks, default=0):.0f} ms",
            flush=True,
        )
        page.context.close()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        quiet = microphone(Path(folder) / "quiet.wav", 60.0)
        server = Server(Path(folder))
        server.start()
        try:
            with chromium(playwright, quiet) as browser:
                of_the_microphone(browser, server)
                of_four(browser, server)
                of_a_conversation(browser, server, seconds)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
