"""A film of several parts in the player: followed through its steps, played from the server's bytes, and continued."""

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.hosts import Host, Json, Shown, document, plays, position, result
from tests.kit.films import grey_film

pytestmark = pytest.mark.slow

FILM = "film_0123456789abcdef"
TASK = "user:1-runwayml:a@b.c-task:11111111-2222-4333-8444-555555555555"
LAST_PART = "user:1-runwayml:a@b.c-asset:11111111-2222-4333-8444-555555555555"
VIDEO = f"runway://films/{FILM}/video"
PARTS: list[Json] = [
    {"seconds": 2.0, "model": "gen4", "text_prompt": "a beach at dusk"},
    {"seconds": 2.0, "model": "gen4.5", "text_prompt": "the camera rises"},
    {"seconds": 2.0, "model": "gen4.5", "text_prompt": "night falls", "assetId": LAST_PART},
]
SEAMS = [{"at_seconds": at, "difference": 1.0, "motion": 1.0, "colour": 0.2} for at in (2.0, 4.0)]
JOINED: Json = {
    "summary": "The film is joined, 6 s long.",
    "status": "SUCCEEDED",
    "taskId": TASK,
    "model": "gen4.5",
    "text_prompt": "night falls",
    "film": {
        "id": FILM,
        "uri": f"runway://films/{FILM}",
        "step": "done",
        "seconds": 6.0,
        "parts": PARTS,
        "seams": SEAMS,
    },
    "saved": {"path": "/videos/night-falls.mp4", "size_bytes": 1000},
    "lineage": {"source_assetId": "film_fedcba9876543210", "extended_count": 2, "added_seconds": 5},
    "credits": {"cost": 60},
}


def under_way(step: str, status: str, **more: Any) -> Json:
    """What is told of the film in a step."""
    film = {"id": FILM, "uri": f"runway://films/{FILM}", "step": step, "parts": PARTS[:2]}
    return {"summary": "The film is under way.", "status": status, "model": "gen4.5", "film": film, **more}


@pytest.fixture
def contents(tmp_path: Path) -> Json:
    """The film's file as the contents of a resource."""
    film = grey_film(tmp_path / "film.mp4", *(30 + number for number in range(144))).read_bytes()
    return {"mimeType": "video/mp4", "blob": base64.b64encode(film).decode()}


def shown_film(host: Host, contents: Json | str, told: Json = JOINED, **options: Any) -> Shown:
    """The player beside a joined film whose bytes the server gives."""
    script = {"resources": {VIDEO: contents}, **options.pop("script", {})}
    return host.open(result=result(told), script=script, **options)


def test_a_joined_film_without_a_link_plays_from_the_servers_bytes_with_its_seams_and_words(
    host: Host, contents: Json, pictures: Path
) -> None:
    shown = shown_film(host, contents, width=820)

    expect(shown.frame.get_by_role("list", name="Parts of the film").get_by_role("button")).to_have_text(
        ["clip 2 s", "+2 s", "+2 s"]
    )
    expect(shown.frame.locator("#words")).to_have_text("“a beach at dusk”")
    plays(shown)
    shown.frame.get_by_role("button", name="Extension 2, from 4 s to 6 s").click()
    expect(shown.frame.locator("#words")).to_have_text("“night falls”")
    assert position(shown) >= 4
    expect(shown.frame.locator("#facts")).to_have_text(
        "6 s · 64 \u00d7 36 · Gen-4.5 · saved as /videos/night-falls.mp4"
    )
    expect(shown.frame.get_by_role("button", name="Open")).to_be_hidden()
    shown.page.locator("iframe").screenshot(path=pictures / "joined.png")
    assert [each["uri"] for each in shown.heard("resources/read")] == [VIDEO]
    assert shown.asked() == []
    assert shown.complaints() == []


def test_a_film_is_followed_by_its_own_id_and_each_step_is_said(host: Host, contents: Json) -> None:
    polls = [
        under_way("upload", "PENDING", progress=0.05),
        under_way("create", "RUNNING", taskId=TASK, progress=0.4),
        under_way("join", "RUNNING", taskId=TASK, progress=0.95),
        JOINED,
    ]
    script = {"tools/call": [result(each) for each in polls]}
    first = under_way("frame", "PENDING", progress=0.0)
    shown = shown_film(host, contents, first, script=script, virtual_clock=True)

    for phase, badge in (
        ("Taking the last frame", "Preparing"),
        ("Uploading that frame", "Preparing"),
        ("Runway is making the film", "40 %"),
        ("Joining all parts", "Preparing"),
    ):
        expect(shown.frame.locator("#phase")).to_contain_text(phase)
        expect(shown.frame.locator("#badge")).to_have_text(badge)
        shown.passes(5_000)
    expect(shown.frame.locator("#badge")).to_have_text("Ready")

    assert {name for name, _ in shown.asked()} == {"get_task"}
    assert {arguments["taskId"] for _, arguments in shown.asked()} == {FILM}
    (told,) = shown.heard("ui/update-model-context")
    assert f"The film {FILM} has ended" in told["content"][0]["text"]
    shown.passes(60_000)
    assert len(shown.asked()) == len(polls)


