"""Turns exceptions into errors in this program's own words, and logs the place of a crash without its values.

The SDK would send the text of an exception to hosts of the 2025 protocols, and it may hold a signed link or a token.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from runway_mcp.runway.errors import RunwayError
from runway_mcp.tasks.failures import Failure, failure_of

_log = logging.getLogger(__name__)

CRASHED = "The server failed at this call by a fault of its own; its log says where."
"""The message of every crash."""

_Context = TypeVar("_Context", bound=ServerRequestContext[Any])
_Params = TypeVar("_Params")
_Result = TypeVar("_Result")
_Handler = Callable[[_Context, _Params], Awaitable[_Result]]


def error_boundary(handler: _Handler[_Context, _Params, _Result]) -> _Handler[_Context, _Params, _Result]:
    """The handler with every failure as an `MCPError` in this program's words; cancellation passes through."""

    @wraps(handler)
    async def safe(ctx: _Context, params: _Params) -> _Result:
        try:
            return await handler(ctx, params)
        except MCPError:
            raise
        except (Failure, RunwayError) as error:
            raise _protocol_error(error if isinstance(error, Failure) else failure_of(error)) from None
        except Exception as error:  # noqa: BLE001  the SDK would send its text
            log_crash(ctx.method, error)
            raise MCPError(INTERNAL_ERROR, CRASHED) from None

    return safe


def log_crash(where: str, error: Exception) -> None:
    """Logs the type and the place of a crash, but not its message, which may hold secrets."""
    for kind, frames in _places(error):
        _log.error("%s crashed: %s at\n%s", where, kind, frames)


def _places(error: BaseException) -> Iterator[tuple[str, str]]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _places(inner)
    else:
        yield type(error).__name__, "".join(traceback.format_tb(error.__traceback__))


def _protocol_error(failure: Failure) -> MCPError:
    code = INVALID_PARAMS if failure.kind in ("not_found", "invalid_request") else INTERNAL_ERROR
    return MCPError(code, failure.message, {"kind": failure.kind})
