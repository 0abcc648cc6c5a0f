"""Sessions that clients open and leave: how many may be idle, and which one makes room."""

from pathlib import Path

import pytest

from runway_mcp.server.app import create_server
from runway_mcp.server.transport.sessions import MOST_IDLE
from tests.kit.server import settings
from tests.server.bare_host import READY, SUBSCRIBE, host
from tests.server.callers import ANA, BOB, BY_TOKEN, headers_of
from tests.server.toy import served, toy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("token", [None, "let-me-in"])
async def test_above_the_limit_the_longest_idle_session_makes_room(token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with served(toy(), access_token=token) as url, host(url, **headers) as client:
        first, second = await client.abandon(2)
        await client.abandon(MOST_IDLE - 2)
        assert await client.lives(first)

        third = (await client.abandon(1))[0]

        assert not await client.lives(second)
        assert await client.lives(first)
        assert await client.lives(third)


async def test_a_caller_who_opens_many_sessions_ends_his_own_and_nobody_elses() -> None:
    async with (
        served(toy(), verifier=BY_TOKEN) as url,
        host(url, **headers_of(ANA)) as ana,
        host(url, **headers_of(BOB)) as bob,
    ):
        few = await ana.abandon(2)
        first, *_, last = await bob.abandon(MOST_IDLE)

        assert [await ana.lives(each) for each in few] == [True, True]
        assert [await bob.lives(each) for each in (first, last)] == [False, True]


async def test_a_session_with_an_open_stream_is_not_idle() -> None:
    async with served(toy()) as url, host(url) as client:
        session = await client.open()
        async with client.http.stream("GET", "/mcp", headers=session) as stream:
            assert stream.status_code == 200
            await client.abandon(MOST_IDLE + 10)

            assert await client.lives(session)


async def test_a_session_that_its_client_ended_takes_no_room() -> None:
    async with served(toy()) as url, host(url) as client:
        first = await client.open()
        for session in await client.abandon(MOST_IDLE - 1):
            assert (await client.http.delete("/mcp", headers=session)).status_code == 200
        await client.abandon(MOST_IDLE - 1)

        assert await client.lives(first)


async def test_after_a_thousand_abandoned_sessions_a_new_client_is_told_of_changes(tmp_path: Path) -> None:
    async with served(create_server(settings(tmp_path, token=None))) as url, host(url) as client:
        for session in await client.abandon(1001):
            await client.http.post("/mcp", json=READY, headers=session)

        newcomer = await client.open()
        await client.http.post("/mcp", json=READY, headers=newcomer)
        subscribed = await client.http.post("/mcp", json=SUBSCRIBE, headers=newcomer)

    assert '"result":{}' in subscribed.text
