"""Bad messages, one after the other: what is wrong with each is random, but the same for the same seed.

Nothing here can be a right order: a call of `extend_video` names an asset that nobody has, or breaks a rule of an
argument. So whatever reaches upstream as a submit is a fault of the server.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from tests.fuzz import junk

Json = dict[str, Any]
Era = Literal["2025", "2026"]
ERAS: tuple[Era, ...] = ("2025", "2026")

ENVELOPE: Json = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "0"},
}
METHODS = (
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
)
STRANGE_METHODS = (
    "",
    "tools",
    "tools/",
    "tools/call/",
    "Tools/Call",
    "__init__",
    "rpc.discover",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tasks/result",
    "tasks/list",
    "notifications/message",
)
NOTIFICATIONS = (
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/nope",
)
TOOLS = ("extend_video", "get_task", "list_assets", "view_film")
BROKEN: dict[str, tuple[Json, ...]] = {
    "extend_video": (
        {"seconds": 7},
        {"seconds": "ten"},
        {"seed": -1},
        {"seed": 4_294_967_295},
        {"text_prompt": ["x"]},
        {"exploreMode": "maybe"},
        {"replyUrl": "ftp://example.com"},
        {"replyRef": "r" * 1_025},
        {"maxJobs": 11},
        {"wait_seconds": -1},
        {"seconds": "perhaps"},
        {"assetid": "x"},
        {"seconds": [5]},
        {"model": {"a": 1}, "nope": 1},
    ),
    "get_task": ({"wait_seconds": -2}, {"wait_seconds": "soon"}, {"taskid": "x"}, {"wait_seconds": 1.5}),
    "list_assets": (
        {"limit": -1},
        {"limit": 51},
        {"offset": -1},
        {"offset": 1_001},
        {"mediaType": "film"},
        {"email": ["x"]},
        {"email": "e" * 300},
        {"nope": None, "other": 1},
    ),
    "view_film": ({"show": "middle"}, {"at_seconds": -1}, {"at_seconds": "soon"}, {"second": 3}),
}
URIS = (
    "",
    "runway://",
    "runway://tasks/",
    "runway://tasks/%",
    "runway://tasks/..%2f..",
    "runway://assets/a b",
    "runway://assets/x/clip",
    "file:///etc/passwd",
    "http://127.0.0.1/",
    "runway:tasks",
    "ui://nope",
    "\u0000",
)


@dataclass(frozen=True)
class Known:
    """What the stand-in has: a clip that could be extended, a task that runs for ever, an asset that nobody has."""

    clip: str
    endless: str

    @property
    def missing(self) -> str:
        """The id of an asset that does not exist."""
        return f"{self.clip.rpartition(':')[0]}:00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Case:
    """What goes over the wire, and which of its ids whoever sent it may wait for."""

    kind: str
    lines: tuple[bytes, ...]
    awaited: tuple[int, ...] = ()


class Messages:
    """An endless run of cases for one era; who reads two of them at once gives both the same `ids`."""

    def __init__(self, rng: Random, era: Era, known: Known, ids: Iterator[int] | None = None) -> None:
        self._rng = rng
        self._era: Era = era
        self._known = known
        self._ids = ids or itertools.count(1_000)

    def __iter__(self) -> Iterator[Case]:
        kinds: tuple[Callable[[], Case], ...] = (
            self.garbage,
            self.no_message,
            self.wrong_envelope,
            self.unknown_method,
            self.wrong_params,
            self.wrong_call,
            self.wrong_call,
            self.wrong_resource,
            self.stray_response,
            self.notification,
            self.cancelled,
            self.same_id_twice,
            self.batch,
            self.handshake,
            self.wrong_era,
            self.huge,
            self.deep,
        )
        while True:
            yield self._rng.choice(kinds)()

    def request(self, method: str, params: Json | None = None, **fields: Any) -> Json:
        """A message with a fresh id; in the era of 2026 with the envelope that each request must carry."""
        envelope: Json = {"_meta": ENVELOPE} if self._era == "2026" else {}
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": envelope | (params or {})} | fields

    def garbage(self) -> Case:
        """Bytes that nobody can read."""
        return Case("garbage", (junk.raw(self._rng),))

    def no_message(self) -> Case:
        """JSON that is no message."""
        return Case("no message", (_line(junk.value(self._rng)),))

    def wrong_envelope(self) -> Case:
        """A request with one part of its frame missing or of a wrong type; who sent it cannot count on an answer."""
        message = self.request(self._rng.choice(METHODS))
        part = self._rng.choice(("jsonrpc", "id", "method", "params"))
        if self._rng.random() < 0.3:
            del message[part]
        else:
            wrong = {"jsonrpc": (), "id": (int, str), "method": (str,), "params": (dict,)}[part]
            message[part] = junk.other_than(self._rng, *wrong)
        return Case("wrong envelope", (_line(message),))

    def unknown_method(self) -> Case:
        """A request whose frame is right and whose method is not."""
        method = self._rng.choice(STRANGE_METHODS) if self._rng.random() < 0.5 else junk.text(self._rng, 40)
        return self._awaited("unknown method", self.request(method, self._some_params()))

    def wrong_params(self) -> Case:
        """A method that exists, with parameters that fit nothing."""
        method = self._rng.choice([name for name in METHODS if name != "tools/call"])
        return self._awaited("wrong parameters", self.request(method, self._some_params()))

    def wrong_call(self) -> Case:
        """A call of a tool that breaks a rule of its schema, or that means a tool or a thing that does not exist."""
        name = self._rng.choice(TOOLS)
        match self._rng.randrange(4):
            case 0:
                params: Json = {"name": junk.other_than(self._rng, str), "arguments": {}}
            case 1:
                params = {"name": junk.text(self._rng, 40) + "?", "arguments": {"a": junk.value(self._rng)}}
            case 2:
                params = {"name": name, "arguments": junk.other_than(self._rng, dict, type(None))}
            case _:
                params = {"name": name, "arguments": self._broken_arguments(name)}
        if self._rng.random() < 0.1:
            params["_meta"] = {**ENVELOPE, "progressToken": junk.scalar(self._rng)}
        return self._awaited("wrong call", self.request("tools/call", params))

    def wrong_resource(self) -> Case:
        """A read or a subscription of what is no resource."""
        method = self._rng.choice(("resources/read", "resources/subscribe", "resources/unsubscribe"))
        uri = self._rng.choice(URIS) if self._rng.random() < 0.7 else junk.value(self._rng)
        return self._awaited("wrong resource", self.request(method, {"uri": uri}))

    def stray_response(self) -> Case:
        """An answer to a question that was never asked."""
        end = self._rng.choice(("result", "error"))
        message = {"jsonrpc": "2.0", "id": junk.scalar(self._rng), end: junk.value(self._rng)}
        return Case("stray response", (_line(message),))

    def notification(self) -> Case:
        """A notification about nothing, or of a method that wants an answer."""
        method = self._rng.choice(NOTIFICATIONS + METHODS)
        params = {"requestId": junk.scalar(self._rng), "progressToken": junk.scalar(self._rng), "progress": "x"}
        if method == "tools/call":
            params = {"name": "get_task", "arguments": {"taskId": self._known.missing}}
        return Case("notification", (_line({"jsonrpc": "2.0", "method": method, "params": params}),))

    def cancelled(self) -> Case:
        """A call that would wait, and is called off at once; its answer may be lost."""
        arguments = {"taskId": self._known.endless, "wait_seconds": 600}
        call = self.request("tools/call", {"name": "get_task", "arguments": arguments})
        cancel = {"requestId": call["id"], "reason": junk.scalar(self._rng)}
        off = _line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel | {"reason": "enough"}})
        odd = _line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel})
        return Case("cancelled", (_line(call), odd, off, off))

    def same_id_twice(self) -> Case:
        """Two requests under one id."""
        first = self.request("ping")
        second = self.request("tools/list", id=first["id"])
        return Case("same id twice", (_line(first), _line(second)), (first["id"],))

    def batch(self) -> Case:
        """Messages in a list, which no revision takes any more."""
        messages = [self.request(self._rng.choice(METHODS)) for _ in range(self._rng.randrange(4))]
        return Case("batch", (_line([*messages, junk.value(self._rng)][self._rng.randrange(2) :]),))

    def handshake(self) -> Case:
        """A handshake at the wrong time, or with wrong contents."""
        version = self._rng.choice(("2025-11-25", "1999-01-01", "2026-07-28", "", 5, None))
        params = {"protocolVersion": version, "capabilities": self._some_params(), "clientInfo": junk.value(self._rng)}
        method = self._rng.choice(("initialize", "server/discover"))
        return self._awaited("handshake", self.request(method, params))

    def wrong_era(self) -> Case:
        """A request with an envelope that does not fit its connection."""
        version = self._rng.choice(("2025-11-25", "2026-07-28", "2099-01-01", 5))
        meta = {"io.modelcontextprotocol/protocolVersion": version}
        if self._rng.random() < 0.5:
            meta |= {"io.modelcontextprotocol/clientCapabilities": junk.value(self._rng)}
        return self._awaited("wrong era", self.request(self._rng.choice(METHODS), {"_meta": meta}))

    def huge(self) -> Case:
        """A request with a text of hundreds of kilobytes somewhere; rarely, since it is slow to make."""
        if self._rng.random() < 0.8:
            return self.unknown_method()
        big = junk.huge_text(self._rng)
        params = self._rng.choice(
            (
                {"name": big},
                {"name": "get_task", "arguments": {"taskId": big}},
                {"name": "list_assets", "arguments": {big: 1}},
                {"name": "extend_video", "arguments": {"assetId": self._known.missing, "text_prompt": big}},
            )
        )
        return self._awaited("huge", self.request("tools/call", params))

    def deep(self) -> Case:
        """A request with a value that is nested deeply, but not beyond what can be read."""
        value = junk.deep(self._rng, junk.DEEP)
        params: Json = self._rng.choice(
            (
                {"x": value},
                {"name": "get_task", "arguments": {"taskId": value}},
                {"name": "list_assets", "arguments": {"x": value}},
            )
        )
        return self._awaited("deep", self.request("tools/call", params))

    def _awaited(self, kind: str, message: Json) -> Case:
        return Case(kind, (_line(message),), (message["id"],))

    def _some_params(self) -> Json:
        names = ("uri", "name", "arguments", "cursor", "level", "ref", "argument", "taskId", "protocolVersion", "")
        return {self._rng.choice(names): junk.value(self._rng) for _ in range(self._rng.randrange(4))}

    def _broken_arguments(self, tool: str) -> Json:
        named = {"extend_video": {"assetId": self._known.clip}, "get_task": {"taskId": self._known.endless}}.get(
            tool, {}
        )
        if named and self._rng.random() < 0.4:
            name = next(iter(named))
            return {name: self._rng.choice((self._known.missing, junk.other_than(self._rng, str), "x" * 600, "a/b"))}
        return named | self._rng.choice(BROKEN[tool])


def _line(message: Any) -> bytes:
    """A message on one line."""
    return json.dumps(message).encode()
