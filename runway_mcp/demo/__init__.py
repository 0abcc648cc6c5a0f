"""The command `demo`: the main job from listing to film, with no token and no network. Needs the extra `media`.

The stand-in and the real server run as processes on this machine, without the user's settings; the demo is the host
between them.
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
    model: str | None = None,
    program: Sequence[str] = PROGRAM,
    limit: float | None = None,
) -> int:
    """Extends the stand-in's clip by `seconds` (5 or 10) and saves film and strip in `out`; returns the exit code.

    With a `model` (`gen4.5`, which also takes 8 seconds) a clip of Gen-4 goes on with it and becomes one film. A task takes about `pace` seconds. A failure is one line on stderr and the code 1, or 128 and the signal's number if
    a signal stopped the demo; both processes have ended in any case. `program` starts both, `limit` is the most seconds
    for everything. Only for the main thread, where signals arrive.
    """
    out = OUT if out is None else out
    pace = PACE_SECONDS if pace is None else pace
    limit = LIMIT_SECONDS + LIMIT_PACES * pace if limit is None else limit
    failure: DemoError | None = None
    try:
        with _folders(out) as folder:
            _play(seconds, out, pace, folder, model=model, program=program, limit=limit)
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
    """A temporary folder, made once both it and `out` can be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            folder = tempfile.TemporaryDirectory(prefix="useapi-runway-mcp-", ignore_cleanup_errors=True)
    except OSError as error:
        raise DemoError(f"cannot write to {error.filename or out}: {error.strerror}") from error
    with folder as name:
        yield Path(name)


def _play(
    seconds: int, out: Path, pace: float, folder: Path, *, model: str | None, program: Sequence[str], limit: float
) -> None:
    import anyio  # noqa: PLC0415  a folder that cannot be written to is reported before MCP, which takes a second to import

    from runway_mcp.demo.run import Options, play  # noqa: PLC0415  likewise

    anyio.run(lambda: play(Options(seconds, out, pace, folder, model), program=program, limit=limit))


def _first(group: ExceptionGroup[DemoError | OSError]) -> DemoError | OSError:
    head = group.exceptions[0]
    return _first(head) if isinstance(head, ExceptionGroup) else head
