"""A way to a PostgreSQL server that is cut where a client says COMMIT, or that carries nothing for a while."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

import anyio
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Cut = Literal["before", "after", "frozen"]
"""The server has not heard the COMMIT; it has carried it out without the client hearing so; it hears it late."""

_MOST, _END_SECONDS = 65_536, 5.0
_COMMIT = b"COMMIT\0"
"""As it stands on the wire; `READ COMMITTED` is something else."""


@dataclass
class Way:
    """The way to a server, as `conninfo` names it; `done` is set once a connection was cut or frozen.

    A frozen one goes on once `thawed` is set. While it is not `flowing`, nothing is carried, and nobody is told so.
    """

    conninfo: str
    thawed: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    flowing: anyio.Event = field(default_factory=anyio.Event)
    is_shut: bool = False
    _ends: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _cut: Cut | None = None
    _spared: int = 0
    _then: Callable[[], None] | None = None

    def cut_next(self, cut: Cut, *, spared: int = 0, then: Callable[[], None] | None = None) -> None:
        """Cuts the connection whose client is the next to say COMMIT, but for the first `spared` ones; then acts."""
        self._cut, self._spared, self._then, self.done = cut, spared, then, anyio.Event()

    def cut_of(self, chunk: bytes) -> Cut | None:
        """What is to be done with what a client says."""
        if self._cut is None or _COMMIT not in chunk:
            return None
        if self._spared:
            self._spared -= 1
            return None
        cut, self._cut = self._cut, None
        return cut

    def end(self) -> None:
        """Tells that a connection was cut."""
        if self._then is not None:
            self._then()
        self.done.set()

    @property
    def port(self) -> str:
        """The port of this machine at which it begins."""
        return str(conninfo_to_dict(self.conninfo)["port"])

    @contextmanager
    def carried(self, *ends: asyncio.StreamWriter) -> Generator[None]:
        """Counts both ends of a connection among those that `drop` ends, and closes them."""
        self._ends.update(ends)
        try:
            yield
        finally:
            self._ends.difference_update(ends)
            for end in ends:
                end.close()

    def drop(self) -> None:
        """Resets all connections."""
        for end in self._ends:
            end.transport.abort()

    def shut(self) -> None:
        """Resets all connections, and refuses new ones until `reopen`."""
        self.is_shut = True
        self.drop()

    def hold(self) -> None:
        """Carries nothing until `reopen`, while connections stay open and new ones are taken."""
        if self.flowing.is_set():
            self.flowing = anyio.Event()

    def reopen(self) -> None:
        """Carries again, what was held included."""
        self.is_shut = False
        self.flowing.set()


@asynccontextmanager
async def open_way(url: str) -> AsyncGenerator[Way]:
    """A way to the server of that URL, by a port of this machine."""
    with psycopg.connect(url) as connection:
        host, port = connection.info.host, connection.info.port

    carrying = set[asyncio.Task[None] | None]()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrying.add(asyncio.current_task())
        try:
            if way.is_shut:
                raise ConnectionRefusedError
            from_server, to_server = await _connected(host, port)
        except OSError:
            writer.close()
            return
        with way.carried(writer, to_server):
            answers = asyncio.create_task(_copied(way, from_server, writer))
            try:
                await _carry(way, reader, to_server, from_server, answers)
            finally:
                answers.cancel()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    own = server.sockets[0].getsockname()[1]
    way = Way(make_conninfo(url, host="127.0.0.1", port=own, sslmode="disable", gssencmode="disable"))
    way.flowing.set()
    async with server:
        yield way
        way.reopen()
        # They end with their clients, which have gone by now.
        await asyncio.wait([task for task in carrying if task], timeout=_END_SECONDS)


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def _carry(
    way: Way,
    reader: asyncio.StreamReader,
    to_server: asyncio.StreamWriter,
    from_server: asyncio.StreamReader,
    answers: asyncio.Task[None],
) -> None:
    """Carries what a client says, until it or the connection ends."""
    while chunk := await _received(reader):
        await way.flowing.wait()
        cut = way.cut_of(chunk)
        if cut == "frozen":
            way.end()
            await way.thawed.wait()
            cut = None
        if cut == "after":
            # From here on the client hears nothing; the server's answer tells that it is done.
            answers.cancel()
            await asyncio.wait([answers])
        if cut != "before":
            to_server.write(chunk)
        if cut == "after":
            await _received(from_server)
        if cut:
            way.end()
            return


async def _copied(way: Way, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await _received(source):
        await way.flowing.wait()
        target.write(chunk)
    target.close()


async def _received(stream: asyncio.StreamReader) -> bytes:
    """What comes next; nothing once the stream has ended."""
    try:
        return await stream.read(_MOST)
    except ConnectionError:
        return b""
