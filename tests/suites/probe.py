"""Calls every tool with generated arguments, right and wrong ones, against the stand-in; in both eras.

The arguments come from the schemas that the server lists, the ids from what its tools list. Whatever the call, its
result conforms to the output schema that the tool promises, is short enough for hosts, shows no crash and comes in
time. A wrong argument is refused by its name and costs nothing; a tool that calls itself read-only submits nothing.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import anyio
from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent, Tool

from runway_mcp.server.boundary import CRASHED
from runway_mcp.server.contract.results.tool_results import LONGEST_RESULT
from tests.kit.processes import http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in
from tests.suites.node import Node

ERAS: tuple[Literal["legacy", "auto"], ...] = ("legacy", "auto")
RANDOM_CALLS = 40
"""How many calls of each tool have several arguments at once."""

SECONDS = 30
SEED = 5

Json = dict[str, Any]
Ids = Mapping[str, list[str]]


@dataclass
class Probed:
    """How many calls were made, and what was wrong with any."""

    calls: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list[str])


def checked(_node: Node, folder: Path) -> bool:
    """Probes the tools over HTTP; whether all was well."""
    probed = Probed()
    with (
        open_stand_in(pace=0) as upstream,
        http_server_process(
            serve_command("http"), server_environment(upstream.url, folder / "data", RUNWAY_MCP_POLL_SECONDS="0.02")
        ) as served,
    ):
        for mode in ERAS:
            anyio.run(partial(_probe, served.mcp, mode, upstream, probed))
        if any("crashed" in line or "Traceback" in line for line in served.program.told):
            probed.faults.append(f"the log tells of a crash: {''.join(served.program.told)[:2000]}")
    sys.stdout.write(f"  {probed.calls} calls in both eras, {probed.refused} of them rightly refused\n")
    sys.stdout.writelines(f"    FAILED  {fault}\n" for fault in probed.faults)
    return not probed.faults


async def _probe(url: str, mode: Literal["legacy", "auto"], upstream: StandIn, probed: Probed) -> None:
    rng = Random(SEED)  # noqa: S311 - the calls must be the same each time
    async with Client(url, mode=mode) as client:
        listed = await client.call_tool("list_assets", {"limit": 50})
        assets = cast("Json", listed.structured_content)["assets"]
        known: Ids = {name: [asset[name] for asset in assets if name in asset] for name in ("assetId", "taskId")}
        for tool in (await client.list_tools()).tools:
            submits = upstream.submits()
            for arguments in _right(tool, known, rng):
                await _call(client, tool, arguments, probed, wrong=None)
            if tool.annotations and tool.annotations.read_only_hint and upstream.submits() != submits:
                probed.faults.append(f"{tool.name} calls itself read-only and submitted something")
            submits = upstream.submits()
            for name, arguments in _wrong(tool, known):
                await _call(client, tool, arguments, probed, wrong=name)
            if upstream.submits() != submits:
                probed.faults.append(f"{tool.name} submitted something though its arguments were wrong")


async def _call(client: Client, tool: Tool, arguments: Json, probed: Probed, *, wrong: str | None) -> None:
    probed.calls += 1
    with anyio.move_on_after(SECONDS):
        try:
            result = await client.call_tool(tool.name, arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the host would have seen
            probed.faults.append(f"{tool.name} {_short(arguments)} raised {error!r}")
            return
        probed.refused += wrong is not None
        faults = _faults(tool, result, wrong)
        probed.faults += [f"{tool.name} {_short(arguments)} {fault}" for fault in faults]
        return
    probed.faults.append(f"{tool.name} {_short(arguments)} took longer than {SECONDS} s")


def _faults(tool: Tool, result: CallToolResult, wrong: str | None) -> Iterator[str]:
    """What is wrong with a result; `wrong` is the argument that has to be refused, None if none has to be."""
    if tool.output_schema is None:
        yield from _faults_of_text(result, wrong)
        return
    data = result.structured_content
    if data is None or not any(isinstance(block, TextContent) and block.text for block in result.content):
        yield "lacks structured content or text"
        return
    yield from (
        f"breaks its output schema: {error.message}"
        for error in Draft202012Validator(tool.output_schema).iter_errors(data)  # pyright: ignore[reportUnknownMemberType] - untyped there
    )
    whole = json.dumps(data)
    if CRASHED in whole:
        yield "crashed"
    if len(whole) > LONGEST_RESULT and not data.get("assets"):
        yield f"returned {len(whole)} characters"
    if result.is_error != ("error" in data):
        yield f"has is_error {result.is_error} and the error {data.get('error')}"
    if wrong is not None:
        error = data.get("error", {})
        if (error.get("kind"), error.get("charged")) != ("invalid_request", "no") or wrong not in error["message"]:
            yield f"did not refuse {wrong}: {_short(data)}"


def _faults_of_text(result: CallToolResult, wrong: str | None) -> Iterator[str]:
    """What is wrong with the result of a tool without structured content, whose text tells all."""
    told = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if not told or result.structured_content is not None:
        yield "lacks text, or has structured content beside it"
    if CRASHED in told:
        yield "crashed"
    if len(told) > LONGEST_RESULT:
        yield f"returned {len(told)} characters"
    if bool(result.is_error) != ("Error: " in told):
        yield f"has is_error {result.is_error} and says {told[:200]}"
    if wrong is not None and not ("Error: invalid_request. Charged: no." in told and wrong in told):
        yield f"did not refuse {wrong}: {told[:200]}"


def _right(tool: Tool, known: Ids, rng: Random) -> Iterator[Json]:
    """Arguments that the schema takes: each value of interest by itself, then several at random; films stay short."""
    properties: dict[str, Json] = tool.input_schema["properties"]
    required = {name: _values(name, properties[name], known)[0] for name in tool.input_schema.get("required", ())}
    alone = ({name: value} for name, schema in properties.items() for value in _values(name, schema, known))
    several = (
        {name: rng.choice(_values(name, schema, known)) for name, schema in properties.items() if rng.random() < 0.4}
        for _ in range(RANDOM_CALLS)
    )
    return (required | given for given in chain([{}], alone, several))


def _values(name: str, schema: Json, known: Ids) -> list[Any]:
    """Values of interest that a property takes."""
    match schema:
        case {"enum": values}:
            return list(values)
        case {"type": "boolean"}:
            return [True, False]
        case {"type": "integer"}:
            return [schema["minimum"], schema["minimum"] + 1, min(schema["maximum"], schema["minimum"] + 7)]
        case _:
            return known.get(name) or _TEXTS.get(name) or ["a", "the camera rises, slowly", "ä\u202e😀", "a\u0000b"]


_TEXTS = {
    "replyUrl": ["http://127.0.0.1:9/callback"],
    "email": ["director@example.com", "nobody@example.com"],
    "confirm": ["nope"],
}


def _wrong(tool: Tool, known: Ids) -> Iterator[tuple[str, Json]]:
    """Arguments of which one breaks the schema, and its name."""
    properties: dict[str, Json] = tool.input_schema["properties"]
    required = {name: _values(name, properties[name], known)[0] for name in tool.input_schema.get("required", ())}
    for name in required:
        yield name, {other: value for other, value in required.items() if other != name}
    for name, schema in properties.items():
        for value in _broken(name, schema):
            yield name, required | {name: value}
    yield "no_such_argument", required | {"no_such_argument": 1}


def _broken(name: str, schema: Json) -> Iterator[Any]:
    """Values that a property does not take.

    0 stands for an optional number that was left out, a wait that is too long is cut, and a `dry_run` of any other form
    is one, so that nothing is spent.
    """
    if name == "dry_run":
        return
    yield ["a list"]
    yield {"an": "object"}
    match schema:
        case {"enum": _}:
            yield "none of them"
            yield 1_000_000
        case {"type": "boolean"}:
            yield "perhaps"
            yield 7
        case {"type": "integer"}:
            yield min(schema["minimum"], 0) - 1
            if name != "wait_seconds":
                yield schema["maximum"] + 1
            yield schema["minimum"] + 0.5
            yield "many"
        case {"type": "number"}:
            yield schema["minimum"] - 1
            yield "many"
        case {"maxLength": longest}:
            yield "x" * (longest + 1)
            yield 5
        case _:
            yield 5


def _short(value: object) -> str:
    return json.dumps(value, default=str)[:200]
