"""The callers of a hosted server: a TOML file of who may come in, by which token, and what each may do and spend."""

import hashlib
import logging
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from runway_mcp.settings import Settings
from runway_mcp.values import threshold

READ, SPEND = "read", "spend"
SCOPES: Final = (READ, SPEND)
"""What a caller may do; who may spend may also read."""

LARGEST_FILE: Final = 1_048_576
"""The largest file of callers, in bytes."""

_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_LINE: Final = re.compile(r"\(at (line \d+|end of document)\b[^()]*\)$")
_TOKEN_BYTES: Final = 32
_log = logging.getLogger(__name__)


Version = tuple[int, int, int] | None
"""What changes with the content of a file; None while there is no file."""


class CallersError(Exception):
    """A file of callers cannot be used; the message is one line that shows no value of it."""


@dataclass(frozen=True)
class Caller:
    """One caller: `scopes` are what he may do, `settings` those fields of `Settings` in which he differs.

    `subjects` are those whose tokens of the issuer are his; `useapi_token` is None where the server's is.
    """

    name: str
    scopes: frozenset[str]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    hashes: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    useapi_token: SecretStr | None = None


@dataclass(frozen=True)
class Callers:
    """Who may come in; `only_named` says that of the issuer's subjects the named ones may alone."""

    by_name: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    by_hash: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    by_subject: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    only_named: bool = False
    files: Mapping[Path, "Version"] = field(default_factory=dict[Path, "Version"])
    """The files that it was read from, each in the version that was read."""

    def by_token(self, token: str) -> Caller | None:
        """The caller of a token, found by its hash; None for any other token."""
        return self.by_hash.get(hash_of(token))


def hash_of(token: str) -> str:
    """The SHA-256 of a token in lower-case hexadecimal: the tokens are random, so no slower hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def scopes_of(given: Iterable[str]) -> frozenset[str]:
    """What these scopes allow: whoever may spend may read, and others than ours are none."""
    known = {scope for scope in given if scope in SCOPES}
    return frozenset(known | {READ}) if SPEND in known else frozenset(known)


def minted(name: str) -> tuple[str, str]:
    """A new token of 32 random bytes for a caller, and his entry in the file; raises `CallersError` for a bad name."""
    if not re.fullmatch(_NAME, name):
        raise CallersError("a caller's name has lower-case letters, digits and . _ - alone, at most 64 of them")
    token = f"rmcp_{secrets.token_urlsafe(_TOKEN_BYTES)}"
    return token, f'[[callers]]\nname = "{name}"\ntoken_sha256 = ["{hash_of(token)}"]\nscopes = ["read", "spend"]\n'


def _listed(value: object) -> object:
    """One text as a list of it."""
    return [value] if isinstance(value, str) else value


_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Subject = Annotated[str, Field(min_length=1, max_length=512)]
_Scope = Annotated[str, Field(pattern=r"^(read|spend)$")]
_Credits = Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    """A caller as the file has him."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=f"^{_NAME}$")]
    token_sha256: Annotated[list[_Hash], Field(max_length=2), BeforeValidator(_listed)] = []
    subjects: Annotated[list[_Subject], BeforeValidator(_listed)] = []
    scopes: Annotated[list[_Scope], BeforeValidator(_listed)] = [READ]
    useapi_token_file: str | None = None
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    max_credits_per_call: _Credits | None = None
    max_credits_per_day: _Credits | None = None
    confirm: Annotated[float | None, Field(ge=0, allow_inf_nan=False), BeforeValidator(threshold)] = None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    only_named: bool | None = None
    callers: list[_Entry] = []


def read_callers(path: Path) -> Callers:
    """The callers of a file and of the token files that it names, relative to it; blocks. Raises `CallersError`."""
    files: dict[Path, Version] = {}
    content = _content(path, files)
    if not content.strip():
        # As an editor leaves it for a moment, or a full disk for longer: it would lock everybody out.
        raise CallersError("it is empty")
    try:
        read = _File.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        # All else that is told there may quote a value.
        place = _LINE.search(str(error))
        raise CallersError(f"it is no TOML{f', at {place[1]}' if place else ''}") from None
    except ValidationError as error:
        raise CallersError(_where(error)) from None
    by_name: dict[str, Caller] = {}
    by_hash: dict[str, Caller] = {}
    by_subject: dict[str, Caller] = {}
    for entry in read.callers:
        caller = _caller(entry, path, files)
        if not (caller.hashes or caller.subjects):
            raise CallersError(f"the caller {caller.name} has neither token_sha256 nor subjects")
        _put(by_name, (caller.name,), caller, "name")
        _put(by_hash, caller.hashes, caller, "token_sha256")
        _put(by_subject, caller.subjects, caller, "subjects")
    # Else a subject whose entry is removed would come in under a name of his own.
    only_named = bool(by_subject) if read.only_named is None else read.only_named
    return Callers(by_name, by_hash, by_subject, only_named, files)


