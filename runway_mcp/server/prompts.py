"""The prompts that the user picks from a host's menu: two ways through the tools, as instructions to a model.

They use the contract's names, price before they spend, and stop where the user has to decide. Their advice on wording
is this project's reading of how Runway's models are steered.
"""

from collections.abc import Callable, Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from runway_mcp.server.context import RequestContext
from runway_mcp.server.contract.results.text import in_quotes

SECONDS = ("5", "8", "10")
"""The values that the argument `seconds` takes."""

_CLIP = (
    "its name or part of it, its assetId or the id of a film, or its URI; completion offers the newest films and "
    "videos as name (id)"
)
_WORDING = """\
How to word a text_prompt:
- It goes on from the last frame, so tell what happens next; what the picture shows needs no words but those for the \
camera, the light and the look.
- Two to four plain sentences in the present tense, under 500 characters: first what moves and how, then one camera \
move, then the light.
- One action for 5 s, two at most for 10 s. Speeds and directions help: slowly, from left to right, towards us.
- Say what is there; a thing named only to be left out tends to appear.
- Films drift from step to step. Take the words for the camera, the light and the look from the text_prompt \
of the film before (view_film quotes it; where there is none, from the picture) and repeat them word for word \
unless the change is wanted.
Where a current model continues a clip (the call has a model), it sees one still picture and nothing else:
- Say the motion that runs at the cut again, with its direction and speed, and the same camera move: a still has no \
motion, and what is not said stops.
- Say again who is there, in which clothes, where, and in which light; what has left the picture is forgotten.
- Few long steps beat many short ones: each seam restarts the motion and softens the picture a little.
- Look at the last frame first. Where it is black, white or blurred, tell me so before anything is spent."""

_FOLLOWING = """\
While a task is queued or running, make the get_task call that its result \
names next, until the film is there. The same request is charged once, for good: if a call is cut off or its outcome \
is unclear, make the identical \
call; for another take of a film give another seed. \
If a result has an error, tell me its message and whether credits were charged, and make the call that it names \
next; where it names none, stop and ask me. Never repeat a prompt that moderation has stopped: show me other words \
for it."""

_EXTEND_CLIP = """\
Make one of my Runway clips longer.
What should happen: {wish}
The clip: {clip}
Seconds to add: {seconds}

1. Find it. If an assetId (it begins with user:), a film's id (film_) or a URI is given above, take that. Else call \
list_assets with a word of mine as query, and compare names, prompts, dates and lengths with my words; without a \
match, list the newest. If two fit, ask me; a film and a part of it are one: take the film. What is extendable is \
extended by Runway itself; what is only continuable, and every film, is continued by a current model from its last \
frame, and joined to one film.
2. Look, then word it. Call view_film with its id, which shows the last frame, and write one text_prompt for my \
wish that goes on from it, by the rules below.
3. Check and price it. Make the extend_video call that view_film names next, with text_prompt and seconds added (no \
seconds for a Gen-3 Turbo clip, which gains 8 s: if I named others, tell me that, and the way to them that its result \
names). It is a dry run, free, and where the clip has to be continued its next call names the model. If it says that \
the real call would be refused, tell me why, and price what it names next, if anything.
4. Stop and ask me. Show me the text_prompt, the estimated credits, any way for less that the dry run names, what is \
left of the credits, and the model if one is named; of an extension also what is left of the three and \
how long the film can still become. Go on only when I say yes; if I change something, price it again.
5. Extend it. Make the call that the dry run names next, once.
6. Look at it. Give me the link and until when it works, or where it is saved, the new length and what it cost. Call \
view_film with show strip and say whether the film does what I wished, and how its seams look.
7. Offer the next. Propose one sentence for what could follow, and stop: every further step costs and is mine to \
decide. A joined film goes on by its film id.

{following}

{wording}"""

_PLAN_FILM = """\
Grow one of my Runway clips into a longer film, beat by beat; beat 1 is the clip as it is.
The clip: {clip}
The story: {story}

1. Find it. If an assetId (it begins with user:), a film's id (film_) or a URI is given above, take that. Else call \
list_assets with a word of mine as query; if two fit, ask me (a film and a part of it are one: take the film). What \
is extendable has up to three beats more, 10 s each (fewer if it was extended before), to at most 40 s; a Gen-3 Turbo \
clip gains 8 s each time, to at most 34 s. What is only continuable, and every film, goes on as often as I like with \
a current model, and is joined to one film.
2. Fix the look. See the clip with view_film. Write one phrase for the camera and one for the light and colour, after \
the picture and the clip's own text_prompt; to continue, also one for who is there and in which clothes. They stand \
word for word in every beat, but where the story changes them.
3. Plan the beats: three more unless the story needs others, each as long as the model allows, since few long steps \
beat many short ones. Each gets one text_prompt by the rules below: a turn of the story that begins where the beat \
before ends, followed by the phrases. The last one ends on a picture that can hold.
4. Price the whole plan before its first step. Make the extend_video call that view_film names next, with the \
text_prompt of beat 2 and seconds 10 (none for a Gen-3 Turbo clip) added. It is a dry run, free, and \
names the model where one continues. Further beats of \
the same seconds cost as much each, as long as they go on the same way (extended, or by one model): add them up.
5. Stop and ask me. Show me the beats with their prompts as a table, the estimated credits of each and of all, any way \
for less that the dry run names, and what is left of the credits. Go on only when I say yes, and ask \
whether my yes is for one beat or for all of them.
6. Make them one after another. Make the call that the dry run names next, once; show me the film. For the next beat \
take that new film's assetId, of a joined film its film id, adjust its prompt to its last frame (view_film), price it \
as beat 2 was priced, and ask me again unless I agreed to all and the price is as shown.
7. End. Give me the link of the whole film and until when it works, or where it is saved, its length, and what all \
beats cost together.

{following}

{wording}"""


