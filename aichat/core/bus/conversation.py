"""The bus's state of each conversation: turn, fence, lanes and subscribers."""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import Factory, define

from aichat.core.events import Event, Line, LineEvent, Turn
from aichat.core.ids import new_id

from .lane import Key, Lane, current_lane
from .per_conversation import PerConversation
from .speculation import SpeculativeTurn
from .subscription import Subscription

REVOKED = 16
"""Numbers of revoked turns that are kept, to recognise their late events."""


@define(eq=False)
class Route:
    """The subscribers of one type of event; those that cannot be interrupted come first."""

    taps: tuple[Subscription, ...]
    lanes: tuple[Subscription, ...]

    def only(self, *, speculative: bool) -> Route:
        """Return the speculative subscribers, or the others."""
        return Route(
            tuple(s for s in self.taps if s.speculative is speculative),
            tuple(s for s in self.lanes if s.speculative is speculative),
        )


@define(eq=False)
class ConversationState:
    """The bus's state of one conversation."""

    cut: int
    """Every turn up to this number is void."""
    latest: Turn
    kept: bool = False
    """It stays until it is forgotten; otherwise it goes when its last lane goes."""
    handing_out: int = 0
    """Events that are being delivered now, one from within the other."""
    live: bool = False
    """The latest turn has neither finished nor been interrupted."""
    speculative: SpeculativeTurn | None = None
    """A turn that may come next."""
    revoked: deque[int] = Factory(lambda: deque(maxlen=REVOKED))
    """The numbers of the last revoked turns: their late events reach no subscriber."""
    cut_lines: set[Line] = Factory(set)
    lanes: dict[Key, Lane] = Factory(dict)
    subscribers: dict[Subscription, None] = Factory(dict)
    """In the order in which they subscribed."""
    routes: dict[type[Event], Route] = Factory(dict)

    def is_void(self, event: Event) -> bool:
        """Return whether an interruption has cut the event off."""
        if event.urgent:
            return False
        if event.turn.number <= self.cut:
            return True
        return (
            bool(self.cut_lines) and isinstance(event, LineEvent) and event.line in self.cut_lines
        )

    def skips(self, subscription: Subscription, event: Event) -> bool:
        """Return whether an interruption keeps the event from the subscription."""
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
class Conversations:
    """All conversations that are kept, or that still have work."""

    by_id: dict[str, ConversationState] = Factory(dict)
    subscribers: dict[Subscription, None] = Factory(dict)
    """Subscribers to every conversation, in the order in which they subscribed."""
    values: list[PerConversation[Any]] = Factory(list)
    """What subscribers keep of each conversation."""
    next_number: int = 0

    def peek(self, conversation: str) -> ConversationState:
        """Return a conversation's state, and do not keep it."""
        # the turns of a forgotten namesake are all void
        cut = self.next_number - 1
        return self.by_id.get(conversation) or ConversationState(cut, Turn(conversation, cut))

    def of(self, event: Event) -> ConversationState:
        """Return the state of the event's conversation, which stays while it has work."""
        if (state := self.by_id.get(event.turn.conversation)) is None:
            state = self.by_id[event.turn.conversation] = self.peek(event.turn.conversation)
        return state

    def keep(self, conversation: str) -> ConversationState:
        """Return a conversation's state, which stays until it is forgotten.

        Whatever receives an event of a conversation that is closed does not open it again.
        """
        if (state := self.by_id.get(conversation)) is None:
            state = self.by_id[conversation] = self.peek(conversation)
        if not (state.kept or state.handing_out or _is_handled_here(conversation)):
            self._free(conversation)
            state.kept = True
            state.latest = self.new_turn(state)
        return state

    def new_turn(self, state: ConversationState) -> Turn:
        """Make a turn with a number that no other has; void if the conversation is closed."""
        self.next_number += 1
        if not state.kept:
            state.cut = self.next_number - 1
        return Turn(state.latest.conversation, self.next_number - 1, new_id())

    def close(self, state: ConversationState) -> None:
        """Keep the conversation no more; what is left to do for it is void."""
        state.kept, state.live, state.cut = False, False, max(state.cut, state.latest.number)
        self._free(state.latest.conversation)
        self.tidy(state)

    def tidy(self, state: ConversationState) -> None:
        """Remove the conversation if it is not kept and nothing is left to do."""
        if not (state.kept or state.lanes or state.handing_out):
            self.by_id.pop(state.latest.conversation, None)
            self._free(state.latest.conversation)

    def _free(self, conversation: str) -> None:
        for values in self.values:
            values.free(conversation)

    def add(self, subscription: Subscription) -> None:
        """Add a subscriber."""
        if subscription.conversation is None:
            self.subscribers[subscription] = None
        else:
            self.keep(subscription.conversation).subscribers[subscription] = None
        self._forget_routes()

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscriber, and cancel what it is doing."""
        for group in (self.subscribers, *(state.subscribers for state in self.by_id.values())):
            group.pop(subscription, None)
        self._forget_routes()
        for state in self.by_id.values():
            for lane in state.lanes.values():
                if lane.subscription is subscription and lane.scope:
                    lane.scope.cancel()

    def wants(self, state: ConversationState, subscription: Subscription, event: Event) -> bool:
        """Return whether a subscription still wants an event that waited for it."""
        if subscription not in self.subscribers and subscription not in state.subscribers:
            return False
        return not state.skips(subscription, event)

    def route(self, state: ConversationState, kind: type[Event]) -> Route:
        """Return the subscribers of a type of event; the uninterruptible ones come first."""
        if (route := state.routes.get(kind)) is None:
            every = (*self.subscribers, *state.subscribers)
            wanting = [s for s in every if issubclass(kind, s.kinds)]
            wanting.sort(key=lambda s: s.interruptible)
            route = state.routes[kind] = Route(
                tuple(s for s in wanting if s.tap), tuple(s for s in wanting if not s.tap)
            )
        return route

    def _forget_routes(self) -> None:
        for state in self.by_id.values():
            state.routes.clear()


def _is_handled_here(conversation: str) -> bool:
    """Return whether a handler of the conversation's events is running."""
    lane = current_lane.get()
    return bool(lane and lane.current and lane.current.turn.conversation == conversation)
