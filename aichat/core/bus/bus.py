"""The event bus: publish typed events, handle them in order.

There are two ways to subscribe. A *subscription* is an async handler; it keeps one *lane* per
conversation, or several when it gives ``lane_by``. A *tap* is a plain function, called at once
when an event is published: it may only compute, and is what carries media. A handler's annotation
names the events it receives. The bus promises:

* Order: every subscriber receives events in the order in which they were published. A lane handles
  its events one at a time.
* Bounds: a lane holds ``limit`` events; ``overflow`` says what happens to one more, and every
  dropped event is counted. A publisher under back-pressure waits after every subscriber has the
  event, so no subscriber is held up by another's full lane, and an event whose publisher is
  cancelled while it waits is not lost. A handler that feeds its own lane, directly or through
  others, never waits for itself. Urgent events never wait.
* Interruption: once ``interrupt`` has set its fence, interruptible subscribers start nothing of
  that turn or an earlier one, and what they were doing for them is cancelled;
  a handler that does not heed that is left behind, and its lane goes on.
* Barrier: the events of a speculative turn reach only speculative subscribers until it is
  committed; those of a revoked one never reach the others.
* Containment: a handler that raises becomes a ``HandlerFailed`` event; the lane goes on.

A lane exists only while it has work, so an idle conversation costs no task and no queue.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar, Unpack

import anyio
from anyio.abc import TaskGroup

from aichat.core.errors import BusClosed, BusError
from aichat.core.events import (
    ConversationClosed,
    Event,
    HandlerFailed,
    Interrupted,
    Turn,
    TurnFinished,
)

from .clock import Clock
from .conversation import Conversations, ConversationState
from .delayed import DelayedEvents, require_urgent
from .engine_calls import EngineCalls
from .lane import Lane, current_lane
from .per_conversation import PerConversation
from .speculation import SpeculativeTurn
from .streams import was_cancelled
from .subscription import BackPressure, Options, Subscription, subscription
from .task_pool import TaskPool, plain_task_group
from .trace import Step, Trace, notify
from .unfinished import Unfinished

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
T = TypeVar("T")


class Bus:
    """Routes events to subscriptions and taps. Made by :func:`open_bus`."""

    def __init__(self, tasks: TaskGroup, clock: Clock) -> None:
        self.clock = clock
        self.dropped: Counter[str] = Counter()
        """Events that each handler's full lanes dropped."""
        self._conversations = Conversations()
        self._pool = TaskPool(tasks)
        self.engine_calls = EngineCalls(self._pool, clock)
        """Asks engines, and leaves those behind that do not heed a timeout."""
        self._observers: list[Callable[[Trace], None]] = []
        self._unfinished, self._unkept = Unfinished(), Unfinished()
        self._delayed = DelayedEvents(self._pool, self.post)
        self._closing = False
        self._closed = False

    # -- subscribing -------------------------------------------------------------------------

    def subscribe(
        self, handler: Callable[[E], Awaitable[None]], **how: Unpack[Options]
    ) -> Subscription:
        """Call *handler* for every event of the types its annotation names, subclasses too.

        :class:`~aichat.core.bus.subscription.Options` says *how*. Raises :class:`BadHandler`.
        """
        subscriber = subscription(handler, tap=False, **how)
        self._conversations.add(subscriber)
        return subscriber

    def tap(
        self,
        handler: Callable[[E], BackPressure | None],
        *,
        interruptible: bool = False,
        conversation: str | None = None,
    ) -> Subscription:
        """Call the plain function *handler* at once, inside ``publish``.

        It must return within a millisecond. It may return an async function without arguments,
        which ``publish`` awaits: back-pressure, by which a player slows down a producer that is
        faster than it plays. Raises :class:`BadHandler`.
        """
        subscriber = subscription(
            handler, tap=True, interruptible=interruptible, conversation=conversation
        )
        self._conversations.add(subscriber)
        return subscriber

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling the handler; what it is doing now is cancelled."""
        self._conversations.remove(subscription)

    def per_conversation(
        self, make: Callable[[], T] | None = None, *, close: Callable[[T], None] | None = None
    ) -> PerConversation[T]:
        """Return a place for what a subscriber keeps of each conversation while it is open.

        *make* makes a value on first use; *close* is called with each value that is freed.
        """
        values = PerConversation(self._conversations.by_id, make, close)
        self._conversations.values.append(values)
        return values

    def observe(self, observer: Callable[[Trace], None]) -> None:
        """Call *observer* at every step of every event. It must be quick and not raise."""
        self._observers.append(observer)

    # -- publishing --------------------------------------------------------------------------

    async def publish(self, event: Event) -> None:
        """Deliver *event* to every tap and lane that wants it; then wait for the full ones.

        Subscriptions that cannot be interrupted come first, so that what was acted upon is always
        recorded as well.
        """
        pressures, full = self._hand_out(event)
        for lane in full:
            await lane.wait_for_room()
        for tap, pressure in pressures:
            await self._pass(tap, pressure, event)
        if full:  # an interruption that came meanwhile takes effect here
            await anyio.lowlevel.checkpoint_if_cancelled()

    def post(self, event: Event) -> None:
        """Publish an urgent event from a plain function: it waits for no subscriber."""
        require_urgent(event)
        self._hand_out(event)

    def post_later(self, event: Event, seconds: float) -> bool:
        """Publish an urgent event after *seconds*, or at once when the bus stops.

        Returns False, and publishes nothing, if it has stopped already.
        """
        return self._delayed.add(event, seconds)

    def report(self, event: Event, error: Exception) -> None:
        """Report a failure that the running handler survives. Only for use in a handler."""
        lane = current_lane.get()
        assert lane  # noqa: S101  (only handlers call this)
        self._contain(lane.subscription, event, error)

    # -- turns -------------------------------------------------------------------------------

    def turn(self, conversation: str) -> Turn:
        """Return the turn a conversation is in."""
        return self._conversations.keep(conversation).latest

    def live_turn(self, conversation: str) -> Turn | None:
        """Return the turn that is going on: begun, not finished, not interrupted."""
        state = self._conversations.peek(conversation)
        return state.latest if state.live else None

    def has_turns(self) -> bool:
        """Return whether a turn goes on anywhere, speculative ones included."""
        states = self._conversations.by_id.values()
        return any(state.live or state.speculative for state in states)

    def is_open(self, conversation: str) -> bool:
        """Return whether a conversation has begun and is not closed."""
        return self._conversations.peek(conversation).kept

    def is_void(self, event: Event) -> bool:
        """Return whether an interruption has cut off the event's turn or line."""
        return self._conversations.peek(event.turn.conversation).is_void(event)

    def new_turn(self, conversation: str) -> Turn:
        """Begin the next turn of a conversation; one that is going on is interrupted.

        Numbers are never used twice on a bus. Of a handler that outlives its conversation the turn
        is void: its words are recorded, and nobody answers.
        """
        state = self._conversations.keep(conversation)
        if state.speculative:
            self.revoke(state.speculative.turn)
        if state.live:
            self.interrupt(Interrupted(state.latest, "new_turn"))
        state.latest, state.live = self._conversations.new_turn(state), state.kept
        return state.latest

    def interrupt(self, event: Event) -> None:
        """Cut off the event's line if it has one, else its turn and all before; then post *event*.

        The fence stands and all work is cancelled before this returns.
        """
        require_urgent(event)
        state = self._conversations.keep(event.turn.conversation)
        state.cut_off(event)
        self._cancel_void(state)
        self.post(event)

    def forget(self, conversation: str) -> None:
        """Drop the state of a conversation that is over; its late events are void.

        ``ConversationClosed`` does this once every subscriber has it.
        Interruptible work is cancelled; other work finishes first.
        """
        state = self._conversations.peek(conversation)
        if state.speculative:
            self.revoke(state.speculative.turn)
        for lane in state.lanes.values():
            if lane.scope and lane.subscription.interruptible:
                lane.scope.cancel()
        self._conversations.close(state)

    async def settled(self) -> None:
        """Wait until every event published so far has been handled. Not for use in a handler."""
        await self._unfinished.over()

    async def kept(self) -> None:
        """Wait until the subscribers with *keeps* have finished. Not for use in a handler."""
        await self._unkept.over()

    def stop(self, reason: str = "stopped") -> None:
        """Interrupt every turn that goes on, and accept no more events from outside."""
        self._closing = True
        for state in list(self._conversations.by_id.values()):
            if state.speculative:
                self.revoke(state.speculative.turn)
            if state.live:
                self.interrupt(Interrupted(state.latest, reason))
        self._delayed.close()

    # -- speculative turns -------------------------------------------------------------------

    def speculative_turn(self, conversation: str) -> Turn:
        """Begin a turn before it is certain that there is one; none may be going on.

        Only speculative subscribers receive its events. The others receive them at
        :meth:`commit`; after :meth:`revoke`, or another turn, never. Raises
        :class:`BusError` while a turn goes on.
        """
        state = self._conversations.keep(conversation)
        if state.live:
            raise BusError("A turn is going on.", "Wait until it is over, or use new_turn().")
        if state.speculative:
            self.revoke(state.speculative.turn)
        turn = self._conversations.new_turn(state)
        if state.kept:
            state.speculative = SpeculativeTurn(turn)
        return turn

    def commit(self, turn: Turn) -> bool:
        """Make a speculative turn the conversation's turn: every subscriber receives its events.

        Returns False, and does nothing, if it has been revoked.
        """
        state = self._conversations.peek(turn.conversation)
        if (waiting := state.speculative) is None or waiting.turn != turn:
            return False
        state.speculative, state.latest, state.live = None, turn, True
        waiting.decided.set()
        pressures = [
            (tap, pressure, event)
            for event in waiting.held
            for tap, pressure in self._deliver(state, event, speculative=False)[0]
        ]
        self._unfinished.begin()
        self._pool.start(partial(self._pass_all, pressures))
        return True

    def revoke(self, turn: Turn) -> bool:
        """Cancel the work of a speculative turn; other subscribers never receive its events."""
        state = self._conversations.peek(turn.conversation)
        if (waiting := state.speculative) is None or waiting.turn != turn:
            return False
        state.speculative, state.cut = None, max(state.cut, turn.number)
        state.revoked.append(turn.number)
        self._cancel_void(state)
        waiting.decided.set()
        for event in waiting.held:
            self._trace(Step.DROPPED, event)
        return True

    async def committed(self, turn: Turn) -> None:
        """Wait while *turn* is speculative. If it is revoked, the waiting handler is cancelled."""
        waiting = self._conversations.peek(turn.conversation).speculative
        if waiting and waiting.turn == turn:
            await waiting.decided.wait()

    # -- inside: handing out -----------------------------------------------------------------

    def _hand_out(
        self, event: Event
    ) -> tuple[list[tuple[Subscription, BackPressure]], list[Lane | SpeculativeTurn]]:
        """Deliver *event* at once; return what its publisher has to wait for."""
        if self._closing:
            self._refuse_if_closed(event)
        known = self._conversations.by_id
        state = known.get(event.turn.conversation) or self._conversations.of(event)
        if state.speculative and event.turn == state.speculative.turn:
            return self._hold(state, state.speculative, event)
        if state.revoked and event.turn.number in state.revoked:
            self._trace(Step.DROPPED, event)
            return [], []
        pressures, full = self._deliver(state, event)
        if isinstance(event, ConversationClosed):
            self.forget(event.turn.conversation)
        elif not state.kept:
            self._conversations.tidy(state)
        return pressures, [*full]

    def _hold(
        self, state: ConversationState, waiting: SpeculativeTurn, event: Event
    ) -> tuple[list[tuple[Subscription, BackPressure]], list[Lane | SpeculativeTurn]]:
        """Deliver *event* to speculative subscribers; hold it for the others."""
        waiting.held.append(event)
        self._trace(Step.HELD, event)
        pressures, full = self._deliver(state, event, speculative=True)
        is_full = waiting.is_full and not event.urgent
        return pressures, [*full, waiting] if is_full else [*full]

    def _deliver(
        self, state: ConversationState, event: Event, speculative: bool | None = None
    ) -> tuple[list[tuple[Subscription, BackPressure]], list[Lane]]:
        """Deliver *event* to all its subscribers, to the speculative ones, or to the others."""
        if isinstance(event, TurnFinished) and event.turn == state.latest:
            state.live = False
        if self._observers and not speculative:
            self._trace(Step.PUBLISHED, event)
        route = state.routes.get(type(event)) or self._conversations.route(state, type(event))
        if speculative is not None:
            route = route.only(speculative=speculative)
        state.handing_out += 1
        pressures = self._tap(state, route.taps, event)
        full = self._enqueue(state, route.lanes, event) if route.lanes else []
        state.handing_out -= 1
        return pressures, full

    def _cancel_void(self, state: ConversationState) -> None:
        for lane in state.lanes.values():
            if lane.scope and lane.current and state.skips(lane.subscription, lane.current):
                lane.scope.cancel()
                if watch := lane.begin_watch():
                    self._pool.start(partial(self._leave_behind, state, lane, watch))

    async def _leave_behind(
        self, state: ConversationState, lane: Lane, watch: anyio.CancelScope
    ) -> None:
        """Let another lane go on where a handler does not heed that it was cancelled."""
        if heir := await lane.outlived(watch):
            state.lanes[lane.key] = heir
            await self._run(state, heir)

    def _refuse_if_closed(self, event: Event) -> None:
        from_within = event.urgent or current_lane.get()
        if self._closed or not from_within:
            raise BusClosed(
                f"{type(event).__name__} was published after the bus began to close.",
                "Publish inside `async with open_bus()`, or stop the producer first.",
            )

    def _tap(
        self, state: ConversationState, taps: Iterable[Subscription], event: Event
    ) -> list[tuple[Subscription, BackPressure]]:
        pressures: list[tuple[Subscription, BackPressure]] = []
        number, urgent = event.turn.number, event.urgent
        for tap in taps:
            may_be_void = number <= state.cut or state.cut_lines  # a tap before may have cut it off
            if may_be_void and tap.interruptible and not urgent and state.is_void(event):
                self._trace(Step.DROPPED, event, tap.name)
                continue
            try:
                if pressure := tap.handler(event):
                    pressures.append((tap, pressure))
            except Exception as error:
                self._contain(tap, event, error)
        return pressures

    async def _pass(self, tap: Subscription, pressure: BackPressure, event: Event) -> None:
        try:
            await pressure()
        except Exception as error:
            self._contain(tap, event, error)

    async def _pass_all(self, pressures: list[tuple[Subscription, BackPressure, Event]]) -> None:
        """Await the back-pressure of a committed turn, whose publishers no longer wait."""
        current_lane.set(None)
        try:
            for tap, pressure, event in pressures:
                await self._pass(tap, pressure, event)
        finally:
            self._unfinished.end()

    def _enqueue(
        self, state: ConversationState, subscriptions: Iterable[Subscription], event: Event
    ) -> list[Lane]:
        """Put *event* into its lanes; return those for which the publisher has to wait."""
        full: list[Lane] = []
        for wanting in subscriptions:
            if wanting.interruptible and state.is_void(event):
                self._trace(Step.DROPPED, event, wanting.name)
            elif (lane := self._lane(state, wanting, event)) and self._put(state, lane, event):
                full.append(lane)
        return full

    def _put(self, state: ConversationState, lane: Lane, event: Event) -> bool:
        if (place := lane.given_up_for(event)) is not None:
            self.dropped[lane.subscription.name] += 1
            self._drop(lane, place)
        self._unfinished.begin()
        if lane.subscription.keeps:
            self._unkept.begin()
        waits = lane.append(event)
        if lane.key not in state.lanes:
            state.lanes[lane.key] = lane
            self._pool.start(partial(self._run, state, lane))
        return waits

    def _lane(
        self, state: ConversationState, subscription: Subscription, event: Event
    ) -> Lane | None:
        try:
            key = (subscription, subscription.lane_by and subscription.lane_by(event))
            return state.lanes.get(key) or Lane(subscription, key)
        except Exception as error:
            self._contain(subscription, event, error)
            return None

    # -- inside: handling --------------------------------------------------------------------

    async def _run(self, state: ConversationState, lane: Lane) -> None:
        current_lane.set(lane)
        try:
            while lane.queue:
                try:
                    await self._handle(state, lane, lane.pop())
                finally:
                    self._finish(lane)
                if lane.queue:  # a lane that feeds itself lets the others work
                    await anyio.lowlevel.checkpoint()
        finally:
            while lane.queue:  # the bus is being cancelled
                self._drop(lane, 0)
            if state.lanes.get(lane.key) is lane:
                del state.lanes[lane.key]
            self._conversations.tidy(state)

    async def _handle(self, state: ConversationState, lane: Lane, event: Event) -> None:
        subscription = lane.subscription
        if not self._conversations.wants(state, subscription, event):
            return self._trace(Step.DROPPED, event, subscription.name)
        began, step = 0.0, Step.CANCELLED
        if self._observers:
            self._trace(Step.STARTED, event, subscription.name)
            began = self.clock.now()
        lane.current = event
        try:
            with anyio.CancelScope() as lane.scope:
                await subscription.handler(event)
                step = Step.FINISHED
        except Exception as error:
            step = Step.FAILED
            self._contain(subscription, event, error)
        except (anyio.get_cancelled_exc_class(), GeneratorExit, SystemExit) as stray:
            if was_cancelled(stray):  # else another task was, in the handler's hands
                raise
            step = Step.FAILED
            self._contain(subscription, event, RuntimeError(f"stray {type(stray).__name__}"))
        finally:
            lane.current = lane.scope = None
            if lane.watch:
                lane.watch.cancel()
                lane.watch = None
            if self._observers:
                self._trace(step, event, subscription.name, self.clock.now() - began)

    def _contain(self, subscription: Subscription, event: Event, error: Exception) -> None:
        log.error("%s failed on %s", subscription.name, type(event).__name__, exc_info=error)
        if not isinstance(event, HandlerFailed):
            self.post(HandlerFailed(event.turn, subscription.name, event, error))

    def _drop(self, lane: Lane, place: int) -> None:
        self._trace(Step.DROPPED, lane.pop(place), lane.subscription.name)
        self._finish(lane)

    def _finish(self, lane: Lane) -> None:
        self._unfinished.end()
        if lane.subscription.keeps:
            self._unkept.end()

    def _trace(self, step: Step, event: Event, handler: str = "", seconds: float = 0.0) -> None:
        if self._observers:
            notify(self._observers, Trace(step, event, handler, seconds))


@asynccontextmanager
async def open_bus(drain_seconds: float = 5.0, clock: Clock | None = None) -> AsyncIterator[Bus]:
    """Run a bus. On leaving, let started work finish for *drain_seconds*, then cancel it."""
    bus: Bus | None = None
    try:
        async with plain_task_group() as tasks:
            bus = Bus(tasks, clock or Clock())
            try:
                yield bus
            finally:
                bus._closing = True
            with anyio.move_on_after(drain_seconds):
                await bus.settled()
            tasks.cancel_scope.cancel()
    finally:
        if bus:
            bus._closed = True
