"""Storage in PostgreSQL 15 or newer, by asyncpg. Its tables and functions are those for Supabase.

``supabase/migrations`` makes them: one SQL function for each call of the Storage protocol, so that
a call is one transaction and one round trip. ``postgres_supabase`` calls the same over HTTP.
"""

from __future__ import annotations

from aichat.core import Backend, Storage, hookimpl

from .store import Postgres


@hookimpl
def storage_backend() -> Backend[Storage]:
    """Offer ``use = "postgres"``."""
    return Backend("postgres", Postgres)