def _argument(name: str, title: str, description: str, *, required: bool) -> PromptArgument:
    return PromptArgument(name=name, title=title, description=description, required=required)


PROMPTS: dict[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            name="extend_clip",
            title="Extend a clip",
            description="Takes a wish to a finished extension: finds the clip, prices it, asks, extends it, shows it.",
            arguments=[
                _argument(
                    "wish",
                    "Wish",
                    "What should happen in the seconds that are added, in your own words.",
                    required=True,
                ),
                _argument(
                    "clip", "Clip", f"The clip to extend: {_CLIP}. Without it the wish has to tell.", required=False
                ),
                _argument(
                    "seconds",
                    "Seconds",
                    "Seconds to add: 5 (default) or 10, with Gen-4.5 also 8; Gen-3 Turbo gains 8.",
                    required=False,
                ),
            ],
        ),
        Prompt(
            name="plan_film",
            title="Plan a film",
            description="Plans a clip's growth into a film, beat by beat, with a prompt each; prices, asks, makes it.",
            arguments=[
                _argument("clip", "Clip", f"The clip that the film begins with: {_CLIP}.", required=True),
                _argument(
                    "story",
                    "Story",
                    "What happens from the clip's end to the film's, in your own words.",
                    required=True,
                ),
            ],
        ),
    )
}
"""Every prompt by its name, in the order in which hosts list them."""


async def get_prompt(_ctx: RequestContext, params: GetPromptRequestParams) -> GetPromptResult:
    """A prompt with its arguments filled in; raises `MCPError` for an unknown prompt or invalid arguments."""
    prompt = prompt_named(params.name)
    text = _TEXTS[prompt.name](_read(prompt, params.arguments or {}))
    return GetPromptResult(
        description=prompt.description, messages=[PromptMessage(role="user", content=TextContent(text=text))]
    )


def prompt_named(name: str) -> Prompt:
    """The prompt of this name; raises `MCPError`, which lists the names."""
    if name not in PROMPTS:
        raise MCPError(INVALID_PARAMS, f"Unknown prompt {in_quotes(name)}. The prompts are {', '.join(PROMPTS)}.")
    return PROMPTS[name]


def _read(prompt: Prompt, given: Mapping[str, str]) -> dict[str, str]:
    """The arguments that are not blank; raises `MCPError` for unknown, missing and invalid ones."""
    arguments = {each.name: each for each in prompt.arguments or ()}
    accepted = f"{prompt.name} takes {', '.join(arguments)}."
    if unknown := [name for name in given if name not in arguments]:
        named = ", ".join(map(in_quotes, unknown[:3]))
        raise MCPError(INVALID_PARAMS, f"{prompt.name} takes no argument {named}. {accepted}")
    read = {name: value.strip() for name, value in given.items() if value.strip()}
    for name, argument in arguments.items():
        if argument.required and name not in read:
            raise MCPError(INVALID_PARAMS, f"{name} is missing. {argument.description}")
    if read.get("seconds", "5") not in SECONDS:
        accepted = f"{', '.join(SECONDS[:-1])} or {SECONDS[-1]}"
        raise MCPError(INVALID_PARAMS, f"seconds must be {accepted}, not {in_quotes(read['seconds'])}.")
    return read


def _extend_clip(given: Mapping[str, str]) -> str:
    return _EXTEND_CLIP.format(
        wish=given["wish"],
        clip=given.get("clip", "not named; my wish should tell which one"),
        seconds=given.get("seconds", "5, unless my wish needs 10"),
        following=_FOLLOWING,
        wording=_WORDING,
    )


def _plan_film(given: Mapping[str, str]) -> str:
    return _PLAN_FILM.format(clip=given["clip"], story=given["story"], following=_FOLLOWING, wording=_WORDING)


_TEXTS: dict[str, Callable[[Mapping[str, str]], str]] = {"extend_clip": _extend_clip, "plan_film": _plan_film}
