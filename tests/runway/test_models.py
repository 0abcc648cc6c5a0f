from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from runway_mcp.runway import models
from runway_mcp.runway.models import Asset, Credits, Extension, Metadata, RunningTask, Task, TaskError, TaskOptions
from tests.runway.samples import ARTIFACT, ASSET, ASSET_ID, EMAIL, SIGNED, TASK, TASK_ID, UPLOAD, UUID

STRANGE: list[Any] = [
    None,
    7,
    -1.5,
    True,
    "odd",
    "",
    [],
    [[]],
    {},
    {"a": {"b": []}},
    float("nan"),
    float("inf"),
    "\ud800",
    10**400,
]


def test_every_field_of_the_answer_to_a_submit_is_read() -> None:
    task = Task.model_validate(TASK)

    assert task == Task(
        task_id=TASK_ID,
        id=UUID,
        name="Gen-3 Alpha 123456789, a beach",
        created_at="2024-08-01T01:02:03.456Z",
        updated_at="2024-08-01T01:02:04.567Z",
        task_type="gen3a",
        options=TaskOptions(
            name="Gen-3 Alpha 123456789, a beach",
            text_prompt="a beach",
            seed=123456789,
            seconds=10,
            explore_mode=True,
            watermark=False,
            init_video=SIGNED,
            extended_from_task_id=TASK["options"]["extended_from_task_id"],
            image_as_end_frame=False,
            asset_group_name="Generative Video",
            extended_count=1,
            recording_enabled=True,
        ),
        status="PENDING",
        error=None,
        progress_text=None,
        progress=None,
        estimated_seconds_to_start=0,
        artifacts=(),
        features=Credits(permitted=2250, used=1315, storage_gb=500),
        reply_url="https://example.org/hook?key=abc",
        reply_ref="ref-1",
    )
    assert task.account == EMAIL
    assert task.created == datetime(2024, 8, 1, 1, 2, 3, 456000, tzinfo=UTC)
    assert task.features is not None
    assert task.features.remaining == 935


def test_an_artifact_reads_as_an_asset() -> None:
    (asset,) = Task.model_validate({**TASK, "artifacts": [ARTIFACT]}).artifacts

    assert asset == Asset(
        asset_id=ASSET_ID,
        id=UUID,
        name="Gen-3 Alpha 123456789, a beach.mp4",
        url=SIGNED,
        preview_urls=(SIGNED, SIGNED),
        size_bytes=12345678,
        task_id=TASK_ID,
        metadata=Metadata(duration=5.209, width=1280, height=768, frame_rate=24),
        created_at="2024-08-01T01:03:00.000Z",
        updated_at="2024-08-01T01:03:01.000Z",
    )
    assert asset.mime_type == "video/mp4"
    assert asset.url_expires_at == "2024-07-28T00:00:00Z"


def test_an_asset_of_the_library_is_read() -> None:
    assert Asset.model_validate(ASSET) == Asset(
        asset_id=ASSET_ID,
        id=UUID,
        name="Gen-3 Alpha 123456789, a beach.mp4",
        url=SIGNED,
        preview_urls=(SIGNED,),
        media_type="video",
        size_bytes=1234567,
        file_ext="mp4",
        task_id=TASK_ID,
        metadata=Metadata(duration=10.542, width=1280, height=768, frame_rate=24),
        created_at="2025-08-01T01:03:00.000Z",
        updated_at="2025-08-01T01:03:01.000Z",
        is_user_upload=False,
    )


def test_an_upload_is_told_in_another_shape() -> None:
    asset = Asset.model_validate(UPLOAD)

    assert (asset.name, asset.size_bytes, asset.media_type) == ("clip", 4321, "video")
    assert (asset.is_user_upload, asset.task_id, asset.metadata) == (True, None, None)
    assert asset.mime_type == "video/quicktime"
    assert asset.url_expires_at is None
    assert Asset(asset_id="a").url_expires_at is None


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (
            {"frameRate": 24, "duration": 5.2, "dimensions": [1280, 768], "size": {"width": 1280, "height": 768}},
            (1280, 768),
        ),
        ({"dimensions": [1280, 768]}, (1280, 768)),
        ({"dimensions": [1280]}, (1280, None)),
        ({"dimensions": ["x", 768, 3]}, (None, 768)),
        ({"size": {"width": "1280"}}, (1280, None)),
        ({"width": 1280, "height": 768, "size": {"width": 1, "height": 1}}, (1280, 768)),
        ({"width": 0, "height": None, "size": 7, "dimensions": {}}, (0, None)),
    ],
)
def test_metadata_is_read_in_both_editions(told: dict[str, Any], read: tuple[int | None, int | None]) -> None:
    metadata = Metadata.model_validate(told)

    assert (metadata.width, metadata.height) == read


