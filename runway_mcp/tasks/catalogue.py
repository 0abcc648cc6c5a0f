"""Catalogue of Runway's models: endpoint, lengths, limits and price of each, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Model:
    """What every model has: the name that users and the ledger know it by, and the endpoint that takes its submits.

    `seconds` are the lengths that a submit can add, the default first.
    """

    name: str
    title: str
    endpoint: str
    seconds: tuple[int, ...]

    @property
    def chooses_seconds(self) -> bool:
        """Whether a submit names its seconds: where there is no choice, the endpoint takes none."""
        return len(self.seconds) > 1


@dataclass(frozen=True, kw_only=True)
class FilmModel(Model):
    """A Runway model whose films can be extended, with its limits and its price; its name is the type of its tasks.

    `max_seconds` is the longest film; `max_extensions` counts a chain's extensions. `credits_per_second` is the
    published rate per added second.
    """

    credits_per_second: int
    max_seconds: int
    max_extensions: int = 3

    @property
    def task_type(self) -> str:
        """The type of its tasks."""
        return self.name


@dataclass(frozen=True)
class Canvas:
    """A size in pixels in which a model makes films, and the aspect ratio that asks for it."""

    aspect_ratio: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class CreateModel(Model):
    """A Runway model that makes a film from a start frame, as its endpoint takes it, with its limits and its price.

    `prompt_limit` is in characters. `credits_per_second` is the rate that `price_source` tells, or the most that is
    told anywhere if `is_upper_bound`; None if nothing is known, so that no cap lets it pass. `task_types` are the types
    under which its tasks were seen, none if nobody has told: a task of another type may be its work all the same.

    `start_frame` and `seconds_field` are the endpoint's names for the assetId of the frame and for the length;
    `constants` go with every request. `takes_seed` and `takes_explore_mode` say whether it has these options.
    """

    canvases: tuple[Canvas, ...]
    prompt_limit: int
    credits_per_second: int | None
    price_source: str
    is_upper_bound: bool
    task_types: tuple[str, ...] = ()
    start_frame: str = "firstImage_assetId"
    seconds_field: str = "seconds"
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    takes_seed: bool = True
    takes_explore_mode: bool = True


MODELS = {
    model.task_type: model
    for model in (
        FilmModel("gen3a", "Gen-3 Alpha", "gen3/extend", credits_per_second=10, seconds=(5, 10), max_seconds=40),
        FilmModel(
            "gen3a_turbo", "Gen-3 Alpha Turbo", "gen3turbo/extend", credits_per_second=5, seconds=(8,), max_seconds=34
        ),
    )
}
"""Every model that can extend films, by the type of its tasks."""

# The sizes are those of Runway's own API, for which it publishes them.
_GEN4_CANVASES = (
    Canvas("16:9", 1280, 720),
    Canvas("9:16", 720, 1280),
    Canvas("4:3", 1104, 832),
    Canvas("3:4", 832, 1104),
    Canvas("1:1", 960, 960),
    Canvas("21:9", 1584, 672),
)
# useapi.net's pages on another endpoint of these two say 1000 and 512.
_GEN4_PROMPT = 512

CREATE_MODELS = {
    model.name: model
    for model in (
        CreateModel(
            name="gen4.5",
            title="Gen-4.5",
            endpoint="gen4_5/create",
            seconds=(5, 8, 10),
            canvases=_GEN4_CANVASES,
            prompt_limit=5000,
            credits_per_second=12,
            price_source="Runway's developer API, April 2026; the app may charge about 10",
            is_upper_bound=True,
        ),
        CreateModel(
            name="gen4",
            title="Gen-4",
            endpoint="gen4/create",
            seconds=(5, 10),
            canvases=_GEN4_CANVASES,
            prompt_limit=_GEN4_PROMPT,
            credits_per_second=12,
            price_source="others saw 10 to 12, May 2026",
            is_upper_bound=True,
            task_types=("gen4",),
        ),
        CreateModel(
            name="gen4-turbo",
            title="Gen-4 Turbo",
            endpoint="gen4turbo/create",
            seconds=(5, 10),
            canvases=_GEN4_CANVASES,
            prompt_limit=_GEN4_PROMPT,
            credits_per_second=5,
            price_source="Runway's developer API, April 2026",
            is_upper_bound=False,
            task_types=("gen4_turbo",),
        ),
    )
}
"""Every model that makes films from a start frame, by its name."""

DEFAULT_CREATE_MODEL = CREATE_MODELS["gen4.5"]
"""The model that is named where a caller has chosen none."""
