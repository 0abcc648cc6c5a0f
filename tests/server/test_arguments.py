import time
from typing import Any

import pytest

from runway_mcp.server.contract.arguments import InvalidArguments, read_arguments
from runway_mcp.server.tools.extend_video import ExtendVideo
from runway_mcp.server.tools.get_task import GetTask
from runway_mcp.server.tools.list_assets import ListAssets

ASSET = "user:1-runwayml:a-b+c@example.com-asset:11111111-2222-4333-8444-555555555555"
TASK = ASSET.replace("-asset:", "-task:")
MODELS: dict[str, type[ExtendVideo] | type[GetTask] | type[ListAssets]] = {
    "extend_video": ExtendVideo,
    "get_task": GetTask,
    "list_assets": ListAssets,
}


def refused(tool: str, arguments: dict[str, Any]) -> InvalidArguments:
    """The refusal of these arguments."""
    with pytest.raises(InvalidArguments) as caught:
        read_arguments(MODELS[tool], tool, arguments)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "field", "expected"),
    [
        ({"seconds": "10"}, "seconds", 10),
        ({"seconds": 5.0}, "seconds", 5),
        ({"seed": " 12345678 "}, "seed", 12345678),
        ({"seed": 4294967294}, "seed", 4294967294),
        ({"exploreMode": "true"}, "explore_mode", True),
        ({"dry_run": "False"}, "dry_run", False),
        ({"wait_seconds": 0}, "wait_seconds", 0),
        ({"wait_seconds": 600}, "wait_seconds", 600),
        ({"replyUrl": "http://localhost:8080/cb?x=1"}, "reply_url", "http://localhost:8080/cb?x=1"),
        ({"replyRef": "r" * 1024}, "reply_ref", "r" * 1024),
        ({"wait_seconds": 9999}, "wait_seconds", 600),
        ({"dry_run": None}, "dry_run", True),
        ({"dry_run": 0}, "dry_run", True),
        ({"seconds": None}, "seconds", None),
        ({"seed": 0}, "seed", None),
        ({"exploreMode": 0}, "explore_mode", None),
        ({"replyRef": 0}, "reply_ref", None),
        ({"confirm": 0.0}, "confirm", None),
        ({"model": 0}, "model", None),
        ({"replyUrl": " "}, "reply_url", None),
        ({"assetId": f" {ASSET}\n"}, "asset_id", ASSET),
        ({"assetId": "my beach, take 2/3.mp4"}, "asset_id", "my beach, take 2/3.mp4"),
        ({"assetId": f"runway://tasks/{TASK}"}, "asset_id", TASK),
        ({"text_prompt": "ü" * 3000}, "text_prompt", "ü" * 3000),
    ],
)
def test_a_value_in_another_spelling_is_taken_for_what_it_means(
    arguments: dict[str, Any], field: str, expected: object
) -> None:
    read = read_arguments(ExtendVideo, "extend_video", {"assetId": ASSET, **arguments})

    assert getattr(read, field) == expected


@pytest.mark.parametrize("uri", ["runway://assets/", "runway%3A%2F%2Fassets%2F", ""])
def test_ids_are_taken_bare_and_as_uris(uri: str) -> None:
    read = read_arguments(ExtendVideo, "extend_video", {"assetId": uri + ASSET.replace("@", "%40" if uri else "@")})

    assert read.asset_id == ASSET


