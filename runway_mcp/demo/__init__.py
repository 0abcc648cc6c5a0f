"""The main job, played through with no token and no network: the command `demo`.

The stand-in for useapi.net and the real server run as processes of their own, on this machine alone and without the
user's settings; the demo is the host between them. Needs the extra `media`.
"""

import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runway_mcp.demo.failures import DemoError

OUT = Path("runway-demo")
PACE_SECONDS = 8.0
LIMIT_SECONDS = 100.0
LIMIT_PACES = 3.0
PROGRAM = (sys.executable, "-m", "runway_mcp")


def run_demo(
    seconds: int,
    out: Path | None = None,
    pace: float | None = None,
    *,
    program: Sequence[str] = PROGRAM,
    limit: float | None = None,
) -> int:
    """Extend the stand-in's clip by `seconds` (5 or 10), save film and strip in `out`; returns the exit code.

    A task takes about `pace` seconds. What fails is told in one line on stderr, and the code is 1, or 128 and the
    signal's number for what was stopped; in any case both processes have ended. `program` is the command that both
    are started with, `limit` the most seconds that everything may take together. To be called from the main thread,
    where signals arrive.
    """
    out = OUT if out is None else out
    pace = PACE_SECONDS if pace is None else pace
    limit = LIMIT_SECONDS + LIMIT_PACES * pace if limit is None else limit
    failure: DemoError | None = None
    try:
        with _folders(out) as folder:
            _play(seconds, out, pace, folder, program=program, limit=limit)
    except* (DemoError, OSError) as group:
        first = _first(group)
        failure = first if isinstance(first, DemoError) else DemoError(f"the system refused: {first}")
    except* KeyboardInterrupt:
        failure = DemoError("stopped", 128 + signal.SIGINT)
    return _report(failure) if failure else 0


def _report(failure: DemoError) -> int:
    sys.stderr.write(f"useapi-runway-mcp demo: {failure}\n")
    return failure.code


@contextmanager
def _folders(out: Path) -> Generator[Path]:
    """A folder for the time of the demo, once it is sure that both it and `out` can be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            folder = tempfile.TemporaryDirectory(prefix="useapi-runway-mcp-", ignore_cleanup_errors=True)
    except OSError as error:
        raise DemoError(f"cannot write to {error.filename or out}: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def _play(seconds: int, out: Path, pace: float, folder: Path, *, program: Sequence[str], limit: float) -> None:
    import anyio  # noqa: PLC0415  a folder that cannot be written to is told before MCP, which takes a second to import

    from runway_mcp.demo.run import Options, play  # noqa: PLC0415  likewise

    anyio.run(lambda: play(Options(seconds, out, pace, folder), program=program, limit=limit))


def _first(group: ExceptionGroup[DemoError | OSError]) -> DemoError | OSError:
    head = group.exceptions[0]
    return _first(head) if isinstance(head, ExceptionGroup) else head
