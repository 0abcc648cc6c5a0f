"""What the service manager is told, systemd's `sd_notify`: that the server can be reached, and that it ends."""

import logging
import socket
from typing import Final

READY: Final = "READY=1"
"""The server can be reached."""

STOPPING: Final = "STOPPING=1"
"""The server has begun to end."""

_log = logging.getLogger(__name__)


def notify(address: str | None, state: str) -> None:
    """Sends the state to the socket at this address, the value of `NOTIFY_SOCKET`; does nothing without one.

    An `@` stands for the zero byte with which an abstract address begins. A socket that cannot be reached is logged.
    """
    if not address:
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            sender.sendto(state.encode(), path)
    except OSError as error:
        _log.warning("the service manager could not be told %s: %s", state, error.strerror)
