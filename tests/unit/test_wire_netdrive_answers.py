"""Answers of netdrive read as they were written, however they arrive, and a broken server is told by its reason."""

from collections.abc import Iterable
from typing import Any

import pytest

from homestow.wire import netdrive
from homestow.wire.netdrive import (
    END,
    MAX_ANSWER,
    Answer,
    Answers,
    Data,
    Dialect,
    Error,
    FrameError,
    Reason,
    Request,
    Requests,
    Say,
)

SESSION = "x" * 32
MD5 = "5d41402abc4b2a76b9719d911017c592"
FOLDER = {"session": SESSION, "prefix": "/", "dirname": "sub/", "queueid": 7}
ASKED: dict[str, dict[str, Any]] = {
    "setbind": {"session": SESSION, "bindid": 1},
    "uploadFile": {"session": SESSION, "queueid": 0, "filename": "a", "path": "//", "md5": MD5, "size": 5, "mtime": 16},
    "uploadChunk": {"session": SESSION, "vfile_id": 15, "queueid": 1, "chunkid": 0, "offset": 0, "chunksize": 5},
    "downloadFile": {"session": SESSION, "md5": MD5, "queueid": 2, "offset": 0, "chunksize": 5},
    "deleteFile": {"session": SESSION, "filename": "a.txt", "path": "//", "queueid": 3},
    "createDir": FOLDER,
    "deleteDir": FOLDER,
}


def events(reader: Answers, pieces: Iterable[bytes]) -> list[object]:
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


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """The same bytes in two pieces at every place, and byte by byte."""
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))
    yield [data[at : at + 1] for at in range(len(data))]


def answers(dialect: Dialect, data: bytes, *asked: tuple[str, int | None]) -> list[object]:
    """What a client reads that asked so."""
    found: list[list[object]] = []
    for pieces in cuts(data) if len(data) < 2000 else [[data]]:
        reader = Answers(dialect)
        for kind, body in asked:
            reader.expect(kind, body)
        found.append(events(reader, pieces))
        assert reader.expected == 0
    assert all(each == found[0] for each in found)
    return found[0]


def test_answers_of_each_dialect() -> None:
    """Answers bear the type of their request, and the bytes they announce follow them at every cut."""
    assert answers(Dialect.PHASE0, b'{"size":5}\0hello', ("download", None)) == [
        Answer("download", {"size": 5, "error": 0}, 5, Dialect.PHASE0), b"hello", END,
    ]  # fmt: skip
    final = (
        b'uploadFileRes\n{"error":4,"msg":"need to upload","queueid":0,"vfile_id":15}\0'
        b'downloadFileRes\n{"error":0,"msg":"download success","queueid":2}\0hello\0'
        b'downloadFileRes\n{"error":1,"queueid":3}\0'
    )  # fmt: skip
    first, second, body, end, third = answers(
        Dialect.FINAL, final, ("uploadFile", None), ("downloadFile", 5), ("downloadFile", 5)
    )
    assert isinstance(first, Answer)
    assert isinstance(third, Answer)
    assert (first.error, first.message, first.integer("vfile_id")) == (Error.NEED_UPLOAD, Say.NEED_UPLOAD, 15)
    assert (isinstance(second, Answer), body, end, third.error, third.body, third.message) == (
        True,
        b"hello",
        END,
        1,
        None,
        "",
    )
    written = netdrive.answer(Dialect.DOCUMENTED, "download", {"error": 0, "msg": Say.DOWNLOADED, "size": 3})
    assert written == b'{"type":"downloadRes","error":0,"msg":"download success","size":3}\0'
    documented, body, end = answers(Dialect.DOCUMENTED, b"\n" + written + b"abc", ("download", 3))
    assert documented == Answer("download", {"error": 0, "msg": Say.DOWNLOADED, "size": 3}, 3, Dialect.DOCUMENTED)
    assert (body, end) == (b"abc", END)


def test_answers_are_pure_ascii_in_one_line() -> None:
    """Clients cut at LF and decode GBK, so nothing else may stand in an answer."""
    data = netdrive.answer(Dialect.FINAL, "createDir", {"error": 0, "msg": "日本\n", "dirname": "é\U0001f600"})
    assert data.isascii()
    assert data.count(b"\n") == 1
    assert answers(Dialect.FINAL, data, ("createDir", None)) == [
        Answer("createDir", {"error": 0, "msg": "日本\n", "dirname": "é\U0001f600"}, None, Dialect.FINAL)
    ]
    raw = 'createDirRes\n{"error":0,"msg":"日本"}\0'
    for codec in ("utf-8", "gbk"):
        (found,) = answers(Dialect.FINAL, raw.encode(codec), ("createDir", None))
        assert isinstance(found, Answer)
        assert found.message == "日本"


