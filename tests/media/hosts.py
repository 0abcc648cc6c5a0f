"""Hosts of films on loopback, and a network on which names lie at public addresses that lead to them."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import httpcore

from runway_mcp.media.fetch.client import Limits, Links, open_links
from runway_mcp.media.fetch.network import Stream
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.links.faults import LinkFault, LinkFaultKind
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World

PUBLIC = "52.84.0.1"
"""An address that is public; on a `Network` it leads wherever a test says."""

LIMIT = 60.0
QUICK = Limits(connect_seconds=20.0, silence_seconds=5.0, whole_seconds=50.0, most_bytes=10**7)


async def at_once(_: float) -> None:
    """A pause that takes no time."""
    await anyio.lowlevel.checkpoint()


@dataclass
class RawHost:
    """A host that gives each request the next of its answers as raw bytes, and hangs up after it."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list[bytes])


@asynccontextmanager
async def raw_host(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncGenerator[RawHost]:
    """A raw host on a port of 127.0.0.1; the last answer is given again and again."""
    host = RawHost()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers[min(len(host.heads), len(answers)) - 1])
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        host.port = server.sockets[0].getsockname()[1]
        yield host


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """An HTTP answer with its length."""
    told = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def raw_links(*answers: bytes) -> AsyncGenerator[tuple[str, RawHost, Links]]:
    """A link to a raw host on loopback, that host, and a client that may reach it."""
    with anyio.fail_after(LIMIT):
        async with raw_host(*answers) as host:
            origin = f"http://127.0.0.1:{host.port}"
            async with opened_links(origin, Network()) as links:
                yield f"{origin}/f.mp4", host, links


@dataclass
class Network:
    """Names with their addresses, and addresses with the port of 127.0.0.1 to which they lead; notes what is dialled.

    A name with several lists of addresses gives the next one each time it is resolved.
    """

    names: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    routes: dict[str, int] = field(default_factory=dict[str, int])
    dialled: list[str] = field(default_factory=list[str])
    ports: set[int] = field(default_factory=set[int])

    async def resolve(self, host: str, _: int) -> Iterable[str]:
        """The addresses of a name; a literal address is its own."""
        answers = self.names.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def dial(self, address: str, port: int, seconds: float | None) -> Stream:
        """Connects, where the address leads anywhere; loopback leads to itself."""
        self.dialled.append(address)
        self.ports.add(port)
        local = port if address == "127.0.0.1" else self.routes.get(address)
        if local is None:
            raise httpcore.ConnectError
        backend: httpcore.AsyncNetworkBackend = httpcore.AnyIOBackend()  # pyright: ignore[reportAssignmentType]  the stub of a missing anyio
        return await backend.connect_tcp("127.0.0.1", local, timeout=seconds)


@dataclass
class FilmHost:
    """The stand-in with one film; `rules`, its faults of links, spoil the next requests."""

    world: World
    asset: Asset
    origin: str
    rules: list[LinkFault]

    @property
    def content(self) -> bytes:
        """The film."""
        assert self.asset.content is not None
        return self.asset.content

    def spoil(self, kind: LinkFaultKind, **more: object) -> None:
        """Spoils the next request, or as many as `times` says."""
        self.rules.append(replace(LinkFault(kind), **more))  # pyright: ignore[reportArgumentType]  fields by name

    def link(self) -> str:
        """A fresh link to the film."""
        token = self.world.signer.sign(self.asset.uuid, self.world.wall_at(self.world.now()) + 1000)
        return f"{self.origin}/files/{self.asset.uuid}.mp4?_jwt={token}"

    async def fresh_link(self) -> str:
        """A fresh link, as a task gives one when it is read again."""
        return self.link()


@asynccontextmanager
async def film_host(content: bytes) -> AsyncGenerator[FilmHost]:
    """The stand-in on a socket, with a film of this content."""
    world = small_world()
    asset = world.assets[0]
    asset.film, asset.content = None, content
    async with running(world) as url:
        yield FilmHost(world, asset, url.removesuffix("/v1/runwayml"), world.link_faults)


def opened_links(origin: str | None, network: Network, limits: Limits = QUICK) -> AbstractAsyncContextManager[Links]:
    """A client on the network that may reach the stand-in at `origin`; it trusts no certificate, which is quick."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return open_links(allowed_origin=origin, limits=limits, resolve=network.resolve, dial=network.dial, tls=tls)


@asynccontextmanager
async def host_and_links(
    content: bytes, *, limits: Limits = QUICK, network: Network | None = None
) -> AsyncGenerator[tuple[FilmHost, Links]]:
    """A film host, and a client that may reach it; what is done with them takes at most `LIMIT` seconds."""
    used = network or Network()
    with anyio.fail_after(LIMIT):
        async with (
            film_host(content) as host,
            opened_links(host.origin, used, limits) as links,
        ):
            yield host, links
