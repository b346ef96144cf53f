"""Live transcripts that do not flicker, and one recogniser shared by many sessions."""

from __future__ import annotations

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core.bus.virtual_time import run_virtual
from aichat.stages.hearing.local_agreement import LocalAgreement, normalized, words
from aichat.stages.hearing.stt_queue import SttQueue, SttRequest

WORD = st.sampled_from(["a", "A,", "b", "b.", "c", "C!", "…", "é", "你"])
HYPOTHESES = st.lists(st.lists(WORD, max_size=6).map(" ".join), max_size=12)


@given(HYPOTHESES)
def test_what_stands_only_grows_and_two_hypotheses_in_a_row_agreed_on_it(
    hypotheses: list[str],
) -> None:
    agreement, before = LocalAgreement(), [""]
    for hypothesis in hypotheses:
        stood = agreement.stable
        agreement.add(hypothesis)
        assert agreement.stable[: len(stood)] == stood
        new = agreement.stable[len(stood) :]
        for place, word in enumerate(new, start=len(stood)):
            assert normalized(word) == normalized(before[-1].split()[place])
            assert normalized(word) == normalized(hypothesis.split()[place])
        before.append(hypothesis)


@given(st.lists(WORD, max_size=8).map(" ".join))
def test_the_same_hypothesis_twice_stands_as_a_whole(hypothesis: str) -> None:
    agreement = LocalAgreement()
    agreement.add(hypothesis)
    assert agreement.text == ""
    assert agreement.tail == hypothesis
    agreement.add(hypothesis)
    assert agreement.text == hypothesis
    assert agreement.tail == ""


def test_case_and_punctuation_do_not_make_another_word() -> None:
    assert words("Well, I said: “No!” – twice") == words("well I said no twice")
    assert words("I scream") != words("ice cream")
    assert words("… !") == []


# -- sharing ---------------------------------------------------------------------------------

CALLS = st.lists(
    st.tuples(
        st.sampled_from("abc"),  # session
        st.booleans(),  # final
        st.integers(0, 5),  # comes at
        st.integers(1, 4),  # takes
        st.one_of(st.none(), st.integers(0, 4)),  # gives up after
    ),
    max_size=25,
)


class Watched(SttQueue):
    def _next(self) -> SttRequest | None:
        waited = bool(self.finals)
        request = super()._next()
        assert request is None or request.final or not waited, "a guess overtook a final"
        return request


@settings(deadline=None)
@given(CALLS, st.integers(1, 3))
def test_no_guess_overtakes_a_final_and_nobody_is_forgotten(
    calls: list[tuple[str, bool, int, int, int | None]], limit: int
) -> None:
    sharing, most = Watched(limit), [0, 0]

    async def call(session: str, final: bool, at: int, takes: int, patience: int | None) -> None:
        await anyio.sleep(at)
        with anyio.move_on_after(patience if patience is not None else 1e6):
            async with sharing.slot(session, final=final):
                interims = sum(not request.final for request in sharing.active)
                most[:] = [max(most[0], len(sharing.active)), max(most[1], interims)]
                await anyio.sleep(takes)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for one in calls:
                tasks.start_soon(call, *one)

    run_virtual(main)
    assert most[0] <= limit
    assert most[1] <= max(1, limit - 1), "one place is kept for finals"
    assert not [*sharing.finals, *sharing.interims, *sharing.active]


def test_guesses_are_served_in_turn_however_much_one_session_asks() -> None:
    sharing, order = SttQueue(1), []

    async def listen(session: str, times: int) -> None:
        for _ in range(times):
            async with sharing.slot(session, final=False):
                order.append(session)
                await anyio.sleep(1)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for session, times in (("a", 6), ("a", 6), ("a", 6), ("b", 6)):
                tasks.start_soon(listen, session, times)

    run_virtual(main)
    assert order[:10].count("b") >= 4


def test_a_quiet_user_waits_for_a_final_no_longer_than_one_call_under_eight_talkers() -> None:
    """One place of two is kept for finals: a final that comes alone never waits."""
    sharing, waits = SttQueue(2), []

    async def talk(session: str) -> None:
        for _ in range(50):
            async with sharing.slot(session, final=False):
                await anyio.sleep(0.15)

    async def quiet() -> None:
        for _ in range(20):
            await anyio.sleep(0.317)
            began = anyio.current_time()
            async with sharing.slot("quiet", final=True):
                waits.append(anyio.current_time() - began)
                await anyio.sleep(0.15)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(talk, f"talker {number}")
            tasks.start_soon(quiet)

    run_virtual(main)
    assert max(waits) == 0


def test_without_a_limit_everybody_is_let_in() -> None:
    sharing = SttQueue(None)

    async def main() -> int:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(stay, number)
            await anyio.sleep(1)
            inside = len(sharing.active)
            tasks.cancel_scope.cancel()
        return inside

    async def stay(number: int) -> None:
        async with sharing.slot("a", final=bool(number % 2)):
            await anyio.sleep_forever()

    assert run_virtual(main) == 20
    assert not sharing.active
