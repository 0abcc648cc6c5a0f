"""The endpoints under /v1/runwayml: what each reads from a request, and what it answers.

Ids come from the path verbatim: one that was percent-encoded is not decoded, and so is not found.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from runway_mcp.simulator.api import refusals, shapes
from runway_mcp.simulator.api.refusals import Refusal
from runway_mcp.simulator.api.requests import MAX_PROMPT, page, read_create_request, read_extend_request
from runway_mcp.simulator.creates import create
from runway_mcp.simulator.records import KINDS, Asset, MediaType
from runway_mcp.simulator.submits import delete, extend
from runway_mcp.simulator.world import World

MAX_ASSETS = 50
MAX_TASKS = 1000
STATUSES = frozenset({"PENDING", "RUNNING", "THROTTLED", "SUCCEEDED", "FAILED", "CANCELLED"})
MEDIA_TYPES = frozenset({"video", "image", "audio"})
IMAGE_TYPES = frozenset({"png", "jpeg", "gif"})
NEWER_IMAGE_TYPES = frozenset({"webp", "mpo"})

Endpoint = Callable[[World, Request], Awaitable[Response]]


def origin_of(request: Request) -> str:
    """Scheme, host and port under which the caller reached the stand-in."""
    return str(request.base_url).rstrip("/")


async def guarded(world: World, request: Request, endpoint: Endpoint) -> Response:
    """Answers as the endpoint does; 401 without the token, 402 while the switch `lapsed` is on."""
    try:
        if request.headers.get("authorization") != f"Bearer {world.token}":
            raise refusals.unauthorized()
        if world.switches.lapsed:
            raise refusals.lapsed()
        return await endpoint(world, request)
    except Refusal as refusal:
        if isinstance(refusal.body, str):
            return PlainTextResponse(refusal.body, refusal.status, refusal.headers)
        return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def gen3_extend(world: World, request: Request) -> Response:
    """`POST /gen3/extend`: accepts an extension of a Gen-3 Alpha video, by 5 or 10 s."""
    return await _extend(world, request, "gen3a")


async def gen3turbo_extend(world: World, request: Request) -> Response:
    """`POST /gen3turbo/extend`: accepts an extension of a Gen-3 Alpha Turbo video, always by 8 s."""
    return await _extend(world, request, "gen3a_turbo")


async def gen4_5_create(world: World, request: Request) -> Response:
    """`POST /gen4_5/create`: accepts a film of 5, 8 or 10 s, from an image or from text alone."""
    return await _create(world, request, "gen4.5")


async def gen4_create(world: World, request: Request) -> Response:
    """`POST /gen4/create`: accepts a film of 5 or 10 s from an image."""
    return await _create(world, request, "gen4")


async def gen4turbo_create(world: World, request: Request) -> Response:
    """`POST /gen4turbo/create`: accepts a film of 5 or 10 s from an image."""
    return await _create(world, request, "gen4_turbo")


async def list_tasks(world: World, request: Request) -> Response:
    """`GET /tasks/`: a page of the account's tasks; 400 for a status that does not exist."""
    offset, limit = page(request.query_params, largest=MAX_TASKS)
    statuses = frozenset(filter(None, request.query_params.get("statuses", "").split(",")))
    if statuses - STATUSES:
        raise refusals.refused(400, f"Parameter statuses does not support {min(statuses - STATUSES)}.")
    account = world.account(request.query_params.get("email"))
    tasks = world.list_tasks(account, statuses)[offset : offset + limit]
    return JSONResponse(shapes.list_body(world, origin_of(request), tasks))


async def read_task(world: World, request: Request) -> Response:
    """`GET /tasks/{taskId}`: the task as it stands now; 404 if it is unknown or hidden."""
    task = world.find_task(request.path_params["id"])
    world.account(task.email)
    return JSONResponse(shapes.read_body(world, origin_of(request), task))


async def delete_task(world: World, request: Request) -> Response:
    """`DELETE /tasks/{taskId}`: hides or stops the task, as the switch `delete_task` says."""
    delete(world, world.find_task(request.path_params["id"]))
    return JSONResponse({"success": True})


async def list_scheduler(world: World, request: Request) -> Response:  # noqa: ARG001  every endpoint takes a request
    """`GET /scheduler/`: the unfinished tasks that the scheduler follows, of every account."""
    return JSONResponse(shapes.scheduler_body(world))


async def delete_scheduler(world: World, request: Request) -> Response:
    """`DELETE /scheduler/{taskId}`: stops following the task and its callbacks, not the generation.

    404 for a task that the scheduler does not follow.
    """
    task_id = request.path_params["id"]
    for task in world.running():
        if world.task_id(task) == task_id:
            task.followed = False
            world.notify()
            return JSONResponse({"success": True})
    raise refusals.not_running(task_id)


async def list_assets(world: World, request: Request) -> Response:
    """`GET /assets/`: a page of the account's assets; 400 for a media type that does not exist."""
    offset, limit = page(request.query_params, largest=MAX_ASSETS)
    media_type = request.query_params.get("mediaType")
    if media_type is not None and media_type not in MEDIA_TYPES:
        raise refusals.refused(400, "Parameter mediaType supports values video, image, audio.")
    account = world.account(request.query_params.get("email"))
    assets = world.list_assets(account, media_type)[offset : offset + limit]
    return JSONResponse([shapes.asset_body(world, origin_of(request), asset) for asset in assets])


