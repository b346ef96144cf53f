from __future__ import annotations

from support.both_event_loops import anyio_backend

__all__ = ["anyio_backend"]
