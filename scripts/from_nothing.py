"""From nothing but Python and pip to a host that lists the tools, and a `doctor` that finds everything well.

    python3 scripts/from_nothing.py [WHEEL]

Needs no package beside Python's own. Does what a newcomer does, in an empty home with an empty cache: makes an
environment, installs the program with its extra by pip (from this checkout, or a wheel of it), registers it in a host,
starts what the host's configuration says, and asks it for its tools as the host does. Ends with 1 if that took two
minutes or more, or if `doctor` finds anything that is not ok against the stand-in.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LIMIT_SECONDS = 120
HOST = "cursor"
CONFIGURATION = Path(".cursor") / "mcp.json"
_FOREIGN = ("USEAPI_", "RUNWAY_MCP_", "UV_", "VIRTUAL_ENV", "PYTHON", "XDG_", "PIP_CACHE_DIR")
_REQUESTS: tuple[dict[str, Any], ...] = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "from-nothing", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
)


def ran(command: Sequence[str | Path], env: Mapping[str, str], **more: Any) -> str:
    """What a command prints; ends the program with its words if it fails."""
    ended = subprocess.run(  # noqa: S603  pip, and what it installed
        [str(part) for part in command], env=dict(env), capture_output=True, text=True, timeout=600, check=False, **more
    )
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def listed(entry: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    """The tools that a host sees of the server that an entry starts."""
    spoken = "".join(json.dumps(each) + "\n" for each in _REQUESTS)
    command = [entry["command"], *entry["args"]]
    with subprocess.Popen(  # noqa: S603  what was just installed
        command, env={**env, **entry["env"]}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin  # noqa: S101  piped
        assert server.stdout  # noqa: S101  piped
        server.stdin.write(spoken)
        server.stdin.flush()
        for line in server.stdout:
            answer = json.loads(line)
            if answer.get("id") == _REQUESTS[-1]["id"]:
                server.stdin.close()
                return [tool["name"] for tool in answer["result"]["tools"]]
    sys.exit("the server ended before it listed its tools")


def main(arguments: Sequence[str]) -> int:
    """Plays it through and prints what each step took; returns 0 if all held."""
    source = f"{arguments[0] if arguments else ROOT}[media]"
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        (home / CONFIGURATION.parent).mkdir(parents=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        # Without uv in the PATH the launcher is the program itself.
        env = {**inherited, "HOME": str(home), "PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        began = time.monotonic()

        def done(what: str) -> None:
            sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {what}\n")
            sys.stdout.flush()

        venv.create(home / "env", with_pip=True)
        python, program = home / "env/bin/python", home / "env/bin/useapi-runway-mcp"
        done("an environment")
        ran([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", source], env)
        done("the program, by pip")
        with subprocess.Popen([program, "simulate"], env=env, stdout=subprocess.PIPE, text=True) as stand_in:  # noqa: S603
            assert stand_in.stdout  # noqa: S101  piped
            where = json.loads(stand_in.stdout.readline())
            env |= {"USEAPI_URL": where["url"], "USEAPI_TOKEN": where["token"]}
            ran([program, "install", HOST], env, stdin=subprocess.DEVNULL)
            done(f"an entry in {HOST}'s configuration")
            entry = json.loads((home / CONFIGURATION).read_text(encoding="utf-8"))["mcpServers"]["runway"]
            tools = listed(entry, {key: value for key, value in env.items() if key != "USEAPI_TOKEN"})
            took = time.monotonic() - began
            done(f"the host lists {', '.join(tools)}")
            document = json.loads(ran([program, "doctor", "--json"], env))
            stand_in.terminate()
    for check in document["checks"]:
        sys.stdout.write(f"{check['status']:<9}{check['check']}: {check['message']}\n")
    sys.stdout.write(f"From nothing to a host that lists the tools: {took:.0f} s; doctor: {document['status']}\n")
    return 0 if took < LIMIT_SECONDS and document["status"] == "ok" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
