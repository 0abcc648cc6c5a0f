"""After everything went wrong at once, the token and a link are in no log, no failure, no file and no process list."""

import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.kit.processes import HttpServerProcess, environment, http_server_process, serve_command
from tests.strangers.wrongs import ASSET_ID, TASK_ID, Wrongs, spellings, wrong_upstream

pytestmark = pytest.mark.slow

TOKEN: Final = 'user:1234-Zq7/xkT0+pWv9%dLm3"s\\Qa'
ACCESS: Final = 'Distinctive/Access+8c41e9%Kf"2\\x'
SIGNATURE: Final = "eyJhbGciOiJIUzI1NiJ9.c2lnbmF0dXJl/dGhhdA+opens.films"
PASTED: Final = "eyJhbGciOiJIUzI1NiJ9.cGFzdGVk/Ynk+a.caller"
HOOK: Final = "https://hook.example.com/films?key=Callback/Key+5d20b7%Jh"
DESCRIPTORS: Final = 96
STRANGERS: Final = 120
CALLERS: Final = 5
OLD: Final = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
FREE: Final[list[tuple[str, dict[str, Any]]]] = [
    ("list_assets", {"links": True}),
    ("list_assets", {"query": "beach"}),
    ("get_task", {"taskId": TASK_ID}),
    ("view_film", {"assetId": ASSET_ID}),
    ("save_film", {"assetId": ASSET_ID}),
    ("extend_video", {"assetId": "a name that no clip has", "dry_run": True}),
    ("extend_video", {"assetId": f"https://cdn.example.com/none.mp4?_jwt={PASTED}", "wait_seconds": 0}),
]


def calls(number: int) -> list[tuple[str, dict[str, Any]]]:
    """The calls of one caller, some of which spend."""
    paid = {"assetId": ASSET_ID, "text_prompt": "the dunes", "replyUrl": HOOK, "wait_seconds": 1}
    return [*FREE, *(("extend_video", {**paid, "seed": 10 * number + each}) for each in range(1, 4)), *FREE]


