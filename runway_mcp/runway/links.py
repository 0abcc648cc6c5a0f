"""Readers of what a signed link, or a file name, says about its file: expiry and media type."""

import base64
import json
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

from runway_mcp.runway.fields import mapping, number

# The media types that POST /assets takes, by file extension.
_MIME_TYPES = {
    "3gp": "video/3gpp",
    "avi": "video/x-msvideo",
    "flac": "audio/flac",
    "flv": "video/x-flv",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "png": "image/png",
    "ts": "video/mp2t",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}


def expiry_of(url: str) -> str | None:
    """When the signed link expires, as ISO 8601 in UTC, from `exp` in its `_jwt`; None if it does not say so.

    The signature is not verified: the result is a hint for the user and grants nothing.
    """
    try:
        payload = parse_qs(urlsplit(url).query)["_jwt"][0].split(".")[1]
        claims = mapping(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        seconds = number(claims["exp"]) if claims else None
        ends = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (KeyError, IndexError, ValueError, OverflowError, OSError, RecursionError):
        return None
    return None if ends is None else ends.isoformat(timespec="seconds").replace("+00:00", "Z")


def file_of(url: str | None) -> str | None:
    """The name of the file that a link leads to, without the signed part: equal for all links to it. None without."""
    try:
        return PurePosixPath(urlsplit(url or "").path).name or None
    except ValueError:
        return None


def mime_type_of(*hints: str | None) -> str | None:
    """The media type by the first hint with a known extension; hints are extensions, file names or URLs."""
    for hint in hints:
        if hint and (found := _MIME_TYPES.get(_extension(hint))):
            return found
    return None


def _extension(hint: str) -> str:
    try:
        path = urlsplit(hint).path
    except ValueError:
        return ""
    return (PurePosixPath(path).suffix or path).removeprefix(".").lower()
