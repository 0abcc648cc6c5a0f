"""When a server says that requests should be sent to it, as its ledger comes, goes and comes again."""

import json
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from runway_mcp.server.app import create_server
from runway_mcp.server.transport.http import create_app
from runway_mcp.simulator.world import World
from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import Availability, LedgerError
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import wall_clock
from tests.kit.postgres import PostgresServer
from tests.kit.processes import HttpServerProcess, http_server_process, serve_command, server_environment
from tests.kit.server import settings
from tests.kit.upstream import Upstream
from tests.store.databases import HASTY
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import Rows

Told = tuple[int, dict[str, Any]]

STARTING: Told = (503, {"status": "starting", "away": ["ledger"]})
READY: Told = (200, {"status": "ready"})
READY_WITHOUT: Told = (200, {"status": "ready", "away": ["ledger"]})


def readiness(served: HttpServerProcess) -> Told:
    connection = HTTPConnection(served.origin.removeprefix("http://"), timeout=30)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


def until(served: HttpServerProcess, expected: Told, *, meanwhile: Callable[[Told], bool]) -> None:
    """Waits until that is told; until then only what holds `meanwhile` may be."""
    began = time.monotonic()
    while (told := readiness(served)) != expected:
        assert meanwhile(told), told
        assert time.monotonic() - began < 60, told
        # No event tells from outside; the end of the program would.
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended: {served.program.process.wait(0.2)}")


@pytest.mark.slow
def test_a_server_is_ready_once_its_database_was_reached_and_stays_so_while_that_is_away(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.stop()
    env = server_environment("http://127.0.0.1:9", tmp_path, RUNWAY_MCP_DATABASE_URL=server.url())
    with http_server_process(serve_command("http"), env) as served:
        assert readiness(served) == STARTING
        server.start()
        until(served, READY, meanwhile=lambda told: told in (STARTING, READY_WITHOUT))
        server.stop()
        until(served, READY_WITHOUT, meanwhile=lambda told: told == READY)
        server.start()
        until(served, READY, meanwhile=lambda told: told == READY_WITHOUT)


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        (Availability.NEVER, STARTING),
        (Availability.REACHED, READY),
        (Availability.AWAY, READY_WITHOUT),
        (Availability.UNCONFIRMED, (200, {"status": "ready", "away": ["commits"]})),
    ],
)
def test_readiness_tells_what_the_ledger_cannot_do_and_fails_only_before_it_was_reached(
    tmp_path: Path, reach: Availability, expected: Told
) -> None:
    class Reached(MemoryStore):
        def reach(self) -> Availability:
            return reach

    @asynccontextmanager
    async def open_store(*_: object, **_named: object) -> AsyncGenerator[MemoryStore]:
        yield Reached(Rows(), wall_clock)

    server = create_server(settings(tmp_path, over_http=True), transport=Upstream(World()), open_store=open_store)
    with TestClient(create_app(server), base_url="http://127.0.0.1:8000") as http:
        told = http.get("/readyz")

    assert (told.status_code, told.json()) == expected


async def test_a_database_that_was_never_reached_is_told_from_one_that_went_away(server: PostgresServer) -> None:
    store = PostgresStore(server.url(), patience=HASTY)
    server.stop()
    try:
        assert (await store.open(), store.reach()) == (False, Availability.NEVER)
        server.start()
        assert await store.find("id", "x") is None
        assert store.reach() is Availability.REACHED
        server.stop()
        with pytest.raises(LedgerError):
            await store.find("id", "x")
        assert store.reach() is Availability.AWAY
    finally:
        await store.close()


async def test_a_file_that_cannot_be_opened_is_no_ledger_and_one_that_is_replaced_is_away(tmp_path: Path) -> None:
    folder, path = tmp_path / "folder", tmp_path / "ledger.sqlite3"
    folder.mkdir()
    with SqliteStore(folder, wall_clock) as store, pytest.raises(LedgerError):
        await store.find("id", "x")
    assert store.reach() is Availability.NEVER

    with SqliteStore(path, wall_clock) as store:
        assert store.reach() is Availability.NEVER
        await store.find("id", "x")
        assert store.reach() is Availability.REACHED
        path.unlink()
        with pytest.raises(LedgerError):
            await store.find("id", "x")
    assert store.reach() is Availability.AWAY
