"""What systemd hears of a server, at a real datagram socket."""

import logging
import signal
import socket
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from runway_mcp.server.transport.service_manager import READY, STOPPING, notify
from tests.kit.processes import http_server_process, serve_command, server_environment

NOWHERE = "http://127.0.0.1:9"


def path_of(folder: Path) -> str:
    return str(folder / "notify")


def abstract(_: Path) -> str:
    return f"@{uuid.uuid4().hex}"


@pytest.fixture(params=[path_of, abstract])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[tuple[str, socket.socket]]:
    """The value of `NOTIFY_SOCKET` and the socket behind it."""
    address: str = request.param(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        heard.settimeout(30)
        yield address, heard


def test_a_state_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    address, heard = manager
    notify(address, READY)
    assert heard.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, ""])
def test_without_a_service_manager_nothing_is_sent_and_nothing_said(
    address: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    notify(address, READY)
    assert caplog.records == []


def test_a_service_manager_that_is_gone_is_logged_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        notify(str(tmp_path / "gone"), STOPPING)
    (record,) = caplog.records
    assert record.getMessage() == "the service manager could not be told STOPPING=1: No such file or directory"


@pytest.mark.slow
@pytest.mark.parametrize("hosted", [False, True])
def test_a_server_is_ready_once_it_listens_and_stops_from_the_signal_on(
    manager: tuple[str, socket.socket], tmp_path: Path, *, hosted: bool
) -> None:
    address, heard = manager
    callers = tmp_path / "callers.toml"
    callers.write_text(f'[[callers]]\nname = "ana"\ntoken_sha256 = "{"0" * 64}"\n', encoding="utf-8")
    ours = {"RUNWAY_MCP_CALLERS": str(callers)} if hosted else {}
    env = server_environment(NOWHERE, tmp_path / "data", NOTIFY_SOCKET=address, **ours)
    with http_server_process(serve_command("http"), env) as served:
        assert heard.recv(100) == b"READY=1"
        heard.settimeout(0)
        with pytest.raises(BlockingIOError):
            heard.recv(100)
        heard.settimeout(30)
        served.program.process.send_signal(signal.SIGTERM)
        assert heard.recv(100) == b"STOPPING=1"
        assert served.program.process.wait(30) == 0
        heard.settimeout(0)
        with pytest.raises(BlockingIOError):
            heard.recv(100)
