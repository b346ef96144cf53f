"""Phonemes by espeak-ng, and where words begin in them."""

from __future__ import annotations

import pytest

from aichat.core import BackendFailed
from aichat.toolkit.voices.phonemes import phonemes


def places(text: str) -> list[tuple[str, str]]:
    """Return each word with the next three sounds."""
    found = phonemes(text, "en-us")
    return [(text[one.start : one.end], found.sounds[one.at :][:3]) for one in found.words]


def test_marks_stay_and_each_word_has_its_place() -> None:
    assert phonemes("Hello, Olivia! Why?", "en-us").sounds == "həlˈoʊ, ɑːlˈɪviə! wˈaɪ?"
    assert places("Hello, Olivia! Why?") == [("Hello", "həl"), ("Olivia", "ɑːl"), ("Why", "wˈa")]


def test_words_that_are_spoken_as_several_or_as_one_have_their_place_too() -> None:
    assert dict(places("It opened in 1932, I think."))["think"] == "θˈɪ"
    assert dict(places("The bank of the sea, I think."))["think"] == "θˈɪ"
    assert dict(places("It is 12,345 pounds."))["12,345"] == "twˈ"


def test_numbers_and_titles_end_no_clause() -> None:
    assert "." not in phonemes("Dr. Jones has 3.5 of them", "en-us").sounds
    assert phonemes('She said, "Stop!" and left.', "en-us").sounds.count("!") == 1


def test_languages_do_not_mix() -> None:
    assert phonemes("Nation", "de").sounds != phonemes("Nation", "en-us").sounds
    assert "(" not in phonemes("Ein Download.", "de").sounds
    assert phonemes("Nation", "en-us").sounds == "nˈeɪʃən"


@pytest.mark.parametrize("text", ["", "...", "\U0001f389", "  "])
def test_what_is_no_word_has_no_place(text: str) -> None:
    assert phonemes(text, "en-us").words == []


def test_a_sound_of_two_letters_can_be_tied() -> None:
    assert "a^ɪ" in phonemes("time", "en-us", tied=True).sounds


def test_a_language_that_there_is_not_is_reported() -> None:
    with pytest.raises(BackendFailed, match="no language 'no-such'"):
        phonemes("Hi", "no-such")
    assert phonemes("Hi", "en-us").sounds
