"""A file over HTTP, whole or by range, and only if it is still the version that the caller had."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class ServedFile:
    """A file's bytes, media type and entity tag, "" for none."""

    content: bytes
    media_type: str
    etag: str


def ranged(file: ServedFile, asked: Mapping[str, str], *, ranges: bool = True) -> Response:
    """The file, or the one range that the request's headers ask for; all of it where `If-Range` names another tag."""
    size = len(file.content)
    headers = ({"ETag": file.etag} if file.etag else {}) | ({"Accept-Ranges": "bytes"} if ranges else {})
    match = _RANGE.fullmatch(asked.get("range", ""))
    same = asked.get("if-range", file.etag) == file.etag
    if not ranges or not same or match is None or match.groups() == ("", ""):
        return Response(file.content, media_type=file.media_type, headers=headers)
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Response(file.content[start:stop], 206, headers, file.media_type)
