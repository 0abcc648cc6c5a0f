"""What only real bytes show: how requests look on the wire, and answers cut anywhere."""

import asyncio
import json
import os
import resource
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import httpx
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Extension
from tests.runway.samples import ASSET_ID, TASK, TASK_ID, TOKEN, api, as_http

REQUEST = Extension(asset_id=ASSET_ID, text_prompt="the dunes", seed=7, reply_ref="ref-1")
EVERY_MARK = "user:1-runwayml:!$&'()*+,;=.~_-@x.example-task:1"
OK = as_http(200, TASK)
SHORT = {"taskId": TASK_ID, "status": "PENDING", "options": {"seed": 7}}
ASK = """
import asyncio, sys
from runway_mcp.runway.client import RunwayClient

async def ask() -> None:
    async with RunwayClient(url=sys.argv[1], token="t", patience=0) as client:
        print((await client.task(sys.argv[2])).task_id)

asyncio.run(ask())
"""


async def test_an_id_stands_in_the_path_as_it_is() -> None:
    marked = as_http(200, TASK | {"taskId": EVERY_MARK})
    async with api([OK, marked]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        await client.task(TASK_ID)
        await client.task(EVERY_MARK)

    assert it.requests[0][1].startswith(f"GET /v1/tasks/{TASK_ID} HTTP/1.1\r\n".encode())
    assert it.requests[1][1].startswith(f"GET /v1/tasks/{EVERY_MARK} HTTP/1.1\r\n".encode())


async def test_the_token_is_sent_whole_and_the_body_as_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with api([OK]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        await client.submit(REQUEST)

    head, body = it.requests[0][1].split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/gen3/extend HTTP/1.1\r\n")
    assert f"authorization: bearer {TOKEN}\r\n".lower().encode() in head.lower()
    assert json.loads(body) == REQUEST.body()
    assert TOKEN not in "".join(str(vars(record)) for record in caplog.records)


async def test_every_submit_has_a_connection_of_its_own_while_reads_share_one() -> None:
    async with api([OK] * 6, hang_up=False) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for _ in range(3):
            await client.task(TASK_ID)
            await client.submit(REQUEST)

    assert [number for number, _ in it.requests] == [1, 2, 1, 3, 1, 4]


WHOLE_ANSWERS = {
    "with a length": as_http(200, SHORT),
    "wrapped, with more headers": as_http(200, {"task": SHORT, "code": 200}, "X-More: 1", "Connection: close"),
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b'{"taskId": ', b'"a-task"', b"}"))
    + b"0\r\n\r\n",
    "until the end": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"taskId": "a-task", "id": "7"}',
}


