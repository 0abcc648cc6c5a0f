"""An upstream that means harm, in a process of its own: `python -m benchmarks.hostile endless` prints its port.

`fair` is one that does not: it answers in the sizes that useapi.net answers in.
"""

import asyncio
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

MIB = 2**20
TASK_ID = "user:1234-runwayml:ana@example.com-task:11111111-2222-4333-8444-555555555555"
ASSET_ID = TASK_ID.replace("-task:", "-asset:")
PREVIEWS = 1_000_000


FAIR = "fair"
_TASKS, _ASSETS, _VALUES = 100, 50, 90_000


def _film(number: int = 0) -> dict[str, Any]:
    at = f"{number:012d}"
    metadata = {"duration": 10.0, "width": 1280, "height": 768}
    film = {"assetId": ASSET_ID, "taskId": TASK_ID, "mediaType": "video", "name": f"the beach, part {number}.mp4"}
    link = f"https://cdn.example.com/{at}.mp4?_jwt={'x' * 300}"
    return {**film, "url": link, "previewUrls": [link] * 4, "metadata": metadata, "createdAt": "2027-01-15T07:00:00Z"}


def _task(number: int = 0) -> dict[str, Any]:
    options = {"text_prompt": f"the camera rises over the dunes {number} " + "and on " * 20, "seconds": 5, "seed": 7}
    told = {"taskId": TASK_ID, "status": "SUCCEEDED", "taskType": "gen3a_turbo", "options": options}
    return {**told, "createdAt": "2027-01-15T07:00:00Z", "artifacts": [_film(number)]}


def fair(request: bytes) -> Iterator[bytes]:
    """What useapi.net tells of an account with many films."""
    path = request.split(b" ", 2)[1].decode().partition("?")[0].removeprefix("/v1/runwayml")
    lists = {"/tasks/": [_task(each) for each in range(_TASKS)], "/assets/": [_film(each) for each in range(_ASSETS)]}
    one = _task() if path.startswith("/tasks/") else _film() if path.startswith("/assets/") else {}
    yield json.dumps([] if path == "/scheduler/" else lists.get(path, one)).encode()


def endless(_request: bytes) -> Iterator[bytes]:
    """JSON without an end."""
    yield b'{"taskId": "'
    while True:
        yield b"x" * 65_536


@cache
def _gigabyte() -> tuple[bytes, ...]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return (*(packer.compress(b" " * MIB) for _ in range(1024)), packer.flush())


def bomb(_request: bytes) -> Iterable[bytes]:
    """A gigabyte of blanks in a megabyte of gzip."""
    return _gigabyte()


def large(_request: bytes) -> Iterator[bytes]:
    """100 MB of JSON in one text."""
    yield b'[{"name": "'
    for _ in range(1600):
        yield b"x" * 65_536
    yield b'"}]'


def deep(_request: bytes) -> Iterator[bytes]:
    """Lists in lists, just below the bound of an answer."""
    yield b"[" + (b"[" * 400 + b"]" * 400 + b",") * 630 + b"1]"


def previews(_request: bytes) -> Iterator[bytes]:
    """A film with a million previews."""
    film = {"assetId": ASSET_ID, "taskId": TASK_ID, "name": "beach.mp4", "mediaType": "video"}
    yield json.dumps({**film, "status": "SUCCEEDED", "artifacts": [film]}).encode()[:-1] + b', "previewUrls": ['
    for _ in range(PREVIEWS // 1000):
        yield b'"https://cdn.example.com/a.jpg",' * 1000
    yield b'""]}'


def many(_request: bytes) -> Iterator[bytes]:
    """As many tasks as the bound of a list has room for."""
    task = json.dumps({"taskId": TASK_ID, "status": "SUCCEEDED", "options": {"text_prompt": "x" * 40}}).encode()
    yield b"[" + b",".join([task] * (2 * MIB // (len(task) + 1) - 10)) + b"]"


def numbers(_request: bytes) -> Iterator[bytes]:
    """As many numbers as an answer may hold, each under a name of its own."""
    yield b"{" + b",".join(b'"%d":%d.5e3' % (each, each) for each in range(_VALUES)) + b"}"


def escapes(_request: bytes) -> Iterator[bytes]:
    """Films whose names are nothing but escapes."""
    film = json.dumps(_film()).encode()
    yield b"[" + b",".join(film.replace(b"the beach", rb"\u3042\n\"\\\\" * 500) for _ in range(200)) + b"]"


def echoes(request: bytes) -> Iterator[bytes]:
    """The token that came with the request, spelled in another way, among as many texts as an answer may hold."""
    token = request.partition(b"Bearer ")[2].partition(b"\r\n")[0]
    spelled = b"".join(b"%%%02x" % byte for byte in token)
    yield b"[" + b",".join([b'"%s"' % spelled] * 2000 + [b'"%41\\u0041bcdefghi"'] * (_VALUES - 2000)) + b"]"


KINDS: dict[str, tuple[Callable[[bytes], Iterable[bytes]], str]] = {
    "JSON without an end": (endless, ""),
    "1 GB as a gzip bomb": (bomb, "Content-Encoding: gzip\r\n"),
    "100 MB in one text": (large, ""),
    "lists in lists": (deep, ""),
    "a million previews": (previews, ""),
    "as many tasks as the bound takes": (many, ""),
    "as many numbers": (numbers, ""),
    "names of escapes alone": (escapes, ""),
    "the token in another spelling": (echoes, ""),
    FAIR: (fair, ""),
}


async def serve(kind: str) -> None:
    """Answers every request with that body, until it is ended."""
    body, head = KINDS[kind]
    body(b"GET / HTTP/1.1")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n".encode())
            for part in body(request):
                writer.write(part)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
