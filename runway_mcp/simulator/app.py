"""The ASGI application: the API under /v1/runwayml, the files behind signed links, and the control endpoints.

A request is counted on arrival, then meets the fault rules, then its endpoint. Every answer, a scripted one too, has
the date of the world's wall clock.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp.simulator import control
from runway_mcp.simulator.api import callbacks, endpoints
from runway_mcp.simulator.fault_injection import with_faults
from runway_mcp.simulator.faults import consume
from runway_mcp.simulator.links.files import keep_rendering, serve_file
from runway_mcp.simulator.world import World

BASE = "/v1/runwayml"

_API: tuple[tuple[str, str, endpoints.Endpoint], ...] = (
    ("POST", "/gen3/extend", endpoints.gen3_extend),
    ("POST", "/gen3turbo/extend", endpoints.gen3turbo_extend),
    ("POST", "/gen4_5/create", endpoints.gen4_5_create),
    ("POST", "/gen4/create", endpoints.gen4_create),
    ("POST", "/gen4turbo/create", endpoints.gen4turbo_create),
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
    ("GET", "/simulator/state", control.read_state),
    ("PATCH", "/simulator/switches", control.set_switches),
    ("POST", "/simulator/faults", control.add_faults),
    ("DELETE", "/simulator/faults", control.clear_faults),
    ("POST", "/simulator/link_faults", control.add_link_faults),
    ("DELETE", "/simulator/link_faults", control.clear_link_faults),
    ("POST", "/simulator/script", control.add_script),
    ("POST", "/simulator/tasks", control.create_task),
    ("POST", "/simulator/videos", control.create_video),
)


def create_app(world: World, *, send: callbacks.Send = callbacks.send_by_urllib) -> Starlette:
    """The stand-in over this world; a server that runs its lifespan also delivers callbacks, through `send`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(callbacks.keep_delivering, world, send)
            if not world.films.instant:
                group.start_soon(keep_rendering, world)
            yield
            group.cancel_scope.cancel()

    return Starlette(
        routes=_routes(world),
        middleware=[Middleware(DateHeader, world=world), Middleware(RawPath), Middleware(FaultInjection, world=world)],
        exception_handlers={404: _no_such_path, 405: _no_such_path},
        lifespan=lifespan,
    )


class DateHeader:
    """Adds a `Date` to every answer that has none, unless the switch `date_header` is off."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and its answer back with a date."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start" and self.world.switches.date_header:
                date = formatdate(self.world.wall_at(self.world.now()), usegmt=True)
                MutableHeaders(scope=message).setdefault("Date", date)
            await send(message)

        await self.app(scope, receive, dated)


class RawPath:
    """Routes by the path as it was sent: nothing is decoded, and a slash at the end makes no difference."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on under its raw path."""
        if scope["type"] == "http":
            raw = scope.get("raw_path") or scope["path"].encode()
            scope = {**scope, "path": raw.decode("latin-1").rstrip("/") or "/"}
        await self.app(scope, receive, send)


class FaultInjection:
    """Counts requests to the API, and applies the fault rules that they match."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, under its fault rules if it has any."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(BASE):
            await self.app(scope, receive, send)
            return
        below = path.removeprefix(BASE)
        self.world.requests[f"{scope['method']} {_pattern(below)}"] += 1
        rules = consume(self.world.faults, scope["method"], below)
        if rules:
            await with_faults(rules, self.world, self.app)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _pattern(path: str) -> str:
    """The path with its id, if it has one, replaced by `{id}`."""
    _, noun, *rest = path.split("/", 2)
    if not rest or noun.startswith("gen"):
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
