"""The one place that loads, beside a host's reading of the first list, what the first answers did not need.

Until then nothing of Runway, ledger or films is imported, and the lifespan is not open.
"""
# ruff: noqa: PLC0415  what is put off is imported here, late and on purpose

import contextlib
import gc
import importlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from runway_mcp.importing import without
from runway_mcp.settings import Settings
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from runway_mcp.server.context import Lifespan

PAUSE_SECONDS: Final = 0.02
"""How long after the first list the rest is loaded, so that the list is on its way before."""

LATEST_SECONDS: Final = 1.0
"""How long after the start the rest is loaded at the latest, whatever the host asks: it takes up what was left."""

_REST: Final = (
    *("mcp.server.auth.provider", "runway_mcp.settings", "runway_mcp.runway.client", "runway_mcp.tasks.service"),
    *("runway_mcp.films.opening", "runway_mcp.films.keeper", "runway_mcp.server.tools.dispatch"),
    *("runway_mcp.server.resources.subscribing", "runway_mcp.server.app"),
)
"""What is loaded, module by module, each with what it imports: between two the process may end."""

_FOR_HTTP: Final = ("uvicorn", "python_multipart", "multipart")
"""What sse-starlette and Starlette import if it is there: a server whose stop they hear of, and a parser of forms."""

_AT_FIRST_USE: Final = (
    *("runway_mcp.runway.http.exchange", "runway_mcp.media.fetch.network", "stamina", "difflib"),
    *(
        "runway_mcp.films.continuing.preparing.frame",
        "runway_mcp.films.continuing.preparing.ending",
        "runway_mcp.films.continuing.joining.join",
    ),
    *(
        "runway_mcp.films.continuing.preparing.uploads",
        "runway_mcp.media.join.joining",
        "runway_mcp.media.pictures.strip",
    ),
    "runway_mcp.server.completion",
)
"""What an idle server on pipes does without, and loads when it is first used; a server on HTTP begins with it."""

Open = Callable[[], AbstractAsyncContextManager["Lifespan"]]
"""Opens the lifespan."""


def light_start() -> None:
    """Makes this process's imports cheap; must be called before the SDK is imported, and `settled` after them.

    The collector would look through all that is imported again and again, and none of it is garbage. The SDK has two
    sets of models, one for each era; each of them is made complete when it is first used, so most never are.
    """
    gc.disable()
    try:
        # The SDK offers no other way to reach the base of these models.
        from mcp_types._wire_base import WireModel
    except ImportError:  # pragma: no cover - an SDK that keeps them elsewhere just starts slower
        return
    WireModel.model_config["defer_build"] = True


def settled() -> None:
    """Ends what `light_start` began: from here on garbage is collected, and what was imported is never looked at."""
    gc.freeze()
    gc.enable()


def load_sdk_for_pipes() -> None:
    """Imports the SDK without the packages that it takes along for HTTP alone: six megabytes, and a tenth of a second.

    Does nothing of use where some release of the SDK cannot do without them: the import that follows loads it whole.
    """
    with contextlib.suppress(ImportError), without(*_FOR_HTTP):
        importlib.import_module("mcp.server.lowlevel")


def load_rest() -> None:
    """Imports all that was put off; takes half a second the first time."""
    for module in (*_REST, *_AT_FIRST_USE):
        importlib.import_module(module)


class Opening:
    """A lifespan that opens once it is wanted; made by `opens_when_wanted`."""

    def __init__(self) -> None:
        self._state: Lifespan | None = None
        self._wanted = anyio.Event()
        self._soon = anyio.Event()
        self._opened = anyio.Event()
        self._ending = anyio.Event()

    def want_soon(self) -> None:
        """Asks for it, a moment later."""
        self._soon.set()

    async def opened(self, *, wanted: bool = True) -> "Lifespan":
        """What is open, once it is; asks for it at once if it is `wanted`, else waits until something else does."""
        if self._state is None:
            if wanted:
                self._wanted.set()
            await self._opened.wait()
        assert self._state is not None, "it is opened once there is a state"  # noqa: S101  for the type alone
        return self._state

    async def run(self, load: Iterable[Callable[[], object]], open_lifespan: Open) -> None:
        """Loads and opens it once it is wanted, and keeps it open until `end`; without a wish, after a second."""
        with anyio.move_on_after(LATEST_SECONDS):
            await self._first_wish()
        for step in load:
            if self._ending.is_set():
                return
            # Not in a thread: its memory would come from an arena of its own, and an idle server would be larger.
            step()
            await anyio.lowlevel.checkpoint()
        async with open_lifespan() as state:
            self._state = state
            self._opened.set()
            await self._ending.wait()

    async def _first_wish(self) -> None:
        async with anyio.create_task_group() as group:

            async def await_one(event: anyio.Event, pause: float) -> None:
                await event.wait()
                await anyio.sleep(pause)
                group.cancel_scope.cancel()

            group.start_soon(await_one, self._wanted, 0.0)
            group.start_soon(await_one, self._ending, 0.0)
            group.start_soon(await_one, self._soon, PAUSE_SECONDS)

    def end(self) -> None:
        """Ends `run`, which closes in order what is open."""
        self._ending.set()


@asynccontextmanager
async def opens_when_wanted(load: Iterable[Callable[[], object]], open_lifespan: Open) -> AsyncGenerator[Opening]:
    """A lifespan that is opened once something needs it, or soon after the first list; the steps of `load` come before.

    Other work of the event loop goes on between two of them, and the end of the program is noticed.
    """
    opening = Opening()
    async with anyio.create_task_group() as group:
        group.start_soon(opening.run, load, open_lifespan)
        try:
            yield opening
        finally:
            opening.end()


def open_late(settings: Settings, telemetry: Telemetry = NO_TELEMETRY) -> AbstractAsyncContextManager[Opening]:
    """The lifespan of a server with these settings, loaded and opened once it is wanted; `telemetry` is told of it."""

    def open_lifespan() -> AbstractAsyncContextManager["Lifespan"]:
        from runway_mcp.server.app import open_lifespan as opened

        return opened(settings, telemetry=telemetry)

    return opens_when_wanted([*(partial(importlib.import_module, module) for module in _REST), settled], open_lifespan)
