"""aichat with the benchmark's stubs: the product's own app and stages, served as `litestar run` does."""

from __future__ import annotations

import sys
from pathlib import Path

import stubs
import uvicorn

from aichat.core import load_plugins, read_config
from aichat.web.app import Setup, create_app
from aichat.web.serving.uvicorn_runner import SETTINGS

HERE = Path(__file__).parent

if __name__ == "__main__":
    setup = Setup(read_config(HERE / "plugins.toml"), load_plugins(extra=[stubs]))
    uvicorn.run(create_app(setup), host="127.0.0.1", port=int(sys.argv[1]), **SETTINGS)
