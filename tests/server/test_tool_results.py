"""How a result that would grow too long is cut."""

import json

import pytest

from runway_mcp.server.contract.next_steps import EXTENDS, READS, Asked, submit
from runway_mcp.server.contract.outputs import SavedOutput
from runway_mcp.server.contract.results.tasks import plan_output, task_output
from runway_mcp.server.contract.results.tool_results import LONGEST_RESULT, task_result
from tests.kit.client import structured
from tests.kit.samples import extension, long_id, plan, task
from tests.server.result_samples import ASKED, LINK, film


@pytest.mark.parametrize(("previews", "kept"), [(0, None), (1, 1), (9, 2)])
def test_previews_are_left_out_before_a_result_grows_too_long(previews: int, kept: int | None) -> None:
    done = task(artifacts=[film(previewUrls=[LINK] * previews)], options={"extended_count": 1, "text_prompt": "on"})

    data = structured(task_result(task_output(done, ASKED)))

    assert len(data["video"].get("preview_urls", [])) == (kept or 0)
    assert len(json.dumps(data)) <= LONGEST_RESULT
    assert data["video"]["url"] == LINK


def test_a_result_that_no_cut_makes_short_enough_keeps_what_matters() -> None:
    done = task(artifacts=[film(previewUrls=[LINK, LINK])] * 8)

    data = structured(task_result(task_output(done, ASKED)))

    assert len(data["more_videos"]) == 7
    assert all("preview_urls" not in each for each in (data["video"], *data["more_videos"]))
    assert data["video"]["url"] == LINK
    assert all(each.keys() >= {"assetId", "uri", "name"} for each in data["more_videos"])


def test_a_long_prompt_is_cut_where_it_would_make_a_result_too_long() -> None:
    prompt = "the camera rises " * 58
    asked = Asked("extend_video", {"assetId": long_id("asset", 1), "text_prompt": prompt, "dry_run": True}, 45, EXTENDS)
    priced = plan(extension(asset_id=long_id("asset", 1), text_prompt=prompt))

    data = structured(task_result(plan_output(priced, None, step=submit(asked, long_id("asset", 1), 50, "q" * 12))))

    assert len(json.dumps(data, ensure_ascii=False)) <= LONGEST_RESULT
    assert data["text_prompt"].endswith("…")
    assert data["next_step"]["arguments"]["text_prompt"] == prompt


def test_only_the_first_of_several_films_keeps_its_link_in_a_result_that_would_be_too_long() -> None:
    done = task(artifacts=[film(url=f"https://films.test/1.mp4?{'t' * 700}", previewUrls=[LINK]) for _ in range(3)])

    data = structured(task_result(task_output(done, Asked("get_task", {}, 45, READS))))

    assert len(json.dumps(data, ensure_ascii=False)) <= LONGEST_RESULT
    assert "url" in data["video"]
    assert all(set(each) >= {"assetId", "uri"} and "url" not in each for each in data["more_videos"])


def test_further_films_lose_their_measures_where_a_file_on_disk_would_make_a_result_too_long() -> None:
    films = [film(url=f"https://films.test/1.mp4?{'t' * 700}") for _ in range(3)]
    output = task_output(task(artifacts=films), Asked("get_task", {}, 45, READS))
    saved = SavedOutput(path=f"/films/{'p' * 150}.mp4", size_bytes=1)

    data = structured(task_result(output.model_copy(update={"saved": saved})))

    assert len(json.dumps(data, ensure_ascii=False)) <= LONGEST_RESULT
    assert data["video"]["width"] == 1280
    assert all(each.keys() == {"assetId", "uri", "name", "duration_seconds"} for each in data["more_videos"])