@pytest.mark.slow
@pytest.mark.parametrize("whole", WHOLE_ANSWERS.values(), ids=WHOLE_ANSWERS.keys())
async def test_an_answer_to_a_submit_cut_at_any_byte_is_unclear_and_never_posted_again(whole: bytes) -> None:
    cuts = [whole[:length] for length in range(len(whole))]
    async with api([*cuts, whole]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for _ in cuts:
            with pytest.raises(errors.SubmitUnclear):
                await client.submit(REQUEST)
        assert (await client.submit(REQUEST)).task_id

    assert len(it.requests) == len(cuts) + 1


async def test_a_refusal_cut_at_any_byte_is_a_refusal_from_its_status_on() -> None:
    whole = as_http(412, {"error": "You do not have enough credits to run this task."})
    cuts = [whole[:length] for length in range(len(whole) + 1)]
    head = whole.index(b"\r\n\r\n") + 4
    async with api(cuts) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for cut in cuts:
            with pytest.raises(errors.SubmitUnclear if len(cut) < head else errors.InsufficientCredits):
                await client.submit(REQUEST)

    assert len(it.requests) == len(cuts)


async def test_a_read_whose_answer_is_cut_is_read_again() -> None:
    async with api([OK[:-7], OK]) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        assert (await client.task(TASK_ID)).task_id == TASK_ID

    assert len(it.requests) == 2


async def test_a_connection_gone_stale_is_never_used_for_a_submit() -> None:
    async with api([OK] * 3) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for _ in range(3):
            assert (await client.submit(REQUEST)).task_id == TASK_ID

    assert it.connections == 3


async def test_garbage_in_place_of_http_is_unclear() -> None:
    garbage = [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 099 Odd\r\n\r\n", b"\x16\x03\x01"]
    async with api(garbage) as it, RunwayClient(url=it.url, token=TOKEN) as client:
        for _ in garbage:
            with pytest.raises(errors.SubmitUnclear):
                await client.submit(REQUEST)


async def test_a_port_where_nobody_listens_is_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    async with RunwayClient(url=url, token=TOKEN) as client:
        with pytest.raises(errors.Unavailable) as caught:
            await client.submit(REQUEST)

    assert not caught.value.sent


async def test_a_server_that_cannot_do_tls_is_a_refusal() -> None:
    async def blunt(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(blunt, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with RunwayClient(url=url, token=TOKEN) as client:
            with pytest.raises(errors.Unavailable, match="no connection") as caught:
                await client.submit(REQUEST)

    assert not caught.value.sent


@contextmanager
def without_descriptors() -> Generator[None]:
    """A time in which this process can open nothing."""
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_resolver_that_can_open_nothing_blames_no_name() -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known") from socket.gaierror(-2, "Name or service not known")

    client = RunwayClient(url="https://api.example/v1", token=TOKEN, transport=httpx.MockTransport(respond), patience=0)
    async with client:
        with pytest.raises(errors.Unavailable, match="Name or service not known"):
            await client.task(TASK_ID)
        with without_descriptors(), pytest.raises(errors.Unavailable, match="no file descriptor left"):
            await client.task(TASK_ID)


async def test_a_proxy_of_the_environment_that_cannot_be_used_sends_nothing_and_says_so() -> None:
    env = {**os.environ, "ALL_PROXY": "socks9://127.0.0.1:1", "HTTP_PROXY": "", "HTTPS_PROXY": "", "NO_PROXY": ""}
    code = (
        "import anyio\n"
        "from runway_mcp.runway.http.connections import Connections\n"
        "async def main():\n"
        "    async with Connections(token='') as it:\n"
        "        print(await it.post('http://192.0.2.1/x', {}))\n"
        "anyio.run(main)\n"
    )
    done = await anyio.run_process([sys.executable, "-c", code], env=env)

    assert "the proxy in this machine's environment cannot be used" in done.stdout.decode()
    assert "sent=False" in done.stdout.decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_lack_of_descriptors_is_told_as_this_machines_fault_and_posts_nothing(host: str) -> None:
    async with RunwayClient(url=f"http://{host}:9/v1", token=TOKEN, patience=0) as client:
        with without_descriptors():
            with pytest.raises(errors.Unavailable) as submitted:
                await client.submit(REQUEST)
            with pytest.raises(errors.Unavailable) as read:
                await client.task(TASK_ID)

    for caught in (submitted, read):
        assert not caught.value.sent
        assert "no file descriptor left" in caught.value.message
        assert "useapi.net" not in caught.value.message


async def test_a_proxy_that_refuses_the_way_is_a_refusal() -> None:
    async with api([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]) as it:
        proxied = httpx.AsyncHTTPTransport(proxy=it.url)
        async with RunwayClient(url="https://api.example/v1", token=TOKEN, transport=proxied) as client:
            with pytest.raises(errors.Unavailable) as caught:
                await client.submit(REQUEST)

    assert not caught.value.sent
    assert it.requests[0][1].startswith(b"CONNECT api.example:443 ")
    assert TOKEN.encode() not in it.requests[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(host: str) -> None:
    async with api([as_http(200, SHORT)]) as it, api([]) as proxy:
        env = {**os.environ, "HTTP_PROXY": proxy.url, "ALL_PROXY": proxy.url, "NO_PROXY": ""}
        command = [sys.executable, "-c", ASK, it.url.replace("127.0.0.1", host), TASK_ID]
        with anyio.fail_after(30):
            done = await anyio.run_process(command, env=env, check=False)

    assert done.stdout.decode().strip() == TASK_ID, done.stderr.decode()
    assert proxy.connections == 0


async def test_a_redirect_is_never_followed() -> None:
    async with api([]) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with api([moved] * 2) as it, RunwayClient(url=it.url, token=TOKEN) as client:
            with pytest.raises(errors.SubmitUnclear, match="HTTP 307"):
                await client.submit(REQUEST)
            with pytest.raises(errors.UnexpectedResponse, match="HTTP 307"):
                await client.task(TASK_ID)

    assert elsewhere.connections == 0


async def test_cancelling_a_submit_hangs_up() -> None:
    asked, hung_up = anyio.Event(), anyio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        while await reader.read(1000):
            pass
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with RunwayClient(url=url, token=TOKEN) as client:
            with anyio.fail_after(30):
                async with anyio.create_task_group() as group:
                    group.start_soon(client.submit, REQUEST)
                    await asked.wait()
                    group.cancel_scope.cancel()
                await hung_up.wait()
