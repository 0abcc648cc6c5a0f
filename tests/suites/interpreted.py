"""Our server behind an interpreter, so that scenarios written for an example server try ours instead.

The conformance suites call tools, prompts and resources by names that only their own example server has. Where ours has
something that behaves as the scenario asks, the request is put in our words on its way in; whatever goes out is what
the server says. Requests that need no interpreter pass as they came. `python -m tests.suites.interpreted` serves it,
with the environment of any server.
"""

import itertools
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import anyio
import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp.server.app import create_server
from runway_mcp.server.transport.http import create_app
from runway_mcp.server.transport.serving import bind, serve_app, url_of
from runway_mcp.settings import Settings

Json = dict[str, Any]


PACE = 3
"""How many seconds each task takes, however long a scenario wants it: some wait for the end of one that they have
cancelled, and ours go on, since nobody can stop them. Long enough for three messages of progress."""

CONFIRM_ABOVE = 60
"""Credits above which the server asks; an extension of 5 s costs 50, one of 10 s costs 100."""


@dataclass(frozen=True)
class Phrase:
    """A call in our words."""

    name: str
    arguments: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Library:
    """What the calls are about: a clip, and a task that is over."""

    clip: str
    task: str

    @property
    def missing(self) -> str:
        """The id of a task that nobody has."""
        return f"{self.task.rpartition(':')[0]}:00000000-0000-4000-8000-000000000000"


async def library(upstream: str) -> Library:
    """What the stand-in at this base URL has."""
    origin = upstream.removesuffix("/v1/runwayml")
    async with httpx.AsyncClient(trust_env=False) as client:
        state = (await client.get(f"{origin}/simulator/state")).json()
    clip = next(asset["assetId"] for asset in state["assets"] if asset["name"].startswith("Gen-3 Alpha"))
    return Library(clip, state["tasks"][0]["taskId"])


ASKING = frozenset(
    {
        "confirm_delete",
        "test_elicitation",
        "test_input_required_result_elicitation",
        "test_input_required_result_request_state",
        "test_input_required_result_tampered_state",
        "test_streaming_elicitation",
        "test_tool_with_task",
    }
)
"""Tools that ask a person something: with us, whether to spend the credits."""


def tool_call(name: str, given: Json, known: Library, seed: int) -> Phrase | None:
    """A call of an example server's tool in our words; None where we have nothing that behaves as it does.

    A new `seed` makes a new task.
    """
    extension: Json = {"assetId": known.clip, "seed": seed, "text_prompt": given.get("label", name)}
    if name == "test_tool_with_task":
        # The answer that the scenario looks for in the film has to be in the prompt: ours can only be yes or no.
        extension["text_prompt"] = "Alice"
    if name in ASKING:
        return Phrase("extend_video", extension | {"seconds": 10})
    listing = Phrase("list_assets", {"limit": 1})
    # The stand-in fails what has this word in its prompt.
    failing = extension | {"text_prompt": "broken"}
    return {
        "test_simple_text": listing,
        "greet": listing,
        "test_logging_tool": listing,
        "test_error_handling": Phrase("get_task", {"taskId": known.missing}),
        "test_tool_with_progress": Phrase("extend_video", extension),
        "slow_compute": Phrase("extend_video", extension),
        "failing_job": Phrase("extend_video", failing),
    }.get(name)


def prompt_call(name: str, given: Json) -> Phrase | None:
    """A prompt of an example server by one of ours."""
    match name:
        case "test_simple_prompt":
            return Phrase("extend_clip", {"wish": "go on"})
        case "test_prompt_with_arguments":
            names = {"arg1": "clip", "arg2": "story"}
            return Phrase("plan_film", {names.get(key, key): value for key, value in given.items()})
        case _:
            return None


def resource(uri: str, known: Library) -> str:
    """A resource of an example server by ours; any other as it is."""
    return {
        "test://static-text": "runway://tasks",
        "test://watched-resource": "runway://tasks",
        "test://template/123/data": f"runway://tasks/{known.task}",
    }.get(uri, uri)


