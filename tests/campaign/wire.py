"""The way between a server process and the stand-in, with the troubles that only a transport can make.

A request that has left is handled by the stand-in whatever becomes of the process that sent it. Every POST is written
down with what the world made of it: that is the truth that a run is judged by.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from random import Random

import anyio
import httpx
from anyio.lowlevel import checkpoint
from starlette.applications import Starlette
from starlette.types import Message

from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.faults import ConnectionLost
from runway_mcp.simulator.records import Task
from runway_mcp.simulator.world import World
from tests.campaign.facts import Post
from tests.campaign.processes import Process

_BUSY = 429


POST: ContextVar[Post | None] = ContextVar("POST", default=None)
"""The POST that the stand-in is handling."""


class Accepted(list[Task]):
    """The world's list of accepted tasks, which tells `made` which POST of ours made which."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Post, Task]] = []

    def append(self, task: Task, /) -> None:
        super().append(task)
        post = POST.get()
        if post is not None:
            self.made.append((post, task))


class Broken(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, begun: bytes, error: Exception | None) -> None:
        self._begun = begun
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._begun
        if self._error is not None:
            raise self._error


@dataclass(frozen=True)
class Trouble:
    """What befalls one request: on its way there (`before`), or on the way back, after so many seconds.

    `unsent` tells that not a byte left.
    """

    name: str
    unsent: bool = False
    before: Callable[[], Exception] | None = None
    after: Callable[[], Exception] | None = None
    cut: bool = False
    garbled: bool = False
    there: float = 0.0
    back: float = 0.0


_UNSENT: tuple[tuple[str, Callable[[], Exception]], ...] = (
    ("connection refused", lambda: httpx.ConnectError("All connection attempts failed")),
    ("connection timed out", lambda: httpx.ConnectTimeout("")),
    ("proxy refused", lambda: httpx.ProxyError("502 Bad Gateway")),
)
_LOST: tuple[Callable[[], Exception], ...] = (
    lambda: httpx.ReadError("connection reset by peer"),
    lambda: httpx.RemoteProtocolError("Server disconnected without sending a response."),
    lambda: httpx.WriteError("broken pipe"),
    lambda: httpx.WriteTimeout(""),
)


def drawn(rng: Random) -> Trouble:
    """A trouble, each kind as likely as the next."""
    name, unsent = rng.choice(_UNSENT)
    lost = rng.choice(_LOST)
    return rng.choice(
        (
            Trouble(name, unsent=True, before=unsent),
            Trouble("reset before it arrived", before=lost),
            Trouble("reset after it was handled", after=lost),
            Trouble("answer cut", cut=True),
            Trouble("answer garbled", garbled=True),
            Trouble("late arrival", there=rng.uniform(1, 150)),
            Trouble("late answer", back=rng.uniform(1, 150)),
            Trouble("late arrival, answer lost", there=rng.uniform(1, 30), after=lost),
        )
    )


