"""Maps errors of the database, and of the connection to it, to our errors.

A state is an SQLSTATE, a code of PostgREST, or the HTTP status of a proxy in front of it.
"""

from __future__ import annotations

from aichat.core import AichatError, BadValue, Conflict, NotFound, Unreachable

_LATER = "Try again."

NO_TABLES = (
    "The database has no tables for this version of aichat.",
    "Run `supabase db push`, or `python -m aichat.plugins.postgres` with the database's address.",
)
_POOLER = (
    "A connection pooler mixes up prepared statements.",
    "Connect directly, or through a session pooler (Supabase: port 5432).",
)
_RIGHTS = ("The database does not let this user do that.", "Connect as the owner of the tables.")
_KEY = ("The key or token is refused.", "Put a valid one into .env, or sign in again.")

TROUBLE = {
    "08": ("The connection to the database broke off.", _LATER),
    "25006": ("The database is read-only.", "Make room on its disk, or connect to the primary."),
    "26": _POOLER,
    "28": ("The database refuses the user or the password.", "Mend DATABASE_URL."),
    "3D": ("There is no such database on the server.", "Create it, or mend DATABASE_URL."),
    "3F": NO_TABLES,
    "40": ("Somebody changed the same at this moment.", _LATER),
    "42501": _RIGHTS,
    "42P01": NO_TABLES,
    "42P05": _POOLER,
    "42P07": ("The database has other tables of these names.", "Use a database of its own."),
    "42883": NO_TABLES,
    "53": ("The database is overloaded.", _LATER),
    "53100": ("The disk of the database is full.", "Make room, then try again."),
    "53300": ("The database has no connection left.", "Close some, or raise max_connections."),
    "55P03": ("Somebody keeps the tables locked.", _LATER),
    "57": ("The database is starting or stopping.", _LATER),
    "57014": ("The database took too long.", _LATER),
    "PGRST0": ("The database of the project does not answer.", "Look at it in the dashboard."),
    "PGRST20": NO_TABLES,
    "PGRST3": _KEY,
}
"""By state or its beginning; the longest that fits counts."""

HTTP = {
    "401": _KEY,
    "403": _KEY,
    "404": ("There is no Supabase project at this address.", "Check SUPABASE_URL."),
    "540": ("The Supabase project is paused.", "Resume it in the dashboard."),
    "no code": ("The Supabase project refuses the request.", "Check SUPABASE_URL and the key."),
}


class Expired(Unreachable):
    """A token is not valid, or no longer."""


class Forbidden(Unreachable):
    """The user or key may not do this."""


def explained(state: str, problem: str, mend: str = "", field: str = "") -> AichatError:
    """Make one of our errors of a *state* and, where they are our functions' own, of its words."""
    match state:
        case "PT404":
            return NotFound(problem, mend)
        case "PT409":
            return Conflict(problem, mend)
        case "PT400":
            return BadValue(problem, mend, field)
        case "23503" | "23505":
            return Conflict("Something that belongs to it was changed at this moment.", _LATER)
    if state[:2] in ("22", "23", "54") and len(state) == 5:
        return BadValue(f"The value breaks a rule of the database ({problem}).", "Mend it.")
    kind = Forbidden if state == "42501" else Expired if state[:6] == "PGRST3" else Unreachable
    return kind(*sentences(state))


def sentences(state: str) -> tuple[str, str]:
    """Say what is wrong, and how to mend it."""
    if state in HTTP:
        return HTTP[state]
    fits = [known for known in TROUBLE if len(state) >= 5 and state.startswith(known)]
    return TROUBLE[max(fits, key=len)] if fits else (f"The database failed ({state}).", _LATER)
