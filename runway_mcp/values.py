"""How the text of an environment variable becomes a value, or is refused; no message holds what was given."""

import os
import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}|\{env:[^}]*\}")
_LAST_PORT: Final = 65_535
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
# A key has 32 bytes or more; in a list it has no slash, so that a mistyped path is not taken for one.
_KEY: Final = re.compile(r"[\x21-\x7e]{32,}")
_LISTED_KEY: Final = re.compile(r"[A-Za-z0-9_+=.-]{32,}")
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?")

LONGEST_PUBLIC_URL: Final = 900
"""The most characters of a public URL: upstream takes 1,024, and a path with a token is appended to it."""


def is_unfilled(value: str) -> bool:
    """Whether a value holds a placeholder that hosts fill in, and this one has not: `${...}` or `{env:...}`."""
    return bool(_PLACEHOLDER.search(value))


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 with or without brackets) is this machine's loopback."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def visible(secret: SecretStr) -> SecretStr:
    """A secret of visible ASCII characters; raises `ValueError`."""
    if not _VISIBLE.fullmatch(secret.get_secret_value()):
        raise ValueError
    return secret


def database_url(secret: SecretStr) -> SecretStr:
    """The URL of a PostgreSQL database; raises `ValueError`."""
    url = urlsplit(visible(secret).get_secret_value())
    if url.scheme not in ("postgresql", "postgres") or "://" not in secret.get_secret_value():
        raise ValueError
    return secret


def base_url(value: str) -> str:
    """A URL to which a token may travel: https, or this machine; raises `ValueError`."""
    url = urlsplit(value)
    if not (url.scheme == "https" or is_loopback(url.hostname or "")):
        raise ValueError
    return public_url(value)


def public_url(value: str) -> str:
    """An http(s) URL without query and fragment, not too long to be appended to; raises `ValueError`."""
    url = urlsplit(value)
    # urlsplit raises ValueError for a port that is no number only when `port` is read.
    plain = url.port != 0 and _VISIBLE.fullmatch(value) and not set("?#@\\") & set(value)
    if not (len(value) <= LONGEST_PUBLIC_URL and url.hostname and url.scheme in ("http", "https") and plain):
        raise ValueError
    return value.rstrip("/")


def folder(value: Path) -> Path:
    """The absolute path of a folder, or of one that is not there yet; raises `ValueError`."""
    # Without a home folder Path.expanduser raises RuntimeError; os.path.expanduser leaves the tilde.
    folder = Path(os.path.expanduser(value))  # noqa: PTH111  see above
    if str(folder).startswith("~") or (folder.exists() and not folder.is_dir()):
        raise ValueError
    return folder.absolute()


def state_keys(value: object) -> object:
    """The keys of a list, or of the lines of the file that any other value names; raises `ValueError`."""
    if not isinstance(value, str):
        return value
    keys = [key.strip() for key in value.split(",") if key.strip()]
    if not all(_LISTED_KEY.fullmatch(key) for key in keys):
        try:
            keys = Path(os.path.expanduser(value)).read_text(encoding="ascii").split()  # noqa: PTH111  as in `folder`
        except OSError:
            raise ValueError from None
    if not keys or not all(_KEY.fullmatch(key) for key in keys):
        raise ValueError
    return keys


def existing_file(value: Path) -> Path:
    """The absolute path of a file that is there; raises `ValueError`."""
    file = Path(os.path.expanduser(value))  # noqa: PTH111  as above
    if str(file).startswith("~") or not file.is_file():
        raise ValueError
    return file.absolute()


def issuer(value: str) -> str:
    """The URL of an issuer of tokens, as it is given; raises `ValueError`."""
    # Compared as a text with what tokens and the issuer itself say, so not even a slash at its end may change.
    base_url(value)
    return value


def loopback_address(value: str) -> str:
    """A host of this machine with a port, as `127.0.0.1:9000`; raises `ValueError`."""
    host, colon, port = value.rpartition(":")
    if not (colon and is_loopback(host) and port.isdecimal() and int(port) <= _LAST_PORT):
        raise ValueError
    return value


def host_names(value: object) -> object:
    """Host names of a list, in lower case; raises `ValueError`."""
    if not isinstance(value, str):
        return value
    names = [name.strip().lower() for name in value.split(",") if name.strip()]
    if not all(_HOST.fullmatch(name) for name in names):
        raise ValueError
    return names


def threshold(value: object) -> object:
    """`never` as None, `always` as 0.0: a cost above the threshold needs a confirmation."""
    return {"never": None, "always": 0.0}.get(value.lower(), value) if isinstance(value, str) else value


def either(names: Sequence[str], mark: str = "") -> str:
    """Two names or more as words, each between marks: "a, b or c"."""
    *others, last = (f"{mark}{name}{mark}" for name in names)
    return f"{', '.join(others)} or {last}"


def lower(value: object) -> object:
    """Text in lower case; anything else unchanged."""
    return value.lower() if isinstance(value, str) else value


def flag(value: object) -> object:
    """`true` and `false` in any case, as booleans; other values unchanged."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
