"""Download of a signed link to a file, complete or not at all."""

import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from runway_mcp.runway.answers import is_success, seconds_to_wait
from runway_mcp.runway.errors import NotFound, Unavailable, UnexpectedResponse
from runway_mcp.runway.exchange import Connections, LinkResponse

_DEAD = frozenset({401, 403, 404, 410})


async def save(connections: Connections, url: str, target: Path, *, now: Callable[[], float]) -> int:
    """Saves the file of a signed link as `target`, replacing an older file atomically; returns its length in bytes.

    Raises `NotFound` if the link has expired, `Unavailable` if the download failed or fell short, `UnexpectedResponse`
    for anything but a file, and `OSError` if the disk refuses. No message shows the link.
    """
    async with connections.open_link(url) as response:
        _check(response, now)
        with _whole_or_nothing(target) as part:
            # Written on the event loop: a chunk takes less time than a thread switch, and tests keep their virtual
            # clock.
            received = 0
            async for chunk in response.chunks:
                received += part.write(chunk)
            if response.length is not None and received != response.length:
                raise Unavailable(f"The download fell short: {received} of {response.length} bytes came.")
            if received == 0:
                raise UnexpectedResponse("The link leads to an empty file.", status=response.status)
    return received


def _check(response: LinkResponse, now: Callable[[], float]) -> None:
    if response.status in _DEAD:
        raise NotFound(
            f"The link has died (HTTP {response.status}); read its task or asset again for a fresh one.",
            status=response.status,
        )
    if response.status == 429 or 500 <= response.status < 600:  # noqa: PLR2004  too many requests, and the 5xx
        wait = seconds_to_wait(response.retry_after, now)
        raise Unavailable(f"The download failed (HTTP {response.status}).", status=response.status, retry_after=wait)
    if not is_success(response.status) or response.is_page:
        raise UnexpectedResponse(f"The link leads to no file (HTTP {response.status}).", status=response.status)


@contextmanager
def _whole_or_nothing(target: Path) -> Generator[BinaryIO, None, None]:
    """Opens a uniquely named part file beside `target`, which replaces the target only if nothing was raised."""
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
