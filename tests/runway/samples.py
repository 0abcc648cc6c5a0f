"""Bodies as useapi.net's pages show them, and an API on a socket that answers with scripted bytes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import httpx

from runway_mcp.runway.client import RunwayClient

TOKEN = "user:1234-AbCdEf0123456789xyz"
EMAIL = "jo-ann.o'hara+films@studio-one.example"
UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
TASK_ID = f"user:1234-runwayml:{EMAIL}-task:{UUID}"
ASSET_ID = f"user:1234-runwayml:{EMAIL}-asset:{UUID}"
SIGNED = "https://d2jqrm6oza8nb6.cloudfront.net/film.mp4?_jwt=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MjIxMjQ4MDB9.c2ln"

TASK: dict[str, Any] = {
    "taskId": TASK_ID,
    "id": UUID,
    "name": "Gen-3 Alpha 123456789, a beach",
    "image": None,
    "createdAt": "2024-08-01T01:02:03.456Z",
    "updatedAt": "2024-08-01T01:02:04.567Z",
    "taskType": "gen3a",
    "options": {
        "name": "Gen-3 Alpha 123456789, a beach",
        "text_prompt": "a beach",
        "seed": 123456789,
        "seconds": 10,
        "exploreMode": True,
        "watermark": False,
        "init_video": SIGNED,
        "extended_from_task_id": f"user:1234-runwayml:{EMAIL}-task:{UUID[::-1]}",
        "image_as_end_frame": False,
        "assetGroupName": "Generative Video",
        "extended_count": 1,
        "recordingEnabled": True,
    },
    "status": "PENDING",
    "error": None,
    "progressText": None,
    "progressRatio": None,
    "estimatedTimeToStartSeconds": 0,
    "artifacts": [],
    "sharedAsset": None,
    "features": {"storageGB": 500, "numPlanCredits_permitted": 2250, "numPlanCredits_used": 1315},
    "replyUrl": "https://example.org/hook?key=abc",
    "replyRef": "ref-1",
    "code": 200,
}

ARTIFACT: dict[str, Any] = {
    "assetId": ASSET_ID,
    "id": UUID,
    "createdAt": "2024-08-01T01:03:00.000Z",
    "updatedAt": "2024-08-01T01:03:01.000Z",
    "userId": 1,
    "createdBy": 1,
    "taskId": TASK_ID,
    "parentAssetGroupId": UUID,
    "filename": "Gen-3 Alpha 123456789, a beach.mp4",
    "url": SIGNED,
    "fileSize": "12345678",
    "isDirectory": False,
    "previewUrls": [SIGNED, SIGNED],
    "private": True,
    "privateInTeam": True,
    "deleted": False,
    "reported": False,
    "metadata": {
        "frameRate": 24,
        "duration": 5.209,
        "dimensions": [1280, 768],
        "size": {"width": 1280, "height": 768},
    },
    "favorite": False,
}

ASSET: dict[str, Any] = {
    "assetId": ASSET_ID,
    "id": UUID,
    "createdAt": "2025-08-01T01:03:00.000Z",
    "updatedAt": "2025-08-01T01:03:01.000Z",
    "name": "Gen-3 Alpha 123456789, a beach.mp4",
    "url": SIGNED,
    "previewUrls": [SIGNED],
    "mediaType": "video",
    "mediaSubtype": None,
    "fileCount": 1,
    "fileSize": 1234567,
    "fileExtStandardized": "mp4",
    "isUserUpload": False,
    "username": "jo",
    "userPicture": None,
    "taskId": TASK_ID,
    "metadata": {
        "frameRate": 24,
        "duration": 10.542,
        "width": 1280,
        "height": 768,
        "hasAlphaChannel": False,
        "hasAudio": False,
    },
}

UPLOAD: dict[str, Any] = {
    "assetId": ASSET_ID,
    "id": UUID,
    "user": {"id": 1, "username": "jo"},
    "createdAt": "2025-07-22T01:03:00.000Z",
    "updatedAt": "2025-07-22T01:03:01.000Z",
    "name": "clip",
    "description": "",
    "type": {"name": "video", "type": "video", "isDirectory": False},
    "size": 4321,
    "url": "https://d2jqrm6oza8nb6.cloudfront.net/clip.mov",
    "previewUrls": [],
    "fileCount": 1,
    "private": True,
    "permissions": {"read": True, "write": True, "admin": True},
    "annotated": False,
    "isUserUpload": True,
    "sourceApplication": "web",
    "createdBy": {"id": 1, "username": "jo"},
    "favorite": False,
}

BUSY: dict[str, Any] = {
    "error": f"Account {EMAIL} is busy executing 2 tasks",
    "runningTasks": {
        EMAIL: [
            {"email": EMAIL, "taskId": TASK_ID, "id": UUID, "replyUrl": "https://example.org", "replyRef": "ref-1"},
            {"taskId": TASK_ID.replace("0f1e", "1f1e"), "id": UUID},
        ]
    },
    "code": 429,
}

ACCOUNTS: dict[str, Any] = {
    EMAIL: {
        "email": EMAIL,
        "password": "hunter2-password",
        "maxJobs": 5,
        "jwt": {"token": "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln", "exp": 1.5, "iat": 0.5, "id": 7},
    },
    "second@studio.example": {"email": "second@studio.example", "error": "login failed"},
}

Respond = Callable[[httpx.Request], httpx.Response]


def shown(value: object) -> str:
    """The name of a case: a function's name, which is the same in each process, else what `repr` tells."""
    return value.__name__ if isinstance(value, FunctionType) else repr(value)


def not_gzip(_: httpx.Request) -> httpx.Response:
    """Give a success whose body is not encoded as its header says."""
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip"))


def client_of(*answers: httpx.Response | Exception | Respond, seen: list[httpx.Request] | None = None) -> RunwayClient:
    """Make a client whose API gives these answers in turn, the last one for ever."""
    left = list(answers)

    def respond(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    return RunwayClient(
        url="https://api.example/v1/runwayml", token=TOKEN, transport=httpx.MockTransport(respond), now=lambda: 1000.0
    )


def as_http(status: int, body: object, *headers: str) -> bytes:
    """Spell an HTTP/1.1 answer with a JSON body and its length."""
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


@dataclass
class Api:
    """An API on a socket of this machine: its base URL, and for each request its connection and its bytes."""

    url: str = ""
    requests: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    connections: int = 0


@asynccontextmanager
async def api(answers: Iterable[bytes], *, hang_up: bool = True) -> AsyncGenerator[Api, None]:
    """Answer request after request with these bytes, then hang up, or keep the connection if `hang_up` is False."""
    left = iter(answers)
    it = Api()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it.connections += 1
        number = it.connections
        while request := await _request(reader):
            it.requests.append((number, request))
            writer.write(next(left))
            await writer.drain()
            if hang_up:
                break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield it


async def _request(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.split(b":")[1]))
    return head
