"""Shapes: bodies as upstream sends them, oddities included; the switches choose where sources disagree.

A task differs between submit, read, list and callback; a file's size is text in one place and a number in another;
metadata has three forms.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from runway_mcp.simulator.media.films import FRAME_RATE
from runway_mcp.simulator.records import Account, Asset, Task
from runway_mcp.simulator.timeline import Moment
from runway_mcp.simulator.world import World


def created_body(world: World, origin: str, task: Task) -> dict[str, Any]:
    """The answer to a submit: the task as accepted, the account's credits, and the caller's replyUrl and replyRef."""
    body = _task(world, origin, task, task.moments[0])
    body["features"] = _flat_features(world, world.accounts[task.email])
    body |= world.references(task)
    if world.switches.wrap_create:
        return {"task": body, "code": 200}
    return body | {"code": 200}


def read_body(world: World, origin: str, task: Task) -> dict[str, Any]:
    """The answer to a read of one task: by default no features, no replyUrl, no replyRef, no code."""
    body = _task(world, origin, task, task.moment(world.now()))
    if world.switches.reply_in_get:
        body |= world.references(task)
    if world.switches.code_in_get:
        body |= {"features": _flat_features(world, world.accounts[task.email]), "code": 200}
    return {"task": body} if world.switches.wrap_get else body


def list_body(world: World, origin: str, tasks: Sequence[Task]) -> Any:
    """The answer to a list of tasks, in the form of the switch `task_list`."""
    now = world.now()
    bodies = [_task(world, origin, task, task.moment(now)) for task in tasks]
    if world.switches.reply_in_list:
        bodies = [body | world.references(task) for body, task in zip(bodies, tasks, strict=True)]
    if world.switches.thin_ends:
        bodies = [body | {"error": None, "artifacts": _names(body["artifacts"])} for body in bodies]
    if world.switches.task_list == "object":
        return bodies[0] if bodies else {}
    return {"tasks": bodies} if world.switches.task_list == "wrapped" else bodies


def _names(artifacts: Any) -> list[dict[str, Any]]:
    return [{"assetId": artifact["assetId"]} for artifact in artifacts]


def callback_body(world: World, task: Task, moment: Moment) -> dict[str, Any]:
    """The body of a callback: the task at this moment, with replyUrl and replyRef at the top."""
    return _task(world, world.origin, task, moment, at=moment.at) | world.references(task)


def scheduler_body(world: World) -> list[dict[str, str]]:
    """The unfinished tasks that the scheduler follows, each with its replyUrl and replyRef."""
    seen_until = world.now() - world.switches.late_in_scheduler
    return [
        {"taskId": world.task_id(task), **world.references(task)}
        for task in world.running()
        if task.created <= seen_until
    ]


def asset_body(world: World, origin: str, asset: Asset) -> dict[str, Any]:
    """An asset as lists and reads show it; an upload has neither taskId nor mediaSubtype."""
    created = _date(world, asset.exists_from)
    body: dict[str, Any] = {
        "assetId": world.asset_id(asset),
        "id": asset.uuid,
        "createdAt": created,
        "updatedAt": created,
        "name": asset.name,
        **_links(world, origin, asset),
        "mediaType": asset.media_type,
        "mediaSubtype": None,
        "fileCount": 1,
        "fileSize": str(asset.size) if world.switches.asset_size == "string" else asset.size,
        "fileExtStandardized": asset.extension,
        "isUserUpload": asset.uploaded,
        "username": asset.email.partition("@")[0],
        "userPicture": None,
        **_owner(world, asset.email),
        "private": True,
        "privateInTeam": True,
        "favorite": False,
        "parentAssetGroupId": None,
        "metadata": _metadata(world, asset, asset.metadata),
    }
    if asset.task:
        body["taskId"] = world.task_id(asset.task)
    if asset.uploaded:
        del body["mediaSubtype"]
    return _with_extra_fields(world, body)


def upload_body(world: World, origin: str, asset: Asset) -> dict[str, Any]:
    """The answer to an upload, whose shape differs from that of every other asset."""
    created = _date(world, asset.exists_from)
    owner = {"id": world.accounts[asset.email].user_id, "username": asset.email.partition("@")[0]}
    return {
        "assetId": world.asset_id(asset),
        "id": asset.uuid,
        "user": owner,
        "createdAt": created,
        "updatedAt": created,
        "name": asset.name,
        "description": "",
        "type": {"name": asset.media_type, "type": asset.media_type, "isDirectory": False},
        "size": asset.size,
        **_links(world, origin, asset),
        "fileCount": 1,
        "private": True,
        "permissions": {"read": True, "write": True, "admin": True},
        "annotated": False,
        "isUserUpload": True,
        "sourceApplication": "web",
        "createdBy": owner,
        "favorite": False,
    }


def account_body(world: World, account: Account) -> dict[str, Any]:
    """A linked account, its password and its token in clear, as upstream shows them."""
    now = world.wall_at(world.now())
    body: dict[str, Any] = {
        "email": account.email,
        "password": account.password,
        "maxJobs": account.max_jobs,
        "jwt": {
            "token": f"simulated-jwt-of-{account.email}",
            "exp": now + 30 * 86400.0,
            "iat": now,
            "id": account.user_id,
        },
    }
    return body | ({"error": account.error} if account.error else {})


def features_body(world: World, account: Account) -> dict[str, Any]:
    """What the account's plan permits, and what was used of it."""
    return {
        "permitted": {"storageGB": account.storage_gb, "numPlanCredits": account.permitted},
        "used": {"numPlanCredits": world.used(account)},
    }


