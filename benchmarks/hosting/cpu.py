"""CPU per call of callers' reads from memory, beside the bare server that echoes the same bytes to the same callers."""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.hosting.servers import answered, bare, hosted, hosts_of, of_issuer, pid_of
from benchmarks.hosting.tokens import callers_file, hashes_file, issuer
from benchmarks.pairs import Row
from benchmarks.talking import ERAS, Era, Socket, used
from runway_mcp.server.contract.listed import listed
from tests.kit.postgres import running_postgres
from tests.kit.processes import HttpServerProcess
from tests.kit.stand_in import StandIn, open_stand_in

CALLERS: Final = 64
"""How many callers share the calls: one alone may make ten a second."""

MOST: Final = 1.3
"""How much of the bare server's CPU ours may take."""

_NAME: Final = "from memory"

ECHO: Final[dict[str, Any]] = {"name": "get_task", "arguments": {"which": _NAME}}
"""The call that the bare server answers with the same bytes."""

Token = Literal["of the file", "signed"]
Ledger = Literal["SQLite", "PostgreSQL"]
_CASES: Final[tuple[tuple[Ledger, Token], ...]] = (
    ("SQLite", "of the file"),
    ("SQLite", "signed"),
    ("PostgreSQL", "of the file"),
)


@dataclass
class Pairs:
    """Milliseconds of CPU of a call in each burst of either side."""

    ours: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])


Case = tuple[Ledger, Token, Era]


def rows(figures: dict[Case, Pairs]) -> list[Row]:
    """The measures, with what must hold."""
    return [
        Row(f"{ledger}, token {token}, {era}: CPU", "ms", pairs.ours, pairs.bare, most=MOST)
        for (ledger, token, era), pairs in figures.items()
    ]


def measure(folder: Path, *, pairs: int, calls: int, loads: list[float], callers: int = CALLERS) -> dict[Case, Pairs]:
    """So many bursts of so many calls on each side, in turns, after one that does not count; notes the load.

    With the database both sides are without sessions, else clients of 2025 have one each.
    """
    figures: dict[Case, Pairs] = {}
    with ExitStack() as stack:
        upstream = stack.enter_context(open_stand_in(pace=0.2))
        signer = stack.enter_context(issuer(callers))
        named = callers_file(folder, callers)
        hashes = hashes_file(folder, (*named.tokens, *signer.tokens))
        postgres = stack.enter_context(running_postgres())
        for ledger, token in _CASES:
            is_signed = token == "signed"  # noqa: S105  a kind of token
            tokens = signer.tokens if is_signed else named.tokens
            database = postgres.url() if ledger == "PostgreSQL" else None
            signs = of_issuer(signer.url) if is_signed else {}
            with ExitStack() as both:
                served = hosted(upstream, folder / f"{ledger}, {token}", named, database=database, **signs)
                ours = both.enter_context(served)
                task = ended_task(hosts_of([ours], ERAS[-1], tokens[:1])[0])
                answers = answers_file(folder, hosts_of([ours], ERAS[-1], tokens[:1])[0], call_of(task))
                other = both.enter_context(bare(answers, hashes, stateless=ledger == "PostgreSQL"))
                for era in ERAS:
                    loads.append(os.getloadavg()[0])
                    told = figures[ledger, token, era] = Pairs()
                    _bursts(told, (ours, other), (era, tokens, task), upstream, pairs=pairs, calls=calls)
    return figures


def ended_task(host: Socket) -> str:
    """A task that has ended and that every caller may read, since no intent owns it."""
    clips = answered(host, "list_assets", links=True)["assets"]
    return next(clip["taskId"] for clip in clips if "taskId" in clip)


def call_of(task: str) -> dict[str, Any]:
    """The call that is measured."""
    return {"name": "get_task", "arguments": {"taskId": task}}


def answers_file(folder: Path, host: Socket, call: dict[str, Any]) -> Path:
    """A file of what the bare server says: our tools, and to `ECHO` what a server of ours answers to a call."""
    result = host.ask("tools/call", call)
    told = {"text": result["content"][0]["text"], "structured": result["structuredContent"], "is_error": False}
    answers = {"tools": listed().tools, "results": {_NAME: told}}
    path = folder / "answers.json"
    path.write_text(json.dumps(answers), encoding="utf-8")
    return path


def _bursts(
    told: Pairs,
    servers: tuple[HttpServerProcess, HttpServerProcess],
    asked: tuple[Era, Sequence[str], str],
    upstream: StandIn,
    *,
    pairs: int,
    calls: int,
) -> None:
    era, tokens, task = asked
    sides = [
        (pid_of(served), hosts_of([served], era, tokens), call, spent)
        for served, call, spent in zip(servers, (call_of(task), ECHO), (told.ours, told.bare), strict=True)
    ]
    for number in range(pairs + 1):
        for pid, hosts, call, spent in sides:
            burst = _burst(pid, hosts, call, calls, upstream)
            if number:
                spent.append(burst)


def _burst(pid: int, hosts: Sequence[Socket], call: dict[str, Any], calls: int, upstream: StandIn) -> float:
    warm(hosts, call)
    before, read = used(pid).cpu, upstream.state()["requests"]
    for number in range(calls):
        hosts[number % len(hosts)].ask("tools/call", call)
    spent = used(pid).cpu - before
    if upstream.state()["requests"] != read:
        # What was remembered is a minute old: another burst tells what memory costs.
        return _burst(pid, hosts, call, calls, upstream)
    return 1000 * spent / calls


def warm(hosts: Sequence[Socket], call: dict[str, Any]) -> None:
    """Makes the call once on each connection, opened anew, since servers close those that were idle."""
    for host in hosts:
        host.renew()
        host.ask("tools/call", call)
