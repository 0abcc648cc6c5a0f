"""A host of one film in a process of its own: `python -m benchmarks.film_host --bytes 200000000` prints its port."""

import argparse
import asyncio
import sys
from contextlib import suppress

_PIECE = 2**20


def film(size: int) -> bytes:
    """A film of so many bytes that consists of whole boxes and holds no picture."""
    head = (28).to_bytes(4) + b"ftypisom\0\0\2\0isomiso2mp41" + (16).to_bytes(4) + b"moov" + bytes(8)
    return head + (size - len(head)).to_bytes(4) + b"mdat" + bytes(size - len(head) - 8)


async def serve(size: int) -> None:
    """Answers every request with the whole film, until it is killed."""
    content = memoryview(film(size))
    told = f'HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\nETag: "film"\r\n\r\n'.encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(told)
            for start in range(0, size, _PIECE):
                writer.write(content[start : start + _PIECE])
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.film_host")
    parser.add_argument("--bytes", type=int, required=True)
    asyncio.run(serve(parser.parse_args().bytes))
