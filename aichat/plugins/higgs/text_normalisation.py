"""What is to be said, in the form that Higgs was trained on, and in pieces that it can say."""

from __future__ import annotations

import re

PUNCTUATION = str.maketrans(
    {
        "，": ", ", "。": ".", "：": ":", "；": ";", "？": "?", "！": "!", "、": ",", "·": ".",
        "（": " ", "）": " ", "(": " ", ")": " ", "【": "[", "】": "]",
        "《": '"', "》": '"', "「": '"', "」": '"', "『": '"', "』": '"', "“": '"', "”": '"',
        "‘": "'", "’": "'", "—": "-", "…": "...",
    }
)  # fmt: skip
UNITS = {"°F": " degrees Fahrenheit", "°C": " degrees Celsius"}
SOUNDS = {
    "[laugh]": "<SE>[Laughter]</SE>",
    "[humming start]": "<SE_s>[Humming]</SE_s>",
    "[humming end]": "<SE_e>[Humming]</SE_e>",
    "[music start]": "<SE_s>[Music]</SE_s>",
    "[music end]": "<SE_e>[Music]</SE_e>",
    "[music]": "<SE>[Music]</SE>",
    "[sing start]": "<SE_s>[Singing]</SE_s>",
    "[sing end]": "<SE_e>[Singing]</SE_e>",
    "[applause]": "<SE>[Applause]</SE>",
    "[cheering]": "<SE>[Cheering]</SE>",
    "[cough]": "<SE>[Cough]</SE>",
}
"""Tags that it knows, as people write them and as it reads them."""

ENDS = (".", "!", "?", ",", ";", '"', "'", "</SE_e>", "</SE>")
SAMPLE = "Hello there. I am glad that we can talk, and I am curious what you have to say."
"""What a described voice says first, to be known by it from then on."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_SPECIAL = re.compile(r"<\|[^|<>]*\|>|\[SPEAKER\d+\]")
_RUN = re.compile(r"(\w)\1{4,}")


def plain(text: str) -> str:
    """Take out what would mean something to the model that the writer cannot have meant."""
    while _SPECIAL.search(text):  # taking one out may make another
        text = _SPECIAL.sub(" ", text)
    text = _RUN.sub(r"\1\1\1\1", text)  # on "noooooooo" it would not find back
    return " ".join(_CONTROL.sub(" ", text).split())


def normal(text: str) -> str:
    """Write *text* as Higgs has it; nothing if there is no word and no sound in it."""
    text = plain(text).translate(PUNCTUATION)
    for written, meant in (UNITS | SOUNDS).items():
        text = text.replace(written, meant)
    text = " ".join(text.split())
    if not any(letter.isalnum() for letter in text):
        return ""
    return text if text.endswith(ENDS) else f"{text}."