class Interpreter:
    """An ASGI app that puts requests in our words before the app inside sees them."""

    def __init__(self, app: ASGIApp, known: Library) -> None:
        self._app = app
        self._known = known
        self._seeds = itertools.count(1)
        self._last: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        message = _message(body)
        params = message and self._said(str(message.get("method")), _part(message, "params"))
        if message and params:
            names = {_name(_part(message, "params")): _name(params)}
            body = json.dumps(message | {"params": params}).encode()
            scope = {**scope, "headers": _headers(scope["headers"], length=len(body), names=names)}
        await self._app(scope, _replay(body, receive), send)

    def _said(self, method: str, params: Json) -> Json | None:
        """The parameters in our words, None where they need none."""
        if method == "tools/call":
            return self._called(params)
        if method == "prompts/get":
            phrase = prompt_call(str(params.get("name")), _part(params, "arguments"))
            return phrase and params | {"name": phrase.name, "arguments": phrase.arguments}
        if method == "completion/complete":
            ref, argument = _part(params, "ref"), _part(params, "argument")
            phrase = prompt_call(str(ref.get("name")), {str(argument.get("name")): ""})
            name = phrase and next(iter(phrase.arguments))
            return phrase and params | {"ref": ref | {"name": phrase.name}, "argument": argument | {"name": name}}
        uri = params.get("uri")
        if isinstance(uri, str) and (ours := resource(uri, self._known)) != uri:
            return params | {"uri": ours}
        return None

    def _called(self, params: Json) -> Json | None:
        name, answers = str(params.get("name")), _part(params, "inputResponses")
        if "requestState" not in params:
            self._last[name] = next(self._seeds)
        phrase = tool_call(name, _part(params, "arguments"), self._known, self._last.get(name, 1))
        if phrase is None:
            return None
        ours = params | {"name": phrase.name, "arguments": phrase.arguments}
        return (
            ours | {"inputResponses": {name: _agreed(answer) for name, answer in answers.items()}} if answers else ours
        )


def _agreed(answer: object) -> object:
    """What a person answered, as an answer to our question: whoever accepts agrees."""
    accepted = isinstance(answer, dict) and cast("Json", answer).get("action") == "accept"
    return {"action": "accept", "content": {"ok": True}} if accepted else cast("object", answer)


def _message(body: bytes) -> Json | None:
    try:
        found: object = json.loads(body)
    except ValueError:
        return None
    return cast("Json", found) if isinstance(found, dict) else None


def _part(whole: Json, name: str) -> Json:
    """The object of this name in a message; empty where it has none."""
    part = whole.get(name)
    return cast("Json", part) if isinstance(part, dict) else {}


def _name(params: Json) -> bytes:
    """What the header Mcp-Name tells of a message with these parameters."""
    return str(params.get("name") or params.get("uri") or "").encode()


def _headers(
    headers: list[tuple[bytes, bytes]], *, length: int, names: Mapping[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    """The headers of a body of another length, with Mcp-Name in our words where it told theirs."""

    def told(name: bytes, value: bytes) -> bytes:
        if name == b"content-length":
            return str(length).encode()
        return names.get(value, value) if name == b"mcp-name" else value

    return [(name, told(name, value)) for name, value in headers]


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    unread: list[bytes] = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay


async def main(environ: Mapping[str, str]) -> None:
    """Serves until a signal asks for the end; tells where on stderr."""
    settings = Settings.from_environment(environ)
    app = create_app(create_server(settings))
    app.add_middleware(Interpreter, known=await library(settings.url))
    listener = bind("127.0.0.1", 0)
    url = url_of("127.0.0.1", listener)
    await serve_app(app, listener, ready=partial(_tell, f"interpreter listening on {url}/mcp"))


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    anyio.run(main, os.environ)
