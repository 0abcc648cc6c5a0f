"""What `install` and `uninstall` do and say."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runway_mcp.install import records
from runway_mcp.install.changes import Change, Removal, made_folders, planned, record_of, without
from runway_mcp.install.entries import Entry, entries_in, has_question
from runway_mcp.install.files import Content, digest, lock_of, read, remove_empty, taken_back, without_copy, write
from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.host_status import standings
from runway_mcp.install.hosts import HOSTS, QUESTION, TOKEN, Host, Machine, configuration, passed
from runway_mcp.install.launcher import PACKAGE, Launcher, LauncherError, fetch, find_launchers, is_absent, is_cached
from runway_mcp.install.shown import masked, shown
from runway_mcp.install.tokens import token_of

_PIPED_SECONDS = 15.0
_SPARE_SECONDS = 1.0
_INTERRUPTED = 130


class InstallError(Exception):
    """A configuration was left as it is; the message is one line that says why, `code` the exit code."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.code = code


@dataclass(frozen=True)
class Surroundings:
    """What the commands work with: the machine, the data folder, where lines go, who is asked, what is started.

    `ask` is given a question and returns the answer, which it does not show; None where nobody can be asked. `piped`
    is given a number of seconds and returns the line that comes on stdin within them, empty if none does.
    """

    machine: Machine
    data_dir: Path
    say: Callable[[str], None]
    ask: Callable[[str], str] | None
    launchers: Callable[[], list[Launcher]]
    is_cached: Callable[[Launcher], bool]
    is_absent: Callable[[Launcher], bool]
    fetch: Callable[[Launcher], None]
    piped: Callable[[float], str] | None = None


def surroundings(
    data_dir: Path,
    say: Callable[[str], None],
    ask: Callable[[str], str] | None = None,
    piped: Callable[[float], str] | None = None,
) -> Surroundings:
    """Those of this machine."""
    machine = Machine.here(os.environ)
    launchers = partial(find_launchers, machine.environ, machine.home)
    return Surroundings(machine, data_dir, say, ask, launchers, is_cached, is_absent, fetch, piped)


def list_hosts(around: Surroundings) -> None:
    """Tells which hosts are on this machine, where their configurations lie and whether the server is in them."""
    found = standings(around.machine)
    if not found:
        around.say(f"No host was found on this machine. `{PACKAGE} install HOST` takes: {', '.join(HOSTS)}")
        return
    widths = [
        max(len(row) for row in column) for column in zip(*((s.host.id, s.host.title) for s in found), strict=True)
    ]
    for each in found:
        entry = "not installed" if each.name is None else f"{each.name} {each.version or '(no version named)'}"
        told = f"{entry}: {each.trouble}" if each.trouble and each.name else each.trouble or entry
        around.say(f"{each.host.id:<{widths[0]}}  {each.host.title:<{widths[1]}}  {each.file}  {told}")
    around.say(f"`{PACKAGE} install HOST` registers the server in one of them.")


def install(name: str, around: Surroundings, *, print_only: bool) -> None:
    """Registers the server in a host: fetches what it needs, shows the change, then writes it.

    With `print_only` it is shown alone, and nothing is fetched. Raises `InstallError` with nothing changed.
    """
    host = HOSTS[name]
    file = configuration(host, around.machine)
    with _left_alone(file):
        try:
            change, token = _prepared(host, read(file), around, print_only=print_only)
        except KeyboardInterrupt:
            raise InstallError(f"{file} was left as it is: interrupted", _INTERRUPTED) from None
        around.say(f"{host.title}: {change.content.file}")
        for line in _change_lines(change, token):
            around.say(f"  {line}")
        if not change.steps:
            around.say("Nothing to change.")
        elif not print_only:
            _carry_out(change, around)


def _prepared(host: Host, content: Content, around: Surroundings, *, print_only: bool) -> tuple[Change, str]:
    """The change that is to be made, with its token; what it starts is on this machine then, unless it only prints."""
    launchers = around.launchers()
    more = passed(host, around.machine.environ)
    first = planned(host, content, launchers[0], more=more)
    token = _token(host, first, around, print_only=print_only)
    there = next((each for each in launchers if not planned(host, content, each, token, more).steps), None)
    choose = _foreseen if print_only else _fetched
    return planned(host, content, there or choose(launchers, content, around), token, more), token


def uninstall(name: str, around: Surroundings, *, print_only: bool = False) -> None:
    """Takes back exactly what `install` added to a host; raises `InstallError` with nothing changed.

    With `print_only` the change is shown alone. What a person wrote stays, and is told.
    """
    host = HOSTS[name]
    file = configuration(host, around.machine)
    record = records.load(around.data_dir, name)
    if record and os.path.exists(record.file):  # noqa: PTH110  False where one may not look
        file = Path(record.file)
    with _left_alone(file):
        content = read(file)
        removal = without(host, content, record)
        if print_only:
            for line in _removal_lines(host, removal):
                around.say(line)
            return
        if removal.steps:
            is_narrowed = record is not None and not content.is_open and not (removal.left and removal.left.secrets)
            taken_back(content, removal.text, record.mode if record and is_narrowed else None)
        leftover = _clear(content, removal, record)
        for line in _removed_lines(host, removal, leftover):
            around.say(line)
        try:
            records.forget(around.data_dir, name)
        except OSError as error:
            around.say(f"The record of it in {around.data_dir} cannot be removed: {error.strerror}.")


