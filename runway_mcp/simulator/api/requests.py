"""Requests to the API, checked field by field as the vendor's pages say: bodies of submits, and pages of lists.

JSON and form bodies are taken alike; in a form every value is text. What a page leaves open is let through.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from runway_mcp.simulator.api.refusals import refused

MAX_SEED = 4_294_967_294
MAX_TEXT = 1024
MAX_JOBS = 10
MAX_PROMPT = 5000
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9")
_SHARED = frozenset({"text_prompt", "seconds", "seed", "exploreMode", "replyUrl", "replyRef", "maxJobs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What every submit may say; None where the caller gave nothing."""

    text_prompt: str | None = None
    seconds: int | None = None
    seed: int | None = None
    explore: bool = False
    reply_url: str | None = None
    reply_ref: str | None = None
    max_jobs: int | None = None


@dataclass(frozen=True, slots=True)
class ExtendRequest(SubmitRequest):
    """A checked request for an extension."""

    asset_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest(SubmitRequest):
    """A checked request for a new film, from an image or from text alone."""

    image_id: str | None = None
    aspect_ratio: str | None = None
    email: str | None = None


def read_extend_request(body: Any, *, turbo: bool, text: bool = False) -> ExtendRequest:
    """The checked request; raises `Refusal` (400). With `text` numbers and booleans may be spelt as text."""
    fields = _fields(body, {"assetId"} | (_SHARED - {"seconds"} if turbo else _SHARED))
    asset_id = _string(fields, "assetId", limit=None)
    if not asset_id:
        raise refused(400, "Parameter assetId is required.")
    return ExtendRequest(asset_id=asset_id, **_shared(fields, (5, 10), prompt=None, text=text))


def read_create_request(
    body: Any, *, lengths: tuple[int, ...], from_text: bool, image_required: bool, prompt: int, text: bool = False
) -> CreateRequest:
    """The checked request for one of these lengths in seconds, with a `prompt` of so many characters at most.

    `from_text` models also make films from a prompt alone, and take an `email` then. Raises `Refusal` (400). `text` as
    above.
    """
    fields = _fields(body, {"firstImage_assetId", "aspect_ratio"} | _SHARED | ({"email"} if from_text else set()))
    image_id = _string(fields, "firstImage_assetId", limit=None) or None
    ratio = _string(fields, "aspect_ratio", limit=None)
    shared = _shared(fields, lengths, prompt=prompt, text=text)
    if image_id is None and image_required and not from_text:
        raise refused(400, "Parameter firstImage_assetId is required.")
    if image_id is None and not shared["text_prompt"]:
        raise refused(400, "Parameter text_prompt is required.")
    if ratio not in (None, *RATIOS):
        raise refused(400, f"Parameter aspect_ratio supports values {', '.join(RATIOS)}.")
    if image_id is None and ratio is not None:
        raise refused(400, "Parameter aspect_ratio is supported with firstImage_assetId only.")
    email = _string(fields, "email", limit=None) or None
    return CreateRequest(image_id=image_id, aspect_ratio=ratio, email=email, **shared)


def _fields(body: Any, known: AbstractSet[str]) -> dict[str, Any]:
    """The fields that the body gives, none of them unknown."""
    if not isinstance(body, Mapping):
        raise refused(400, "Request body must be an object.")
    fields: dict[str, Any] = {str(key): value for key, value in body.items() if value is not None}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  a stranger's JSON
    strange = sorted(fields.keys() - known)
    if strange:
        raise refused(400, f"Parameter {strange[0]} is not supported.")
    return fields


def _shared(fields: Mapping[str, Any], lengths: tuple[int, ...], *, prompt: int | None, text: bool) -> dict[str, Any]:
    """The fields of `SubmitRequest`; a length is one of `lengths`."""
    seconds = _integer(fields, "seconds", lengths[0], lengths[-1], text=text)
    if seconds not in (None, *lengths):
        raise refused(400, f"Parameter seconds supports values {', '.join(map(str, lengths))}.")
    return {
        "text_prompt": _string(fields, "text_prompt", limit=prompt),
        "seconds": seconds,
        "seed": _integer(fields, "seed", 1, MAX_SEED, text=text),
        "explore": _boolean(fields, "exploreMode", text=text),
        "reply_url": _url(fields, "replyUrl"),
        "reply_ref": _string(fields, "replyRef", limit=MAX_TEXT),
        "max_jobs": _integer(fields, "maxJobs", 1, MAX_JOBS, text=text),
    }


def _string(fields: Mapping[str, Any], name: str, *, limit: int | None) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise refused(400, f"Parameter {name} must be a string.")
    if limit is not None and len(value) > limit:
        raise refused(400, f"Parameter {name} is too long ({len(value)}), maximum length is {limit} characters.")
    return value


def _url(fields: Mapping[str, Any], name: str) -> str | None:
    value = _string(fields, name, limit=MAX_TEXT)
    if value is not None and not _absolute(value):
        raise refused(400, f"Parameter {name} must be an absolute URL.")
    return value


def _absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _integer(fields: Mapping[str, Any], name: str, low: int, high: int, *, text: bool) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if text and isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused(400, f"Parameter {name} must be an integer.")
    if not low <= value <= high:
        raise refused(400, f"Parameter {name} is out of range {low}…{high}.")
    return value


def _boolean(fields: Mapping[str, Any], name: str, *, text: bool) -> bool:
    value = fields.get(name, False)
    if text and isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise refused(400, f"Parameter {name} must be a boolean.")
    return value


def page(query: Mapping[str, str], *, largest: int) -> tuple[int, int]:
    """Offset (0 to 1000) and limit (1 to `largest`) of a list, both required upstream; raises `Refusal` (400)."""
    for name in ("offset", "limit"):
        if not query.get(name):
            raise refused(400, f"Parameter {name} is required.")
    offset = _integer(query, "offset", 0, 1000, text=True)
    limit = _integer(query, "limit", 1, largest, text=True)
    return offset or 0, limit or 1
