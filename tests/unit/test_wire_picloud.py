"""Frames of PiCloud and what they mean, however they arrive; long ones as a stream."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.wire import picloud
from homestow.wire.picloud import (
    DELIMITER,
    MAX_EXT,
    MAX_NAME,
    MAX_PAYLOAD,
    MAX_TAIL,
    Begun,
    Broken,
    Data,
    End,
    Ending,
    Failed,
    File,
    Frame,
    FrameError,
    Frames,
    Payload,
    Question,
    Reason,
    Received,
    Tail,
    Text,
    Wanted,
)

D = DELIMITER


def events(reader: Frames, pieces: Iterable[bytes]) -> list[object]:
    """All that the pieces give; bytes of long payloads put together."""
    found: list[object] = []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next()) is not None:
            if isinstance(event, Data) and found and isinstance(found[-1], bytes):
                found[-1] += bytes(event.data)
            else:
                found.append(bytes(event.data) if isinstance(event, Data) else event)
    return found


def parted(data: bytes, step: int) -> list[bytes]:
    """The same bytes in pieces."""
    return [data[at : at + step] for at in range(0, len(data), step)]


# --- worked bytes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "length, payload, means",
    [
        ("0000001E", b"hello" + D + b"hi" + D + b"txt", File(b"hello", "hi", "txt")),
        ("0000000F", b"hi" + D + b"txt", Wanted("hi", "txt")),
        ("0000000C", b"FileReceived", Received()),
        ("00000009", b"FileError", Failed()),
        ("0000001F", b"hello" + D + b"paul" + D + b"id", File(b"hello", "paul", "id")),
        ("00000024", picloud.REGISTERED, Text("[+]  Registration attempt successful")),
        ("00000020", picloud.NOT_REGISTERED, Text("[-]  Registration attempt failed")),
        ("0000001D", picloud.LOGGED_IN, Text("[+]  Login attempt successful")),
        ("00000019", picloud.NOT_LOGGED_IN, Text("[-]  Login attempt failed")),
        ("00000001", b"1", Text("1")),
    ],
)
def test_transcripts(length: str, payload: bytes, means: Payload) -> None:
    """The frames of the programs of 2015, by hand, at every cut and one behind the other."""
    data = picloud.frame(payload)
    assert data == bytes.fromhex(length) + payload
    assert picloud.classify(payload) == means
    for at in range(len(data) + 1):
        assert events(Frames(), [data[:at], data[at:] + data]) == [Frame(payload)] * 2
    assert events(Frames(), parted(data + data, 1)) == [Frame(payload)] * 2


def test_the_question_at_a_wrong_password() -> None:
    """Word for word, with the length that its text has."""
    text = "Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"
    assert picloud.LOGIN_QUESTION == picloud.question_payload(text) == b"InputRequest:" + text.encode()
    assert picloud.frame(picloud.LOGIN_QUESTION)[:4] == b"\0\0\0\x6b"
    asked = picloud.classify(picloud.LOGIN_QUESTION)
    assert isinstance(asked, Question)
    assert (asked.text, asked.prompt) == (text, text)
    assert Question("a:b:c").prompt == "a"


def test_what_is_written() -> None:
    """Names are the part before the first dot, extensions the one behind it, as the protocol has them."""
    assert picloud.split_name("hi.txt") == ("hi", "txt")
    assert picloud.split_name("a.tar.gz") == ("a", "tar")
    assert picloud.split_name("docs/a.b") == ("docs/a", "b")
    assert picloud.split_name(".profile") == ("", "profile")
    with pytest.raises(ValueError, match="no extension"):
        picloud.split_name("README")
    assert picloud.file_payload(b"hello", "hi", "txt") == b"hello" + picloud.file_ending("hi", "txt")
    assert picloud.wanted_payload("hi", "txt") == b"hi::::::::::txt"


# --- frames -------------------------------------------------------------------------------------------------------------


def test_lengths_at_the_edges() -> None:
    """Nothing and 4 GiB cannot be sent; a frame of nothing is read, one over the limit ends the connection."""
    assert picloud.frame_head(MAX_PAYLOAD) == b"\xff\xff\xff\xff"
    for length in (0, -1, MAX_PAYLOAD + 1):
        with pytest.raises(ValueError, match="a frame of"):
            picloud.frame_head(length)
    assert events(Frames(), [b"\0\0\0\0" + picloud.frame(b"1")]) == [Frame(b""), Frame(b"1")]
    reader = Frames(most=4)
    with pytest.raises(FrameError) as caught:
        events(reader, [picloud.frame(b"1234"), picloud.frame(b"12345")])
    assert caught.value.reason is Reason.TOO_LONG
    with pytest.raises(FrameError):
        reader.next()
    assert events(Frames(), [b"\xff\xff\xff\xff"]) == [Begun(MAX_PAYLOAD)]


def test_long_payloads_are_a_stream() -> None:
    """They begin with their length, come as views of what was fed, and end; the next frame follows."""
    payload = b"0123456789"
    data = picloud.frame(payload) + picloud.frame(b"1")
    for step in (1, 3, 5, 100):
        assert events(Frames(hold=9), parted(data, step)) == [Begun(10), payload, End(), Frame(b"1")]
    assert events(Frames(hold=10), [data]) == [Frame(payload), Frame(b"1")]
    reader = Frames(hold=9)
    reader.feed(data)
    assert reader.next() == Begun(10)
    event = reader.next()
    assert isinstance(event, Data)
    assert event.data.obj is data


def test_a_payload_past_the_reader() -> None:
    """Bytes taken elsewhere count; what was fed comes first."""
    reader = Frames()
    reader.feed(b"\xff\xff\xff\xffabc")
    assert reader.next() == Begun(MAX_PAYLOAD)
    assert (reader.in_body, reader.begun, reader.buffered, reader.missing) == (True, True, 3, MAX_PAYLOAD - 3)
    with pytest.raises(ValueError, match="rest of a payload"):
        reader.passed(1)
    reader.next()
    reader.passed(reader.body_left - 1)
    for count in (2, -1):
        with pytest.raises(ValueError, match="rest of a payload"):
            reader.passed(count)
    assert events(reader, [b"z" + picloud.frame(b"1")])[1:] == [End(), Frame(b"1")]
    assert (reader.in_body, reader.begun, reader.body_left, reader.missing) == (False, False, 0, 0)


def test_how_much_is_missing() -> None:
    """Known as soon as the head is there, whatever the payload is."""
    reader = Frames()
    assert (reader.begun, reader.missing) == (False, 0)
    reader.feed(b"\0\0")
    assert (reader.next(), reader.begun, reader.missing) == (None, True, 0)
    reader.feed(b"\0\x05ab")
    assert (reader.next(), reader.begun, reader.missing, reader.buffered) == (None, True, 3, 2)
    reader.feed(b"cde")
    assert (reader.next(), reader.begun, reader.missing) == (Frame(b"abcde"), False, 0)


def test_what_old_senders_leave_out() -> None:
    """Recounted from how they send: slices of 1,048,575 bytes of head and payload until as many went out as the payload has."""
    for length in (
        *range(12),
        *range(1_048_560, 1_048_580),
        *range(2_097_140, 2_097_160),
        10 * 1_048_575,
        10 * 1_048_575 - 1,
    ):
        sent = 0
        while sent < length:
            sent = min(sent + 1_048_575, length + 4)
        assert picloud.lost_at_end(length) == (length + 4 - sent if length else 0)


# --- payloads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload, means",
    [
        (b"a" + D + b"b" + D + b"c" + D + b"d", File(b"a" + D + b"b", "c", "d")),
        (b"abc::::" + D + b"n" + D + b"e", File(b"abc::::", "n", "e")),
        (D + b"n" + D + b"e", File(b"", "n", "e")),
        (b"x" + D + b"n:" + D + b"e", File(b"x", "n:", "e")),
        (b"x" + D + D + b"profile", File(b"x", "", "profile")),
        (D + b"profile", Wanted("", "profile")),
        (b"docs/a" + D + b"txt", Wanted("docs/a", "txt")),
        (b"../../etc/passwd" + D, Wanted("../../etc/passwd", "")),
        (b"x" + D + "日本".encode() + D + "é".encode(), File(b"x", "日本", "é")),
        (b"x" + D + b"\xff" + D + b"e", Broken(Reason.BAD_TEXT)),
        (b"\xff" + D + b"e", Broken(Reason.BAD_TEXT)),
        (b"x" + D + b"n" + D + b"\xff", Broken(Reason.BAD_TEXT)),
        (b"x" + D + b"n" * (MAX_NAME + 1) + D + b"e", Broken(Reason.NAME_TOO_LONG)),
        (b"x" + D + b"n" + D + b"e" * (MAX_EXT + 1), Broken(Reason.NAME_TOO_LONG)),
        (D, Broken(Reason.NO_NAME)),
        (D + D, Broken(Reason.NO_NAME)),
        (b":" * 9, Text(":" * 9)),
        (b"", Text("")),
        (b"filereceived", Text("filereceived")),
        (b"FileReceived\n", Text("FileReceived\n")),
        (b"InputRequest:", Question("")),
        (b"InputRequest", Text("InputRequest")),
        (b"\xff\xfe", Text("\ufffd\ufffd")),
    ],
)
def test_meanings(payload: bytes, means: Payload) -> None:
    """Parted from the right, so that content may hold the delimiter and end with colons."""
    assert picloud.classify(payload) == means


def test_special_files() -> None:
    """Accounts and keys of the later variant are told by name and extension."""
    assert File(b"secret\n", "paul", "id").is_account
    assert not File(b"", "id", "txt").is_account
    key = picloud.classify(b"0" * 64 + D + D + b"public")
    assert isinstance(key, File)
    assert key.is_key
    assert not File(b"0" * 64, "a", "public").is_key
    assert not File(b"0", "", "public").is_key


@pytest.mark.parametrize("name", [":a", "a" + ":" * 10 + "b", "a" * (MAX_NAME + 1)])
def test_names_that_would_read_otherwise_are_not_sent(name: str) -> None:
    """A name that cannot be told from the delimiter around it is refused before anything is sent."""
    with pytest.raises(ValueError, match=r"name|delimiter"):
        picloud.file_payload(b"x", name, "txt")
    with pytest.raises(ValueError, match=r"name|delimiter"):
        picloud.wanted_payload("a", ":" + name * 2)
    with pytest.raises(ValueError, match="no name"):
        picloud.wanted_payload("", "")


# --- long files ---------------------------------------------------------------------------------------------------------


def tail_of(payload: bytes, step: int) -> tuple[bytes, Ending | Broken]:
    """What a stream gives before its end, and how it ends; the same whether its length is known or not."""
    found = []
    for tail in (Tail(), Tail(len(payload))):
        given = b""
        for piece in parted(payload, step):
            for each in tail.feed(memoryview(piece)):
                assert len(each)
                given += each
        found.append((given, tail.finish()))
    assert found[0] == found[1]
    return found[0]


def test_a_known_length_passes_pieces_on_as_they_are() -> None:
    """Nothing of a long file's middle is held back, cut or copied."""
    tail = Tail(MAX_TAIL + 2_000_001)
    piece = memoryview(bytes(1_000_000))
    assert [len(each) for each in tail.feed(piece)] == [1_000_000]
    assert tail.feed(b"") == ()
    assert [len(each) for each in tail.feed(piece)] == [1_000_000]
    assert [bytes(each) for each in tail.feed(b"ab")] == [b"a"]


