"""Codex CLI: the README's settings, then its app server, which calls tools and reads resources without a model."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

from commands import script
from conversation import ASKED, play
from pages import toml

Json = dict[str, Any]
LONGEST_LINE = 4_000_000


class AppServer:
    """A running app server, asked one thing after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)

    async def ask(self, method: str, **params: Any) -> Json:
        """The result of a request; raises RuntimeError with the words of an error."""
        number = next(self._ids)
        await self._send({"id": number, "method": method, "params": params})
        assert self._process.stdout
        async for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == number and "method" not in answer:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]
        raise RuntimeError("the app server has ended")

    async def notify(self, method: str) -> None:
        """Tells it something."""
        await self._send({"method": method})

    async def _send(self, message: Json) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(message)}\n".encode())
        await self._process.stdin.drain()


def configure() -> None:
    home = Path.home() / ".codex"
    home.mkdir()
    text = toml("Codex CLI") if ASKED["transport"] == "stdio" else f'[mcp_servers.runway]\nurl = "{ASKED["url"]}"\n'
    (home / "config.toml").write_text(text, encoding="utf-8")


async def main() -> None:
    configure()
    process = await asyncio.create_subprocess_exec(
        *script("@openai/codex/bin/codex.js"),
        "app-server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST_LINE,
    )
    codex = AppServer(process)
    await codex.ask("initialize", clientInfo={"name": "check", "version": "0"}, capabilities={"experimentalApi": True})
    await codex.notify("initialized")
    thread = (await codex.ask("thread/start", cwd=str(Path.cwd())))["thread"]["id"]

    async def listed() -> list[str]:
        return list((await codex.ask("mcpServerStatus/list"))["data"][0]["tools"])

    async def call(name: str, arguments: Json) -> str:
        result = await codex.ask(
            "mcpServer/tool/call", threadId=thread, server="runway", tool=name, arguments=arguments
        )
        return "\n".join(part["text"] for part in result["content"])

    async def read(uri: str) -> str:
        found = await codex.ask("mcpServer/resource/read", threadId=thread, server="runway", uri=uri)
        return found["contents"][0]["text"]

    await play(listed, call, read)
    process.terminate()
    await process.wait()


asyncio.run(main())
