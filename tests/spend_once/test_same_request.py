"""Which two calls are the same request, and which are not."""

import json
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, PROMPT, RUNNING, Setup, together

pytestmark = pytest.mark.virtual_time

CITY = "Z\u00fcrich at dusk"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"replyRef": "my-film-1"}),
        ({"replyRef": "my-film-1"}, {}),
        ({"replyRef": "my-film-1"}, {"replyRef": "my-film-2"}),
        ({}, {"replyUrl": "https://example.com/hook"}),
        ({"replyUrl": "https://example.com/hook"}, {"replyUrl": "https://example.com/other"}),
        ({}, {"maxJobs": 3}),
        ({}, {"wait_seconds": 30}),
        ({}, {"confirm": "a-quote-of-another-day"}),
        ({}, {"dry_run": False}),
        ({"seed": 7}, {"seed": 7, "replyRef": "my-film-1"}),
        ({}, {"seconds": 5}),
        ({"seconds": 5}, {}),
        ({}, {"exploreMode": False}),
        ({}, {"text_prompt": f"  {PROMPT}\n"}),
        ({"text_prompt": f"\t{PROMPT} "}, {}),
        ({"text_prompt": CITY}, {"text_prompt": unicodedata.normalize("NFD", CITY)}),
        ({"text_prompt": unicodedata.normalize("NFD", CITY)}, {"text_prompt": f"{CITY} "}),
    ],
)
@pytest.mark.parametrize("pause", [0.0, HOUR])
async def test_what_makes_no_other_film_makes_no_other_request(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], pause: float
) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, **{"text_prompt": PROMPT, **first})
        await anyio.sleep(pause)
        again = await client.extend(setup.clip, **{"text_prompt": PROMPT, **second})

        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"seed": 7}),
        ({"seed": 7}, {"seed": 8}),
        ({"seed": 7}, {}),
        ({}, {"seconds": 10}),
        ({}, {"exploreMode": True}),
        ({}, {"text_prompt": "another film"}),
        ({"text_prompt": "the camera"}, {"text_prompt": "The camera"}),
    ],
)
async def test_what_asks_for_another_film_gets_another_film(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        one = await client.extend(setup.clip, **{"text_prompt": PROMPT, **first})
        other = await client.extend(setup.clip, **{"text_prompt": PROMPT, **second})
        await anyio.sleep(HOUR)
        again = await client.extend(setup.clip, **{"text_prompt": PROMPT, **second})

        assert (one["status"], other["status"]) == ("SUCCEEDED", "SUCCEEDED")
        assert "twin" not in other
        assert one["taskId"] != other["taskId"]
        await setup.check_film_again(again, 1)
        assert setup.charged == 2


async def test_the_film_of_another_clip_is_another_film(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    other = add_video(setup.world, prompt="clip 1")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        data = await client.extend(other, text_prompt=PROMPT)

        assert "twin" not in data
        assert setup.charged == 2


async def test_a_turbo_clip_without_seconds_is_the_same_request_each_time(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    turbo = add_video(setup.world, model="gen3a_turbo", prompt="gulls")
    async with setup.server() as client:
        await client.extend(turbo, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        again = await client.extend(turbo, text_prompt=PROMPT)

        await setup.check_film_again(again)
        assert setup.charged == 1


async def test_a_request_without_a_prompt_is_the_same_request_each_time(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip)
        await anyio.sleep(HOUR)
        again = await client.extend(setup.clip, text_prompt="")

        await setup.check_film_again(again)
        assert setup.charged == 1


GIVEN_BACK = [("seed",), ("replyRef",), ("seed", "replyRef")]


@pytest.mark.parametrize("names", GIVEN_BACK)
@pytest.mark.parametrize("pause", [60.0, 3 * HOUR])
async def test_a_seed_or_a_reference_of_ours_given_back_makes_no_second_task(
    tmp_path: Path, mode: str, names: tuple[str, ...], pause: float
) -> None:
    setup = Setup(tmp_path, mode)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(pause)
        again = await client.extend(setup.clip, text_prompt=PROMPT, **{name: told[name] for name in names})

        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("names", GIVEN_BACK)
@pytest.mark.parametrize("pause", [0.0, 5.0])
async def test_given_back_while_the_task_runs_they_answer_with_that_task(
    tmp_path: Path, names: tuple[str, ...], pause: float
) -> None:
    setup = Setup(tmp_path, pace=60)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(pause)
        again = await client.extend(setup.clip, text_prompt=PROMPT, **{name: told[name] for name in names})

        assert again["taskId"] == told["taskId"]
        assert again["status"] in RUNNING
        assert again["twin"] is True
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("names", GIVEN_BACK)
async def test_given_back_after_a_restart_they_make_no_second_task(tmp_path: Path, names: tuple[str, ...]) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    async with setup.server() as client:
        again = await client.extend(setup.clip, text_prompt=PROMPT, **{name: told[name] for name in names})

        await setup.check_film_again(again)
        assert (setup.posts, setup.charged) == (1, 1)


async def test_first_given_back_and_then_left_out_again_it_is_still_one_request(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        for given in ({"seed": told["seed"]}, {}, {"replyRef": told["replyRef"]}, {}):
            await anyio.sleep(3 * MINUTE)
            await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))

        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_seed_of_ours_for_one_film_is_a_seed_of_the_callers_for_another(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        other = await client.extend(setup.clip, text_prompt="another film", seed=told["seed"])

        assert "twin" not in other
        assert other["seed"] == told["seed"]
        assert setup.charged == 2


async def test_a_reference_of_ours_is_not_sent_for_a_second_film(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        await client.extend(setup.clip, text_prompt="another film", replyRef=told["replyRef"])

        references = [body["replyRef"] for body in setup.sent]
        assert len(set(references)) == 2
        assert all(reference.startswith("runway-mcp-") for reference in references)


async def test_every_submit_carries_a_seed_and_a_reference(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await client.extend(setup.clip, text_prompt=PROMPT, seed=7, replyRef="my-film-1")

        ours, callers = setup.sent
        assert 1 <= ours["seed"] <= 4_294_967_294
        assert ours["replyRef"].startswith("runway-mcp-")
        assert (callers["seed"], callers["replyRef"]) == (7, "my-film-1")


async def test_the_same_request_spelt_in_different_ways_at_once_pays_once(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    maker = setup.clip.task
    assert maker is not None
    source = setup.world.asset_id(setup.clip)
    async with setup.server() as client:
        spellings = (source, f"runway://assets/{source}", setup.world.task_id(maker))
        told = await together(*(partial(client.mcp.call_tool, "extend_video", {"assetId": each}) for each in spellings))

        assert {each.structured_content["taskId"] for each in told} == {setup.task_id()}
        assert (setup.posts, setup.charged) == (1, 1)


async def test_the_list_of_tasks_tells_a_repeated_request_once(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        await client.extend(setup.clip, text_prompt=PROMPT)
        contents: Any = (await client.mcp.read_resource("runway://tasks")).contents[0]

        listed = [task["taskId"] for task in json.loads(contents.text)["tasks"]]
        assert listed.count(setup.task_id()) == 1
        assert setup.charged == 1


@pytest.mark.parametrize("tool", ["extend_video", "get_task"])
async def test_a_name_that_takes_long_to_look_up_does_not_outlast_the_wait(tmp_path: Path, tool: str) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, method="GET", path_prefix="/assets", kind="delay", seconds=25, times=None)
    named = {"extend_video": "assetId", "get_task": "taskId"}[tool]
    async with setup.server() as client:
        late = await client.data(tool, **{named: "a name that no clip has", "wait_seconds": 6})

        assert late["error"]["kind"] == "unavailable"
        assert client.took <= 6.5
        assert setup.posts == 0
