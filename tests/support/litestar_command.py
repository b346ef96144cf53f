"""Runs the command `litestar` as a user does, in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

LITESTAR = Path(sys.executable).with_name("litestar")


def environment(folder: Path, **more: str) -> dict[str, str]:
    ours = ("PORT", "HOST", "LITESTAR_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**kept, "AICHAT_DATA": str(folder / "data"), "HF_HUB_OFFLINE": "1", **more}


@contextmanager
def running(folder: Path, *args: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [LITESTAR, "run", *args],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    while True:
        assert process.poll() is None, process.stdout and process.stdout.read()
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
