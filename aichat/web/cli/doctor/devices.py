"""What this machine can compute with. torch is not imported for it: that takes seconds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from shutil import which

NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")


def devices() -> Iterator[str]:
    """Describe processors and graphics cards, a line each."""
    yield f"CPU: {cores()} cores for this process, of {os.cpu_count()}"
    cards = _nvidia()
    yield f"CUDA: {', '.join(cards)}" if cards else "CUDA: no NVIDIA driver answers"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        yield "MPS: this is Apple silicon"
    yield f"torch: {_torch(bool(cards))}"


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _nvidia() -> list[str]:
    if which(NVIDIA[0]) is None:
        return []
    try:
        done = subprocess.run(  # noqa: S603  (no input of anybody's)
            NVIDIA, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _torch(has_cards: bool) -> str:
    try:
        installed = version("torch")
    except PackageNotFoundError:
        return "not installed"
    if torch := sys.modules.get("torch"):  # a backend has it: then it can be asked
        return f"{installed}, {'uses' if torch.cuda.is_available() else 'does not use'} CUDA"
    if installed.endswith("+cpu"):
        return f"{installed}, a build without CUDA"
    return f"{installed}, loaded by nothing" + (", may use CUDA" if has_cards else "")
