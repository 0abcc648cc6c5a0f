"""The Inspector's command line at our server, over each transport in each era: what it can list, read and call.

It must exit with 0, say nothing on stderr (where its warnings and a stdio server's log go), and show what was asked
for. Over HTTP it looks at everything, over the others at what differs between tools and resources.
"""

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from tests.kit.processes import OURS, environment, http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in
from tests.suites.node import Node

ERAS = ("legacy", "modern")
LAUNCHER = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
SECONDS = 60
AT_ONCE = 4
TOOL_IS_ERROR = 5
"""What the Inspector exits with when a result has `isError`."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """Where the Inspector looks: a URL, or a command and the environment of the server that it starts."""

    transport: str
    place: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Look:
    """One call of the Inspector: its arguments, what its result must show, and its exit code."""

    arguments: tuple[str, ...]
    shows: Callable[[Json], bool]
    code: int = 0


def checked(node: Node, folder: Path) -> bool:
    """Looks at everything; whether all of it was as it has to be."""
    with (
        open_stand_in(pace=1) as upstream,
        http_server_process(serve_command("http"), server_environment(upstream.url, folder / "data-http")) as http,
        http_server_process(serve_command("sse"), server_environment(upstream.url, folder / "data-sse")) as sse,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        own = {
            name: value
            for name, value in server_environment(upstream.url, folder / "data-stdio").items()
            if name.startswith(OURS)
        }
        few, more = _looks(upstream)
        rows = [
            *product([Target("stdio", tuple(serve_command("stdio")), own)], ERAS, few),
            *product([Target("http", (http.mcp,))], ERAS, few + more),
            *product([Target("sse", (sse.sse,))], ERAS, few),
        ]
        found = pool.map(partial(_faults, node), *zip(*rows, strict=True))
        faults = [fault for each in found for fault in each]
    sys.stdout.write(f"  {len(rows)} looks over stdio, http and sse in both eras\n")
    sys.stdout.writelines(f"    FAILED  {fault}\n" for fault in faults)
    return not faults


def _looks(upstream: StandIn) -> tuple[tuple[Look, ...], tuple[Look, ...]]:
    """The looks over every transport, and the further ones over HTTP."""
    clip, task = upstream.clip(), upstream.state()["tasks"][0]["taskId"]
    few = (
        Look(("tools/list", "--strict"), lambda result: len(result["tools"]) >= len(("extend", "get", "list"))),
        Look(_call("list_assets"), lambda result: bool(result["structuredContent"]["assets"])),
        Look(_call("extend_video", assetId=clip, dry_run=True), _has(status="DRY_RUN")),
        Look(("resources/list",), lambda result: bool(result["resources"])),
        Look(("resources/read", "--uri", "runway://tasks"), lambda result: bool(result["contents"])),
    )
    more = (
        Look(_call("extend_video", assetId=clip), _has(status="SUCCEEDED")),
        Look(_call("get_task", taskId=task), _has(status="SUCCEEDED")),
        Look(_call("get_task", taskId="nobody's"), lambda result: result["isError"], TOOL_IS_ERROR),
        Look(("resources/templates/list",), lambda result: bool(result["resourceTemplates"])),
        Look(("resources/read", "--uri", f"runway://assets/{clip}"), lambda result: clip in str(result["contents"])),
        Look(("prompts/list",), lambda result: bool(result["prompts"])),
        Look(("prompts/get", "--prompt-name", "extend_clip", "--prompt-args", "wish=rise"), _says("rise")),
    )
    return few, more


def _call(tool: str, **arguments: Any) -> tuple[str, ...]:
    return ("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))


def _has(**expected: Any) -> Callable[[Json], bool]:
    return lambda result: expected.items() <= result["structuredContent"].items()


def _says(word: str) -> Callable[[Json], bool]:
    return lambda result: word in str(result["messages"])


# The one line that a server on stdio says when it starts.
_STARTED = "useapi-runway-mcp keeps its ledger in "


def _faults(node: Node, target: Target, era: str, look: Look) -> list[str]:
    """What is wrong with one look, in sentences."""
    given = [word for name, value in target.env.items() for word in ("-e", f"{name}={value}")]
    options = ("--cli", "--format", "json", "--protocol-era", era, *given, "--method", *look.arguments)
    home = environment(HOME=str(node.folder))  # it keeps files in the home folder
    # Two dashes, since a server's own options would else be taken for the Inspector's.
    ended = node.run([*node.command(LAUNCHER, *options), "--", *target.place], seconds=SECONDS, env=home)
    name = f"{' '.join(look.arguments)} ({target.transport}, {era})"
    if ended.returncode != look.code:
        return [f"{name} exited with {ended.returncode}: {ended.stdout[:300]}{ended.stderr[:300]}"]
    said = "".join(line for line in ended.stderr.splitlines(keepends=True) if not line.startswith(_STARTED))
    if said and not look.code:
        return [f"{name} said: {said[:300]}"]
    if not look.shows(json.loads(ended.stdout)["result"]):
        return [f"{name} showed: {ended.stdout[:300]}"]
    return []
