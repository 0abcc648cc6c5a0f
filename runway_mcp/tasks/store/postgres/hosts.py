"""Connection strings: what a URL leaves open, and its hosts where it names several, the first of which may be dead."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_PORT = "5432"

# What the URL may leave open: a dead way to the server is noticed within seconds, and a standby is not written to.
_DEFAULTS = {
    "application_name": "useapi-runway-mcp",
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}


def conninfo_of(url: str) -> str:
    """The connection string of a URL, with what it leaves open; raises `ValueError` without the URL's text."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError("not a PostgreSQL URL") from None
    return make_conninfo("", **(_DEFAULTS | given))


def beginning_with(conninfo: str, *, host: str, port: int) -> str:
    """The connection string with its hosts in turn from this one on; as it is where it does not name the host."""
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    named = {name: str(given[name]).split(",") for name in ("host", "hostaddr", "port") if given.get(name)}
    count = max((len(values) for name, values in named.items() if name != "port"), default=0)
    # A single port is that of all hosts.
    spread = {name: values * count if len(values) == 1 else values for name, values in named.items()}
    ports = [each or _PORT for each in spread.get("port", [_PORT] * count)]
    for number in range(count):
        hosts = {spread[name][number] for name in ("host", "hostaddr") if name in spread}
        if host in hosts and ports[number] == str(port):
            turned = {name: ",".join(values[number:] + values[:number]) for name, values in spread.items()}
            return make_conninfo("", **(given | turned))
    return conninfo
