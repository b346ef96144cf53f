"""Hearing and speaking through an OpenAI-compatible server, a double on this machine."""

import anyio
import pytest

from aichat.core import BackendFailed, CannotStart, TimedOut, Utterance, Voice, closing
from aichat.core.testing import SttContract, TtsContract
from aichat.core.testing.leak_checks import say
from aichat.plugins.openai import OpenAiStt, OpenAiTts, stt_backend, tts_backend
from aichat.plugins.openai.stt import LONGEST_PROMPT, hints
from aichat.plugins.openai.tts import LONGEST_TEXT, MEN, WOMEN, parts
from support.espeak_speech import say as spoken
from support.fake_openai_audio import RATE, SECONDS_PER_LETTER, open_audio, sound
from support.fault_proxy import open_proxy
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio

VOICE = Voice("Olivia")


@pytest.fixture
async def fake():
    async with open_audio() as fake:
        yield fake


@pytest.fixture
async def stt(fake):
    async with a_recogniser(fake.url) as stt:
        yield stt


def a_recogniser(url):
    return OpenAiStt(api_key="secret-key", base_url=url, seconds=60)


def a_voice(url, model="tts", **limits):
    limits = {"first_seconds": 60, "between_seconds": 60, **limits}
    return OpenAiTts(model, api_key="secret-key", base_url=url, **limits)


@pytest.fixture
async def tts(fake):
    async with a_voice(fake.url) as tts:
        yield tts


@pytest.fixture(scope="module")
def speech_pcm():
    return spoken("Hello there, what do you think of this?")


class TestStt(OpenedOnce, SttContract):
    @pytest.fixture(scope="class")
    @classmethod
    async def stt(cls):
        async with open_audio() as fake, a_recogniser(fake.url) as stt:
            yield stt


class TestTts(OpenedOnce, TtsContract):
    @pytest.fixture(scope="class")
    @classmethod
    async def tts(cls):
        async with open_audio() as fake, a_voice(fake.url) as tts:
            yield tts


def test_both_are_offered_under_the_same_name():
    assert stt_backend().name == tts_backend().name == "openai"


@pytest.mark.parametrize(("make", "part"), [(OpenAiStt, "stt"), (OpenAiTts, "tts")])
async def test_without_a_key_it_says_what_to_do(make, part):
    with pytest.raises(CannotStart) as told:
        async with make():
            pass
    assert told.value.problem == "No API key: OPENAI_API_KEY is not set."
    assert f"[{part}.openai] base_url" in told.value.hint
    with pytest.raises(CannotStart, match=r"No API key for voice\.example\."):
        async with make(base_url="https://voice.example/v1"):
            pass


# -- hearing -----------------------------------------------------------------------------------


async def test_what_is_uploaded_says_what_to_expect(fake, stt, speech_pcm):
    stt.language, stt.prompt = "en", "A chat about gardens."
    heard = Utterance("u", speech_pcm, True, ("Olivia Barns", "Mark Chen"))
    assert await stt.transcribe(heard) == fake.words
    (request,) = fake.requests
    assert request.path == "/api/v1/audio/transcriptions"
    assert request.headers["authorization"] == "Bearer secret-key"
    assert len(request.body.pop("file")) == len(speech_pcm) + 44
    assert request.body == {
        "model": "whisper-1",
        "response_format": "json",
        "language": "en",
        "prompt": "A chat about gardens. Olivia Barns, Mark Chen",
    }


def test_names_beyond_what_the_model_reads_are_left_out():
    assert hints("", []) == ""
    assert hints("", ["Olivia", "Mark"]) == "Olivia, Mark"
    many = hints("", [f"Name {number}" for number in range(1_000)])
    assert LONGEST_PROMPT - 12 < len(many) <= LONGEST_PROMPT


async def test_silence_is_not_sent(fake, stt):
    for pcm in (b"", bytes(1_000), bytes(64_000), b"\x10\x00" * 16_000, b"\xff\x7f" * 1_000):
        assert await stt.transcribe(Utterance("u", pcm, True)) == ""
    assert fake.requests == []


@pytest.mark.parametrize(
    ("partials", "base_url", "guesses"),
    [
        ("auto", "https://api.openai.com/v1", False),
        ("auto", "http://localhost:8000/v1", True),
        ("on", "https://api.openai.com/v1", True),
        ("off", "http://localhost:8000/v1", False),
    ],
)
def test_what_costs_money_is_asked_only_at_the_end(partials, base_url, guesses):
    assert OpenAiStt(base_url=base_url, partials=partials).guesses is guesses
    assert OpenAiStt(base_url=base_url).charges is ("openai.com" in base_url)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("e401", "The key was refused"),
        ("e404", "does not know the model (404). Check model and base_url in [stt.openai] (http:"),
        ("e429", "Too many requests to the speech recogniser"),
        ("e500", "The speech recogniser's server has a fault (500)"),
        ("refuse", "The connection to the speech recogniser at 127.0.0.1 failed"),
        ("redirect", "redirects elsewhere (307)"),
        ("no_text", "answered without a text"),
        ("html", "answered without a text"),
    ],
)
async def test_what_goes_wrong_with_hearing_is_a_sentence(fake, stt, speech_pcm, model, part):
    stt.model = model
    with pytest.raises(BackendFailed) as told:
        await stt.transcribe(Utterance("u", speech_pcm, True))
    assert part in told.value.line
    assert "secret" not in told.value.line
    assert told.value.__suppress_context__


