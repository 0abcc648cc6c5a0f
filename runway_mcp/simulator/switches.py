"""Switches: one field for every gap or conflict in what is known of upstream, with the default of this stand-in.

How sure a default is: S stated by the vendor, O observed by others, I inferred, U unknown. Nothing else in the
simulator decides a doubtful question.
"""

from dataclasses import dataclass, fields, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from runway_mcp.simulator.media.films import End


class SwitchError(ValueError):
    """There is no such switch, or it does not take the value."""


@dataclass(frozen=True, slots=True)
class Switches:
    """How upstream behaves where its documents are silent or disagree."""

    wrap_create: bool = False
    """A submit answers `{"task": {...}, "code": 200}`. The vendor's page says flat (S); three clients met both (O)."""
    wrap_get: bool = False
    """`GET /tasks/{id}` is wrapped likewise. The page says flat (S); two clients also met a wrapped one (O)."""
    task_list: Literal["array", "wrapped", "object"] = "array"
    """`GET /tasks/` gives `[...]`, `{"tasks": [...]}`, or the newest task alone. The page shows one object (S), which
    looks like a leftover; an array is likely, as for assets (I)."""
    task_order: Literal["newest", "oldest", "shuffled"] = "newest"
    """The order of `GET /tasks/` (U)."""
    thin_ends: bool = False
    """`GET /tasks/` leaves out why a task failed, and the links of a film (U)."""
    asset_order: Literal["newest", "oldest", "shuffled"] = "newest"
    """The order of `GET /assets/` (U, newest likely)."""
    reply_in_get: bool = False
    """`GET /tasks/{id}` echoes replyUrl and replyRef. The page's example does not (S), its prose says so (S)."""
    reply_in_list: bool = False
    """`GET /tasks/` echoes them (U)."""
    code_in_get: bool = False
    """`GET /tasks/{id}` has `code` and `features` as a submit has. The example does not (S)."""
    extra_fields: bool = False
    """Bodies carry fields that no document names. Upstream wraps a private API that may change at any time (I)."""
    date_header: bool = True
    """Every answer has a `Date` header of the world's wall clock, as HTTP requires of a server with a clock (I)."""

    code_in_412: bool = False
    """The body of 412 has `code`. The page leaves it out (S)."""
    code_in_429b: bool = False
    """The body of Runway's own 429 has `code`. The page leaves it out (S)."""
    retry_after: float | None = None
    """Seconds in a `Retry-After` header of every 429. None is documented for Runway (S by absence)."""
    plain_404: bool = True
    """An unknown account answers 404 in plain text (S); off: the usual JSON."""
    lapsed: bool = False
    """Every call answers 402: the useapi subscription ended. Known from write-ups on other APIs of the vendor (O)."""
    gen3_gone: bool = False
    """Gen-3 extends are refused with 400. The vendor says that Runway's site dropped Gen-3, yet lists the endpoints."""
    gen3_words: str = "Runway website no longer supports Gen-3. Consider migrating to Gen-4.x."
    """What that refusal says (U); the vendor's Kling endpoint answers with a code word such as TASK.InvalidTaskType."""
    fourth_extension: Literal["400", "422", "failed"] = "400"
    """The answer to a fourth extension (U, 400 likely); `failed` accepts a task that then fails."""
    wrong_model: Literal["400", "404", "422", "failed"] = "400"
    """The answer to an asset that is no video of the endpoint's model (U, 400 likely); `failed` as above."""
    bare_ids: bool = False
    """A bare uuid is taken in place of a long assetId or taskId (U)."""
    account_created: bool = False
    """`GET /accounts/{email}` answers 201, as one edition of its page says (S)."""

    frame_required: bool = True
    """Gen-4 and Gen-4 Turbo creates need `firstImage_assetId`. The collection says so (S), a client sends none (O)."""
    gen4_prompt: int = 1000
    """The longest prompt of Gen-4 and Gen-4 Turbo: 1000 or 512, by two pages on another endpoint of them (S, both)."""
    email_with_image: Literal["ignored", "overrides", "refused"] = "ignored"
    """An `email` beside an image of another account: not used (S), it picks the account (S), or 404 (U)."""
    default_ratio: Literal["16:9", "image"] = "16:9"
    """The aspect ratio of a create with an image and without `aspect_ratio`: the pages' default (S), or that of the
    image (U)."""
    fit: Literal["crop", "stretch"] = "crop"
    """What becomes of an image whose shape is not the film's (U)."""
    created_size: Literal["published", "other", "tiny"] = "published"
    """The sizes of created films: those of Runway's own API (S for that), those of another model, or ones of 64 pixels,
    which no model makes and which are quick to encode."""
    first_frame: Literal["same", "similar"] = "same"
    """The first frame of a created film is the image, or has moved on a little (U)."""
    created_sound: bool = False
    """Created films have sound (U for Gen-4.x)."""
    created_rate: int = 24
    """Their frames a second (U, 24 likely)."""
    created_encoder: Literal["usual", "other"] = "usual"
    """Their sets of H.264 parameters are those of the stand-in's other films of that size, or others (U)."""
    created_colour: Literal["untagged", "bt709"] = "untagged"
    """Their colour tags (U)."""
    created_end: End = "scene"
    """How they end: an end in black spoils what would go on from it (O)."""
    gen4_5_type: str = "gen4.5"
    """The taskType of Gen-4.5 (U)."""
    hidden_seeds: bool = False
    """No task tells its seed, and no film has it in its name (U for Gen-4.x)."""
    start_frame_told: bool = True
    """The options of a create have `init_image`, the link of its image (O, for Runway's own web API)."""
    throttled_for: float = 0.0
    """Seconds for which a ready task waits as THROTTLED with a slot free; in explore mode hours were seen (O)."""

    largest_upload: int = 100_000_000
    """The most bytes of an upload; more is refused with 413. The limit is above 50 MB (S), the rest unknown (U)."""
    webp_uploads: bool = False
    """Images may be WebP and MPO beside PNG, JPEG and GIF: one page says so (S), the newer collection does not (S)."""
    known_uploads: bool = False
    """The same bytes a second time give the asset of the first time; otherwise a new one (I: new)."""
    late_uploads: float = 0.0
    """Seconds for which a fresh upload is missing in `GET /assets/` (U)."""

    over_slots: Literal["THROTTLED", "PENDING", "429"] = "THROTTLED"
    """A task beyond the plan's slots waits as THROTTLED or PENDING, or is refused with Runway's 429 (S, both)."""
    running_word: str = "RUNNING"
    """The status word of a running task. Clients have met words that no page lists (O)."""
    progress: Literal["string", "number", "null"] = "string"
    """progressRatio while a task runs. The page shows the string "1" at the end and null at the start (S)."""
    brief_404: float = 0.0
    """Seconds for which a fresh task answers 404 (O, weak)."""
    late_in_lists: float = 0.0
    """Seconds for which a fresh task is missing in `GET /tasks/` (U)."""
    late_in_scheduler: float = 0.0
    """Seconds for which a fresh task is missing in `GET /scheduler/` (U)."""
    delete_task: Literal["forgets", "cancels"] = "forgets"
    """`DELETE /tasks/{id}` only hides the task while the generation goes on and is charged, or stops it (U)."""

    moderation: Literal["422", "400", "failed"] = "422"
    """Where a moderated prompt is refused: a status of the submit (S for 422, O for 400), or a FAILED task (S)."""
    moderated_word: str = "forbidden"
    """A prompt that contains this word is moderated. The stand-in's own rule."""
    broken_word: str = "broken"
    """A prompt that contains this word fails with INTERNAL.BAD_OUTPUT.CODE01. The stand-in's own rule."""
    task_error: Literal["object", "string", "null"] = "object"
    """The form of a failed task's `error`: an object (S); others met strings and null (O)."""
    refund_failed: bool = True
    """Credits of a failed generation come back. Runway's help says so (O)."""
    refund_moderated: bool = False
    """Credits of a task that failed by moderation come back (U)."""

    late_films: float = 0.0
    """Seconds for which a succeeded task is shown without its artifacts, which exist as assets all the same (O, weak).
    A callback shows the task at the moment of its end, so it never has them."""
    result: Literal["whole", "tail"] = "whole"
    """The new asset is the whole longer film, or the added part alone (I: whole)."""
    metadata: Literal["own", "A", "B", "null"] = "own"
    """The form of `metadata`: with `size` (A, until 2025), flat (B), null, or each asset's own. All occur (S)."""
    artifact_size: Literal["string", "number"] = "string"
    """fileSize in a task's artifacts: a string (S)."""
    asset_size: Literal["number", "string"] = "number"
    """fileSize in assets: a number (S)."""
    link_seconds: float = 30 * 3600.0
    """How long a signed link is valid, in seconds: 24 to 48 hours (O)."""
    expired_status: Literal[401, 403] = 403
    """The answer of an expired link (U, 401 or 403)."""

    callback: Literal["once", "changes"] = "once"
    """A callback at the end only, or at each change: the page says both (S)."""
    delivery: Literal["normal", "lost", "duplicated", "swapped"] = "normal"
    """Callbacks arrive once, never or twice, or the last two in the wrong order (U)."""


def changed(switches: Switches, changes: dict[str, Any]) -> Switches:
    """The switches with these changes; raises `SwitchError`, which names the switch."""
    hints = get_type_hints(Switches)
    names = {field.name for field in fields(Switches)}
    for name, value in changes.items():
        if name not in names:
            raise SwitchError(f"There is no switch {name!r}.")
        if not _fits(value, hints[name]):
            raise SwitchError(f"The switch {name!r} does not take {value!r}.")
    return replace(switches, **changes)


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint) and not isinstance(value, bool)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return isinstance(value, hint)
