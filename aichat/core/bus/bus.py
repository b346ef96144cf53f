"""The event bus: publish typed events, handle them in order.

There are two ways to listen. A *subscription* is an async handler; it keeps one *lane* per
conversation, or several when it gives ``lane_by``. A *tap* is a plain function, called at once
when an event is published: it may only compute, and is what carries media. A handler's annotation
is its subscription. The bus promises:

* Order: everybody hears the events in the order in which they were published. A lane handles its
  events one at a time.
* Bounds: a lane holds ``limit`` events; ``overflow`` says what happens to one more, and every
  event given up is counted. A publisher that has to wait does so after everybody has the event,
  so nobody is held up by another's full lane, and what is cancelled while it waits is not lost.
  A handler that feeds its own lane, directly or through others, never waits for itself. Urgent
  events never wait.
* Interruption: once ``interrupt`` has set its fence, whoever is interruptible starts nothing of
  that turn or an earlier one, and what it was doing for them is cancelled; what does not heed
  that is left behind, and the lane goes on.
* Barrier: what happens in a provisional turn is kept from all but those who work ahead, until it
  is committed; of one that is revoked nobody else ever hears.
* Containment: a handler that raises becomes a ``HandlerFailed`` event; the lane goes on.

A lane exists only while it has work, so an idle conversation costs no task and no queue.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import anyio
from anyio.abc import TaskGroup

from aichat.core.errors import BusClosed, BusError, LaneFull
from aichat.core.events import Event, HandlerFailed, Interrupted, Turn, TurnFinished

from .clock import Clock
from .conversation import Talk
from .delayed import Later, require_urgent
from .lane import Lane, current_lane
from .listening import Listening
from .speculation import Provisional
from .streams import was_cancelled
from .subscription import Gate, Subscription
from .tasks import Crew
from .trace import Step, Trace, tell

log = logging.getLogger(__name__)


class Bus(Listening):
    """Routes events to subscriptions and taps. Make one with :func:`open_bus`."""

    def __init__(self, tasks: TaskGroup, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.dropped: Counter[str] = Counter()
        """How many events each handler's lanes gave up, or refused, because they were full."""
        self._crew = Crew(tasks)
        self._observers: list[Callable[[Trace], None]] = []
        self._later = Later(self._crew, self.post)
        self._closing = False
        self._closed = False

    def observe(self, observer: Callable[[Trace], None]) -> None:
        """Call *observer* at every step of every event. It must be quick and not raise."""
        self._observers.append(observer)

    # -- publishing --------------------------------------------------------------------------

    async def publish(self, event: Event) -> None:
        """Hand *event* to every tap and every lane that wants it; then wait for the full ones.

        Subscriptions that cannot be interrupted come first: what is remembered is never less
        than what was acted upon.
        """
        if self._talks.some_refuse:
            self._refuse_if_full(event)
        gates, full = self._hand_out(event)
        for lane in full:
            await lane.wait_for_room()
        for tap, gate in gates:
            await self._pass(tap, gate, event)
        if full:  # an interruption that came meanwhile takes effect here
            await anyio.lowlevel.checkpoint_if_cancelled()

    def post(self, event: Event) -> None:
        """Publish an urgent event from a plain function: it waits for nobody."""
        require_urgent(event)
        self._hand_out(event)

    def post_later(self, event: Event, seconds: float) -> bool:
        """Publish an urgent event after so many *seconds*, or at once when the bus stops.

        Returns False, and publishes nothing, if it has stopped: there is no later then.
        """
        return self._later.add(event, seconds)

    def report(self, event: Event, error: Exception) -> None:
        """Tell a failure that the running handler gets over. Only for use in a handler."""
        lane = current_lane.get()
        assert lane  # noqa: S101  (nobody else handles events)
        self._contain(lane.subscription, event, error)

    # -- turns -------------------------------------------------------------------------------

    def new_turn(self, conversation: str) -> Turn:
        """Begin the next turn of a conversation; one that is going on is interrupted.

        Numbers are never used twice on a bus.
        """
        talk = self._talks.keep(conversation)
        if talk.provisional:
            self.revoke(talk.provisional.turn)
        if talk.live:
            self.interrupt(Interrupted(talk.latest, "new_turn"))
        talk.latest, talk.live = self._talks.new_turn(conversation), True
        return talk.latest

    def interrupt(self, event: Event) -> None:
        """Cut off the event's line if it has one, else its turn and all before; then post *event*.

        The fence stands and all work is cancelled before this returns.
        """
        require_urgent(event)
        talk = self._talks.keep(event.turn.conversation)
        talk.cut_off(event)
        self._cancel_void(talk)
        self.post(event)

    # -- turns that may never have been ------------------------------------------------------

    def provisional_turn(self, conversation: str) -> Turn:
        """Begin a turn before it is certain that there is one; none may be going on.

        Only who subscribed with ``ahead`` hears of it. For everybody else its events wait until
        :meth:`commit`; :meth:`revoke`, or another turn, makes it as if it had never been.
        """
        talk = self._talks.keep(conversation)
        if talk.live:
            raise BusError("A turn is going on.", "Wait until it is over, or use new_turn().")
        if talk.provisional:
            self.revoke(talk.provisional.turn)
        talk.provisional = Provisional(self._talks.new_turn(conversation))
        return talk.provisional.turn

    def commit(self, turn: Turn) -> bool:
        """Make a provisional turn the conversation's turn: everybody hears what happened in it.

        Returns False, and does nothing, if it has been revoked.
        """
        talk = self._talks.peek(turn.conversation)
        if (waiting := talk.provisional) is None or waiting.turn != turn:
            return False
        talk.provisional, talk.latest, talk.live = None, turn, True
        waiting.decided.set()
        gates = [
            (tap, gate, event)
            for event in waiting.held
            for tap, gate in self._deliver(talk, event, ahead=False)[0]
        ]
        self._unfinished.begin()
        self._crew.start(partial(self._pass_all, gates))
        return True

    def revoke(self, turn: Turn) -> bool:
        """Cancel what is done for a provisional turn; nobody else ever hears of it."""
        talk = self._talks.peek(turn.conversation)
        if (waiting := talk.provisional) is None or waiting.turn != turn:
            return False
        talk.provisional, talk.cut = None, max(talk.cut, turn.number)
        talk.revoked.append(turn.number)
        self._cancel_void(talk)
        waiting.decided.set()
        for event in waiting.held:
            self._trace(Step.DROPPED, event)
        return True

    def stop(self, reason: str = "stopped") -> None:
        """Interrupt every turn that goes on, and let nothing new come in from outside."""
        self._closing = True
        for talk in list(self._talks.by_id.values()):
            if talk.provisional:
                self.revoke(talk.provisional.turn)
            if talk.live:
                self.interrupt(Interrupted(talk.latest, reason))
        self._later.close()

    def forget(self, conversation: str) -> None:
        """Drop what the bus remembers of a conversation that is over; its late events are void.

        What may be interrupted is cancelled; what may not, finishes first.
        """
        talk = self._talks.peek(conversation)
        if talk.provisional:
            self.revoke(talk.provisional.turn)
        talk.kept, talk.live, talk.cut = False, False, max(talk.cut, talk.latest.number)
        for lane in talk.lanes.values():
            if lane.scope and lane.subscription.interruptible:
                lane.scope.cancel()
        self._talks.tidy(talk)

    # -- inside: handing out -----------------------------------------------------------------

    def _refuse_if_full(self, event: Event) -> None:
        talk = self._talks.peek(event.turn.conversation)
        for refusing in self._talks.route(talk, type(event)).refusing:
            if talk.is_spared(refusing, event):
                continue
            lane = self._lane(talk, refusing, event)
            if lane and lane.is_full and not event.urgent:
                self.dropped[refusing.name] += 1
                raise LaneFull(
                    f"{refusing.name.rpartition('.')[2]} has {lane.counted} events waiting.",
                    "Wait until some are done.",
                )

    def _hand_out(
        self, event: Event
    ) -> tuple[list[tuple[Subscription, Gate]], list[Lane | Provisional]]:
        """Give *event* to everybody at once; return what its publisher has to wait for."""
        if self._closing:
            self._refuse_if_closed(event)
        talk = self._talks.of(event)
        if talk.provisional and event.turn == talk.provisional.turn:
            return self._hold(talk, talk.provisional, event)
        if talk.revoked and event.turn.number in talk.revoked:
            self._trace(Step.DROPPED, event)
            return [], []
        gates, full = self._deliver(talk, event)
        if not talk.kept:
            self._talks.tidy(talk)
        return gates, [*full]

    def _hold(
        self, talk: Talk, waiting: Provisional, event: Event
    ) -> tuple[list[tuple[Subscription, Gate]], list[Lane | Provisional]]:
        """Give *event* to those who work ahead; for the others it waits."""
        waiting.held.append(event)
        self._trace(Step.HELD, event)
        gates, full = self._deliver(talk, event, ahead=True)
        return gates, [*full, waiting] if waiting.is_full and not event.urgent else [*full]

    def _deliver(
        self, talk: Talk, event: Event, ahead: bool | None = None
    ) -> tuple[list[tuple[Subscription, Gate]], list[Lane]]:
        """Give *event* to everybody, to those who work *ahead*, or to the others."""
        if isinstance(event, TurnFinished) and event.turn == talk.latest:
            talk.live = False
        if self._observers and not ahead:
            self._trace(Step.PUBLISHED, event)
        route = talk.routes.get(type(event)) or self._talks.route(talk, type(event))
        if ahead is not None:
            route = route.only(ahead=ahead)
        talk.handing_out += 1
        gates = self._tap(talk, route.taps, event)
        full = self._enqueue(talk, route.lanes, event) if route.lanes else []
        talk.handing_out -= 1
        return gates, full

    def _cancel_void(self, talk: Talk) -> None:
        for lane in talk.lanes.values():
            if lane.scope and lane.current and talk.is_spared(lane.subscription, lane.current):
                lane.scope.cancel()
                if watch := lane.begin_watch():
                    self._crew.start(partial(self._leave_behind, talk, lane, watch))

    async def _leave_behind(self, talk: Talk, lane: Lane, watch: anyio.CancelScope) -> None:
        """Let another lane go on where a handler does not heed that it was cancelled."""
        if heir := await lane.outlived(watch):
            talk.lanes[lane.key] = heir
            await self._run(talk, heir)

    def _refuse_if_closed(self, event: Event) -> None:
        from_within = event.urgent or current_lane.get()
        if self._closed or not from_within:
            raise BusClosed(
                f"{type(event).__name__} was published after the bus began to close.",
                "Publish inside `async with open_bus()`, or stop the producer first.",
            )

    def _tap(
        self, talk: Talk, taps: Iterable[Subscription], event: Event
    ) -> list[tuple[Subscription, Gate]]:
        gates: list[tuple[Subscription, Gate]] = []
        for tap in taps:
            if tap.interruptible and not event.urgent and talk.is_void(event):
                self._trace(Step.DROPPED, event, tap.name)
                continue
            try:
                if gate := tap.handler(event):
                    gates.append((tap, gate))
            except Exception as error:
                self._contain(tap, event, error)
        return gates

    async def _pass(self, tap: Subscription, gate: Gate, event: Event) -> None:
        try:
            await gate()
        except Exception as error:
            self._contain(tap, event, error)

    async def _pass_all(self, gates: list[tuple[Subscription, Gate, Event]]) -> None:
        """Pass what a commit has let through: nobody else waits for it."""
        current_lane.set(None)
        try:
            for tap, gate, event in gates:
                await self._pass(tap, gate, event)
        finally:
            self._unfinished.end()

    def _enqueue(
        self, talk: Talk, subscriptions: Iterable[Subscription], event: Event
    ) -> list[Lane]:
        """Put *event* into its lanes; return those for which the publisher has to wait."""
        full: list[Lane] = []
        for wanting in subscriptions:
            if wanting.interruptible and talk.is_void(event):
                self._trace(Step.DROPPED, event, wanting.name)
            elif (lane := self._lane(talk, wanting, event)) and self._put(talk, lane, event):
                full.append(lane)
        return full

    def _put(self, talk: Talk, lane: Lane, event: Event) -> bool:
        if (place := lane.given_up_for(event)) is not None:
            self.dropped[lane.subscription.name] += 1
            self._drop(lane, place)
        self._unfinished.begin()
        if lane.subscription.keeps:
            self._unkept.begin()
        waits = lane.append(event)
        if lane.key not in talk.lanes:
            talk.lanes[lane.key] = lane
            self._crew.start(partial(self._run, talk, lane))
        return waits

    def _lane(self, talk: Talk, subscription: Subscription, event: Event) -> Lane | None:
        try:
            key = (subscription, subscription.lane_by and subscription.lane_by(event))
            return talk.lanes.get(key) or Lane(subscription, key)
        except Exception as error:
            self._contain(subscription, event, error)
            return None

    # -- inside: handling --------------------------------------------------------------------

    async def _run(self, talk: Talk, lane: Lane) -> None:
        current_lane.set(lane)
        try:
            while lane.queue:
                try:
                    await self._handle(talk, lane, lane.pop())
                finally:
                    self._finish(lane)
                if lane.queue:  # a lane that feeds itself lets the others work
                    await anyio.lowlevel.checkpoint()
        finally:
            while lane.queue:  # the bus is being cancelled
                self._drop(lane, 0)
            if talk.lanes.get(lane.key) is lane:
                del talk.lanes[lane.key]
            self._talks.tidy(talk)

    async def _handle(self, talk: Talk, lane: Lane, event: Event) -> None:
        subscription = lane.subscription
        if not self._talks.wants(talk, subscription, event):
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
            if was_cancelled(stray):  # else it was somebody else's task
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
            tell(self._observers, Trace(step, event, handler, seconds))
