"""Exports everything to one file, an archive, and imports it again.

An archive is a zip. ``aichat.json`` says what it is; ``voices.json``, ``characters.json`` and
``settings.json`` hold records as the REST API shows them, each file in ``conversations/`` one
conversation with its messages, and ``clips/`` the recordings and pictures that they name.
"""

from .reading import BadArchive, Policy, Taken, take_in
from .rollback import finish_rollbacks
from .writing import KINDS, packed, today

__all__ = [
    "KINDS",
    "BadArchive",
    "Policy",
    "Taken",
    "finish_rollbacks",
    "packed",
    "take_in",
    "today",
]
