import gc
import logging

import anyio
import pytest
from attrs import evolve

from aichat.core import (
    THINKING,
    AichatError,
    BackendFailed,
    CannotStart,
    Character,
    ListedModel,
    ListsModels,
    Prompt,
    PromptMessage,
    TimedOut,
    ToolCall,
    Usage,
    closing,
    tool,
)
from aichat.core.registry.config import build, read_config
from aichat.core.testing.llm_contract import LlmContract, ask, whole
from aichat.plugins.openai import OpenAiLlm, llm_backend
from aichat.plugins.openai import stream as openai_stream
from aichat.plugins.openai.client import origin
from aichat.toolkit.model_output.filtered_replies import ThinkingHabits, filtered_reply
from support.fake_openrouter import open_fake
from support.fault_proxy import open_proxy
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fake():
    async with open_fake() as fake:
        yield fake


def a_model(url, key, first=20, between=20, **more):
    """A model that a busy machine does not make give up, unless that is wanted."""
    waits = {"first_token_seconds": first, "between_tokens_seconds": between}
    return OpenAiLlm("good", api_key=key, base_url=url, **waits, **more)


@pytest.fixture
async def llm(fake):
    async with a_model(fake.url, "secret-key") as llm:
        yield llm


@pytest.fixture
async def hasty(fake):
    async with a_model(fake.url, "secret-key", between=1) as llm:
        yield llm


class TestContract(OpenedOnce, LlmContract):
    @pytest.fixture(scope="class")
    @classmethod
    async def llm(cls):
        async with open_fake() as fake, a_model(fake.url, "secret-key") as llm:
            fake.seconds_per_word = 0.002
            yield llm


def ask_model(model, **more):
    zoe = Character("zoe-001", "Zoë")
    words = PromptMessage("user", "private words", "The user")
    return Prompt(zoe, [zoe], [words], {"model": model, **more})


async def failure(llm, model, kind=BackendFailed):
    """Return what was said before the failure, and the failure's sentences."""
    said = []

    async def listen():
        async with closing(llm.reply(ask_model(model))) as stream:
            async for piece in stream:
                if isinstance(piece, str):
                    said.append(piece)  # noqa: PERF401 (what came before the failure counts)

    with pytest.raises(kind) as told:
        await listen()
    line = told.value.line
    assert told.value.__suppress_context__, "the library's own words must not reach a log"
    assert "secret" not in line
    assert "private" not in line
    assert line.endswith(".")
    return "".join(said), line


# -- the start ---------------------------------------------------------------------------------


async def test_without_a_key_it_says_what_to_do():
    with pytest.raises(CannotStart) as told:
        async with llm_backend().make("some/model"):
            pass
    assert told.value.problem == "No API key: OPENROUTER_API_KEY is not set."
    assert told.value.hint.startswith("Put OPENROUTER_API_KEY=... into .env, or use a local server")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_local_server_needs_no_key(fake, host):
    async with OpenAiLlm("good", base_url=f"http://{host}:{fake.port}/v1") as llm:
        assert (await whole(llm, ask("Hi"))).strip() == fake.words


