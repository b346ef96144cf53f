"""How soon Chromium's loudspeaker is silent: after Stop, and after the user makes a sound.

    python bench/loudspeaker.py [rounds]

The real server, the real page. `stop`: from the key press (its event's time) to the last sample
that is not silence. `duck`: from the moment at which the page could first see the microphone's
loud samples to the same; 30 ms of that are the detection. Times are those at which samples are
heard, by the audio context's own output clock; `device` is what of that is the buffer between the
page's audio and the (here: simulated) loudspeaker, and `page` the rest.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from playwright.sync_api import Page, sync_playwright

from support.browser.chat_page import connected, finished, send
from support.browser.chromium import SCRIPTS, chromium
from support.browser.page_audio import microphone, recorded, recorded_past, room
from support.litestar_run import Listener, Server
from support.playback_check import assert_held

OLIVIA = "olivia-barns-001"
EARS = """
let heard;
window.__loud = new Promise((resolve) => (heard = resolve));
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  const track = stream.getAudioTracks()[0].clone();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      value.close();
      if (samples.some((s) => Math.abs(s) > 0.05)) heard(performance.now());
    }
  })();
  return stream;
};
"""


def silent_after(page: Page, moment: float) -> float:
    """When the sound that went on at *moment* ended: the first 100 ms of silence after it."""
    page.evaluate("(m) => window.__recordedPast(m + 400)", moment)
    start = page.evaluate("window.__recordedFrom()")
    samples = recorded(page).samples
    at = max(0, int((moment - start) * 24))
    loud = np.flatnonzero(samples[at : at + 24 * 400])
    gaps = np.flatnonzero(np.diff(loud, append=len(samples)) > 2_400)
    return float((loud[gaps[0]] + 1) / 24) if len(loud) else 0.0


def speaking(page: Page) -> None:
    send(page, "Hello, tell me about your favourite book.")
    page.locator("#cast .is-speaking").wait_for()
    page.evaluate("window.__recordedPast(performance.now() + 500)")


def goes_on(page: Page, listener: Listener) -> bool:
    """Let them go on to the end; tell whether every sample was played, once and in order."""
    generation = listener.until("duck")["generation"]
    listener.until("turn_complete")
    finished(page)
    held = assert_held(recorded_past(page), listener.sound(generation))
    return bool(held)


def rounds(server: Server, how: str, count: int) -> tuple[list[float], list[float], list[bool]]:
    figures: list[float] = []
    exact: list[bool] = []
    devices: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        wav = microphone(Path(folder) / "mic.wav", 0.8, room(0.15, level=6_000), 30.0)
        for _ in range(count):
            with chromium(playwright, wav) as browser, server.conversation(OLIVIA) as listener:
                context = browser.new_context(permissions=["microphone"])
                for script in SCRIPTS:
                    context.add_init_script(path=script)
                context.add_init_script(EARS)
                page = context.new_page()
                page.goto(server.url + listener.path)
                connected(page)
                page.get_by_label("Hands-free").check()
                speaking(page)
                if how == "stop":
                    page.keyboard.press("Escape")
                    moment = page.evaluate("window.__witness.gestures.at(-1).at")
                else:
                    page.locator("#talk").click()
                    moment = page.evaluate("window.__loud")
                figures.append(silent_after(page, moment))
                devices.append(page.evaluate("window.__recordedLag()"))
                if how == "duck":
                    exact.append(goes_on(page, listener))
    return figures, devices, exact


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            for how in ("stop", "duck"):
                heard, device, exact = map(np.array, rounds(server, how, count))
                for name, ms in (("heard", heard), ("device", device), ("page", heard - device)):
                    print(f"{how} {name:6} ms: p50 {np.median(ms):6.1f}, worst {ms.max():6.1f}")
                if len(exact):
                    print(f"they went on sample for sample in {exact.sum()} of {len(exact)} rounds")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
