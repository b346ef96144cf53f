"""Whisper in several languages at once: an English model, and a multilingual one that joins it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from aichat.core import AichatError, ForeignSpeech, Utterance
from aichat.core.registry.live_settings import live_settings
from aichat.plugins.faster_whisper import FasterWhisper
from aichat.plugins.faster_whisper.languages import DOUBTFUL, SURE, is_doubtful, spoken
from support.fake_hugging_face import CUT, Hub, a_hub
from support.tiny_whisper import build

pytestmark = pytest.mark.anyio

ENGLISH, GERMAN = "the english model wrote this", "das schrieb das andere"
ONE_SECOND = bytes(32_000)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    says = {"base.en": ENGLISH, "base": GERMAN}
    return {name: build(place / name, text) for name, text in says.items()}


@pytest.fixture
def hub(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr("aichat.toolkit.downloads.PAUSE_SECONDS", 0.01)
    with a_hub() as hub:
        for name, folder in models.items():
            hub.add(f"Systran/faster-whisper-{name}", folder)
        hub.use(monkeypatch, tmp_path)
        yield hub


def said(*languages: str) -> Utterance:
    return Utterance("key", ONE_SECOND, final=False, languages=languages)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 (its threads notify nobody)
            await anyio.sleep(0.01)


def fetched(hub: Hub) -> list[str]:
    """Which repositories were asked for, each once."""
    paths = [path for _, path, _ in hub.asked if path.startswith("/api/models/")]
    return list(dict.fromkeys(path.split("/")[4] for path in paths))


async def test_english_serves_until_the_other_model_is_here_and_then_both_do(hub: Hub) -> None:
    lines: list[str] = []
    async with FasterWhisper(device="cpu") as stt:
        stt.report = lines.append
        assert await stt.transcribe(said("en", "de")) == ENGLISH
        assert fetched(hub) == ["faster-whisper-base.en"]
        hub.held.clear()
        stt.prepare(("de", "en"))
        await until(lambda: lines)
        assert lines[-1].startswith("weights: ")
        assert await stt.transcribe(said("de", "en")) == ENGLISH
        hub.held.set()
        await until(lambda: lines[-1] == "")
        texts: dict[str, str] = {}

        async def speak(language: str) -> None:
            texts[language] = await stt.transcribe(said(language))

        async with anyio.create_task_group() as tasks:
            for language in ("de", "en", "pt"):
                tasks.start_soon(speak, language)
        assert texts == {"de": GERMAN, "en": ENGLISH, "pt": GERMAN}
        assert await stt.transcribe(said()) == ENGLISH


async def test_a_language_that_nobody_prepared_for_is_fetched_when_it_is_spoken(hub: Hub) -> None:
    lines: list[str] = []
    async with FasterWhisper(device="cpu") as stt:
        stt.report = lines.append
        await stt.transcribe(said("fr"))
        await until(lambda: lines and lines[-1] == "")
        assert await stt.transcribe(said("fr")) == GERMAN


async def test_a_setting_comes_before_the_browser_and_can_change_while_it_serves(hub: Hub) -> None:
    assert list(live_settings(FasterWhisper)) == ["language"]
    lines: list[str] = []
    async with FasterWhisper(device="cpu", language="en") as stt:
        stt.report = lines.append
        stt.prepare(("de",))
        assert await stt.transcribe(said("de")) == ENGLISH
        assert fetched(hub) == ["faster-whisper-base.en"]
        stt.language = "de"
        await stt.transcribe(said("en"))
        await until(lambda: lines and lines[-1] == "")
        assert await stt.transcribe(said("en")) == GERMAN
        stt.language = "german"
        with pytest.raises(AichatError, match="Whisper knows no language 'german'"):
            await stt.transcribe(said("en"))


async def test_what_cannot_be_fetched_is_tried_again_when_the_next_microphone_opens(
    hub: Hub,
) -> None:
    lines: list[str] = []
    repository = hub.files.pop("Systran/faster-whisper-base")
    async with FasterWhisper(device="cpu") as stt:
        stt.report = lines.append
        stt.prepare(("de",))
        await until(lambda: lines and lines[-1] == "")
        asked = len(hub.asked)
        assert await stt.transcribe(said("de")) == ENGLISH
        assert len(hub.asked) == asked, "each utterance asks the hub again"
        hub.files["Systran/faster-whisper-base"] = repository
        lines.clear()
        stt.prepare(("de",))
        await until(lambda: lines and lines[-1] == "")
        assert await stt.transcribe(said("de")) == GERMAN


async def test_a_multilingual_model_needs_no_second_one(hub: Hub) -> None:
    async with FasterWhisper("base", device="cpu") as stt:
        stt.prepare(("de",))
        assert await stt.transcribe(said("de")) == GERMAN
    assert fetched(hub) == ["faster-whisper-base"]


@pytest.mark.parametrize(
    ("chances", "likely", "language"),
    [
        ({"nl": 0.5, "de": 0.3, "en": 0.2}, ("de", "en"), "de"),
        ({"nl": 0.5, "en": 0.3, "de": 0.2}, ("de", "en"), "en"),
        ({"nl": SURE, "de": 0.3, "en": 0.1}, ("de", "en"), "nl"),
        ({"nl": 0.5, "de": 0.3, "en": 0.2}, (), "nl"),
        ({"nl": 0.5, "de": 0.3, "en": 0.2}, ("xx",), "nl"),
    ],
)
def test_a_doubtful_language_is_the_likeliest_of_the_users(
    chances: dict[str, float], likely: tuple[str, ...], language: str
) -> None:
    found = [(f"<|{code}|>", chance) for code, chance in chances.items()]
    model = SimpleNamespace(detect_language=lambda _: [found])
    engine: Any = SimpleNamespace(model=model)
    assert spoken(engine, None, likely) == language


async def test_a_hub_that_fails_at_first_is_asked_again(hub: Hub) -> None:
    hub.faults = {"api": [503, CUT], "resolve": [CUT, 502]}
    hub.cuts = [100_000]
    lines: list[str] = []
    first = FasterWhisper(device="cpu")
    first.report = lines.append
    async with first as stt:
        assert await stt.transcribe(said()) == ENGLISH
    assert hub.faults == {"api": [], "resolve": []}
    assert len([line for line in lines if "next attempt" in line]) == 5


# -- speech in another language than is written ----------------------------------------------


def passage(likely: float, no_speech: float = 0.1) -> Any:
    return SimpleNamespace(avg_logprob=likely, no_speech_prob=no_speech)


def test_an_english_model_that_is_unsure_of_every_word_heard_another_language() -> None:
    assert is_doubtful([passage(DOUBTFUL - 0.1)])
    assert not is_doubtful([passage(DOUBTFUL + 0.1)])
    assert not is_doubtful([passage(-2.0, no_speech=0.7)]), "nobody spoke"
    assert not is_doubtful([])


async def advice(stt: FasterWhisper, *, multilingual: bool = False) -> str | None:
    model = SimpleNamespace(is_multilingual=multilingual)
    text = stt._advised(SimpleNamespace(model=model), "no guten")
    assert text == "no guten"
    return text.advice if isinstance(text, ForeignSpeech) else None


async def test_the_advice_names_the_setting_that_helps(hub: Hub, models: dict[str, Path]) -> None:
    async with FasterWhisper(device="cpu") as stt:
        plain = await advice(stt)
        assert plain == (
            "You seem not to speak English, and Whisper base.en writes nothing else. Set your"
            " language on the page Speech, or as language under [stt.faster_whisper]."
        )
        hub.held.clear()
        stt.prepare(("de",))
        await until(lambda: len(fetched(hub)) == 2)
        assert await advice(stt) is None, "the model for it is on its way"
        hub.held.set()
    mine = await advice(FasterWhisper(str(models["base"])))
    assert mine
    assert "does not end with .en" in mine
    fixed = await advice(FasterWhisper("base", language="de"), multilingual=True)
    assert fixed
    assert fixed.startswith("You seem to speak another language than 'de', which is set.")


async def test_the_advice_says_why_the_other_model_is_missing(hub: Hub) -> None:
    lines: list[str] = []
    del hub.files["Systran/faster-whisper-base"]
    async with FasterWhisper(device="cpu") as stt:
        stt.report = lines.append
        stt.prepare(("de",))
        await until(lambda: lines and lines[-1] == "")
        assert "The weights of base are not here" in str(await advice(stt))