async def test_no_proxy_is_asked_for_a_local_server(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with OpenAiLlm("good", base_url=fake.url) as llm:
        assert (await whole(llm, ask("Hi"))).strip() == fake.words


async def test_its_settings_are_those_of_plugins_toml(tmp_path, fake, monkeypatch):
    monkeypatch.setenv("A_KEY", "secret-key")
    file = tmp_path / "plugins.toml"
    file.write_text(
        "[llm.openai]\nmodel = 'good'\nfirst_token_seconds = 5\napi_key = '$A_KEY'\n"
        f"base_url = '{fake.url}'\n"
    )
    make = build(read_config(file, {}), "llm", "openai", llm_backend().make)
    async with make() as llm:
        assert (await whole(llm, ask("Hi"))).strip() == fake.words
    monkeypatch.delenv("A_KEY")
    assert make().api_key == ""


async def test_the_key_is_in_no_repr():
    assert "secret" not in repr(OpenAiLlm("m", api_key="secret-key"))


# -- what is asked -----------------------------------------------------------------------------


async def test_words_come_as_the_model_writes_them(fake, llm):
    async with closing(llm.reply(ask_model("good"))) as stream:
        *pieces, usage = [piece async for piece in stream]
    assert pieces == fake.pieces
    assert usage == Usage("m", 3, 5, 0.00012)
    (request,) = fake.requests
    assert request.path == "/api/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer secret-key"
    assert request.body == {
        "model": "good",
        "messages": [{"role": "user", "content": "private words"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_what_was_chosen_is_asked_for(fake, llm):
    chosen = {"temperature": 0.0, "max_tokens": 50, "top_p": 0.9, "stop": ["\n", "END"]}
    await whole(llm, ask_model("a", **chosen, turns="all"))
    await whole(llm, ask_model(None, stop=[]))
    for request in fake.requests:
        del request.body["messages"], request.body["stream"], request.body["stream_options"]
    assert [request.body for request in fake.requests] == [
        {"model": "a", **chosen},
        {"model": "good"},
    ]


@pytest.mark.parametrize(
    ("base_url", "body"),
    [
        ("https://openrouter.ai/api/v1", {"reasoning": {"effort": "low"}}),
        ("http://localhost:8080/v1", {"reasoning_effort": "low"}),
    ],
)
def test_how_much_it_thinks_can_be_set(base_url, body):
    more = {"provider": {"sort": "latency"}}
    llm = OpenAiLlm("m", base_url=base_url, reasoning="low", extra_body=more)
    assert llm._request(ask_model("m"))["extra_body"] == {**body, **more}


def test_openai_has_another_name_for_the_longest_reply():
    llm = OpenAiLlm("m", base_url="https://api.openai.com/v1")
    assert llm._request(ask_model("m", max_tokens=9))["max_completion_tokens"] == 9


def test_openrouter_is_told_who_asks():
    assert OpenAiLlm("m")._server._headers()["X-Title"] == "aichat"
    assert OpenAiLlm("m", base_url="http://127.0.0.1:1/v1")._server._headers() == {}


async def test_what_the_environment_says_of_openai_goes_nowhere_else(fake, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with OpenAiLlm("good", base_url=fake.url) as llm:
        await whole(llm, ask("Hi"))
    assert "secret" not in str(fake.requests[0].headers)


# -- whose key ---------------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["https://evil.example/v1", "http://openrouter.ai/api/v1"])
@pytest.mark.parametrize("key", ["sk-or-v1-1234", "of the environment"])
async def test_openrouters_key_goes_to_nobody_else(monkeypatch, base_url, key):
    monkeypatch.setenv("OPENROUTER_API_KEY", "of the environment")
    with pytest.raises(CannotStart) as told:
        async with OpenAiLlm("m", api_key=key, base_url=base_url):
            pass
    assert "OpenRouter's key is not sent to" in told.value.problem
    assert "key_origin" in told.value.hint
    assert key not in told.value.line


async def test_a_local_server_does_not_get_openrouters_key(fake):
    async with OpenAiLlm("good", api_key="sk-or-v1-1234", base_url=fake.url) as llm:
        await whole(llm, ask("Hi"))
    assert fake.requests[0].headers["authorization"] == "Bearer none"


async def test_plugins_toml_may_send_a_key_elsewhere(fake):
    async with OpenAiLlm(
        "good", api_key="sk-or-v1-1234", base_url=fake.url, key_origin=fake.url
    ) as llm:
        await whole(llm, ask("Hi"))
    assert fake.requests[0].headers["authorization"] == "Bearer sk-or-v1-1234"


@pytest.mark.parametrize("key_origin", ["https://other.example", "http://127.0.0.1", "nonsense"])
async def test_a_key_for_another_origin_is_not_sent(fake, key_origin):
    with pytest.raises(CannotStart, match="The key is for"):
        async with OpenAiLlm(
            "good", api_key="secret-key", base_url=fake.url, key_origin=key_origin
        ):
            pass


@pytest.mark.parametrize("base_url", ["", "openrouter.ai/api/v1", "ftp://x/v1", "http://x:y/v1"])
async def test_what_is_no_address_is_told(base_url):
    with pytest.raises(CannotStart, match="base_url is no address"):
        async with OpenAiLlm("m", api_key="key", base_url=base_url):
            pass


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://openrouter.ai:443/api", "https://openrouter.ai"),
        ("HTTPS://OpenRouter.AI/x?y#z", "https://openrouter.ai"),
        ("https://user:word@openrouter.ai/", "https://openrouter.ai"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("https://openrouter.ai.evil.example/", "https://openrouter.ai.evil.example"),
        ("https://openrouter.ai@evil.example/", "https://evil.example"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, same):
    assert origin(url) == same


async def test_reasoning_is_not_said(fake, llm):
    assert (await whole(llm, ask_model("reasoning"))).strip() == fake.words
    async with closing(filtered_reply(llm, ask_model("thinking"), ThinkingHabits())) as stream:
        said = [piece async for piece in stream if isinstance(piece, str)]
    assert "".join(said).strip() == fake.words


async def test_letters_that_cannot_be_stored_are_replaced(llm):
    assert await whole(llm, ask_model("unclean")) == "a\ufffdb 🙂 🙂"


async def test_the_next_turn_uses_the_same_connection(fake, llm):
    for _ in range(3):
        await whole(llm, ask("Hi"))
    assert fake.connections == 1


# -- leaving early -----------------------------------------------------------------------------


async def test_the_server_learns_at_once_that_nobody_listens_any_more(fake, llm):
    stream = llm.reply(ask_model("endless"))
    assert await anext(stream)
    with anyio.fail_after(60):
        await stream.aclose()
        await fake.hung_up.wait()


@pytest.mark.parametrize("model", ["endless", "silent", "stall"])
async def test_the_server_learns_of_a_cancellation(fake, llm, model):
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole, llm, ask_model(model))
            await fake.asked.wait()
            tasks.cancel_scope.cancel()
        await fake.hung_up.wait()


async def test_nothing_is_left_behind_for_the_garbage_collector(fake, llm):
    for model in ("endless", "stall", "good"):
        stream = llm.reply(ask_model(model))
        await anext(stream)
        await stream.aclose()
        del stream
        gc.collect()
        await anyio.sleep(0.01)
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("e400", "refused the request"),
        ("e401", "key was refused"),
        ("e402", "no credit left"),
        ("e403", "may not answer"),
        ("e404", "does not know the model"),
        ("e413", "too long"),
        ("e429", "Too many requests"),
        ("e500", "has a fault (500)"),
        ("e503", "overloaded, or still being loaded (503)"),
        ("early_error", "Too many requests"),
        ("refuse", "connection to the language model at 127.0.0.1 failed"),
        ("no_http", "connection to the language model at 127.0.0.1 failed"),
        ("redirect", "redirects elsewhere (307)"),
        ("nothing", "came to its limit before its first word"),
        ("html", "127.0.0.1 answered with a web page"),
    ],
)
async def test_a_refusal_is_a_sentence(llm, model, part):
    said, line = await failure(llm, model)
    assert part in line
    assert said == ""


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("cut", "connection to the language model at 127.0.0.1 failed"),
        ("short", "broke off in mid-sentence"),
        ("error", "has a fault (502)"),
        ("broken_json", "broke off (JSONDecodeError)"),
        ("odd", "broke off"),
    ],
)
async def test_what_was_said_before_a_failure_is_kept(fake, llm, model, part):
    said, line = await failure(llm, model)
    assert said == "".join(fake.pieces[:3])
    assert part in line
    assert len(fake.requests) == 1, "half a reply is never begun again"
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


async def test_bytes_that_are_no_text_cost_only_themselves(fake, llm):
    said = await whole(llm, ask_model("corrupt"))
    assert said == "".join(fake.pieces[:3]) + "\ufffd" * 3


@pytest.mark.parametrize("model", ["silent", "slow"])
async def test_a_model_that_does_not_begin_is_given_up(fake, hasty, model):
    hasty.first_token_seconds = 0.6
    said, line = await failure(hasty, model, TimedOut)
    assert (said, "did not answer within 0.6 seconds" in line) == ("", True)
    with anyio.fail_after(60):
        await fake.hung_up.wait()


@pytest.mark.parametrize("model", ["stall", "hollow"])
async def test_a_model_that_stops_in_the_middle_is_given_up(fake, hasty, model):
    with anyio.fail_after(60):
        said, line = await failure(hasty, model, TimedOut)
        assert (said, "within 1 seconds" in line) == ("".join(fake.pieces[:3]), True)
        await fake.hung_up.wait()


async def test_a_slow_reader_is_no_silence_of_the_model(fake, hasty):
    async with closing(hasty.reply(ask("Hi"))) as stream:
        said = [await anext(stream)]
        await anyio.sleep(1.2)  # longer than it may be silent
        said += [piece async for piece in stream if isinstance(piece, str)]
    assert "".join(said).strip() == fake.words


@pytest.mark.parametrize("model", ["e429-once", "e500-once", "refuse-once", "early_error-once"])
async def test_a_server_that_stumbles_gets_a_second_chance(fake, llm, model):
    assert (await whole(llm, ask_model(model))).strip() == fake.words
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("model", "tries"), [("e401", 1), ("e404", 1), ("e429", 2), ("e500", 2), ("busy", 1)]
)
async def test_it_tries_twice_at_most(fake, llm, model, tries):
    await failure(llm, model)
    assert len(fake.requests) == tries