def test_a_host_without_tools_reads_the_films_resource(host: Host) -> None:
    script = {
        "tools/call": "refused",
        "resources": {
            f"runway://films/{FILM}": document({**under_way("join", "RUNNING")["film"], "status": "RUNNING"})
        },
    }
    shown = host.open(result=result(under_way("create", "RUNNING", taskId=TASK)), script=script, virtual_clock=True)

    shown.passes(5_000)

    expect(shown.frame.locator("#phase")).to_contain_text("Joining all parts")


def test_a_long_film_is_shown_with_all_its_parts_though_its_result_leaves_some_out(host: Host, contents: Json) -> None:
    short = {**JOINED["film"], "parts": PARTS[1:], "seams": SEAMS[1:]}
    script = {"resources": {VIDEO: contents, f"runway://films/{FILM}": document(JOINED["film"])}}
    shown = host.open(result=result({**JOINED, "film": short}), script=script)

    expect(shown.frame.get_by_role("list", name="Parts of the film").get_by_role("button")).to_have_count(3)
    expect(shown.frame.locator("#words")).to_have_text("“a beach at dusk”")


def test_a_join_that_failed_is_told_and_asked_for_no_more(host: Host) -> None:
    error = {"kind": "unavailable", "message": "The film could not be joined: the disk is full.", "charged": "yes"}
    failed = {**under_way("join", "RUNNING", taskId=TASK), "error": error}
    script = {"tools/call": [result(failed)]}
    shown = host.open(result=result(under_way("join", "RUNNING", taskId=TASK)), script=script, virtual_clock=True)

    shown.passes(5_000)
    expect(shown.frame.locator("#trouble")).to_have_text(
        "The film could not be joined: the disk is full. Credits were charged."
    )
    shown.passes(60_000)

    assert len(shown.asked()) == 1


def test_a_film_whose_bytes_cannot_be_had_leaves_its_facts_and_where_it_lies(host: Host) -> None:
    shown = shown_film(host, "refused")

    expect(shown.frame.locator("#phase")).to_have_text("The film could not be loaded here.")
    expect(shown.frame.locator("#facts")).to_have_text("6 s · Gen-4.5 · saved as /videos/night-falls.mp4")
    shown.frame.get_by_role("button", name="Download").click()
    expect(shown.frame.locator("#note")).to_contain_text("It is saved as /videos/night-falls.mp4.")


def test_a_host_that_forbids_films_shows_the_last_frame_of_the_last_part(host: Host, contents: Json) -> None:
    shown = shown_film(host, contents, forbids=True)

    expect(shown.frame.locator("#phase")).to_contain_text("does not play films here")
    assert f"runway://assets/{LAST_PART}/frames/last" in [each["uri"] for each in shown.heard("resources/read")]


def test_the_host_gets_the_films_bytes_to_download(host: Host, contents: Json) -> None:
    shown = shown_film(host, contents)
    shown.frame.get_by_role("button", name="Download").click()
    expect(shown.frame.locator("#note")).to_have_text("The host downloads the film.")

    (sent,) = shown.heard("ui/download-file")
    assert sent["contents"] == [{"type": "resource", "resource": {"uri": VIDEO, **contents}}]


def test_a_film_goes_on_by_its_id_and_with_its_model(host: Host, contents: Json) -> None:
    shown = shown_film(host, contents)
    expect(shown.frame.locator("#left")).to_have_text("The film can go on.")
    expect(shown.frame.locator("#seconds label")).to_have_text(["5 s", "8 s", "10 s"])
    expect(shown.frame.locator("#ask")).to_have_text("Extend by 5 s, about 60 credits")

    shown.frame.locator("#next-words").fill("the stars come out")
    shown.frame.get_by_text("10 s", exact=True).click()
    shown.frame.locator("#ask").click()

    expect(shown.frame.locator("#note")).to_contain_text("Asked in the conversation")
    (sent,) = shown.heard("ui/message")
    assert sent["content"][0]["text"] == (
        f"Please continue the Runway film {FILM} by 10 seconds with extend_video and model gen4.5, with the "
        'text_prompt "the stars come out", and tell me its price from a dry_run first.'
    )


def test_a_text_alone_that_names_a_film_has_it_followed(host: Host, contents: Json) -> None:
    told = {"content": [{"type": "text", "text": f'The film is under way.\nNext: get_task {{"taskId": "{FILM}"}}'}]}
    script = {"resources": {VIDEO: contents}, "tools/call": [result(JOINED)]}
    shown = host.open(result=told, script=script, virtual_clock=True)

    shown.passes(5_000)

    expect(shown.frame.locator("#badge")).to_have_text("Ready")
    assert shown.asked() == [("get_task", {"taskId": FILM, "wait_seconds": 0})]
