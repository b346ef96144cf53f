"""``access = "token"``: browsers that have logged in, and programs that send a token.

A request is checked in memory, with a fast hash. Only a passphrase that has not been seen since the
start goes through argon2 first, in ``learn``; from then on its fast hash is known as well.

Passphrases can be guessed, so failed ones are counted per name: guessing locks out
nobody else at the same address. Codes, sessions and random tokens cannot be guessed, so they are
not counted: with one of these its owner can log in while somebody guesses at the passphrase.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from anyio import to_thread

from aichat.core import Actor, Connection, hookimpl
from aichat.toolkit.bounded_dict import BoundedDict

from .argon import Checker
from .cookie import session_of
from .keyring import FAST, Keyring
from .rate_limits import Bucket, Buckets, TooMany, client_of

SCHEME = re.compile(r"bearer +", re.IGNORECASE)
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")
"""A secret made by ``token new``: 256 bits, which cannot be guessed."""
SECRET_LETTERS = 1_024
ATTEMPTS = 5
"""Most failed passphrases of one name at once; then one every ``ATTEMPT_SECONDS``."""
ATTEMPT_SECONDS = 12
FAILURES = 20
"""Failed logins of one address at once, then one every ``ATTEMPT_SECONDS``. Over that, an address
may queue one check at a time instead of ``IN_LINE``, so that others do not wait for it."""
IN_LINE = 4
SEEN = 1_000
"""Most passphrases that are remembered by their fast hash: the last that were used."""


log = logging.getLogger(__name__)


class Token:
    """Lets in clients with a session or token in the keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.attempts = Buckets(1 / ATTEMPT_SECONDS, ATTEMPTS)
        self.failures = Buckets(1 / ATTEMPT_SECONDS, FAILURES)
        self._in_line: Counter[str] = Counter()
        self._checker = Checker()
        self._seen = BoundedDict[bytes, tuple[str, str]](SEEN)

    @hookimpl(trylast=True)
    def authenticate(self, connection: Connection) -> Actor | None:
        """Return the actor of a session cookie, a random token, or a verified passphrase."""
        self.keyring.refresh()
        secret, bearer = session_of(connection), bearer_of(connection)
        name = self.keyring.session(secret) if secret else None
        if name is None and bearer:
            name = self._known(bearer)
        return Actor(name) if name else None

    def is_proven(self, connection: Connection) -> bool:
        """Return whether a request has a valid one-use code."""
        code = code_of(connection)
        if not code:
            return False
        self.keyring.refresh()
        return self.keyring.is_code(code)

    def _known(self, bearer: str) -> str | None:
        name, _, secret = bearer.partition(".")
        if self.keyring.is_random_token(name, secret):
            return name
        digest = self.keyring.digest(bearer)
        name, hashed = self._seen.get(digest, ("", ""))
        if not name or self.keyring.tokens.get(name) != hashed:  # never seen, or revoked
            self._seen.pop(digest, None)
            return None
        self._seen.use(digest)
        return name

    async def learn(self, connection: Connection) -> bool:
        """Check an unknown bearer token slowly; return whether it is valid. Raises TooMany."""
        bearer = bearer_of(connection)
        name, dot, secret = (bearer or "").partition(".")
        if not (bearer and dot and NAME.fullmatch(name)):
            return False  # no token of ours
        if not (hashed := await self.check(connection.client, name, secret)):
            return False
        self._seen[self.keyring.digest(bearer)] = (name, hashed)
        return True

    async def check(self, client: str | None, name: str, secret: str) -> str | None:
        """Check a token; return its hash, or None if it is wrong. Raises TooMany."""
        self.keyring.refresh()
        hashed = self.keyring.tokens.get(name)
        if self.keyring.is_random_token(name, secret):
            return hashed
        if len(secret) <= SECRET_LETTERS and NAME.fullmatch(name):
            slow = None if hashed and hashed.startswith(FAST) else hashed
            with self._waiting(client) as failure, self._counted(name, secret) as attempt:
                if await self._checker.matches(slow, secret):
                    attempt.give_back()
                    failure.give_back()
                    return hashed
        log.warning("a login from %s failed", client)  # no name: it may be a mistyped secret
        return None

    @contextmanager
    def _counted(self, name: str, secret: str) -> Iterator[Bucket]:
        """Count an attempt, which is given back when it succeeds. Raises TooMany."""
        bucket = self.attempts[name]
        if not RANDOM.fullmatch(secret) and (wait := bucket.take()):
            raise TooMany(
                "Too many failed logins by this name.",
                "Wait a minute, or use a token or a one-use address (`litestar aichat login`).",
                wait,
            )
        try:
            yield bucket
        except TooMany:
            bucket.give_back()  # it was not looked at
            raise

    @contextmanager
    def _waiting(self, client: str | None) -> Iterator[Bucket]:
        """Hold a place in the queue of an address. Raises TooMany when it has no more."""
        address = client_of(client)
        bucket = self.failures[address]
        places = 1 if bucket.take() else IN_LINE
        if self._in_line[address] >= places:
            raise TooMany(
                "There are too many logins from your address.", "Try again in a moment.", 2
            )
        self._in_line[address] += 1
        try:
            yield bucket
        finally:
            self._in_line[address] -= 1
            self._in_line += Counter()  # drops clients without any

    async def use_code(self, code: str) -> bool:
        """Use up a one-use code; return whether it was valid."""
        return await to_thread.run_sync(self.keyring.use_code, code)


def code_of(connection: Connection) -> str | None:
    """Return the code in a one-use address."""
    return parse_qs(connection.query).get("code", [None])[0]


def bearer_of(connection: Connection) -> str | None:
    """Return the token of an ``Authorization: Bearer`` header."""
    header = connection.headers.get("authorization", "")
    found = SCHEME.match(header)
    return header[found.end() :].strip() if found else None
