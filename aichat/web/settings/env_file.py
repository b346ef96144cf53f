"""The file .env in the working directory, or above it: its variables join the environment."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import dotenv
from dotenv.parser import parse_stream

from aichat.core.registry.text_decoding import read_text

log = logging.getLogger(__name__)


def load_env() -> None:
    """Set what .env names and the environment does not. Blocks: reads the disk.

    A line that names nothing is reported and left out. Raises
    :class:`~aichat.core.errors.BadSettings` for a file that cannot be read.
    """
    # litestar's own call looks upward from its own files, and so misses ./.env
    found = dotenv.find_dotenv(usecwd=True)
    if not found:
        return
    text = read_text(Path(found), "Let your user read it.")
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            place = f"{found}, line {line.original.line}"
            log.warning("%s is left out: it is no setting. Write it as NAME=value.", place)
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # it says so once more, with no file
    dotenv.load_dotenv(stream=io.StringIO(text))
