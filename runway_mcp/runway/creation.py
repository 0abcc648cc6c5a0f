"""The request for a film from a start frame, in the spelling of whichever endpoint takes it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from runway_mcp.runway.models import ExploreMode, Submission, TextPrompt

StartFrame = Annotated[str, Field(min_length=1, description="assetId of the picture that the film begins with.")]
Length = Annotated[int, Field(ge=1, description="Seconds of the film; the catalogue says which its model takes.")]


class Creation(Submission):
    """A film that begins with `start_frame`, by the endpoint of a model that makes such films.

    `names` are the endpoint's names of fields where they differ from the usual ones; it does not take a field that is
    named "", and so it is not sent. `constants` are further fields that go along.
    """

    endpoint: str
    start_frame: StartFrame = Field(validation_alias="firstImage_assetId")
    aspect_ratio: str
    seconds: Length
    text_prompt: TextPrompt | None = None
    explore_mode: ExploreMode | None = Field(default=None, validation_alias="exploreMode")
    names: Mapping[str, str] = {}
    constants: Mapping[str, Any] = {}

    def body(self) -> dict[str, Any]:
        """The JSON body under the endpoint's names, without fields that were not given or that it does not take."""
        told = {name: each for name, each in self._fields().items() if name not in _ABOUT_THE_ENDPOINT}
        sent = {self.names.get(name, usual): value for name, (usual, value) in told.items()}
        return {name: value for name, value in {**self.constants, **sent}.items() if name}

    def asked(self) -> dict[str, Any]:
        """As of every submission; the start frame and its shape say no more than the source does."""
        return {name: value for name, value in super().asked().items() if name not in _FROM_THE_SOURCE}


_ABOUT_THE_ENDPOINT = frozenset({"endpoint", "names", "constants"})
_FROM_THE_SOURCE = _ABOUT_THE_ENDPOINT | {"start_frame", "aspect_ratio"}
