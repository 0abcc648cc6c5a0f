"""A process that continues one clip and follows it to its end: `python -m tests.films.continuing.program`.

It takes the folder, the base URL of the stand-in, the clip's assetId, and by how many seconds its clock is later. It
prints a line once it has begun and the path of the film at the end.
"""

import sys
from pathlib import Path

import anyio

from runway_mcp.films.continuing.steps import JoinMade
from tests.films.continuing.processes import process_over


async def continue_clip(folder: Path, url: str, clip: str, later: float) -> None:
    """Makes the call, or makes it again, and follows the film."""
    async with process_over(folder, url, clip, later=later) as server:
        print("begun", flush=True)  # noqa: T201  read by the test
        done = await server.done((await server.submit()).intent)
        joined = JoinMade.of(done)
        print(joined and joined.path, flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    anyio.run(continue_clip, Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
