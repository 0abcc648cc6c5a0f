"""Small conversations with real servers over real pipes and sockets, and what they cost by upstream's account.

Each run draws one to three hosts, each in its own thread, with an era and a way in of its own: a stdio server that is
its own, or one server on HTTP or HTTP+SSE that they share; all on one data folder. They list, price, extend, follow and
repeat; they give up silently, say so, drop the connection or kill their server, and come back, some after hours; they
spell the source in several ways and copy `seed` and `replyRef` from results, as agents do. The stand-in loses answers,
brings them late, refuses what it has accepted, answers with another task, names our own task in a 429, and brings films
and lists late. In the end its troubles are over, and on a fresh server each request must be answered with the task that
it made: after minutes, hours or days, and when its source is gone.

`python -m tests.campaign.real --count 300 --seed 1`; `--only SEED` replays one.
"""

import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.campaign.clients import HttpRpcClient, RpcClient, SseRpcClient, StdioRpcClient, Unheard
from tests.campaign.evidence import (
    Called,
    Evidence,
    Finding,
    Limits,
    Post,
    film_told,
    key_of,
    posts_of,
    refusal,
    rows_of,
    short,
)
from tests.campaign.pipes import Gone, ServerProcess, UpstreamProcess
from tests.campaign.scripts import Act, Host, Request, Run, Way, draw
from tests.campaign.tallies import Tally, command, play_many

# How long a host waits for what it does not mean to give up, in seconds.
_PATIENCE = 60.0
# How soon a fresh server must have settled what upstream shows.
_SETTLING = 40.0
_PAUSE = 0.1
MADE_UP = "no-quote"
"""What a host passes as the quote that it does not have."""
AFTERWARDS = "Afterwards"
"""When troubles are just over: the one time at which a request may still be made for the first time."""


def real_many(seed: int, runs: int, folder: Path | None = None, /) -> Tally:
    """Plays so many runs, one after the other."""
    return play_many(play_seed, seed, runs, folder)


