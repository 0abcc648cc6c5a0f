"""A model behind a host: an HTTP server on loopback that answers with the tool calls of the conversation.

It speaks the wire formats of Anthropic, Gemini and OpenAI (chat completions and responses), so that a command-line host
runs as it does for a person, without a login. What the host sends it is what a model would be shown.
"""

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

ANSWER_SECONDS = 100
"""How long a host may take from one request to the next: a call that waits for a film is in between."""

OPENERS: dict[str, Json] = {"WaitForMcpServers": {}, "ToolSearch": {"query": "+runway", "max_results": 10}}
"""What a model of Claude Code calls first, where the server's tools are not there yet or are only to be looked up."""

OPENERS_AT_MOST = 5


@dataclass(frozen=True)
class Call:
    """A tool call that the model makes, by the name under which the host gave it the tool."""

    number: int
    name: str
    arguments: Json


@dataclass(frozen=True)
class Wire:
    """A format: the tools of a request, the text of its last tool result, and an answer to it.

    `answers` gives the events of an answer with a call, or without one; `whole` is the same answer in one piece.
    """

    tools: Callable[[Json], list[str]]
    result: Callable[[Json], str]
    answers: Callable[[Call | None], Iterable[tuple[str, Json]]]
    whole: Callable[[Call | None], Json]


@dataclass
class ScriptedModel:
    """What a host asks it, and what it is to answer; each wait of it is bounded."""

    url: str
    _heard: queue.Queue[tuple[list[str], str] | None] = field(default_factory=queue.Queue)
    _calls: queue.Queue[Call | None] = field(default_factory=queue.Queue)
    _names: list[str] = field(default_factory=list)
    _made: int = 0
    _gone: str = ""

    async def listed(self) -> list[str]:
        """The names of the tools that the host gives the model; LookupError if it asks nothing, or has ended."""
        self._names, _ = await self._next()
        return self._names

    async def call(self, name: str, arguments: Json) -> str:
        """What the host tells the model of its call of the tool whose name ends so; raises LookupError likewise."""
        full = next((one for one in self._names if one.endswith(name)), None)
        if full is None:
            raise LookupError(f"the host gives the model no {name}, but {self._names}")
        self._calls.put(self._made_call(full, arguments))
        self._names, said = await self._next()
        return said

    def end(self) -> None:
        """Lets the model say that it is done, upon which the host ends."""
        self._calls.put(None)

    def abandon(self, why: str) -> None:
        """Ends what waits for the host, since it asks nothing any more."""
        self._gone = why
        self._heard.put(None)

    def answer(self, tools: list[str], said: str) -> Call | None:
        """The next call, once there is one; none for what hosts ask beside the conversation, such as for a title."""
        if not any(name.endswith("list_assets") for name in tools):
            opener = next((name for name in OPENERS if name in tools and self._made < OPENERS_AT_MOST), None)
            return self._made_call(opener, OPENERS[opener]) if opener else None
        self._heard.put((tools, said))
        return self._calls.get(timeout=ANSWER_SECONDS)

    def _made_call(self, name: str, arguments: Json) -> Call:
        self._made += 1
        return Call(self._made, name, arguments)

    async def _next(self) -> tuple[list[str], str]:
        try:
            heard = await asyncio.to_thread(self._heard.get, timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise LookupError(f"the host asked the model nothing for {ANSWER_SECONDS} s") from None
        if heard is None:
            self.abandon(self._gone)  # for the steps that follow
            raise LookupError(self._gone)
        return heard


@contextmanager
def scripted_model(wire: Wire) -> Generator[ScriptedModel]:
    """A model that listens on loopback for as long as the context is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            del format, args

        def do_GET(self) -> None:
            self._send("application/json", b"{}")

        def do_POST(self) -> None:
            body: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "count" in self.path:
                self._send("application/json", b'{"input_tokens": 100, "totalTokens": 100}')
                return
            call = model.answer(wire.tools(body), wire.result(body))
            if body.get("stream") or "streamGenerateContent" in self.path:
                self._send("text/event-stream", b"".join(_events(wire.answers(call))))
            else:
                self._send("application/json", json.dumps(wire.whole(call)).encode())

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        model = ScriptedModel(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield model
        finally:
            server.shutdown()


def _events(events: Iterable[tuple[str, Json]]) -> Iterator[bytes]:
    for name, data in events:
        yield (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()


def _texts(content: Any) -> str:
    """The text of content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


def _anthropic_tools(body: Json) -> list[str]:
    return [tool["name"] for tool in body.get("tools", ())]


def _anthropic_result(body: Json) -> str:
    parts = [part for one in body["messages"] for part in one["content"] if isinstance(part, dict)]
    found = [part for part in parts if part["type"] == "tool_result"]
    return _texts(found[-1].get("content", "")) if found else ""


def _anthropic_whole(call: Call | None) -> Json:
    content: Json = {"type": "text", "text": "Done."}
    if call:
        content = {"type": "tool_use", "id": f"toolu_{call.number}", "name": call.name, "input": call.arguments}
    return {
        "id": f"msg_{call.number if call else 0}",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [content],
        "stop_reason": "tool_use" if call else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }


def _anthropic_answers(call: Call | None) -> Iterator[tuple[str, Json]]:
    whole = _anthropic_whole(call)
    part: Json = whole["content"][0]
    delta: Json = {"type": "text_delta", "text": "Done."}
    if call:
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call.arguments)}
    yield "message_start", {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}}
    empty = part | ({"input": {}} if call else {"text": ""})
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": empty}
    yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 10}}
    yield "message_stop", {"type": "message_stop"}