def found_in(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Which secrets are in some bytes, in any spelling."""
    return [
        f"{name} as {spelled}"
        for name, secret in secrets.items()
        for spelled in spellings(secret)
        if spelled.encode() in data
    ]


@asynccontextmanager
async def program(folder: Path, url: str) -> AsyncGenerator[HttpServerProcess]:
    """The server on all transports, with few descriptors; all that it may write lies in the folder."""
    limited = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh", *serve_command("sse")]
    secret = {"USEAPI_TOKEN": TOKEN, "RUNWAY_MCP_ACCESS_TOKEN": ACCESS, "USEAPI_URL": url}
    places = {"RUNWAY_MCP_DATA_DIR": folder / "data", "RUNWAY_MCP_SAVE_DIR": folder / "films", "TMPDIR": folder / "tmp"}
    (folder / "tmp").mkdir()
    env = environment(**secret, **{name: str(place) for name, place in places.items()}, RUNWAY_MCP_SAVE="own")
    process = http_server_process(limited, env)
    served = await anyio.to_thread.run_sync(process.__enter__)
    try:
        yield served
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(process.__exit__, None, None, None)


async def caller(served: HttpServerProcess, number: int, answers: list[str]) -> None:
    """Makes its calls, and reads resources between them."""
    headers = OLD | {"authorization": f"Bearer {ACCESS}"}
    resources = itertools.cycle(["runway://tasks", f"runway://tasks/{TASK_ID}", f"runway://assets/{ASSET_ID}"])
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=90) as client:
        for name, arguments in calls(number):
            for method, params in (
                ("tools/call", {"name": name, "arguments": arguments}),
                ("resources/read", {"uri": next(resources)}),
            ):
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                with suppress(httpx.TransportError):
                    answers.append((await client.post(served.mcp, json=body)).text)


async def stranger(served: HttpServerProcess, answers: list[str]) -> None:
    """Sends the secrets where a careless client may put them, with and without the access token."""
    ours = {"authorization": f"Bearer {ACCESS}", "content-type": "application/json", **OLD}
    link, at = f"https://cdn.example.com/f.mp4?_jwt={PASTED}", served.origin
    requests: list[Callable[[httpx.AsyncClient], Any]] = [
        lambda it: it.post(f"{at}/mcp", headers={"authorization": f"Bearer {TOKEN}"}, content=b"{}"),
        lambda it: it.post(f"{at}/mcp", params={"token": TOKEN, "link": link}, headers=ours, content=b"{}"),
        lambda it: it.post(f"{at}/mcp", headers=ours, content=json.dumps({"x": [TOKEN, link]})),
        lambda it: it.post(f"{at}/mcp", headers=ours, content=f'{{"{TOKEN}": {link}'),
        lambda it: it.post(f"{at}/mcp", headers=ours | {"origin": link}, content=b"{}"),
        lambda it: it.post(f"{at}/mcp", headers=ours | {"mcp-session-id": TOKEN}, content=b"{}"),
        lambda it: it.post(f"{at}/messages/", params={"session_id": TOKEN}, headers=ours, content=TOKEN),
        lambda it: it.post(f"{at}/callbacks/{PASTED.replace('/', '')}", content=f"{TOKEN} {link}"),
        lambda it: it.get(f"{at}/nowhere/{TOKEN.replace('/', '')}", params={"a": link}),
    ]
    async with httpx.AsyncClient(trust_env=False, timeout=90) as client:
        for request in requests * 3:
            with suppress(httpx.TransportError):
                answers.append((await request(client)).text)


def processes() -> bytes:
    """The command lines of all processes."""
    lines: list[bytes] = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(each.read_bytes())
    return b"\n".join(lines)


def failures(answers: list[str]) -> list[str]:
    """The answers that tell no film, and so have no reason to hold a link."""
    return [each for each in answers if '"isError":true' in each or '"error":{' in each]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the process list is read from /proc")
async def test_after_everything_went_wrong_at_once_no_secret_is_anywhere(tmp_path: Path) -> None:
    link = f"http://127.0.0.1:9/f.mp4?_jwt={SIGNATURE}"
    wrongs, answers, rude = Wrongs(TOKEN, link, random.Random(7)), list[str](), list[str]()  # noqa: S311  no secret
    secrets = {"token": TOKEN, "access token": ACCESS, "link": SIGNATURE}
    # A caller's own words come back to it alone, in the next call.
    theirs = {"pasted link": PASTED, "callback": HOOK.partition("key=")[2]}
    async with wrong_upstream(wrongs) as url, program(tmp_path, url) as served, AsyncExitStack() as idle:
        async with anyio.create_task_group() as group:
            for number in range(CALLERS):
                group.start_soon(caller, served, number, answers)
            group.start_soon(stranger, served, rude)
            for _ in range(STRANGERS):
                at = httpx.URL(served.origin)
                await idle.enter_async_context(await anyio.connect_tcp(at.host, at.port or 0))
        listed = await anyio.to_thread.run_sync(processes)
        log = "".join(served.program.told).encode()
        files = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    log += "".join(served.program.told).encode()
    files |= {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    assert len(wrongs.met) > 15
    assert len(answers) > CALLERS * 20
    assert len(failures(answers)) > 20
    assert any(SIGNATURE in each for each in answers)
    assert b"useapi.net" in log
    assert any(each.name.startswith("ledger") for each in files)
    found = partial(found_in, secrets=secrets | theirs)
    assert not found(log)
    assert not found(listed)
    assert not {each.name: names for each, content in files.items() if (names := found(content))}
    found = partial(found_in, secrets=secrets)
    assert not [(each, names) for each in [*failures(answers), *rude] if (names := found(each.encode()))]
    del secrets["link"]
    assert not [(each, names) for each in answers if (names := found(each.encode()))]
