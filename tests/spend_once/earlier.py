"""A ledger of format 1, with rows as the version that made them wrote them."""

import hashlib
import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from runway_mcp.simulator.records import Asset
from tests.kit.upstream import URL, Upstream
from tests.spend_once.setup import PROMPT, Setup

FORMAT = Path(__file__).parent.parent / "data" / "ledger-format-1.sql"


class EarlierLedger:
    """The file in the setup's folder; what was submitted then, upstream has accepted."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._path = setup.folder / "ledger.sqlite3"
        with closing(self._open()) as ledger:
            ledger.execute("PRAGMA journal_mode = WAL")
            ledger.executescript(FORMAT.read_text())

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None)

    def write(
        self,
        *,
        source: Asset | None = None,
        text_prompt: str | None = PROMPT,
        seconds: int = 5,
        explore_mode: bool = False,
        seed: int | None = None,
        reply_ref: str | None = None,
        **columns: Any,
    ) -> dict[str, Any]:
        """Writes an intent for a wish, made now; `columns` say where it stands. Returns the row."""
        clip, now, identity = source or self._setup.clip, self._setup.machine_time(), uuid.uuid4().hex
        assert clip.task is not None
        asset_id = self._setup.world.asset_id(clip)
        wished = [asset_id, text_prompt, seconds, explore_mode, reply_ref, seed]
        row: dict[str, Any] = {
            "id": identity,
            "twin_key": hashlib.sha256(json.dumps(wished).encode()).hexdigest(),
            "state": "accepted",
            "created": now,
            "account": clip.email,
            "task_type": clip.task.kind.task_type,
            "source_asset_id": asset_id,
            "parent_task_id": self._setup.world.task_id(clip.task),
            "text_prompt": text_prompt,
            "seconds": seconds,
            "explore_mode": explore_mode,
            "seed": seed or 1 + uuid.uuid4().int % 4_294_967_294,
            "own_seed": seed is None,
            "reply_ref": reply_ref or f"runway-mcp-{identity}",
            "own_ref": reply_ref is None,
            "cost": 0 if explore_mode else clip.task.kind.credits_per_second * seconds,
            "lease": now + 75.0,
            **columns,
        }
        names = ", ".join(row)
        marks = ", ".join("?" for _ in row)
        with closing(self._open()) as ledger:
            ledger.execute(f"INSERT INTO intents ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  own column names
        return row

    async def submit(self, row: dict[str, Any]) -> str:
        """Sends the POST that the row stands for; returns its taskId, which it does not write."""
        body = {
            "assetId": row["source_asset_id"],
            "text_prompt": row["text_prompt"],
            "seed": row["seed"],
            "replyRef": row["reply_ref"],
        }
        turbo = row["task_type"] == "gen3a_turbo"
        async with httpx.AsyncClient(transport=Upstream(self._setup.world)) as http:
            answer = await http.post(
                f"{URL}/{'gen3turbo' if turbo else 'gen3'}/extend",
                json=body if turbo else body | {"seconds": row["seconds"], "exploreMode": row["explore_mode"]},
                headers={"Authorization": f"Bearer {self._setup.world.token}"},
            )
        return str(answer.raise_for_status().json()["taskId"])

    async def write_accepted(self, *, ended: str | None = "SUCCEEDED", told: bool = True, **wish: Any) -> None:
        """A submit that was accepted; upstream has its task. Its end is written down, as that version did, if given."""
        row = self.write(**wish)
        task_id = await self.submit(row)
        end = row["created"] + 30.0 if ended else None
        self._setup.alter(
            "UPDATE intents SET task_id = ?, status = ?, ended = ?, told = ? WHERE id = ?",
            *(task_id, ended or "RUNNING", end, end if told else None, row["id"]),
        )
