"""What a person asks for in the player: it reaches the conversation or the host, or it is offered as text."""

import pytest
from playwright.sync_api import expect

from tests.browser.hosts import SENDS, Host, Json, Shown, result, without_signature

pytestmark = pytest.mark.slow

REFUSED = dict.fromkeys([*SENDS, "resources/read", "tools/call"], "refused")
SILENT = dict.fromkeys(REFUSED, "silent")
DECLINED = {"ui/message": {"isError": True}}


def offered(shown: Shown) -> str:
    """The text that can be copied."""
    field = shown.frame.get_by_label("Text to copy")
    expect(field).to_be_visible()
    expect(field).to_be_focused()
    return field.input_value()


def sentence(film: Json, rest: str) -> str:
    return f"Please extend the Runway film with assetId {film['video']['assetId']} {rest}"


def test_extending_is_asked_of_the_conversation_as_a_whole_sentence(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))
    expect(shown.frame.locator("#left")).to_have_text("1 extension left, up to 30 s for about 100 credits")
    shown.frame.get_by_role("radio", name="10 s").check()
    shown.frame.get_by_label("What happens next?").fill('a "red" kite rises')

    shown.frame.get_by_role("button", name="Extend by 10 s, about 100 credits").click()

    expect(shown.frame.locator("#note")).to_contain_text("Asked in the conversation")
    (message,) = shown.heard("ui/message")
    words = 'by 10 seconds with extend_video, with the text_prompt "a \\"red\\" kite rises", '
    text = sentence(film, f"{words}and tell me its price from a dry_run first.")
    assert message == {"role": "user", "content": [{"type": "text", "text": text}]}
    assert {name for name, _ in shown.asked()} <= {"get_task"}
    assert shown.complaints() == []


@pytest.mark.parametrize("script", [REFUSED, DECLINED], ids=["an error", "a refusal"])
def test_a_request_that_the_host_does_not_take_can_be_copied(host: Host, film: Json, script: Json) -> None:
    shown = host.open(result=result(film), script=script)

    shown.frame.get_by_role("button", name="Extend by 5 s").click()

    asked = "by 5 seconds with extend_video, and tell me its price from a dry_run first."
    assert offered(shown) == sentence(film, asked)


def test_a_host_that_never_answers_is_waited_for_in_bounds(host: Host, film: Json) -> None:
    shown = host.open(result=result(film), script={"ui/message": "silent"}, virtual_clock=True)
    shown.frame.get_by_role("button", name="Extend by 5 s").click()

    shown.passes(30_000)

    assert offered(shown).startswith("Please extend")


def test_open_passes_the_link_to_the_host(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))

    shown.frame.get_by_role("button", name="Open").click()

    expect(shown.frame.locator("#note")).to_contain_text("Opened")
    assert shown.heard("ui/open-link") == [{"url": film["video"]["url"]}]


def test_an_expired_link_is_read_anew_before_it_is_opened(host: Host, film: Json) -> None:
    stale = {**film, "video": {**film["video"], "url_expires_at": "2020-01-01T00:00:00Z"}}
    shown = host.open(live=True, result=result(stale))

    shown.frame.get_by_role("button", name="Open").click()

    expect(shown.frame.locator("#note")).to_contain_text("Opened")
    (opened,) = shown.heard("ui/open-link")
    assert opened["url"] != film["video"]["url"]
    assert opened["url"].partition("?")[0] == film["video"]["url"].partition("?")[0]


def test_a_film_that_could_not_be_loaded_is_opened_by_a_fresh_link(host: Host, film: Json) -> None:
    dead = without_signature({**film, "lineage": {"extensions_left": 1}})
    script = {"tools/call": [result(dead), result(film)], "resources/read": "refused"}
    shown = host.open(result=result(dead), script=script)
    expect(shown.frame.locator("#phase")).to_contain_text("Opening it takes a fresh link")

    shown.frame.get_by_role("button", name="Open").click()

    expect(shown.frame.locator("#note")).to_contain_text("Opened")
    assert shown.heard("ui/open-link") == [{"url": film["video"]["url"]}]


def test_download_hands_over_a_link_with_a_file_name(host: Host, film: Json) -> None:
    shown = host.open(live=True, result=result(film))

    shown.frame.get_by_role("button", name="Download").click()

    expect(shown.frame.locator("#note")).to_contain_text("downloads")
    (asked,) = shown.heard("ui/download-file")
    (link,) = asked["contents"]
    assert (link["type"], link["uri"], link["mimeType"]) == ("resource_link", film["video"]["url"], "video/mp4")
    assert link["name"].endswith("Gulls-cross-the-frame.mp4")
    assert shown.complaints() == []


def test_a_download_that_is_refused_opens_the_link_instead(host: Host, film: Json) -> None:
    shown = host.open(result=result(film), script={"ui/download-file": "refused", "tools/call": "refused"})

    shown.frame.get_by_role("button", name="Download").click()

    expect(shown.frame.locator("#note")).to_contain_text("Opened")
    assert shown.heard("ui/open-link") == [{"url": film["video"]["url"]}]


def test_a_link_that_nothing_opens_can_be_copied(host: Host, film: Json) -> None:
    shown = host.open(result=result(film), script=REFUSED)

    shown.frame.get_by_role("button", name="Download").click()

    assert offered(shown) == film["video"]["url"]


@pytest.mark.parametrize("script", [REFUSED, SILENT], ids=["refuses", "answers nothing"])
def test_a_host_that_gives_none_of_what_it_may_refuse_still_plays_the_film(
    host: Host, film: Json, script: Json
) -> None:
    shown = host.open(result=result(film), script=script)

    shown.frame.get_by_role("button", name="Play the film").click()

    expect(shown.frame.get_by_role("button", name="Pause")).to_be_visible()
    expect(shown.frame.get_by_role("list", name="Parts of the film").get_by_role("button")).to_have_count(2)


def test_a_complete_film_offers_no_extension(host: Host, film: Json) -> None:
    complete = {**film, "lineage": {**film["lineage"], "extensions_left": 0}}
    shown = host.open(result=result(complete), script=REFUSED)

    expect(shown.frame.locator("#left")).to_have_text("The film is complete: no extension is left.")
    expect(shown.frame.get_by_role("button", name="Extend")).to_be_hidden()
