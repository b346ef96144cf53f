"""The Jinja environment of the pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template import TemplateConfig
from markupsafe import Markup, escape

from aichat.core import AichatError, turn_rules
from aichat.web import paths

from . import avatars
from .character_pictures import face_of, is_own
from .colours import colour_of


class NotBuilt(AichatError):
    """The page's scripts are missing."""

    code = "not_built"


class Assets:
    """The built scripts and styles: source name -> address with the hash of the content."""

    def __init__(self, folder: Path) -> None:
        self._manifest = folder / "manifest.json"
        self._names: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Return the address of *name*. Raises :class:`NotBuilt`."""
        if not self._names:
            self._names = self._read()
        if name not in self._names:
            raise NotBuilt(f"The page's {name} is not built.", _MEND)
        return f"/static/{self._names[name]}"

    def _read(self) -> dict[str, str]:
        try:
            names: dict[str, str] = json.loads(self._manifest.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotBuilt("The page's scripts are not built.", _MEND) from error
        return names


BACKTICKS = re.compile("`([^`]+)`")
_MEND = "Install again: `make install`, or `pip install -e .` in the checkout."


def attributes(given: Mapping[str, object]) -> Markup:
    """Write a macro's keywords as attributes: ``aria_label="x"``; True writes the bare name."""
    written = [
        f" {name.replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for name, value in given.items()
        if value is not None and value is not False
    ]
    return Markup("".join(written))  # noqa: S704  (each value is escaped)


def with_code(text: str) -> Markup:
    """Draw what stands between backticks as code."""
    return Markup(BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped)


def environment(plugin_folders: Iterable[Path]) -> Environment:
    """Make the environment; plug-ins' templates come before ours."""
    folders = [*plugin_folders, paths.templates()]
    jinja = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"attributes": attributes, "with_code": with_code}
    jinja.globals["asset"] = Assets(paths.static())
    jinja.globals |= {
        "turn_settings": turn_rules.TURN_SETTINGS,
        "turn_strategies": turn_rules.STRATEGIES,
        "most_replies": turn_rules.MOST_REPLIES,
    }
    jinja.globals |= {"face_of": face_of, "avatar": avatars.address, "is_own": is_own}
    jinja.globals["colour_of"] = colour_of
    return jinja


def template_config(templates: Environment) -> TemplateConfig[JinjaTemplateEngine]:
    """Return what gives the environment to the application."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(templates))


def templates_of(app: Litestar) -> Environment:
    """Return the environment that the application was given."""
    engine = app.template_engine
    assert isinstance(engine, JinjaTemplateEngine)  # noqa: S101  (create_app gives it)
    return engine.engine
