"""What bench/real_loop.py measures with: the user's loudspeaker, exchanges, the model server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from litestar.testing import TestClient

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from real_peers.llm_server import REPLIES, Server, application
from real_peers.systems import HEADER, AiChat
from real_peers.user import SPEAKER_RATE, Exchange, Loudspeaker

SILENCE = bytes(SPEAKER_RATE)  # half a second
SOUND = np.full(SPEAKER_RATE // 2, 5_000, "<i2").tobytes()


def test_sound_is_heard_at_the_place_of_its_first_audible_sample() -> None:
    speaker = Loudspeaker()
    speaker.turn()
    speaker.play(SILENCE + SOUND, 10.0)
    speaker.play(SOUND, 10.1)
    assert speaker.audible == [10.5]
    assert speaker.plays_until == 11.5


def test_sound_that_waits_behind_other_sound_is_heard_after_it() -> None:
    speaker = Loudspeaker()
    speaker.play(SOUND, 10.0)
    assert speaker.audible == []
    speaker.turn()
    speaker.play(SOUND, 10.1)
    assert speaker.audible == [10.5]


def test_sound_that_is_flushed_before_its_time_was_never_heard() -> None:
    speaker = Loudspeaker()
    speaker.turn()
    speaker.play(SILENCE + SOUND, 10.0)
    speaker.flush(10.2)
    assert speaker.audible == []
    speaker.play(SOUND, 11.0)
    assert speaker.audible == [11.0]


def test_a_loudspeaker_that_is_held_goes_on_where_it_stood() -> None:
    speaker = Loudspeaker()
    speaker.play(SOUND, 10.0)
    speaker.hold(True, 10.1)
    assert speaker.unplayed(10.4) == pytest.approx(0.4)
    speaker.hold(False, 11.1)
    assert speaker.plays_until == pytest.approx(11.5)


def test_a_turn_that_is_over_while_the_voice_goes_on_is_a_cut_off() -> None:
    assert Exchange(0, [0.3], 0.9).cut_off == 0
    early = Exchange(0, [-2.0, 0.3], 0.9)
    assert early.cut_off == 1
    assert early.waited_for
    assert not Exchange(0, [-2.0], -1.0).waited_for


def test_aichats_loudspeaker_reports_what_was_played_and_that_it_is_done() -> None:
    dialect = AiChat()
    dialect.read(json.dumps({"type": "turn_started", "generation": 3, "turn_id": "t"}))
    assert list(dialect.playback(0.0)) == []
    assert dialect.read(HEADER.pack(1, 1, 0, 3, 0, 9) + SOUND).pcm == SOUND
    (report,) = map(json.loads, dialect.playback(0.2))
    assert (report["played_ms"], report["state"]) == (pytest.approx(300), "playing")
    (report,) = map(json.loads, dialect.playback(0.0))
    assert (report["turn_id"], report["state"]) == ("t", "done")
    assert list(dialect.playback(0.0)) == []


def test_the_model_server_streams_a_reply_and_remembers_what_it_was_asked() -> None:
    asked = {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi."}]}
    with TestClient(application(Server())) as client:
        client.post("/turn", json={"number": 1})
        answer = client.post("/aichat/v1/chat/completions", json=asked)
        *lines, done = (line for line in answer.text.split("\n\n") if line)
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
        texts = [one["choices"][0]["delta"].get("content", "") for one in chunks]
        assert ("".join(texts), done) == (REPLIES[1], "data: [DONE]")
        (request,) = client.get("/turn").json()
    assert (request["system"], request["said"]) == ("aichat", "Hi.")
    assert request["first_token"] > request["at"]
