"""A tool: what time it is, here or elsewhere. No network."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from aichat.core import BadValue, Tool, hookimpl, tool

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


async def clock(
    timezone: Annotated[str, "An IANA name, as Europe/London; leave it out for where we are"] = "",
) -> str:
    """Tell the date and the time of day now."""
    return in_words(datetime.now(UTC), timezone)


def in_words(moment: datetime, timezone: str = "") -> str:
    """Return a moment as text, in *timezone*, else in the local one. Raises :class:`BadValue`."""
    there = moment.astimezone(_zone(timezone) if timezone else None)
    offset = f"UTC{there:%z}"
    place = f"{timezone}, {offset}" if timezone else offset
    day = f"{DAYS[there.weekday()]}, {there.day} {MONTHS[there.month - 1]} {there.year}"
    return f"{day}, {there:%H:%M} ({place})"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadValue(
            f"There is no timezone {name[:64]!r}.", "Use an IANA name, as America/New_York."
        ) from error


@hookimpl
def tools() -> list[Tool]:
    """Offer the clock."""
    return [tool(clock)]
