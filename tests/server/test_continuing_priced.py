"""What continuing a clip would be and cost is told before anything is spent; without consent nothing is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_upload, add_video
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.values import either
from tests.films.continuing.processes import clip_world
from tests.kit.client import ToolClient, structured, text
from tests.server.continuing import clip_id, continuing, continuing_at, creates

pytestmark = pytest.mark.slow


def _full(_folder: Path) -> int:
    """A disk with no more than what has to stay free."""
    return 10**9


def kinds_of_clips(world: World) -> list[str]:
    """Clips without a native extension: of Gen-4, extended three times, uploaded."""
    clips = [world.assets[0], add_video(world, extended=3, seconds=5, added=5), add_upload(world)]
    return [world.asset_id(clip) for clip in clips]


async def test_a_dry_run_prices_the_continuation_of_any_clip_and_names_its_model(tmp_path: Path) -> None:
    world = clip_world()
    clips = kinds_of_clips(world)
    async with continuing(tmp_path, world) as client:
        for clip in clips:
            told = await client.data("extend_video", assetId=clip, text_prompt="on", dry_run=True)

            assert (told["status"], told["model"], told["credits"]["cost"]) == ("DRY_RUN", "gen4.5", 60)
            assert "error" not in told
            assert "at most 60 credits" in told["summary"]
            assert told["next_step"]["arguments"] == {
                "assetId": clip,
                "text_prompt": "on",
                "model": "gen4.5",
                "dry_run": False,
            }
        assert client.posts == 0


async def test_a_dry_run_tells_how_the_film_would_stand(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        told = await client.data("extend_video", assetId=clip_id(client), model="gen4", seconds=10, dry_run=True)

        assert "15 s long, of 2 parts" in told["summary"]
        assert told["lineage"]["added_seconds"] == 10
        assert (told["credits"]["cost"], told["credits"]["remaining"]) == (120, 2250)


async def test_a_call_that_names_no_model_is_refused_free_with_the_priced_call(tmp_path: Path) -> None:
    world = clip_world()
    clips = kinds_of_clips(world)
    async with continuing(tmp_path, world) as client:
        for clip in clips:
            result = await client.call("extend_video", assetId=clip, text_prompt="on")
            told = structured(result)

            assert (told["error"]["kind"], told["error"]["charged"]) == ("invalid_request", "no")
            assert told["next_step"]["arguments"]["model"] == "gen4.5"
            assert told["next_step"]["arguments"]["dry_run"] is False
            assert "at most 60 credits" in text(result)
        assert client.posts == 0


async def test_the_call_that_a_dry_run_names_makes_the_film(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        told = await client.data("extend_video", assetId=clip_id(client), text_prompt="on", dry_run=True)
        film = await client.data("extend_video", **told["next_step"]["arguments"])

        assert film["status"] == "SUCCEEDED"
        assert creates(client) == 1


async def test_a_film_goes_on_by_the_model_of_its_last_part_where_nobody_names_one(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        film = (await client.data("extend_video", assetId=clip_id(client), model="gen4-turbo"))["film"]["id"]
        priced = await client.data("extend_video", assetId=film, dry_run=True)
        refused = await client.data("extend_video", assetId=film)

        assert (priced["model"], priced["credits"]["cost"]) == ("gen4-turbo", 25)
        for told in (priced, refused):
            assert told["next_step"]["arguments"]["model"] == "gen4-turbo"
        assert refused["error"]["charged"] == "no"
        assert creates(client) == 1


async def test_a_film_named_by_its_upload_is_paid_once_whatever_model_is_set_later(tmp_path: Path) -> None:
    world = clip_world()
    async with running(world) as url:
        async with continuing_at(url, world, tmp_path, continue_with="gen4.5", upload_films=True) as client:
            film = (await client.data("extend_video", assetId=clip_id(client), model="gen4.5"))["film"]
            wish = {"assetId": film["assetId"].rpartition(":")[2], "text_prompt": "onward"}
            paid = await client.data("extend_video", **wish)
        async with continuing_at(url, world, tmp_path, continue_with="gen4", upload_films=True) as client:
            again = await client.data("extend_video", **wish)

            assert (again["film"]["id"], again["twin"]) == (paid["film"]["id"], True)
            assert creates(client) == 2


async def test_two_servers_that_continue_with_other_models_make_one_film_of_one_call(tmp_path: Path) -> None:
    world = clip_world()
    told: list[dict[str, Any]] = []

    async def asked_at(client: ToolClient) -> None:
        told.append(await client.data("extend_video", assetId=clip_id(client), text_prompt="on", wait_seconds=30))

    async with (
        running(world) as url,
        continuing_at(url, world, tmp_path, continue_with="gen4.5") as one,
        continuing_at(url, world, tmp_path, continue_with="gen4-turbo") as other,
    ):
        async with anyio.create_task_group() as group:
            for client in (one, other, one, other):
                group.start_soon(asked_at, client)

        assert len({each["film"]["id"] for each in told}) == 1
        assert creates(one) == 1


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (5, "gen4-turbo for about 25 credits."),
        (8, "gen4-turbo (adds 10 s) for about 50 credits."),
    ],
)
async def test_a_dry_run_names_explore_mode_and_the_cheapest_model_that_adds_as_much(
    tmp_path: Path, seconds: int, says: str
) -> None:
    async with continuing(tmp_path) as client:
        told = await client.data("extend_video", assetId=clip_id(client), seconds=seconds, dry_run=True)

        explore = "exploreMode (no credits, but slower; needs an Unlimited plan, and is refused at no cost without it)"
        assert f"For less: {explore}; or another `model`: {says}" in told["summary"]
        assert f"For fewer credits put another model: {says}" in told["next_step"]["reason"]
        named = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", dry_run=True)
        assert "fewer credits" not in named["next_step"]["reason"]


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((1280, 768), "In the film its 1280x768 picture is cropped to 1280x720; the clip itself stays."),
        ((640, 360), "In the film its 640x360 picture is encoded anew in 1280x720; the clip itself stays."),
        ((1280, 720), None),
    ],
)
async def test_a_dry_run_tells_what_becomes_of_a_picture_of_another_size(
    tmp_path: Path, size: tuple[int, int], says: str | None
) -> None:
    world = clip_world()
    world.assets[0].width, world.assets[0].height = size
    async with continuing(tmp_path, world) as client:
        told = await client.data("extend_video", assetId=clip_id(client), dry_run=True)

        assert ("picture is" in told["summary"]) is (says is not None)
        assert says is None or says in told["summary"]


@pytest.mark.parametrize(("given", "asks"), [({}, True), ({"text_prompt": "on"}, False)])
async def test_a_dry_run_asks_for_words_where_there_are_none(
    tmp_path: Path, given: dict[str, str], *, asks: bool
) -> None:
    async with continuing(tmp_path) as client:
        told = await client.data("extend_video", assetId=clip_id(client), dry_run=True, **given)

        assert ("Add a text_prompt" in told["next_step"]["reason"]) is asks
        assert ("view_film shows the last frame" in told["summary"]) is asks


async def test_with_a_model_set_a_clip_without_extension_is_continued_at_once(tmp_path: Path) -> None:
    async with continuing(tmp_path, continue_with="gen4-turbo") as client:
        priced = await client.data("extend_video", assetId=clip_id(client), dry_run=True)
        film = await client.data("extend_video", assetId=clip_id(client))
        again = await client.data("extend_video", assetId=clip_id(client), model="auto")

        assert priced["next_step"]["arguments"]["model"] == "gen4-turbo"
        assert (film["status"], film["model"], film["credits"]["cost"]) == ("SUCCEEDED", "gen4-turbo", 25)
        assert (again["film"]["id"], again["twin"]) == (film["film"]["id"], True)
        assert creates(client) == 1


@pytest.mark.parametrize(("extended", "count"), [(3, 3), (0, 0)])
async def test_the_lineage_of_a_film_counts_the_extensions_by_runway_alone(
    tmp_path: Path, extended: int, count: int
) -> None:
    world = clip_world()
    clip = add_video(world, prompt="an old clip", extended=extended)
    async with continuing(tmp_path, world) as client:
        priced = await client.extend(clip, model="gen4.5", dry_run=True)
        film = await client.extend(clip, model="gen4.5")
        longer = await client.data("extend_video", assetId=film["film"]["id"], model="gen4.5")

        for told in (priced, film, longer):
            assert told["lineage"]["extended_count"] == count
        assert len(longer["film"]["parts"]) == 3


async def test_a_film_tells_what_is_left_on_the_account_as_an_extension_does(tmp_path: Path) -> None:
    async with continuing(tmp_path) as client:
        film = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        other = await client.data("extend_video", assetId=clip_id(client), model="gen4", dry_run=True)

        assert film["credits"] == {"cost": 60, "remaining": other["credits"]["remaining"]}


async def test_a_dry_run_tells_the_length_of_a_clip_of_which_runway_tells_none(tmp_path: Path) -> None:
    world = clip_world()
    world.switch(metadata="null")
    async with continuing(tmp_path, world) as client:
        priced = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", dry_run=True)

        assert "Continuing the 0.1 s clip" in priced["summary"]
        assert "The film would then be 5.1 s long" in priced["summary"]


@pytest.mark.parametrize("tool", ["view_film", "extend_video"])
async def test_a_length_that_runway_does_not_tell_is_listed_once_it_was_read(tmp_path: Path, tool: str) -> None:
    world = clip_world()
    world.switch(metadata="null")
    async with continuing(tmp_path, world) as client:
        before = await client.call("list_assets")
        more = {"model": "gen4.5", "dry_run": True} if tool == "extend_video" else {}
        await client.call(tool, assetId=clip_id(client), **more)
        after = await client.call("list_assets")

        [asset], [known] = structured(before)["assets"], structured(after)["assets"]
        untold = "made by gen4; length: from view_film or a dry_run"
        assert (asset["reason"], "duration_seconds" in asset) == (untold, False)
        assert untold in text(before)
        assert known["reason"] == "made by gen4"
        assert (known["duration_seconds"], known["duration_as_read"]) == (0.08, True)
        assert "(0.1 s, as read, made " in text(after)


async def test_a_clip_that_can_be_extended_is_extended_whatever_model_is_set(tmp_path: Path) -> None:
    world = clip_world()
    clip = add_video(world, prompt="an old clip")
    async with continuing(tmp_path, world, continue_with="gen4.5") as client:
        for model in ("auto", "gen3a", "gen3a_turbo"):
            told = await client.extend(clip, model=model, dry_run=True)

            assert told["model"] == "gen3a"


async def test_a_model_that_is_named_continues_a_clip_that_could_be_extended(tmp_path: Path) -> None:
    world = clip_world()
    clip = add_video(world, prompt="an old clip")
    async with continuing(tmp_path, world) as client:
        film = await client.extend(clip, model="gen4.5")

        assert [part["model"] for part in film["film"]["parts"]] == ["gen3a", "gen4.5"]
        assert world.requests["POST /gen3/extend"] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "gen4_turbo"}, "did you mean gen4-turbo?"),
        ({"model": "gen4_5"}, "did you mean gen4.5?"),
        ({"model": "sora"}, f"model must be auto, {either(list(CREATE_MODELS))}"),
        ({"model": "gen4", "seconds": 8}, "Gen-4 continues by 5 or 10 s"),
        ({"model": "gen4-turbo", "text_prompt": "w" * 513}, "takes 512 characters at most"),
        ({"model": "gen4.5", "text_prompt": "w" * 5001}, "takes 5000 characters at most"),
    ],
)
async def test_what_does_not_fit_a_model_is_refused_free_with_what_fits(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    async with continuing(tmp_path) as client:
        told = await client.data("extend_video", assetId=clip_id(client), **wrong)

        assert (told["error"]["kind"], told["error"]["charged"]) == ("invalid_request", "no")
        assert said in told["error"]["message"]
        assert client.posts == 0


async def test_an_image_is_no_clip_for_any_model(tmp_path: Path) -> None:
    world = clip_world()
    picture = add_upload(world, name="still.png")
    picture.media_type = "image"
    async with continuing(tmp_path, world) as client:
        for model in ("auto", "gen4.5"):
            told = await client.extend(picture, model=model)

            assert told["error"]["kind"] == "invalid_request"
            assert "only videos" in told["error"]["message"]


async def test_a_dry_run_tells_of_an_end_in_black_and_of_the_last_good_second(tmp_path: Path) -> None:
    world = clip_world(films=PaintedFilms())
    clip = world.assets[0]
    assert clip.film is not None
    clip.film = replace(clip.film, form=replace(clip.film.form, end="black"))
    async with continuing(tmp_path, world) as client:
        told = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", dry_run=True)

        assert "it ends in black" in told["summary"]
        assert "its last good frame is at" in told["summary"]
        assert f'view_film {{"assetId": "{clip_id(client)}", "at_seconds": ' in told["summary"]


async def test_what_is_missing_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    async with continuing(tmp_path, free=_full) as client:
        for dry in (True, False):
            told = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", dry_run=dry)

            assert (told["error"]["kind"], told["error"]["charged"]) == ("not_configured", "no")
            assert "GB" in told["error"]["message"]
        assert client.posts == 0


async def test_a_cap_refuses_what_it_refuses_of_extensions(tmp_path: Path) -> None:
    async with continuing(tmp_path, max_credits_per_call=100) as client:
        told = await client.data("extend_video", assetId=clip_id(client), model="gen4.5", seconds=10)

        assert (told["error"]["kind"], told["next_step"]["arguments"]["seconds"]) == ("spend_limit", 8)
        assert told["next_step"]["arguments"]["model"] == "gen4.5"
        assert client.posts == 0


async def test_a_spend_that_needs_a_confirmation_is_made_with_the_quote_of_its_dry_run(tmp_path: Path) -> None:
    async with continuing(tmp_path, confirm_above=50) as client:
        declined = await client.data("extend_video", assetId=clip_id(client), model="gen4.5")
        priced = await client.data("extend_video", assetId=clip_id(client), dry_run=True)
        film = await client.data("extend_video", **priced["next_step"]["arguments"])

        assert declined["error"]["kind"] == "declined"
        assert priced["next_step"]["arguments"]["confirm"] == priced["quote"]["id"]
        assert film["status"] == "SUCCEEDED"
        assert creates(client) == 1
