from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import open_client, open_server
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

ASKING: dict[str, Any] = {"confirm_above": 0.0}


class Asked:
    """A person who answers every question in one way, after so many seconds, and remembers what was asked."""

    def __init__(self, action: str = "accept", *, ok: bool = True, after: float = 1.0) -> None:
        self.questions: list[str] = []
        self._action = action
        self._content: dict[str, Any] | None = {"ok": ok} if action == "accept" else None
        self._after = after

    async def __call__(self, context: object, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG002  the SDK's signature
        assert isinstance(params, ElicitRequestFormParams)
        self.questions.append(params.message)
        await anyio.sleep(self._after)
        return ElicitResult(action=self._action, content=self._content)  # pyright: ignore[reportArgumentType]  the table's words


@asynccontextmanager
async def client_with(
    person: Asked, world: World, folder: Path, mode: str, **fields: Any
) -> AsyncGenerator[ToolClient]:
    async with (
        open_server(world, folder, **fields) as server,
        server.client(mode, elicitation_callback=person) as client,
    ):
        yield client


async def test_a_person_who_agrees_is_asked_once_and_gets_the_film(tmp_path: Path, mode: str) -> None:
    person = Asked()
    async with client_with(person, virtual_world(), tmp_path, mode, **ASKING) as client:
        data = await client.extend(client.clip, text_prompt="over the dunes", seconds=10)

        assert data["status"] == "SUCCEEDED"
        assert client.posts == 1
        assert person.questions == ['Extend this Gen-3 Alpha clip by 10 s for about 100 credits? "over the dunes"']


@pytest.mark.parametrize("person", [Asked("decline"), Asked("cancel"), Asked(ok=False)])
async def test_a_person_who_does_not_agree_spends_nothing(tmp_path: Path, mode: str, person: Asked) -> None:
    async with client_with(person, virtual_world(), tmp_path, mode, **ASKING) as client:
        data = await client.extend(client.clip)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("declined", "no")
        assert "next_step" not in data
        assert client.posts == 0


async def test_a_person_who_says_nothing_does_not_hold_the_call_beyond_its_wait(tmp_path: Path) -> None:
    async with client_with(Asked(after=900), virtual_world(), tmp_path, "legacy", **ASKING) as client:
        data = await client.extend(client.clip)

        assert data["error"]["kind"] == "declined"
        assert "did not answer in time" in data["summary"]
        assert data["next_step"]["arguments"]["dry_run"] is True
        assert client.took <= 46
        assert client.posts == 0


async def test_a_person_has_time_to_answer_however_short_the_wait_is(tmp_path: Path, mode: str) -> None:
    person = Asked(after=15)
    async with client_with(person, virtual_world(), tmp_path, mode, **ASKING) as client:
        data = await client.extend(client.clip, wait_seconds=0)

        assert data["status"] in ("PENDING", "RUNNING")
        assert (len(person.questions), client.posts) == (1, 1)


async def test_a_twin_costs_nothing_and_nobody_is_asked_about_it(tmp_path: Path, mode: str) -> None:
    person = Asked()
    async with client_with(person, virtual_world(), tmp_path, mode, **ASKING) as client:
        await client.extend(client.clip)
        data = await client.extend(client.clip)

        assert data["twin"] is True
        assert (len(person.questions), client.posts) == (1, 1)


async def test_explore_mode_and_small_spends_are_not_asked_about(tmp_path: Path, mode: str) -> None:
    person = Asked()
    async with client_with(person, virtual_world(), tmp_path, mode, confirm_above=50.0) as client:
        await client.extend(client.clip, exploreMode=True, seconds=10)
        await client.extend(client.clip, seconds=5)
        await client.extend(client.clip, seconds=10)

        assert (len(person.questions), client.posts) == (1, 3)


async def test_where_the_host_cannot_ask_the_next_steps_lead_over_a_quote_to_the_film(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, **ASKING) as client:
        declined = await client.extend(client.clip, text_prompt="over the dunes")
        priced = await client.data(**named(declined))
        film = await client.data(**named(priced))

        assert (declined["error"]["kind"], declined["error"]["retry_safe"]) == ("declined", True)
        assert priced["status"] == "DRY_RUN"
        assert priced["next_step"]["arguments"]["confirm"] == priced["quote"]["id"]
        assert priced["quote"]["expires_at"].endswith("Z")
        assert film["status"] == "SUCCEEDED"
        assert client.posts == 1


def named(data: dict[str, Any]) -> dict[str, Any]:
    """The call that a result names as the next."""
    return {"tool": data["next_step"]["tool"], **data["next_step"]["arguments"]}


async def test_a_quote_covers_exactly_its_arguments_and_once(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, **ASKING) as client:
        quote = (await client.extend(client.clip, dry_run=True, seed=1))["quote"]["id"]

        other = await client.extend(client.clip, confirm=quote, seed=2)
        made = await client.extend(client.clip, confirm=quote, seed=1)
        await anyio.sleep(200)
        again = await client.extend(client.clip, confirm=quote, seed=1)
        used = await client.extend(client.clip, confirm=quote, seed=2)
        invented = await client.extend(client.clip, confirm="yes", seed=3)

        assert made["status"] == "SUCCEEDED"
        assert {each["error"]["kind"] for each in (other, used, invented)} == {"declined"}
        assert "confirm" not in used["next_step"]["arguments"]
        # What was paid before is answered, and a quote neither needed nor spent for it.
        assert (again["taskId"], again["twin"]) == (made["taskId"], True)
        assert client.posts == 1


async def test_no_quote_is_given_where_nothing_needs_confirmation(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        priced = await client.extend(client.clip, dry_run=True)

        assert "quote" not in priced
        assert "confirm" not in priced["next_step"]["arguments"]


async def test_a_spend_above_the_cap_of_a_call_is_refused_and_its_dry_run_says_so(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, max_credits_per_call=50) as client:
        refused = await client.extend(client.clip, seconds=10)
        priced = await client.extend(client.clip, seconds=10, dry_run=True)
        small = await client.extend(client.clip, seconds=5)

        assert (refused["error"]["kind"], refused["error"]["charged"]) == ("spend_limit", "no")
        assert refused["error"]["retry"] == "after_change"
        assert "allows 50 for one call" in priced["summary"]
        assert (priced["next_step"]["arguments"]["seconds"], priced["next_step"]["arguments"]["dry_run"]) == (5, True)
        assert small["status"] == "SUCCEEDED"
        assert client.posts == 1


async def test_the_cap_of_a_day_counts_what_every_server_on_the_data_folder_spent(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode, max_credits_per_day=120) as client:
        await client.extend(client.clip, seconds=10)
    async with open_client(world, tmp_path, mode, max_credits_per_day=120) as client:
        refused = await client.extend(client.clip, seconds=5)
        free = await client.extend(client.clip, exploreMode=True)

        assert (refused["error"]["kind"], refused["error"]["retry"]) == ("spend_limit", "later")
        assert "100 were spent in the last 24 hours" in refused["error"]["message"]
        assert "2027-01-16T08:" in refused["error"]["message"]
        assert free["status"] == "SUCCEEDED"


async def test_a_forged_answer_to_a_question_never_asked_is_refused(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", **ASKING) as client:
        with pytest.raises(MCPError, match="requestState"):
            await client.mcp.session.call_tool(
                "extend_video",
                {"assetId": client.world.asset_id(client.clip)},
                input_responses={"spend": ElicitResult(action="accept", content={"ok": True})},
                request_state='{"quote": "made-up"}',
            )

        assert client.posts == 0
