"""/metrics and each turn's waterfall, asked of a real server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aichat.core import NotReady, Usage
from aichat.core.events import HandlerFailed, Line, ToolUsed, Turn, TurnTimed
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.web.services.metrics import TURNS, Metrics
from support.in_process_server import Server, a_server
from support.waiting import soon


class Moody(FakeLlm):
    async def reply(self, prompt):  # type: ignore[no-untyped-def]
        if prompt.messages[-1].content.endswith("fail"):
            raise RuntimeError("secret details")
        if prompt.messages[-1].content.endswith("dear"):
            yield Usage("maker/large", 30, 7, 0.25)
        async for word in super().reply(prompt):
            yield word


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(llm=Moody(), tts=FakeTts(ms_per_word=20)) as server:
        yield server


def get(server: Server, path: str) -> str:
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        body: str = answer.read().decode()
        return body


def refusal(request: str | urllib.request.Request) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    with refused.value as answer:
        return answer.code, answer.read().decode()


def samples(server: Server) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(get(server, "/metrics"))
    return {
        (s.name, *(value for _, value in sorted(s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def test_a_turn_is_counted_and_its_waterfall_can_be_asked_for(server: Server) -> None:
    before = samples(server)
    with server.client() as client:
        client.send("text_message", text="@Olivia @Mark hello")
        turn_id = client.until("turn_started")["turn_id"]
        client.send("playback", turn_id=turn_id, sequence_number=0, played_ms=5)
        while not client.until("latency")["final"]:
            pass
        assert samples(server)[("aichat_sessions",)] == before.get(("aichat_sessions",), 0) + 1
        frame = client.of("latency")[-1]
    assert frame["turn_id"] == turn_id
    kept = json.loads(get(server, f"/api/turns/{turn_id}/latency"))
    assert kept == {key: frame[key] for key in ("turn_id", "marks", "gaps", "final")}
    assert len(kept["gaps"]) == 1
    after = samples(server)
    assert after[("aichat_turns_total",)] == before.get(("aichat_turns_total",), 0) + 1
    mark = ("aichat_turn_mark_seconds_count", "first_audio")
    assert after[mark] == before.get(mark, 0) + 1
    assert after[("aichat_speaker_gap_seconds_count",)] >= 1


def test_interruptions_and_errors_are_counted_by_kind(server: Server) -> None:
    with server.client() as client:
        client.send("text_message", text="@Olivia hello")
        client.until("turn_started")
        client.send("interrupt")
        client.until("interrupted")
        client.send("text_message", text="@Olivia fail")
        client.until("error")
    soon(lambda: ("aichat_errors_total", "internal", "answering") in samples(server))
    assert samples(server)[("aichat_interruptions_total", "interrupt")] >= 1
    assert "secret" not in get(server, "/metrics")


def test_figures_name_no_person_and_no_conversation(server: Server) -> None:
    text = get(server, "/metrics")
    for word in ("Olivia", "olivia", "hello", 'c"'):
        assert word not in text


def test_a_turn_that_is_not_known_is_404_and_says_what_is_kept(server: Server) -> None:
    code, body = refusal(server.url + "/api/turns/nothing/latency")
    assert code == 404
    assert str(TURNS) in json.loads(body)["detail"]


def test_a_foreign_host_is_refused_as_on_every_page(server: Server) -> None:
    request = urllib.request.Request(server.url + "/metrics", headers={"Host": "evil.example"})
    assert refusal(request)[0] == 403


def timed(number: int, *marks: str, final: bool = False) -> TurnTimed:
    pairs = tuple((mark, float(place)) for place, mark in enumerate(marks))
    return TurnTimed(Turn("c", number, f"turn-{number}"), pairs, final=final)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0


def test_a_mark_that_is_told_again_counts_once() -> None:
    metrics = Metrics()
    metrics.time(timed(1, "transcribed", "first_audio"))
    metrics.time(timed(1, "transcribed", "first_audio", "first_heard", final=True))
    metrics.time(timed(1, "transcribed", "first_audio", "first_heard", final=True))
    for mark in ("transcribed", "first_audio", "first_heard"):
        assert value(metrics, "aichat_turn_mark_seconds_count", mark=mark) == 1
    assert value(metrics, "aichat_turns_total") == 1


def test_labels_and_memory_stay_bounded_whatever_plugins_say() -> None:
    metrics = Metrics()
    for number in range(TURNS + 50):
        metrics.time(timed(number, f"made up {number}"))
    assert len(metrics.turns) == TURNS
    assert "turn-0" not in metrics.turns
    assert b"made up" not in b"".join(str(m).encode() for m in metrics.registry.collect())


def test_our_own_errors_are_counted_by_their_code() -> None:
    metrics = Metrics()
    event = timed(1, "transcribed")
    metrics.fail(HandlerFailed(event.turn, "aichat.plugins.x.f", event, NotReady("a", "b")))
    assert value(metrics, "aichat_errors_total", stage="x", code="not_ready") == 1


def test_what_replies_took_is_summed(server: Server) -> None:
    before = samples(server)
    with server.client() as client:
        client.send("text_message", text="@Mark dear")
        client.until("turn_complete")

    def more(*name: str) -> float:
        return samples(server)[name] - before.get(name, 0)

    soon(lambda: more("aichat_tokens_total", "prompt") == 30)
    assert more("aichat_tokens_total", "reply") == 7
    assert more("aichat_cost_usd_total") == 0.25


def test_tools_are_counted_by_how_it_went() -> None:
    metrics, line = Metrics(), Line(Turn("c", 1), "mark", 0)
    for failed in (True, False, False):
        metrics.use(ToolUsed(line, "dice", {}, "4", failed))
    done = {"outcome": "done"}
    assert metrics.registry.get_sample_value("aichat_tool_calls_total", done) == 2
    assert metrics.registry.get_sample_value("aichat_tool_calls_total", {"outcome": "failed"}) == 1
