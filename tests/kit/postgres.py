"""A real PostgreSQL server for tests, in a temporary folder: started at the first use, ended with the test run.

`RUNWAY_TEST_DATABASE_URL` names a server to use instead, in which every test makes a schema of its own.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
import pytest

SERVER_URL = "RUNWAY_TEST_DATABASE_URL"
"""The variable that names a server to use instead of one of our own."""

# Debian's programs, newest first; elsewhere those on the path.
_INSTALLED = Path("/usr/lib/postgresql")
_SECONDS = 30.0


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs; None if there is none."""
    versions = sorted(_INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = str(versions[0]) if versions else shutil.which("postgres")
    return Path(found).parent if found else None


def need_postgres() -> None:
    """Skips a test where there is no PostgreSQL, or fails it if `POSTGRES_TESTS=required`, as in CI."""
    if programs() is None:
        told = f"there is no PostgreSQL: install the package postgresql, or set {SERVER_URL}"
        if os.environ.get("POSTGRES_TESTS") == "required":
            pytest.fail(told)
        pytest.skip(told)


def _program(name: str) -> str:
    folder = programs()
    if folder is None:
        raise RuntimeError("there is no PostgreSQL")
    return str(folder / name)


@dataclass
class PostgresServer:
    """A server in `folder`, on a unix socket alone; it can be stopped and started while tests look on."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The socket's path."""
        return self.folder / ".s.PGSQL.5432"

    def pid(self) -> int:
        """Its process, of which all its other ones are children."""
        return int((self.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])

    def url(self, **parameters: str) -> str:
        """A URL of its database; `parameters` are added to it."""
        return url_with(f"postgresql://postgres@/postgres?host={quote(str(self.folder))}", **parameters)

    def create(self) -> None:
        """Makes the server's files, of a user that is not root, as initdb wants."""
        self._make("initdb", "--no-sync", "--auth", "trust", "--username", "postgres", "--locale", "C", "-E", "UTF8")

    def copy(self, primary: "PostgresServer", name: str) -> None:
        """Makes the server's files those of a standby of that name of a running server."""
        source = f"host={primary.folder} user=postgres application_name={name}"
        self._make("pg_basebackup", "--no-sync", "--checkpoint", "fast", "--write-recovery-conf", "--dbname", source)

    def wipe(self) -> None:
        """Removes the server's files; it must not run."""
        shutil.rmtree(self.folder / "data")

    def promote(self) -> None:
        """Makes a running standby a server that can be written to."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def _make(self, program: str, *options: str) -> None:
        command = [_program(program), *options, "--pgdata", str(self.folder / "data")]
        made = subprocess.run(  # noqa: S603  PostgreSQL's own program
            command, check=False, capture_output=True, cwd=self.folder, timeout=120, user=_user(), group=_group()
        )
        if made.returncode:
            raise RuntimeError(f"{program} failed: {made.stderr.decode(errors='replace')}")

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        settings: Mapping[str, str] = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            # A process that is killed loses nothing by these; only a machine would.
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", str(self.folder / "data"), *options]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  PostgreSQL's own program
                command, stdout=log, stderr=log, cwd=self.folder, user=_user(), group=_group()
            )
        self._process = process
        self._wait_until_ready(process)

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Ends it: connections are cut, or, if it is immediate, even the buffers are left as they are."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Ends it as the loss of its machine would: all its processes at once."""
        process, self._process = self._process, None
        if process is not None:
            children = _children(process.pid)
            process.kill()
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.wait(_SECONDS)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        for _ in range(int(_SECONDS / 0.02)):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url(connect_timeout="2")):
                return
            # No event tells from outside when a server is ready; its end does.
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                break
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")


def _children(pid: int) -> list[int]:
    """The processes that a process has begun; none where the system does not tell, as they end by themselves soon."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def url_with(url: str, **parameters: str) -> str:
    """The URL with further parameters."""
    added = "&".join(f"{name}={quote(value)}" for name, value in parameters.items())
    return f"{url}{'&' if '?' in url else '?'}{added}" if added else url


@contextmanager
def running_postgres(*, of: PostgresServer | None = None, name: str = "") -> Generator[PostgresServer]:
    """A server in a folder of its own, with a name that is short enough for a socket; a standby of another one."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        if user := _user():
            shutil.chown(folder, user)
        server = PostgresServer(folder)
        if of is None:
            server.create()
        else:
            server.copy(of, name)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_schema(url: str, **settings: str) -> Generator[str]:
    """A URL of the same database with a schema of its own, which is dropped afterwards, and with these settings."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    try:
        options = {"search_path": name} | settings
        yield url_with(url, options=" ".join(f"-c{setting}={value}" for setting, value in options.items()))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def _user() -> str | None:
    """The user as whom a program is started that root may not run; None if we are not root."""
    return "nobody" if os.geteuid() == 0 else None


def _group() -> str | None:
    """The group that goes with `_user`."""
    return None if _user() is None else "nogroup"
