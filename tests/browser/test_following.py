"""The player beside a running extension: what it says, when it asks, and what it never does."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.hosts import Host, Json, Shown, called, document, result
from tests.kit.stand_in import StandIn

pytestmark = pytest.mark.slow

TASK = "user:1-runwayml:a@b.c-task:11111111-2222-4333-8444-555555555555"
RUNNING: Json = {"summary": "The task is running.", "status": "RUNNING", "taskId": TASK, "progress": 0.25}
UNAVAILABLE: Json = {
    "summary": "Runway does not answer.",
    "error": {"kind": "unavailable", "message": "Runway does not answer.", "charged": "no"},
}
FAILED: Json = {
    "summary": "The generation failed.",
    "status": "FAILED",
    "taskId": TASK,
    "error": {"kind": "generation_failed", "message": "The generation failed.", "charged": "unknown"},
}
INTERVAL_MS = 5_000


def scripted(host: Host, *polls: Json | str, **options: Any) -> Shown:
    """The player on a clock of its own, beside a running task of which each poll tells what is scripted."""
    script = {"tools/call": [each if isinstance(each, str) else result(each) for each in polls]}
    return host.open(result=result(RUNNING), script=script, virtual_clock=True, **options)


def progress(shown: Shown) -> str | None:
    """What the bar says to those who hear it."""
    return shown.frame.get_by_role("progressbar").get_attribute("aria-valuenow")


def test_an_extension_is_answered_at_once_and_followed_to_its_film(
    host: Host, stand_in: StandIn, clip: str, pictures: Path
) -> None:
    stand_in.script(queue=0, duration=2)
    words = "The tide turns"
    call = {"name": "extend_video", "arguments": {"assetId": clip, "text_prompt": words}}

    shown = host.open(live=True, call=call, theme="dark", virtual_clock=True)

    assert shown.told is not None
    structured = shown.told["structuredContent"]
    assert structured["status"] in ("PENDING", "RUNNING")
    assert "player" in structured["summary"]
    expect(shown.frame.locator("#words")).to_have_text(f"“{words}”")
    expect(shown.frame.get_by_alt_text("Last preview")).to_be_visible()
    expect(shown.frame.get_by_alt_text("Last preview")).to_have_js_property("naturalWidth", 1280)
    shown.passes(200)  # until the host knows the height
    expect(shown.frame.get_by_role("status").filter(has_text="ready")).to_have_count(0)
    shown.page.locator("iframe").screenshot(path=pictures / "running.png")
    called(host.server, "get_task", taskId=structured["taskId"], wait_seconds=30)
    shown.passes(INTERVAL_MS)
    expect(shown.frame.locator("#badge")).to_have_text("Ready")
    expect(shown.frame.get_by_role("status").filter(has_text="The film is ready.")).to_have_count(1)
    expect(shown.frame.locator("#time")).to_have_text("0:00 / 0:15")
    expect(shown.frame.locator("#parts li")).to_have_count(2)
    assert {name for name, _ in shown.asked()} == {"get_task"}
    assert {arguments["wait_seconds"] for _, arguments in shown.asked()} == {0}
    (told,) = shown.heard("ui/update-model-context")
    assert structured["taskId"] in told["content"][0]["text"]
    assert shown.complaints() == []


def test_of_several_previews_of_the_clip_the_last_is_shown(host: Host, film: Json) -> None:
    link = film["video"]["preview_urls"][0]
    clip = {"status": "SUCCEEDED", "video": {"assetId": "clip", "preview_urls": [f"{link}#first", f"{link}#last"]}}
    running = {**RUNNING, "lineage": {"source_assetId": "clip"}}

    shown = host.open(result=result(running), script={"tools/call": result(clip)}, virtual_clock=True)

    expect(shown.frame.get_by_alt_text("Last preview")).to_have_attribute("src", f"{link}#last")
    expect(shown.frame.get_by_alt_text("Last preview")).to_be_visible()


def test_a_task_is_asked_for_every_five_seconds_and_no_more_once_it_has_ended(host: Host) -> None:
    shown = scripted(host, {**RUNNING, "progress": 0.5}, {**RUNNING, "progress": 0.75}, FAILED)
    assert progress(shown) == "25"

    for count, expected in enumerate(("50", "75"), start=1):
        shown.passes(INTERVAL_MS - 1)
        assert len(shown.asked()) == count - 1
        shown.passes(1)
        expect(shown.frame.get_by_role("progressbar")).to_have_attribute("aria-valuenow", expected)
        assert shown.asked()[-1] == ("get_task", {"taskId": TASK, "wait_seconds": 0})
    shown.passes(INTERVAL_MS)
    expect(shown.frame.get_by_role("alert")).to_have_text("The generation failed. Credits may have been charged.")
    shown.passes(100 * INTERVAL_MS)

    assert len(shown.asked()) == 3


def test_misses_are_passed_over_told_when_they_last_and_then_asked_for_less(host: Host) -> None:
    shown = scripted(host, UNAVAILABLE, "refused", UNAVAILABLE, {**RUNNING, "progress": 0.9})
    alert = shown.frame.get_by_role("alert")

    for _ in range(2):
        shown.passes(INTERVAL_MS)
        expect(alert).to_be_empty()
    shown.passes(INTERVAL_MS)
    expect(alert).to_contain_text("the task goes on")
    shown.passes(INTERVAL_MS)
    assert len(shown.asked()) == 3
    shown.passes(6 * INTERVAL_MS)

    expect(alert).to_be_empty()
    assert progress(shown) == "90"


def test_where_tools_cannot_be_called_the_task_is_read_as_a_resource(host: Host) -> None:
    told = document({**RUNNING, "progress": 0.6})
    script = {"tools/call": "refused", "resources": {f"runway://tasks/{TASK}": told}}
    shown = host.open(result=result(RUNNING), script=script, virtual_clock=True)

    shown.passes(INTERVAL_MS)

    expect(shown.frame.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "60")


def test_after_the_teardown_nothing_is_asked(host: Host) -> None:
    shown = scripted(host, RUNNING)
    shown.passes(INTERVAL_MS)
    assert len(shown.asked()) == 1

    assert shown.page.evaluate("tearDown()") == {}
    shown.passes(100 * INTERVAL_MS)

    assert len(shown.asked()) == 1


def test_before_the_answer_nothing_is_said_of_a_submit_or_a_spend(host: Host) -> None:
    call = {"name": "extend_video", "arguments": {"assetId": "a", "seconds": 10, "text_prompt": "fog rolls in"}}
    shown = host.open(call=call, virtual_clock=True)

    expect(shown.frame.locator("#words")).to_have_text("“fog rolls in”")
    expect(shown.frame.locator("#title")).to_contain_text("10 s more")
    shown.passes(100 * INTERVAL_MS)
    said = shown.frame.locator("#player").inner_text().lower()

    assert not [word for word in ("submit", "spen", "credit", "charge", "paid") if word in said]
    assert shown.asked() == []


def test_a_call_that_was_ended_is_told_as_ended(host: Host) -> None:
    shown = host.open()

    shown.page.evaluate("tellCancelled()")

    expect(shown.frame.locator("#badge")).to_have_text("Cancelled")
    expect(shown.frame.get_by_role("alert")).to_contain_text("ended before it had an answer")


def test_a_host_that_passes_on_the_text_alone_has_its_task_followed(host: Host) -> None:
    text = f'The task is running.\n\nNext: get_task {{"taskId": "{TASK}", "wait_seconds": 45}}'
    script = {"tools/call": [result({**RUNNING, "progress": 0.4})]}
    shown = host.open(result={"content": [{"type": "text", "text": text}]}, script=script, virtual_clock=True)

    shown.passes(INTERVAL_MS)

    expect(shown.frame.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    assert shown.asked() == [("get_task", {"taskId": TASK, "wait_seconds": 0})]
