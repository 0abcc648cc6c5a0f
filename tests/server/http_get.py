"""A GET to a server on this machine, for tests that need no more of HTTP than that."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


def get(url: str, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of the answer; None where there is no JSON."""
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    connection = HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith((b"{", b"[")) else None
    finally:
        connection.close()
