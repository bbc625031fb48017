"""netdrive requests and answers read as they were written, however they arrive, and what is wrong is told in its degree."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.wire import netdrive
from homestow.wire.netdrive import (
    END,
    MAX_HEAD,
    Answers,
    Data,
    Dialect,
    Error,
    FrameError,
    Framing,
    Malformed,
    Reason,
    Request,
    Requests,
    Say,
)

SESSION = "x" * 32
MD5 = "5d41402abc4b2a76b9719d911017c592"
FILE = {
    "session": SESSION,
    "queueid": 0,
    "filename": "a.txt",
    "path": "/sub/",
    "md5": MD5,
    "size": 5,
    "mtime": 1625000000,
}
CHUNK = {"session": SESSION, "vfile_id": 15, "queueid": 1, "chunkid": 0, "offset": 0, "chunksize": 5}
FOLDER = {"session": SESSION, "prefix": "/", "dirname": "sub/", "queueid": 7}

FINAL: dict[str, dict[str, Any]] = {
    "signup": {"username": "anna", "password": "Secret123"},
    "login": {"username": "anna", "password": "Secret123"},
    "logout": {"session": SESSION},
    "setbind": {"session": SESSION, "bindid": 1},
    "disbind": {"session": SESSION},
    "getbindid": {"session": SESSION},
    "getdir": {"session": SESSION},
    "uploadFile": FILE,
    "uploadChunk": CHUNK,
    "downloadFile": {"session": SESSION, "md5": MD5, "queueid": 2, "offset": 0, "chunksize": 5},
    "deleteFile": {"session": SESSION, "filename": "a.txt", "path": "//", "queueid": 3},
    "createDir": FOLDER,
    "deleteDir": FOLDER,
}
WHOLE = {"session": SESSION, "filename": "a.txt", "path": "//", "md5": MD5, "size": 5, "mtime": 1625000000}
DOCUMENTED: dict[str, dict[str, Any]] = {
    "signup": {"username": "admin0606", "password": "123456"},
    "login": {"username": "admin0606", "password": "123456"},
    "changepwd": {"session": SESSION, "password": "123456", "new_password": "another one"},
    "logout": {"session": SESSION},
    "dirinfo": {"session": SESSION},
    "upload": WHOLE,
    "download": {"session": SESSION, "vfile_id": 15, "offset": 0, "size": 5},
}
EVERY = [(Dialect.FINAL, kind, fields) for kind, fields in FINAL.items()] + [
    (Dialect.DOCUMENTED, kind, fields) for kind, fields in DOCUMENTED.items()
]  # fmt: skip


def events(reader: Requests | Answers, pieces: Iterable[bytes]) -> list[object]:
    """All that the pieces give; bytes of bodies put together."""
    found: list[object] = []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next()) is not None:
            if isinstance(event, Data) and found and isinstance(found[-1], bytes):
                found[-1] += bytes(event.data)
            else:
                found.append(bytes(event.data) if isinstance(event, Data) else event)
    return found


def read(data: bytes) -> list[object]:
    """What a connection that begins with `data` gives."""
    return events(Requests(), [data])


def one(data: bytes) -> Request:
    """The only request in `data`."""
    (found,) = read(data)
    assert isinstance(found, Request)
    return found


def failing(data: bytes) -> FrameError:
    """The error that ends the connection."""
    reader = Requests()
    with pytest.raises(FrameError) as caught:
        events(reader, [data])
    with pytest.raises(FrameError) as again:
        reader.next()
    assert again.value is caught.value
    return caught.value


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """The same bytes in two pieces at every place, and byte by byte."""
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))
    yield [data[at : at + 1] for at in range(len(data))]


# --- worked bytes -------------------------------------------------------------------------------------------------------

PHASE0_UPLOAD = b'{"type": "upload", "filename": "hi.txt", "size": 5}hello'
PHASE0_DOWNLOAD = b'{"type": "download", "filename": "hi.txt"}'
CHUNK_BYTES = (
    b'uploadChunk\n{"session": "' + SESSION.encode() + b'", "vfile_id": 15, "queueid": 1, "chunkid": 0, "offset": 0,'
    b' "chunksize": 5}\0hello\0'
)  # fmt: skip


def test_phase0_by_hand() -> None:
    """The bytes of the first phase: object and content with nothing between, then the next object."""
    assert read(PHASE0_UPLOAD + PHASE0_DOWNLOAD) == [
        Request("upload", {"filename": "hi.txt", "size": 5}, 5, Dialect.PHASE0),
        b"hello",
        END,
        Request("download", {"filename": "hi.txt"}, None, Dialect.PHASE0),
    ]
    assert netdrive.request(Dialect.PHASE0, "upload", {"filename": "hi.txt", "size": 5}) + b"hello" == PHASE0_UPLOAD
    assert netdrive.request(Dialect.PHASE0, "download", {"filename": "hi.txt"}) == PHASE0_DOWNLOAD
    assert netdrive.answer(Dialect.PHASE0, "download", {"size": 5}) == b'{"size":5}\0'


def test_final_by_hand() -> None:
    """The bytes of the final dialect, both ways."""
    (asked, body, end) = read(CHUNK_BYTES)
    assert (asked, body, end) == (Request("uploadChunk", CHUNK, 5, Dialect.FINAL), b"hello", END)
    assert (
        netdrive.request(Dialect.FINAL, "uploadChunk", CHUNK) + b"hello" + netdrive.TAIL[Dialect.FINAL] == CHUNK_BYTES
    )
    need = {"error": Error.NEED_UPLOAD, "msg": Say.NEED_UPLOAD, "queueid": 0, "vfile_id": 15}
    written = b'uploadFileRes\n{"error":4,"msg":"need to upload","queueid":0,"vfile_id":15}\0'
    assert netdrive.answer(Dialect.FINAL, "uploadFile", need) == written
    assert (
        netdrive.answer_to(one(netdrive.request(Dialect.FINAL, "uploadFile", FILE)), 4, Say.NEED_UPLOAD, vfile_id=15)
        == written
    )


@pytest.mark.parametrize("dialect, kind, fields", EVERY, ids=[f"{one[0].name}-{one[1]}" for one in EVERY])
def test_every_request_at_every_cut(dialect: Dialect, kind: str, fields: dict[str, Any]) -> None:
    """Each type reads the same wherever its bytes are cut, and the next one is found behind it."""
    body = b"h{\0}\n" if kind in ("upload", "uploadChunk") else None
    data = netdrive.request(dialect, kind, fields)
    data += b"" if body is None else body + netdrive.TAIL[dialect]
    wanted: list[object] = [Request(kind, fields, None if body is None else 5, dialect)]
    wanted += [] if body is None else [body, END]
    for pieces in cuts(data + data):
        assert events(Requests(), pieces) == wanted + wanted


@pytest.mark.parametrize("dialect, kind, fields", EVERY, ids=[f"{one[0].name}-{one[1]}" for one in EVERY])
def test_every_request_without_each_key(dialect: Dialect, kind: str, fields: dict[str, Any]) -> None:
    """A missing key or another type of JSON closes a connection of the final dialect; documented it can be answered."""
    table = {each.name: each for each in netdrive.REQUESTS[dialect][kind]}
    for name in fields:
        for changed in ({k: v for k, v in fields.items() if k != name}, {**fields, name: None}, {**fields, name: [1]}):
            data = netdrive.request(dialect, kind, changed)
            if dialect is Dialect.FINAL:
                error = failing(data)
                assert (error.reason, error.type, error.dialect) == (Reason.BAD_FIELD, kind, dialect)
                assert error.message.startswith(name)
            elif (kind, name) == ("upload", "size"):
                assert failing(data).reason is Reason.NO_LENGTH
            elif name != "session" or name in changed:
                asked = Requests()
                asked.feed(data)
                found = asked.next()
                assert isinstance(found, Request)
                left_out = changed.get(name) is None and not table[name].needed and name != "filename"
                assert (found.trouble is None) == left_out or name == "vfile_id"


def test_truncated_messages_are_waited_for() -> None:
    """Half a message gives nothing but what is certain of its body."""
    for data in (PHASE0_UPLOAD, CHUNK_BYTES, *(netdrive.request(*one) for one in EVERY)):
        for stop in range(len(data)):
            assert END not in read(data[:stop])
    reader = Requests()
    reader.feed(CHUNK_BYTES[:-3])
    assert isinstance(reader.next(), Request)
    assert (reader.body_left, reader.buffered, reader.in_body) == (5, 3, True)
    assert reader.take_body() is None
    assert bytes(reader.next().data) == b"hel"  # type: ignore[union-attr]  # a body is open and bytes are here
    assert reader.next() is None
    assert (reader.body_left, reader.buffered, reader.in_body) == (2, 0, True)


# --- bodies -------------------------------------------------------------------------------------------------------------


def test_a_body_at_once() -> None:
    """What is here as a whole is taken in one step, its NUL included, and the next request follows."""
    reader = Requests()
    reader.feed(CHUNK_BYTES + CHUNK_BYTES)
    for _ in range(2):
        assert isinstance(reader.next(), Request)
        body = reader.take_body()
        assert body is not None
        assert body.tobytes() == b"hello"
        assert reader.take_body() is None
    assert (reader.next(), reader.buffered) == (None, 0)
    reader.feed(CHUNK_BYTES[:-1])
    assert isinstance(reader.next(), Request)
    assert reader.take_body() is None
    reader.feed(b"\0")
    assert bytes(reader.next().data) == b"hello"  # type: ignore[union-attr]  # a body is open and bytes are here
    assert reader.next() is END


def test_a_body_past_the_reader() -> None:
    """Bytes taken elsewhere count; what was fed comes first."""
    fields = {**CHUNK, "chunksize": 1 << 40}
    reader = Requests()
    reader.feed(netdrive.request(Dialect.FINAL, "uploadChunk", fields) + b"abc")
    asked = reader.next()
    assert isinstance(asked, Request)
    assert asked.body == 1 << 40
    with pytest.raises(ValueError, match="rest of a body"):
        reader.passed(1)
    assert reader.next() == Data(memoryview(b"abc"))
    reader.passed(reader.body_left - 2)
    for count in (3, -1):
        with pytest.raises(ValueError, match="rest of a body"):
            reader.passed(count)
    reader.feed(b"yz\0" + netdrive.request(Dialect.FINAL, "getdir", {"session": SESSION}))
    assert events(reader, [b""]) == [b"yz", END, Request("getdir", {"session": SESSION}, None, Dialect.FINAL)]


def test_bodies_are_not_copied() -> None:
    """What a reader gives is a view of what it was fed."""
    data = PHASE0_UPLOAD + PHASE0_DOWNLOAD
    reader = Requests()
    reader.feed(data)
    reader.next()
    event = reader.next()
    assert isinstance(event, Data)
    assert event.data.obj is data


def test_empty_bodies_end_too() -> None:
    """A body of 0 bytes has its end, and in the final dialect its NUL."""
    empty = netdrive.request(Dialect.FINAL, "uploadChunk", {**CHUNK, "chunksize": 0})
    assert read(empty)[1:] == []
    assert read(empty + b"\0")[1:] == [END]
    assert read(netdrive.request(Dialect.DOCUMENTED, "upload", {**WHOLE, "size": 0}))[1:] == [END]
    reader = Requests()
    reader.feed(empty + b"\0")
    reader.next()
    body = reader.take_body()
    assert body is not None
    assert body.tobytes() == b""


def test_exactly_one_nul_behind_a_block() -> None:
    """Another byte there means that both ends count differently: closing."""
    assert failing(CHUNK_BYTES[:-1] + b"x").reason is Reason.NO_NUL
    assert failing(CHUNK_BYTES + b"\0").reason is Reason.UNKNOWN_TYPE
    reader = Requests()
    reader.feed(CHUNK_BYTES[:-1] + b"x")
    reader.next()
    with pytest.raises(FrameError):
        reader.take_body()


# --- the documented list ------------------------------------------------------------------------------------------------


def upload(**changed: Any) -> Request:
    """A documented upload with some fields changed; None leaves one out."""
    fields = {name: value for name, value in {**WHOLE, **changed}.items() if value is not None}
    reader = Requests()
    reader.feed(netdrive.request(Dialect.DOCUMENTED, "upload", fields))
    found = reader.next()
    assert isinstance(found, Request)
    return found


def test_forms_of_an_upload() -> None:
    """Whole file, piece, announcement and completion are told apart by their keys, and so is what follows them."""
    assert (upload().body, upload().trouble) == (5, None)
    piece = upload(offset=2, chunksize=3)
    assert (piece.body, piece.trouble) == (3, None)
    announced = upload(offset=0, chunksize=0)
    assert (announced.body, announced.trouble) == (0, None)
    by_id = upload(filename=None, path=None, md5=None, size=None, mtime=None, vfile_id=9, offset=5, chunksize=7)
    assert (by_id.body, by_id.trouble) == (7, None)
    complete = upload(filename=None, path=None, md5=None, size=None, mtime=None, vfile_id=9, complete=True)
    assert (complete.body, complete.trouble) == (None, None)
    assert (upload(vfile_id=None, complete=True).body, upload(complete=True).trouble) == (None, "vfile_id is missing")
    assert upload(offset=2, chunksize=4).trouble == "offset and chunksize reach beyond size"
    assert upload(offset=2).trouble == "chunksize is missing"
    assert upload(chunksize=2).trouble == "offset is missing"
    assert upload(filename=None).trouble == "filename is missing"
    assert upload(md5=None, offset=0, chunksize=5).trouble == "md5 is missing"
    assert upload(filename="").trouble == "filename must have 1 to 255 characters"


def test_no_session_is_phase0_or_no_session() -> None:
    """upload and download without a session are of the first phase; other messages read as if it were empty."""
    assert one(b'{"type":"download","vfile_id":3}').trouble == "filename is missing"
    found = one(b'{"type":"dirinfo"}')
    assert (found.dialect, found.text("session"), found.trouble) == (Dialect.DOCUMENTED, "", None)
    assert one(b'{"type":"logout"}').fields == {"session": ""}
    assert one(b'{"type":"login","username":"a","password":"b"}').fields == {"username": "a", "password": "b"}
    reader = Requests()
    reader.feed(b'{"type":"upload","filename":"a","size":9,"chunksize":3,"offset":0}abc')
    asked = reader.next()
    assert isinstance(asked, Request)
    assert (asked.body, asked.trouble) == (3, "session is missing")


def test_samples_of_the_document() -> None:
    """Comments, commas before a closing brace and blank lines are taken, as the document shows them."""
    data = """{
        "type": "upload",
        "filename": "txt",
        "size": 100 // 字节数量，用以读取指定长度的字节 }
    }""".encode()
    for encoded in (data, data.decode().encode("gbk")):
        assert read(encoded + b"x" * 100) == [
            Request("upload", {"filename": "txt", "size": 100}, 100, Dialect.PHASE0),
            b"x" * 100,
            END,
        ]
    login = b'{\n    "type": "login",\n    "username": "admin0606",\n    "password": "123456",\n    \n}'
    assert one(b"\r\n\0 \t" + login + b"\0\n").fields == {"username": "admin0606", "password": "123456"}


@pytest.mark.parametrize("codec", ["utf-8", "gbk"])
def test_names_that_are_not_ascii(codec: str) -> None:
    """UTF-8 and GBK are told apart; a backslash or brace as half of a character of GBK is none."""
    for name in ("日本", "乗", "乗}", "}{", '"乗"', "乗\\", "\\", "é", "a乗b日"):
        # The first letter is no UTF-8 when it is written in GBK, so that the message cannot be taken for the other.
        fields = {"filename": f"乗{name}", "size": 2}
        data = json.dumps({"type": "upload", **fields}, ensure_ascii=False).encode(codec)
        for pieces in cuts(data + b"{}"):
            assert events(Requests(), pieces) == [Request("upload", fields, 2, Dialect.PHASE0), b"{}", END]


def test_braces_in_texts_do_not_count() -> None:
    """A name may hold every mark of JSON."""
    name = '}{"\\// \n,}'
    for ascii_only in (True, False):
        data = json.dumps({"type": "download", "filename": name + "é"}, ensure_ascii=ascii_only).encode()
        for pieces in cuts(data):
            assert events(Requests(), pieces) == [Request("download", {"filename": name + "é"}, None, Dialect.PHASE0)]


# --- degrees of trouble -------------------------------------------------------------------------------------------------


def test_values_out_of_range_are_trouble() -> None:
    """The right type of JSON with a value nobody can use: error 1, and the connection goes on."""
    for name, value in (
        ("filename", ""),
        ("filename", "x" * 256),
        ("path", "x" * 4097),
        ("md5", "x"),
        ("md5", MD5 + "0"),
        ("size", -1),
        ("mtime", 1 << 50),
    ):
        asked = one(netdrive.request(Dialect.FINAL, "uploadFile", {**FILE, name: value}))
        assert asked.trouble is not None
        assert asked.trouble.startswith(name)
    chunk, body, end = read(netdrive.request(Dialect.FINAL, "uploadChunk", {**CHUNK, "offset": -1}) + b"hello\0")
    assert isinstance(chunk, Request)
    assert (chunk.trouble is not None, body, end) == (True, b"hello", END)


def test_values_are_brought_into_form() -> None:
    """Capital digits of an md5 and parts of a second are taken; null is the same as left out."""
    asked = one(
        netdrive.request(
            Dialect.FINAL,
            "uploadFile",
            {**FILE, "md5": MD5.upper(), "mtime": 1625000000.75, "bindid": None, "taskid": 4},
        )
    )
    assert asked.fields == {**FILE, "taskid": 4}
    assert (asked.integer("mtime"), asked.text("md5"), asked.integer("bindid", 7)) == (1625000000, MD5, 7)
    assert (asked.maybe_integer("bindid"), asked.maybe_text("other"), asked.maybe_text("path")) == (None, None, "/sub/")


def test_malformed_json_of_the_final_dialect_is_passed_over() -> None:
    """The next message is found behind its NUL; only where a block would follow the connection ends."""
    good = netdrive.request(Dialect.FINAL, "getdir", {"session": SESSION})
    for bad in (
        b"",
        b"{",
        b"[]",
        b"1",
        b'{"session":"x",}',
        b'{"session":"x"} // y',
        b"{'session':1}",
        b"\xff\xff",
        b'{"a":1,"a":1}',
    ):
        first, second = read(b"getdir\n" + bad + b"\0" + good)
        assert isinstance(first, Malformed)
        assert (first.type, first.reason, first.dialect) == ("getdir", Reason.BAD_JSON, Dialect.FINAL)
        assert isinstance(second, Request)
        assert failing(b"uploadChunk\n" + bad + b"\0hello\0").reason is Reason.NO_LENGTH


def test_unknown_types() -> None:
    """The final dialect closes, as its server does; in braces it can be answered or passed over."""
    error = failing(b"changepwd\n{}\0")
    assert (error.reason, error.type, error.dialect) == (Reason.UNKNOWN_TYPE, "changepwd", Dialect.FINAL)
    for data in (b'{"type":"getdir","session":"x"}', b"{}", b'{"type":1}', b'{"type":"shutdown"}'):
        first, second = read(data + PHASE0_DOWNLOAD)
        assert isinstance(first, Malformed)
        assert first.reason is Reason.UNKNOWN_TYPE
        assert isinstance(second, Request)


def test_lengths_nobody_can_follow() -> None:
    """Without a usable number of bytes the next message cannot be found (S71)."""
    for size in ("-1", '"5"', "5.0", "true", "null", "[]", "1e3", "-0.5"):
        assert failing(b'{"type":"upload","filename":"a","size":%s}' % size.encode()).reason is Reason.NO_LENGTH
    assert failing(b'{"type":"upload","filename":"a"}').reason is Reason.NO_LENGTH
    assert (
        failing(b'{"type":"upload","session":"x","vfile_id":1,"offset":0,"chunksize":-1,"size":5}').reason
        is Reason.NO_LENGTH
    )
    assert (
        failing(netdrive.request(Dialect.FINAL, "uploadChunk", {**CHUNK, "chunksize": -1})).reason is Reason.NO_LENGTH
    )
    assert failing(b'{"type":"upload","filename":"a","size":9007199254740993}').reason is Reason.BAD_JSON
    assert failing(b'{"type":"upload","filename":"a","size":%s}' % (b"9" * 5000)).reason is Reason.BAD_JSON


def test_what_is_not_netdrive() -> None:
    """The first byte tells, and in braces the first byte of each message."""
    for data in (b"\x16\x03\x01\x02\x00\x01", b"[]", b"1", b'"', b"\xff", b"}", b"::"):
        assert failing(data).reason is Reason.NOT_OURS
    assert failing(PHASE0_DOWNLOAD + b"getdir\n{}\0").reason is Reason.NOT_OURS
    assert netdrive.framing_of(b"") is None
    assert netdrive.framing_of(b"\x16\x03") is None
    assert netdrive.framing_of(b"login\n") is Framing.LINES
    assert {netdrive.framing_of(data) for data in (b"{", b" {", b"\n", b"\0")} == {Framing.BRACES}


def test_type_lines_are_short() -> None:
    """19 characters, not one more, and told as soon as it is clear."""
    assert failing(b"a" * 20).message == failing(b"a" * 20 + b"\n{}\0").message == failing(b"login{}\0").message
    assert failing(b"a" * 19 + b"\n{}\0").type == "a" * 19
    assert read(b"a" * 19) == []


def test_heads_are_bounded() -> None:
    """64 KiB of head are taken, one byte more is not, and never waited for."""
    for prefix, rest in ((b'{"type":"download","filename":"', b'"}'), (b'getdir\n{"session":"x","y":"', b'"}\0')):
        room = MAX_HEAD - len(prefix) - len(rest.rstrip(b"\0"))
        assert isinstance(read(prefix + b"x" * room + rest)[0], Request)
        assert failing(prefix + b"x" * (room + 1) + rest).reason is Reason.TOO_LONG
        assert failing(prefix + b"x" * MAX_HEAD).reason is Reason.TOO_LONG
        reader = Requests()
        with pytest.raises(FrameError):
            events(reader, (prefix if at == 0 else b"x" for at in range(MAX_HEAD)))
        assert reader.buffered == 0
    with pytest.raises(ValueError, match="65"):
        netdrive.request(Dialect.FINAL, "getdir", {"session": "x" * MAX_HEAD})


def test_what_time_is_measured_by() -> None:
    """A reader says whether a head has begun; blanks between messages begin none."""
    for data in (b"getdir\n{", b'{"type"'):
        reader = Requests()
        assert (reader.next(), reader.head_begun, reader.framing) == (None, False, None)
        reader.feed(data)
        assert (reader.next(), reader.head_begun) == (None, True)
        assert reader.framing is netdrive.framing_of(data)
    reader = Requests()
    reader.feed(PHASE0_DOWNLOAD + b"\0\n \0")
    assert isinstance(reader.next(), Request)
    assert (reader.next(), reader.head_begun, reader.buffered) == (None, False, 0)


def test_every_request_has_its_answer() -> None:
    """The tables of both directions name the same types; of the final dialect `logout` alone is not answered."""
    for dialect in Dialect:
        unanswered = {"logout"} if dialect is Dialect.FINAL else set()
        assert set(netdrive.REQUESTS[dialect]) - unanswered == set(netdrive.ANSWERS[dialect])
    for kind, names in netdrive.ECHOED.items():
        assert set(names) <= {each.name for each in netdrive.REQUESTS[Dialect.FINAL][kind] if each.needed}


# --- properties ---------------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(st.tuples(words, st.binary(max_size=60)), max_size=5), st.integers(1, 200), st.booleans())
def test_any_cut_reads_the_same(files: list[tuple[str, bytes]], step: int, final: bool) -> None:
    """Names of every script and contents of every kind come back whole, in order, whatever the pieces."""
    data, wanted = b"", list[object]()
    for name, content in files:
        if final:
            fields: dict[str, Any] = {**CHUNK, "chunksize": len(content), "note": name}
            data += netdrive.request(Dialect.FINAL, "uploadChunk", fields) + content + b"\0"
            wanted.append(Request("uploadChunk", fields, len(content), Dialect.FINAL))
        else:
            fields = {"filename": name, "size": len(content)}
            data += netdrive.request(Dialect.PHASE0, "upload", fields) + content
            wanted.append(Request("upload", fields, len(content), Dialect.PHASE0))
        wanted += [content, END] if content else [END]
    assert events(Requests(), [data[at : at + step] for at in range(0, len(data), step)]) == wanted


NOISE = st.binary(max_size=300)


@given(NOISE, st.sampled_from([b"", b"{", b"login\n", b"uploadChunk\n{", b'{"type":"upload","size":3,']))
def test_noise_is_a_declared_error_or_nothing(noise: bytes, prefix: bytes) -> None:
    """Whatever comes, nothing but `FrameError` comes out."""
    with suppress(FrameError):
        read(prefix + noise)
