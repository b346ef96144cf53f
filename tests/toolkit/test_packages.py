"""The distribution is called aichat-voice, and every hint and document says so."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from aichat.core.errors import PluginFailed
from aichat.toolkit import packages

ROOT = Path(__file__).parents[2]
FOREIGN = re.compile(
    r"""(?<![\w./-])aichat\[                                # an extra of it
    | (?:install|uv\ add)\ (?:--?[\w-]+\ )*["'`]?aichat(?![\w.-])  # an order to install it
    | dependencies\ =\ \[[^]]*["']aichat["'\[<>=~!;\ ]      # needing it
    """,
    re.VERBOSE,
)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    packages.distribution.cache_clear()
    yield
    packages.distribution.cache_clear()


def installed_as(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, url: object = None
) -> None:
    """Let exactly one distribution be there, of that name, with the built-in plug-ins."""
    info = folder / f"{name.replace('-', '_')}-7.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 7.1\n")
    (info / "entry_points.txt").write_text(f"[aichat]\nanswering = {packages.BUILT_IN}\n")
    if url:
        (info / "direct_url.json").write_text(json.dumps(url))
    monkeypatch.setattr("sys.path", [str(folder)])


def test_a_checkout_and_a_package_get_the_order_that_works_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editable = {"url": "file:///src", "dir_info": {"editable": True}}
    copied = {"url": "file:///src", "dir_info": {}}
    wheel = {"url": "https://host.example/a.whl", "archive_info": {}}
    here = 'Run `pip install -e ".[higgs]"` in your checkout of aichat.'
    by_name = 'Run `pip install "aichat-voice[higgs]"`.'
    for number, (url, wanted) in enumerate(
        [(editable, here), (copied, by_name), (wheel, by_name), (None, by_name)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch:
            installed_as(patch, folder, "aichat-voice", url)
            packages.distribution.cache_clear()
            assert packages.installs("higgs") == wanted
            assert packages.version() == "7.1"


def test_whatever_it_was_installed_as_before_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed_as(monkeypatch, tmp_path, "aichat")
    assert packages.version() == "7.1"


def test_a_stranger_called_aichat_is_not_taken_for_us(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "aichat-0.0.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aichat\nVersion: 0.0.5\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert packages.version() == "unknown"
    assert packages.installs("otel").startswith('Run `pip install -e ".[otel]"`')
    with pytest.raises(PluginFailed, match="aichat is not installed"):
        packages.require_installed()


def test_the_distribution_has_the_name_that_the_hints_use() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == packages.DISTRIBUTION
    assert set(project["project"]["entry-points"]) == {"aichat", "litestar.commands"}
    assert metadata.entry_points(group="aichat")["answering"].value == packages.BUILT_IN


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ('pip install "aichat[whisper]"', True),
        ("pip install aichat", True),
        ("python -m pip install --upgrade 'aichat'", True),
        ("uv add aichat", True),
        ("pipx install aichat", True),
        ('dependencies = ["aichat"]', True),
        ('dependencies = ["numpy", "aichat>=1"]', True),
        ('all = ["aichat[whisper]"]', True),
        ('pip install "aichat-voice[whisper]"', False),
        ('pip install -e ".[whisper]"', False),
        ("pip install aichat-whistle", False),
        ("uv run litestar aichat doctor", False),
        ('extensions["aichat"]["voice"]', False),
    ],
)
def test_what_installs_strange_code_is_recognised(text: str, is_foreign: bool) -> None:
    assert bool(FOREIGN.search(text)) is is_foreign


def test_nothing_in_the_tree_installs_strange_code() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    named = [ROOT / name for name in listed.stdout.splitlines()]
    files = [file for file in named if file.is_file() and file != Path(__file__)]
    if not files:
        pytest.skip("this is no checkout of git")
    found = []
    for file in files:
        text = file.read_bytes().decode("utf-8", "replace")
        found += [f"{file.relative_to(ROOT)}: {one[0]}" for one in FOREIGN.finditer(text)]
    assert found == []
