"""Where a server may listen without a login."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from aichat.web.access import binding
from support.free_ports import free_port
from support.litestar_command import LITESTAR, running


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_login(host: str) -> None:
    assert binding.refusal(host, None, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "2001:db8::1"])
def test_another_address_needs_one(host: str) -> None:
    assert 'access = "token"' in (binding.refusal(host, None, None) or "")


def test_an_inherited_socket_is_judged_by_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert binding.refusal("127.0.0.1", ours.fileno(), None) is None
        assert ours.getsockname()  # it is still open
    with socket.create_server(("0.0.0.0", 0)) as wide:
        assert binding.refusal("127.0.0.1", wide.fileno(), None)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        assert binding.refusal("127.0.0.1", unix.fileno(), None)
    with (tmp_path / "f").open("w") as file:
        assert binding.refusal("127.0.0.1", file.fileno(), None)
    assert binding.refusal("127.0.0.1", None, str(tmp_path / "s"))


def started(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LITESTAR, "run", "--port", "0", *args],
        cwd=folder,
        env={**os.environ, "AICHAT_DATA": str(folder / "data"), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (("--host", "0.0.0.0"), {}),
        ((), {"HOST": "::"}),
        ((), {"LITESTAR_HOST": "0.0.0.0"}),
        (("--uds", "aichat.sock"), {}),
        (("--host", "0.0.0.0", "--reload"), {}),
    ],
)
def test_serving_others_without_a_login_stops_the_start_with_one_message(
    tmp_path: Path, args: tuple[str, ...], more: dict[str, Any]
) -> None:
    done = started(tmp_path, *args, **more)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "aichat cannot start:" in said
    assert said.count("Hint:") == 1
    assert 'access = "token"' in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_with_a_login_it_may_serve_others_and_says_how_to_log_in(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    (tmp_path / "plugins.toml").write_text(shipped.replace('access = "local"', 'access = "token"'))
    port = free_port()
    with running(tmp_path, "--host", "0.0.0.0", PORT=str(port)) as process:
        assert process.stdout
        said = ""
        while "over https only" not in said:
            said += process.stdout.readline()
        assert f"aichat is at http://localhost:{port}\n" in said
        address = said.partition("Log in at ")[2].split()[0]
        assert address.startswith(f"http://localhost:{port}/login?code=")
        headers = {"sec-fetch-site": "same-origin"}
        with httpx.Client(headers=headers, trust_env=False) as browser:
            assert browser.post(address).status_code == 303
            assert browser.get(f"http://localhost:{port}/").status_code == 200
        assert httpx.get(f"http://localhost:{port}/", trust_env=False).status_code == 401
