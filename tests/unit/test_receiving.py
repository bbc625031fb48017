"""Digests of an upload that are taken on the way are those of the bytes that lie there, whatever came in which order."""

import hashlib
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from homestow.server.adapters.content_memory import MemoryContent
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.rules import ranges as spans
from homestow.server.service.receiving import Arriving
from homestow.values.errors import StorageFull

SIZE = 64
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "again", "catch_up", "md5", "cut", "count"]), st.integers(0, SIZE), st.integers(1, SIZE)
    ),
    max_size=30,
)  # fmt: skip


def arriving(received: spans.Ranges = ()) -> Arriving:
    staged = MemoryContent().stage("k")
    staged.truncate(SIZE)
    return Arriving(staged, SIZE, received, received)


def lies_there(made: Arriving) -> tuple[bytes, bytes]:
    data = made.staged.read_at(0, made.size)
    return blake3(data).digest(), hashlib.md5(data, usedforsecurity=False).digest()


@settings(max_examples=500, deadline=None)
@given(steps=STEPS, resumed=st.booleans(), seed=st.integers(0, 9))
def test_any_steps_end_in_the_digests_of_what_lies_there(
    steps: list[tuple[str, int, int]], resumed: bool, seed: int
) -> None:
    """Writes anywhere, of the same or of other bytes, counted or not, cut off again, digested in between."""
    made = arriving((0, SIZE // 2) if resumed else ())
    chance = random.Random(seed)
    wrote: list[tuple[int, int]] = []
    for what, at, size in steps:
        stop = min(SIZE, at + size)
        match what:
            case "write":
                made.write(at, memoryview(chance.randbytes(stop - at)))
                wrote.append((at, stop))
            case "again" if wrote:
                at, stop = chance.choice(wrote)
                made.write(at, memoryview(chance.randbytes(stop - at)))
            case "count" if wrote:
                made.got(*wrote.pop())
            case "catch_up":
                made.catch_up(size)
            case "md5":
                made.want_md5()
            case "cut":
                made.cut(at if at % 2 else 0)
            case _:
                pass
    made.want_md5()
    made.catch_up(SIZE)
    made.write(0, memoryview(chance.randbytes(SIZE)))
    made.got(0, SIZE)
    assert made.digests() == lies_there(made)
    made.cut(0)
    made.write(0, memoryview(bytes(SIZE)))
    made.got(0, SIZE)
    assert made.digests() == lies_there(made)


@pytest.mark.parametrize("seed", range(5))
def test_threads_that_write_the_same_places(tmp_path: Path, seed: int) -> None:
    """With other bytes each, digested meanwhile: once all is there nobody writes any more, and the digests are right."""
    size, piece = 4 << 20, 256 << 10
    staged = TreeContent(tmp_path).stage("k")
    staged.truncate(size)
    made = Arriving(staged, size, (), ())
    made.want_md5()

    def work(number: int) -> None:
        chance = random.Random(seed * 10 + number)
        places = list(range(0, size, piece))
        chance.shuffle(places)
        for at in places if number else sorted(places):
            made.write(at, memoryview(bytes([number]) * piece))
            if number == 0:
                made.got(at, at + piece)
            made.catch_up(1 << 20)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    threads[0].join()
    assert spans.covers(made.received, 0, size)
    found = made.digests()
    assert found == lies_there(made)
    for thread in threads[1:]:
        thread.join()
    assert found == lies_there(made)
    staged.close()


def test_a_write_that_failed_is_not_in_the_digest() -> None:
    """What could not be stored is sent again, perhaps as something else."""
    made = arriving()
    made.want_md5()
    real: Callable[..., None] = made.staged.write_at

    def fails(*args: object, **kwargs: object) -> None:
        raise StorageFull("No room.")

    made.staged.write_at = fails  # type: ignore[method-assign]  # a disk that fails once
    with pytest.raises(StorageFull):
        made.write(0, memoryview(b"1" * SIZE))
    made.staged.write_at = real  # type: ignore[method-assign]  # and then does not
    made.write(0, memoryview(b"2" * SIZE))
    made.got(0, SIZE)
    assert made.digests() == lies_there(made)