@pytest.mark.parametrize("metadata", [None, [], "none", {}])
def test_no_metadata_is_none(metadata: object) -> None:
    assert Asset.model_validate({**ASSET, "metadata": metadata}).metadata is None


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        *((None, None), ("0", 0), ("0.37", 0.37), ("1", 1), (0.5, 0.5), (1, 1), (0, 0)),
        *(("", None), ("half", None), (True, None), (37, None), (-0.1, None), ("nan", None), ([], None)),
    ],
)
def test_progress_is_a_share_however_it_is_spelled(told: object, progress: float | None) -> None:
    assert Task.model_validate({**TASK, "progressRatio": told}).progress == progress


@pytest.mark.parametrize(("told", "seconds"), [(None, None), (0, 0), (12.75, 12.75), ("3", 3), ({}, None)])
def test_the_wait_before_the_start_may_be_a_fraction(told: object, seconds: float | None) -> None:
    assert Task.model_validate({**TASK, "estimatedTimeToStartSeconds": told}).estimated_seconds_to_start == seconds


@pytest.mark.parametrize(
    ("told", "size"), [("12345678", 12345678), (1234567, 1234567), (12.0, 12), (None, 99), ("big", 99), (True, 99)]
)
def test_a_size_may_be_a_number_or_a_string(told: object, size: int) -> None:
    assert Asset.model_validate({**ASSET, "fileSize": told, "size": 99}).size_bytes == size


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (None, None),
        ({}, None),
        ("", None),
        (7, None),
        ("it broke", TaskError(message="it broke")),
        ({"message": "it broke"}, TaskError(message="it broke")),
        (
            {
                "errorMessage": "it broke",
                "message": "other",
                "reason": "SAFETY.INPUT.TEXT",
                "moderation_category": "x",
                "tally_asimov": True,
            },
            TaskError(message="it broke", reason="SAFETY.INPUT.TEXT", moderation_category="x", tally_asimov=True),
        ),
        ({"errorMessage": None, "reason": 7}, TaskError()),
    ],
)
def test_an_error_of_a_task_may_be_a_string_an_object_or_null(told: object, error: TaskError | None) -> None:
    assert Task.model_validate({**TASK, "error": told}).error == error


@pytest.mark.parametrize(
    ("told", "status", "ended"),
    [
        *(("PENDING", "PENDING", False), ("THROTTLED", "THROTTLED", False), ("RUNNING", "RUNNING", False)),
        *(("SUCCEEDED", "SUCCEEDED", True), ("FAILED", "FAILED", True), ("CANCELLED", "CANCELLED", True)),
        *(("PROCESSING", "PROCESSING", False), ("succeeded", "succeeded", False)),
        *((None, "UNKNOWN", False), ("", "UNKNOWN", False), (3, "UNKNOWN", False)),
    ],
)
def test_an_unknown_status_is_kept_and_ends_nothing(told: object, status: str, ended: bool) -> None:
    task = Task.model_validate({**TASK, "status": told})

    assert (task.status, task.is_terminal) == (status, ended)


