"""Records of kept films, and the names of their files."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.films.naming import Wanted, own_films, own_name, wanted_asset
from runway_mcp.films.records import (
    FOLDER,
    MOST_UNWRITTEN,
    Record,
    Records,
    begun_records,
    records_of,
    write_record,
)
from runway_mcp.media.files.locks import try_lock
from runway_mcp.runway.models import Asset, Metadata, Task
from runway_mcp.tasks.intents import Intent
from tests.kit.samples import intent

FILM = "user:1-runwayml:me@example.com-asset:1f3a0000-0000-4000-8000-000000000001"
OTHER = FILM.replace("1f3a", "2f3a")
ELSEWHERE = FILM.replace("me@", "you@")
UUID = FILM.rpartition(":")[2]


def owner(**fields: Any) -> Intent:
    """An intent with these fields."""
    return replace(intent(), **fields)


def record(folder: Path, name: str = "a.mp4", caller: str = "", *, size: int = 3) -> Record:
    """A kept film of three bytes."""
    (folder / name).write_bytes(b"abc")
    return Record(FILM, caller, name, "kept", folder / name, size)


def test_a_record_is_read_as_it_was_written_by_id_and_by_uuid(tmp_path: Path) -> None:
    kept = record(tmp_path)
    write_record(tmp_path, kept)

    assert records_of(tmp_path, FILM, "") == records_of(tmp_path, UUID.upper(), "") == [kept]
    assert kept.is_there


@pytest.mark.parametrize("refusing", ["a loop of links", "a file"])
def test_a_folder_that_refuses_remembers_nothing_and_fails_nobody(tmp_path: Path, refusing: str) -> None:
    if refusing == "a file":
        (tmp_path / FOLDER).write_bytes(b"")
    else:
        (tmp_path / FOLDER).symlink_to(tmp_path / FOLDER)

    assert records_of(tmp_path, FILM, "") == []
    assert begun_records(tmp_path) == []


def test_a_film_is_given_up_only_where_nothing_but_its_beginning_is_known(tmp_path: Path) -> None:
    records, kept = Records(tmp_path), record(tmp_path)
    refused = replace(kept, state="refused", path=None, size=None)
    for before, after in ((None, []), ("begun", ["refused"]), ("refused", ["refused"]), ("kept", ["kept"])):
        if before is not None:
            records.note(replace(kept, state=before))
        assert records.note(refused, if_begun=True) is None
        assert [each.state for each in records.of(FILM, "")] == after


def test_what_another_process_writes_while_a_film_is_given_up_stays(tmp_path: Path) -> None:
    kept = record(tmp_path)
    write_record(tmp_path, replace(kept, state="begun", path=None))
    with ThreadPoolExecutor() as threads:
        with lock_of(tmp_path):
            given_up = threads.submit(Records(tmp_path).note, replace(kept, state="refused"), if_begun=True)
            with pytest.raises(TimeoutError):
                given_up.result(0.2)
            write_record(tmp_path, kept)
        assert given_up.result(10) is None

    assert records_of(tmp_path, FILM, "") == [kept]


def test_a_process_that_stands_still_with_the_lock_holds_up_nobody_for_long(tmp_path: Path) -> None:
    kept = record(tmp_path)
    write_record(tmp_path, replace(kept, state="begun"))
    with lock_of(tmp_path):
        assert Records(tmp_path).note(kept) is None

    assert records_of(tmp_path, FILM, "") == [kept]


@contextmanager
def lock_of(data_dir: Path) -> Generator[None]:
    """The lock of the film's records, as another process holds it."""
    with (data_dir / FOLDER / UUID / "lock").open("w") as file:
        assert try_lock(file.fileno())
        yield


def test_a_record_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_record(tmp_path, Record(FILM, "", "a.mp4", "begun"))
    assert [each.name for each in begun_records(tmp_path)] == ["a.mp4"]
    write_record(tmp_path, record(tmp_path))

    assert begun_records(tmp_path) == []
    assert len(list((tmp_path / FOLDER / UUID).iterdir())) == 1