@pytest.mark.parametrize("model", ["dangling", "counting", "dropped"])
async def test_a_reply_that_is_complete_is_not_failed_by_what_follows(
    fake, llm, model, monkeypatch
):
    monkeypatch.setattr(openai_stream, "END_SECONDS", 0.2)
    with anyio.fail_after(60):
        assert (await whole(llm, ask_model(model))).strip() == fake.words
        assert (await whole(llm, ask("Hi"))).strip() == fake.words


# -- the wire itself ---------------------------------------------------------------------------


@pytest.fixture
async def proxied(fake):
    """A proxy whose faults are to be switched, and a model behind it."""
    async with open_proxy(fake.port) as proxy:
        url = f"http://127.0.0.1:{proxy.own_port}/api/v1"
        async with a_model(url, "secret-key") as llm:
            yield proxy, llm


async def test_letters_torn_apart_on_the_wire_are_whole(fake, proxied):
    proxy, llm = proxied
    proxy.slice = 1
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


@pytest.mark.parametrize("cut_after", range(400, 2_900, 400))
async def test_a_line_cut_anywhere_is_told_and_the_next_reply_is_whole(fake, proxied, cut_after):
    proxy, llm = proxied
    proxy.cut_after = cut_after
    said, line = await failure(llm, "good")
    assert fake.words.startswith(said.strip())
    assert "127.0.0.1" in line
    proxy.cut_after = None
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


