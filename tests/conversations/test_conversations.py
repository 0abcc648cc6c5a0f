from itertools import pairwise
from pathlib import Path

import anyio
import httpx
import pytest

from tests.conversations.__main__ import ERAS, table
from tests.conversations.host import Host, Made, Wish, best_match
from tests.conversations.stories import RISE, STORIES, Scene
from tests.kit.server import open_client
from tests.kit.upstream import Upstream, virtual_world

pytestmark = [pytest.mark.virtual_time, pytest.mark.slow]

WAIT = 45.0


@pytest.fixture(params=list(ERAS))
def mode(request: pytest.FixtureRequest) -> str:
    """The protocol era of the client."""
    return str(request.param)


async def played(name: str, folder: Path, mode: str) -> Scene:
    """The scene at the end of a conversation, bounded by a day or two of its own clock."""
    with anyio.fail_after(200_000):
        return await STORIES[name](folder, mode)


def tools(scene: Scene) -> list[str]:
    """Which tools were called, a dry run by its own name."""
    return ["dry_run" if each.arguments.get("dry_run") else each.tool for each in scene.made]


@pytest.mark.parametrize("name", STORIES)
async def test_every_conversation_is_charged_once_for_each_film_and_never_hurried(
    tmp_path: Path, mode: str, name: str
) -> None:
    scene = await played(name, tmp_path, mode)

    assert len(scene.world.accepted) == scene.films
    assert hurried(scene.made) == []
    if scene.plain:
        assert len(scene.made) <= max(3, 1 + 2 * scene.films)


def hurried(made: list[Made]) -> list[Made]:
    """Calls that went on waiting for a film sooner than the wait of the call before was over."""
    waits = [each for each in made if each.tool == "get_task" or each.spends]
    films = {str(each.arguments): each.result["taskId"] for each in waits if each.result and "taskId" in each.result}
    own: dict[str, list[Made]] = {}
    for each in waits:
        own.setdefault(films.get(str(each.arguments), str(each.arguments)), []).append(each)
    pairs = [pair for calls in own.values() for pair in pairwise(calls)]
    return [
        later for before, later in pairs if before.is_unfinished and later.began < before.began + wait(before) - 0.5
    ]


def wait(made: Made) -> float:
    """For how long a call waits; one that finds its request already submitted answers at once."""
    if made.result is not None and made.result.get("twin"):
        return 0.0
    return float(made.arguments.get("wait_seconds", WAIT))


async def test_a_clip_among_sixty_is_found_by_a_misspelt_name_and_extended_in_three_calls(
    tmp_path: Path, mode: str
) -> None:
    scene = await played("fuzzy_name", tmp_path, mode)

    assert tools(scene) == ["list_assets", "dry_run", "extend_video"]
    assert scene.world.accepted[0].parent is scene.world.assets[36]
    assert scene.last["video"]["duration_seconds"] == 20
    assert scene.credits == 100


async def test_three_extensions_take_two_calls_each_and_end_where_runway_does(tmp_path: Path, mode: str) -> None:
    scene = await played("to_the_cap", tmp_path, mode)

    assert tools(scene) == ["list_assets", *["dry_run", "extend_video"] * 3]
    assert scene.last["video"]["duration_seconds"] == 40
    assert scene.last["lineage"]["extensions_left"] == 0
    assert scene.credits == 300


async def test_a_busy_account_is_waited_for_by_the_same_call_and_the_film_comes(tmp_path: Path, mode: str) -> None:
    scene = await played("busy_slots", tmp_path, mode)

    kinds = [(each.result or {}).get("error", {}).get("kind") for each in scene.made]
    assert "busy" in kinds
    assert scene.last["lineage"]["source_assetId"] == scene.world.asset_id(scene.world.assets[0])
    assert len({str(each.arguments) for each in scene.made if each.spends}) == 1


async def test_a_moderated_prompt_is_never_repeated_and_its_rewording_makes_the_film(tmp_path: Path, mode: str) -> None:
    scene = await played("moderation", tmp_path, mode)

    assert [each.arguments["text_prompt"] for each in scene.made if each.spends] == ["something forbidden", RISE]
    assert scene.last["text_prompt"] == RISE
    assert scene.last["status"] == "SUCCEEDED"


