import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from starlette.types import Message, Receive, Scope, Send

from runway_mcp.server.transport.serving import GRACE_SECONDS, Closing, bind, endable, trimmed, url_of
from runway_mcp.server.transport.signals import stop_signals

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
CHUNK: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


async def _nothing_more() -> Message:
    await anyio.sleep_forever()
    raise AssertionError


async def answered(messages: tuple[Message, ...], *, then_hang: bool, closing: Closing) -> list[Message]:
    """What a client receives from an app that sends these messages, and then hangs or returns."""
    received: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if then_hang:
            await anyio.sleep_forever()

    async def send(message: Message) -> None:
        received.append(message)

    with anyio.fail_after(60):
        await endable(app, closing)(SCOPE, _nothing_more, send)
    return received


async def test_blanks_around_the_value_of_a_header_are_none_of_it() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.extend(scope["headers"])

    async def send(_: Message) -> None:
        return

    await trimmed(app)({**SCOPE, "headers": [(b"mcp-name", b" get_task \t"), (b"a", b"b c")]}, _nothing_more, send)

    assert seen == [(b"mcp-name", b"get_task"), (b"a", b"b c")]


@pytest.mark.virtual_time
@pytest.mark.parametrize("sent", [(START,), (START, CHUNK)])
async def test_a_stream_that_would_go_on_gets_a_last_chunk_once_the_grace_is_over(sent: tuple[Message, ...]) -> None:
    closing = Closing()
    closing.begin()
    begun = anyio.current_time()

    assert await answered(sent, then_hang=True, closing=closing) == [*sent, END]
    assert anyio.current_time() - begun == GRACE_SECONDS


@pytest.mark.virtual_time
async def test_a_stream_that_is_open_when_the_server_begins_to_stop_goes_on_for_the_grace() -> None:
    closing, ended = Closing(), anyio.Event()

    async def watch() -> None:
        assert await answered((START, CHUNK), then_hang=True, closing=closing) == [START, CHUNK, END]
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await anyio.sleep(30)
        assert not ended.is_set()
        begun = anyio.current_time()
        closing.begin()
        await ended.wait()

        assert anyio.current_time() - begun == GRACE_SECONDS


@pytest.mark.virtual_time
async def test_a_request_without_an_answer_yet_is_told_that_the_server_stops() -> None:
    closing = Closing()
    closing.begin()

    start, _ = await answered((), then_hang=True, closing=closing)

    assert start["status"] == 503


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_request_that_ends_by_itself_is_left_alone(stopping: bool) -> None:
    closing = Closing()
    if stopping:
        closing.begin()

    assert await answered((START, CHUNK, END), then_hang=False, closing=closing) == [START, CHUNK, END]


def test_a_port_that_is_taken_cannot_be_had() -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")])
def test_the_url_has_the_host_as_it_was_given_and_the_port_as_it_is(host: str, shown: str) -> None:
    try:
        listener = bind(host, 0)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        assert url_of(host, listener) == f"http://{shown}:{listener.getsockname()[1]}"


@contextmanager
def toy_process() -> Generator[tuple[subprocess.Popen[str], str]]:
    """A toy in a process of its own, with its base URL."""
    command = [sys.executable, "-m", "tests.server.toy", "sse"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stderr
        url = next(line for line in process.stderr if line.startswith("http")).strip()
        try:
            yield process, url
        finally:
            process.kill()


@pytest.mark.slow
async def test_a_signal_ends_the_server_in_order_and_soon_although_clients_listen() -> None:
    hanging = 0

    async def hang(where: Any, mode: Literal["legacy", "auto"]) -> None:
        with pytest.RaisesGroup(MCPError, flatten_subgroups=True):
            async with Client(where, mode=mode) as client:
                await client.call_tool("hang", {})

    def until_all_hang() -> None:
        assert process.stderr
        for line in process.stderr:
            nonlocal hanging
            hanging += line.strip() == "hanging"
            if hanging == 4:
                return

    with toy_process() as (process, url):
        told = ""
        async with anyio.create_task_group() as group:
            group.start_soon(hang, f"{url}/mcp", "legacy")
            group.start_soon(hang, f"{url}/mcp", "auto")
            group.start_soon(hang, sse_client(f"{url}/sse"), "legacy")
            group.start_soon(hang, sse_client(f"{url}/sse"), "auto")
            await anyio.to_thread.run_sync(until_all_hang)
            process.send_signal(signal.SIGTERM)
            _, told = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=30))

    assert process.returncode == 0
    assert told.splitlines().count("let go") == 4
    assert told.splitlines()[-1] == "closed"
    assert "Traceback" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
@pytest.mark.parametrize(
    ("handler", "times"), [(signal.default_int_handler, 1), (signal.SIG_IGN, 0)], ids=["as usual", "nohup"]
)
def test_a_hang_up_stops_a_server_unless_that_was_started_to_outlive_it(
    handler: "Callable[..., None] | signal.Handlers", times: int
) -> None:
    stopped: list[bool] = []
    former = signal.signal(signal.SIGHUP, handler)
    try:
        with stop_signals(lambda: stopped.append(True)):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, former)

    assert len(stopped) == times