async def test_a_line_that_stalls_is_given_up_and_let_go(fake, proxied):
    proxy, llm = proxied
    proxy.stall_after, llm.between_tokens_seconds = 1_500, 0.5
    said, _ = await failure(llm, "good", TimedOut)
    assert fake.words.startswith(said.strip())
    with anyio.fail_after(60):
        await proxy.lost.wait()
    proxy.stall_after, llm.between_tokens_seconds = None, 20
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


async def test_whatever_bytes_are_wrong_the_failure_is_ours(fake, proxied):
    proxy, llm = proxied
    proxy.corrupt, proxy.slice = 0.3, 200
    failed = 0
    for _ in range(30):
        try:
            await whole(llm, ask("Hi"))
        except AichatError as error:
            failed += "secret" not in error.line
    assert failed > 10
    proxy.corrupt = 0.0
    assert (await whole(llm, ask("Hi"))).strip() == fake.words


# -- tools -------------------------------------------------------------------------------------


def look(dice: str = "d6") -> str:
    """Look."""
    return dice


HANDY = (tool(look, name="clock"), tool(look, name="dice"))


async def test_tools_are_offered_and_calls_put_together(fake, llm):
    prompt = evolve(ask_model("tools"), tools=HANDY)
    async with closing(llm.reply(prompt)) as stream:
        pieces = [piece async for piece in stream if piece != THINKING]
    calls = [ToolCall("call_0", "clock", "{}"), ToolCall("call_1", "dice", '{"dice":"d6"}')]
    assert pieces == ["Let me look. ", *calls, Usage("m", 3, 5, 0.00012)]
    offered = fake.requests[0].body["tools"]
    assert [one["function"]["name"] for one in offered] == ["clock", "dice"]
    assert offered[1]["function"]["parameters"] == HANDY[1].parameters

    asked = PromptMessage("assistant", "Let me look. ", calls=tuple(calls))
    told = [PromptMessage("tool", "12:00", call.name, call_id=call.id) for call in calls]
    again = evolve(prompt, messages=(*prompt.messages, asked, *told))
    assert (await whole(llm, again)).strip() == fake.words
    sent = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    assert fake.requests[1].body["messages"][1:] == [
        {"role": "assistant", "content": "Let me look. ", "tool_calls": sent},
        {"role": "tool", "tool_call_id": "call_0", "content": "12:00"},
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
    ]


