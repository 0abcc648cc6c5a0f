"""What kills and stops have in common: a world, servers on one data folder, and the calls of one request."""

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.campaign.evidence import (
    Called,
    Evidence,
    Finding,
    Limits,
    film_told,
    key_of,
    posts_of,
    refusal,
    rows_of,
    short,
)
from tests.campaign.pipes import Gone, ServerProcess, UpstreamProcess

# How soon a restarted server must know a task that upstream shows, in seconds.
SETTLING = 40.0
_PAUSE = 0.05
_REPLY = 60.0


class Case:
    """A run under way, with one world and one request; to be used as a context, which ends all servers.

    `made` are the arguments of its call but for `assetId`; `order` opens the world; servers are started with a clock
    that is ahead of upstream's by `skew`.
    """

    def __init__(
        self, upstream: UpstreamProcess, data: Path, made: Mapping[str, Any], order: Mapping[str, Any]
    ) -> None:
        self.upstream = upstream
        self.data = data
        self.world = upstream.open(**order)
        self.arguments: dict[str, Any] = {"assetId": self.world["assetId"], **made}
        self.key = key_of(self.arguments, self.world["assetId"])
        self.calls: list[Called] = []
        self.servers: list[ServerProcess] = []
        self.found: list[Finding] = []
        self.passed = 0.0
        self.skew = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.signal(signal.SIGKILL)
            server.close()
        self.upstream.pipe.send({"op": "close"})

    def find(self, kind: str, sentence: str) -> None:
        """Notes a finding."""
        self.found.append((kind, sentence))

    def start(self, *, whole: bool = False) -> ServerProcess:
        """A server that has shaken hands; its clock has let pass what upstream's has."""
        ahead = self.skew + self.passed
        server = ServerProcess(self.upstream, self.world, self.data, whole=whole and not ahead, ahead=ahead)
        self.servers.append(server)
        server.open()
        return server

    def begin(self, server: ServerProcess, **changes: Any) -> tuple[int, Called]:
        """Makes the call and does not wait."""
        called = Called(self.key, time.monotonic())
        self.calls.append(called)
        number = server.begin("tools/call", {"name": "extend_video", "arguments": {**self.arguments, **changes}})
        return number, called

    def end(self, server: ServerProcess, begun: tuple[int, Called], seconds: float = _REPLY) -> Called:
        """The call with its result."""
        number, called = begun
        answer = server.reply(number, seconds)
        called.ended = time.monotonic()
        called.result = answer.get("structuredContent") or {"error": {"kind": "none", "message": json.dumps(answer)}}
        return called

    def call(self, server: ServerProcess, **changes: Any) -> Called:
        """Makes the call and waits for its result."""
        return self.end(server, self.begin(server, **changes))

    def pass_time(self, seconds: float) -> None:
        """Lets time pass, upstream and for every server that lives or will be started."""
        self.passed += seconds
        self.upstream.order("later", seconds=seconds)
        for server in self.servers:
            server.move_clock(server.ahead + seconds)

    def settle(self, server: ServerProcess) -> None:
        """The server must soon know every task that was accepted."""
        wanted = {post.task_id for post in posts_of(self.upstream.truth()) if post.task_id}
        until = time.monotonic() + SETTLING
        while not wanted <= (known := self._known(server)):
            if time.monotonic() > until:
                self.find("lost", f"after {SETTLING:g} s the server does not know {wanted - known}")
                return
            time.sleep(_PAUSE)

    def expect_same(
        self, server: ServerProcess, what: str, *, tries: int = 1, film: bool = False, **changes: Any
    ) -> None:
        """The identical call must be answered with the task that was accepted, if one was; or even with its film."""
        wanted = {post.task_id for post in posts_of(self.upstream.truth()) if post.task_id}
        result: Mapping[str, Any] = {}
        for _ in range(tries):
            result = self.call(server, **changes).result or {}
            if not wanted or result.get("taskId") in wanted:
                wrong = film_told(result) if film and wanted else None
                if wrong:
                    self.find("lies", f"{what}, {wrong}")
                return
        told = short(result["taskId"]) if "taskId" in result else refusal(result)
        self.find("lost", f"{what}, the identical call was answered with {told}")

    def evidence(self) -> Evidence:
        """What the run is judged by."""
        return Evidence(posts_of(self.upstream.truth()), self.calls, rows_of(self.data), Limits())

    def broke(self, error: Exception) -> None:
        """Notes that the run could not go on."""
        said = self.servers[-1].stderr()[-300:] if self.servers else ""
        self.find("broken", f"{type(error).__name__}: {error} {said}")

    def _known(self, server: ServerProcess) -> set[str]:
        answer = server.request("resources/read", {"uri": "runway://tasks"})
        if "contents" not in answer:
            raise Gone(json.dumps(answer)[:300])
        listed = json.loads(answer["contents"][0]["text"])["tasks"]
        return {task["taskId"] for task in listed if "taskId" in task}
