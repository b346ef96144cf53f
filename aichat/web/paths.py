"""Where files are: in the package once installed, beside it in a checkout."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

PACKAGE = Path(str(files("aichat")))


def templates() -> Path:
    """Return the folder of the pages' templates."""
    packaged = PACKAGE / "web" / "templates"
    return packaged if packaged.is_dir() else PACKAGE.parent / "templates"


def static() -> Path:
    """Return the folder that the build fills with scripts and styles."""
    return PACKAGE / "web" / "static" / "dist"


def plugins_toml() -> Path:
    """Return $AICHAT_CONFIG, else plugins.toml in the working directory, else the shipped one."""
    if named := os.environ.get("AICHAT_CONFIG"):
        return Path(named)
    here = Path("plugins.toml")
    if os.path.lexists(here):  # also a folder, or a link to nothing: that is reported
        return here.absolute()
    return shipped()


def shipped() -> Path:
    """Return the plugins.toml that aichat comes with, from which others take what they lack."""
    packaged = PACKAGE / "plugins.default.toml"
    return packaged if packaged.is_file() else PACKAGE.parent / "plugins.toml"


def data() -> Path:
    """Return $AICHAT_DATA, else the user's data folder."""
    if folder := os.environ.get("AICHAT_DATA"):
        return Path(folder).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("aichat", appauthor=False)


def voice_speeds() -> Path:
    """Return the file that keeps how fast voices are on this machine."""
    return data() / "voice-speeds.json"
