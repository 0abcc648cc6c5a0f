from typing import get_args

from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.settings import ContinueWith, variables
from runway_mcp.tasks.catalogue import CREATE_MODELS


def test_the_setting_takes_and_names_each_model_that_continues() -> None:
    told = variables()["continue_with"]

    assert get_args(ContinueWith) == tuple(CREATE_MODELS)
    assert all(name in told.form and f"`{name}`" in told.meaning for name in CREATE_MODELS)


def test_the_definition_of_extend_video_names_each_model_that_continues() -> None:
    accepted = TOOLS["extend_video"].input_schema["properties"]["model"]["enum"]

    assert accepted == ["auto", *CREATE_MODELS]
