"""A film's file as a rule of `faults` spoils it."""

from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from runway_mcp.simulator.fault_injection import drop_connection
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.links.ranges import ServedFile, ranged

_PIECE = 64 * 1024


def spoilt(rule: LinkFault, file: ServedFile, request: Request) -> Response:
    """The answer to a request for the file, under a rule; `dead` is decided before."""
    simple = _without_the_file(rule, request)
    if simple is not None:
        return simple
    if rule.kind == "wrong_length":
        content = file.content[: rule.length].ljust(rule.length, b"\0")
        return Response(content, media_type=file.media_type, headers={"ETag": file.etag})
    if rule.kind == "endless":
        return StreamingResponse(_again_and_again(file.content), media_type=file.media_type)
    answer = ranged(_served(rule, file), request.headers, ranges=rule.kind != "no_ranges")
    if rule.kind == "wrong_range" and answer.status_code == 206:  # noqa: PLR2004  partial content
        return _one_further(answer)
    if rule.kind in {"slow", "stall", "cut"}:
        return _broken(rule, answer)
    return answer


def _without_the_file(rule: LinkFault, request: Request) -> Response | None:
    if rule.kind in {"dead", "status"}:
        return Response(status_code=rule.status)
    if rule.kind == "redirect":
        return RedirectResponse(rule.location or str(request.url), 302)
    if rule.kind == "wrong_type":
        return Response(rule.body, media_type=rule.content_type)
    return None


def _served(rule: LinkFault, file: ServedFile) -> ServedFile:
    if rule.kind == "etag":
        return ServedFile(file.content, file.media_type, rule.etag)
    if rule.kind == "changed":
        last = bytes([file.content[-1] ^ 0xFF]) if file.content else b""
        return ServedFile(file.content[:-1] + last, file.media_type, f'"changed-{file.etag.strip(chr(34))}"')
    return file


def _one_further(answer: Response) -> Response:
    unit, _, told = answer.headers["content-range"].partition(" ")
    span, _, size = told.partition("/")
    first, last = (int(each) + 1 for each in span.split("-"))
    answer.headers["content-range"] = f"{unit} {first}-{last}/{size}"
    return answer


def _broken(rule: LinkFault, answer: Response) -> Response:
    body = bytes(answer.body)
    if rule.kind == "cut":
        return _Cut(answer, body[: rule.after_bytes])
    pieces = _slowly(body, max(1, rule.after_bytes), rule.seconds) if rule.kind == "slow" else _stalling(rule, body)
    return StreamingResponse(pieces, answer.status_code, answer.headers)


class _Cut(Response):
    """An answer of which `kept` is sent before the connection is dropped."""

    def __init__(self, whole: Response, kept: bytes) -> None:
        super().__init__(kept, whole.status_code)
        self.raw_headers = whole.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends what is kept under the headers of the whole, and drops the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await drop_connection(scope, receive, reset=False)


async def _slowly(body: bytes, at_a_time: int, seconds: float) -> AsyncGenerator[bytes]:
    for start in range(0, len(body), at_a_time):
        yield body[start : start + at_a_time]
        await anyio.sleep(seconds)


async def _stalling(rule: LinkFault, body: bytes) -> AsyncGenerator[bytes]:
    yield body[: rule.after_bytes]
    await anyio.sleep_forever()


async def _again_and_again(content: bytes) -> AsyncGenerator[bytes]:
    while True:
        for start in range(0, len(content), _PIECE):
            yield content[start : start + _PIECE]
        await anyio.lowlevel.checkpoint()
