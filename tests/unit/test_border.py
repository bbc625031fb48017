"""The border's crossings: alone, together, and not at all."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from homestow.server.border import Border, Lane
from homestow.values.errors import Busy, CloudError, NotFound


@pytest.fixture
async def border() -> AsyncIterator[Border]:
    made = Border(workers=2, waiting=6)
    yield made
    await asyncio.get_running_loop().run_in_executor(None, made.close)


async def test_work_is_done_in_a_worker(border: Border) -> None:
    """`run` gives the result, or raises what the work raised."""
    assert await border.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await border.run(lambda: 1 // 0)


async def test_short_reads_stay_here_while_they_are_quick(border: Border) -> None:
    """The first read crosses; when it was quick, the next are done on the loop; a slow one sends all across again."""
    here = threading.get_ident()

    assert await border.short(threading.get_ident, threading.get_ident) != here
    assert await border.short(threading.get_ident, threading.get_ident) == here
    assert border.at_hand(threading.get_ident) == here
    border.at_hand(lambda: time.sleep(0.004))
    assert border.at_hand(threading.get_ident) is None
    assert await border.short(threading.get_ident, threading.get_ident) != here


async def test_what_is_not_at_hand_crosses(border: Border) -> None:
    """None from `at_hand` means that the work itself is asked."""
    await border.short(lambda: 1)

    assert await border.short(lambda: "found", lambda: None) == "found"


async def test_items_given_together_share_one_call(border: Border) -> None:
    """One call for all items of one turn; each gets its own result or error."""
    calls: list[list[int]] = []

    def work(items: list[int]) -> list[int | CloudError]:
        calls.append(items)
        return [NotFound("no") if item == 2 else item * 10 for item in items]

    results = await asyncio.gather(*(border.together(work, item) for item in (1, 2, 3)), return_exceptions=True)

    assert calls == [[1, 2, 3]]
    assert results[0] == 10
    assert isinstance(results[1], NotFound)
    assert results[2] == 30


async def test_what_the_shared_call_raises_is_everybodys(border: Border) -> None:
    """A mistake in the work leaves nobody waiting."""

    def work(items: list[int]) -> list[int | CloudError]:
        raise RuntimeError("mistake")

    results = await asyncio.gather(*(border.together(work, item) for item in (1, 2)), return_exceptions=True)

    assert [type(result) for result in results] == [RuntimeError, RuntimeError]


async def test_too_many_are_refused(border: Border) -> None:
    """Beyond workers and waiting room callers are told to come back (no unbounded queue)."""
    gate = threading.Event()
    waiting = [asyncio.ensure_future(border.run(gate.wait, 20)) for _ in range(8)]
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        await border.run(int)

    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 8


@pytest.mark.parametrize("lane", Lane)
async def test_a_full_lane_holds_up_nothing_else(border: Border, lane: Lane) -> None:
    """However many wait in a lane, other calls go on; beyond its waiting room callers of its kind are told to come back."""
    gate = threading.Event()
    asked = [asyncio.ensure_future(border.apart(lane, lambda: gate.wait(20))) for _ in range(2000)]
    await asyncio.sleep(0)
    refused = [each for each in asked if each.done()]

    assert await border.run(int) == 0
    assert await border.short(int) == 0
    gate.set()
    assert 0 < len(refused) < len(asked)
    assert all(isinstance(each.exception(), Busy) for each in refused)
    assert await asyncio.gather(*(each for each in asked if each not in refused))
