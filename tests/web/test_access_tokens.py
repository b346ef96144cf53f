"""Programs come in with tokens, which commands make, list and revoke."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import attrs
import click
import httpx
import pytest
from click.testing import CliRunner, Result

from aichat.core import Connection
from aichat.core.testing import AuthContract
from aichat.web.access import commands
from aichat.web.access.keyring import Keyring
from aichat.web.access.token import Token
from support.in_process_server import closed_by, get
from support.litestar_command import LITESTAR
from support.login import TOKEN, Door, a_door, asks


class TestRandomToken(AuthContract):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Iterator[Token]:
        with Keyring(tmp_path / "access.db") as ring:
            yield Token(ring)

    @pytest.fixture
    def known(self, plugin: Token) -> Connection:
        ring, secret = plugin.keyring, token_urlsafe(32)
        ring.add_token("robot", ring.random_hash("robot", secret))
        return asks(authorization=f"Bearer robot.{secret}")


def test_a_program_comes_in_with_its_token_over_http_and_websocket(door: Door) -> None:
    bearer = door.token("program")
    for _ in range(2):
        assert get(door.server, **bearer).status_code == 200
    with door.server.client(additional_headers=bearer) as client:
        client.until("ready")
    assert get(door.server, authorization=bearer["authorization"].lower()).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer x", "Bearer .", "Bearer lone.", "Bearer .secret",
        "Basic bG9uZTpzZWNyZXQ=", "lone.correct horse battery",
        "Bearer LONE.correct horse battery", "Bearer lone.correct horse batter",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "Bearer lone." + "x" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_token_of_ours_lets_nobody_in(tmp_path: Path, header: str) -> None:
    with a_door(tmp_path) as door:
        door.token("lone")
        assert get(door.server, authorization=header).status_code == 401


def test_a_page_that_is_allowed_elsewhere_asks_with_a_token(tmp_path: Path) -> None:
    tool = "https://tool.example"
    web = attrs.evolve(TOKEN, allowed_origins=(tool,))
    with a_door(tmp_path, web) as door:
        asked = {
            "origin": tool,
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        }
        preflight = httpx.options(door.server.url + "/c/c", headers=asked, trust_env=False)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == tool
        bearer = door.token("tool")
        answer = get(door.server, "/c/c", origin=tool, sec_fetch_site="cross-site", **bearer)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == tool
        assert get(door.server, "/c/c", origin=tool).status_code == 401


def command(folder: Path, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LITESTAR, "aichat", *args],
        cwd=folder,
        env={**os.environ, "AICHAT_DATA": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=input,
    )


def test_a_token_of_another_process_comes_in_and_is_revoked_at_once(tmp_path: Path) -> None:
    with a_door(tmp_path) as door:
        made = command(tmp_path, "token", "new", "laptop")
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("laptop.")
        bearer = {"authorization": f"Bearer {made.stdout.strip()}"}
        assert get(door.server, **bearer).status_code == 200
        with door.server.client(additional_headers=bearer) as client:
            client.until("ready")
            revoked = command(tmp_path, "token", "revoke", "laptop")
            assert revoked.stdout == "laptop is revoked.\n"
            assert get(door.server, **bearer).status_code == 401
            assert closed_by(client)[0] == 1008


def invoke(folder: Path, *args: str, input: str | None = None) -> Result:
    """Run a command in this process, which is faster."""
    cli = click.Group(commands=[commands.login, commands.token])
    return CliRunner(env={"AICHAT_DATA": str(folder)}).invoke(cli, list(args), input=input)


def test_the_commands_list_tokens_and_refuse_what_is_wrong_in_words(tmp_path: Path) -> None:
    assert "There are no tokens" in invoke(tmp_path, "token", "list").output
    assert invoke(tmp_path, "token", "new", "laptop").exit_code == 0
    assert "laptop" in invoke(tmp_path, "token", "list").output
    again = invoke(tmp_path, "token", "new", "laptop")
    assert again.exit_code == 1
    assert "There is a token called 'laptop' already.\n  Hint: Choose another" in again.output
    lost = invoke(tmp_path, "token", "revoke", "labtop")
    assert lost.exit_code == 1
    assert "Nobody called 'labtop' can log in.\n  Hint: Did you mean 'laptop'?" in lost.output
    (tmp_path / "file").write_text("")
    broken = invoke(tmp_path / "file", "login")
    assert broken.exit_code == 1
    assert "Hint: Set AICHAT_DATA" in broken.output


def test_the_login_command_prints_another_one_use_address(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, door.browser() as browser:
        said = invoke(tmp_path, "login", "--url", "https://chat.example/").output
        address = said.partition("Log in at ")[2].split()[0]
        assert address.startswith("https://chat.example/login?code=")
        path = address.removeprefix("https://chat.example")
        assert browser.post(path).status_code == 303
        assert "owner" in invoke(tmp_path, "token", "list").output


@pytest.mark.parametrize("name", ["owner", "Ada", "a b", "-a", "x" * 41, "ä", "a.b"])
def test_a_token_with_a_bad_name_is_refused_with_the_mend(tmp_path: Path, name: str) -> None:
    done = invoke(tmp_path, "token", "new", "--", name)
    assert done.exit_code == 1
    assert "Use up to 40 of a-z" in done.output


def test_a_passphrase_can_be_chosen_and_is_not_shown(tmp_path: Path) -> None:
    make = ("token", "new", "ada", "--passphrase")
    short = invoke(tmp_path, *make, input="short\nshort\n")
    assert short.exit_code == 1
    assert "at least 12 letters" in short.output
    phrase = "tea with four lemons"
    made = invoke(tmp_path, *make, input=f"{phrase}\n{phrase}\n")
    assert made.exit_code == 0
    assert phrase not in made.output
    with a_door(tmp_path) as door:
        bearer = f"Bearer ada.{phrase}"
        assert get(door.server, authorization=bearer).status_code == 200


def test_revoking_and_making_anew_does_not_let_the_old_token_in(door: Door) -> None:
    old = door.token("phoenix", "the old secret of it")
    assert get(door.server, **old).status_code == 200
    door.keyring.revoke("phoenix")
    new = door.token("phoenix", "the new secret of it")
    assert get(door.server, **old).status_code == 401
    assert get(door.server, **new).status_code == 200
