"""An exclusive lock on an open file, which ends with its descriptor, also when the process is killed."""

import errno
import sys
from typing import Final

_TAKEN: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK})

if sys.platform == "win32":  # pragma: no cover  Windows alone
    import msvcrt
    import os

    # Locks are mandatory there, so the byte that is locked lies beyond any film.
    _FAR_AWAY: Final = 2**40

    def _lock(descriptor: int) -> None:
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR_AWAY, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, at, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(descriptor: int) -> bool:
    """Locks the file at once, or says False because another descriptor holds it. Raises OSError where it cannot."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
