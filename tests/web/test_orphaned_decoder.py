"""The program that decodes an upload ends with the server, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aichat.web.services.uploads import clips, decoder

PROGRAM = Path(decoder.__file__)
SLOW = f"""
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("decoder", {str(PROGRAM)!r})
decoder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decoder)
data = decoder.receive()
open(data, "w").write(str(os.getpid()))
time.sleep(600)
"""


def ended(pid: int) -> bool:
    """Wait until a process has ended; the test's own limit of time ends the wait otherwise."""
    while True:
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                return True  # nobody has collected it yet
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at Linux's list of processes")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_killed_takes_its_decoder_along(tmp_path: Path, end: int) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    pid_file = tmp_path / "pid"
    server = (
        "import anyio; from pathlib import Path; from aichat.web.services.uploads import clips\n"
        f"clips.DECODER = Path({str(tmp_path / 'slow.py')!r})\n"
        f"anyio.run(clips.decode, {str(pid_file)!r}.encode())"
    )
    process = subprocess.Popen([sys.executable, "-c", server])
    try:
        while not (pid_file.exists() and pid_file.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(end)
        process.wait()
    assert ended(int(pid_file.read_text()))


@pytest.mark.parametrize("name", ["decoder.py", "painter.py"])
@pytest.mark.parametrize("sent", [b"", b"\5", (100).to_bytes(8, "little") + b"half"])
def test_half_a_file_is_not_worked_on(name: str, sent: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(PROGRAM.with_name(name))],
        input=sent,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (decoder.ABANDONED, b"", b"")


def test_both_sides_agree_on_what_comes_first() -> None:
    assert clips.HEAD_BYTES == decoder.HEAD_BYTES
    assert clips.REFUSED == decoder.REFUSED