@dataclass(frozen=True)
class Answer:
    """What the stand-in answers, whole."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def carried(upstream: Starlette, request: httpx.Request) -> Answer:
    """Lets the stand-in handle a request; raises `ConnectionLost` where it drops the connection."""
    url, sent = request.url, [{"type": "http.request", "body": request.content, "more_body": False}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "server": (url.host, 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    heard: list[Message] = []

    async def receive() -> Message:
        if not sent:
            await anyio.sleep_forever()
        return sent.pop()

    async def send(message: Message) -> None:
        heard.append(message)

    await upstream(scope, receive, send)
    return Answer(heard[0]["status"], heard[0]["headers"], b"".join(part.get("body", b"") for part in heard[1:]))


@dataclass
class Traffic:
    """All that goes over the wire in one run: `odds` are those of trouble, for a POST and for a read, at this time."""

    world: World
    rng: Random
    odds: Callable[[bool], float]
    log: Callable[[str], None]
    posts: list[Post] = field(default_factory=list["Post"])
    met: Counter[str] = field(default_factory=Counter[str])
    under_way: set[asyncio.Task[Answer]] = field(default_factory=set["asyncio.Task[Answer]"])
    trap: Callable[[Process, str, Post], None] = lambda _process, _moment, _post: None

    def __post_init__(self) -> None:
        self.accepted = self.world.accepted = Accepted()
        self.upstream = create_app(self.world)

    def send(self, request: httpx.Request, there: float, post: Post | None) -> asyncio.Task[Answer]:
        """Hands a request to the stand-in, in a task that belongs to no process."""
        context = Context()
        context.run(POST.set, post)
        task = asyncio.get_running_loop().create_task(self._carry(request, there), context=context)
        self.under_way.add(task)
        task.add_done_callback(self._arrived, context=Context())
        return task

    async def _carry(self, request: httpx.Request, there: float) -> Answer:
        await anyio.sleep(there)
        try:
            return await carried(self.upstream, request)
        except ConnectionLost as error:
            raise httpx.ReadError("the connection was reset", request=request) from error

    def _arrived(self, task: asyncio.Task[Answer]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()


class Wire(httpx.AsyncBaseTransport):
    """What one server process sees of the network."""

    def __init__(self, traffic: Traffic, process: Process) -> None:
        self._traffic = traffic
        self._process = process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        traffic = self._traffic
        post = self._post(request) if request.method == "POST" else None
        trouble = Trouble("none")
        if traffic.rng.random() < traffic.odds(post is not None):
            trouble = drawn(traffic.rng)
            traffic.met[f"{'POST' if post else 'read'}: {trouble.name}"] += 1
        try:
            return await self._exchange(request, post, trouble)
        except Exception as error:
            if post:
                traffic.log(f"{self._process.name}: POST {post.number} ends in {error!r}")
            raise

    async def _exchange(self, request: httpx.Request, post: Post | None, trouble: Trouble) -> httpx.Response:
        traffic, rng = self._traffic, self._traffic.rng
        await anyio.sleep(rng.choice((0.0, 0.001, 0.05, 0.3)))
        if trouble.before is not None:
            if post and not trouble.unsent:
                post.departed = anyio.current_time()
            raise trouble.before()
        answer = traffic.send(request, trouble.there, post)
        if post:
            post.departed = anyio.current_time()
            traffic.log(f"{self._process.name}: POST {post.number} leaves ({trouble.name}): {post.body}")
            await self._moment("departure", post)
        response = await self._answer(request, answer)
        if post:
            traffic.log(f"{self._process.name}: POST {post.number} was answered {response.status}")
            await self._moment("acceptance", post)
        await self._silence(request, trouble.back or rng.choice((0.0, 0.001, 0.05, 0.3)))
        if trouble.after is not None:
            raise trouble.after()
        if post:
            await self._moment("answer", post)
        return self._spoilt(response, trouble, post)

    async def _answer(self, request: httpx.Request, answer: asyncio.Task[Answer]) -> Answer:
        """The stand-in's answer, within the time that the client gives it; the request goes on without the client."""
        done, _ = await asyncio.wait({answer}, timeout=_patience(request))
        if not done:
            raise httpx.ReadTimeout("", request=request)
        return answer.result()

    async def _silence(self, request: httpx.Request, seconds: float) -> None:
        patience = _patience(request)
        await anyio.sleep(min(seconds, patience))
        if seconds > patience:
            raise httpx.ReadTimeout("", request=request)

    def _spoilt(self, answer: Answer, trouble: Trouble, post: Post | None) -> httpx.Response:
        """The answer as it comes in, broken or whole."""
        rng, status, body = self._traffic.rng, answer.status, answer.body
        whole = not (trouble.garbled or trouble.cut)
        if status != 200:
            whose = (" by useapi.net" if b"busy executing" in body else " by Runway") if status == _BUSY else ""
            self._traffic.met[f"{'POST' if post else 'read'}: HTTP {status}{whose}"] += 1
        if post:
            post.refused = is_refusal(status)
            post.moderated = status == 422 or (status == 400 and whole and b"moderation" in body)
        if whole:
            return httpx.Response(status, headers=answer.headers, content=body)
        headers = [(name, value) for name, value in answer.headers if name != b"content-length"]
        if trouble.garbled:
            return httpx.Response(
                status, headers=[*headers, (b"content-encoding", b"gzip")], stream=Broken(b"garbled", None)
            )
        error = rng.choice((httpx.ReadError(""), httpx.RemoteProtocolError("peer closed connection")))
        begun = body[: rng.randrange(3000) % max(1, len(body))]
        return httpx.Response(status, headers=headers, stream=Broken(begun, error))

    def _post(self, request: httpx.Request) -> Post:
        traffic = self._traffic
        is_json = request.headers.get("content-type", "").startswith("application/json")
        body = json.loads(request.content) if is_json else dict(request.url.params)
        post = Post(len(traffic.posts), self._process.name, request.url.path, body)
        traffic.posts.append(post)
        return post

    async def _moment(self, name: str, post: Post) -> None:
        """Where a process may be struck; the await lets a frozen one stop here."""
        self._traffic.trap(self._process, name, post)
        await checkpoint()


def is_refusal(status: int) -> bool:
    """Whether a submit's answer is a no, if no task shows up; a 429 is one that asks to wait."""
    return status == 596 or (400 <= status < 500 and status not in (408, 425))


def _patience(request: httpx.Request) -> float:
    limits: dict[str, float | None] = request.extensions.get("timeout", {})
    return limits.get("read") or 60.0
