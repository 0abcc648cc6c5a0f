"""A machine on which nothing is started and nobody is asked, with what the commands said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runway_mcp.install.command import Surroundings, install, list_hosts, uninstall
from runway_mcp.install.hosts import HOSTS, Machine, System, configuration
from runway_mcp.install.launcher import Launcher, LauncherError, uvx_launcher

UVX = "/opt/uv/bin/uvx"
SECRET = "user:1234-hunter2"


@dataclass
class Desk:
    """A home folder, the launchers that were found there, and the packages that cannot be had."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    launchers: list[Launcher] = field(default_factory=lambda: [uvx_launcher(UVX)])
    unavailable: set[str] = field(default_factory=set[str])
    is_absent: bool = False
    answer: str | None = None
    piped: str | None = None
    ask: Callable[[str], str] | None = None
    system: System = "linux"
    said: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])
    fetched: list[Launcher] = field(default_factory=list[Launcher])
    cached: set[str] = field(default_factory=set[str])
    at_fetch: Callable[[], None] = lambda: None

    @property
    def machine(self) -> Machine:
        return Machine(self.system, self.home, self.environ)

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    def file(self, host: str) -> Path:
        return configuration(HOSTS[host], self.machine)

    def put(self, host: str, content: bytes | None) -> Path:
        """The file of a host with that content, or none."""
        file = self.file(host)
        if content is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return file

    def install(self, host: str, *, print_only: bool = False) -> str:
        """What it said."""
        del self.said[:]
        install(host, self._around(), print_only=print_only)
        return "\n".join(self.said)

    def uninstall(self, host: str, *, print_only: bool = False) -> str:
        del self.said[:]
        uninstall(host, self._around(), print_only=print_only)
        return "\n".join(self.said)

    def hosts(self) -> str:
        del self.said[:]
        list_hosts(self._around())
        return "\n".join(self.said)

    def _around(self) -> Surroundings:
        ask = self.ask or (None if self.answer is None else self._ask)
        piped = None if self.piped is None else self._piped
        started = (lambda: self.launchers, self._is_cached, self._is_absent, self._fetch)
        return Surroundings(self.machine, self.data_dir, self.said.append, ask, *started, piped)

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answer or ""

    def _piped(self, _seconds: float) -> str:
        return self.piped or ""

    def _is_cached(self, launcher: Launcher) -> bool:
        return not launcher.args or launcher.args[1] in self.cached

    def _is_absent(self, launcher: Launcher) -> bool:
        return self.is_absent and launcher.args[1] in self.unavailable

    def _fetch(self, launcher: Launcher) -> None:
        self.at_fetch()
        self.fetched.append(launcher)
        if launcher.args and launcher.args[1] in self.unavailable:
            raise LauncherError(f"{launcher.args[1]} cannot be fetched: no network", is_absent=self.is_absent)


def bytes_of(file: Path) -> bytes | None:
    """What a file holds, None if there is none."""
    return file.read_bytes() if file.exists() else None


def tree(folder: Path) -> dict[str, bytes | None]:
    """All files and folders below one, with what the files hold."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
