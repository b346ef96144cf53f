"""The peers' own environments, made in the user's cache: nothing enters that of the project."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import venv
from pathlib import Path

import platformdirs

CACHE = Path(platformdirs.user_cache_dir("aichat-bench"))
SHARED = (
    "faster-whisper==1.2.1",
    "ctranslate2==4.8.5",
    "onnxruntime==1.32.0",
    "espeakng-loader==0.2.4",
    "soxr==1.0.0",
    "uvicorn[standard]==0.54.0",
    "anyio==4.16.0",
    "attrs==26.1.0",
    "pluggy==1.7.0",
)
"""What the engines need: they are the same in every system, at the same versions."""
PACKAGES = {
    "pipecat": ("pipecat-ai[websocket,silero,runner,openai]==1.14.0",),
    "livekit": ("livekit-agents[openai]==1.8.9", "starlette"),
}


def python_of(name: str) -> Path:
    """Return the Python of a peer's environment, which is made if it is not there."""
    packages = [*PACKAGES[name], *SHARED]
    version = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{version}"
    python = folder / "bin" / "python"
    if not folder.joinpath("complete").exists():
        print(f"installing {name} into {folder} (some minutes)")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(install, check=True)
        folder.joinpath("complete").touch()
    return python