async def test_a_model_that_asks_for_tools_keeps_the_contract_as_well(fake):
    fake.calls = fake.calls[:1]
    async with OpenAiLlm("tools", base_url=fake.url) as llm:
        await LlmContract().test_it_asks_for_tools_that_there_are_and_then_answers(llm)
    assert [request.body.get("tool_choice") for request in fake.requests] == [None, "none"]


async def test_a_model_that_must_answer_is_told_so_and_what_the_tools_are(fake, llm):
    await whole(llm, evolve(ask_model("good"), tools=HANDY, must_answer=True))
    await whole(llm, ask_model("good", must_answer=True))
    assert fake.requests[0].body["tool_choice"] == "none"
    assert len(fake.requests[0].body["tools"]) == 2
    assert "tool_choice" not in fake.requests[1].body


async def test_a_model_that_takes_no_tools_does_without(fake, llm, caplog):
    prompt = evolve(ask_model("toolless"), tools=HANDY)
    for _ in range(2):
        assert (await whole(llm, prompt)).strip() == fake.words
    assert ["tools" in request.body for request in fake.requests] == [True, False, False]
    assert "toolless takes no tools" in caplog.text


async def test_what_is_refused_for_another_reason_is_told(fake, llm):
    with pytest.raises(BackendFailed, match="refused the request"):
        await whole(llm, evolve(ask_model("e400"), tools=HANDY))
    assert len(fake.requests) == 2


async def test_a_redirect_is_not_followed(fake, llm):
    await failure(llm, "redirect")
    assert [request.path for request in fake.requests] == ["/api/v1/chat/completions"]


async def test_a_server_that_is_not_there_is_told():
    async with open_fake() as fake:
        url = fake.url
    async with OpenAiLlm("good", base_url=url) as llm:
        _, line = await failure(llm, "good")
    assert "refuses the connection: nothing listens there. Is its server running?" in line
    assert url in line


async def test_neither_key_nor_words_are_logged(fake, llm, caplog):
    caplog.set_level(logging.INFO)
    for model in ("good", "e500", "error", "cut"):
        try:
            await whole(llm, ask_model(model))
        except AichatError as error:
            logging.getLogger("test").error("failed", exc_info=error)
    assert "stumbled" in caplog.text
    assert "secret-key" not in caplog.text
    assert "private words" not in caplog.text


# -- the list of models ------------------------------------------------------------------------


async def test_it_lists_what_the_server_offers(llm):
    assert isinstance(llm, ListsModels)
    assert await llm.models() == [
        ListedModel("maker/large", "Maker: Large", 200_000, 3.0, 15.0),
        ListedModel("varies", "varies"),
        ListedModel("small", "small"),
        ListedModel("local", "local", 8_192),
    ]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("e401", "The key was refused"),
        ("e404", "has no list of models"),
        ("e500", "has a fault (500)"),
        ("refuse", "failed"),
        ("html", "broke off"),
        ("redirect", "redirects elsewhere"),
    ],
)
async def test_a_list_that_does_not_come_is_told_in_words_of_ours(fake, llm, behaviour, words):
    fake.lists = behaviour
    with pytest.raises(BackendFailed) as told:
        await llm.models()
    assert words in told.value.line
    assert "secret" not in told.value.line


@pytest.mark.parametrize(
    ("base_url", "charges"),
    [
        ("https://openrouter.ai/api/v1", True),
        ("http://192.168.1.7:8080/v1", True),
        ("http://localhost:11434/v1", False),
        ("http://127.0.0.1:8080/v1", False),
        ("http://[::1]:8080/v1", False),
    ],
)
def test_only_ones_own_machine_is_free(base_url: str, charges: bool) -> None:
    assert OpenAiLlm("m", base_url=base_url).charges is charges
