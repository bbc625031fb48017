"""A client that dies before it hears the answer knows its own content again (SC-093, SC-141)."""

import pytest
from tests.unit.sync_rig import Computer, settle
from tests.unit.sync_wire import BLOCK, nothing, small_blocks, wired

from homestow.client.adapters.clock_memory import SimClock


class Died(BaseException):
    """The process ends here."""


def die(name: str) -> None:
    """After the server has done it."""
    if name in ("put_small", "finish"):
        raise Died


@pytest.mark.parametrize("size", [10, 5 * BLOCK])
@pytest.mark.parametrize("new", [False, True])
def test_an_edit_after_the_death_is_no_conflict(size: int, new: bool) -> None:
    """The content that arrived without our hearing of it is ours: editing the file again is no conflict with ourselves."""
    server, clock = small_blocks(), SimClock()
    one, wire = wired("A", server, clock)
    other = Computer("B", server, clock)
    one.write("something", "else")
    if not new:
        one.write("f", "0" * size)
    one.sync()
    one.write("f", "1" * size)
    wire.lose = die
    with pytest.raises(Died):
        one.sync()
    wire.lose = nothing
    one.write("f", "2" * size)
    one.restart()
    settle(one, other)
    assert one.files() == other.files() == {"something": b"else", "f": b"2" * size}
    assert not one.state.sent()
