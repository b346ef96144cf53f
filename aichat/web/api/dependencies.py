"""Typed access to the application state for the handlers of the API."""

from __future__ import annotations

from litestar.datastructures import State

from aichat.core import Parts, Storage
from aichat.web.realtime.rooms import Rooms


def parts(state: State) -> Parts:
    """Return the parts and their selected backends."""
    found: Parts = state.parts
    return found


def storage(state: State) -> Storage:
    """Return the store in use."""
    return parts(state).storage


def rooms(state: State) -> Rooms:
    """Return the rooms: the conversations that have clients."""
    found: Rooms = state.rooms
    return found
