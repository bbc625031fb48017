"""Where blocks lie, whatever the order they come in."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.server.rules.ditto_blocks import Layout, add, offset_of
from homestow.values.errors import BadRequest


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 1 << 30))
def test_any_order_gives_the_same_places(whole: int, size: int, seed: int) -> None:
    """Blocks of one size and a rest, shuffled, some twice: all are taken, and lie where they should in the end."""
    blocks = [(no, min(size, whole - at)) for no, at in enumerate(range(0, whole, size))]
    coming = blocks + random.Random(seed).choices(blocks, k=3)
    random.Random(seed).shuffle(coming)
    layout = Layout(whole)
    for no, length in coming:
        layout = add(layout, no, length)
    assert [offset_of(layout, no) for no, _ in blocks] == list(range(0, whole, size))


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(-2, 45), st.integers(-1, 45)), max_size=8))
def test_what_was_taken_never_overlaps(whole: int, coming: list[tuple[int, int]]) -> None:
    """Whatever comes, the blocks that were taken lie beside one another within the file."""
    layout, taken = Layout(whole), dict[int, int]()
    for no, size in coming:
        try:
            layout = add(layout, no, size)
        except BadRequest:
            continue
        taken[no] = size
    ranges = sorted((offset_of(layout, no), offset_of(layout, no) + size) for no, size in taken.items())
    assert all(0 <= start < stop <= whole for start, stop in ranges)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ranges))


def test_the_last_block_may_come_first() -> None:
    """A larger one moves it."""
    layout = add(Layout(10), 2, 2)
    assert offset_of(layout, 2) == 4
    layout = add(layout, 0, 4)
    assert (offset_of(layout, 0), offset_of(layout, 2)) == (0, 8)
    assert add(layout, 1, 4) == layout


@pytest.mark.parametrize(
    "blocks", [[(0, 11)], [(-1, 1)], [(10, 1)], [(1, 6)], [(0, 4), (1, 3)], [(0, 3), (1, 3), (2, 4)], [(2, 2), (0, 5)], [(0, 4), (2, 2), (2, 1)]]
)  # fmt: skip
def test_what_no_file_has_is_refused(blocks: list[tuple[int, int]]) -> None:
    """The message says which block it is about."""
    layout = Layout(10)
    for no, size in blocks[:-1]:
        layout = add(layout, no, size)
    with pytest.raises(BadRequest, match=str(blocks[-1][0])):
        add(layout, *blocks[-1])
