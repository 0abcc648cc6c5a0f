"""Films from a start frame: which size fits, what is asked for, and what it costs."""

from dataclasses import replace

import pytest

from runway_mcp.runway.creation import Creation
from runway_mcp.runway.errors import InvalidRequest
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS
from runway_mcp.tasks.creating import aspect_ratio_for, canvas_for, creation_of, price_to_create
from tests.kit.samples import clip, extension

GEN45 = CREATE_MODELS["gen4.5"]
FRAME = clip(9).asset_id


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1280, 720, "16:9"),
        (1920, 1080, "16:9"),
        (1280, 768, "16:9"),
        (64, 36, "16:9"),
        (720, 1280, "9:16"),
        (768, 1280, "9:16"),
        (960, 960, "1:1"),
        (1, 1, "1:1"),
        (1104, 832, "4:3"),
        (640, 480, "4:3"),
        (832, 1104, "3:4"),
        (1584, 672, "21:9"),
        (4096, 100, "21:9"),
        (100, 4096, "9:16"),
        (1080, 1000, "1:1"),
    ],
)
def test_the_aspect_ratio_is_the_one_nearest_to_the_frame(width: int, height: int, ratio: str) -> None:
    assert aspect_ratio_for(width, height, GEN45) == ratio


def test_a_frame_in_a_size_of_the_model_keeps_it() -> None:
    for model in CREATE_MODELS.values():
        assert [canvas_for(each.width, each.height, model) for each in model.canvases] == [*model.canvases]


@pytest.mark.parametrize("size", [(0, 720), (1280, 0), (-1, -1)])
def test_a_picture_without_pixels_has_no_shape(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="has no"):
        aspect_ratio_for(*size, GEN45)


def test_every_model_says_where_its_price_comes_from_and_what_it_takes() -> None:
    for name, model in CREATE_MODELS.items():
        assert (model.name, name in MODELS) == (name, False)
        assert model.price_source
        assert model.seconds[0] == 5
        assert list(model.seconds) == sorted(model.seconds)
        assert len({canvas.aspect_ratio for canvas in model.canvases}) == len(model.canvases) == 6


@pytest.mark.parametrize(
    ("name", "seconds", "cost"), [("gen4.5", 10, 120), ("gen4.5", 8, 96), ("gen4", 5, 60), ("gen4-turbo", 10, 50)]
)
def test_a_film_costs_its_seconds_and_nothing_in_explore_mode(name: str, seconds: int, cost: int) -> None:
    assert price_to_create(CREATE_MODELS[name], seconds) == cost
    assert price_to_create(CREATE_MODELS[name], seconds, explore=True) == 0


def test_a_model_of_unknown_price_has_none_even_where_explore_mode_does_not_exist() -> None:
    unknown = replace(GEN45, credits_per_second=None, takes_explore_mode=False)

    assert price_to_create(unknown, 5) is None
    assert price_to_create(unknown, 5, explore=True) is None


@pytest.mark.parametrize(
    ("name", "endpoint"), [("gen4.5", "gen4_5/create"), ("gen4", "gen4/create"), ("gen4-turbo", "gen4turbo/create")]
)
def test_the_request_is_spelt_as_its_endpoint_takes_it(name: str, endpoint: str) -> None:
    made = creation_of(
        CREATE_MODELS[name], extension(text_prompt="dunes"), start_frame=FRAME, aspect_ratio="9:16", seconds=10
    )

    submission = made.model_copy(update={"seed": 7, "reply_ref": "mine", "reply_url": "https://a.example/x"})

    assert submission.endpoint == endpoint
    assert submission.body() == {
        "firstImage_assetId": FRAME,
        "aspect_ratio": "9:16",
        "seconds": 10,
        "text_prompt": "dunes",
        "seed": 7,
        "replyRef": "mine",
        "replyUrl": "https://a.example/x",
    }


def test_a_further_endpoint_is_one_entry_whatever_its_fields_are_called() -> None:
    hosted = replace(
        GEN45,
        name="seedance-2",
        endpoint="videos/create",
        start_frame="startFrameAssetId",
        seconds_field="duration",
        constants={"model": "seedance-2", "resolution": "720p"},
        takes_seed=False,
        takes_explore_mode=False,
    )

    made = creation_of(
        hosted, extension(explore_mode=True, max_jobs=2), start_frame=FRAME, aspect_ratio="1:1", seconds=12
    )

    assert made.model_copy(update={"seed": 7, "reply_ref": "mine"}).body() == {
        "model": "seedance-2",
        "resolution": "720p",
        "startFrameAssetId": FRAME,
        "aspect_ratio": "1:1",
        "duration": 12,
        "replyRef": "mine",
        "maxJobs": 2,
    }


def test_a_creation_takes_of_an_extension_what_both_have_but_what_names_its_intent() -> None:
    asked = extension(text_prompt="dunes", explore_mode=True, max_jobs=2, seed=4, reply_ref="mine", seconds=10)

    made = creation_of(GEN45, asked, start_frame=FRAME, aspect_ratio="1:1", seconds=8)

    assert made.body() == {
        "firstImage_assetId": FRAME,
        "aspect_ratio": "1:1",
        "seconds": 8,
        "text_prompt": "dunes",
        "exploreMode": True,
        "maxJobs": 2,
    }


def test_what_makes_it_the_same_request_is_what_the_caller_asked_for() -> None:
    asked = extension(text_prompt="dunes", explore_mode=True, max_jobs=2, seed=4, reply_ref="mine")
    made = creation_of(GEN45, asked, start_frame=FRAME, aspect_ratio="1:1", seconds=8)
    other_frame = made.model_copy(update={"start_frame": clip(8).asset_id, "aspect_ratio": "16:9", "seed": 5})

    assert made.asked() == other_frame.asked() == {"text_prompt": "dunes", "seconds": 8, "explore_mode": True}


@pytest.mark.parametrize("odd", ["a/b", "a b", "", "a\nb"])
def test_a_malformed_id_is_refused_before_anything_can_be_sent(odd: str) -> None:
    with pytest.raises(InvalidRequest, match="assetId"):
        creation_of(GEN45, extension(), start_frame=odd, aspect_ratio="1:1", seconds=5)


def test_a_creation_refuses_what_is_no_field_of_it() -> None:
    with pytest.raises(ValueError, match="assetId"):
        Creation.model_validate(
            {"endpoint": "x", "start_frame": FRAME, "aspect_ratio": "1:1", "seconds": 5, "assetId": FRAME}
        )
