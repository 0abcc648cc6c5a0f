"""Hostile links: what a caller sees of each fault, and that the stand-in stays sound beside it."""

from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.simulator.faults import ConnectionLost, FaultError
from runway_mcp.simulator.links.faults import LinkFault, consume_link_fault, link_fault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.simulator.requests import clip

ORIGIN = "http://standin.test"
LIMIT = 60.0


async def link_of(api: httpx.AsyncClient, world: World) -> str:
    return (await api.get(f"/assets/{clip(world)}")).json()["url"]


async def scripted(api: httpx.AsyncClient, **rule: Any) -> None:
    answer = await api.post(f"{ORIGIN}/simulator/link_faults", json=rule)
    assert answer.status_code == 200


async def test_a_file_has_a_strong_tag_by_which_a_range_is_asked_for(api: httpx.AsyncClient, world: World) -> None:
    link = await link_of(api, world)
    whole = await api.get(link)
    tag = whole.headers["etag"]

    same = await api.get(link, headers={"Range": "bytes=1000-", "If-Range": tag})
    other = await api.get(link, headers={"Range": "bytes=1000-", "If-Range": '"another"'})

    assert tag.startswith('"')
    assert (same.status_code, same.content, same.headers["etag"]) == (206, whole.content[1000:], tag)
    assert (other.status_code, other.content) == (200, whole.content)


@pytest.mark.parametrize(
    ("rule", "status", "length", "headers"),
    [
        ({"kind": "wrong_length", "length": 1000}, 200, 1000, {"content-length": "1000"}),
        ({"kind": "wrong_length", "length": 1100}, 200, 1100, {"content-length": "1100"}),
        ({"kind": "wrong_range"}, 206, 24, {"content-range": "bytes 1001-1024/1024"}),
        ({"kind": "no_ranges"}, 200, 1024, {"accept-ranges": ""}),
        ({"kind": "etag", "etag": 'W/"1"'}, 206, 24, {"etag": 'W/"1"'}),
        ({"kind": "etag"}, 206, 24, {"etag": ""}),
        ({"kind": "wrong_type"}, 200, 35, {"content-type": "text/html; charset=utf-8"}),
        ({"kind": "wrong_type", "content_type": "image/png", "body": "p"}, 200, 1, {"content-type": "image/png"}),
        ({"kind": "redirect", "location": "https://10.0.0.1/"}, 302, 0, {"location": "https://10.0.0.1/"}),
        ({"kind": "status", "status": 503}, 503, 0, {}),
        ({"kind": "slow", "after_bytes": 10, "seconds": 0}, 206, 24, {"content-length": "24"}),
    ],
)
async def test_a_faulty_link_answers_as_its_rule_says_and_once(
    api: httpx.AsyncClient, world: World, rule: dict[str, Any], status: int, length: int, headers: dict[str, str]
) -> None:
    link = await link_of(api, world)
    await scripted(api, **rule)

    spoilt, sound = [await api.get(link, headers={"Range": "bytes=1000-"}) for _ in range(2)]

    assert (spoilt.status_code, len(spoilt.content)) == (status, length)
    assert {name: spoilt.headers.get(name, "") for name in headers} == headers
    assert (sound.status_code, len(sound.content)) == (206, 24)


async def test_a_redirect_without_a_place_leads_to_the_same_link(api: httpx.AsyncClient, world: World) -> None:
    link = await link_of(api, world)
    await scripted(api, kind="redirect")

    assert (await api.get(link)).headers["location"] == link


async def test_a_changed_file_differs_in_content_and_tag_and_refuses_to_be_resumed(
    api: httpx.AsyncClient, world: World
) -> None:
    link = await link_of(api, world)
    before = await api.get(link)
    await scripted(api, kind="changed", times=None)

    after = await api.get(link, headers={"Range": "bytes=1000-", "If-Range": before.headers["etag"]})

    assert (after.status_code, len(after.content)) == (200, len(before.content))
    assert after.content != before.content
    assert after.headers["etag"] != before.headers["etag"]


async def test_a_link_that_died_stays_dead_while_a_fresh_one_lives(api: httpx.AsyncClient, world: World) -> None:
    link = await link_of(api, world)
    await scripted(api, kind="dead", status=410)

    dead, still, fresh = [await api.get(each) for each in (link, link, await link_of(api, world))]

    assert [answer.status_code for answer in (dead, still, fresh)] == [410, 403, 200]


async def test_a_cut_file_promises_more_than_it_sends(api: httpx.AsyncClient, world: World) -> None:
    link = await link_of(api, world)
    await scripted(api, kind="cut", after_bytes=100, times=2)

    with pytest.raises(ConnectionLost):
        await api.get(link)
    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient() as client:
            real = link.replace("http://standin.test", url.removesuffix("/v1/runwayml"))
            async with client.stream("GET", real) as answer:
                chunks = answer.aiter_raw()
                received = await anext(chunks)
                with pytest.raises(httpx.RemoteProtocolError):
                    await anext(chunks)
                promised = answer.headers["content-length"]

    assert (promised, len(received)) == ("1024", 100)


@pytest.mark.parametrize("kind", ["stall", "endless"])
async def test_what_never_ends_lasts_until_the_caller_hangs_up(api: httpx.AsyncClient, world: World, kind: Any) -> None:
    link = await link_of(api, world)
    world.link_faults.append(LinkFault(kind, after_bytes=7))

    with anyio.fail_after(LIMIT):
        async with running(world) as url, httpx.AsyncClient() as client:
            real = link.replace("http://standin.test", url.removesuffix("/v1/runwayml"))
            async with client.stream("GET", real) as answer:
                received = await anext(answer.aiter_raw())
            after = await client.get(real)

    assert len(received) == 7 if kind == "stall" else len(received) > 7
    assert len(after.content) == 1024


def test_a_rule_meets_its_file_as_often_as_it_says() -> None:
    rules = [LinkFault("dead", "a", times=2), LinkFault("cut", "b", times=None), LinkFault("slow", times=0)]

    met = [consume_link_fault(rules, name) for name in ("b.mp4", "a.mp4", "c.mp4", "a.mp4", "a.mp4")]

    assert [rule and rule.kind for rule in met] == ["cut", "dead", None, "dead", None]
    assert [rule.kind for rule in rules] == ["cut"]


@pytest.mark.parametrize("described", [{"kind": "explode"}, {"kind": "cut", "colour": "red"}, {"times": 1}])
def test_a_fault_that_means_nothing_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        link_fault(described)


async def test_faults_are_counted_and_can_be_cleared(api: httpx.AsyncClient) -> None:
    told = (await api.post(f"{ORIGIN}/simulator/link_faults", json=[{"kind": "cut"}, {"kind": "slow"}])).json()
    state = (await api.get(f"{ORIGIN}/simulator/state")).json()
    cleared = (await api.delete(f"{ORIGIN}/simulator/link_faults")).json()

    assert (told, state["link_faults"], cleared) == ({"link_faults": 2}, 2, {"link_faults": 0})
