from functools import partial

import anyio
import pytest

from runway_mcp.films.sharing import AT_ONCE, LONGEST_SECONDS, OF_ONE_CLIP, Shared
from runway_mcp.media.errors import Cut

pytestmark = pytest.mark.virtual_time


class Maker:
    """Makes one thing after `seconds`, and counts."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.begun = self.at_once = self.most = 0

    async def __call__(self) -> str:
        self.begun += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await anyio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        return "made"


async def test_callers_that_want_the_same_get_it_from_one_making() -> None:
    make, got = Maker(), list[str]()
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)

        async def call() -> None:
            got.append(await shared.of("key", make, clip="clip"))

        async with anyio.create_task_group() as callers:
            for _ in range(3):
                callers.start_soon(call)

    assert got == ["made"] * 3
    assert make.begun == 1


async def test_what_a_caller_began_and_left_is_finished_for_the_next() -> None:
    make = Maker()
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)
        with anyio.move_on_after(4) as left:
            await shared.of("key", make, clip="clip")
        began = anyio.current_time()

        assert left.cancelled_caught
        assert await shared.of("key", make, clip="clip") == "made"
        assert anyio.current_time() - began == pytest.approx(1)
    assert make.begun == 1


async def test_what_went_wrong_is_told_to_whoever_waits_and_tried_again_by_the_next() -> None:
    tries: list[int] = []

    async def fail_once() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise KeyError("first")
        return "made"

    async with anyio.create_task_group() as group:
        shared = Shared[str](group)
        with pytest.raises(KeyError):
            await shared.of("key", fail_once, clip="clip")

        assert await shared.of("key", fail_once, clip="clip") == "made"


async def test_nothing_is_made_for_ever_and_only_so_much_at_once() -> None:
    make, cut = Maker(seconds=LONGEST_SECONDS * 2), list[str]()
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)

        async def call(key: str) -> None:
            with pytest.raises(Cut):
                await shared.of(key, make, clip=key)
            cut.append(key)

        async with anyio.create_task_group() as callers:
            for number in range(AT_ONCE + 2):
                callers.start_soon(partial(call, str(number)))

    assert len(cut) == AT_ONCE + 2
    assert make.most == AT_ONCE


async def test_what_is_slow_of_one_clip_holds_up_no_other_clip() -> None:
    slow, quick = Maker(seconds=LONGEST_SECONDS), Maker(seconds=1.0)
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)
        for number in range(2 * AT_ONCE):
            group.start_soon(partial(shared.of, f"slow {number}", slow, clip="slow"))
        await anyio.wait_all_tasks_blocked()

        began = anyio.current_time()
        assert await shared.of("quick", quick, clip="another") == "made"
        assert slow.most == OF_ONE_CLIP
        assert anyio.current_time() - began == pytest.approx(1)
        group.cancel_scope.cancel()