async def read_asset(world: World, request: Request) -> Response:
    """`GET /assets/{assetId}`: one asset, its links signed anew; 404 if it is unknown or deleted."""
    asset = _asset(world, request)
    world.account(asset.email)
    return JSONResponse(shapes.asset_body(world, origin_of(request), asset))


async def delete_asset(world: World, request: Request) -> Response:
    """`DELETE /assets/{assetId}`: marks the asset as deleted; 404 if it is unknown."""
    _asset(world, request).deleted = True
    return JSONResponse({"success": True})


async def upload_asset(world: World, request: Request) -> Response:
    """`POST /assets/`: adds the raw body as an asset, described by the query; 400 or 413 for what it does not take."""
    query = request.query_params
    name = query.get("name")
    if not name:
        raise refusals.refused(400, "Parameter name is required.")
    account = world.account(query.get("email"))
    content_type = request.headers.get("content-type", "").partition(";")[0].lower()
    media_type = _media_type(world, content_type)
    content = await request.body()
    if not content:
        raise refusals.refused(400, "Request body is empty.")
    if len(content) > world.switches.largest_upload:
        raise refusals.refused(413, f"File is too large, maximum size is {world.switches.largest_upload} bytes.")
    told = {key: _number(query[key], key) for key in ("duration", "width", "height") if key in query}
    asset = Asset(
        uuid=world.new_uuid(),
        email=account.email,
        name=name,
        created=world.now(),
        media_type=media_type,
        content=content,
        duration=told.get("duration"),
        width=int(told["width"]) if "width" in told else None,
        height=int(told["height"]) if "height" in told else None,
        extension=name.rpartition(".")[2] if "." in name else content_type.rpartition("/")[2],
        uploaded=True,
    )
    known = world.known_upload(asset) if world.switches.known_uploads else None
    return JSONResponse(shapes.upload_body(world, origin_of(request), known or world.add_asset(asset)))


async def list_accounts(world: World, request: Request) -> Response:  # noqa: ARG001  every endpoint takes a request
    """`GET /accounts`: the linked accounts by address; 404 if there are none."""
    if not world.accounts:
        raise refusals.no_configuration(plain=world.switches.plain_404)
    return JSONResponse({email: shapes.account_body(world, each) for email, each in world.accounts.items()})


async def read_account(world: World, request: Request) -> Response:
    """`GET /accounts/{email}`: one linked account; 404 if it is unknown."""
    account = world.accounts.get(request.path_params["id"])
    if account is None:
        raise refusals.no_configuration(plain=world.switches.plain_404)
    return JSONResponse(shapes.account_body(world, account), 201 if world.switches.account_created else 200)


async def read_features(world: World, request: Request) -> Response:
    """`GET /features/`: what the account's plan permits, and what it has used."""
    return JSONResponse(shapes.features_body(world, world.account(request.query_params.get("email"))))


async def _extend(world: World, request: Request, task_type: str) -> Response:
    body, text = await _body(request)
    task = extend(world, read_extend_request(body, turbo=task_type == "gen3a_turbo", text=text), KINDS[task_type])
    return JSONResponse(shapes.created_body(world, origin_of(request), task))


async def _create(world: World, request: Request, task_type: str) -> Response:
    body, text = await _body(request)
    kind = KINDS[task_type]
    wanted = read_create_request(
        body,
        lengths=kind.creates,
        from_text=kind.from_text,
        image_required=world.switches.frame_required,
        prompt=MAX_PROMPT if kind.from_text else world.switches.gen4_prompt,
        text=text,
    )
    return JSONResponse(shapes.created_body(world, origin_of(request), create(world, wanted, kind)))


async def _body(request: Request) -> tuple[Any, bool]:
    """The body of a submit, and whether it is a form, where every value is text."""
    content_type = request.headers.get("content-type", "").partition(";")[0].lower()
    if content_type == "multipart/form-data":
        form: FormData = await request.form()
        return dict(form), True
    if content_type != "application/json":
        raise refusals.refused(400, "Content-Type must be application/json or multipart/form-data.")
    try:
        return json.loads(await request.body()), False
    except ValueError:
        raise refusals.refused(400, "Request body is not valid JSON.") from None


def _asset(world: World, request: Request) -> Asset:
    asset = world.find_asset(request.path_params["id"])
    if asset is None:
        raise refusals.not_found()
    return asset


def _media_type(world: World, content_type: str) -> MediaType:
    head, _, kind = content_type.partition("/")
    images = IMAGE_TYPES | NEWER_IMAGE_TYPES if world.switches.webp_uploads else IMAGE_TYPES
    if head not in MEDIA_TYPES or (head == "image" and kind not in images):
        raise refusals.refused(400, f"Content-Type {content_type or '(none)'} is not supported.")
    return head  # pyright: ignore[reportReturnType]  membership of a frozenset narrows nothing


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise refusals.refused(400, f"Parameter {name} must be a number.") from None
