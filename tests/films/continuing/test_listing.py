"""Joined films in lists: their names, what finds them, and which intent made each of their parts."""

from dataclasses import replace
from typing import Any

import pytest

from runway_mcp.films.continuing.listing import chain_of, listed_films, makers_of, parts_found_by
from runway_mcp.films.continuing.steps import FilmPart, FrameMade, JoinMade
from runway_mcp.server.contract.results.assets import films_listing
from runway_mcp.tasks.intents import Intent, Step
from runway_mcp.tasks.naming import film_label
from tests.kit.clock import EPOCH
from tests.kit.samples import intent

CLIP = FilmPart("part-1.mp4", 5.0, "asset", "gen4", "a beach at dusk")


def film(number: int, *, of: Intent | None = None, is_joined: bool = True, **fields: Any) -> Intent:
    """A film that continues a clip, or the film before."""
    before = FrameMade.of(of) if of is not None else None
    made = JoinMade.of(of) if of is not None else None
    parts = (*(before.parts if before else (CLIP,)), *((made.part,) if made else ()))
    new = FilmPart(f"part-{len(parts) + 1}.mp4", 5.0, f"new {number}", "gen4.5", f"step {number}")
    frame = FrameMade(parts, "frame.png", "5f", "77", 64, 36)
    path = f"/films/step-{number}_ext1.mp4"
    join = JoinMade(path, 1000, 5.0 * (len(parts) + 1), 240, "copied", (), (), new)
    steps = (Step("frame", EPOCH, frame.made()), *((Step("join", EPOCH, join.made()),) if is_joined else ()))
    source = of.film_id if of is not None else "asset"
    name = of.text_prompt if of is not None else "holiday by the sea.mp4"
    known: dict[str, Any] = {
        "id": f"{number:016x}" * 2,
        "request": {"text_prompt": f"step {number}"},
        "account": "a@b.c",
        "source_name": name,
    }
    return replace(intent(), task_type="gen4.5", steps=steps, source_asset_id=source, **{**known, **fields})


FIRST = film(1)
SECOND = film(2, of=FIRST)
THIRD = film(3, of=SECOND)
FILMS = [THIRD, SECOND, FIRST]


def no_ancestors(_: str | None) -> str:
    return ""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (None, [3, 2, 1]),
        (" ", [3, 2, 1]),
        ("BEACH dusk", [3, 2, 1]),
        ("holiday sea", [3, 2, 1]),
        ("step 2", [3, 2]),
        ("3 step", [3]),
        ("ext1 step-1", [1]),
        ("beach nowhere", []),
    ],
)
def test_films_are_found_by_their_names_the_prompts_of_their_parts_and_what_they_came_from(
    query: str | None, found: list[int]
) -> None:
    told = listed_films(FILMS, no_ancestors, query=query)

    assert [each.film_id for each in told] == [f"film_{number:016x}" for number in found]


def test_films_and_their_parts_are_found_by_what_their_first_clip_was_extended_from() -> None:
    made = {FIRST.parent_task_id: "the pier at night"}

    def ancestors(task_id: str | None) -> str:
        return made.get(task_id, "")

    told = listed_films(FILMS, ancestors, query="pier beach step 2")
    found_by = parts_found_by(FILMS)

    assert [each.film_id for each in told] == [THIRD.film_id, SECOND.film_id]
    assert {by.task_id for by in found_by.values()} == {FIRST.parent_task_id}
    assert all("a beach at dusk" in by.words for by in found_by.values())


def test_a_listed_film_tells_its_length_its_parts_and_the_name_of_its_file() -> None:
    (told,) = listed_films([THIRD], no_ancestors)

    assert (told.name, told.seconds, told.parts) == ("step-3_ext1.mp4", 20.0, 4)


def test_of_a_named_account_there_are_its_own_films_and_a_film_that_is_not_joined_is_in_no_list() -> None:
    other, nobodys = film(4, account="other@b.c"), film(5, account=None)
    films = [film(6, is_joined=False), other, nobodys, FIRST]

    assert [each.film_id for each in listed_films(films, no_ancestors, account="a@b.c")] == [
        nobodys.film_id,
        FIRST.film_id,
    ]


@pytest.mark.parametrize(
    ("fields", "label"),
    [({}, "step 7"), ({"request": {}}, "holiday by the sea.mp4"), ({"request": {}, "source_name": None}, "film_")],
)
def test_without_a_file_of_its_own_name_a_film_is_called_by_its_prompt_or_its_source(
    fields: dict[str, Any], label: str
) -> None:
    made = film(7, is_joined=False, **fields)

    assert film_label(made).startswith(label)


def test_each_part_is_told_with_what_made_it_as_far_as_that_is_known() -> None:
    known = {each.film_id: each for each in FILMS}

    assert [maker for _, maker in makers_of(THIRD, known)] == [None, FIRST, SECOND, THIRD]
    assert [maker for _, maker in makers_of(THIRD, {})] == [None, None, None, THIRD]
    under_way = film(8, of=SECOND, is_joined=False)
    assert [maker for _, maker in makers_of(under_way, known)] == [None, FIRST, SECOND]
    prompts = [part.text_prompt for part, _ in makers_of(THIRD, known)]
    assert prompts == ["a beach at dusk", "step 1", "step 2", "step 3"]
    assert chain_of(THIRD, known) == FILMS


def test_films_stand_on_pages_of_their_own_length_beside_those_of_the_assets() -> None:
    films = listed_films(FILMS, no_ancestors)

    pages = [films_listing(films, offset, 2) for offset in (0, 2, 4)]

    assert [len(page.films) for page in pages] == [2, 1, 0]
    assert [page.next_offset for page in pages] == [2, None, None]
    assert {page.count for page in pages} == {3}
