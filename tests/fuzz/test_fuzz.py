from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random

import pytest

from runway_mcp.server.boundary import CRASHED
from runway_mcp.server.contract.arguments import Arguments, InvalidArguments, read_arguments
from runway_mcp.server.tools.extend_video import ExtendVideo
from runway_mcp.server.tools.get_task import GetTask
from runway_mcp.server.tools.list_assets import ListAssets
from runway_mcp.server.tools.view_film import ViewFilm
from tests.fuzz.__main__ import on_http, on_stdio
from tests.fuzz.answers import faults_of_message, faults_of_text
from tests.fuzz.figures import Figures, markdown, told
from tests.fuzz.http_requests import Requests
from tests.fuzz.messages import BROKEN, ERAS, Era, Known, Messages

REQUESTS = 300
SEED = 20_261_122
KNOWN = Known("user:1-runwayml:a@b.c-asset:1", "user:1-runwayml:a@b.c-task:1")
MODELS: dict[str, type[Arguments]] = {
    "extend_video": ExtendVideo,
    "get_task": GetTask,
    "list_assets": ListAssets,
    "view_film": ViewFilm,
}
RIGHT = {"extend_video": {"assetId": KNOWN.clip}, "get_task": {"taskId": KNOWN.endless}, "list_assets": {}}
RIGHT["view_film"] = RIGHT["extend_video"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "pester", [partial(on_stdio, era="2025"), partial(on_stdio, era="2026"), on_http], ids=["2025", "2026", "http"]
)
def test_hundreds_of_bad_requests_neither_break_nor_hang_the_server_nor_make_it_talk(
    pester: Callable[[int, int], Figures],
) -> None:
    figures = pester(REQUESTS, SEED)

    assert figures.requests == REQUESTS
    assert figures.answered > REQUESTS / 3
    assert figures.valid >= REQUESTS / 50
    assert not figures.faults, told(figures)


@pytest.mark.parametrize("era", ERAS)
def test_the_same_seed_makes_the_same_requests(era: Era) -> None:
    rngs = [Random(1) for _ in range(4)]  # noqa: S311 - a fuzz must be repeatable

    first, again = (list(islice(Messages(rng, era, KNOWN), 300)) for rng in rngs[:2])
    assert first == again
    first, again = (list(islice(Requests(rng, KNOWN, "127.0.0.1:1", "session"), 300)) for rng in rngs[2:])
    assert first == again


@pytest.mark.parametrize(("tool", "change"), [(tool, change) for tool, all_of in BROKEN.items() for change in all_of])
def test_no_generated_call_is_a_right_one(tool: str, change: dict[str, object]) -> None:
    with pytest.raises(InvalidArguments):
        read_arguments(MODELS[tool], tool, {**RIGHT[tool], **change})


@pytest.mark.parametrize(
    ("message", "faults"),
    [
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, []),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no JSON"}}, []),
        ({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}, []),
        ([], ["is no object"]),
        ({"id": 1, "result": {}}, ["has no jsonrpc 2.0"]),
        ({"jsonrpc": "2.0", "id": 1}, ["is neither result nor error"]),
        ({"jsonrpc": "2.0", "result": {}}, ["is neither result nor error"]),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": 0, "message": "boom"}}, ["has no proper error"]),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, ["asks the client: ping"]),
    ],
)
def test_an_answer_is_a_message_of_the_protocol(message: object, faults: list[str]) -> None:
    assert list(faults_of_message(message)) == faults


@pytest.mark.parametrize("told", ["KeyError at tools.py", "Traceback (most recent call last)", "a secret", CRASHED])
def test_an_answer_that_gives_something_away_is_noticed(told: str) -> None:
    assert list(faults_of_text(f"so {told} there", ("a secret",)))
    assert not list(faults_of_text("Nothing was charged.", ("a secret",)))


def test_the_figures_judge_memory_and_submits() -> None:
    figures = Figures("stdio", memory_before=80, memory_after=140)
    figures.close(submits=2)

    assert set(figures.faults) == {"memory grew", "submits reached upstream"}
    assert "80 → 140 MiB" in told(figures)
    assert markdown([figures], requests=5, seed=7).endswith("--requests 5 --seed 7`")
