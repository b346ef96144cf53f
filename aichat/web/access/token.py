"""``access = "token"``: browsers that have logged in, and programs that bring a token.

A request is checked in memory, with a fast hash. Only a bearer token that has not been seen since
the start goes through argon2 first, in ``learn``; from then on its fast hash is known as well.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict

from anyio import to_thread

from aichat.core import Actor, Connection, hookimpl
from aichat.web.limits import Bucket, Buckets, TooMany, client_of

from .argon import Checker
from .cookie import session_of
from .keyring import Keyring

SCHEME = re.compile(r"bearer +", re.IGNORECASE)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SECRET_LETTERS = 1_024
ATTEMPTS = 5
"""Failed logins of one client at once; then one every ``ATTEMPT_SECONDS``."""
ATTEMPT_SECONDS = 12
SEEN = 1_000
"""Bearer tokens that are known by their fast hash."""


log = logging.getLogger(__name__)


class Token:
    """Lets in who is in the keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.attempts = Buckets(1 / ATTEMPT_SECONDS, ATTEMPTS)
        self._checker = Checker()
        self._seen: OrderedDict[bytes, tuple[str, str]] = OrderedDict()

    @hookimpl(trylast=True)
    def authenticate(self, connection: Connection) -> Actor | None:
        """Return the actor of a session cookie or of a bearer token that has been learnt."""
        self.keyring.refresh()
        secret, bearer = session_of(connection), bearer_of(connection)
        name = self.keyring.session(secret) if secret else None
        if name is None and bearer:
            name = self._known(bearer)
        return Actor(name) if name else None

    def _known(self, bearer: str) -> str | None:
        digest = self.keyring.digest(bearer)
        name, hashed = self._seen.get(digest, ("", ""))
        if not name or self.keyring.tokens.get(name) != hashed:  # never seen, or revoked
            self._seen.pop(digest, None)
            return None
        self._seen.move_to_end(digest)
        return name

    async def learn(self, connection: Connection) -> bool:
        """Check a bearer token that is not known yet; tell whether it is now. Raises TooMany."""
        bearer = bearer_of(connection)
        name, dot, secret = (bearer or "").partition(".")
        if not (bearer and dot and NAME.fullmatch(name)):
            return False  # no token of ours
        if not (hashed := await self.check(connection.client, name, secret)):
            return False
        self._seen[self.keyring.digest(bearer)] = (name, hashed)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return True

    async def check(self, client: str | None, name: str, secret: str) -> str | None:
        """Check a token with argon2; return the hash that it has. Raises TooMany."""
        attempt = self.attempt(client)
        self.keyring.refresh()
        hashed = self.keyring.tokens.get(name)
        if len(secret) > SECRET_LETTERS or not await self._checker.matches(hashed, secret):
            log.warning("a login from %s failed", client)  # no name: it may be a mistyped secret
            return None
        attempt.give_back()
        return hashed

    def attempt(self, client: str | None) -> Bucket:
        """Count an attempt to log in; whoever succeeds gives it back. Raises TooMany."""
        bucket = self.attempts[client_of(client)]
        if wait := bucket.take():
            raise TooMany("Too many failed logins from your address.", "Wait a little.", wait)
        return bucket

    async def use_code(self, code: str) -> bool:
        """Use up the code of a one-use address; tell whether it was right."""
        return await to_thread.run_sync(self.keyring.use_code, code)


def bearer_of(connection: Connection) -> str | None:
    """Return the token of an ``Authorization: Bearer`` header."""
    header = connection.headers.get("authorization", "")
    found = SCHEME.match(header)
    return header[found.end() :].strip() if found else None
