"""The errors of film files: of fetching, of keeping, of reading pictures, of joining, and of a missing extra.

Each has a plain message for the user, and none holds a link.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

HOW_TO_INSTALL = (
    "Pictures and joins of films need the extra `media`: pip install 'useapi-runway-mcp[media]', "
    "or uvx --from 'useapi-runway-mcp[media]' useapi-runway-mcp."
)


class UnreadableFilm(Exception):  # noqa: N818  the name says what the file is
    """The film is missing, cut short, too big, no film, or without a picture that decodes; the text says which."""


class NotDecodedHere(UnreadableFilm):
    """The film may be sound, and this machine could not tell: its memory, its files or the time, or the film's size."""


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


class MediaError(Exception):
    """A film could not be fetched or kept."""


class LinkError(MediaError):
    """The film could not be fetched."""


class DeadLink(LinkError):  # noqa: N818  the name says what it is
    """The link no longer leads to its file: expired, refused or gone. A fresh link helps."""


class RefusedLink(LinkError):  # noqa: N818  likewise
    """The link, or where it redirects to, is not one that is followed; nothing was sent to it."""


class RefusedAddress(RefusedLink):
    """The host of the link lies at an address that is not public; nothing was sent to it."""


class Unreachable(LinkError):  # noqa: N818  likewise
    """The host could not be reached, or would not answer now. A later try may help."""


class Cut(LinkError):  # noqa: N818  likewise
    """The transfer broke off, fell silent or took too long. What was written goes on at the next try."""


class Changed(LinkError):  # noqa: N818  likewise
    """The file behind the link became another one while it was read."""


class RangesRefused(LinkError):  # noqa: N818  likewise
    """The host serves the file only as a whole."""


class TooLarge(LinkError):  # noqa: N818  likewise
    """The file is larger than what is taken."""


class NoFilm(LinkError):  # noqa: N818  likewise
    """What came is no film, or not a whole one."""


class KeepingError(MediaError):
    """The film could not be written."""


class NoRoom(KeepingError):  # noqa: N818  likewise
    """The disk has too little room to begin, or to go on; the text says which, and what becomes of what has come."""


class DiskFull(KeepingError):  # noqa: N818  likewise
    """The disk, or the user's share of it, became full."""


class FolderRefused(KeepingError):  # noqa: N818  likewise
    """The folder cannot be written, or something that is no film of ours stands in the way."""


class KeptElsewhere(KeepingError):  # noqa: N818  likewise
    """Another process, or another call, is keeping the same film at this moment."""


RESUMABLE: Final = (Cut, DeadLink, Unreachable)
"""After these a part that can be resumed stays on disk."""
