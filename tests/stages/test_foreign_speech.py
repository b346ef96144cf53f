"""A user who speaks another language than is transcribed is advised, once in a conversation."""

from __future__ import annotations

import pytest
from attrs import define, field

from aichat.core import ForeignSpeech, Utterance
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import AudioReceived, LanguageDoubted, UserSaid
from aichat.core.testing.fakes import FakeTurn
from support.chat import a_chat
from support.microphone import QUIET, SPEECH

ADVICE = "You seem to speak German. Set your language."


@define
class Scripted:
    """Writes one of the *texts* for each utterance; all interim transcripts seem foreign."""

    texts: list[str]
    written: dict[str, str] = field(factory=dict)

    async def transcribe(self, utterance: Utterance) -> str:
        if not utterance.final:
            return ForeignSpeech("hm", ADVICE)
        if utterance.key not in self.written:
            self.written[utterance.key] = self.texts[len(self.written)]
        return self.written[utterance.key]


FOREIGN, ENGLISH, SILENCE = ForeignSpeech("no guten", ADVICE), "hello", ""
DROPPED = ForeignSpeech("Thank you for watching!", ADVICE)
"""No words are left of it, but somebody spoke."""


@pytest.mark.parametrize(
    ("texts", "advised"),
    [
        ([FOREIGN], False),
        ([FOREIGN, FOREIGN], True),
        ([FOREIGN, FOREIGN, FOREIGN, ENGLISH, FOREIGN, FOREIGN], True),
        ([FOREIGN, ENGLISH, FOREIGN, ENGLISH], False),
        ([FOREIGN, SILENCE, FOREIGN], True),
        ([DROPPED, FOREIGN], True),
        ([SILENCE, SILENCE, ENGLISH], False),
    ],
)
def test_two_utterances_in_a_row_are_needed(texts: list[str], advised: bool) -> None:
    async def talk() -> None:
        async with a_chat(stt=Scripted(texts), turn=FakeTurn(end_ms=300)) as chat:
            for _ in texts:
                for frame in [*[SPEECH] * 20, *[QUIET] * 30]:
                    await chat.bus.publish(AudioReceived(chat.bus.turn("c"), frame))
                await chat.bus.settled()
            assert [one.advice for one in chat.heard.of(LanguageDoubted)] == [ADVICE] * advised
            said = [one.text for one in chat.heard.of(UserSaid)]
            assert said == [text for text in texts if text and text is not DROPPED]

    run_virtual(talk)
