"""What has to hold before a create is posted, and what is told, at no cost, where it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.media.errors import MediaMissing
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.world import World
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.policy import PolicyRefused, SpendPolicy
from tests.films.continuing.processes import Process, clip_world, process
from tests.kit.upstream import fault

pytestmark = pytest.mark.slow


def missing() -> None:
    """An installation without the extra."""
    raise MediaMissing


def blocked(folder: Path) -> None:
    """A file lies where the films should be."""
    (folder / "films").write_bytes(b"")


def working_folder_blocked(folder: Path) -> None:
    """A file lies where the working folders should be."""
    (folder / "data").mkdir()
    (folder / "data" / "continued").write_bytes(b"")


def nothing(_: Path) -> None:
    """Nothing is in the way."""


async def refused(server: Process, **fields: Any) -> Failure:
    """The failure of a call; fails if it ends with none."""
    with pytest.raises(Failure) as told:
        await server.submit(**fields)
    return told.value


def assert_free(world: World) -> None:
    assert world.requests["POST /gen4_5/create"] == 0
    assert len(world.tasks) == 1


def nearly_full(_: Path) -> int:
    """A disk on which a gigabyte and little more is free, in bytes."""
    return 10**9 + 1000


UNFIT: list[tuple[Callable[[Path], None], dict[str, Any], str]] = [
    (nothing, {"require": missing}, "extra"),
    (nothing, {"free": nearly_full}, "GB are free"),
    (blocked, {}, "films"),
    (working_folder_blocked, {}, "continued"),
]


@pytest.mark.parametrize(("prepare", "given", "words"), UNFIT)
async def test_without_extra_room_or_folder_nothing_is_spent(
    tmp_path: Path, prepare: Callable[[Path], None], given: dict[str, Any], words: str
) -> None:
    world = clip_world()
    prepare(tmp_path)
    async with process(tmp_path, world, **given) as server:
        told = await refused(server)

        assert (told.kind, told.charged, told.repeat) == ("not_configured", "no", "after_change")
        assert words in told.message
        assert told.intent is not None
        assert told.intent.film_id.startswith("film_")
        assert world.requests["POST /assets"] == 0
        assert_free(world)


async def test_a_failure_of_the_preparation_is_kept_for_whoever_asks_for_the_film(tmp_path: Path) -> None:
    world = clip_world()
    async with process(tmp_path, world, require=missing) as server:
        told = await refused(server)
        assert told.intent is not None
        film_id = told.intent.film_id
    async with process(tmp_path, world) as server:
        found = await server.continuations.find(server.service, film_id)
        assert found is not None
        kept = server.continuations.failure_of(found)

        assert found.state is State.REFUSED
        assert kept is not None
        assert (kept.kind, kept.message, kept.charged) == ("not_configured", told.message, "no")

        done = await server.done((await server.submit()).intent)

        assert done.film_id == film_id


async def test_a_crash_of_the_preparation_ends_it_at_no_cost_and_the_next_call_begins_anew(tmp_path: Path) -> None:
    def crash() -> None:
        raise ValueError("a fault of a library")

    world = clip_world()
    async with process(tmp_path, world, require=crash) as server:
        told = await refused(server)

        assert (told.kind, told.charged, told.repeat) == ("unexpected_response", "no", "later")
        assert "nothing was submitted or charged" in told.message
        assert_free(world)
    async with process(tmp_path, world) as server:
        assert (await server.submit()).intent.task_id is not None


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (LinkFault("wrong_type", times=None), "not_configured"),
        (LinkFault("wrong_length", length=900, times=None), "not_configured"),
        (LinkFault("dead", times=None), "unavailable"),
    ],
)
async def test_a_clip_that_does_not_come_whole_costs_nothing(tmp_path: Path, rule: LinkFault, kind: str) -> None:
    world = clip_world()
    world.link_faults.append(rule)
    async with process(tmp_path, world) as server:
        told = await refused(server)

        assert (told.kind, told.charged) == (kind, "no")
        assert_free(world)


async def test_a_cut_on_the_way_is_mended(tmp_path: Path) -> None:
    world = clip_world()
    world.link_faults.append(LinkFault("cut", after_bytes=700))
    async with process(tmp_path, world) as server:
        await server.done((await server.submit()).intent)


@pytest.mark.parametrize(
    ("fields", "about"),
    [
        ({"seconds": 6}, "seconds"),
        ({"seconds": 8, "model": "gen4"}, "seconds"),
        ({"text_prompt": "a" * 513, "model": "gen4"}, "text_prompt"),
    ],
)
async def test_what_does_not_fit_the_model_is_refused_before_anything(
    tmp_path: Path, fields: dict[str, Any], about: str
) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        told = await refused(server, **fields)

        assert (told.kind, told.about) == ("invalid_request", about)
        assert_free(world)


async def test_a_film_that_is_not_joined_cannot_go_on_yet(tmp_path: Path) -> None:
    world = clip_world(pace=60.0)
    async with process(tmp_path, world) as server:
        film = (await server.submit()).intent

        told = await refused(server, film=film)

        assert told.kind == "invalid_request"
        assert "not finished" in told.message


@pytest.mark.parametrize("policy", [SpendPolicy(per_call=59), SpendPolicy(per_day=59), SpendPolicy(confirm_above=0)])
async def test_caps_and_confirmation_hold_before_anything_is_uploaded(tmp_path: Path, policy: SpendPolicy) -> None:
    world = clip_world()
    async with process(tmp_path, world) as server:
        with pytest.raises(PolicyRefused):
            await server.submit(policy=policy)

        assert world.requests["POST /assets"] == 0
        assert_free(world)
        assert CREATE_MODELS["gen4.5"].credits_per_second == 12


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "no"}, "invalid_request"),
        (412, {"error": "credits"}, "insufficient_credits"),
        (422, {"error": "moderation"}, "moderated"),
    ],
)
async def test_a_refused_create_keeps_its_frame_for_the_next_try(
    tmp_path: Path, status: int, body: dict[str, str], kind: str
) -> None:
    world = clip_world()
    fault(world, method="POST", path_prefix="/gen4_5/create", status=status, body=body)
    async with process(tmp_path, world) as server:
        told = await refused(server)
        done = await server.done((await server.submit(text_prompt="other words")).intent)

        assert (told.kind, told.charged) == (kind, "no")
        assert done.state is State.ACCEPTED
        assert world.requests["POST /assets"] == 1


async def test_the_same_call_after_a_refused_create_posts_again_with_the_same_frame(tmp_path: Path) -> None:
    world = clip_world()
    fault(world, method="POST", path_prefix="/gen4_5/create", status=412, body={"error": "credits"})
    async with process(tmp_path, world) as server:
        told = await refused(server)
        done = await server.done((await server.submit()).intent)

        assert told.intent is not None
        assert done.id == told.intent.id
        assert (world.requests["POST /assets"], world.requests["POST /gen4_5/create"]) == (1, 2)
        assert len(world.tasks) == 2


async def test_a_moderated_create_is_answered_so_for_good(tmp_path: Path) -> None:
    world = clip_world()
    fault(world, method="POST", path_prefix="/gen4_5/create", status=422, body={"error": "moderation"})
    async with process(tmp_path, world) as server:
        await refused(server)
        again = await refused(server)

        assert (again.kind, again.twin, again.retry_safe) == ("moderated", True, False)
        assert world.requests["POST /gen4_5/create"] == 1


async def test_a_film_waits_for_a_slot_although_its_call_has_ended(tmp_path: Path) -> None:
    world = clip_world()
    fault(
        world, method="POST", path_prefix="/gen4_5/create", status=429, body={"error": "busy"}, retry_after=1, times=2
    )
    async with process(tmp_path, world) as server:
        begun = await server.submit(wait=0)
        done = await server.done(begun.intent)

        assert done.id == begun.intent.id
        assert len(world.tasks) == 2