def test_each_name_and_each_caller_has_a_record_of_its_own(tmp_path: Path) -> None:
    for name, caller in (("a.mp4", ""), ("b.mp4", ""), ("a.mp4", "ana")):
        write_record(tmp_path, record(tmp_path, name, caller))

    assert {each.name for each in records_of(tmp_path, FILM, "")} == {"a.mp4", "b.mp4"}
    assert [each.caller for each in records_of(tmp_path, FILM, "ana")] == ["ana"]


def test_a_film_of_that_uuid_in_another_account_is_another_film(tmp_path: Path) -> None:
    kept = record(tmp_path)
    write_record(tmp_path, kept)
    assert records_of(tmp_path, ELSEWHERE, "") == []

    other = replace(kept, asset_id=ELSEWHERE, state="begun")
    write_record(tmp_path, other)
    assert records_of(tmp_path, ELSEWHERE, "") == [other]
    assert records_of(tmp_path, FILM, "") == [kept]
    assert {each.asset_id for each in records_of(tmp_path, UUID, "")} == {FILM, ELSEWHERE}
    write_record(tmp_path, replace(other, state="refused"))
    assert len(list((tmp_path / FOLDER / UUID).iterdir())) == 2


def test_a_record_tells_of_the_last_file_until_there_is_another_and_stays_that_of_an_own_film(tmp_path: Path) -> None:
    records = Records(tmp_path)
    kept = replace(record(tmp_path), own=True)
    assert records.note(kept) is None
    begun = Record(FILM, "", "a.mp4", "begun", own=False)

    assert records.note(begun) is None
    assert records.of(FILM, "") == Records(tmp_path).of(FILM, "") == [replace(kept, state="begun")]


def test_what_the_folder_refuses_is_remembered_by_the_process_in_bounded_number(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"")
    records = Records(tmp_path)
    for number in range(MOST_UNWRITTEN + 1):
        refusal = records.note(Record(FILM, "", f"{number}.mp4", "begun"))
        assert refusal is not None
        assert str(tmp_path / FOLDER) in refusal

    assert len(records.of(FILM, "")) == MOST_UNWRITTEN
    (tmp_path / FOLDER).unlink()
    assert records.note(Record(FILM, "", "7.mp4", "refused")) is None
    assert [each.name for each in Records(tmp_path).of(FILM, "")] == ["7.mp4"]
    assert {each.state for each in records.of(FILM, "") if each.name == "7.mp4"} == {"refused"}


def test_a_record_that_no_file_can_hold_is_refused_like_any_other(tmp_path: Path) -> None:
    records = Records(tmp_path)

    assert records.note(Record(FILM, "\ud800", "a.mp4", "begun")) is not None
    assert [each.name for each in records.of(FILM, "\ud800")] == ["a.mp4"]


def test_a_record_of_an_earlier_format_is_one_of_an_own_film(tmp_path: Path) -> None:
    write_record(tmp_path, Record(FILM, "", "a.mp4", "begun", own=False))
    (file,) = (tmp_path / FOLDER / UUID).iterdir()
    file.write_text(file.read_text().replace(', "own": false', ""))

    assert [each.own for each in begun_records(tmp_path)] == [True]


@pytest.mark.parametrize("change", ["removed", "longer", "a folder", "a link"])
def test_a_file_that_is_no_longer_what_was_kept_is_not_there(tmp_path: Path, change: str) -> None:
    kept = record(tmp_path)
    path = tmp_path / "a.mp4"
    if change == "longer":
        path.write_bytes(b"abcd")
    else:
        path.rename(tmp_path / "moved.mp4")
    if change == "a folder":
        path.mkdir()
    if change == "a link":
        path.symlink_to(tmp_path / "moved.mp4")

    assert not kept.is_there


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"state": "kept"}', "\x00", '{"assetId": 1, "state": "odd"}', "7"]
)
def test_what_is_no_record_is_passed_over(tmp_path: Path, content: str) -> None:
    folder = tmp_path / FOLDER / UUID
    folder.mkdir(parents=True)
    (folder / "0123.json").write_text(content)
    (tmp_path / FOLDER / "stray").write_text("")

    assert records_of(tmp_path, FILM, "") == begun_records(tmp_path) == []


