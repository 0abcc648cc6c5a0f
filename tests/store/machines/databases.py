"""Databases of a campaign: one server, or a primary with a standby that may take its place."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psycopg

from tests.kit.postgres import PostgresServer, running_postgres

Standby = Literal["synchronous", "asynchronous"]
"""Whether each COMMIT waits for the standby. One that does not is there to show that the judge sees what it forgets."""

_NAME = "s1"


@dataclass
class Databases:
    """The servers by which the database can be reached; the `primary` is the one that can be written to."""

    servers: tuple[PostgresServer, ...]
    primary: PostgresServer
    kind: Standby | None = None

    @property
    def url(self) -> str:
        """The URL of the primary, past every proxy."""
        return self.primary.url()

    @property
    def standby(self) -> PostgresServer:
        """The server that is not the primary."""
        return next(server for server in self.servers if server is not self.primary)

    def cut_link(self) -> None:
        """Takes the standby off the primary; where it is waited for, no COMMIT is confirmed from then on."""
        _set(self.standby, "primary_conninfo", "host=/nowhere")

    def promote(self) -> None:
        """Makes the standby the primary; what was it goes on, if it runs, but will not be followed any more."""
        self.standby.promote()
        self.primary = self.standby
        _set(self.primary, "synchronous_standby_names", "")

    def rebuild(self) -> None:
        """Makes the server that is not the primary its standby, from a new copy."""
        standby = self.standby
        standby.kill()
        standby.wipe()
        standby.copy(self.primary, _NAME)
        standby.start()
        self.wait_for_standby()

    def wait_for_standby(self) -> None:
        """Returns once the standby is there; makes each COMMIT wait for it if it is synchronous."""
        wanted = "async"
        if self.kind == "synchronous":
            wanted = "sync"
            _set(self.primary, "synchronous_standby_names", _NAME)
        _until(lambda: _row(self.primary, b"SELECT sync_state FROM pg_stat_replication") == (wanted,))


@contextmanager
def running_databases(*, standby: Standby | None) -> Generator[Databases]:
    """A database on one server, or on a primary and its standby."""
    with running_postgres() as server:
        if standby is None:
            yield Databases((server,), server)
            return
        with running_postgres(of=server, name=_NAME) as other:
            databases = Databases((server, other), server, standby)
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