def test_a_stream_parts_as_the_whole_does() -> None:
    """Name and extension come out at the end, and not one byte of them before, at every size of pieces."""
    ending = b"::" + D + b"n" * MAX_NAME + D + b"e" * MAX_EXT
    for content in (b"", b"x" * 10_000, b"x" * (MAX_TAIL - 1) + D + b"::"):
        payload = content + ending
        for step in (1, 7, MAX_TAIL - 1, MAX_TAIL, MAX_TAIL + 1, len(payload)):
            given, end = tail_of(payload, step)
            assert len(given) == max(0, len(payload) - MAX_TAIL)
            assert isinstance(end, Ending)
            assert (given + end.rest, end.name, end.ext) == (content + b"::", "n" * MAX_NAME, "e" * MAX_EXT)


def test_streams_without_a_name() -> None:
    """A long payload that is no file says why."""
    assert tail_of(b"x" * 20_000, 1000)[1] == Broken(Reason.NAME_TOO_LONG)
    assert tail_of(b"x" + D + b"n" * 20_000 + D + b"e", 1000)[1] == Broken(Reason.NAME_TOO_LONG)
    assert tail_of(b"x" + D + b"\xff" + D + b"e", 3)[1] == Broken(Reason.BAD_TEXT)
    assert tail_of(b"x" + D + D, 3)[1] == Broken(Reason.NO_NAME)
    assert Tail().finish() == Broken(Reason.NAME_TOO_LONG)