def _gemini_tools(body: Json) -> list[str]:
    return [one["name"] for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]


def _gemini_result(body: Json) -> str:
    parts = [part for content in body["contents"] for part in content["parts"]]
    found = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if not found:
        return ""
    said = found[-1].get("output", found[-1].get("error", found[-1]))
    return said if isinstance(said, str) else json.dumps(said)


def _gemini_whole(call: Call | None) -> Json:
    part: Json = {"functionCall": {"name": call.name, "args": call.arguments}} if call else {"text": "Done."}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}


def _responses_tools(body: Json) -> list[str]:
    """A tool of a server stands in the server's namespace: here `mcp__runway/list_assets`."""
    flat = [tool["name"] for tool in body["tools"] if tool["type"] == "function"]
    spaces = [tool for tool in body["tools"] if tool["type"] == "namespace"]
    return flat + [f"{space['name']}/{tool['name']}" for space in spaces for tool in space["tools"]]


def _responses_result(body: Json) -> str:
    found = [one for one in body["input"] if one["type"] == "function_call_output"]
    said = _texts(found[-1]["output"]) if found else ""
    return said.partition("\nOutput:\n")[2] or said  # Codex says before a result how long the call took


def _responses_whole(call: Call | None) -> Json:
    item: Json = {"type": "message", "id": "msg_1", "role": "assistant"}
    item["content"] = [{"type": "output_text", "text": "Done."}]
    if call:
        space, _, name = call.name.rpartition("/")
        item = {"type": "function_call", "call_id": f"call_{call.number}", "name": name}
        item |= {"arguments": json.dumps(call.arguments)} | ({"namespace": space} if space else {})
    usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    return {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "usage": usage}


def _responses_answers(call: Call | None) -> Iterator[tuple[str, Json]]:
    whole = _responses_whole(call)
    begun = whole | {"status": "in_progress", "output": []}
    for kind, more in (
        ("response.created", {"response": begun}),
        ("response.output_item.done", {"output_index": 0, "item": whole["output"][0]}),
        ("response.completed", {"response": whole}),
    ):
        yield kind, {"type": kind, **more}


def _openai_tools(body: Json) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", ())]


def _openai_result(body: Json) -> str:
    found = [message for message in body["messages"] if message["role"] == "tool"]
    return _texts(found[-1]["content"]) if found else ""


def _openai_message(call: Call | None) -> Json:
    if call is None:
        return {"role": "assistant", "content": "Done."}
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    tool_call = {"index": 0, "id": f"call_{call.number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [tool_call]}


def _openai_whole(call: Call | None) -> Json:
    reason = "tool_calls" if call else "stop"
    choice = {"index": 0, "message": _openai_message(call), "finish_reason": reason}
    return _openai("chat.completion", choice)


def _openai_answers(call: Call | None) -> Iterator[tuple[str, Json]]:
    reason = "tool_calls" if call else "stop"
    kind = "chat.completion.chunk"
    yield "", _openai(kind, {"index": 0, "delta": _openai_message(call), "finish_reason": None})
    yield "", _openai(kind, {"index": 0, "delta": {}, "finish_reason": reason})


def _openai(kind: str, choice: Json) -> Json:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {"id": "1", "object": kind, "created": 1, "model": "scripted", "choices": [choice], "usage": usage}


ANTHROPIC = Wire(_anthropic_tools, _anthropic_result, _anthropic_answers, _anthropic_whole)
GEMINI = Wire(_gemini_tools, _gemini_result, lambda call: [("", _gemini_whole(call))], _gemini_whole)
OPENAI = Wire(_openai_tools, _openai_result, _openai_answers, _openai_whole)
RESPONSES = Wire(_responses_tools, _responses_result, _responses_answers, _responses_whole)
