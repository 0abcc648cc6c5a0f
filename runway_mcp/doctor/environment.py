"""Checks of the program and its settings: versions, extras, variables, token."""

import difflib
import importlib
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydantic import SecretStr

from runway_mcp import __version__
from runway_mcp.callers import faults_of
from runway_mcp.doctor.finding import Finding, failure, ok, warning
from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.tokens import FORM, token_of
from runway_mcp.settings import Settings, SettingsError, variables
from runway_mcp.values import is_unfilled

EXTRA: Final = "pip install 'useapi-runway-mcp[media]', or name useapi-runway-mcp[media] in the host's entry"
"""How the extra `media` is installed."""

_NAMED: Final = ("mcp", "httpx", "pydantic")
_EXTRAS: Final = {"av": "av", "pillow": "PIL", "rich": "rich"}
_PREFIXES: Final = ("USEAPI", "USE_API", "RUNWAY_MCP", "RUNWAYMCP")
_TOKEN_FORM: Final = "user:1234-..., as useapi.net shows it, without quotation marks and without Bearer"  # noqa: S105  a form
_IN_THE_ENTRY: Final = "set USEAPI_TOKEN in the host's entry for this server, and here to check it"


def check_program(installed: Callable[[str], str] = version) -> Finding:
    """The versions of the program, of Python and of what it stands on; `installed` tells a package's version."""
    try:
        packages = ", ".join(f"{name} {installed(name)}" for name in _NAMED)
    except PackageNotFoundError as error:
        return failure("program", f"the package {error.name} is missing", "install useapi-runway-mcp anew")
    python = f"Python {platform.python_version()} on {platform.system()}"
    return ok("program", f"useapi-runway-mcp {__version__}, {python}; {packages}")


def check_extras(load: Callable[[str], object] = importlib.import_module) -> Finding:
    """Whether the packages of the extra `media` can be imported; `load` imports a module by its name."""
    missing = [name for name, module in _EXTRAS.items() if not _loads(module, load)]
    if missing:
        lacks = "no pictures of films, no continuing, no demo"
        return warning("extras", f"{' and '.join(missing)} cannot be imported: {lacks}", EXTRA)
    return ok("extras", "media is installed: pictures of films, checks of kept films, joining")


def _loads(module: str, load: Callable[[str], object]) -> bool:
    try:
        load(module)
    except Exception:  # noqa: BLE001  a broken library raises anything
        return False
    return True


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and one sentence for each variable whose value cannot be used; some of them were left out."""
    usable, refused = dict(environ), list[str]()
    while True:
        try:
            settings = Settings.from_environment(usable)
            return settings, (*refused, *faults_of(settings))
        except SettingsError as error:
            refused.append(str(error))
            del usable[str(error).partition(" ")[0]]


def check_settings(environ: Mapping[str, str], refused: tuple[str, ...]) -> Finding:
    """Whether all variables have a usable value; tells their names alone, since a value may be a secret."""
    known = [variable.name for variable in variables().values()]
    told, remedies = list[str](), list[str]()
    if refused:
        told += refused
        remedies.append("correct it: the server does not start with it")
    if unfilled := [name for name in known[1:] if is_unfilled(environ.get(name, ""))]:
        told.append(f"{' and '.join(unfilled)} still has a placeholder ${{...}} or {{env:...}}, and counts as unset")
        remedies.append("write the value, or let the host ask for it")
    if strangers := list(_strangers(environ, known)):
        told += strangers
        remedies.append("correct the name, or remove it")
    if told:
        return (failure if refused else warning)("settings", "; ".join(told), "; ".join(remedies))
    names = [name for name in known if environ.get(name, "").strip()]
    return ok("settings", f"set: {', '.join(names)}" if names else "none is set, all have their defaults")


def _strangers(environ: Mapping[str, str], known: list[str]) -> Iterator[str]:
    """A sentence for each variable that looks like one of ours and is none, with the nearest name of one."""
    for name in sorted(environ):
        meant = name.upper().replace("RUNWAY_", "RUNWAY_MCP_", 1)
        if name not in known and (name.upper().startswith(_PREFIXES) or meant in known):
            close = [meant] if meant in known else difflib.get_close_matches(name.upper(), known, n=1)
            yield f"{name} is no setting of this program" + (f"; {close[0]} is meant?" if close else "")


def check_token(token: SecretStr | None, *, unfilled: bool) -> Finding:
    """Whether there is a token of the usual form; never shows any of it."""
    if unfilled:
        told = "USEAPI_TOKEN holds a placeholder, ${...} or {env:...}, that the host did not fill in"
        return failure("token", told, "write the token itself, or set the variable that the host reads")
    if token is None:
        return failure("token", "USEAPI_TOKEN is not set", _IN_THE_ENTRY)
    if not FORM.fullmatch(token.get_secret_value()):
        return warning("token", "USEAPI_TOKEN does not look like a token of useapi.net", f"expected: {_TOKEN_FORM}")
    try:
        token_of(token.get_secret_value())
    except ConfigurationError:
        return failure("token", "USEAPI_TOKEN holds an example of a token", f"expected: {_TOKEN_FORM}")
    return ok("token", "USEAPI_TOKEN is set and looks like a token of useapi.net")
