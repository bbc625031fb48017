"""Answers that are worked on side by side: their order, and how many at once."""

import asyncio
from collections.abc import Coroutine

import pytest

from homestow.server.fronts.netdrive.replies import MOST_OPEN, Gate, Replies


class Peer:
    """Takes what is sent, when it wants to."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        self.got.append(data)


async def after(event: asyncio.Event, answer: bytes) -> bytes:
    await event.wait()
    return answer


async def ready(answer: bytes) -> bytes:
    return answer


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_answers_leave_in_order() -> None:
    """What is ready later than what came after it holds that back; then they leave together."""
    peer, first = Peer(), asyncio.Event()
    replies = Replies(peer.write)
    replies.begin("a", after(first, b"a"))
    for key in "bcd":
        await replies.room_for(key)
        replies.begin(key, ready(key.encode()))
    await turns()
    assert peer.got == []
    first.set()
    await replies.settle()
    assert peer.got == [b"abcd"]
    replies.begin("e", ready(b"e"))
    await replies.settle()
    assert peer.got == [b"abcd", b"e"]
    await replies.close()


async def test_the_same_thing_waits() -> None:
    """A second work about one thing begins when the first is done; others do not wait."""
    peer, first = Peer(), asyncio.Event()
    replies = Replies(peer.write)
    replies.begin("a", after(first, b"1"))
    await replies.room_for("b")
    waiting = asyncio.ensure_future(replies.room_for("a"))
    await turns()
    assert not waiting.done()
    first.set()
    await waiting
    replies.begin("a", ready(b"2"))
    await replies.settle()
    assert b"".join(peer.got) == b"12"


async def test_so_many_at_once() -> None:
    """64 of one connection; a peer that does not read holds the next one back."""
    peer, go = Peer(), asyncio.Event()
    replies = Replies(peer.write)
    for at in range(MOST_OPEN):
        await asyncio.wait_for(replies.room_for(at), 1)
        replies.begin(at, after(go, b"x"))
    waiting = asyncio.ensure_future(replies.room_for("more"))
    await turns()
    assert not waiting.done()
    go.set()
    await waiting
    await replies.settle()
    assert b"".join(peer.got) == b"x" * MOST_OPEN


async def test_a_peer_that_left() -> None:
    """Whoever would send more is told; what is under way comes to its end."""
    done: list[bytes] = []

    async def gone(data: bytes) -> None:
        raise ConnectionResetError

    async def work(answer: bytes) -> bytes:
        await turns(3)
        done.append(answer)
        return answer

    replies = Replies(gone)
    replies.begin("a", ready(b"a"))
    replies.begin("b", work(b"b"))
    with pytest.raises(ConnectionResetError):
        await replies.settle()
    with pytest.raises(ConnectionResetError):
        await replies.room_for("c")
    await replies.close()
    assert done == [b"b"]


async def test_a_mistake_in_the_work_is_not_hidden() -> None:
    """What is no answer ends the connection."""

    async def broken() -> bytes:
        raise RuntimeError("a mistake")

    replies = Replies(Peer().write)
    replies.begin("a", broken())
    with pytest.raises(RuntimeError):
        await replies.settle()
    await replies.close()


async def test_all_together_wait_for_their_turn() -> None:
    """In order, by number and by bytes; one that left while it waited takes nothing with it."""
    gate = Gate(most=3, most_bytes=100)
    entered: list[str] = []

    async def enter(name: str, size: int) -> None:
        await gate.enter(size)
        entered.append(name)

    def begin(name: str, size: int) -> "asyncio.Task[None]":
        work: Coroutine[object, object, None] = enter(name, size)
        return asyncio.create_task(work)

    tasks = [begin("a", 60), begin("b", 50), begin("c", 10), begin("d", 10), begin("e", 10)]
    await turns()
    assert entered == ["a"]
    tasks[1].cancel()
    await turns()
    gate.leave(60)
    await turns()
    assert entered == ["a", "c", "d", "e"]
    late = begin("f", 1)
    await turns()
    assert not late.done()
    late.cancel()
    for size in (10, 10, 10):
        gate.leave(size)
    for at in range(3):
        await asyncio.wait_for(gate.enter(30 + at), 1)
    assert not begin("g", 1).done()
    for size in (30, 31, 32, 1):
        gate.leave(size)
        await turns()
    await asyncio.wait_for(gate.enter(100), 1)