@pytest.mark.parametrize(
    ("tool", "arguments", "names"),
    [
        (
            "extend_video",
            {"seconds": 7},
            ["seconds must be 5 or 10 (8 with gen4.5; a Turbo clip always gains 8), not 7."],
        ),
        ("list_assets", {"email": "a b@c.d"}, ["email must be the e-mail address"]),
        (
            "extend_video",
            {"seconds": "ten"},
            ['seconds must be 5 or 10 (8 with gen4.5; a Turbo clip always gains 8), not "ten".'],
        ),
        ("extend_video", {"seconds": True}, ["seconds must be 5 or 10", "not true."]),
        ("extend_video", {"seconds": 5.5}, ["seconds must be 5 or 10", "not 5.5."]),
        ("extend_video", {"seed": 4294967295}, ["seed must be a whole number from 1 to 4294967294"]),
        ("extend_video", {"seed": True}, ["seed must be a whole number", "not true"]),
        ("extend_video", {"seed": "9" * 5000}, ["seed must be a whole number", "not a text of 5000 characters"]),
        ("extend_video", {"exploreMode": 1}, ["exploreMode must be true or false, not 1."]),
        ("extend_video", {"replyUrl": "ftp://x/y"}, ["replyUrl must be an absolute http or https URL"]),
        ("extend_video", {"replyUrl": "/relative"}, ["replyUrl must be an absolute http or https URL"]),
        ("extend_video", {"replyUrl": "http://x/" + "y" * 1020}, ["replyUrl", "not a text of 1029 characters"]),
        ("extend_video", {"replyRef": "r" * 1025}, ["replyRef must be text of at most 1024 characters"]),
        ("extend_video", {"text_prompt": 5}, ["text_prompt must be text, not 5."]),
        ("extend_video", {"text_prompt": {"a": "b" * 99}}, ['text_prompt must be text, not {"a": "bbb', "…."]),
        ("extend_video", {"maxJobs": 11}, ["maxJobs must be a whole number from 1 to 10, not 11."]),
        ("extend_video", {"wait_seconds": -1}, ["wait_seconds must be a whole number from 0 to 600, not -1."]),
        ("extend_video", {"assetId": ""}, ["assetId is empty. Video to extend: an assetId of list_assets"]),
        ("get_task", {"taskId": None}, ["taskId is missing. Task to read: a taskId of extend_video or list_assets"]),
        ("extend_video", {"assetId": "  "}, ["assetId is empty. Video to extend"]),
        ("extend_video", {"assetId": "x" * 2049}, ["assetId must be text of at most 2048 characters"]),
        (
            "extend_video",
            {"text_prompt": "(as before)"},
            ['text_prompt "(as before)" stands for a prompt', "write the"],
        ),
        (
            "extend_video",
            {"text_prompt": "p" * 10_001},
            ["text_prompt must be text of at most 10000 characters, not a text of 10001 characters."],
        ),
        ("extend_video", {"assetId": 5}, ["assetId must be text", "not 5."]),
        ("list_assets", {"mediaType": "film"}, ['mediaType must be video or image or audio, not "film".']),
        ("list_assets", {"limit": 51}, ["limit must be a whole number from 1 to 50, not 51."]),
        ("list_assets", {"offset": 1001}, ["offset must be a whole number from 0 to 1000, not 1001."]),
        ("list_assets", {"email": "e" * 255}, ["email must be text of at most 254 characters"]),
        ("list_assets", {"limit": -1, "offset": -1}, ["limit must be", "offset must be"]),
        ("list_assets", {"query": "q" * 201}, ["query must be text of at most 200 characters"]),
    ],
)
def test_a_refusal_names_the_argument_what_was_wrong_and_what_is_accepted(
    tool: str, arguments: dict[str, Any], names: list[str]
) -> None:
    message = refused(tool, {"assetId": ASSET, **arguments} if tool == "extend_video" else arguments).message

    assert all(name in message for name in names)
    assert "pydantic" not in message
    assert len(message) < 400


@pytest.mark.parametrize("name", ["assetId", "text_prompt", "replyRef", "confirm"])
@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_what_no_ledger_can_keep_is_refused_as_an_argument(name: str, odd: str) -> None:
    refusal = refused("extend_video", {"assetId": ASSET, name: f"a{odd}b"})

    assert refusal.message == f"{name} must be text without NUL and lone surrogates."
    assert odd not in refusal.message


