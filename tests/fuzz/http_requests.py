"""Bad HTTP requests: bad messages in right requests, and any messages in requests of which something is wrong.

Each is the bytes of one connection. Every one asks for the connection to be closed, so that its answer has an end.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.messages import ERAS, Case, Era, Known, Messages

Headers = dict[str, str]

ACCEPT = "application/json, text/event-stream"
VERBS = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "BREW", "CONNECT")
PATHS = (
    "/",
    "/mcp/",
    "//mcp",
    "/mcp?x=1",
    "/mcp/../mcp",
    "/%6dcp",
    "/MCP",
    "/healthz",
    "/messages/",
    "/messages/?session_id=nope",
    "/messages/?session_id=00000000000000000000000000000000",
    "/sse",
    "/.env",
    "/mcp\\",
    "/" + "a" * 9_000,
    "http://127.0.0.1/mcp",
    "*",
)
HOSTS = ("example.com", "127.0.0.1.example.com", "", "127.0.0.1:99999", "evil@127.0.0.1", "[::1", "127.0.0.1 ")
ORIGINS = ("null", "https://example.com", "http://127.0.0.1.example.com", "file://", "http://localhost@example.com")
SESSIONS = ("", "nope", "0" * 32, "a" * 5_000, "../../x", "\x7f", "deadbeef-0000-4000-8000-000000000000", "a, b")
VERSIONS = ("", "2099-01-01", "2025-11-25, 2026-07-28", "latest", "1", "2026-07-28 ", "x" * 500)
ODD = ("", "*/*", "text/html", "application/xml;q=0", "x" * 2_000, "=?base64?!?=")
NO_HTTP = (
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
    b"POST /mcp HTTP/1.1\r\nno colon here\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \x00\x01\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(5_000)) + b"\r\n",
)


@dataclass(frozen=True)
class Exchange:
    """The bytes to send, and what may be expected.

    `leaves` drops the connection without reading to the end; `after` are sent, each on a connection of its own, while
    the first waits for its answer.
    """

    kind: str
    request: bytes
    leaves: bool = False
    after: tuple[bytes, ...] = ()


class Requests:
    """An endless run of exchanges with the server at `host`; `session` is a standing one of the 2025 era."""

    def __init__(self, rng: Random, known: Known, host: str, session: str) -> None:
        self._rng = rng
        self._host = host
        self._session = session
        ids = itertools.count(1_000)
        self._messages = {era: Messages(rng, era, known, ids) for era in ERAS}

    def __iter__(self) -> Iterator[Exchange]:
        wrong: tuple[Callable[[], Exchange], ...] = (
            self.wrong_header,
            self.wrong_header,
            self.crossed_eras,
            self.wrong_session,
            self.wrong_verb,
            self.wrong_path,
            self.wrong_host,
            self.wrong_framing,
            self.no_http,
            self.leaving,
            self.too_large,
        )
        while True:
            yield self.message() if self._rng.random() < 0.5 else self._rng.choice(wrong)()

    def message(self) -> Exchange:
        """A bad message in a request that is right for it."""
        era: Era = self._rng.choice(ERAS)
        case = next(iter(self._messages[era]))
        headers = [self._headers(era, line) for line in case.lines]
        if case.kind == "cancelled" and "mcp-session-id" not in headers[0]:
            # Without a session there is nothing to call off by name: the host goes away instead.
            return Exchange(case.kind, self._post(case.lines[0], headers[0]), leaves=True)
        if case.kind == "cancelled":
            headers = [headers[0]] * len(headers)
        first, *rest = map(self._post, case.lines, headers)
        return Exchange(case.kind, first, after=tuple(rest))

    def wrong_header(self) -> Exchange:
        """A header missing, twice, or with a value that it must not have."""
        era, case = self._case()
        headers = self._headers(era, case.lines[0])
        name = self._rng.choice(list(headers))
        match self._rng.randrange(3):
            case 0:
                del headers[name]
            case 1:
                headers[name] = self._rng.choice(ODD)
            case _:
                headers[name] = self._rng.choice(VERSIONS)
        return Exchange("wrong header", self._post(case.lines[0], headers))

    def crossed_eras(self) -> Exchange:
        """A message of one era under the headers of the other."""
        era, case = self._case()
        other: Era = "2025" if era == "2026" else "2026"
        return Exchange("crossed eras", self._post(case.lines[0], self._headers(other, case.lines[0])))

    def wrong_session(self) -> Exchange:
        """A session that does not exist, or one where none belongs."""
        era, case = self._case()
        session = {"mcp-session-id": self._rng.choice((*SESSIONS, self._session))}
        verb = self._rng.choice(("POST", "POST", "DELETE", "GET"))
        if verb != "POST":
            session = {"mcp-session-id": self._rng.choice(SESSIONS)}
        return Exchange(
            "wrong session", self._post(case.lines[0], self._headers(era, case.lines[0]) | session, verb=verb)
        )

    def wrong_verb(self) -> Exchange:
        """A method of HTTP that is not for this."""
        era, case = self._case()
        headers = self._headers(era, case.lines[0])
        headers.pop("mcp-session-id", None)
        verb = self._rng.choice(VERBS)
        return Exchange("wrong verb", self._post(case.lines[0], headers, verb=verb))

    def wrong_path(self) -> Exchange:
        """A place that does not exist, or is for something else."""
        era, case = self._case()
        path = self._rng.choice(PATHS)
        return Exchange("wrong path", self._post(case.lines[0], self._headers(era, case.lines[0]), path=path))

    def wrong_host(self) -> Exchange:
        """A request that a strange page could have made."""
        era, case = self._case()
        strange = (
            {"host": self._rng.choice(HOSTS)} if self._rng.random() < 0.5 else {"origin": self._rng.choice(ORIGINS)}
        )
        return Exchange("wrong host", self._post(case.lines[0], self._headers(era, case.lines[0]) | strange))

    def wrong_framing(self) -> Exchange:
        """A body of another length or form than the request says."""
        era, case = self._case()
        body = case.lines[0]
        lengths = ("-1", "nope", str(len(body) + 10), str(max(0, len(body) - 5)), "1e3", "99999999999999999999")
        framing: Headers = self._rng.choice(
            (
                {"content-length": self._rng.choice(lengths)},
                {"transfer-encoding": "chunked"},
                {"transfer-encoding": "gzip, chunked", "content-length": "5"},
                {"content-encoding": "gzip"},
                {"content-encoding": "nope", "expect": "100-continue"},
            )
        )
        return Exchange("wrong framing", self._post(body, self._headers(era, body) | framing), leaves=True)

    def no_http(self) -> Exchange:
        """Bytes that are no request."""
        request = self._rng.choice(NO_HTTP) if self._rng.random() < 0.7 else self._rng.randbytes(200) + b"\r\n\r\n"
        return Exchange("no HTTP", request, leaves=True)

    def leaving(self) -> Exchange:
        """A request whose sender goes away, in the middle of it or before the answer."""
        era, case = self._case()
        whole = self._post(case.lines[0], self._headers(era, case.lines[0]))
        cut = len(whole) if self._rng.random() < 0.5 else self._rng.randrange(len(whole))
        return Exchange("leaving", whole[:cut], leaves=True)

    def too_large(self) -> Exchange:
        """A body beyond what the server takes; rarely, since it is slow to make."""
        if self._rng.random() < 0.8:
            return self.crossed_eras()
        body = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"y" * 1_200_000 + b'"}}'
        return Exchange("too large", self._post(body, self._headers("2025", body)), leaves=True)

    def _case(self) -> tuple[Era, Case]:
        """A message to spoil the request of; none that would wait."""
        era: Era = self._rng.choice(ERAS)
        return era, next(case for case in self._messages[era] if case.kind != "cancelled")

    def _headers(self, era: Era, line: bytes) -> Headers:
        """The right headers for a message; in the 2025 era with the session or without one."""
        headers = {"content-type": "application/json", "accept": ACCEPT}
        if era == "2025":
            session = {"mcp-session-id": self._session} if self._rng.random() < 0.5 else {}
            return headers | {"mcp-protocol-version": "2025-11-25"} | session
        return headers | {"mcp-protocol-version": "2026-07-28"} | mirrored(line)

    def _post(self, body: bytes, headers: Mapping[str, str], *, verb: str = "POST", path: str = "/mcp") -> bytes:
        return request(verb, path, {"host": self._host, **headers}, body)


def mirrored(line: bytes) -> Headers:
    """The headers of 2026 that repeat parts of the message, as far as it has them."""
    try:
        message: Any = json.loads(line)
        params: Any = message.get("params") if isinstance(message.get("params"), dict) else {}
        named = params.get("name") or params.get("uri") or params.get("taskId")
        method = message["method"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        return {}
    headers = {"mcp-method": method} if isinstance(method, str) else {}
    return headers | ({"mcp-name": named} if isinstance(named, str) else {})


def request(verb: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request; a length is added unless the headers tell one, or another framing."""
    told = {"connection": "close", **headers}
    if not {"content-length", "transfer-encoding"} & told.keys():
        told["content-length"] = str(len(body))
    lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {_plain(value)}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body


def _plain(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
