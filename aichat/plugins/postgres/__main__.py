"""Bring a database up to date: ``python -m aichat.plugins.postgres "postgresql://…"``."""

from __future__ import annotations

import os
import sys

import anyio

from aichat.core import AichatError

from .migrate import migrate
from .store import as_ours, library


async def update(url: str) -> str:
    """Run the missing migrations; say which those were."""
    asyncpg = await library()
    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            done = await migrate(connection)
        finally:
            await connection.close()
    except Exception as error:
        raise as_ours(error, url) from None
    return "\n".join(f"{one.version} {one.name}: done" for one in done) or "It is up to date."


def main() -> None:
    """Take the address from the command line, or from DATABASE_URL."""
    url = next(iter(sys.argv[1:]), os.environ.get("DATABASE_URL", ""))
    try:
        if not url:
            sys.exit(__doc__)
        sys.stdout.write(anyio.run(update, url) + "\n")
    except AichatError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
