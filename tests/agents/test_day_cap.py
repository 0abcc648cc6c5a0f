"""The day's cap is seen before it bites, and advice names only what would fit."""

from pathlib import Path

import anyio
import pytest

from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time


async def test_every_result_tells_how_the_cap_stands_before_and_after_a_spend(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=10), tmp_path, mode, max_credits_per_day=200) as client:
        clip = client.world.asset_id(client.clip)
        before = await client.call("extend_video", assetId=clip, seconds=10, dry_run=True)
        film = await client.call("extend_video", assetId=clip, seconds=10)
        read = await client.call("get_task", taskId=structured(film)["taskId"])
        twin = await client.call("extend_video", assetId=clip, seconds=10)
        wrong = await client.call("extend_video", assetId="nobody")

        first = structured(before)["credits"]
        assert (first["day_limit"], first["day_left"]) == (200, 200)
        assert "day_frees_at" not in first
        assert "200 of 200 credits left" in text(before)
        for result in (film, read, twin, wrong):
            day = structured(result)["credits"]
            told = (day["day_limit"], day["day_left"], day["day_frees_at"])
            assert told == (200, 100, "2027-01-16T08:00:00Z")
            assert "100 of 200 credits left" in text(result)
            assert "2027-01-16T08:00:00Z" in text(result)
        await anyio.sleep(86_400)
        assert (await client.extend(client.clip, seed=2, dry_run=True))["credits"]["day_left"] == 200


async def test_without_a_cap_no_result_speaks_of_a_day(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip))

        assert not [name for name in structured(result)["credits"] if name.startswith("day")]
        assert "limit" not in text(result)


@pytest.mark.parametrize(("cap", "fits"), [(260, True), (240, False)])
async def test_fewer_seconds_are_advised_only_where_fewer_would_fit(
    tmp_path: Path, mode: str, cap: int, fits: bool
) -> None:
    async with open_client(virtual_world(pace=10), tmp_path, mode, max_credits_per_day=cap) as client:
        for seed in (1, 2):
            await client.extend(client.clip, seconds=10, seed=seed)
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), seconds=10, seed=3)

        data = structured(result)
        assert (data["error"]["kind"], data["error"]["charged"], data["error"]["retry"]) == (
            "spend_limit",
            "no",
            "later",
        )
        assert ("Ask for 5 s" in data["error"]["message"]) is fits
        assert ("Ask for 5 s" in text(result)) is fits
        assert data["credits"]["day_left"] == cap - 200
        assert len(client.world.accepted) == 2
        assert (await client.extend(client.clip, seed=4))["status"] == "SUCCEEDED" if fits else True


@pytest.mark.parametrize(("cap", "fits"), [(60, True), (40, False)])
async def test_the_cap_of_a_call_advises_fewer_seconds_only_where_fewer_would_fit(
    tmp_path: Path, mode: str, cap: int, fits: bool
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, max_credits_per_call=cap) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), seconds=10)

        error = structured(result)["error"]
        assert (error["kind"], error["retry"]) == ("spend_limit", "after_change")
        assert ("Ask for 5 s" in error["message"]) is fits
        assert "repeat" not in text(result)
        assert client.posts == 0


@pytest.mark.parametrize(("used", "seconds", "fits"), [(2190, 10, True), (2190, 5, None), (2240, 10, False)])
async def test_an_account_that_cannot_pay_is_advised_fewer_seconds_only_where_they_would_fit(
    tmp_path: Path, mode: str, used: int, seconds: int, fits: bool | None
) -> None:
    async with open_client(virtual_world(used=used), tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), seconds=seconds)

        data = structured(result)
        if fits is None:
            assert data["status"] == "SUCCEEDED"
            return
        assert data["error"]["kind"] == "insufficient_credits"
        assert "fewer seconds" not in data["error"]["message"]
        assert ('"seconds": 5' in text(result)) is fits
        assert data.get("next_step", {}).get("arguments", {}).get("seconds") == (5 if fits else None)
        assert client.world.accepted == []


@pytest.mark.parametrize(
    ("cap", "seconds", "told"),
    [(200, 10, False), (150, 5, False), (130, 10, True)],
    ids=["as before", "fewer seconds", "none fits"],
)
async def test_a_next_step_after_a_film_heeds_the_cap_of_the_day(
    tmp_path: Path, mode: str, cap: int, seconds: int, *, told: bool
) -> None:
    async with open_client(virtual_world(pace=10), tmp_path, mode, max_credits_per_day=cap) as client:
        film = structured(await client.call("extend_video", assetId=client.world.asset_id(client.clip), seconds=10))

        step = film["next_step"]
        assert step["arguments"]["seconds"] == seconds
        assert (
            "The cap of the day leaves 30 credits now, too few for it; more are free from 20" in step["reason"]
        ) is told


