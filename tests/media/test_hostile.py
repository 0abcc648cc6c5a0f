from pathlib import Path

import pytest

from tests.media.hostile import campaign

ENDS = ("kept", "NoFilm", "TooLarge", "FolderRefused", "Cut", "DeadLink", "RefusedAddress", "RefusedLink", "NoRoom")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_hostile_downloads_leave_whole_films_and_parts_that_go_on_and_dial_nothing_refused(
    tmp_path: Path,
) -> None:
    tally = await campaign(1000, 1, tmp_path)

    assert all(tally.ends[end] for end in ENDS), tally
    assert tally.ends["kept"] > 400
    assert tally.resumed


async def test_a_few_hostile_downloads_do_so_too(tmp_path: Path) -> None:
    tally = await campaign(24, 7, tmp_path)

    assert sum(tally.ends.values()) == 24 + tally.resumed