async def test_where_the_credits_do_not_suffice_for_ten_seconds_five_are_made(tmp_path: Path, mode: str) -> None:
    scene = await played("out_of_credits", tmp_path, mode)

    assert tools(scene) == ["list_assets", "dry_run", "dry_run", "extend_video"]
    assert scene.last["video"]["duration_seconds"] == 15
    assert scene.credits == 50


async def test_a_call_that_its_host_cut_off_is_made_again_and_finds_its_own_task(tmp_path: Path, mode: str) -> None:
    scene = await played("host_times_out", tmp_path, mode)

    cut, again, *follows = scene.made[2:]
    assert (cut.result, cut.arguments) == (None, again.arguments)
    assert again.result is not None
    assert again.result["twin"] is True
    assert {each.tool for each in follows} == {"get_task"}
    assert scene.last["status"] == "SUCCEEDED"


async def test_a_server_that_was_started_again_knows_what_its_predecessors_began(tmp_path: Path, mode: str) -> None:
    scene = await played("restart", tmp_path, mode)

    assert scene.last["status"] == "SUCCEEDED"
    assert scene.world.requests["POST /gen3/extend"] == 1


async def test_a_wrong_address_leads_to_the_right_account_and_only_that_one_pays(tmp_path: Path, mode: str) -> None:
    scene = await played("wrong_account", tmp_path, mode)

    kinds = [(each.result or {}).get("error", {}).get("kind") for each in scene.made]
    assert kinds[:3] == ["not_found", "account", None]
    assert len(scene.made) == 5
    assert dict(scene.world.charged) == {"director-1@example.com": 50}


async def test_two_extensions_at_once_are_two_films_and_two_charges(tmp_path: Path, mode: str) -> None:
    scene = await played("in_parallel", tmp_path, mode)

    assert {task.parent for task in scene.world.accepted} == set(scene.world.assets[:2])
    assert scene.credits == 100


async def test_yesterdays_film_is_shown_again_with_a_link_that_works_when_its_old_one_has_died(
    tmp_path: Path, mode: str
) -> None:
    scene = await played("show_again", tmp_path, mode)

    first = (scene.made[1].result or {})["video"]
    transport = Upstream(scene.world)
    async with httpx.AsyncClient(transport=transport) as browser:
        assert (await browser.get(first["url"])).status_code == 403
        assert (await browser.get(scene.last["video"]["url"])).status_code == 200
    assert tools(scene) == ["list_assets", "get_task", "get_task"]
    assert scene.last["video"]["duration_seconds"] == 30


async def test_every_call_but_the_first_was_named_or_made_possible_by_a_result(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        host = Host(client.mcp, Wish("clip 0"))
        with pytest.raises(AssertionError, match="nobody said assetId"):
            await host.sure("extend_video", {"assetId": client.world.asset_id(client.clip), "dry_run": True})
        await host.find()

        assert (await host.sure("extend_video", {"assetId": client.world.asset_id(client.clip), "dry_run": True}))[
            "credits"
        ]


async def test_a_conversation_that_costs_more_than_the_person_agrees_to_ends_before_it_spends(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        host = Host(client.mcp, Wish("clip 0", {"seconds": 10}, agrees=60))

        assert (await host.extend())["status"] == "DRY_RUN"
        assert client.posts == 0


@pytest.mark.parametrize(("words", "name"), [("beech at dask", "a quiet beach at dusk"), ("lighthouse", None)])
def test_a_name_is_matched_by_most_of_its_words(words: str, name: str | None) -> None:
    assets = [{"name": "Gen-3 Alpha 1, the pier"}, {"name": "Gen-3 Alpha 2, a quiet beach at dusk.mp4"}, {}]

    found = best_match(words, assets)

    assert (found is None) if name is None else found is assets[1]


def test_what_each_conversation_takes_is_a_table_with_a_row_for_each_era() -> None:
    head, *rows = (line.split() for line in table())

    assert head[:4] == ["conversation", "era", "calls", "written"]
    assert [row[0] for row in rows] == [name for name in STORIES for _ in ERAS]
    assert all(0 < int(calls) <= 15 for _, _, calls, *_ in rows)
