"""The package in docs/example-voice, as a stranger uses it: pip, one word, and it is heard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from support.litestar_run import Server

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "example-voice"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has put both packages, as wheels; nothing of the checkout is in it."""
    folder = tmp_path_factory.mktemp("site")
    source = folder.with_name("example-voice")
    shutil.copytree(EXAMPLE, source)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", folder, ROOT, source],
        check=True,
        timeout=110,
    )
    return folder


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site)}


def test_the_module_has_at_most_40_lines() -> None:
    assert len((EXAMPLE / "aichat_whistle.py").read_text().splitlines()) <= 40


def test_it_keeps_the_contract_of_the_installed_wheel(
    site: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(EXAMPLE / "test_whistle.py", tmp_path)
    (tmp_path / "conftest.py").write_text(
        "import aichat, aichat_whistle\n"
        f"for module in (aichat, aichat_whistle):\n    assert {str(site)!r} in module.__file__\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", tmp_path],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 35, done.stdout


@attrs.define
class Strangers(Server):
    """A server of the installed wheels."""

    site: Path = Path()

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(self.site)}


@pytest.fixture
def server(site: Path, tmp_path: Path) -> Iterator[Server]:
    one_word = ('use = ["higgs", "espeak"]', 'use = ["whistle"]')
    server = Strangers(tmp_path, settings=(one_word,), site=site)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def test_one_word_in_plugins_toml_and_it_is_heard(server: Server) -> None:
    with server.conversation("mark-chen-001") as listener:
        message = {"type": "text_message", "text": "Hello, who are you?"}
        listener.connection.send(json.dumps(message))
        sound = listener.turn().samples
    assert np.abs(sound).max() > 0.2
    spectrum = np.abs(np.fft.rfft(sound))
    loudest = np.fft.rfftfreq(len(sound), 1 / 24_000)[spectrum.argmax()]
    assert 590 < loudest < 1_510, "that is no whistle"
    near = np.abs(np.fft.rfftfreq(len(sound), 1 / 24_000) - loudest) < 60
    assert (spectrum[near] ** 2).sum() > 0.8 * (spectrum**2).sum()
