"""The web application: the API under /v1/runwayml, the files behind signed links, and the control surface.

Requests are counted when they arrive, then meet the scripted faults, then the endpoint.
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp.simulator import callbacks, control, endpoints
from runway_mcp.simulator.faults import ConnectionLost, Fault, drawn
from runway_mcp.simulator.files import keep_making, serve_file
from runway_mcp.simulator.world import World

BASE = "/v1/runwayml"

_API: tuple[tuple[str, str, endpoints.Endpoint], ...] = (
    ("POST", "/gen3/extend", endpoints.gen3_extend),
    ("POST", "/gen3turbo/extend", endpoints.gen3turbo_extend),
    ("GET", "/tasks", endpoints.list_tasks),
    ("GET", "/tasks/{id}", endpoints.read_task),
    ("DELETE", "/tasks/{id}", endpoints.delete_task),
    ("GET", "/scheduler", endpoints.list_scheduler),
    ("DELETE", "/scheduler/{id}", endpoints.delete_scheduler),
    ("GET", "/assets", endpoints.list_assets),
    ("POST", "/assets", endpoints.upload_asset),
    ("GET", "/assets/{id}", endpoints.read_asset),
    ("DELETE", "/assets/{id}", endpoints.delete_asset),
    ("GET", "/accounts", endpoints.list_accounts),
    ("GET", "/accounts/{id}", endpoints.read_account),
    ("GET", "/features", endpoints.read_features),
)

_CONTROL: tuple[tuple[str, str, Callable[[World, Any], Any]], ...] = (
    ("GET", "/simulator/state", control.tell_state),
    ("PATCH", "/simulator/switches", control.turn_switches),
    ("POST", "/simulator/faults", control.add_faults),
    ("DELETE", "/simulator/faults", control.clear_faults),
    ("POST", "/simulator/script", control.write_script),
    ("POST", "/simulator/tasks", control.make_task),
)


def create_app(world: World, *, send: callbacks.Send = callbacks.send_by_urllib) -> Starlette:
    """Return the stand-in over this world. Its lifespan, where a server runs it, sends the callbacks through `send`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(callbacks.keep_delivering, world, send)
            if not world.films.instant:
                group.start_soon(keep_making, world)
            yield
            group.cancel_scope.cancel()

    return Starlette(
        routes=_routes(world),
        middleware=[Middleware(Verbatim), Middleware(Trouble, world=world)],
        exception_handlers={404: _no_such_path, 405: _no_such_path},
        lifespan=lifespan,
    )


class Verbatim:
    """Routes by the path as it was sent: nothing is decoded, and a slash at the end makes no difference."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its raw path."""
        if scope["type"] == "http":
            raw = scope.get("raw_path") or scope["path"].encode()
            scope = {**scope, "path": raw.decode("latin-1").rstrip("/") or "/"}
        await self.app(scope, receive, send)


class Trouble:
    """Counts requests to the API and lets them meet the world's faults."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request as the faults that it meets allow."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(BASE):
            await self.app(scope, receive, send)
            return
        below = path.removeprefix(BASE)
        self.world.requests[f"{scope['method']} {_pattern(below)}"] += 1
        met = drawn(self.world.faults, scope["method"], below)
        if not met:
            await self.app(scope, receive, send)
            return
        disconnect = receive
        receive = await _read(receive)
        for delay in [rule for rule in met if rule.kind == "delay"]:
            await _wait(delay)
        last = next((rule for rule in met if not rule.kind.startswith("delay")), None)
        after = [rule for rule in met if rule.kind == "delay_after"]
        if last is not None and last.kind == "reset":
            await _drop(scope, disconnect, reset=True)
        elif last is not None and not (last.handled or last.kind in {"reset_after", "cut"}):
            await _scripted(last)(scope, receive, send)
        else:
            answer = await self._answer(scope, receive)
            for delay in after:
                await _wait(delay)
            await _spoilt(last, answer, scope, disconnect, send)

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages


async def _spoilt(rule: Fault | None, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer as the rule leaves it."""
    if rule is None:
        for message in answer:
            await send(message)
    elif rule.kind == "reset_after":
        await _drop(scope, receive, reset=True)
    elif rule.kind == "cut":
        start, *rest = answer
        body = b"".join(message.get("body", b"") for message in rest)
        await send(start)
        await send({"type": "http.response.body", "body": body[: rule.after_bytes], "more_body": True})
        await _drop(scope, receive, reset=False)
    else:
        await _scripted(rule)(scope, receive, send)


async def _drop(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Drop the connection: for real where `running` serves the stand-in, else by raising ConnectionLost."""
    drop: Callable[..., None] | None = scope.get("state", {}).get("drop")
    if drop is None:
        raise ConnectionLost("The simulator dropped the connection.")
    drop(reset=reset)
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> Receive:
    """Take in the whole request, so that it is handled even if the caller hangs up during a delay."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
    left = iter(messages)

    async def replay() -> Message:
        return next(left, None) or await receive()

    return replay


async def _wait(rule: Fault) -> None:
    if rule.hold is not None:
        await rule.hold()
    await anyio.sleep(rule.seconds)


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


def _pattern(path: str) -> str:
    """Return the path with its id, if it has one, replaced by `{id}`."""
    _, noun, *rest = path.split("/", 2)
    if not rest or noun in {"gen3", "gen3turbo"}:
        return path
    return f"/{noun}/{{id}}"


def _routes(world: World) -> list[BaseRoute]:
    async def api(request: Request, endpoint: endpoints.Endpoint) -> Response:
        return await endpoints.guarded(world, request, endpoint)

    async def steer(request: Request, action: Callable[[World, Any], Any]) -> Response:
        return await control.controlled(world, request, action)

    async def file(request: Request) -> Response:
        return await serve_file(world, request)

    return [
        *(Route(BASE + path, partial(api, endpoint=each), methods=[method]) for method, path, each in _API),
        Route("/files/{name}", file, methods=["GET"]),
        *(Route(path, partial(steer, action=each), methods=[method]) for method, path, each in _CONTROL),
    ]


async def _no_such_path(request: Request, _: Exception) -> Response:
    return JSONResponse({"error": f"Cannot {request.method} {request.url.path}", "code": 404}, 404)
