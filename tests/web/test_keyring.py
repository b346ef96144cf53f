"""The file of codes, sessions and tokens: private, shared by processes, without secrets."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from aichat.core import CannotStart, Unreachable
from aichat.web.access import keyring
from aichat.web.access.argon import hash_of
from aichat.web.access.keyring import Keyring


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Keyring]:
    with Keyring(tmp_path / "new" / "access.db", now=lambda: ring_time[0]) as ring:
        ring_time[0] = 1_000.0
        yield ring


ring_time = [1_000.0]


def test_the_file_is_its_owners_alone(ring: Keyring) -> None:
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.path.parent.stat().st_mode) == 0o700
    ring.path.chmod(0o644)
    with Keyring(ring.path):
        assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600


def test_no_secret_is_in_the_file(ring: Keyring) -> None:
    secrets = [ring.new_code(), ring.new_session("owner"), "a secret of somebody"]
    ring.add_token("ada", hash_of(secrets[-1]))
    kept = ring.path.read_bytes()
    for secret in secrets:
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept


def test_a_code_opens_once_and_not_too_late(ring: Keyring) -> None:
    code, late = ring.new_code(), ring.new_code()
    assert not ring.use_code("")
    assert not ring.use_code(code + "x")
    assert ring.use_code(code)
    assert not ring.use_code(code)
    ring_time[0] += keyring.CODE_SECONDS
    assert not ring.use_code(late)


def test_a_session_ends_after_its_time_or_when_it_is_ended(ring: Keyring) -> None:
    one, two = ring.new_session("ada"), ring.new_session("ada")
    ring.refresh()
    assert (ring.session(one), ring.session(two)) == ("ada", "ada")
    assert ring.session("") is None
    ring.end_session(one)
    ring.refresh()
    assert (ring.session(one), ring.session(two)) == (None, "ada")
    ring_time[0] += keyring.SESSION_SECONDS
    assert ring.session(two) is None
    ring.new_session("ada")
    ring.refresh()
    assert len(ring.sessions) == 1  # the old one is swept away


def test_another_process_sees_a_change_at_once(ring: Keyring) -> None:
    with Keyring(ring.path, now=ring.now) as other:
        secret = ring.new_session("ada")
        other.refresh()
        assert other.session(secret) == "ada"
        ring.revoke("ada")
        other.refresh()
        assert other.session(secret) is None


def test_while_somebody_writes_what_is_known_holds(ring: Keyring) -> None:
    secret = ring.new_session("ada")
    ring.refresh()
    with sqlite3.connect(ring.path) as writer:
        writer.execute("begin exclusive")
        ring.refresh()
        assert ring.session(secret) == "ada"
    writer.close()


def test_a_name_has_so_many_browsers_and_the_oldest_goes(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "SESSIONS", 2)
    other = ring.new_session("bob")
    secrets = []
    for _ in range(4):
        ring_time[0] += 1
        secrets.append(ring.new_session("ada"))
    ring.refresh()
    assert [ring.session(one) for one in secrets] == [None, None, "ada", "ada"]
    assert ring.session(other) == "bob"
    assert [(one.name, one.browsers) for one in ring.listed()] == [("ada", 2), ("bob", 1)]


def test_a_file_that_cannot_be_used_is_told_with_the_mend(ring: Keyring, tmp_path: Path) -> None:
    ring.path.write_bytes(b"not a database" * 100)
    with pytest.raises(CannotStart, match="Hint: Set AICHAT_DATA"):
        Keyring(ring.path).open()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be used"):
        Keyring(tmp_path / "file" / "access.db").open()
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(CannotStart, match="newer aichat"):
        Keyring(newer).open()


def test_a_file_that_was_taken_away_lets_nobody_in_anew(ring: Keyring) -> None:
    ring.path.unlink()
    with pytest.raises(Unreachable):
        ring.new_session("ada")
    ring.close()
    with pytest.raises(Unreachable):
        ring.refresh()
