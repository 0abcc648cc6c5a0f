"""A look at a film that fails: words alone, which say what to do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp_types import TextContent

from runway_mcp.media.errors import HOW_TO_INSTALL, MediaMissing
from runway_mcp.server.app import create_server
from runway_mcp.simulator.builders import add_image, add_task, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from tests.kit.client import ToolClient
from tests.kit.server import InProcessServer, open_client, settings
from tests.kit.upstream import Upstream, virtual_world
from tests.server.pictures import clip_of, films_client, grey_world, seen


async def refused(client: ToolClient, **arguments: Any) -> str:
    """The text of a look that fails, which is all of its result."""
    result = await client.call("view_film", **arguments)
    assert result.is_error
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert "Charged: no." in block.text
    return block.text


async def test_a_second_beside_another_show_is_refused_with_the_call_that_works(tmp_path: Path, mode: str) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, mode) as client:
        clip = clip_of(client.world)
        told = await refused(client, assetId=clip, show="strip", at_seconds=0.4)

        assert "at_seconds shows one frame, and show asks for strip" in told
        assert f'Next: view_film {{"assetId": "{clip}", "at_seconds": 0.4}}.' in told
        assert not client.world.requests


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "assetId is missing."),
        ({"assetId": " "}, "assetId is empty."),
        ({"assetId": "x", "show": "middle"}, "show must be last_frame or first_frame or strip, not"),
        ({"assetId": "x", "at_seconds": -1}, "at_seconds must be a number, 0 or more, not -1."),
        ({"assetId": "x", "at_seconds": True}, "at_seconds must be a number, 0 or more, not true."),
        ({"assetId": "x", "second": 3}, 'view_film takes no argument "second" (did you mean at_seconds?).'),
    ],
    ids=str,
)
async def test_arguments_that_do_not_fit_are_refused_by_name_and_nothing_is_asked(
    tmp_path: Path, arguments: dict[str, Any], says: str
) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        told = await refused(client, **arguments)

        assert says in told
        assert "Error: invalid_request." in told
        assert not client.world.requests


async def test_an_unknown_clip_names_the_nearest_and_leads_to_the_list(tmp_path: Path, mode: str) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, mode) as client:
        for unknown, step in (
            (f"{clip_of(client.world)[:-1]}f", "{}"),
            ("a name that nothing has", '{"query": "a name that nothing has"}'),
        ):
            told = await refused(client, assetId=unknown)

            assert "Error: not_found." in told
            assert "The nearest are: " in told
            assert "ledger" not in told
            assert f"Next: list_assets {step}." in told


async def test_what_is_no_video_is_refused_clearly(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        told = await refused(client, assetId=world.asset_id(add_image(world)))

        assert '"mood.gif" is no video (image), and only videos can be shown here.' in told


async def test_a_task_that_runs_is_followed_first(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        task = world.task_id(add_task(world, duration=1000))
        told = await refused(client, assetId=task)

        assert "there is no film to see yet" in told
        assert "Call get_task with wait_seconds until it has ended, then view_film again." in told
        assert "Until that task has ended, the same call would end the same way." in told
        assert f'Next: get_task {{"taskId": "{task}", "wait_seconds": 45}}.' in told


async def test_a_task_that_failed_has_nothing_to_see(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        failed = add_task(world, outcome="fail", queue=0, duration=0)

        assert "nothing to see" in await refused(client, assetId=world.task_id(failed))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (LinkFault("redirect", location="http://127.0.0.1:9/x.mp4"), "Runway's link to the file was not used."),
        (LinkFault("redirect", location="https://10.0.0.1/x.mp4"), "The link leads to an address that is not public."),
        (LinkFault("redirect", location="file:///etc/passwd"), "Runway's link to the file was not used."),
        (LinkFault("wrong_type"), "The link leads to a page"),
        (LinkFault("wrong_length", length=300), "No picture could be made: "),
    ],
    ids=["another port", "private", "no host", "page", "cut short"],
)
async def test_a_hostile_link_gives_words_alone_and_no_advice_to_repeat(
    tmp_path: Path, rule: LinkFault, says: str
) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(replace(rule, times=None))
        told = await refused(client, assetId=clip_of(world))

        assert says in told
        assert "_jwt" not in told
        assert "You may repeat" not in told
        assert "Next: view_film" not in told


async def test_a_link_host_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(LinkFault("status", times=3, status=503))
        clip = clip_of(world)
        told = await refused(client, assetId=clip)

        assert "Error: unavailable. Charged: no. You may repeat the same call later." in told
        assert f'Next: view_film {{"assetId": "{clip}"}}.' in told
        seen(await client.call("view_film", assetId=clip))


@pytest.mark.virtual_time
@pytest.mark.parametrize("path", ["/assets", "/tasks"])
async def test_an_upstream_that_does_not_answer_ends_the_look_in_time(tmp_path: Path, path: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        client.world.faults.append(Fault("GET", path, times=None, kind="delay", seconds=1000))
        told = await refused(client, assetId=clip_of(client.world))

        assert "Error: unavailable." in told
        # Threads take no virtual time, but the clock may jump while one works: only the delay itself is no such jump.
        assert client.took < 1000


async def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path: Path, mode: str) -> None:
    def missing() -> None:
        raise MediaMissing

    world = small_world()
    server = create_server(settings(tmp_path), transport=Upstream(world))
    async with server.lifespan(server) as opened_:
        without = replace(opened_, films=replace(opened_.films, require=missing))
        async with InProcessServer(server, without, world).client(mode) as client:
            told = await refused(client, assetId=clip_of(world))

            assert HOW_TO_INSTALL in told
            assert "Error: not_configured." in told
            assert not world.requests


async def test_without_a_token_it_says_what_to_set(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", token=None) as client:
        assert "USEAPI_TOKEN" in await refused(client, assetId="x")