def faults_of(settings: Settings) -> Iterator[str]:
    """What of the settings for callers cannot be used, each in a sentence that begins with its variable; blocks."""
    if settings.issuer is not None and settings.audience is None and settings.public_url is None:
        yield "RUNWAY_MCP_ISSUER needs RUNWAY_MCP_AUDIENCE or RUNWAY_MCP_PUBLIC_URL"
    if settings.callers is not None:
        try:
            read_callers(settings.callers)
        except CallersError as error:
            yield f"RUNWAY_MCP_CALLERS cannot be used: {error}"


def _put(table: dict[str, Caller], keys: tuple[str, ...], caller: Caller, what: str) -> None:
    for key in keys:
        if table.setdefault(key, caller) is not caller:
            raise CallersError(f"two callers have the same {what}: {table[key].name} and {caller.name}")


def _content(path: Path, files: dict[Path, Version]) -> str:
    """The text of a file, whose version as it was before the read is put among the `files`."""
    try:
        with path.open("rb") as file:
            files[path] = _version(os.fstat(file.fileno()))
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise CallersError(f"{path.name} has more than {LARGEST_FILE} bytes")
        return content.decode()
    except OSError as error:
        raise CallersError(f"{path.name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CallersError(f"{path.name} is not UTF-8") from None


def _where(error: ValidationError) -> str:
    """The first thing that does not fit, by the number of its entry and its key."""
    place = error.errors(include_input=False, include_url=False)[0]["loc"]
    match place:
        case ("callers", int(number), str(key), *_):
            return f"{key} of its entry {number + 1} is missing, unknown or not as docs/http.md says"
        case _:
            return f"{place[0] if place else 'it'} is unknown or not as docs/http.md says"


def _caller(entry: _Entry, path: Path, files: dict[Path, Version]) -> Caller:
    own: dict[str, Any] = {
        setting: getattr(entry, key)
        for key, setting in (
            ("max_credits_per_call", "max_credits_per_call"),
            ("max_credits_per_day", "max_credits_per_day"),
            ("confirm", "confirm_above"),
            ("email", "email"),
        )
        if key in entry.model_fields_set
    }
    token = None
    if entry.useapi_token_file is not None:
        file = path.parent / entry.useapi_token_file
        text = _content(file, files).strip()
        if not _VISIBLE.fullmatch(text):
            raise CallersError(f"{file.name} holds no useapi.net API token")
        token = SecretStr(text)
        own = {"email": None, **own, "token": token, "token_unfilled": False}
    hashes, subjects = tuple(dict.fromkeys(entry.token_sha256)), tuple(dict.fromkeys(entry.subjects))
    return Caller(entry.name, scopes_of(entry.scopes), own, hashes, subjects, token)


class CallersFile:
    """A file of callers as it was last taken; `hide` keeps each useapi.net token out of the log.

    Made by reading it, which blocks; raises `CallersError`.
    """

    def __init__(self, path: Path, *, hide: Callable[[str], None]) -> None:
        self._path = path
        self._hide = hide
        self._looked: tuple[Version, ...] = ()
        self._fault: tuple[tuple[Version, ...], str] | None = None
        self.callers = self._read()

    def reread(self) -> Callers | None:
        """The callers of the file if it, or a token file of it, differs from what was taken.

        None if nothing changed, or if it cannot be used.

        Blocks. What cannot be used is read again at each look, since a token file that it lacks may have come. That is
        logged once for each version. What is returned holds only once it is taken.
        """
        taken = self.callers.files
        self._looked = tuple(map(_version_at, taken))
        if self._looked == tuple(taken.values()):
            return None
        try:
            return self._read()
        except CallersError as error:
            if self.is_new_fault(str(error)):
                _log.warning("the file of RUNWAY_MCP_CALLERS is not taken, and what it said before holds: %s", error)
            return None

    def take(self, callers: Callers) -> None:
        """Lets what was read hold from now on; a line of the log says so, since it may be what locks somebody out."""
        before, now = self.callers.by_name.keys(), callers.by_name.keys()
        self.callers = callers
        changes = {"new": sorted(now - before), "gone": sorted(before - now)}
        told = "".join(f"; {what}: {', '.join(names)}" for what, names in changes.items() if names)
        _log.info("the file of RUNWAY_MCP_CALLERS is taken, callers: %d%s", len(now), told)

    def is_new_fault(self, told: str) -> bool:
        """Whether this is the first time that this is told of the version at which `reread` looked last."""
        fault, before = (self._looked, told), self._fault
        self._fault = fault
        return fault != before

    def _read(self) -> Callers:
        read = read_callers(self._path)
        for caller in read.by_name.values():
            if caller.useapi_token is not None:
                self._hide(caller.useapi_token.get_secret_value())
        return read


def _version(told: os.stat_result) -> Version:
    return told.st_mtime_ns, told.st_size, told.st_ino


def _version_at(path: Path) -> Version:
    try:
        return _version(path.stat())
    except OSError:
        return None
