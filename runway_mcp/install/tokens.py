"""What is taken for a token of useapi.net, and what is refused before anything is written."""

import re
from dataclasses import dataclass
from typing import Final

from runway_mcp.install.formats.edits import ConfigurationError
from runway_mcp.install.hosts import TOKEN

FORM: Final = re.compile(r"user:[0-9]+-[^\s\"']+")
"""The usual form of a token."""

_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019"
_SHORTEST: Final = 6
_LONGEST: Final = 1000
_GIVE: Final = "give the one that useapi.net shows, from user: to its end"
_REFUSED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"\$\{.*\}|\{env:.*\}|\$\(.*\)|\$\w+|%\w+%", re.DOTALL),
        "the token is a reference that nothing has filled in; give the token itself",
    ),
    (re.compile(rf"{TOKEN}\s*[=:].*", re.DOTALL), f"the token begins with {TOKEN}; give only what stands behind it"),
    (re.compile(r"bearer\s.*", re.DOTALL | re.IGNORECASE), "the token begins with Bearer; give what stands behind it"),
    (
        re.compile(
            r".*(\.\.\.|\u2026|\*\*\*|x{5}).*|<.*>|\(.*\)|\[.*\]"
            r"|(your|my)[-_ ].*|(api[-_ ]?)?(token|key)|changeme|todo",
            re.DOTALL | re.IGNORECASE,
        ),
        f"the token is a placeholder; {_GIVE}",
    ),
    (re.compile(r".*://.*", re.DOTALL), f"the token is an address; {_GIVE}"),
    (
        re.compile(rf".*([^\x21-\x7e]|[{_QUOTES}\\{{}}<>,;]).*", re.DOTALL),
        f"the token has blanks or signs that no token has; {_GIVE}",
    ),
)


@dataclass(frozen=True)
class Token:
    """A token without what stood around it, and what is to be said about it, one sentence each; `text` may be empty."""

    text: str
    notes: tuple[str, ...] = ()


def token_of(given: str) -> Token:
    """The token in what a person gave, without blanks and quotation marks around it.

    Raises `ConfigurationError` for what cannot be one: a placeholder, a reference that was not filled in, an address,
    and signs that no token has. No message shows any of it.
    """
    text = given.strip().strip(_QUOTES).strip()
    notes: list[str] = []
    if text != given.strip():
        notes.append("The quotation marks around the token are left out.")
    elif text != given.rstrip("\r\n"):
        notes.append("The blanks around the token are left out.")
    if not text:
        return Token("")
    for pattern, sentence in _REFUSED:
        if pattern.fullmatch(text):
            raise ConfigurationError(sentence)
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise ConfigurationError(f"the token is too {'short' if len(text) < _SHORTEST else 'long'}; {_GIVE}")
    if not FORM.fullmatch(text):
        notes.append("The token does not look like one of useapi.net (user:1234-...); `doctor` tries it.")
    return Token(text, tuple(notes))
