"""How Kokoro and KittenTTS write the sounds that espeak-ng finds, and their numbers for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from attrs import frozen

from aichat.toolkit.voices.phonemes import Phonemes, phonemes

Spell = Callable[[str], str]

_COMMON = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
}
_ENGLISH = {
    "ʔˌn̩": "tᵊn",
    "ʔn̩": "tᵊn",
    "ʔn": "tᵊn",
    "ʔ": "t",
    **_COMMON,
    "ə^l": "ᵊl",
    "e": "A",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɚɹ": "əɹ",
    "ɚ": "əɹ",
    "ɬ": "l",
    "ʲ": "",
    "̃": "",
}
_AMERICAN = {
    **_ENGLISH,
    "o^ʊ": "O",
    "ɜːɹ": "ɜɹ",
    "ɜː": "ɜɹ",
    "ɪə": "iə",
    "ː": "",
    "o": "ɔ",
    "ɾ": "T",
}
_BRITISH = {**_ENGLISH, "ə^ʊ": "Q", "e^ə": "ɛː", "iə": "ɪə", "o": "ɔ", "ɾ": "T"}
_OTHERS = {**_COMMON, "d^z": "ʣ", "o^ʊ": "O", "ə^ʊ": "Q", "s^s": "S", "t^s": "ʦ"}
_SYLLABIC = re.compile(r"(\S)̩")

KOKORO = {
    **{letter: 1 + at for at, letter in enumerate(";:,.!?")},
    **{letter: 9 + at for at, letter in enumerate('—…"()“” ̃ʣʥʦʨᵝꭧAI')},
    **{"O": 31, "Q": 33, "S": 35, "T": 36, "W": 39, "Y": 41, "ᵊ": 42},
    **{chr(97 + at): 43 + at for at in range(26) if chr(97 + at) != "g"},
    **{"ɑ": 69, "ɐ": 70, "ɒ": 71, "æ": 72, "β": 75, "ɔ": 76, "ɕ": 77, "ç": 78, "ɖ": 80, "ð": 81},
    **{"ʤ": 82, "ə": 83, "ɚ": 85, "ɛ": 86, "ɜ": 87, "ɟ": 90, "ɡ": 92, "ɥ": 99, "ɨ": 101, "ɪ": 102},
    **{"ʝ": 103, "ɯ": 110, "ɰ": 111, "ŋ": 112, "ɳ": 113, "ɲ": 114, "ɴ": 115, "ø": 116, "ɸ": 118},
    **{"θ": 119, "œ": 120, "ɹ": 123, "ɾ": 125, "ɻ": 126, "ʁ": 128, "ɽ": 129, "ʂ": 130, "ʃ": 131},
    **{"ʈ": 132, "ʧ": 133, "ʊ": 135, "ʋ": 136, "ʌ": 138, "ɣ": 139, "ɤ": 140, "χ": 142, "ʎ": 143},
    **{"ʒ": 147, "ʔ": 148, "ˈ": 156, "ˌ": 157, "ː": 158, "ʰ": 162, "ʲ": 164},
    **{"↓": 169, "→": 171, "↗": 172, "↘": 173, "ᵻ": 177},
}
KITTEN = {
    letter: at
    for at, letter in enumerate(
        '$;:,.!?¡¿—…"«»"" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
        "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃ"
        "ˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
    )
}


@frozen
class Spelling:
    """How a family of models takes the sounds of a text.

    *tied*: it has letters of its own for sounds that espeak-ng writes with two. *apart*: marks
    stand apart from the words. *end* closes the numbers.
    """

    numbers: Mapping[str, int]
    end: tuple[int, ...]
    tied: bool
    apart: bool

    def phonemes(self, text: str, language: str) -> Phonemes:
        """Return the sounds of *text* as the models write them."""
        return phonemes(text, language, _spell(language) if self.tied else str, tied=self.tied)

    def ids(self, sounds: str) -> tuple[list[int], list[int]]:
        """Return the numbers of *sounds*, and where each sound is in them."""
        ids, places = [0], []
        space = self.numbers[" "]
        for sound in sounds:
            is_mark = self.apart and not sound.isspace() and not re.match(r"\w", sound)
            if is_mark and ids[-1] not in (0, space):
                ids.append(space)
            places.append(len(ids))
            if sound in self.numbers:
                ids.append(self.numbers[sound])
        if self.apart and re.match(r"\w", sounds[-1:]):
            ids += [space, self.numbers[","]]  # as its makers do where a text ends without a mark
        return [*ids, *self.end], places


KOKORO_SPELLING = Spelling(KOKORO, (0,), tied=True, apart=False)
KITTEN_SPELLING = Spelling(KITTEN, (10, 0), tied=False, apart=True)


def _spell(language: str) -> Spell:
    """Return how Kokoro writes IPA whose letters of one sound are joined by "^"."""
    table = {"en-us": _AMERICAN, "en-gb": _BRITISH}.get(language, _OTHERS)
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))

    def spell(ipa: str) -> str:
        return _SYLLABIC.sub(r"ᵊ\1", pattern.sub(lambda one: table[one[0]], ipa)).replace("^", "")

    return spell
