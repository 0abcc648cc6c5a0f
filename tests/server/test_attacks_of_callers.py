"""What a caller, or one who was, may try with tokens and sessions, over real HTTP."""

from base64 import b64encode
from pathlib import Path

import anyio
import pytest

from runway_mcp.callers import hash_of
from tests.server.bare_host import READY, Host, host
from tests.server.many_callers import many_callers

pytestmark = pytest.mark.slow

LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
ELSEWHERE: dict[str, tuple[str, dict[str, str]]] = {
    "in the query": ("/mcp?access_token=ana-token", {}),
    "in the path": ("/mcp/ana-token", {}),
    "in other headers": ("/mcp", {"x-api-key": "ana-token", "cookie": "access_token=ana-token"}),
    "as a password": ("/mcp", {"authorization": f"Basic {b64encode(b'ana:ana-token').decode()}"}),
}


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_a_token_counts_nowhere_but_in_its_header(tmp_path: Path, where: str) -> None:
    path, headers = ELSEWHERE[where]
    async with many_callers(tmp_path, ana="") as server, host(server.origin, **headers) as client:
        assert (await client.http.post(path, json=LIST)).status_code == 401


async def heard_to_its_end(client: Host, session: dict[str, str], opened: anyio.Event, ended: anyio.Event) -> None:
    """Reads a session's stream of notifications until the server ends it."""
    async with client.http.stream("GET", "/mcp", headers=session, timeout=60) as stream:
        assert stream.status_code == 200
        opened.set()
        async for _ in stream.aiter_raw():
            pass
    ended.set()


async def test_a_caller_who_is_removed_loses_his_session_and_its_stream_within_a_minute(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="", bob="") as server,
        host(server.origin, **by("ana")) as ana,
        host(server.origin, **by("bob")) as bob,
        anyio.create_task_group() as streams,
    ):
        of_ana, of_bob = await ana.open(), await bob.open()
        opened, ended = [anyio.Event() for _ in range(2)], [anyio.Event() for _ in range(2)]
        for number, (client, session) in enumerate(((ana, of_ana), (bob, of_bob))):
            await client.http.post("/mcp", json=READY, headers=session)
            streams.start_soon(heard_to_its_end, client, session, opened[number], ended[number])
            await opened[number].wait()
        server.file.write(bob="")
        with anyio.fail_after(50):
            await ended[0].wait()

        assert (await ana.http.post("/mcp", json=LIST, headers=of_ana)).status_code == 401
        assert (await bob.http.post("/mcp", json=LIST, headers=of_ana)).status_code == 404
        assert await bob.lives(of_bob)
        assert not ended[1].is_set()
        streams.cancel_scope.cancel()


async def test_a_token_that_is_replaced_by_overlap_keeps_its_callers_session(tmp_path: Path) -> None:
    async with (
        many_callers(tmp_path, ana="") as server,
        host(server.origin, **by("ana")) as old,
        host(server.origin, authorization="Bearer second") as new,
    ):
        session = await old.open()
        assert await status(new, session) == 401

        server.file.write_hashes("ana", hash_of("ana-token"), hash_of("second"))
        await until(new, session, 200)
        assert await status(old, session) == 200

        server.file.write_hashes("ana", hash_of("second"))
        await until(old, session, 401)
        assert await status(new, session) == 200


async def status(client: Host, session: dict[str, str]) -> int:
    """The status of a request in a session."""
    return (await client.http.post("/mcp", json=LIST, headers=session)).status_code


async def until(client: Host, session: dict[str, str], wanted: int) -> None:
    """Asks until a change of the file is taken."""
    with anyio.fail_after(50):
        while await status(client, session) != wanted:
            pass


def by(caller: str) -> dict[str, str]:
    """The header of a caller's requests."""
    return {"authorization": f"Bearer {caller}-token"}
