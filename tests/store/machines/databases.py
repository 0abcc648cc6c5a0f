"""Databases of a campaign: one server, or a primary whose COMMITs wait for a standby that may take its place."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from tests.kit.postgres import PostgresServer, running_postgres

_NAME = "s1"


@dataclass
class Databases:
    """The servers by which the database can be reached; the `primary` is the one that can be written to."""

    servers: tuple[PostgresServer, ...]
    primary: PostgresServer

    @property
    def url(self) -> str:
        """The URL of the primary, past every proxy."""
        return self.primary.url()

    @property
    def standby(self) -> PostgresServer:
        """The server that is not the primary."""
        return next(server for server in self.servers if server is not self.primary)

    def cut_link(self) -> None:
        """Takes the standby off the primary, so that no COMMIT is confirmed."""
        _set(self.standby, "primary_conninfo", "host=/nowhere")

    def promote(self) -> None:
        """Makes the standby the primary; what was it goes on, if it runs, but will not be followed any more."""
        self.standby.promote()
        self.primary = self.standby
        _set(self.primary, "synchronous_standby_names", "")

    def rebuild(self) -> None:
        """Makes the server that is not the primary its standby, from a new copy, for which each COMMIT waits."""
        standby = self.standby
        standby.kill()
        standby.wipe()
        standby.copy(self.primary, _NAME)
        standby.start()
        self.wait_for_standby()

    def wait_for_standby(self) -> None:
        """Makes each COMMIT wait for the standby; returns once one can."""
        _set(self.primary, "synchronous_standby_names", _NAME)
        query = b"SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication"
        _until(lambda: _row(self.primary, query) == (True,))


@contextmanager
def running_databases(*, with_standby: bool) -> Generator[Databases]:
    """A database on one server, or on a primary and its synchronous standby."""
    with running_postgres() as server:
        if not with_standby:
            yield Databases((server,), server)
            return
        with running_postgres(of=server, name=_NAME) as standby:
            databases = Databases((server, standby), server)
            databases.wait_for_standby()
            yield databases


def _set(server: PostgresServer, name: str, value: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        admin.execute("SELECT pg_reload_conf()")


def _row(server: PostgresServer, query: bytes) -> tuple[object, ...] | None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        return connection.execute(query).fetchone()


def _until(is_so: Callable[[], bool]) -> None:
    """Returns once it is so; raises TimeoutError after half a minute."""
    for _ in range(600):
        with suppress(psycopg.OperationalError):
            if is_so():
                return
        # Nothing tells from outside when a standby has caught up.
        threading.Event().wait(0.05)
    raise TimeoutError
