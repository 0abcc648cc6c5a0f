"""Whether an error means that no file descriptor is left, and the words for it: it is this machine's."""

import errno
import os
import socket
from collections.abc import Iterator
from typing import Final, cast

OUT_OF_DESCRIPTORS: Final = "the server has no file descriptor left; a higher limit helps (ulimit -n, LimitNOFILE)"
"""What is told of it, as the end of a sentence."""


def lacks_descriptors(error: BaseException) -> bool:
    """Whether a connection failed because this process, or the system, may open no more descriptors."""
    causes = tuple(_system_errors(error))
    if any(cause.errno in (errno.EMFILE, errno.ENFILE) for cause in causes):
        return True
    # The resolver gives other reasons when it cannot open a socket or its own files.
    return any(isinstance(cause, socket.gaierror) for cause in causes) and not _has_descriptors()


def _system_errors(error: BaseException | None) -> Iterator[OSError]:
    """The system's errors that led to this one."""
    while error is not None:
        if isinstance(error, OSError):
            yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
                yield from _system_errors(inner)
        error = cast("BaseException", error)
        error = error.__cause__ or error.__context__


def _has_descriptors() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
