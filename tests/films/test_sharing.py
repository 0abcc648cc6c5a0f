from functools import partial

import anyio
import pytest

from runway_mcp.films.sharing import AT_ONCE, LONGEST_SECONDS, MOST_LEFT, OF_ONE_CLIP, Shared
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


async def ask_and_leave(shared: Shared[str], make: Maker, *keys: str) -> None:
    """Asks for something of one clip under each key, and waits for none of them."""
    for key in keys:
        with anyio.move_on_after(0.01):
            await shared.of(key, make, clip="clip")


async def test_of_what_nobody_waits_for_and_has_no_turn_yet_the_oldest_is_given_up() -> None:
    begun, left, asked = Maker(), Maker(), Maker()
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)
        await ask_and_leave(shared, begun, *(f"begun {number}" for number in range(OF_ONE_CLIP)))
        await ask_and_leave(shared, left, *(f"left {number}" for number in range(3 * MOST_LEFT)))
        await anyio.sleep(LONGEST_SECONDS / 2)

        assert begun.begun == OF_ONE_CLIP
        assert left.begun == MOST_LEFT
        # The newest ones were made; what was given up is made for whoever asks for it again.
        assert await shared.of("left 0", asked, clip="clip") == "made"
    assert asked.begun == 1


async def test_what_somebody_asks_for_again_is_kept_and_made() -> None:
    slow, kept, left, got = Maker(), Maker(), Maker(), list[str]()
    async with anyio.create_task_group() as group:
        shared = Shared[str](group)

        async def call() -> None:
            got.append(await shared.of("kept", kept, clip="clip"))

        await ask_and_leave(shared, slow, *(f"slow {number}" for number in range(OF_ONE_CLIP)))
        await ask_and_leave(shared, kept, "kept")
        group.start_soon(call)
        await ask_and_leave(shared, left, *(f"left {number}" for number in range(3 * MOST_LEFT)))

    assert got == ["made"]
    assert (kept.begun, left.begun) == (1, MOST_LEFT)


async def test_who_asks_for_what_is_being_given_up_gets_it_nevertheless() -> None:
    slow, left, asked = Maker(), Maker(), Maker()
    async with anyio.create_task_group() as group:
        shared, waiting = Shared[str](group), anyio.CancelScope()

        async def leave_last() -> None:
            with waiting:
                await shared.of("last", left, clip="clip")

        async def ask_at_once(given_up: anyio.Event) -> None:
            await given_up.wait()
            assert await shared.of("left 0", asked, clip="clip") == "made"

        given_up = anyio.Event()
        await ask_and_leave(shared, slow, *(f"slow {number}" for number in range(OF_ONE_CLIP)))
        await ask_and_leave(shared, left, *(f"left {number}" for number in range(MOST_LEFT)))
        group.start_soon(leave_last)
        group.start_soon(ask_at_once, given_up)
        await anyio.wait_all_tasks_blocked()
        waiting.cancel()
        given_up.set()

    assert asked.begun == 1
