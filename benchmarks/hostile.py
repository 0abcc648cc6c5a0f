"""An upstream that means harm, in a process of its own: `python -m benchmarks.hostile endless` prints its port."""

import asyncio
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache

MIB = 2**20
TASK_ID = "user:1234-runwayml:ana@example.com-task:11111111-2222-4333-8444-555555555555"
ASSET_ID = TASK_ID.replace("-task:", "-asset:")
PREVIEWS = 1_000_000


def endless() -> Iterator[bytes]:
    """JSON without an end."""
    yield b'{"taskId": "'
    while True:
        yield b"x" * 65_536


@cache
def bomb() -> tuple[bytes, ...]:
    """A gigabyte of blanks in a megabyte of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return (*(packer.compress(b" " * MIB) for _ in range(1024)), packer.flush())


def large() -> Iterator[bytes]:
    """100 MB of JSON in one text."""
    yield b'[{"name": "'
    for _ in range(1600):
        yield b"x" * 65_536
    yield b'"}]'


def deep() -> Iterator[bytes]:
    """Lists in lists, just below the bound of an answer."""
    yield b"[" + (b"[" * 400 + b"]" * 400 + b",") * 630 + b"1]"


def previews() -> Iterator[bytes]:
    """A film with a million previews."""
    film = {"assetId": ASSET_ID, "taskId": TASK_ID, "name": "beach.mp4", "mediaType": "video"}
    yield json.dumps({**film, "status": "SUCCEEDED", "artifacts": [film]}).encode()[:-1] + b', "previewUrls": ['
    for _ in range(PREVIEWS // 1000):
        yield b'"https://cdn.example.com/a.jpg",' * 1000
    yield b'""]}'


def many() -> Iterator[bytes]:
    """As many tasks as the bound of a list has room for."""
    task = json.dumps({"taskId": TASK_ID, "status": "SUCCEEDED", "options": {"text_prompt": "x" * 40}}).encode()
    yield b"[" + b",".join([task] * (2 * MIB // (len(task) + 1) - 10)) + b"]"


KINDS: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "endless": (endless, ""),
    "a gzip bomb": (bomb, "Content-Encoding: gzip\r\n"),
    "100 MB": (large, ""),
    "deep": (deep, ""),
    "a million previews": (previews, ""),
    "as many tasks as fit": (many, ""),
}


async def serve(kind: str) -> None:
    """Answers every request with that body, until it is ended."""
    body, head = KINDS[kind]
    body()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n".encode())
            for part in body():
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