def _flat_features(world: World, account: Account) -> dict[str, int]:
    return {
        "storageGB": account.storage_gb,
        "numPlanCredits_permitted": account.permitted,
        "numPlanCredits_used": world.used(account),
    }


def _task(world: World, origin: str, task: Task, moment: Moment, *, at: float | None = None) -> dict[str, Any]:
    """The task as this moment shows it, with its films as they show `at` this time, by default now."""
    with_films = moment.last and (world.now() if at is None else at) >= moment.at + world.switches.late_films
    options = dict(task.options)
    if world.switches.hidden_seeds:
        options.pop("seed", None)
    if task.parent and task.parent.media_type == "video":
        options["init_video"] = _links(world, origin, task.parent)["url"]
    elif task.parent and world.switches.start_frame_told:
        options["init_image"] = _links(world, origin, task.parent)["url"]
    status = world.switches.running_word if moment.status == "RUNNING" else moment.status
    body: dict[str, Any] = {
        "taskId": world.task_id(task),
        "id": task.uuid,
        "name": task.name,
        "image": None,
        "createdAt": _date(world, task.created),
        "updatedAt": _date(world, moment.at),
        "taskType": _task_type(world, task),
        "options": options,
        "status": status,
        "error": _error(world, task) if moment.last else None,
        "progressText": None,
        "progressRatio": _ratio(world, moment),
        "estimatedTimeToStartSeconds": _estimate(world, task, moment),
        "artifacts": [_artifact(world, origin, asset) for asset in task.artifacts] if with_films else [],
        "sharedAsset": None,
    }
    return _with_extra_fields(world, body)


def _task_type(world: World, task: Task) -> str:
    return world.switches.gen4_5_type if task.kind.task_type == "gen4.5" else task.kind.task_type


def _artifact(world: World, origin: str, asset: Asset) -> dict[str, Any]:
    created = _date(world, asset.exists_from)
    return {
        "assetId": world.asset_id(asset),
        "id": asset.uuid,
        "createdAt": created,
        "updatedAt": created,
        **_owner(world, asset.email),
        "taskId": world.task_id(asset.task) if asset.task else None,
        "parentAssetGroupId": None,
        "filename": asset.name,
        **_links(world, origin, asset),
        "fileSize": asset.size if world.switches.artifact_size == "number" else str(asset.size),
        "isDirectory": False,
        "private": True,
        "privateInTeam": True,
        "deleted": asset.deleted,
        "reported": False,
        "favorite": False,
        "metadata": _metadata(world, asset, "A"),
    }


def _ratio(world: World, moment: Moment) -> str | float | None:
    if moment.ratio is None or (world.switches.progress == "null" and not moment.last):
        return None
    return moment.ratio if world.switches.progress == "number" else f"{moment.ratio:.4g}"


def _estimate(world: World, task: Task, moment: Moment) -> float | int | None:
    if moment.last or moment.status == "RUNNING":
        return None
    if not math.isfinite(task.starts):
        return None
    return round(max(0.0, task.starts - max(world.now(), moment.at)), 1) or 0


def _error(world: World, task: Task) -> Any:
    if task.script.outcome not in {"fail", "moderate"}:
        return None
    if not isinstance(task.script.error, type(...)):
        return task.script.error
    moderated = task.script.outcome == "moderate"
    sentence = "Your prompt did not pass moderation." if moderated else "An unexpected error occurred."
    if world.switches.task_error == "object":
        return {
            "errorMessage": sentence,
            "reason": "SAFETY.INPUT.TEXT" if moderated else "INTERNAL.BAD_OUTPUT.CODE01",
            "message": sentence,
            "moderation_category": "safety" if moderated else "",
            "tally_asimov": moderated,
        }
    return sentence if world.switches.task_error == "string" else None


def _metadata(world: World, asset: Asset, own: str) -> dict[str, Any] | None:
    form = own if world.switches.metadata == "own" else world.switches.metadata
    if form == "null" or asset.duration is None:
        return None
    has_sound = asset.film is not None and asset.film.form.sound
    base = {"frameRate": asset.film.form.rate if asset.film else FRAME_RATE, "duration": asset.duration}
    if form == "A":
        size = {"width": asset.width, "height": asset.height}
        return base | {"dimensions": [asset.width, asset.height], "size": size}
    return base | {"width": asset.width, "height": asset.height, "hasAlphaChannel": False, "hasAudio": has_sound}


def _links(world: World, origin: str, asset: Asset) -> dict[str, Any]:
    token = world.signer.sign(asset.uuid, world.wall_at(world.now()) + world.switches.link_seconds)
    base = f"{origin}/files/{asset.uuid}"
    previews = [f"{base}-{number}.jpg?_jwt={token}" for number in range(asset.previews)]
    return {"url": f"{base}.{asset.extension}?_jwt={token}", "previewUrls": previews}


def _owner(world: World, email: str) -> dict[str, int]:
    user_id = world.accounts[email].user_id
    return {"userId": user_id, "createdBy": user_id}


def _with_extra_fields(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return body | {"experiments": {"arm": "b", "weight": 2}} if world.switches.extra_fields else body


def _date(world: World, moment: float) -> str:
    date = datetime.fromtimestamp(world.wall_at(moment), UTC)
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03d}Z"
