"""Bodies of answers, decoded within a bound of bytes."""

import zlib
from collections.abc import AsyncIterable

from anyio.lowlevel import checkpoint

LARGEST = 512 * 1024
"""The most decoded bytes of an answer, but of a list."""

LARGEST_LIST = 2 * 1024 * 1024
"""The most decoded bytes of a list of tasks or assets."""

_MOST_CHUNKS = 20_000
_PLAIN = frozenset({"", "identity"})
_DEFLATED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Undecodable(Exception):  # noqa: N818  an error is named after the fact, without a suffix
    """The body is not encoded as its header says, or in a coding that was not asked for and is not read."""


async def body_within(chunks: AsyncIterable[bytes], coding: str, largest: int) -> bytes | None:
    """The decoded body; None as soon as it is known to be larger than `largest` bytes.

    `coding` is the Content-Encoding: none is asked for, and gzip and deflate are read all the same. Neither what came
    nor what it decodes to ever takes much more memory than `largest`. More than 20,000 chunks count as larger. Raises
    `Undecodable`.
    """
    came, count = bytearray(), 0
    async for chunk in chunks:
        came += chunk
        count += 1
        if len(came) > largest or count > _MOST_CHUNKS:
            return None
        # Thousands of tiny chunks can lie in one buffer, and none of them would let others run.
        await checkpoint()
    return _decoded(bytes(came), coding.strip().lower(), largest)


def _decoded(body: bytes, coding: str, largest: int) -> bytes | None:
    if coding in _PLAIN:
        return body
    if coding not in _DEFLATED:
        raise Undecodable(coding)
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        decoded = decoder.decompress(body, largest + 1)
    except zlib.error as error:
        raise Undecodable(coding) from error
    if len(decoded) > largest:
        return None
    if not decoder.eof:
        raise Undecodable(coding)
    return decoded
