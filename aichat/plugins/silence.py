"""Turn detection by silence: the user has finished when nothing was heard for a while.

How long a while depends on the user's own rhythm and on how finished the words look.
"""

from __future__ import annotations

from attrs import define

from aichat.core import Backend, TurnDetector, hookimpl
from aichat.toolkit.turn_detector_settings import TurnDetectorSettings


@define
class Silence(TurnDetectorSettings):
    """Ends turns by silence and words alone; its settings are those that all detectors share."""


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
