import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue
from aichat.plugins.dice import MOST_DICE, MOST_SIDES, parsed, rolled, tools


@pytest.mark.parametrize(
    ("dice", "told"),
    [
        ("2d6", "2d6: 6 + 6 = 12"),
        ("d20", "1d20: 20 = 20"),
        (" 3 D 8 - 2 ", "3d8-2: 8 + 8 + 8 - 2 = 22"),
        ("1d%+5", "1d100+5: 100 + 5 = 105"),
    ],
)
def test_what_fell_and_the_sum_are_told(dice: str, told: str) -> None:
    assert rolled(dice, fall=lambda sides: sides) == told


@pytest.mark.parametrize(
    "dice", ["", "six", "0d6", "101d6", "1d1", "1d1001", "1d6+", "٣d٦", "2d6;"]
)
def test_what_are_no_dice_is_refused(dice: str) -> None:
    with pytest.raises(BadValue, match=r"no dice|cannot be rolled"):
        rolled(dice)


@given(st.integers(1, MOST_DICE), st.integers(2, MOST_SIDES), st.integers(-9_999, 9_999))
def test_every_die_is_within_its_sides_and_the_sum_is_right(n: int, m: int, k: int) -> None:
    dice = f"{n}d{m}{k:+d}" if k else f"{n}d{m}"
    assert parsed(dice) == (n, m, k)
    terms, _, total = rolled(dice).partition(": ")[2].partition(" = ")
    numbers = [int(sign + number) for sign, number in re.findall(r"([+-]?) ?(\d+)", terms)]
    assert sum(numbers) == int(total)
    assert all(1 <= number <= m for number in numbers[:n])


@given(st.text(max_size=12))
def test_any_text_is_rolled_or_refused(text: str) -> None:
    with suppress(BadValue):
        assert " = " in rolled(text)


@pytest.mark.anyio
async def test_a_model_may_ask_for_it() -> None:
    (dice,) = tools()
    assert (await dice.use(dice.arguments("{}"))).startswith("1d6: ")
