"""What the database and the way to it complain of, as our errors.

A state is an SQLSTATE, or a code of PostgREST, which hands on those of the database.
"""

from __future__ import annotations

from aichat.core import AichatError, BadValue, Conflict, NotFound, Unreachable

_LATER = "Try again."
_MIGRATE = (
    'Run `supabase db push`, or `python -m aichat.plugins.postgres "postgresql://…"` with the '
    "address of the database."
)
_NO_TABLES = ("The database has no tables for this version of aichat.", _MIGRATE)
_RIGHTS = ("The database refuses this to its user.", "Connect as the owner of the tables.")
_KEY = ("The key or token is refused.", "Put a valid one into .env, or sign in again.")
_SILENT = ("The database does not answer.", "Check that it runs, then try again.")

TROUBLE = {
    "08": ("The connection to the database broke off.", _LATER),
    "25006": ("The database is read-only.", "Make room on its disk, or use the primary."),
    "26": (
        "A connection pooler mixes up prepared statements.",
        "Use a session pooler (Supabase: port 5432), or connect directly.",
    ),
    "28": ("The database refuses the user or the password.", "Mend DATABASE_URL."),
    "3D": ("There is no such database on the server.", "Create it, or mend DATABASE_URL."),
    "3F": _NO_TABLES,
    "40": ("Somebody changed the same at this moment.", _LATER),
    "42501": _RIGHTS,
    "42P05": (
        "A connection pooler mixes up prepared statements.",
        "Use a session pooler (Supabase: port 5432), or connect directly.",
    ),
    "42883": _NO_TABLES,
    "42P01": _NO_TABLES,
    "42P07": (
        "The database has tables of these names already.",
        "Use a database of its own for aichat.",
    ),
    "53": ("The database is overloaded.", _LATER),
    "53100": ("The disk of the database is full.", "Make room, then try again."),
    "53300": ("The database has no connection left.", "Close some, or raise max_connections."),
    "55P03": ("Somebody keeps the tables locked.", _LATER),
    "57": ("The database is shutting down or starting.", _LATER),
    "57014": ("The database took too long.", _LATER),
    "PGRST0": _SILENT,
    "PGRST20": _NO_TABLES,
    "PGRST3": _KEY,
    "401": _KEY,
    "403": _KEY,
    "404": ("There is no Supabase project at this address.", "Check SUPABASE_URL."),
    "540": ("The Supabase project is paused.", "Resume it in the dashboard."),
}
"""By state or its beginning; the longest that fits counts."""


def explained(state: str, problem: str, mend: str = "", field: str = "") -> AichatError:
    """Make one of our errors of a *state* and, if it is our functions' own, of its sentences."""
    if state.startswith("PT"):
        return _refusal(state, problem, mend, field)
    if state in ("23503", "23505"):
        return Conflict("Something that this refers to was changed at the same moment.", _LATER)
    if state[:2] in ("22", "23", "54"):
        return BadValue(f"The value breaks a rule of the database ({problem}).", "Mend it.")
    return Unreachable(*sentences(state))


def sentences(state: str) -> tuple[str, str]:
    """Say what is wrong, and how to mend it. Never in the database's words: they may be private."""
    fits = [known for known in TROUBLE if state.startswith(known)]
    if fits:
        return TROUBLE[max(fits, key=len)]
    return f"The database failed ({state or 'no reason given'}).", _LATER


def _refusal(state: str, problem: str, mend: str, field: str) -> AichatError:
    if state == "PT404":
        return NotFound(problem, mend)
    if state == "PT409":
        return Conflict(problem, mend)
    return BadValue(problem, mend, field)
