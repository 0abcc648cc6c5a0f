"""Fault injection: what becomes of a request, and of its answer, under the fault rules that it meets."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp.simulator.api.endpoints import origin_of
from runway_mcp.simulator.api.shapes import created_body
from runway_mcp.simulator.faults import ConnectionLost, Fault
from runway_mcp.simulator.records import Account, Task
from runway_mcp.simulator.submits import busy
from runway_mcp.simulator.world import World


def with_faults(rules: Sequence[Fault], world: World, app: ASGIApp) -> ASGIApp:
    """The app under these rules, for one request: any delays, and at most one rule of another kind."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        await _FaultyRequest(rules, world, app)(scope, receive, send)

    return faulty


@dataclass(frozen=True, slots=True)
class _FaultyRequest:
    """One request and the rules that it meets."""

    rules: Sequence[Fault]
    world: World
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles the request as the rules allow."""
        disconnect = receive
        body, receive = await _read(receive)
        await self._wait("delay")
        last = next((rule for rule in self.rules if not rule.kind.startswith("delay")), None)
        if last is not None and last.kind == "foreign":
            last = self._foreign(last, scope, body)
        if last is not None and last.kind == "reset":
            await drop_connection(scope, disconnect, reset=True)
        elif last is not None and not last.handles:
            await _scripted(last)(scope, receive, send)
        else:
            answer = await self._answer(scope, receive)
            await self._wait("delay_after")
            if last is not None and last.kind == "busy_after":
                last = self._busy(last, scope, body)
            await _spoilt(last, answer, scope, disconnect, send)

    async def _wait(self, kind: str) -> None:
        for rule in self.rules:
            if rule.kind != kind:
                continue
            if rule.hold is not None:
                await rule.hold()
            await anyio.sleep(rule.seconds)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages

    def _foreign(self, rule: Fault, scope: Scope, body: bytes) -> Fault | None:
        """The rule as the submit answer of the account's newest task before this request; None without one."""
        account = self._account(scope, body)
        others: list[Task] = [
            task for task in self.world.tasks if account and task.email == account.email and not task.hidden
        ]
        if not others:
            return None
        newest = max(enumerate(others), key=lambda pair: (pair[1].created, pair[0]))[1]
        told = created_body(self.world, origin_of(Request(scope)), newest)
        return replace(rule, kind="status", status=200, body=told)

    def _busy(self, rule: Fault, scope: Scope, body: bytes) -> Fault | None:
        """The rule as the 429 of an account whose cap is the number of tasks that it runs now; None without one."""
        account = self._account(scope, body)
        if account is None:
            return None
        refusal = busy(self.world, account, len(self.world.running(account.email)))
        headers = refusal.headers | (rule.headers or {})
        return replace(rule, kind="status", status=refusal.status, body=refusal.body, headers=headers)

    def _account(self, scope: Scope, body: bytes) -> Account | None:
        """The account that the request names, in an id or by its address, else the first."""
        said = unquote(scope.get("query_string", b"").decode("latin-1")) + body.decode("utf-8", "replace")
        accounts = list(self.world.accounts.values())
        named = [each for each in accounts if f":{each.email}-asset:" in said or f"email={each.email}" in said]
        return next(iter(named or accounts), None)


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """Reads the whole request, so that it is handled even if the caller hangs up during a delay."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
    left = iter(messages)

    async def replay() -> Message:
        return next(left, None) or await receive()

    return b"".join(message.get("body", b"") for message in messages), replay


async def _spoilt(rule: Fault | None, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the answer as the rule leaves it."""
    if rule is None:
        for message in answer:
            await send(message)
    elif rule.kind == "reset_after":
        await drop_connection(scope, receive, reset=True)
    elif rule.kind == "cut":
        start, *rest = answer
        body = b"".join(message.get("body", b"") for message in rest)
        await send(start)
        await send({"type": "http.response.body", "body": body[: rule.after_bytes], "more_body": True})
        await drop_connection(scope, receive, reset=False)
    else:
        await _scripted(rule)(scope, receive, send)


async def drop_connection(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Drops the connection: that of the socket under `running`, else by raising `ConnectionLost`."""
    drop: Callable[..., None] | None = scope.get("state", {}).get("drop")
    if drop is None:
        raise ConnectionLost("The simulator dropped the connection.")
    drop(reset=reset)
    while (await receive())["type"] != "http.disconnect":
        pass


def _scripted(rule: Fault) -> Response:
    headers = dict(rule.headers or {})
    if rule.retry_after is not None:
        headers["Retry-After"] = f"{rule.retry_after:g}"
    if rule.kind == "redirect":
        return Response(status_code=302, headers=headers | {"Location": rule.location})
    if rule.body is None or isinstance(rule.body, str):
        text = rule.body or ""
        guess = "text/html" if text.lstrip().startswith("<") else "text/plain"
        return Response(text, rule.status, headers, rule.content_type or guess)
    return Response(json.dumps(rule.body), rule.status, headers, rule.content_type or "application/json")
