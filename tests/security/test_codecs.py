"""Bytes of strangers before anybody knows who they are: the codecs of netdrive and PiCloud (rows S71, S73, S76)."""

import tracemalloc

import pytest

from homestow.wire import netdrive, picloud
from homestow.wire.netdrive import Answers, Dialect, FrameError, Malformed, Reason, Request, Requests

ODD_JSON = [
    *(b'{"a":' + number + b"}" for number in (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"9007199254740993", b"9" * 5000)),
    b'{"a":' * 32 + b"{}" + b"}" * 32, b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", b'{"a":' * 10_000 + b"}" * 10_000,
    b'{"session":"a","session":"b"}', b'{"a":{"b":1,"b":1}}', b'{"a":"\\ud800"}', b'{"\\udc00":1}', b'{"a":"\xff\xff"}', b'{"a":"\xc3"}',
]  # fmt: skip
LENGTHS = [-1, -(2**31), -(2**63), 2**53 + 1, 2**63, 2**64, 10**400]


def first(data: bytes) -> object:
    """The first event of a connection that begins so."""
    reader = Requests()
    reader.feed(data)
    return reader.next()


@pytest.mark.parametrize("odd", ODD_JSON, ids=range(len(ODD_JSON)))
def test_S73_netdrive_reads_json_strictly(odd: bytes) -> None:
    """Depth, numbers, keys and texts that are none end in a clear error in each dialect and on both ends, never in another."""
    with pytest.raises(FrameError) as caught:
        first(b'{"type":"dirinfo","x":' + odd + b"}")
    assert caught.value.reason is Reason.BAD_JSON
    assert isinstance(first(b"getdir\n" + odd + b"\0"), Malformed)
    with pytest.raises(FrameError):
        first(b"uploadChunk\n" + odd + b"\0")
    for dialect, kind, data in (
        (Dialect.FINAL, "getdir", b"getdirRes\n" + odd + b"\0"),
        (Dialect.DOCUMENTED, "dirinfo", odd + b"\0"),
        (Dialect.PHASE0, "download", odd + b"\0"),
    ):
        reader = Answers(dialect)
        reader.expect(kind)
        reader.feed(data)
        with pytest.raises(FrameError):
            reader.next()


@pytest.mark.parametrize("length", LENGTHS)
def test_S71_lengths_that_are_none_end_a_netdrive_connection(length: int) -> None:
    """Negative ones and ones beyond 2^53 cannot be followed: nothing behind them is read as a message."""
    for data in (
        b'{"type":"upload","filename":"a","size":%d}',
        b'{"type":"upload","session":"s","vfile_id":1,"offset":0,"chunksize":%d}',
        b'uploadChunk\n{"session":"s","vfile_id":1,"queueid":1,"chunkid":0,"offset":0,"chunksize":%d}\0',
    ):
        with pytest.raises(FrameError) as caught:
            first(data % length + b'{"type":"logout","session":"s"}')
        assert caught.value.reason in (Reason.NO_LENGTH, Reason.BAD_JSON)


def test_S71_declared_lengths_take_no_memory() -> None:
    """A body of 8 PiB or a frame of 4 GiB is announced to the front; nothing is kept for it but what came."""
    tracemalloc.start()
    try:
        announced = first(b'{"type":"upload","filename":"a","size":9007199254740992}')
        frames = picloud.Frames()
        frames.feed(b"\xff\xff\xff\xff" + b"x" * 1000)
        begun = frames.next()
        small = picloud.Frames()
        small.feed(picloud.frame_head(picloud.MAX_HELD) + b"x")
        waiting = small.next()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(announced, Request)
    assert (announced.body, begun, waiting) == (2**53, picloud.Begun(2**32 - 1), None)
    assert peak < 200_000


def test_S71_heads_are_bounded() -> None:
    """A head without end is refused at 64 KiB, however slowly it comes, and an answer at its own limit."""
    for start in (b"getdir\n", b'{"type":"'):
        reader = Requests()
        reader.feed(start)
        for _ in range(netdrive.MAX_HEAD // 1024 - 1):
            reader.feed(b"x" * 1024)
            assert reader.next() is None
        assert reader.buffered <= netdrive.MAX_HEAD
        reader.feed(b"x" * 1024)
        with pytest.raises(FrameError) as caught:
            reader.next()
        assert caught.value.reason is Reason.TOO_LONG
    answers = Answers(Dialect.FINAL)
    answers.expect("login")
    answers.feed(b"loginRes\n" + b" " * netdrive.MAX_ANSWER)
    with pytest.raises(FrameError):
        answers.next()


def test_S76_nothing_is_read_after_a_frame_error() -> None:
    """A reader that lost its place stays lost: a good request behind the error is never taken."""
    for bad in (b'{"type":"upload","filename":"a","size":-1}', b"[", b"\x16\x03\x01"):
        reader = Requests()
        reader.feed(bad)
        for _ in range(3):
            with pytest.raises(FrameError):
                reader.next()
            reader.feed(b'{"type":"logout","session":"s"}')
        assert (reader.take_body(), reader.buffered) == (None, 0)
