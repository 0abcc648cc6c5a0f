"""Running a command-line host: to its end, or for the conversation, with a scripted model in place of the real one."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from conversation import ASKED, play
from scripted_model import ScriptedModel, Wire, scripted_model

SECONDS = 100
_FOREIGN = ("ANTHROPIC_", "CLAUDE_CODE_USE_", "GEMINI_", "GOOGLE_", "OPENAI_", "OPENCODE_CONFIG")
"""What a caller's environment may hold that would lead a host to a real model."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def program(package: str) -> str:
    """The executable of the package for this machine; the scripts that would put it elsewhere have not run."""
    found = sorted(path for path in Path(ASKED["folder"], "node_modules").glob(package) if os.access(path, os.X_OK))
    if not found:
        raise LookupError(f"{package} is not installed for this machine")
    return str(found[0])


def script(path: str) -> list[str]:
    """The command of a host that is written in JavaScript."""
    return [shutil.which("node") or "node", str(Path(ASKED["folder"], "node_modules", path))]


def ran(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """What a command printed, without colours; raises RuntimeError if it failed."""
    ended = subprocess.run(  # noqa: S603 - the hosts' own commands
        command,
        env=_environment(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = _COLOURS.sub("", ended.stdout + ended.stderr)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {ended.returncode}: {said}")
    return said


def connects(said: str, sign: str) -> None:
    """Holds that the host has connected: a line about our server has its sign for that; else raises RuntimeError."""
    ours = [line for line in said.splitlines() if "runway" in line]
    if not any(sign in line.lower() for line in ours):
        raise RuntimeError(f"not connected: {said}")


async def plays(
    wire: Wire,
    begin: Callable[[str], tuple[Sequence[str], Mapping[str, str]]],
    set_up: Callable[[], None],
    read: Callable[[ScriptedModel, str], Awaitable[str]],
) -> None:
    """Plays the conversation through a host that runs on a scripted model.

    `set_up` adds the server to the host, and raises if the host tells that it does not connect; `begin` gives the
    host's command and its environment for the model's URL; `read` reads a resource by what the host has for that.
    """
    with scripted_model(wire) as model:
        running: list[asyncio.Task[None]] = []

        async def listed() -> list[str]:
            set_up()
            running.append(asyncio.create_task(_hosted(*begin(model.url), model)))
            return await model.listed()

        await play(listed, model.call, lambda uri: read(model, uri))
        model.end()
        await asyncio.wait_for(asyncio.gather(*running), SECONDS)


async def _hosted(command: Sequence[str], env: Mapping[str, str], model: ScriptedModel) -> None:
    """Runs the host to its end, upon which nothing waits for it any more."""
    host = await asyncio.create_subprocess_exec(
        *command,
        env=_environment(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await host.communicate()
    model.abandon(f"the host ended with {host.returncode}: {_COLOURS.sub('', said.decode(errors='replace'))}")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | dict(more)
