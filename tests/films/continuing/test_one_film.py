"""A clip goes on and becomes one film: what is on disk, what is told, and what the same request gives again."""

from pathlib import Path

import pytest

from runway_mcp.films.continuing.steps import JoinMade
from tests.films.continuing.processes import clip_world, process

pytestmark = pytest.mark.slow


async def test_a_clip_becomes_one_longer_film_with_every_frame_of_both_parts(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        continued = await server.submit()
        done = await server.done(continued.intent)

        joined = JoinMade.of(done)
        assert joined is not None
        assert Path(joined.path).parent == (tmp_path / "films").resolve()
        assert Path(joined.path).stat().st_size == joined.size_bytes
        assert (joined.frames, joined.joined, len(joined.seams)) == (6, "copied", 1)
        assert [part.name for part in sorted((tmp_path / "data" / "continued" / done.film_id).glob("*"))] == [
            "frame.png",
            "lock",
            "part-1.mp4",
            "part-2.mp4",
        ]
        assert world.requests["POST /assets"] == 1
        assert world.requests["POST /gen4_5/create"] == 1
