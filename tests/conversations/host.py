"""A scripted host: a person's wish, and a model that gets on with it by what the results say.

It may use three things, and every call is checked for it: the wish, the definitions of the tools, and the structured
content of the results so far. It has no id, no price and no knowledge of Runway of its own.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

import anyio
from mcp.client.client import Client

from tests.kit.client import check_output, structured

Data = dict[str, Any]

MOST_CALLS = 40
"""After so many calls a conversation counts as one that never ends."""

ALIKE = 0.75
"""How much two words must resemble each other to count as the same, misspelt."""

_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")
_ENDS = ("SUCCEEDED", "FAILED", "CANCELLED", "DRY_RUN")


@dataclass(frozen=True)
class Wish:
    """What a person wants: the clip in his own words, what to do with it, and what he would put instead.

    `says` are arguments of `extend_video`; `rewordings` are prompts to try if moderation stops the first one; `account`
    and `email` are what he calls his Runway account and the address that he believes it has; `agrees` is the most that
    he would spend on one extension, in credits.
    """

    clip: str
    says: Data = field(default_factory=dict[str, Any])
    rewordings: tuple[str, ...] = ()
    account: str = ""
    email: str | None = None
    agrees: int = 100


@dataclass(frozen=True)
class Made:
    """One call: when it began and ended (the event loop's seconds), and what came back; None if the host cut it off."""

    tool: str
    arguments: Data
    began: float
    ended: float
    result: Data | None

    @property
    def spends(self) -> bool:
        """Whether it submits."""
        return self.tool == "extend_video" and not self.arguments.get("dry_run")

    @property
    def is_unfinished(self) -> bool:
        """Whether it came back with nothing but leave to go on waiting."""
        if self.result is None:
            return False
        kind = self.result.get("error", {}).get("kind")
        return self.result.get("status", "SUCCEEDED") not in _ENDS or kind in ("busy", "submission_unknown")


class Host:
    """One conversation; `client` may be replaced by another one when the server was started again."""

    def __init__(self, client: Client, wish: Wish) -> None:
        self.client = client
        self.wish = wish
        self.made: list[Made] = []
        self._tools: dict[str, Data] = {}
        self._said: list[object] = [wish.clip, wish.account, wish.email, *wish.says.values(), *wish.rewordings]
        self._rewordings = list(wish.rewordings)

    def beside(self, wish: Wish) -> "Host":
        """The same model with another wish at the same time: it has heard the same."""
        host = Host(self.client, wish)
        host._said += self._said
        return host

    async def call(self, tool: str, arguments: Data, *, cut_after: float | None = None) -> Data | None:
        """Calls a tool with nothing that nobody said; None if the host loses patience before the result comes."""
        await self._check_known(tool, arguments)
        assert len(self.made) < MOST_CALLS, "the conversation never ends"
        began, result = anyio.current_time(), None
        with anyio.move_on_after(cut_after if cut_after is not None else 900):
            result = structured(await self.client.call_tool(tool, arguments))
            check_output(result, tool)
            self._said += scalars(result)
        self.made.append(Made(tool, arguments, began, anyio.current_time(), result))
        return result

    async def follow(self, result: Data, **mine: Any) -> Data:
        """Makes the call that a result names as the next, with what the wish adds to it."""
        step = result["next_step"]
        return await self.sure(step["tool"], {**step["arguments"], **mine})

    async def sure(self, tool: str, arguments: Data) -> Data:
        """Calls a tool and waits for its result."""
        result = await self.call(tool, arguments)
        assert result is not None
        return result

    async def find(self) -> Data:
        """The asset that the wish means, page by page; the error if there is no listing."""
        arguments: Data = {"limit": await self._largest("list_assets", "limit")}
        if self.wish.email:
            arguments["email"] = self.wish.email
        page = await self.sure("list_assets", arguments)
        while True:
            if found := best_match(self.wish.clip, page.get("assets", ())):
                return found
            if "next_step" not in page:
                return page
            address = next((each for each in addresses(page) if self.wish.account in each), None)
            page = await self.follow(page, **({"email": address} if address else {}))

    async def price(self, clip: Data, **mine: Any) -> Data:
        """The dry run of the wish."""
        return await self.sure("extend_video", {"assetId": clip["assetId"], **self.wish.says, **mine, "dry_run": True})

    async def onward(self, result: Data) -> Data:
        """Goes on from a result by its next step alone, until the film, or until only a person can go on."""
        while not self._is_over(result):
            if result.get("error", {}).get("kind") == "moderated":
                priced = {**self.made[-1].arguments, "text_prompt": self._rewordings.pop(0), "dry_run": True}
                result = await self.sure("extend_video", priced)
                continue
            await anyio.sleep(result.get("error", {}).get("retry_after_seconds", 0))
            result = await self.follow(result)
        return result

    async def extend(self) -> Data:
        """From the wish to the film."""
        return await self.onward(await self.price(await self.find()))

    def _is_over(self, result: Data) -> bool:
        if result.get("status") == "SUCCEEDED":
            return True
        if result.get("error", {}).get("kind") == "moderated":
            return not self._rewordings
        if result.get("status") == "DRY_RUN" and result["credits"]["cost"] > self.wish.agrees:
            return True
        return "next_step" not in result

    async def _largest(self, tool: str, argument: str) -> int:
        definition = await self._definition(tool)
        return int(definition["properties"][argument]["maximum"])

    async def _definition(self, tool: str) -> Data:
        if not self._tools:
            self._tools = {each.name: each.input_schema for each in (await self.client.list_tools()).tools}
        return self._tools[tool]

    async def _check_known(self, tool: str, arguments: Data) -> None:
        """Fails for an argument that stands neither in the wish nor in a definition nor in any result so far."""
        definition = await self._definition(tool)
        assert arguments.keys() <= definition["properties"].keys()
        for name, value in arguments.items():
            defined = [each for key, each in definition["properties"][name].items() if key != "description"]
            known = [*self._said, *scalars(defined), True, False]
            assert any(value == each or is_part(value, each) for each in known), f"nobody said {name}: {value!r}"


def scalars(node: object) -> Iterator[object]:
    """Every value in a JSON document that is neither an object nor an array."""
    if isinstance(node, dict):
        for value in cast("dict[str, object]", node).values():
            yield from scalars(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            yield from scalars(value)
    else:
        yield node


def is_part(value: object, said: object) -> bool:
    """Whether a text stands in a longer one."""
    return isinstance(value, str) and isinstance(said, str) and value in said


def addresses(result: Data) -> list[str]:
    """The e-mail addresses that a summary names."""
    return _ADDRESS.findall(result["summary"])


def best_match(words: str, assets: Any) -> Data | None:
    """The asset whose name has most of the words, misspelt or not, and at least two of three; else None."""
    wanted = words.lower().split()
    best, most = None, 0.6 * len(wanted)
    for asset in assets:
        name = re.findall(r"\w+", asset.get("name", "").lower())
        hits = sum(bool(get_close_matches(word, name, 1, ALIKE)) for word in wanted)
        if hits > most:
            best, most = asset, float(hits)
    return best


def characters(data: object) -> int:
    """How many characters of JSON a model reads or writes."""
    return len(json.dumps(data, ensure_ascii=False))