@pytest.mark.parametrize(
    ("tool", "name", "meant"),
    [
        ("extend_video", "prompt", "text_prompt"),
        ("extend_video", "asset_id", "assetId"),
        ("extend_video", "explore_mode", "exploreMode"),
        ("extend_video", "duration", None),
        ("get_task", "task_id", "taskId"),
        ("list_assets", "media_type", "mediaType"),
        ("list_assets", "n" * 90, None),
    ],
)
def test_an_unknown_argument_is_refused_by_name_and_the_accepted_ones_are_listed(
    tool: str, name: str, meant: str | None
) -> None:
    message = refused(tool, {"assetId": ASSET, name: ASSET} if name != "asset_id" else {name: ASSET}).message

    shown = f'"{name}"' if len(name) < 40 else "a text of 90 characters"
    assert shown + (f" (did you mean {meant}?)" if meant else "") in message
    accepted = ", ".join(alias for alias in (f.alias or n for n, f in MODELS[tool].model_fields.items()))
    assert f"It accepts: {accepted}." in message


def test_of_many_unknown_arguments_a_few_are_named() -> None:
    message = refused("list_assets", {f"odd{number}": 1 for number in range(500)}).message

    assert '"odd4", 495 more. It accepts' in message


def test_a_missing_argument_is_told_with_where_to_get_it() -> None:
    refusal = refused("extend_video", {})

    assert refusal.message.startswith("assetId is missing. Video to extend: an assetId of list_assets")
    assert refusal.step is not None
    assert refusal.step.tool == "list_assets"


SUGGESTIONS: list[tuple[str, dict[str, Any], tuple[str, dict[str, Any]]]] = [
    (
        "extend_video",
        {"asset_id": ASSET, "prompt": "on", "seconds": "10"},
        ("extend_video", {"assetId": ASSET, "text_prompt": "on", "seconds": 10, "dry_run": True}),
    ),
    ("extend_video", {"assetId": ASSET, "seconds": 7}, ("extend_video", {"assetId": ASSET, "dry_run": True})),
    ("extend_video", {"assetId": ASSET, "duration": 10}, ("extend_video", {"assetId": ASSET, "dry_run": True})),
    (
        "extend_video",
        {"assetId": ASSET, "secondes": "many"},
        ("extend_video", {"assetId": ASSET, "dry_run": True}),
    ),
    ("extend_video", {"assetId": 5, "seconds": 5}, ("list_assets", {})),
    ("get_task", {"task_id": TASK}, ("get_task", {"taskId": TASK})),
    ("get_task", {"taskId": ["x"]}, ("list_assets", {})),
    ("list_assets", {"limit": 99, "offset": 3}, ("list_assets", {"offset": 3})),
]


@pytest.mark.parametrize(("tool", "arguments", "step"), SUGGESTIONS)
def test_the_next_call_is_the_same_put_right_as_far_as_that_is_certain_and_never_spends(
    tool: str, arguments: dict[str, Any], step: tuple[str, dict[str, Any]]
) -> None:
    suggested = refused(tool, arguments).step

    assert suggested is not None
    assert (suggested.tool, suggested.arguments) == step


def test_lists_are_read_with_their_defaults() -> None:
    assert read_arguments(ListAssets, "list_assets", {}).model_dump() == {
        "query": None,
        "media_type": "video",
        "extendable_only": False,
        "links": False,
        "offset": 0,
        "limit": 10,
        "email": None,
    }


@pytest.mark.parametrize(
    "unknown",
    [
        {f"prompt_text_{number}": number for number in range(70_000)},
        {f"assetId{number}": "x" * 10 for number in range(70_000)},
        {"x" * 1_000_000: 1},
        {letter * 100_000: 1 for letter in "abcdefghij"},
    ],
    ids=["many", "many alike", "one long", "several long"],
)
def test_unknown_arguments_cost_little_however_many_and_long(unknown: dict[str, Any]) -> None:
    began = time.process_time()

    refusal = refused("extend_video", {**unknown, "assetId": ASSET, "seconds": 10})

    assert time.process_time() - began < 0.15
    assert len(refusal.message) < 1000
    assert refusal.step is not None
    assert refusal.step.arguments["assetId"] == ASSET
    assert len(refusal.step.arguments) < 20


def test_of_very_many_unknown_arguments_no_number_is_told() -> None:
    message = refused("get_task", {f"odd{number}": 1 for number in range(70_000)}).message

    assert '"odd4", many more. It accepts' in message
