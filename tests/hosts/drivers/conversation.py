"""The conversation that every Python client has with the server, told step by step as lines of JSON.

It goes on by what the client shows a model alone, be that the text or the structured content: the ids come from what
`list_assets` said, the next call from `Next:` or `next_step`. It runs in environments that have nothing of ours.
"""

import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Call = Callable[[str, dict[str, Any]], Awaitable[str]]
Read = Callable[[str], Awaitable[str]]
Json = dict[str, Any]

ASKED: Json = json.loads(sys.argv[1])
"""What the caller wants: `transport`, `url` or `command` and `env`, `prompt`, and `patience` in seconds."""

TOOLS = {"extend_video", "get_task", "list_assets", "view_film"}
SHOWN = 700
_CLIP = re.compile(r'"Gen-3 Alpha \d+, a quiet beach at dusk[^"]*" .*assetId (\S+)')
_NEXT = re.compile(r"^Next: (\w+) (\{.*\})\.", re.MULTILINE)
# The last one is what OpenAI Agents tells a model of a call that it has given up.
_TIMES_OUT = re.compile(r"time[d -]*out|cancel|An error occurred while running the tool", re.IGNORECASE)


async def play(tools: Callable[[], Awaitable[Iterable[str]]], call: Call, read: Read | None = None) -> None:
    """Plays all steps; one that fails is told, and the next ones still have their turn."""
    talk = _Talk(call)
    await _told("list", talk.lists(tools))
    await _told("price", talk.prices())
    await _told("extend", talk.extends())
    await _told("follow", talk.follows())
    if read is None:
        tell("read", None, "it has no call that reads a resource")
    else:
        await _told("read", talk.reads(read))
    await _told("error", talk.errs())


def tell(step: str, ok: bool | None, saw: str, **more: Any) -> None:
    """One line about one step: `ok` is null where the client cannot do it."""
    line = {"step": step, "ok": ok, "saw": saw[:SHOWN], **more}
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def filled(schema: Json, arguments: Json) -> Json:
    """The arguments as a model of a strict schema gives them: every property, the optional ones null or blank."""
    blanks: Json = {"string": "", "integer": 0, "number": 0, "boolean": False}
    given: Json = {}
    for name, part in schema["properties"].items():
        kinds = [part.get("type"), *(arm.get("type") for arm in part.get("anyOf", ()))]
        nullable = "null" in kinds or any(isinstance(kind, list) and "null" in kind for kind in kinds)
        blank = part["enum"][0] if "enum" in part else part.get("default", blanks.get(str(kinds[0])))
        given[name] = None if nullable else blank
    return given | arguments


async def _told(step: str, going: Awaitable[tuple[str, Json]]) -> None:
    begun = time.monotonic()
    try:
        saw, more = await going
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what the table tells
        tell(step, False, f"{type(error).__name__}: {error}", seconds=round(time.monotonic() - begun, 1))  # noqa: FBT003
    else:
        tell(step, True, saw, seconds=round(time.monotonic() - begun, 1), **more)  # noqa: FBT003


class _Talk:
    """What was said so far."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._clip = ""
        self._text = ""
        self._cut = 0

    async def lists(self, tools: Callable[[], Awaitable[Iterable[str]]]) -> tuple[str, Json]:
        names = set(await tools())
        missing = [name for name in TOOLS if not any(listed.endswith(name) for listed in names)]
        _hold(not missing, f"{missing} not in {sorted(names)}")
        text = await self._call("list_assets", {})
        self._clip = _clip(text)
        _hold(bool(self._clip), f"no clip in: {text}")
        return text, {}

    async def prices(self) -> tuple[str, Json]:
        text = await self._call("extend_video", self._wish() | {"dry_run": True})
        _hold("Nothing was submitted" in text and "50 credits" in text, f"no price in: {text}")
        return text, {}

    async def extends(self) -> tuple[str, Json]:
        self._text = await self._patiently("extend_video", self._wish())
        _hold("task:" in self._text, f"no task in: {self._text}")
        return self._text, {"cut": self._cut}

    async def follows(self) -> tuple[str, Json]:
        until = time.monotonic() + ASKED["patience"]
        while "film is ready" not in self._text:
            step = _next(self._text)
            _hold(bool(step), f"no next call in: {self._text}")
            _hold(time.monotonic() < until, f"no end after {ASKED['patience']} s: {self._text}")
            self._text = await self._patiently(*step)
        return self._text, {"cut": self._cut}

    async def reads(self, read: Read) -> tuple[str, Json]:
        text = await read("runway://tasks")
        _hold(ASKED["prompt"] in text, f"our task is not in: {text}")
        return text, {}

    async def errs(self) -> tuple[str, Json]:
        """A wrong argument: whether the model reads what is wrong, as a result or as an exception's text."""
        raised = ""
        try:
            text = await self._call("extend_video", {"assetId": self._clip, "seconds": 7})
        except Exception as error:  # noqa: BLE001 - frameworks raise a tool's error, and hand its text to the model
            text, raised = str(error), type(error).__name__
        _hold("seconds must be 5 or 10" in text, f"{raised} {text}")
        return text, {"raised": raised} if raised else {}

    def _wish(self) -> Json:
        _hold(bool(self._clip), "there is no clip to extend")
        return {"assetId": self._clip, "text_prompt": ASKED["prompt"]}

    async def _patiently(self, tool: str, arguments: Json) -> str:
        """The result of a call, which is made again, word for word, when the client has cut it off."""
        until = time.monotonic() + ASKED["patience"]
        while True:
            try:
                text = await self._call(tool, arguments)
            except Exception as error:
                if not _TIMES_OUT.search(f"{type(error).__name__} {error}") or time.monotonic() > until:
                    raise
                text = ""
            if text and not (len(text) < SHOWN and _TIMES_OUT.search(text) and "Next:" not in text):
                return text
            _hold(time.monotonic() < until, f"cut off {self._cut} times: {text}")
            self._cut += 1


def _clip(said: str) -> str:
    """The id of the clip that is extended, from a listing in either form; blank without one."""
    if said.startswith("{"):
        return next((one["assetId"] for one in json.loads(said)["assets"] if "quiet beach" in one["name"]), "")
    found = _CLIP.search(said)
    return found[1] if found else ""


def _next(said: str) -> tuple[str, Json] | tuple[()]:
    """The next call of a result in either form, if it names one."""
    if said.startswith("{"):
        step = json.loads(said).get("next_step")
        return (step["tool"], step["arguments"]) if step else ()
    found = _NEXT.search(said)
    return (found[1], json.loads(found[2])) if found else ()


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