def test_echoes() -> None:
    """An answer of the final dialect holds the keys its request brought, whatever the outcome; a documented one none."""
    for kind, names in netdrive.ECHOED.items():
        reader = Requests()
        reader.feed(netdrive.request(Dialect.FINAL, kind, ASKED[kind]))
        asked = reader.next()
        assert isinstance(asked, Request)
        (found,) = answers(Dialect.FINAL, netdrive.answer_to(asked, Error.NO_SESSION, Say.NO_SESSION), (kind, None))
        assert isinstance(found, Answer)
        assert found.fields == {"error": 2, "msg": Say.NO_SESSION, **{name: ASKED[kind][name] for name in names}}
    asked = Request("dirinfo", {"session": ""}, None, Dialect.DOCUMENTED)
    assert netdrive.answer_to(asked, 2, "x", more=1) == b'{"type":"dirinfoRes","error":2,"msg":"x","more":1}\0'


@pytest.mark.parametrize(
    "dialect, asked, data, reason",
    [
        (Dialect.FINAL, "getdir", b'loginRes\n{"error":0}\0', Reason.OUT_OF_ORDER),
        (Dialect.FINAL, "getdir", b'getdirRes\n{"error":0}\0', Reason.BAD_FIELD),
        (Dialect.FINAL, "getdir", b'getdirRes\n{"msg":"x"}\0', Reason.BAD_FIELD),
        (Dialect.FINAL, "getdir", b"getdirRes\n{\0", Reason.BAD_JSON),
        (Dialect.FINAL, "getdir", b"getdirRes\0", Reason.UNKNOWN_TYPE),
        (Dialect.FINAL, "login", b'loginRes\n{"error":0,"session":""}\0', Reason.BAD_FIELD),
        (Dialect.FINAL, "login", b"loginRes\n" + b" " * MAX_ANSWER, Reason.TOO_LONG),
        (Dialect.DOCUMENTED, "login", b'{"type":"logoutRes","error":0}\0', Reason.OUT_OF_ORDER),
        (Dialect.DOCUMENTED, "login", b"loginRes\n", Reason.NOT_OURS),
        (Dialect.DOCUMENTED, "download", b'{"error":0,"size":-1}\0', Reason.BAD_FIELD),
        (Dialect.DOCUMENTED, "download", b'{"error":0,"size":6}\0', Reason.NO_LENGTH),
        (Dialect.PHASE0, "download", b'{"size":6}\0', Reason.NO_LENGTH),
        (Dialect.PHASE0, "download", b"{}\0", Reason.BAD_FIELD),
        (Dialect.PHASE0, None, b'{"size":5}\0', Reason.OUT_OF_ORDER),
    ],
)
def test_answers_of_a_broken_server(dialect: Dialect, asked: str | None, data: bytes, reason: Reason) -> None:
    """What cannot be the answer ends the connection with its reason."""
    reader = Answers(dialect)
    if asked is not None:
        reader.expect(asked, 5)
    with pytest.raises(FrameError) as caught:
        events(reader, [data])
    assert caught.value.reason is reason


def test_listings() -> None:
    """Rows of both dialects read as they were written; null is an empty list; a wrong row is told."""
    files = [netdrive.FileRow(3, 1, "é.txt", 5, MD5, 1625000000)]
    dirs = [netdrive.DirRow(1, "//"), netdrive.DirRow(2, "/sub/")]
    data = netdrive.answer(
        Dialect.DOCUMENTED,
        "dirinfo",
        {"error": 0, "dirs": [each.as_fields() for each in dirs], "files": [each.as_fields() for each in files]},
    )
    (found,) = answers(Dialect.DOCUMENTED, data, ("dirinfo", None))
    assert isinstance(found, Answer)
    assert (netdrive.read_dirs(found.fields["dirs"]), netdrive.read_files(found.fields["files"])) == (dirs, files)
    listed = [netdrive.ListedFile("a", "//", MD5, 5, 1625000000)]
    data = netdrive.answer(Dialect.FINAL, "getdir", {"error": 0, "dir_list": [each.as_fields() for each in listed]})
    (found,) = answers(Dialect.FINAL, data, ("getdir", None))
    assert isinstance(found, Answer)
    assert netdrive.read_listed(found.fields["dir_list"]) == listed
    (found,) = answers(Dialect.FINAL, b'getdirRes\n{"error":0,"dir_list":null}\0', ("getdir", None))
    assert isinstance(found, Answer)
    assert found.fields["dir_list"] == []
    chunks = [netdrive.Chunk(0, 1024, True), netdrive.Chunk(1024, 1024, False)]
    assert netdrive.read_chunks([each.as_fields() for each in chunks]) == chunks
    for wrong in (1, {}, {"offset": 0, "size": 1, "done": 1}, {"offset": -1, "size": 1, "done": True}):
        with pytest.raises(netdrive.WrongField):
            netdrive.read_chunks([wrong])


def test_long_listings_are_read_in_linear_time() -> None:
    """What comes in small pieces is looked at once."""
    row = netdrive.ListedFile("name", "//", MD5, 5, 1625000000).as_fields()
    data = netdrive.answer(Dialect.FINAL, "getdir", {"error": 0, "dir_list": [row] * 20_000})
    reader = Answers(Dialect.FINAL)
    reader.expect("getdir")
    (found,) = events(reader, (data[at : at + 100] for at in range(0, len(data), 100)))
    assert isinstance(found, Answer)
    assert len(netdrive.read_listed(found.fields["dir_list"])) == 20_000