@pytest.mark.parametrize(
    ("told", "made"),
    [
        ("2024-08-01T01:02:03Z", datetime(2024, 8, 1, 1, 2, 3, tzinfo=UTC)),
        ("2024-08-01T01:02:03+02:00", datetime(2024, 8, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-08-01T01:02:03", datetime(2024, 8, 1, 1, 2, 3, tzinfo=UTC)),
        ("yesterday", None),
        (None, None),
        (1722124800, None),
    ],
)
def test_the_time_of_making_always_has_a_zone(told: object, made: datetime | None) -> None:
    assert Task.model_validate({**TASK, "createdAt": told}).created == made


@pytest.mark.parametrize(
    ("told", "remaining"),
    [
        ({"permitted": {"storageGB": 500, "numPlanCredits": 2250}, "used": {"numPlanCredits": 1315}}, 935),
        ({"numPlanCredits_permitted": 2250, "numPlanCredits_used": 1315}, 935),
        ({"numPlanCredits_permitted": 100, "numPlanCredits_used": 130}, 0),
        ({"numPlanCredits_permitted": 100, "numPlanCredits_used": 0.5}, 100),
        ({"numPlanCredits_permitted": "100", "numPlanCredits_used": "40"}, 60),
        ({"permitted": {"numPlanCredits": 2250}}, None),
        ({"used": {"numPlanCredits": 2250}}, None),
        ({"storageGB": 500}, None),
    ],
)
def test_credits_are_told_flat_and_nested(told: dict[str, Any], remaining: int | None) -> None:
    assert Credits.model_validate(told).remaining == remaining


@pytest.mark.parametrize(
    "model", [(Task, TASK, "taskId"), (Asset, ASSET, "assetId"), (Task, {**TASK, "artifacts": [ARTIFACT]}, "taskId")]
)
@pytest.mark.parametrize("strange", STRANGE, ids=range(len(STRANGE)))
def test_a_field_of_a_strange_type_never_hides_the_rest(
    model: tuple[type[Task | Asset], dict[str, Any], str], strange: object
) -> None:
    kind, body, required = model
    for name in body.keys() - {required}:
        read = kind.model_validate({**body, name: strange, "not documented": strange})
        assert TypeAdapter(kind).dump_json(read)

    read = kind.model_validate({**dict.fromkeys(body, strange), required: "an-id"})

    assert (read.task_id if isinstance(read, Task) else read.asset_id) == "an-id"


def test_every_field_inside_the_options_an_error_and_metadata_may_be_strange_too() -> None:
    for strange in STRANGE:
        options = Task.model_validate({**TASK, "options": dict.fromkeys(TASK["options"], strange)}).options
        metadata = Metadata.model_validate(
            dict.fromkeys(["duration", "frameRate", "width", "size", "dimensions"], strange)
        )
        error = TaskError.model_validate(dict.fromkeys(["errorMessage", "message", "reason", "tally_asimov"], strange))
        features = Credits.model_validate({"permitted": {"numPlanCredits": strange}, "used": strange})

        assert (type(options), type(metadata), type(error), type(features)) == (
            TaskOptions,
            Metadata,
            TaskError,
            Credits,
        )


def test_an_artifact_that_cannot_be_read_does_not_hide_the_others() -> None:
    task = Task.model_validate({**TASK, "artifacts": [None, 7, {}, {"id": "no assetId"}, ARTIFACT, "x"]})

    assert [asset.asset_id for asset in task.artifacts] == [ASSET_ID]


@pytest.mark.parametrize("value", [None, "", 7, [], {}])
@pytest.mark.parametrize(("model", "name"), [(Task, "taskId"), (Asset, "assetId"), (RunningTask, "taskId")])
def test_only_the_id_is_required(model: type[Task | Asset | RunningTask], name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({name: value})


def test_what_was_read_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Task.model_validate(TASK).status = "SUCCEEDED"


def test_models_nest_as_they_were_read() -> None:
    made = Task(
        task_id="t",
        options=TaskOptions(seed=1),
        error=TaskError(reason="r"),
        features=Credits(used=1),
        artifacts=(Asset(asset_id="a", metadata=Metadata(width=3)),),
    )

    assert Task.model_validate(made.model_dump()) == made


def test_no_repr_shows_a_link() -> None:
    task = Task.model_validate({**TASK, "artifacts": [ARTIFACT], "image": SIGNED, "sharedAsset": {"url": SIGNED}})
    shown = [
        repr(task),
        str(task),
        repr(Asset.model_validate(ASSET)),
        repr(Extension(asset_id="a", reply_url=SIGNED)),
    ]

    assert not [text for text in shown if "_jwt" in text or "key=abc" in text]


def test_a_request_is_sent_under_the_names_of_the_wire() -> None:
    full = Extension(
        asset_id=ASSET_ID,
        text_prompt="a beach",
        seconds=10,
        seed=1,
        explore_mode=False,
        reply_url="https://example.org/hook",
        reply_ref="ref",
        max_jobs=5,
    )

    assert full.body() == {
        "assetId": ASSET_ID,
        "text_prompt": "a beach",
        "seconds": 10,
        "seed": 1,
        "exploreMode": False,
        "replyUrl": "https://example.org/hook",
        "replyRef": "ref",
        "maxJobs": 5,
    }
    assert Extension(asset_id=ASSET_ID).body() == {"assetId": ASSET_ID}
    assert Extension.model_validate(full.body()) == full


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("seconds", [5, 10], [0, 4, 11, "ten"]),
        ("seed", [1, 4294967294], [0, -1, 4294967295, 1.5]),
        ("maxJobs", [1, 10], [0, 11]),
        ("replyRef", ["", "r" * 1024], ["r" * 1025, 7]),
        (
            "replyUrl",
            ["https://example.org", "http://127.0.0.1:8000/hook?x=1#y", "https://e.example/" + "a" * 1006],
            [
                "example.org/hook",
                "ftp://e.example",
                "https://",
                "https:///x",
                "https://e e",
                "https://e.example/" + "a" * 1007,
            ],
        ),
        ("assetId", ["a"], [""]),
        ("email", [], ["a@b.example"]),
    ],
)
def test_a_request_is_bounded_as_its_page_says(field: str, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert Extension.model_validate({"assetId": "a", field: value}).body()[field] == value
    for value in bad:
        with pytest.raises(ValidationError):
            Extension.model_validate({"assetId": "a", field: value})


@pytest.mark.parametrize(
    "name", ["AssetId", "TextPrompt", "Seconds", "Seed", "ExploreMode", "ReplyUrl", "ReplyRef", "MaxJobs"]
)
def test_every_argument_type_is_described(name: str) -> None:
    assert TypeAdapter[Any](getattr(models, name)).json_schema()["description"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "//example.com/a.mp4", 5, None])
def test_what_is_no_web_link_is_not_handed_on_as_one(url: object) -> None:
    asset = Asset.model_validate({"assetId": "a", "url": url, "previewUrls": [url, "https://example.com/a.jpg"]})

    assert asset.url is None
    assert asset.preview_urls == ("https://example.com/a.jpg",)
