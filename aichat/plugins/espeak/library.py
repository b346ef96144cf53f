"""libespeak-ng through ctypes. Its state is global: one copy of the file for each engine."""

from __future__ import annotations

import _ctypes
import ctypes
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aichat.core import BackendFailed, WordMark

from .voice_profile import Profile

RATE = 22_050
"""Samples per second of everything espeak-ng says."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_SYNCHRONOUS, _DONT_EXIT, _UTF8, _END_PAUSE, _WORD = 2, 0x8000, 0x1, 0x1000, 1
_SPEED, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
GAP = 1
"""Pause between words, in steps of 10 ms at its usual speed: a third fewer words are misheard."""

Spoken = Sequence[bytes | WordMark]


class Engine:
    """One private copy of the library: it says one thing at a time."""

    def __init__(self, library: Path, data: str) -> None:
        self._lib = ctypes.CDLL(str(library))
        self._lib.espeak_Synth.argtypes = (
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        )
        if self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT) != RATE:
            raise OSError("espeak-ng could not be initialised")
        self._callback = _Callback(self._take)  # kept: the library does not own it
        self._lib.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, look: Profile, hand_over: Callable[[Spoken], object], *, pause: bool = True
    ) -> None:
        """Speak until *hand_over* raises; what it raised is raised again. *pause* ends it."""
        self._text, self._hand_over, self._marked = text, hand_over, 0
        self._stopped: BaseException | None = None
        if self._lib.espeak_SetVoiceByName(look.name.encode("utf-8", "replace")):
            raise BackendFailed(
                f"espeak-ng has no voice {look.name!r}.",
                "Choose one of its voices in the voice's settings.",
            )
        settings = {_SPEED: look.rate, _PITCH: look.pitch, _RANGE: look.range, _WORD_GAP: GAP}
        for parameter, value in settings.items():
            self._lib.espeak_SetParameter(parameter, value, 0)
        # control characters are commands to espeak; the offsets of all others must stay
        plain = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", " ", text)
        data = plain.encode("utf-8", "replace") + b"\0"
        flags = _UTF8 | (_END_PAUSE if pause else 0)
        code = self._lib.espeak_Synth(data, len(data), 0, 1, 0, flags, None, None)
        if self._stopped is not None:
            raise self._stopped
        if code:
            raise BackendFailed(f"espeak-ng failed with code {code}.", "Try again.")

    def _take(self, pcm: Any, samples: int, events: Any) -> int:
        """Called by the library. Nothing may be raised through C: 1 makes it stop."""
        try:
            spoken: list[bytes | WordMark] = self._marks(events)
            if pcm and samples:
                spoken.append(ctypes.string_at(pcm, 2 * samples))
            if spoken:
                self._hand_over(spoken)
        except BaseException as error:  # kept for say(), which raises it
            self._stopped = error
            return 1
        return 0

    def _marks(self, events: Any) -> list[bytes | WordMark]:
        """Numbers are marked several times over (12, 2,3 ...): the first mark of a place counts."""
        marks: list[bytes | WordMark] = []
        for event in iter(iter(events).__next__, None):
            if event.type == 0:
                break
            start = event.text_position - 1
            end = min(start + event.length, len(self._text))
            if event.type == _WORD and start >= self._marked and has_word(self._text[start:end]):
                marks.append(WordMark(start, end, event.audio_position * RATE // 1000))
                self._marked = end
        return marks

    def close(self) -> None:
        """Give the memory back."""
        self._lib.espeak_Terminate()
        unload = vars(_ctypes).get("dlclose") or vars(_ctypes)["FreeLibrary"]
        unload(self._lib._handle)


def has_word(text: str) -> bool:
    """Return whether there is anything to say in *text*."""
    return any(character.isalnum() for character in text)
