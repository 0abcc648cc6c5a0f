from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextContent

from runway_mcp.server.prompts import PROMPTS
from runway_mcp.server.tools.definitions import TOOLS
from tests.kit.definitions import MAIN_JOB
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

GIVEN = {
    "extend_clip": {"wish": "the camera rises over the {dunes}", "clip": "a quiet beach"},
    "plan_film": {"clip": "a quiet beach", "story": "a boat comes\nand nobody is in it"},
}


async def told(folder: Path, mode: str, name: str, arguments: dict[str, str] | None) -> str:
    """The text of a prompt, as a client without a token in its server's settings gets it."""
    async with open_client(virtual_world(), folder, mode, token=None) as client:
        result = await client.mcp.get_prompt(name, arguments)
    (message,) = result.messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    assert result.description == PROMPTS[name].description
    return message.content.text


async def refusal(folder: Path, mode: str, name: str, arguments: dict[str, str] | None) -> MCPError:
    """The error that a prompt ends in."""
    async with open_client(virtual_world(), folder, mode, token=None) as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.get_prompt(name, arguments)
    return caught.value


async def test_both_prompts_are_listed_with_every_argument_described(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        listed = await client.mcp.list_prompts()

    assert [prompt.name for prompt in listed.prompts] == ["extend_clip", "plan_film"]
    for prompt in listed.prompts:
        assert prompt.title
        assert prompt.description
        assert all(argument.title and argument.description for argument in prompt.arguments or ())
    required = {
        prompt.name: [each.name for each in prompt.arguments or () if each.required] for prompt in listed.prompts
    }
    assert required == {"extend_clip": ["wish"], "plan_film": ["clip", "story"]}
    assert [each.name for each in listed.prompts[0].arguments or ()] == ["wish", "clip", "seconds"]


@pytest.mark.parametrize("name", PROMPTS)
async def test_what_was_given_stands_in_the_text_word_for_word(tmp_path: Path, mode: str, name: str) -> None:
    text = await told(tmp_path, mode, name, GIVEN[name])

    assert all(value in text for value in GIVEN[name].values())


@pytest.mark.parametrize("name", PROMPTS)
async def test_the_text_names_the_tools_of_the_main_job_and_nothing_that_the_tools_do_not_have(
    tmp_path: Path, name: str
) -> None:
    text = await told(tmp_path, "auto", name, GIVEN[name])

    assert all(tool in text for tool in MAIN_JOB)
    arguments = {argument for tool in TOOLS.values() for argument in tool.input_schema["properties"]}
    results = {part for tool in TOOLS.values() for part in (tool.output_schema or {}).get("properties", ())}
    nested = {"assets", "extendable", "reason", "extensions_left", "preview_urls", "longest_seconds", "cost_to_longest"}
    nested |= {"film_"}  # with which the ids of films begin
    words = {word.strip("`.,:;()") for word in text.split() if "_" in word}
    assert {part for word in words for part in word.split(".")} <= arguments | results | nested | set(TOOLS)


@pytest.mark.parametrize("name", PROMPTS)
async def test_the_price_is_shown_and_a_yes_awaited_before_anything_is_spent(tmp_path: Path, name: str) -> None:
    text = await told(tmp_path, "auto", name, GIVEN[name])

    priced, stopped, spent = (
        text.index("It is a dry run"),
        text.index("Stop and ask me"),
        text.index("the call that the dry run names next"),
    )
    assert priced < stopped < spent
    assert "only when I say yes" in text[stopped:spent]


@pytest.mark.parametrize("name", PROMPTS)
async def test_the_advice_on_wording_is_the_same_in_both(tmp_path: Path, name: str) -> None:
    text = await told(tmp_path, "auto", name, GIVEN[name])

    advice = text.partition("How to word a text_prompt:")[2]
    assert all(word in advice for word in ("last frame", "what moves", "camera", "light", "word for word"))
    assert all(word in advice for word in ("motion", "clothes", "Few long steps", "Look at the last frame first"))
    assert len(text) < 5000


async def test_a_film_is_priced_whole_before_its_first_step(tmp_path: Path) -> None:
    text = await told(tmp_path, "auto", "plan_film", GIVEN["plan_film"])

    assert text.index("Price the whole plan before its first step") < text.index("estimated credits of each and of all")
    assert text.index("estimated credits of each and of all") < text.index("the call that the dry run names next")


@pytest.mark.parametrize("name", PROMPTS)
async def test_the_text_says_what_becomes_of_clips_that_runway_does_not_extend(tmp_path: Path, name: str) -> None:
    text = await told(tmp_path, "auto", name, GIVEN[name])

    assert "only continuable" in text
    assert "current model" in text
    assert "film id" in text


async def test_what_was_not_given_is_left_to_the_wish(tmp_path: Path) -> None:
    text = await told(tmp_path, "auto", "extend_clip", {"wish": "rise", "clip": " ", "seconds": ""})

    assert "The clip: not named" in text
    assert "Seconds to add: 5, unless" in text


async def test_the_seconds_that_were_given_are_asked_for(tmp_path: Path) -> None:
    assert "Seconds to add: 10\n" in await told(tmp_path, "auto", "extend_clip", {"wish": "rise", "seconds": "10"})


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("make_film", {}, 'Unknown prompt "make_film". The prompts are extend_clip, plan_film.'),
        ("extend_clip", None, "wish is missing. What should happen in the seconds"),
        ("extend_clip", {"wish": "\n "}, "wish is missing."),
        ("plan_film", {"clip": "beach"}, "story is missing."),
        ("plan_film", {"story": "a boat"}, "clip is missing."),
        ("extend_clip", {"wish": "rise", "seconds": "7"}, 'seconds must be 5, 8 or 10, not "7".'),
        ("extend_clip", {"wish": "rise", "video": "beach"}, 'extend_clip takes no argument "video".'),
        ("plan_film", dict.fromkeys("abcdef", "x"), 'no argument "a", "b", "c". plan_film takes clip, story.'),
    ],
)
async def test_what_does_not_fit_is_invalid_params_in_a_sentence(
    tmp_path: Path, mode: str, name: str, arguments: dict[str, str] | None, says: str
) -> None:
    error = await refusal(tmp_path, mode, name, arguments)

    assert error.code == INVALID_PARAMS
    assert says in error.message
