import sys
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import (
    BackendFailed,
    BadValue,
    CannotRead,
    CannotStart,
    NotReady,
    Voice,
    WordMark,
    closing,
)
from aichat.core.testing import TtsContract
from aichat.plugins.espeak import AHEAD, Espeak
from aichat.plugins.espeak.voice_profile import ACCENTS, LANGUAGES, MEN, WOMEN, Profile, profile
from aichat.toolkit.packages import installs
from aichat.toolkit.voices.scripts import plain, runs

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
    assert described("", "Olivia") == Profile("en-us+f4", 57, 160, 50)


@pytest.mark.parametrize("name", ["Olivia", "Rosa Alvarez", "Hannah", "Noelle"])
def test_without_a_description_the_name_tells_most_women(name):
    assert described("", name).name.split("+")[1] in WOMEN


def test_a_cloned_voice_without_a_description_has_a_sound_of_its_own():
    looks = {profile(Voice(f"Speaker {n}", "clone", audio_path="k.wav")) for n in range(9)}
    assert len(looks) == 9


def test_espeak_says_what_it_can():
    assert Espeak.abilities == {"describe", "seed", "word_times"}


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


# -- scripts ---------------------------------------------------------------------------------

READ_BY = {
    "ar": "مرحبا بالعالم، كيف حالك اليوم؟",
    "fa": "سلام، حال شما چطور است؟",
    "ur": "آپ کیسے ہیں؟ میں ٹھیک ہوں۔",
    "cmn": "你好，世界。今天天气很好。",
    "yue": "你好，佢哋係邊個？",
    "ja": "こんにちは、カタカナです。",
    "ko": "안녕하세요, 오늘 날씨가 좋네요.",
    "hi": "नमस्ते, आप कैसे हैं?",
    "ru": "Привет, как дела сегодня?",
    "uk": "Привіт, як твої справи?",
    "be": "Добры дзень, як маешся ў хаце?",
    "sr": "Здраво, како си? Ђорђе љуби њега.",
    "el": "Γειά σου, τι κάνεις σήμερα;",
    "he": "שלום עולם, מה שלומך?",
    "th": "สวัสดีครับ สบายดีไหม",
    "bn": "হ্যালো, কেমন আছেন?",
    "ta": "வணக்கம், எப்படி இருக்கிறீர்கள்?",
    "te": "హలో, ఎలా ఉన్నారు?",
    "my": "မင်္ဂလာပါ",
    "ka": "გამარჯობა მსოფლიო",
    "hy": "Բարեւ աշխարհ",
    "am": "ሰላም ለዓለም",
    "vi": "Xin chào thế giới, hôm nay trời đẹp.",
}


@pytest.mark.parametrize(("language", "text"), READ_BY.items(), ids=READ_BY)
async def test_a_script_is_read_by_a_language_that_knows_it_and_not_spelt_out(tts, language, text):
    assert [run.language for run in runs(text, "en-us")] == [language]
    letters = sum(map(str.isalpha, text))
    pieces = await spoken(tts, text)
    assert 0.05 < seconds(pieces) / letters < 0.45
    alone = await spoken(tts, text, language)
    assert seconds(pieces) == pytest.approx(seconds(alone), rel=0.1)


def seconds(pieces):
    return sum(len(piece) for piece in pieces if isinstance(piece, bytes)) / 2 / Espeak.sample_rate


@pytest.mark.parametrize(
    ("text", "own", "found"),
    [
        ("", "en-us", [("", "en-us")]),
        ("12 %", "ru", [("12 %", "ru")]),
        ("Hello there", "de", [("Hello there", "de")]),
        ("Hello there", "ru", [("Hello there", "en-us")]),
        ("She said 你好 and left.", "en-us", [
            ("She said ", "en-us"), ("你好 ", "cmn"), ("and left.", "en-us"),
        ]),
        ("(3) Привет, world!", "fr", [("(3) Привет, ", "ru"), ("world!", "fr")]),
        ("2026年3月5日", "en-us", [("2026年3月5日", "cmn")]),
        ("Доброго дня", "uk", [("Доброго дня", "uk")]),
        ("सलाम", "mr", [("सलाम", "mr")]),
        ("α and β", "en-us", [("α ", "en-us"), ("and ", "en-us"), ("β", "en-us")]),
        ("𝓗ello Ｈｉ", "en-us", [("𝓗ello Ｈｉ", "en-us")]),
        ("今日はいい天気です。", "en-us", [("今日はいい天気です。", "")]),
        ("東京", "ja", [("東京", "")]),
        ("東京", "en-us", [("東京", "cmn")]),
        ("សួស្តី you", "en-us", [("សួស្តី ", ""), ("you", "en-us")]),
    ],
)  # fmt: skip
def test_a_text_is_cut_where_another_language_reads_on(text, own, found):
    assert [(text[r.start : r.end], r.language) for r in runs(text, own)] == found


@given(TEXT)
def test_the_runs_of_any_text_joined_are_the_text(text):
    assert "".join(text[run.start : run.end] for run in runs(text, "en-us")) == text
    assert len(plain(text)) == len(text)


async def test_mixed_text_has_its_words_marked_in_order_in_every_script(tts):
    text = "Hello 世界, мир and مرحبا!"
    pieces = await spoken(tts, text)
    marks = [piece for piece in pieces if isinstance(piece, WordMark)]
    assert [text[m.start : m.end] for m in marks] == ["Hello", "世界", "мир", "and", "مرحبا"]
    assert all(one.at < other.at for one, other in pairwise(marks))
    assert seconds(pieces) < 4


async def test_chinese_is_marked_by_two_characters_at_most(tts):
    text = "你好，世界。今天天气很好。"
    marks = [piece for piece in await spoken(tts, text) if isinstance(piece, WordMark)]
    assert [text[m.start : m.end] for m in marks] == ["你好", "世界", "今天", "天气", "很好"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("សួស្តី ពិភពលោក", "Khmer script"),
        ("ສະບາຍດີ", "Lao script"),
        ("བཀྲ་ཤིས་བདེ་ལེགས།", "Tibetan script"),
        ("今日はいい天気です。", "Japanese with Chinese characters"),
        ("ᠠ", "Mongolian script"),
    ],
)
async def test_what_it_cannot_read_is_told_instead_of_spelt_out(tts, text, what):
    pieces = []
    with pytest.raises(CannotRead, match=f"cannot read {what}"):
        await hear(tts, text, pieces)
    assert pieces == []


async def hear(tts, text, pieces):
    async for piece in tts.speak(text, Voice("x")):
        pieces.append(piece)


async def test_the_rest_of_a_text_that_it_cannot_read_is_read(tts):
    pieces = []
    with pytest.raises(CannotRead, match="Khmer"):
        await hear(tts, "Hello, សួស្តី my friend.", pieces)
    assert 0.5 < seconds(pieces) < 2


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
    assert caught.value.hint == installs("offline")
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
