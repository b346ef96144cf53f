import sys
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BackendFailed, BadValue, CannotStart, NotReady, Voice, WordMark, closing
from aichat.core.packages import installs
from aichat.core.testing import TtsContract
from aichat.plugins.espeak import AHEAD, Espeak
from aichat.plugins.espeak_voices import ACCENTS, LANGUAGES, MEN, WOMEN, Profile, profile

pytestmark = pytest.mark.anyio

LONG = "many words are said here and there. " * 500


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture
async def tts():
    async with Espeak() as backend:
        yield backend


class TestEspeak(TtsContract):
    pass


# -- voices ----------------------------------------------------------------------------------


def described(about, name="Olivia", **settings):
    return profile(Voice(name, speaker_desc=about, settings=settings))


def test_two_voices_with_the_same_description_differ():
    looks = {described("A woman", name) for name in ("Olivia", "Mark", "Zoë", "Anna", "Eve")}
    assert len(looks) == 5


def test_a_seed_gives_another_take_that_stays_the_same():
    takes = [profile(Voice("Zoe", settings={"seed": seed})) for seed in range(8)]
    assert takes == [profile(Voice("Zoe", settings={"seed": seed})) for seed in range(8)]
    assert len({*takes, profile(Voice("Zoe"))}) > 6


def test_a_voice_sounds_the_same_each_time():
    assert described("A woman") == described("A woman")
    assert described("", "Olivia") == Profile("en-us+Annie", 57, 160, 50)


@pytest.mark.parametrize("name", ["Olivia", "Rosa Alvarez", "Hannah", "Noelle"])
def test_without_a_description_the_name_tells_most_women(name):
    assert described("", name).name.split("+")[1] in WOMEN


def test_a_cloned_voice_without_a_description_has_a_sound_of_its_own():
    looks = {profile(Voice(f"Speaker {n}", "clone", audio_path="k.wav")) for n in range(9)}
    assert len(looks) == 9


def test_espeak_says_what_it_can():
    assert Espeak.abilities == {"describe", "seed", "word_times"}
    assert {"en", "de", "pt-BR", "zh"} <= set(Espeak.languages)


@pytest.mark.parametrize(
    ("about", "variants"),
    [
        ("Female, American accent, moderate-pitch", WOMEN),
        ("An old woman", WOMEN),
        ("Male, British accent", MEN),
        ("A man with a friendly tone", MEN),
        ("She whispers", ("whisperf",)),
        ("A whispering man", ("whisper",)),
    ],
)
def test_the_description_tells_women_from_men(about, variants):
    assert described(about).name.split("+")[1] in variants


@pytest.mark.parametrize(
    ("about", "language"),
    [
        ("A friendly voice", "en-us"),
        ("British woman", "en"),
        ("Male, Scottish accent", "en-gb-scotland"),
        ("speaks German", "de"),
        ("a French woman", "fr"),
        ("Spanish", "es"),
        ("Female, French accent", "en-us"),
        ("a German man, American accent", "en-us"),
    ],
)
def test_the_description_chooses_the_language(about, language):
    assert described(about).name.split("+")[0] == language


def test_the_description_shapes_pitch_speed_and_liveliness():
    plain = described("A man")
    assert described("A man with a deep voice").pitch < plain.pitch
    assert described("A man with a high voice").pitch > plain.pitch
    assert described("A man, high quality audio").pitch == plain.pitch
    assert described("A boy").pitch > plain.pitch
    assert described("A slow man").rate < plain.rate < described("A fast man").rate
    assert described("An old man").rate < plain.rate
    assert described("A calm man").range < plain.range < described("An energetic man").range


def test_settings_override_the_description():
    fixed = {"voice": "en-us+f3", "pitch": 60, "rate": 170, "range": 20}
    assert described("A deep man", espeak=fixed) == Profile("en-us+f3", 60, 170, 20)
    assert described("", espeak={"pitch": 1000}).pitch == 99


@pytest.mark.parametrize(
    "settings", [{"pitch": "high"}, {"voice": 7}, {"rate": None}, {"range": True}, 5]
)
def test_wrong_settings_are_told(settings):
    with pytest.raises(BadValue) as caught:
        described("", espeak=settings)
    assert caught.value.field == "settings"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(TEXT, TEXT)
def test_every_description_gives_a_usable_profile(about, name):
    look = profile(Voice(name, speaker_desc=about))
    assert 0 <= look.pitch <= 99
    assert 0 <= look.range <= 99
    assert 80 <= look.rate <= 450


async def test_espeak_knows_every_voice_that_a_description_can_choose(tts):
    for language in {"en-us", *ACCENTS.values(), *LANGUAGES.values()}:
        assert await spoken(tts, "Hello", language)
    plain = await spoken(tts, "Hello there", "en-us")
    for variant in {*WOMEN, *MEN, "whisper", "whisperf"}:
        assert await spoken(tts, "Hello there", f"en-us+{variant}") != plain, variant


