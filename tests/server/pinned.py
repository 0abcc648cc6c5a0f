"""Snapshots: what a host is shown, word for word, so that no change of it goes unseen.

A wanted change is written with `UPDATE_SNAPSHOTS=1 pytest tests/server`, and read in the diff.
"""

import json
import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
REGENERATE = "UPDATE_SNAPSHOTS"


def check_snapshot(name: str, shown: object) -> None:
    """Fails unless the JSON of what is shown is that of the snapshot `name`.json."""
    snapshot = FOLDER / f"{name}.json"
    told = json.dumps(shown, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get(REGENERATE):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(told, encoding="utf-8")

    assert snapshot.is_file(), f"{snapshot.name} is missing: set {REGENERATE}=1 to write it"
    assert snapshot.read_text(encoding="utf-8") == told
