from collections.abc import Awaitable, Callable

import anyio
import pytest

from runway_mcp.runway.errors import NotFound, Unavailable
from runway_mcp.runway.shared_reads import KEPT_SECONDS, SharedReads

pytestmark = pytest.mark.virtual_time


class Source:
    """What is read: each read takes a second, and gives its number or an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.reads = 0
        self._error = error

    async def __call__(self) -> int:
        self.reads += 1
        number = self.reads
        await anyio.sleep(1)
        if self._error is not None:
            raise self._error
        return number


async def ask(shared: SharedReads, once: Callable[[], Awaitable[int]], *, kept: bool = True) -> int | type[Exception]:
    try:
        return await shared.read("key", once, keeps=lambda _: kept)
    except (NotFound, Unavailable) as error:
        return type(error)


@pytest.mark.parametrize(
    ("error", "told"), [(None, 1), (NotFound("none"), NotFound), (Unavailable("away"), Unavailable)]
)
async def test_who_asks_before_an_answer_comes_shares_it(error: Exception | None, told: object) -> None:
    shared, source, answers = SharedReads(), Source(error), list[object]()

    async def caller(after: float) -> None:
        await anyio.sleep(after)
        answers.append(await ask(shared, source))

    async with anyio.create_task_group() as group:
        for number in range(160):
            group.start_soon(caller, number / 160)

    assert source.reads == 1
    assert answers == [told] * 160


@pytest.mark.parametrize(
    ("error", "kept", "reads"),
    [(None, True, 2), (None, False, 3), (NotFound("none"), False, 2), (Unavailable("away"), True, 3)],
)
async def test_what_hardly_changes_serves_for_a_second(error: Exception | None, kept: bool, reads: int) -> None:
    shared, source = SharedReads(), Source(error)

    await ask(shared, source, kept=kept)
    await anyio.sleep(KEPT_SECONDS / 2)
    await ask(shared, source, kept=kept)
    await anyio.sleep(KEPT_SECONDS * 1.5)
    await ask(shared, source, kept=kept)

    assert source.reads == reads


@pytest.mark.parametrize(("first", "second", "told"), [(0.0, 5.0, [Unavailable, 2]), (5.0, 0.0, [Unavailable] * 2)])
async def test_a_failure_is_shared_with_callers_of_no_more_patience(
    first: float, second: float, told: list[object]
) -> None:
    shared, answers, reads = SharedReads(), list[object](), list[float]()

    async def caller(patience: float) -> None:
        async def once() -> int:
            reads.append(patience)
            await anyio.sleep(1)
            if len(reads) == 1:
                raise Unavailable("away")
            return len(reads)

        try:
            answers.append(await shared.read("key", once, patience=patience))
        except Unavailable as error:
            answers.append(type(error))

    async with anyio.create_task_group() as group:
        group.start_soon(caller, first)
        await anyio.sleep(0.5)
        group.start_soon(caller, second)

    assert answers == told


async def test_who_wants_it_fresh_shares_only_a_read_that_begins_later() -> None:
    shared, source, answers = SharedReads(), Source(), list[int]()

    async def caller() -> None:
        answers.append(await shared.read("key", source, fresh=True))

    async with anyio.create_task_group() as group:
        group.start_soon(caller)
        await anyio.sleep(0.5)
        for _ in range(160):
            group.start_soon(caller)
    await anyio.sleep(KEPT_SECONDS / 2)
    await caller()

    assert answers == [1, *[2] * 160, 3]


async def test_a_caller_who_is_cancelled_leaves_the_read_to_the_next() -> None:
    shared, source, answers = SharedReads(), Source(), list[object]()

    async def caller() -> None:
        answers.append(await ask(shared, source))

    async with anyio.create_task_group() as group:
        with anyio.move_on_after(0.5):
            group.start_soon(caller)
            await ask(shared, source)

    assert answers == [2]
