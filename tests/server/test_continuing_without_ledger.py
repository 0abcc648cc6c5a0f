"""A ledger that fails while a film goes on costs neither the film nor the answer."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.films.continuing.processes import clip_world
from tests.films.servers import until
from tests.kit.clock import LeapingClock
from tests.server.continuing import clip_id, continuing

pytestmark = pytest.mark.slow


async def test_a_call_whose_ledger_fails_while_it_waits_for_its_film_tells_the_film_as_it_stood(tmp_path: Path) -> None:
    clock, told = LeapingClock(), list[dict[str, Any]]()
    world = clip_world(clock=clock)
    world.script_next(queue=0, duration=600)
    async with continuing(tmp_path, world) as client, anyio.create_task_group() as calls:

        async def extend() -> None:
            told.append(await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=10))

        calls.start_soon(extend)
        await until(lambda: bool(world.accepted))
        with closing(sqlite3.connect(tmp_path / "data" / "ledger.sqlite3", isolation_level=None)) as ledger:
            await until(lambda: ledger.execute("SELECT 1 FROM intents WHERE status = 'RUNNING'").fetchone() is not None)
            ledger.execute("ALTER TABLE intents RENAME TO elsewhere")
            clock.leap(600)
            await until(lambda: bool(told))
            ledger.execute("ALTER TABLE elsewhere RENAME TO intents")
        again = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", wait_seconds=0)

        assert "error" not in told[0]
        assert told[0]["status"] in ("PENDING", "THROTTLED", "RUNNING")
        assert "By now the film may have come further." in told[0]["summary"]
        assert (again["film"]["id"], again["twin"], len(world.accepted)) == (told[0]["film"]["id"], True, 1)