@pytest.mark.parametrize("confirm", [0.0, None])
async def test_a_call_that_the_cap_puts_off_is_told_to_need_a_quote_then_where_one_is_asked_for(
    tmp_path: Path, confirm: float | None
) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, "auto", max_credits_per_day=40, confirm_above=confirm) as client:
        result = await client.call("extend_video", assetId=world.asset_id(client.clip), seconds=10)

        assert ("Make a dry_run again then" in structured(result)["error"]["message"]) is (confirm is not None)


@pytest.mark.parametrize(
    ("cap", "further"),
    [(120, "no further one like it"), (220, "1 further one like it"), (100, "no further one like it")],
)
async def test_a_dry_run_says_how_many_further_steps_the_cap_of_the_day_pays_for(
    tmp_path: Path, cap: int, further: str
) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", max_credits_per_day=cap) as client:
        clip = client.world.asset_id(client.clip)
        first = await client.data("extend_video", assetId=clip, seconds=10, dry_run=True)

        told = f"The cap of the day leaves {cap} credits: enough for this step and for {further} in 24 hours."
        assert told in first["summary"]


async def test_a_quote_that_does_not_fit_a_request_that_needs_none_is_told_to_be_left_out(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", confirm_above=0.0) as client:
        clip = client.world.asset_id(client.clip)
        quote = (await client.data("extend_video", assetId=clip, seconds=10, dry_run=True))["quote"]["id"]
        refused = await client.call("extend_video", assetId=clip, seconds=10, exploreMode=True, confirm=quote)

        assert "This request needs none: leave `confirm` out." in structured(refused)["error"]["message"]
        assert client.posts == 0


async def test_a_cap_that_is_too_small_for_a_model_names_one_that_it_pays_for(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", max_credits_per_day=30) as client:
        refused = await client.call("extend_video", assetId=client.world.asset_id(client.clip), model="gen4.5")

        message = structured(refused)["error"]["message"]
        told = "With Gen-4.5 not even 5 s fit now; take another `model` (gen4-turbo adds 5 s for about 25 credits)"
        assert told in message
        assert client.posts == 0


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("cap", ["max_credits_per_call", "max_credits_per_day"])
async def test_a_cap_that_is_too_small_for_an_extension_leads_to_a_model_that_it_pays_for(
    tmp_path: Path, cap: str, *, dry_run: bool
) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", **{cap: 40}) as client:
        clip = client.world.asset_id(client.clip)
        refused = await client.data("extend_video", assetId=clip, seconds=10, dry_run=dry_run)
        told = refused["summary"] if dry_run else refused["error"]["message"]

        assert "With Gen-3 Alpha not even 5 s fit" in told
        assert "continue it with a `model` (gen4-turbo adds 5 s for about 25 credits)" in told
        step = {"assetId": clip, "seconds": 5, "model": "gen4-turbo", "dry_run": True}
        assert refused["next_step"]["arguments"] == step
        assert (await client.data("extend_video", **step))["status"] == "DRY_RUN"


@pytest.mark.parametrize("cap", ["max_credits_per_day", "max_credits_per_call"])
async def test_a_cap_leads_to_explore_mode_where_a_film_was_made_so(tmp_path: Path, mode: str, cap: str) -> None:
    async with open_client(virtual_world(pace=10), tmp_path, mode, **{cap: 10}) as client:
        before = await client.extend(client.clip, seconds=10)
        await client.extend(client.clip, text_prompt="on", exploreMode=True)
        refused = await client.extend(client.clip, seconds=10)
        dry = await client.extend(client.clip, seconds=10, dry_run=True)

        assert "needs an Unlimited plan" in before["error"]["message"]
        assert "the account has the plan for it" in refused["error"]["message"]
        for told in (refused, dry):
            arguments = told["next_step"]["arguments"]
            assert (arguments["exploreMode"], arguments["seconds"], arguments["dry_run"]) == (True, 10, True)
        offered = await client.data("extend_video", **refused["next_step"]["arguments"])
        assert (offered["status"], offered["credits"]["cost"]) == ("DRY_RUN", 0)
