"""The stand-in for useapi.net in a process of its own, and what can be asked of it there."""

import json
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.kit.processes import environment, running

Json = dict[str, Any]


@dataclass(frozen=True)
class StandIn:
    """A running stand-in: the base URL of its API, and the token that it takes."""

    url: str
    token: str

    def state(self) -> Json:
        """What happened so far: counts of requests, accepted tasks, credits."""
        return self._ask("GET", "state")

    def submits(self) -> int:
        """How many requests to extend or to create arrived, whatever became of them."""
        requests: dict[str, int] = self.state()["requests"]
        return sum(count for name, count in requests.items() if name.startswith("POST /gen"))

    def add_task(self, **script: Any) -> str:
        """The taskId of a task made by hand on the website, which goes as the script says."""
        return self._ask("POST", "tasks", script)["taskId"]

    def script(self, **script: Any) -> None:
        """Scripts how the task that is accepted next goes."""
        self._ask("POST", "script", script)

    def clip(self) -> str:
        """The assetId of a clip that can be extended."""
        return next(asset["assetId"] for asset in self.state()["assets"] if asset["name"].startswith("Gen-3 Alpha"))

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        origin = self.url.removesuffix("/v1/runwayml")
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{origin}/simulator/{path}", content, method=method)  # noqa: S310 - our own URL
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return json.load(answer)


@contextmanager
def open_stand_in(*, pace: float, painted: bool = False) -> Generator[StandIn]:
    """A stand-in whose tasks last `pace` seconds; `painted` films play, others are blank."""
    command = [sys.executable, "-m", "tests.kit.stand_in_program", "--pace", str(pace)]
    command += ["--painted"] if painted else []
    with running(command, environment()) as program:
        assert program.process.stdout
        line = program.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the stand-in did not start: {''.join(program.told)}")
        yield StandIn(**json.loads(line))
