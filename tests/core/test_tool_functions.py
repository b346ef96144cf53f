"""Tools: schemas made of functions, and arguments that models write, right and wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BadValue, Tool, hookimpl, load_plugins, tool
from aichat.core.errors import PluginFailed
from aichat.core.plugins import _tools
from aichat.core.tools import LONGEST_ARGUMENTS, LONGEST_RESULT

pytestmark = pytest.mark.anyio


@frozen
class Place:
    """Where."""

    city: str
    floor: int = 0


def everything(
    text: Annotated[str, "Any words"],
    number: int,
    share: float,
    kind: Literal["a", "b"],
    place: Place,
    tags: list[str],
    sizes: Mapping[str, float],
    places: Sequence[Place] = (),
    note: str | None = None,
    flag: bool = False,
    free: Any = None,
) -> list[Any]:
    """Take all that there is."""
    return [number, kind, place, places, note]


RIGHT = {
    "text": "x",
    "number": 3.0,
    "share": 1,
    "kind": "a",
    "place": {"city": "Ulm"},
    "tags": ["t"],
    "sizes": {"w": 2},
    "places": [{"city": "Bonn", "floor": 2.0}],
    "note": None,
    "free": {"a": [1]},
}


def test_a_function_is_described_by_its_annotations() -> None:
    made = tool(everything)
    assert (made.name, made.description) == ("everything", "Take all that there is.")
    assert made.parameters["required"] == [
        *("text", "number", "share", "kind", "place", "tags", "sizes")
    ]
    assert made.parameters["additionalProperties"] is False
    properties = made.parameters["properties"]
    assert properties["text"] == {"type": "string", "description": "Any words"}
    assert properties["kind"] == {"enum": ["a", "b"]}
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert properties["place"]["properties"]["floor"] == {"type": "integer", "default": 0}
    assert properties["sizes"]["additionalProperties"] == {"type": "number"}
    assert properties["free"] == {}
    json.dumps(made.parameters)


async def test_arguments_become_what_the_function_takes() -> None:
    made = tool(everything)
    told: list[Any] = []

    def keep(**given: Any) -> None:
        told.append(given)

    keep.__annotations__ = everything.__annotations__
    kept = tool(keep, description="Keep.", parameters=made.parameters)
    await kept.use(kept.arguments(json.dumps(RIGHT)))
    (given_,) = told
    assert given_["number"] == 3
    assert isinstance(given_["number"], int)
    assert given_["place"] == Place("Ulm")
    assert given_["places"] == [Place("Bonn", 2)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": 2.5}, "arguments.number must be of the type integer"),
        ({"number": True}, "arguments.number must be of the type integer"),
        ({"kind": "c"}, "arguments.kind must be one of 'a', 'b'"),
        ({"place": {}}, "arguments.place.city is missing"),
        ({"place": {"city": "x", "sea": 1}}, "arguments.place have no 'sea', only city, floor"),
        ({"places": [{"city": 1}]}, "arguments.places[0].city must be of the type string"),
        ({"note": 1}, "arguments.note fits nothing"),
        ({"sizes": {"w": "big"}}, "arguments.sizes.w must be of the type number"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue) as told:
        tool(everything).arguments(json.dumps({**RIGHT, **change}))
    assert words in told.value.line


@pytest.mark.parametrize(
    "text", ["[]", "1", '"x"', "{", "[" * 100_000, '{"a": NaN}', '{"a": 1e999}', "{}" * 9_999_9]
)
def test_what_is_no_object_of_plain_json_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        tool(free, parameters={"type": "object"}).arguments(text)


def free(**given: Any) -> int:
    """Take anything."""
    return len(given)


def test_nothing_written_is_no_arguments() -> None:
    assert tool(free, parameters={"type": "object"}).arguments(" ") == {}
    assert len("{}" * 9_999_9) > LONGEST_ARGUMENTS


def test_limits_of_a_schema_written_by_hand_hold() -> None:
    limited = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9},
            "s": {"type": ["string", "null"], "minLength": 1, "maxLength": 3},
            "l": {"type": "array", "minItems": 1, "maxItems": 2},
        },
    }
    made = tool(free, parameters=limited)
    assert made.arguments('{"n": 1, "s": null, "l": [1, 2], "other": 5}')
    for wrong in ({"n": 0}, {"n": 10}, {"s": ""}, {"s": "abcd"}, {"l": []}, {"l": [1, 2, 3]}):
        with pytest.raises(BadValue):
            made.arguments(json.dumps(wrong))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={name: JSON | st.just(RIGHT[name]) for name in RIGHT}))
def test_whatever_a_model_writes_is_read_or_refused(written: dict[str, Any]) -> None:
    with suppress(BadValue):
        assert tool(everything).arguments(json.dumps(written)) == written


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadValue):
        assert isinstance(tool(free, parameters={"type": "object"}).arguments(text), dict)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("as it is", "as it is"),
        ({"ü": [1]}, '{"ü": [1]}'),
        (None, "null"),
        ("a\0\ud800", "a\ufffd?"),
    ],
)
async def test_a_result_is_told_as_text_that_can_be_stored(result: object, told: str) -> None:
    async def give() -> object:
        """Give it."""
        return result

    assert await tool(give).use({}) == told


async def test_a_long_result_is_cut() -> None:
    def give() -> str:
        """Give much."""
        return "x" * (LONGEST_RESULT + 5)

    assert (await tool(give).use({})).endswith("x … (5 more letters)")


def bare(x) -> None:  # type: ignore[no-untyped-def]
    """No annotation."""


def many(*x: int) -> None:
    """Not by name."""


def strange(x: set[int]) -> None:
    """Not JSON."""


@pytest.mark.parametrize(
    ("function", "words"),
    [(bare, "has no annotation"), (many, "cannot be given by name"), (strange, "JSON cannot say")],
)
def test_a_function_that_cannot_be_described_is_refused(function: Any, words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        tool(function)


def test_a_tool_needs_a_name_and_a_purpose() -> None:
    with pytest.raises(PluginFailed, match="cannot be called"):
        tool(free, name="two words")
    with pytest.raises(PluginFailed, match="not what it is for"):
        tool(lambda: None, name="x")
    with pytest.raises(PluginFailed, match="no JSON schema of an object"):
        tool(free, parameters={"type": "string"})


class Offering:
    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def tools(self) -> list[Tool]:
        return [tool(free, name=name, parameters={"type": "object"}) for name in self.names]


def test_tools_are_gathered_with_their_plug_in_and_no_two_have_one_name() -> None:
    manager = load_plugins(extra=[Offering("zeta", "alpha")])
    found = _tools(manager)
    assert list(found) == ["alpha", "clock", "dice", "zeta"]
    assert found["clock"].plugin == "clock"
    with pytest.raises(PluginFailed, match="Two plug-ins offer a tool called 'dice'"):
        _tools(load_plugins(extra=[Offering("dice")]))


def test_the_example_of_the_docs_is_a_tool() -> None:
    page = Path(__file__).parents[2] / "docs" / "tools.md"
    (example,) = re.findall("```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    module: dict[str, Any] = {}
    exec(example, module)
    (weather,) = module["tools"]()
    assert (weather.name, weather.seconds) == ("weather", 5)
    assert weather.parameters["required"] == ["city"]
    assert weather.parameters["properties"]["unit"] == {
        "enum": ["celsius", "fahrenheit"],
        "default": "celsius",
    }