async def test_a_voice_that_espeak_does_not_know_is_told(tts):
    with pytest.raises(BackendFailed, match="klingonese"):
        await spoken(tts, "Hello", "klingonese")
    assert await spoken(tts, "Hello", "en-us")


# -- words and chunks ------------------------------------------------------------------------


async def spoken(tts, text, name="en-us"):
    voice = Voice("x", settings={"espeak": {"voice": name}})
    return [piece async for piece in tts.speak(text, voice)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello my friend, how are you?", ["Hello", "my", "friend", "how", "are", "you"]),
        ("  Zoë 😀 dit: ça va 𝒳?", ["Zoë", "dit", "ça", "va"]),
        ("你好 now", ["你好", "now"]),
        ("One\0two\x01three\nfour", ["One", "two", "three", "four"]),
    ],
)
async def test_words_are_marked_at_their_characters(tts, text, words):
    marks = [piece for piece in await spoken(tts, text) if isinstance(piece, WordMark)]
    found = [text[mark.start : mark.end] for mark in marks]
    assert found[: len(words)] == words


async def test_a_mark_comes_before_the_audio_of_its_word(tts):
    heard = 0
    for piece in await spoken(tts, "These are several words, spoken one after the other."):
        if isinstance(piece, WordMark):
            assert piece.at >= heard - 25  # espeak rounds its times to ms
        else:
            heard += len(piece) // 2


async def test_numbers_are_marked_without_overlap(tts):
    pieces = await spoken(tts, "It costs 12,345 dollars and $5.20 today.")
    marks = [piece for piece in pieces if isinstance(piece, WordMark)]
    assert all(one.end <= next.start for one, next in pairwise(marks))


async def test_chunks_are_20_to_60_ms_long(tts):
    sizes = [len(piece) // 2 for piece in await spoken(tts, LONG[:500]) if isinstance(piece, bytes)]
    assert max(sizes) <= 0.061 * tts.sample_rate
    assert sorted(sizes)[len(sizes) // 2] >= 0.02 * tts.sample_rate


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "🎉🎉", "— …"])
async def test_wordless_text_yields_nothing(tts, text):
    assert await spoken(tts, text) == []


# -- back-pressure, ends and failures --------------------------------------------------------


async def test_a_slow_listener_holds_the_synthesiser_back(tts):
    async with closing(tts.speak(LONG, Voice("x"))) as stream:
        await anext(stream)
        await anyio.sleep(0.2)
        (listener,) = tts._workers.listeners
        assert listener.waiting == AHEAD


async def test_closing_frees_the_voice_at_once(tts):
    for _ in range(3 * tts.max_concurrent):
        async with closing(tts.speak(LONG, Voice("x"))) as stream:
            await anext(stream)
    with anyio.fail_after(60):
        while len(tts._free) < tts.max_concurrent:  # noqa: ASYNC110
            await anyio.sleep(0.001)


async def test_more_than_max_concurrent_wait_their_turn(tts):
    done = []

    async def speak(number):
        done.append((number, len(await spoken(tts, f"Number {number} speaks."))))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(speak, number)
    assert len(done) == 8


async def test_one_who_gives_up_waiting_leaves_the_queue():
    async with Espeak(max_concurrent=1) as tts:
        async with closing(tts.speak(LONG, Voice("x"))) as stream:
            await anext(stream)
            with anyio.move_on_after(0.05) as scope:
                await spoken(tts, "Me too!")
            assert scope.cancelled_caught
        with anyio.fail_after(60):
            assert await spoken(tts, "And now?")


async def test_leaving_while_it_speaks_ends_the_speech_and_removes_the_copies():
    async with Espeak() as tts:
        folder = tts._folder
        stream = tts.speak(LONG, Voice("x"))
        await anext(stream)
    assert not await anyio.Path(folder).exists()
    with pytest.raises(NotReady):
        assert len([piece async for piece in stream]) <= 2
    with pytest.raises(NotReady):
        await spoken(tts, "Hello?")
    with pytest.raises(NotReady):
        await spoken(Espeak(), "Hello?")


async def test_being_cancelled_while_it_speaks_ends_promptly():
    with anyio.move_on_after(0.3) as scope, anyio.fail_after(60):
        async with Espeak() as tts:
            stream = tts.speak(LONG, Voice("x"))
            await anext(stream)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    await stream.aclose()


async def test_a_missing_package_is_told_with_its_mend(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(CannotStart) as caught:
        async with Espeak():
            pass
    assert caught.value.mend == installs("offline")
    assert list(tmp_path.iterdir()) == []


async def test_a_library_that_cannot_be_loaded_is_told(monkeypatch, tmp_path):
    import espeakng_loader

    broken = tmp_path / "libespeak-ng.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(broken))
    with pytest.raises(CannotStart, match="cannot be loaded"):
        async with Espeak():
            pass


async def test_its_settings_bound_it():
    assert Espeak(max_concurrent=0).max_concurrent == 1
    slow, fast = (profile(Voice("x"), words_per_minute=rate).rate for rate in (120, 200))
    assert fast - slow == 80
