from datetime import UTC, datetime

import pytest

from aichat.core import BadValue
from aichat.plugins.clock import in_words, tools

MOMENT = datetime(2026, 11, 28, 22, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "words"),
    [
        ("Asia/Tokyo", "Sunday, 29 November 2026, 07:05 (Asia/Tokyo, UTC+0900)"),
        ("America/New_York", "Saturday, 28 November 2026, 17:05 (America/New_York, UTC-0500)"),
    ],
)
def test_it_tells_the_time_there(timezone: str, words: str) -> None:
    assert in_words(MOMENT, timezone) == words


def test_without_a_timezone_it_is_that_of_this_machine() -> None:
    here = MOMENT.astimezone()
    assert f"{here:%H:%M} (UTC{here:%z})" in in_words(MOMENT)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../../etc/passwd", "x" * 9_999, "a\0b"])
def test_an_unknown_timezone_is_refused(timezone: str) -> None:
    with pytest.raises(BadValue, match="There is no timezone"):
        in_words(MOMENT, timezone)


@pytest.mark.anyio
async def test_a_model_may_ask_for_it() -> None:
    (clock,) = tools()
    now = await clock.use(clock.arguments('{"timezone": "Europe/London"}'))
    assert "Europe/London" in now
    assert str(datetime.now(UTC).year) in now