def play_seed(seed: int, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays the run of a seed on an empty data folder, and adds it to the tally."""
    real_one(draw(seed), upstream, data, tally)


def real_one(run: Run, upstream: UpstreamProcess, data: Path, tally: Tally) -> None:
    """Plays one run on an empty data folder, and adds it to the tally."""
    order = {"pace": run.pace, "clips": 2, "faults": run.faults, "switches": run.switches}
    world = upstream.open(**order)
    context = RealContext(run, upstream, world, data)
    try:
        try:
            _converse(context)
            _afterwards(context)
        except (Gone, TimeoutError, Unheard) as error:
            context.find("broken", f"{type(error).__name__}: {error} {context.said()}")
        finally:
            context.close()
        evidence = context.evidence()
        tally.add(run.seed, run.strike, evidence, [*context.found, *evidence.findings()])
    finally:
        upstream.pipe.send({"op": "close"})


class RealContext:
    """A run under way: its servers, and what its hosts have heard."""

    def __init__(self, run: Run, upstream: UpstreamProcess, world: Mapping[str, Any], data: Path) -> None:
        self.run = run
        self.upstream = upstream
        self.world = world
        self.data = data
        self.calls: list[Called] = []
        self.found: list[Finding] = []
        self.limits = Limits(run.per_call, run.per_day, run.confirm_above)
        self.servers: list[ServerProcess] = []
        self.passed = 0.0
        self._shared: dict[Way, ServerProcess] = {}
        self._turn = threading.Lock()

    def find(self, kind: str, sentence: str) -> None:
        """Notes a finding."""
        self.found.append((kind, sentence))

    def server(self, transport: Way) -> ServerProcess:
        """A fresh server."""
        ahead, settings = self.run.skew + self.passed, self.run.settings
        server = ServerProcess(
            self.upstream, self.world, self.data, transport=transport, settings=settings, ahead=ahead
        )
        self.servers.append(server)
        return server

    def client(self, host: Host) -> RpcClient:
        """A fresh client for a host: into a server of its own, or into the one that is shared."""
        if host.way == "stdio":
            return StdioRpcClient(self.server("stdio"), host.era)
        with self._turn:
            if host.way not in self._shared:
                self._shared[host.way] = self.server(host.way)
            origin = self._shared[host.way].address()
        return HttpRpcClient(origin, host.era) if host.way == "http" else SseRpcClient(origin, host.era)

    def kill_shared(self, way: Way) -> None:
        """Kills the server that is shared; who comes next finds a fresh one."""
        with self._turn:
            server = self._shared.pop(way, None)
        if server is not None:
            server.kill()

    def pass_time(self, seconds: float) -> None:
        """Lets time pass upstream and for every server."""
        with self._turn:
            self.passed += seconds
            self.upstream.order("later", seconds=seconds)
            for server in self.servers:
                server.move_clock(server.ahead + seconds)

    def source(self, request: Request) -> str:
        """The assetId of a request's clip."""
        return self.world["clips"][request.clip]["assetId"]

    def posts(self) -> list[Post]:
        """What arrived upstream so far."""
        return posts_of(self.upstream.truth())

    def evidence(self) -> Evidence:
        """What the run is judged by."""
        return Evidence(self.posts(), self.calls, rows_of(self.data), self.limits)

    def said(self) -> str:
        """The last words of all servers."""
        return " ".join(server.stderr()[-200:] for server in self.servers)

    def close(self) -> None:
        """Ends all servers."""
        for server in self.servers:
            server.kill()


class Talk:
    """A host at work: its client, and what it knows from results."""

    def __init__(self, context: RealContext, host: Host) -> None:
        self._context = context
        self._host = host
        self._door: RpcClient | None = None
        self._heard: dict[Request, dict[str, Any]] = {}
        self._quotes: dict[Request, str] = {}

    def run(self) -> None:
        """All of the host's acts."""
        try:
            for act in self._host.acts:
                time.sleep(act.pause)
                self._act(act)
        except (Gone, TimeoutError, Unheard) as error:
            self._context.find("broken", f"a host on {self._host.way} met {type(error).__name__} {error}")
        finally:
            if self._door is not None:
                with suppress(Gone, OSError):
                    self._door.close()

    def _act(self, act: Act) -> None:
        if self._door is None:
            self._door = self._context.client(self._host)
        match act.verb:
            case "away":
                self._context.pass_time(act.away)
            case "list":
                self._ask("list_assets", {"limit": 5}, act)
            case "get":
                task_id = self._heard.get(act.request, {}).get("taskId")
                if task_id:
                    self._ask("get_task", {"taskId": task_id, "wait_seconds": act.wait}, act)
            case "dry":
                told = self._ask("extend_video", {**self._arguments(act), "dry_run": True}, act)
                self._note_quote(act.request, told)
            case _:
                self._extend(act)

    def _extend(self, act: Act) -> None:
        context, request = self._context, act.request
        arguments = {**self._arguments(act), "wait_seconds": act.wait}
        confirm = self._quotes.get(act.quote_of or request, MADE_UP) if act.confirm else None
        if confirm:
            arguments["confirm"] = confirm
        key = key_of({**request.arguments}, context.source(request))
        called = Called(key, time.monotonic(), confirm=confirm)
        context.calls.append(called)
        told = self._ask("extend_video", arguments, act)
        called.ended = time.monotonic()
        called.result = told
        if told and told.get("taskId"):
            self._heard[request] = told

    def _arguments(self, act: Act) -> dict[str, Any]:
        """A request as the host spells it now, with what it copied from a result."""
        clip = self._context.world["clips"][act.request.clip]
        names = {"asset": clip["assetId"], "task": clip["taskId"], "uri": f"runway://assets/{clip['assetId']}"}
        said = act.request.loose if act.loose else act.request.arguments
        heard = self._heard.get(act.request, {})
        copied = {name: heard[name] for name in act.copies if name in heard}
        return {**dict(act.aside), **copied, "assetId": names[act.spelling], **said}

    def _note_quote(self, request: Request, told: Mapping[str, Any] | None) -> None:
        quote = (told or {}).get("quote")
        if quote:
            self._quotes[request] = quote["id"]
            self._context.limits.quotes[quote["id"]] = key_of(request.arguments, self._context.source(request))

    def _ask(self, tool: str, arguments: dict[str, Any], act: Act) -> dict[str, Any] | None:
        """The structured content of a call; None if the host gave up."""
        assert self._door is not None
        try:
            answer = self._door.ask("tools/call", {"name": tool, "arguments": arguments}, act.gives_up or _PATIENCE)
        except Unheard:
            if act.gives_up is None:
                raise
            self._door.leave(act.leaves)
            if act.leaves == "killing" and self._host.way != "stdio":
                self._context.kill_shared(self._host.way)
            # What was left silently may still answer on the same pipe; the others need a new client.
            if act.leaves in ("dropping", "killing") or self._host.way == "sse":
                self._door = None
            return None
        if "structuredContent" not in answer:
            self._context.find("broken", f"{tool} was answered with {answer}")
            return None
        return answer["structuredContent"]


def _converse(context: RealContext) -> None:
    """All hosts at once."""
    threads = [threading.Thread(target=Talk(context, host).run, daemon=True) for host in context.run.hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE * 3)
        if thread.is_alive():
            raise TimeoutError("a host never came to its end")


def _afterwards(context: RealContext) -> None:
    """Once all troubles are over, each request is answered with the task that it made, whatever the time between."""
    context.upstream.order("calm")
    with _fresh(context) as client:
        until = time.monotonic() + _SETTLING
        while not {post.task_id for post in context.posts() if post.task_id} <= context.evidence().owned:
            if time.monotonic() > until:
                context.find("lost", f"after {_SETTLING:g} s the ledger does not own what upstream shows")
                break
            time.sleep(_PAUSE)
        asked = dict.fromkeys(act.request for host in context.run.hosts for act in host.acts if act.verb == "extend")
        for request in asked:
            _expect(context, client, request, AFTERWARDS, wait=45)
        for seconds in context.run.then:
            context.pass_time(seconds)
            for request in asked:
                _expect(context, client, request, f"{seconds:g} s later", wait=0)
        if context.run.deleted:
            for clip in context.world["clips"]:
                context.upstream.order("delete", assetId=clip["assetId"])
            for request in asked:
                _expect(context, client, request, "With its source deleted", wait=0)


@contextmanager
def _fresh(context: RealContext) -> Generator[RpcClient]:
    client = StdioRpcClient(context.server("stdio"), "2025-11-25")
    yield client
    client.close()


def _expect(context: RealContext, client: RpcClient, request: Request, when: str, *, wait: int) -> None:
    """The request must be answered with its task, if it made one; nothing new may be made for it otherwise unasked."""
    key = key_of(request.arguments, context.source(request))
    evidence = context.evidence()
    made = {post.task_id for post in evidence.accepted if evidence.key_of_post(post) == key}
    if not made and when != AFTERWARDS:
        return
    called = Called(key, time.monotonic())
    context.calls.append(called)
    arguments = {"assetId": context.source(request), **request.arguments, "wait_seconds": wait}
    answer = client.ask("tools/call", {"name": "extend_video", "arguments": arguments}, _PATIENCE)
    called.ended = time.monotonic()
    called.result = result = answer.get("structuredContent") or {"error": {"kind": "none", "message": str(answer)}}
    if made and result.get("taskId") not in made:
        told = short(result["taskId"]) if "taskId" in result else refusal(result)
        context.find("lost", f"{when}, a request was answered with {told}")
    elif made and when != AFTERWARDS and (wrong := film_told(result)):
        context.find("lies", f"{when}, {wrong}")


if __name__ == "__main__":
    sys.exit(command("real", real_many))
