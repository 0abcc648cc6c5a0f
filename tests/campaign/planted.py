"""Rooms with a planted fault each, which a campaign that looks must find."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import SubmitUnclear
from runway_mcp.runway.models import ExtendRequest, Task
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.plan import Plan
from runway_mcp.tasks.room import TasksRoom
from runway_mcp.tasks.submit import Say, Submissions, Submitted
from tests.campaign.servers import OpenRoom, open_ours

Fault = Callable[[Submitted, Path], Submitted]


class PostsAgain:
    """A client that repeats a POST whose answer was lost, as generic retries do."""

    def __init__(self, client: RunwayClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def extend(self, request: ExtendRequest, *, turbo: bool = False) -> Task:
        try:
            return await self._client.extend(request, turbo=turbo)
        except SubmitUnclear:
            return await self._client.extend(request, turbo=turbo)


class Spoilt:
    """Submits as ours do, then spoils what came of it."""

    def __init__(self, submissions: Submissions, ledger: Path, spoil: Fault) -> None:
        self._submissions = submissions
        self._ledger = ledger
        self._spoil = spoil

    async def submit(self, plan: Plan, *, deadline: float, say: Say) -> Submitted:
        try:
            return self._spoil(await self._submissions.submit(plan, deadline=deadline, say=say), self._ledger)
        except Failure as failure:
            if self._spoil is lies:
                raise Failure(failure.kind, failure.message, charged="no") from failure
            raise


@asynccontextmanager
async def posts_again(client: RunwayClient, ledger: Path) -> AsyncGenerator[TasksRoom]:
    """A room that posts a second time when the first answer is lost."""
    async with open_ours(cast("RunwayClient", PostsAgain(client)), ledger) as room:
        yield room


@asynccontextmanager
async def dies(client: RunwayClient, ledger: Path) -> AsyncGenerator[TasksRoom]:
    """A room whose background stumbles."""

    async def stumble() -> None:
        await anyio.sleep(5)
        raise ValueError("a fault of the room")

    async with open_ours(client, ledger) as room, anyio.create_task_group() as background:
        background.start_soon(stumble)
        yield room


def spoilt(spoil: Fault) -> OpenRoom:
    """A room whose submits come to something else."""

    @asynccontextmanager
    async def opened(client: RunwayClient, ledger: Path) -> AsyncGenerator[TasksRoom]:
        async with open_ours(client, ledger) as room:
            yield replace(room, submissions=cast("Submissions", Spoilt(room.submissions, ledger, spoil)))

    return opened


def forgets(submitted: Submitted, ledger: Path) -> Submitted:
    """Drops the intent."""
    _change(ledger, "DELETE FROM intents")
    return submitted


def unsettles(submitted: Submitted, ledger: Path) -> Submitted:
    """Takes the task from its intent and gives up."""
    _change(ledger, "UPDATE intents SET task_id = NULL, state = 'unknown'")
    return submitted


def mistakes(submitted: Submitted, ledger: Path) -> Submitted:
    """Owns the film's parent instead of the film."""
    _change(ledger, "UPDATE intents SET task_id = parent_task_id")
    return submitted


def misleads(submitted: Submitted, _: Path) -> Submitted:
    """Returns the parent's task."""
    return replace(submitted, task=Task(task_id=submitted.intent.parent_task_id, status="SUCCEEDED"))


def lies(submitted: Submitted, _: Path) -> Submitted:
    """Says of each failure that nothing was charged."""
    return submitted


def _change(ledger: Path, statement: str) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute(statement)
        connection.commit()