@contextmanager
def _left_alone(file: Path) -> Generator[None]:
    """Tells what went wrong as one line that says that nothing was changed."""
    try:
        yield
    except LauncherError as error:
        raise InstallError(f"{error}. Nothing was written") from None
    except ConfigurationError as error:
        raise InstallError(f"{file} was left as it is: {error}") from None


def _token(host: Host, change: Change, around: Surroundings, *, print_only: bool) -> str:
    """The token for the entry: from the environment, else from stdin, else from the person if the entry has none.

    Empty without one.
    """
    if host.secret != "entry":  # noqa: S105  a way, not a secret
        return ""
    given = around.machine.environ.get(TOKEN, "")
    if not (given.strip() or print_only):
        if around.piped:
            given = around.piped(_SPARE_SECONDS if change.has_token else _PIPED_SECONDS)
        elif around.ask and not change.has_token:
            file = change.content.file
            try:
                given = around.ask(f"Your useapi.net API token, not shown (Enter to put it into {file} later): ")
            except EOFError:
                raise ConfigurationError("the question for the token was not answered") from None
    token = token_of(given)
    for note in token.notes:
        around.say(note)
    return token.text


def _foreseen(launchers: Sequence[Launcher], _content: Content, around: Surroundings) -> Launcher:
    """The launcher that `_fetched` would return if the network is there; fetches nothing."""
    here = next((launcher for launcher in launchers if around.is_cached(launcher)), None)
    if here:
        return here
    return next((launcher for launcher in launchers[:-1] if not around.is_absent(launcher)), launchers[-1])


def _fetched(launchers: Sequence[Launcher], content: Content, around: Surroundings) -> Launcher:
    """The first launcher whose packages are here, else the first whose can be had, if the file can be written at all.

    Raises the error of the first launcher if there is none.
    """
    locked = lock_of(content.file)
    if locked:
        raise ConfigurationError(locked)
    here = next((launcher for launcher in launchers if around.is_cached(launcher)), None)
    if here:
        return here
    first: LauncherError | None = None
    for launcher in launchers:
        around.say(f"Fetching {launcher.args[1]}, so that the host's first start waits for nothing ...")
        try:
            around.fetch(launcher)
        except LauncherError as error:
            first = first or error
            if not error.is_absent:
                break
        else:
            return launcher
    raise first or LauncherError("there is nothing to start")


def _carry_out(change: Change, around: Surroundings) -> None:
    host = change.host
    earlier = records.load(around.data_dir, host.id)
    record = record_of(change, earlier)
    try:
        records.save(around.data_dir, host.id, record)
    except OSError as error:
        raise ConfigurationError(f"{around.data_dir} cannot be written: {error.strerror}") from None
    try:
        backup = write(change.content, change.text, change.mode)
    except ConfigurationError:
        if earlier:
            records.save(around.data_dir, host.id, earlier)
        else:
            records.forget(around.data_dir, host.id)
        raise
    around.say("Written." if backup is None else f"Written. What was there before: {backup}")
    missing = "" if change.has_token else f"put your token into {TOKEN} of the entry; "
    around.say(f"Next: {missing}{host.next}. `{PACKAGE} uninstall {host.id}` takes all of this back.")


def _change_lines(change: Change, token: str) -> Iterator[str]:
    yield from shown(change.steps, [token, *_secrets(change.host, change.content.text)])
    if change.mode is not None and change.content.mode is not None:
        yield f"mode {change.content.mode:04o} becomes {change.mode:04o}: a token is nobody else's to read"


def _removal_lines(host: Host, removal: Removal) -> Iterator[str]:
    """What `uninstall` would change, and what would stand then."""
    yield f"{host.title}: {removal.content.file}"
    for line in shown(removal.steps, _secrets(host, removal.content.text)):
        yield f"  {line}"
    if removal.is_last:
        yield "The file would be removed."
    elif removal.left:
        yield _left(removal.left)
    elif not removal.steps:
        yield "Nothing to change."


def _removed_lines(host: Host, removal: Removal, leftover: Path | None) -> Iterator[str]:
    """What `uninstall` did, and what stands now."""
    where = f"{host.title}: {removal.content.file}"
    if removal.is_last:
        yield f"{where} was removed again."
    elif removal.left:
        yield f"{where} " + ("has again what stood there." if removal.steps else "was left as it is.")
        yield _left(removal.left)
    else:
        yield f"{where} " + ("has it no more." if removal.steps else "has nothing of this program.")
    if removal.steps and removal.text and has_question(host, removal.text):
        yield f"The input {QUESTION['id']} stays there: it was there before, or another server uses it."
    if removal.steps and host.secret != "entry":  # noqa: S105  a way, not a secret
        yield f"The token that you gave {host.title} stays among its secrets; remove it there."
    if leftover:
        yield f"{leftover} is not the copy that was made last; it stays."


def _left(entry: Entry) -> str:
    words = masked(" ".join(entry.words), entry.secrets)
    return (
        f"Its entry {entry.name} (`{words}`) was not written by `install` and stays; remove it by hand if it shall go."
    )


def _clear(content: Content, removal: Removal, record: records.Record | None) -> Path | None:
    """Removes the copy of a configuration and the folders that were made for it; returns a copy that is not ours."""
    after = removal.text
    ours = {record.copy if record else "", content.digest, "" if after is None else digest(content.encoded(after))}
    leftover = without_copy(content.file, ours)
    if removal.is_last:
        remove_empty(made_folders(record, content))
    return leftover


def _secrets(host: Host, text: str) -> list[str]:
    return [secret for entry in entries_in(host, text) for secret in entry.secrets]
