"""Ports of this machine for programs that have to be told one."""

import random
import socket

# Below those that systems give to connections by themselves, one of which could take a port before it is listened at.
_PORTS = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """So many ports at which nothing listens."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            break
    return found
