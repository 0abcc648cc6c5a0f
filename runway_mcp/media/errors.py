"""What goes wrong with films: one error for every film that cannot be read, one for a missing extra."""

from collections.abc import Callable
from importlib.util import find_spec

HOW_TO_INSTALL = (
    "Pictures of films need the extra `media`: pip install 'useapi-runway-mcp[media]', "
    "or uvx --from 'useapi-runway-mcp[media]' useapi-runway-mcp."
)


class UnreadableFilm(Exception):  # noqa: N818  the name says what the file is
    """The film is missing, cut short, too big, no film, or without a picture that decodes; the text says which."""


class JoinFailed(Exception):  # noqa: N818  named for what happened
    """Parts could not be made one film, or the film that came of it is not what they show; the text says why."""


class MediaMissing(RuntimeError):  # noqa: N818  named for what is missing
    """The extra `media` is not installed; the text tells in one sentence how to get it."""

    def __init__(self) -> None:
        super().__init__(HOW_TO_INSTALL)


def require_media(*, find: Callable[[str], object] = find_spec) -> None:
    """Returns where films can be decoded; raises `MediaMissing` elsewhere."""
    if find("av") is None or find("PIL") is None:
        raise MediaMissing