@pytest.mark.parametrize("asset_id", ["../../evil", "/etc", "..", "", "a\x00b", "x" * 500])
def test_no_id_leads_out_of_the_folder_of_records(tmp_path: Path, asset_id: str) -> None:
    write_record(tmp_path / "data", Record(asset_id, "", "a.mp4", "begun"))

    assert [each.name for each in tmp_path.iterdir()] == ["data"]
    assert [each.asset_id for each in records_of(tmp_path / "data", asset_id, "")] == [asset_id]
    assert all(each.parent == tmp_path / "data" / FOLDER for each in (tmp_path / "data" / FOLDER).iterdir())


def asset(name: str | None, seconds: float | None = 20.0) -> Asset:
    """A film of the account."""
    return Asset(asset_id=FILM, name=name, metadata=Metadata(duration=seconds))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Gen-3 Alpha 3648361367, Beach at dusk.mp4", "beach-at-dusk_20s_1f3a.mp4"),
        ("Gen-3 Alpha Turbo 12, a, b.mp4", "a-b_20s_1f3a.mp4"),
        ("Gen-3 Alpha 3648361367.mp4", "gen-3-alpha-3648361367_20s_1f3a.mp4"),
        ("holiday.MOV", "holiday_20s_1f3a.mp4"),
        ("Dr. Strange loves it", "dr-strange-loves-it_20s_1f3a.mp4"),
        ("../../etc/passwd", "etc-passwd_20s_1f3a.mp4"),
        (None, "film_20s_1f3a.mp4"),
    ],
)
def test_a_clip_of_the_account_is_named_by_the_telling_part_of_its_name(name: str | None, file: str) -> None:
    wanted = wanted_asset(asset(name), caller="")

    assert wanted.name == file
    assert wanted.tells_film


def test_a_given_name_is_taken_and_does_not_tell_the_film() -> None:
    wanted = wanted_asset(asset("x.mp4"), caller="", name="My Beach.mp4")

    assert wanted.name == "My-Beach.mp4"
    assert not wanted.tells_film


def test_an_own_film_is_named_by_its_prompt_its_extensions_and_its_seconds() -> None:
    made = owner(request={"text_prompt": "Beach at dusk", "seconds": 10}, extended_count=2)

    assert own_name(asset("Gen-3 Alpha 1, Beach.mp4"), made) == "beach-at-dusk_ext2_20s_1f3a.mp4"


def test_an_own_film_without_a_prompt_is_named_by_its_source() -> None:
    made = owner(request={"seconds": 10}, extended_count=1, source_name="Gen-3 Alpha 5, Palms.mp4")

    assert own_name(asset("Gen-3 Alpha 6.mp4", None), made) == "palms_ext1_1f3a.mp4"


@pytest.mark.parametrize(("status", "films"), [("RUNNING", 1), ("FAILED", 1), ("SUCCEEDED", 0)])
def test_a_task_without_a_finished_film_has_nothing_to_keep(status: str, films: int) -> None:
    task = Task(task_id="t", status=status, artifacts=(asset("a"),) * films)

    assert own_films(task, owner()) == ()


def test_every_film_of_a_finished_task_is_kept_for_the_caller_of_its_intent() -> None:
    films = [asset("a").model_copy(update={"url": "https://x/y"}), asset("b").model_copy(update={"asset_id": OTHER})]
    sound = asset("c").model_copy(update={"media_type": "audio"})
    task = Task(task_id="t", status="SUCCEEDED", artifacts=(*films, sound))
    kept = own_films(task, owner(caller="ana", request={"text_prompt": "b"}, extended_count=1))

    assert kept == (
        Wanted(FILM, "ana", "b_ext1_20s_1f3a.mp4", "https://x/y", own=True),
        Wanted(OTHER, "ana", "b_ext1_20s_2f3a.mp4", own=True),
    )
