"""What the bus knows of each conversation: its turn, its fence, its lanes and who listens."""

from __future__ import annotations

from collections import deque

from attrs import Factory, define

from aichat.core.events import Event, Line, LineEvent, Turn
from aichat.core.ids import new_id

from .lane import Key, Lane
from .speculation import Provisional
from .subscription import Overflow, Subscription

REVOKED = 16


@define(eq=False)
class Route:
    """Who wants one type of event; those who cannot be interrupted come first."""

    taps: tuple[Subscription, ...]
    lanes: tuple[Subscription, ...]
    refusing: tuple[Subscription, ...]
    """Those of the lanes that refuse what is too much."""

    def only(self, *, ahead: bool) -> Route:
        """Return those who work ahead of what is certain, or the others."""
        taps = tuple(s for s in self.taps if s.ahead is ahead)
        return Route(taps, tuple(s for s in self.lanes if s.ahead is ahead), ())


@define(eq=False)
class Talk:
    """One conversation."""

    cut: int
    """Every turn up to this number is void."""
    latest: Turn
    kept: bool = False
    """Somebody is in the conversation; otherwise it goes when its last lane goes."""
    handing_out: int = 0
    """So many of its events are being handed out right now, one from within the other."""
    live: bool = False
    """The latest turn has neither finished nor been interrupted."""
    provisional: Provisional | None = None
    """A turn that may come next."""
    revoked: deque[int] = Factory(lambda: deque(maxlen=REVOKED))
    """The numbers of the last such turns that did not: nobody hears what comes of them late."""
    cut_lines: set[Line] = Factory(set)
    lanes: dict[Key, Lane] = Factory(dict)
    listeners: dict[Subscription, None] = Factory(dict)
    """In the order in which they came."""
    routes: dict[type[Event], Route] = Factory(dict)

    def is_void(self, event: Event) -> bool:
        """Tell whether an interruption has cut the event off."""
        if event.urgent:
            return False
        if event.turn.number <= self.cut:
            return True
        return (
            bool(self.cut_lines) and isinstance(event, LineEvent) and event.line in self.cut_lines
        )

    def is_spared(self, subscription: Subscription, event: Event) -> bool:
        """Tell whether an interruption spares the subscription this event."""
        return subscription.interruptible and self.is_void(event)

    def cut_off(self, event: Event) -> None:
        """Set the fence: after the event's line if it has one, else after its turn."""
        if isinstance(event, LineEvent):
            self.cut_lines.add(event.line)
        else:
            self.cut = max(self.cut, event.turn.number)
            self.cut_lines = {line for line in self.cut_lines if line.turn.number > self.cut}
            self.live = self.live and self.latest.number > self.cut


@define(eq=False)
class Talks:
    """All conversations that somebody is in, or that still have work."""

    by_id: dict[str, Talk] = Factory(dict)
    listeners: dict[Subscription, None] = Factory(dict)
    """Those who listen to every conversation, in the order in which they came."""
    next_number: int = 0
    some_refuse: bool = False
    """There is a listener whose full lane refuses more."""

    def peek(self, conversation: str) -> Talk:
        """Return what is known of a conversation, and remember nothing."""
        # the turns of a forgotten namesake are all void
        cut = self.next_number - 1
        return self.by_id.get(conversation) or Talk(cut, Turn(conversation, cut))

    def of(self, event: Event) -> Talk:
        """Return the event's conversation, which stays while it has work."""
        if (talk := self.by_id.get(event.turn.conversation)) is None:
            talk = self.by_id[event.turn.conversation] = self.peek(event.turn.conversation)
        return talk

    def keep(self, conversation: str) -> Talk:
        """Return a conversation, which stays until it is forgotten."""
        if (talk := self.by_id.get(conversation)) is None:
            talk = self.by_id[conversation] = self.peek(conversation)
        if not talk.kept:
            talk.kept, talk.latest = True, self.new_turn(conversation)
        return talk

    def new_turn(self, conversation: str) -> Turn:
        """Make a turn with a number that no other has."""
        self.next_number += 1
        return Turn(conversation, self.next_number - 1, new_id())

    def tidy(self, talk: Talk) -> None:
        """Let the conversation go if nobody is in it and nothing is left to do."""
        if not (talk.kept or talk.lanes or talk.handing_out):
            self.by_id.pop(talk.latest.conversation, None)

    def listen(self, subscription: Subscription) -> None:
        """Add a listener."""
        self.some_refuse = self.some_refuse or subscription.overflow is Overflow.REFUSE
        if subscription.conversation is None:
            self.listeners[subscription] = None
        else:
            self.keep(subscription.conversation).listeners[subscription] = None
        self._forget_routes()

    def unlisten(self, subscription: Subscription) -> None:
        """Remove a listener, and cancel what it is doing."""
        for listeners in (self.listeners, *(talk.listeners for talk in self.by_id.values())):
            listeners.pop(subscription, None)
        self._forget_routes()
        for talk in self.by_id.values():
            for lane in talk.lanes.values():
                if lane.subscription is subscription and lane.scope:
                    lane.scope.cancel()

    def wants(self, talk: Talk, subscription: Subscription, event: Event) -> bool:
        """Tell whether a subscription still wants an event that waited for it."""
        if subscription not in self.listeners and subscription not in talk.listeners:
            return False
        return not talk.is_spared(subscription, event)

    def route(self, talk: Talk, kind: type[Event]) -> Route:
        """Tell who wants a type of event; those who cannot be interrupted come first."""
        if (route := talk.routes.get(kind)) is None:
            wanting = [s for s in (*self.listeners, *talk.listeners) if issubclass(kind, s.kinds)]
            wanting.sort(key=lambda s: s.interruptible)
            lanes = tuple(s for s in wanting if not s.tap)
            route = talk.routes[kind] = Route(
                tuple(s for s in wanting if s.tap),
                lanes,
                tuple(s for s in lanes if s.overflow is Overflow.REFUSE),
            )
        return route

    def _forget_routes(self) -> None:
        for talk in self.by_id.values():
            talk.routes.clear()
