"""What callers of one server spend: each request, cap and quote is of one caller."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.callers import DUNES, ana_and_bob, hosted

ASKING: dict[str, Any] = {"confirm_above": 0.0}


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_the_same_request_of_two_callers_is_two_films_each_paid_once_and_repeated_to_its_own(
    tmp_path: Path, mode: str, path: str
) -> None:
    async with hosted(tmp_path, path=path) as server, ana_and_bob(server, mode) as (ana, bob):
        films = [await client.extend(client.clip, text_prompt=DUNES) for client in (ana, bob)]
        again = [await client.extend(client.clip, text_prompt=DUNES) for client in (ana, bob)]
        dry = [await client.extend(client.clip, text_prompt=DUNES, dry_run=True) for client in (ana, bob)]

        assert [film["status"] for film in films] == ["SUCCEEDED"] * 2
        assert films[0]["taskId"] != films[1]["taskId"]
        assert not any("twin" in film for film in films)
        for film, repeat, priced in zip(films, again, dry, strict=True):
            assert (repeat["taskId"], repeat["twin"], repeat["credits"]["cost"]) == (film["taskId"], True, 0)
            assert priced["next_step"]["arguments"]["taskId"] == film["taskId"]
        assert (ana.posts, len(server.world.accepted)) == (2, 2)


async def test_a_dry_run_prices_what_only_another_caller_has_submitted(tmp_path: Path, mode: str) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        before = await bob.extend(bob.clip, text_prompt=DUNES, dry_run=True)
        await ana.extend(ana.clip, text_prompt=DUNES)
        after = await bob.extend(bob.clip, text_prompt=DUNES, dry_run=True)

        remaining = before["credits"].pop("remaining") - after["credits"].pop("remaining")
        assert (before["summary"].split(",")[0], remaining) == (after["summary"].split(",")[0], 50)
        assert before.pop("summary") != after.pop("summary")
        assert before == after


async def test_the_seed_of_anothers_request_makes_no_duplicate_of_it(tmp_path: Path, mode: str) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        first = await ana.extend(ana.clip, text_prompt=DUNES)
        second = await bob.extend(bob.clip, text_prompt=DUNES, seed=first["seed"], replyRef=first["replyRef"])

        assert second["taskId"] != first["taskId"]
        assert second["replyRef"] != first["replyRef"]
        assert bob.posts == 2


async def test_a_cap_of_a_day_is_each_callers_own(tmp_path: Path, mode: str) -> None:
    async with (
        hosted(tmp_path, max_credits_per_day=60) as server,
        ana_and_bob(server, mode) as (ana, bob),
    ):
        first = await ana.extend(ana.clip)
        refused = await ana.extend(ana.clip, seed=2)
        other = await bob.extend(bob.clip)

        assert (first["credits"]["day_left"], other["credits"]["day_left"]) == (10, 10)
        assert refused["error"]["kind"] == "spend_limit"
        assert other["status"] == "SUCCEEDED"


async def test_a_cap_of_a_call_holds_for_every_caller(tmp_path: Path, mode: str) -> None:
    async with hosted(tmp_path, max_credits_per_call=60) as server, ana_and_bob(server, mode) as clients:
        for client in clients:
            assert (await client.extend(client.clip, seconds=10))["error"]["kind"] == "spend_limit"
            assert (await client.extend(client.clip, seconds=5))["status"] == "SUCCEEDED"


async def test_a_quote_of_one_caller_confirms_nothing_for_another_and_stays_good_for_its_own(
    tmp_path: Path, mode: str
) -> None:
    async with hosted(tmp_path, **ASKING) as server, ana_and_bob(server, mode) as (ana, bob):
        quote = (await ana.extend(ana.clip, dry_run=True))["quote"]["id"]

        stolen = await bob.extend(bob.clip, confirm=quote)
        own = await ana.extend(ana.clip, confirm=quote)

        assert (stolen["error"]["kind"], stolen["error"]["charged"]) == ("declined", "no")
        assert own["status"] == "SUCCEEDED"
        assert ana.posts == 1
