from dataclasses import dataclass

import pytest

from runway_mcp.media.pictures.planning import bytes_of, group_before, key_after, samples_until


@dataclass(frozen=True)
class Entry:
    """A sample of ten bytes."""

    timestamp: int
    pos: int
    size: int = 10
    is_keyframe: bool = False


def table(*, keys: tuple[int, ...], count: int = 10) -> list[Entry]:
    """Samples that decode at ticks 0, 2, 4 …, one after the other in the file from byte 100 on."""
    return [Entry(2 * number, 100 + 10 * number, is_keyframe=number in keys) for number in range(count)]


@pytest.mark.parametrize(("tick", "count"), [(-1, 0), (0, 1), (1, 1), (2, 2), (17, 9), (18, 10), (99, 10), (None, 10)])
def test_a_frame_needs_no_sample_that_decodes_after_it_is_shown(tick: int | None, count: int) -> None:
    assert samples_until(table(keys=(0,)), tick) == count


@pytest.mark.parametrize(
    ("keys", "end", "key"), [((0, 4, 8), 10, 8), ((0, 4, 8), 8, 4), ((0, 4), 4, 0), ((0,), 10, 0), ((), 10, 0)]
)
def test_a_group_begins_with_the_last_keyframe_before_it_ends(keys: tuple[int, ...], end: int, key: int) -> None:
    assert group_before(table(keys=keys), end) == key


@pytest.mark.parametrize(("key", "following"), [(0, 4), (4, 8), (8, 10), (9, 10)])
def test_a_group_ends_with_the_next_keyframe_or_the_film(key: int, following: int) -> None:
    assert key_after(table(keys=(0, 4, 8)), key) == following


def test_a_group_of_a_table_without_samples_begins_at_its_start() -> None:
    assert (group_before([], 10), bytes_of([], 0, 0)) == (0, (0, 0))


def test_the_bytes_of_samples_span_them_in_whatever_order_they_lie() -> None:
    scattered = [Entry(0, 500), Entry(2, 300, 50), Entry(4, 900, 7), Entry(6, 10)]

    assert bytes_of(table(keys=()), 2, 5) == (120, 150)
    assert bytes_of(scattered, 0, 3) == (300, 907)
