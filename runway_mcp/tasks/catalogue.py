"""Catalogue of Runway's models: endpoint, lengths, limits and price of each, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FilmModel:
    """A Runway model whose films can be extended, with its endpoint, its limits and its price.

    `endpoint` takes the submits. `seconds` are the lengths that an extension can add, the default first; a submit names
    one only if `chooses_seconds`. `max_seconds` is the longest film; `max_extensions` counts a chain's extensions.
    `credits_per_second` is the published rate per added second.
    """

    task_type: str
    title: str
    endpoint: str
    credits_per_second: int
    seconds: tuple[int, ...]
    max_seconds: int
    max_extensions: int = 3

    @property
    def chooses_seconds(self) -> bool:
        """Whether a submit names its seconds: where there is no choice, the endpoint takes none."""
        return len(self.seconds) > 1


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