COLONS = st.lists(st.sampled_from([b":", b"::::", D, b"a", b"\xff", b"."]), max_size=12).map(b"".join)


@given(COLONS, st.integers(1, 9))
def test_any_colons_part_the_same(payload: bytes, step: int) -> None:
    """Whole or in pieces, a file is the same file."""
    means = picloud.classify(payload)
    given, end = tail_of(payload, step)
    if isinstance(means, File):
        assert isinstance(end, Ending)
        assert File(given + end.rest, end.name, end.ext) == means
    else:
        assert isinstance(end, Broken)


@given(COLONS | st.binary(max_size=50), st.text(max_size=9), st.text(max_size=5))
def test_what_is_sent_is_what_is_read(content: bytes, name: str, ext: str) -> None:
    """Content of any kind with every name that may be sent."""
    try:
        payload = picloud.file_payload(content, name, ext)
    except ValueError:
        return
    assert picloud.classify(payload) == File(content, name, ext)
    assert picloud.classify(picloud.wanted_payload(name, ext)) == Wanted(name, ext)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), st.integers(1, 100), st.integers(0, 60))
def test_any_cut_reads_the_same(payloads: list[bytes], step: int, hold: int) -> None:
    """Frames come whole and in order, whatever the pieces that arrive and whatever is held."""
    found = events(Frames(hold), parted(b"".join(map(picloud.frame, payloads)), step))
    wanted: list[object] = []
    for payload in payloads:
        wanted += [Frame(payload)] if len(payload) <= hold else [Begun(len(payload)), payload, End()]
    assert found == wanted