async def test_hearing_gives_up_in_time_and_tries_twice(fake, stt, speech_pcm):
    stt.model = "e500-once"
    assert await stt.transcribe(Utterance("u", speech_pcm, True)) == fake.words
    assert len(fake.requests) == 2
    stt.model, stt.seconds = "silent", 0.2
    with pytest.raises(TimedOut, match="did not answer within"):
        await stt.transcribe(Utterance("u", speech_pcm, True))


async def test_what_cannot_be_stored_is_not_heard(stt, speech_pcm):
    stt.model = "unclean_text"
    assert await stt.transcribe(Utterance("u", speech_pcm, True)) == "a\ufffdb \ufffd"


# -- speaking ----------------------------------------------------------------------------------


async def test_the_voice_is_asked_for_by_name_and_description(fake, tts):
    tts.speed = 1.1
    named = {"voice": "nova"}
    voice = Voice("Olivia", "description", "Warm, quick", "A quiet room.", settings=named)
    assert (await say(tts, "Hello.", voice)).pcm == sound("Hello.")
    (request,) = fake.requests
    assert request.path == "/api/v1/audio/speech"
    assert request.body == {
        "model": "tts",
        "input": "Hello.",
        "voice": "nova",
        "response_format": "pcm",
        "instructions": "Warm, quick\nA quiet room.",
        "speed": 1.1,
    }
    tts.instructions, tts.voice = False, "alloy"
    await say(tts, "Hello.", Voice("Olivia", settings={"voice": 7}))
    assert "instructions" not in fake.requests[1].body
    assert fake.requests[1].body["voice"] == "alloy"
    assert tts.abilities == frozenset()


def test_without_a_voice_of_that_name_openai_gets_one_that_fits_and_never_changes():
    theirs, another = OpenAiTts(), OpenAiTts(base_url="http://127.0.0.1:1/v1")
    women = {theirs._voice(Voice(f"{n}", speaker_desc="An old woman")) for n in range(30)}
    men = {theirs._voice(Voice(f"{n}", speaker_desc="A man")) for n in range(30)}
    assert (women, men) == (set(WOMEN), set(MEN))
    cloned = Voice("Olivia", "clone", audio_path="clip.wav")
    assert {theirs._voice(cloned) for _ in range(9)} < set(WOMEN)
    assert len({theirs._voice(Voice(f"{n}")) for n in range(90)}) == 8
    assert another._voice(cloned) == "alloy"
    assert OpenAiTts(voice="nova")._voice(cloned) == "nova"


async def test_a_long_text_is_asked_for_in_parts(fake, tts):
    text = "word " * 900
    said = await say(tts, text, VOICE)
    sent = [request.body["input"] for request in fake.requests]
    assert " ".join(sent) == text.strip()
    assert max(map(len, sent)) <= LONGEST_TEXT
    assert len(said.pcm) == sum(len(sound(part)) for part in sent)
    assert list(parts("x" * 9_000)) == ["x" * 4_000, "x" * 4_000, "x" * 1_000]


async def test_sound_comes_as_it_is_made(fake, tts):
    fake.seconds_per_word = 0.01
    async with closing(tts.speak("A text that takes a second to say, and more.", VOICE)) as stream:
        first = await anext(stream)
    assert 0 < len(first) < RATE * SECONDS_PER_LETTER * 10
    with anyio.fail_after(60):
        await fake.hung_up.wait()


@pytest.mark.parametrize(
    ("model", "part", "kind"),
    [
        ("e401", "The key was refused", BackendFailed),
        ("e402", "no credit left for the voice", BackendFailed),
        ("refuse", "The connection to the voice at 127.0.0.1 failed", BackendFailed),
        ("redirect", "redirects elsewhere (307)", BackendFailed),
        ("html", "sent text, not sound", BackendFailed),
        ("mute", "said nothing", BackendFailed),
        ("hoarse", "at 127.0.0.1", BackendFailed),
        ("silent", "did not answer within 0.3 seconds", TimedOut),
        ("stuck", "did not come within 0.3 seconds", TimedOut),
    ],
)
async def test_what_goes_wrong_with_speaking_is_a_sentence(fake, model, part, kind):
    async with a_voice(fake.url, model) as tts:
        if model == "silent":
            tts.first_seconds = 0.3
        elif model == "stuck":
            tts.between_seconds = 0.3
        with pytest.raises(kind) as told:
            await say(tts, "Hello.", VOICE)
        assert part in told.value.line
        assert "secret" not in told.value.line
        tts.model, tts.first_seconds, tts.between_seconds = "tts", 60, 60
        assert (await say(tts, "Hello.", VOICE)).pcm


async def test_a_voice_whose_server_stumbles_gets_a_second_chance(fake, tts):
    tts.model = "e503-once"
    assert (await say(tts, "Hello.", VOICE)).pcm == sound("Hello.")
    assert len(fake.requests) == 2


async def test_a_torn_line_is_told_and_the_next_clause_works(fake):
    async with open_proxy(fake.port) as proxy:
        url = f"http://127.0.0.1:{proxy.own_port}/v1"
        async with a_voice(url) as tts:
            proxy.slice = 7
            assert (await say(tts, "Hi.", VOICE)).pcm == sound("Hi.")
            proxy.slice, proxy.cut_after = 65_536, 2_000
            with pytest.raises(BackendFailed):
                await say(tts, "Hello there.", VOICE)
            proxy.cut_after, proxy.stall_after, tts.between_seconds = None, 2_000, 0.3
            with pytest.raises(TimedOut):
                await say(tts, "Hello there.", VOICE)
            with anyio.fail_after(60):
                await proxy.lost.wait()
            proxy.stall_after, tts.between_seconds = None, 60
            assert (await say(tts, "Hi.", VOICE)).pcm == sound("Hi.")
