"""One conversation of an agent with a hosted server, in the way of its era: price, extend, follow, read.

What is cut off on its way, or answered by the balancer itself, is asked again with the same arguments.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from json import loads
from typing import Any, Literal, TypeVar, cast

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestParams, ElicitResult, TextResourceContents

Era = Literal["2025", "2026-07-28"]
Json = dict[str, Any]
_T = TypeVar("_T")

CALLERS = ("ana", "bob")
"""Who converses; the token of each is his name and `-token`."""

# How long an agent waits for one answer, before it asks again, and in how many calls its film has to come; in seconds.
_ANSWER_SECONDS, _PAUSE_SECONDS, _MOST_TRIES = 40.0, 0.5, 60
_WAIT = 3
_TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


class ConversationError(Exception):
    """Something in a conversation is not as it was promised."""


@dataclass
class Tally:
    """What the conversations of a run came to.

    `asked` is called at each request that is made for the first time; `latest` is each caller's latest film's task.
    """

    asked: Callable[[], None]
    counts: Counter[str] = field(default_factory=Counter[str])
    failed: list[str] = field(default_factory=list[str])
    latest: dict[str, str] = field(default_factory=dict[str, str])
    last_cut: str = ""


@dataclass
class Wish:
    """What an agent is to get for a caller: `clip` made longer, with these words as its prompt."""

    caller: str
    words: str
    clip: str


async def converse(origin: str, era: Era, wish: Wish, tally: Tally) -> None:
    """Has a conversation from the first connection to the film; raises `ConversationError`, also in a group."""
    headers = {"authorization": f"Bearer {wish.caller}-token"}
    mode = "legacy" if era == "2025" else "2026-07-28"

    async def agree(context: object, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001  the SDK's signature
        tally.counts["questions answered"] += 1
        return ElicitResult(action="accept", content={"ok": True})

    async def note(response: httpx2.Response) -> None:
        if response.is_error and response.request.method == "POST":
            tally.counts[f"answers of HTTP {response.status_code}"] += 1

    hooks = {"response": [note]}
    async with httpx2.AsyncClient(headers=headers, timeout=_ANSWER_SECONDS, event_hooks=hooks) as http:
        for _ in range(_MOST_TRIES):
            is_open = False
            try:
                way = streamable_http_client(f"{origin}/mcp", http_client=http)
                async with Client(way, mode=mode, elicitation_callback=agree) as client:
                    is_open = True
                    await _Agent(client, era, wish, tally).work()
                    return
            except* MCPError as cut:
                if is_open:
                    raise
                tally.counts[f"handshake cut and made again: {_words_of(cut)}"] += 1
            await anyio.sleep(_PAUSE_SECONDS)
    raise ConversationError("no connection")


class _Agent:
    """An agent with a connected client."""

    def __init__(self, client: Client, era: Era, wish: Wish, tally: Tally) -> None:
        self._client, self._era, self._wish, self._tally = client, era, wish, tally

    async def work(self) -> None:
        task_id = await self._extended()
        if self._era == "2026-07-28":
            await self._heard_to_the_end(task_id)
        told = await self._followed(task_id)
        if told["status"] != "SUCCEEDED":
            raise ConversationError(f"the task ended as {told}")
        await self._read(task_id, told["video"]["assetId"])
        await self._kept_apart(task_id)

    async def _extended(self) -> str:
        """The taskId of the wish, which is priced first; with a quote in 2025, with a question in 2026."""
        given: Json = {"assetId": self._wish.clip, "text_prompt": self._wish.words}
        told: Json = {}
        for _ in range(_MOST_TRIES):
            priced = await self._call("extend_video", {**given, "dry_run": True})
            if priced["status"] != "DRY_RUN" or not (priced.get("quote") or priced.get("twin")):
                raise ConversationError(f"no price: {priced}")
            if priced.get("twin"):
                return priced["next_step"]["arguments"]["taskId"]
            arguments = priced["next_step"]["arguments"] if self._era == "2025" else given
            for _ in range(_MOST_TRIES):
                told = await self._call("extend_video", {**arguments, "wait_seconds": 0})
                if "taskId" in told:
                    return told["taskId"]
                self._tally.counts[f"extending was told {told['error']['kind']}"] += 1
                if told["error"]["retry"] not in ("now", "later"):
                    break
                await anyio.sleep(_PAUSE_SECONDS)
            if told["error"]["kind"] != "declined":
                raise ConversationError(f"not extended: {told}")
        raise ConversationError("no price was good for long enough")

    async def _heard_to_the_end(self, task_id: str) -> None:
        """Listens for changes of the task, and reads it at each, until its end."""
        for _ in range(_MOST_TRIES):
            self._tally.asked()
            try:
                async with self._client.listen(resource_subscriptions=[f"runway://tasks/{task_id}"]) as news:
                    if await self._is_over(task_id):
                        self._tally.counts["tasks that were over before there was news"] += 1
                        return
                    async for _ in news:
                        self._tally.counts["updates heard"] += 1
                        if await self._is_over(task_id):
                            return
                    self._tally.counts["subscriptions ended in order and begun anew"] += 1
            except (MCPError, SubscriptionLost) as cut:
                self._tally.counts[f"subscription cut and begun anew: {_words_of(cut)}"] += 1
                await anyio.sleep(_PAUSE_SECONDS)
        raise ConversationError("no subscription")

    async def _is_over(self, task_id: str) -> bool:
        return (await self._call("get_task", {"taskId": task_id}))["status"] in _TERMINAL

    async def _followed(self, task_id: str) -> Json:
        """The task once it has ended, by calls that wait for it."""
        for _ in range(_MOST_TRIES):
            told = await self._call("get_task", {"taskId": task_id, "wait_seconds": _WAIT})
            if told.get("status") in _TERMINAL:
                return told
            if "error" in told:
                self._tally.counts[f"following was told {told['error']['kind']}"] += 1
                await anyio.sleep(_PAUSE_SECONDS)
        raise ConversationError("no end")

    async def _read(self, task_id: str, asset_id: str) -> None:
        task = await self._resource(f"runway://tasks/{task_id}")
        film = await self._resource(f"runway://assets/{asset_id}")
        tasks = (await self._resource("runway://tasks"))["tasks"]
        if task["status"] != "SUCCEEDED" or asset_id not in repr(film):
            raise ConversationError(f"resources that do not tell of the film: {task} {film}")
        if task_id not in {each["taskId"] for each in tasks if "taskId" in each}:
            raise ConversationError("the task is missing from the caller's tasks")
        others = tuple(caller for caller in CALLERS if caller != self._wish.caller)
        if strange := [each for each in tasks if each.get("text_prompt", "").startswith(others)]:
            raise ConversationError(f"tasks of others: {strange}")

    async def _kept_apart(self, task_id: str) -> None:
        """Asks for the latest task of somebody else, of which nothing may be told."""
        others = [told for caller, told in self._tally.latest.items() if caller != self._wish.caller]
        self._tally.latest[self._wish.caller] = task_id
        for other in others:
            told = await self._call("get_task", {"taskId": other})
            if told.get("error", {}).get("kind") != "not_found":
                raise ConversationError(f"somebody else's task: {told}")
            self._tally.counts["tasks of others that were not told"] += 1

    async def _call(self, tool: str, arguments: Json) -> Json:
        async def note(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  the SDK's
            self._tally.counts["progress notifications"] += 1

        async def make() -> Json:
            result = await self._client.call_tool(tool, arguments, progress_callback=note)
            return result.structured_content or {}

        return await self._asked(make)

    async def _resource(self, uri: str) -> Json:
        async def make() -> Json:
            (content,) = (await self._client.read_resource(uri, cache_mode="bypass")).contents
            assert isinstance(content, TextResourceContents)
            return loads(content.text)

        return await self._asked(make)

    async def _asked(self, make: Callable[[], Awaitable[_T]]) -> _T:
        """The answer to a request, which is made again whenever it is cut off."""
        self._tally.asked()
        self._tally.counts["requests"] += 1
        for _ in range(_MOST_TRIES):
            try:
                with anyio.fail_after(_ANSWER_SECONDS):
                    return await make()
            except (MCPError, TimeoutError) as cut:
                self._tally.counts[f"request cut and repeated: {_words_of(cut)}"] += 1
                self._tally.last_cut = repr(cut)
            await anyio.sleep(_PAUSE_SECONDS)
        raise ConversationError(f"no answer, last {self._tally.last_cut}")


def reasons_of(error: BaseException) -> list[BaseException]:
    """The error, or those of its group."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [reason for each in group.exceptions for reason in reasons_of(each)]


def _words_of(error: BaseException) -> str:
    """What an error says, in short; of a group, what its first says."""
    reason = reasons_of(error)[0]
    return " ".join(re.sub(r"'listen-\d+' ", "", str(reason)).split())[:60] or type(reason).__name__
