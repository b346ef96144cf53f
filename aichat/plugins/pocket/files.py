"""Which files a model of pocket-tts consists of, and where they are. Imports no torch.

The package has a YAML file for each model, in which the files are named ``hf://OWNER/NAME/FILE@REV``.
The weights that can clone have to be asked for at their repository; those that cannot are free.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import frozen

from aichat.core import CannotStart
from aichat.toolkit.packages import installs
from aichat.toolkit.weights import Weights

ADDRESS = "hf://"


@frozen
class Place:
    """A file on the hub."""

    repository: str
    file: str
    revision: str | None

    @classmethod
    def of(cls, address: str) -> Place | None:
        """Read an address; None if it is a path."""
        if not address.startswith(ADDRESS):
            return None
        owner, name, rest = address.removeprefix(ADDRESS).split("/", 2)
        file, _, revision = rest.partition("@")
        return cls(f"{owner}/{name}", file, revision or None)


@frozen
class Recipe:
    """A model: its YAML file, read."""

    name: str
    path: Path
    content: dict[str, Any]

    @property
    def language(self) -> str:
        """As the package calls it: "english"."""
        return self.name.split("_")[0]

    def addresses(self, clone: bool) -> dict[str, str]:
        """Return the address of the weights, and of the tokenizer."""
        free = self.content.get("weights_path_without_voice_cloning")
        weights = self.content.get("weights_path")
        return {
            "weights": str((weights if clone else free) or weights),
            "tokenizer": str(self.content["flow_lm"]["lookup_table"]["tokenizer_path"]),
        }

    def weights(self, clone: bool) -> tuple[Weights, ...]:
        """Say what has to be fetched."""
        found = {use: Place.of(address) for use, address in self.addresses(clone).items()}
        return tuple(
            Weights(
                f"{self.name}-{use}", place.repository, (place.file,), place.file, place.revision
            )
            for use, place in found.items()
            if place
        )

    def local(self, clone: bool, folders: dict[str, Path]) -> dict[str, Any]:
        """Return the content with paths instead of addresses; *folders* by the names of weights."""
        paths = {}
        for use, address in self.addresses(clone).items():
            place = Place.of(address)
            paths[use] = str(folders[f"{self.name}-{use}"] / place.file if place else address)
        made = {**self.content, "weights_path": paths["weights"]}
        made.pop("weights_path_without_voice_cloning", None)
        table = {**made["flow_lm"]["lookup_table"], "tokenizer_path": paths["tokenizer"]}
        return {**made, "flow_lm": {**made["flow_lm"], "lookup_table": table}}


def read(model: str) -> Recipe:
    """Read a model's file: one of the package's, or a path. Raises :class:`CannotStart`."""
    package = _package()
    import yaml  # type: ignore[import-untyped, unused-ignore]

    known = {path.stem: path for path in (package / "config").glob("*.yaml")}
    path = known.get(model) or Path(model).expanduser()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = Recipe(path.stem, path, content)
        recipe.addresses(clone=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CannotStart(
            f"pocket-tts has no model {model!r}, and there is no such YAML file.",
            _meant(model, sorted(known)),
        ) from error
    return recipe


def _meant(model: str, known: list[str]) -> str:
    if close := get_close_matches(model, known, n=1):
        return f"Did you mean {close[0]!r}?"
    return f"Mend [tts.pocket] model. Known: {', '.join(known)}."


def _package() -> Path:
    spec = find_spec("pocket_tts")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("The package pocket-tts is missing.", installs("pocket"))
    return Path(spec.submodule_search_locations[0])
