"""The isync calls on the wire: parameters, answers, the cookie, names. Pure."""

import json
from contextlib import suppress
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.values.paths import check_name
from homestow.wire import isync, isync_calls
from homestow.wire.isync import Code, FileInfo, Refused, UserInfo
from homestow.wire.isync_calls import CALLS, AskFiles, ChangeFile, NewFile
from homestow.wire.isync_params import (
    id_list,
    moment,
    query_parameters,
    read_parameters,
    real,
    take,
    text,
    waits,
    whole,
)

FORM = "application/x-www-form-urlencoded"


# --- checks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, found",
    [
        (5, 5), (-5, -5), ("5", 5), (" +5 ", 5), ("-05", -5), (5.9, 5), (-5.9, -5), (True, 1), (2**63 - 1, 2**63 - 1),
        ("9" * 18, int("9" * 18)), ("1.5", None), ("", None), ("1e3", None), ("0x5", None), ("1_0", None), ("١", None),
        (2**63, None), ("9" * 19, None), (float("nan"), None), (float("inf"), None), (None, None), ([5], None), ({}, None),
    ],
)  # fmt: skip
def test_whole_numbers(value: object, found: int | None) -> None:
    """JSON numbers, cut to whole ones, and digits; nothing that 64 bits cannot hold."""
    assert whole(value) == found


@pytest.mark.parametrize(
    "value, found",
    [
        (1.5, 1.5), ("1.5", 1.5), (" 2 ", 2.0), ("1e3", 1000.0), (3, 3.0), ("nan", None), ("inf", None), (1e400, None),
        ("", None), ("x", None), (10**400, None), ("1" * 65, None), ([], None), (None, None),
    ],
)  # fmt: skip
def test_numbers(value: object, found: float | None) -> None:
    """Finite ones only."""
    assert real(value) == found


@pytest.mark.parametrize(
    "value, found",
    [
        (1492571204, 1492571204), ("1480665083.080785", 1480665083), (-1.9, -1), (0, 0), (1e12, None), (-1e12, None),
        ("yesterday", None), (None, None),
    ],
)  # fmt: skip
def test_moments(value: object, found: int | None) -> None:
    """Cut to whole seconds, of a day that calendars have."""
    assert moment(value) == found


@pytest.mark.parametrize(
    "value, found",
    [
        ("1,2,3", (1, 2, 3)), (" 1 , -2", (1, -2)), ("7", (7,)), (7, (7,)), ([1, "2", 3.0], (1, 2, 3)), ("1,1,2", (1, 2)),
        ("", None), ("1,", None), (",", None), ("1;2", None), ("1.5", None), ([], None), ([[1]], None), ({}, None),
        ("1)--", None), (None, None), (True, None), ([1, False], None), (2.9, None), ([2.5], None), ([float("nan")], None),
    ],
)  # fmt: skip
def test_id_lists(value: object, found: tuple[int, ...] | None) -> None:
    """Text as the order's server took it; arrays and numbers, which it refused, too; one wrong one spoils all."""
    assert id_list(value) == found


@pytest.mark.parametrize("value, found", [(0, 0), (2, 2), ("2", 2), (1, 0), (3, 0), (-7, 0), ("x", None), (None, None)])
def test_statuses(value: object, found: int | None) -> None:
    """Everything but 2 is 0."""
    assert waits(value) == found


@pytest.mark.parametrize(
    "value, found", [("", ""), ("x", "x"), (12, "12"), (1.5, "1.5"), (True, None), ([], None), ("\ud800", None)]
)
def test_text(value: object, found: str | None) -> None:
    """Numbers as they are written; nothing that UTF-8 cannot hold."""
    assert text(value) == found


# --- defaults and limits of every call ----------------------------------------------------------------------------------

FACTS = {
    "statusForThumb": None, "statusForScreen": None, "createTime": None, "importTime": None, "lastModifyTime": None,
    "duration": None, "longitude": None, "latitude": None, "width": None, "height": None, "orientation": None,
    "memo": None, "helpInt": None, "helpText": None,
}  # fmt: skip
TABLE: dict[str, tuple[str, tuple[str, ...], bool, dict[str, object]]] = {
    "login": ("/login.icc", ("GET", "POST"), True, {"userName": ..., "password": ...}),
    "logout": ("/logout.icc", ("POST",), True, {}),
    "helpInfo": ("/helpInfo.icc", ("GET",), False, {"type": ..., "id": -1}),
    "updateHelpInfo": (
        "/updateHelpInfo.icc", ("POST",), False, {"type": ..., "id": -1, "helpInt": None, "helpText": None},
    ),
    "catalogs": ("/catalogs.icc", ("GET",), False, {"pids": ...}),
    "createCatalog": (
        "/createCatalog.icc", ("POST",), False,
        {"parentId": ..., "name": ..., "createTime": None, "lastModifyTime": None, "memo": None, "helpInt": None,
         "helpText": None},
    ),
    "deleteCatalog": ("/deleteCatalog.icc", ("POST",), False, {"ids": ...}),
    "updateCatalog": (
        "/updateCatalog.icc", ("POST",), False,
        {"id": ..., "parentId": None, "name": None, "memo": None, "helpInt": None, "helpText": None},
    ),
    "files": (
        "/files.icc", ("GET",), False,
        {"pageIndex": ..., "maxPerPage": 100, "rootIds": None, "pids": None, "types": None, "onlySelfUpload": 0, "sort": 0},
    ),
    "thumbnail": ("/thumbnail.icc", ("GET",), False, {"id": ..., "level": 0}),
    "downFile": ("/downFile.ic{tail}", ("GET",), False, {"id": ...}),
    "shareFileUrl": ("/shareFileUrl.icc", ("GET",), False, {"id": ...}),
    "shareFile": ("/shareFile.ic{tail}", ("GET",), True, {"shareKey": ...}),
    "uploadFileInfo": (
        "/uploadFileInfo.icc", ("POST",), False,
        {**FACTS, "cid": ..., "name": ..., "size": ..., "type": ..., "ext": ...},
    ),
    "uploadingInfo": ("/uploadingInfo.icc", ("GET",), False, {}),
    "uploadFile": ("/uploadFile.icc", ("POST",), False, {"id": ..., "obp": 0, "tbp": 0, "sbp": 0, "cm": None}),
    "deleteFiles": ("/deleteFiles.icc", ("POST",), False, {"ids": ...}),
    "updateFile": (
        "/updateFile.icc", ("POST",), False,
        {**FACTS, "id": ..., "catalogId": None, "name": None, "size": None, "type": None, "ext": None},
    ),
}  # fmt: skip
"""Every call: path, methods, whether it needs no login, parameters with defaults (...: must be given)."""


def test_every_call_is_there() -> None:
    """No more and no fewer than the article has."""
    assert set(CALLS) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_calls(name: str) -> None:
    """Path, methods, login and parameters with defaults are those of the article."""
    path, methods, is_open, params = TABLE[name]
    call = CALLS[name]
    assert (call.path, call.methods, call.open, call.query_only) == (path, methods, is_open, name == "uploadFile")
    found = {
        each.metadata["name"]: ... if each.default is MISSING else each.default
        for each in fields(call.takes)  # type: ignore[arg-type]  # all are dataclasses
    }
    assert found == params


GOOD_FILE: dict[str, Any] = {"cid": 1, "name": "a", "size": 0, "type": 16, "ext": ""}


@pytest.mark.parametrize(
    "param, good, bad",
    [
        ("cid", ["7", -1], ["x", None, []]), ("name", ["x" * 100, "日"], ["", "x" * 101, None, 5]),
        ("size", [0, "5", 2**50], [-1, "x", None]), ("type", [1, 2, 4, 8, "16"], [0, 3, 5, 32, "x", None]),
        ("ext", ["", "x" * 10], ["x" * 11, None, 4]),
    ],
)  # fmt: skip
def test_what_an_upload_must_tell(param: str, good: list[object], bad: list[object]) -> None:
    """Each limit on both sides; a wrong or missing one is refused."""
    for value in good:
        take(NewFile, {**GOOD_FILE, param: value})
    for value in bad:
        with pytest.raises(Refused) as refused:
            take(NewFile, {**GOOD_FILE, param: value})
        assert refused.value.code is Code.BAD_PARAMETER
    with pytest.raises(Refused):
        take(NewFile, {name: value for name, value in GOOD_FILE.items() if name != param})


def test_wrong_ones_with_a_default_count_as_not_given() -> None:
    """No error, also for what is too long; what is unknown is ignored."""
    wrong = {
        "statusForThumb": "x", "createTime": "x", "duration": "x", "width": "w", "memo": "x" * 1025, "helpInt": "1.5",
        "helpText": [], "longitude": "east", "nobody": "knows",
    }  # fmt: skip
    assert take(NewFile, {**GOOD_FILE, **wrong}) == take(NewFile, GOOD_FILE)
    assert take(AskFiles, {"pageIndex": "0", "maxPerPage": 9, "types": "x", "sort": None}) == AskFiles(page=0)
    assert take(ChangeFile, {"id": 1, "memo": "x" * 1024, "helpText": "x" * 99_999}).memo == "x" * 1024


def test_no_secret_is_shown() -> None:
    """A password or a link's key is in no text that a log could have (S97)."""
    login = take(isync_calls.Login, {"userName": "anna", "password": "geheim"})
    shared = take(isync_calls.AskShared, {"shareKey": "geheim"})
    assert "geheim" not in f"{login!r} {login} {shared!r} {shared}"


# --- where parameters come from -----------------------------------------------------------------------------------------


def test_query_and_form_together() -> None:
    """The query wins; of a name given twice the first counts; empty values count; broken UTF-8 breaks nothing."""
    assert read_parameters("a=1&b=%C3%BC&a=2", FORM, b"a=9&c=x+y&d=&c=z") == {"a": "1", "b": "ü", "c": "x y", "d": ""}
    assert read_parameters("a=%FF", f"{FORM}; charset=utf-8", b"\xff=1")["a"] == "\ufffd"
    assert read_parameters("a=1", "", b"b=2") == {"a": "1"}
    assert read_parameters("a=1", "text/plain", b"b=2") == {"a": "1"}
    assert read_parameters("&".join(["a=1"] * 2000), FORM, b"b=2") == {"b": "2"}


def test_multipart_forms() -> None:
    """Text fields count as those of a form; files and what is not well formed are left out."""
    body = (
        b'preamble\r\n--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n2\r\n'
        b'--B\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name="b"\r\n\r\n\xc3\xbc\r\n'
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nfile\r\n'
        b'--B\r\nno head\r\n--B\r\n\r\n\r\n--B--\r\nContent-Disposition: form-data; name="z"\r\n\r\nlate'
    )
    for kind in ("multipart/form-data; boundary=B", 'multipart/form-data; charset=utf-8; boundary="B"'):
        assert read_parameters("q=1", kind, body) == {"q": "1", "a": "1\r\n2", "b": "ü"}
    assert read_parameters("q=1", "multipart/form-data", body) == {"q": "1"}


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/problem+json"])
def test_json_counts_alone(kind: str) -> None:
    """Without query and form; a broken one, or one that is no object, holds nothing."""
    assert read_parameters("a=1", kind, '{"b": "ü", "c": [1], "d": null}'.encode()) == {"b": "ü", "c": [1], "d": None}
    for body in (b"", b"{", b"[1]", b"5", b"\xff", b'"text"', b"[" * 100_000):
        assert read_parameters("a=1", kind, body) == {}


def test_uploads_read_the_query_alone() -> None:
    """Whatever their body is."""
    assert query_parameters("id=5&obp=1&id=6") == {"id": "5", "obp": "1"}


@given(
    st.text(max_size=40),
    st.binary(max_size=200),
    st.sampled_from([FORM, "application/json", "multipart/form-data; boundary=B"]),
)
def test_nothing_that_is_sent_breaks_the_reader(query: str, body: bytes, kind: str) -> None:
    """Any query and body give parameters, and any parameters are taken or refused."""
    found = read_parameters(query, kind, body)
    for call in CALLS.values():
        with suppress(Refused):
            take(call.takes, found)


# --- answers ------------------------------------------------------------------------------------------------------------


def test_answers() -> None:
    """ASCII, a space after the signs, nothing where there is nothing, no key without a value."""
    user = UserInfo(id=1, name="Grüße 🐈", create_time=5, help_int=0, help_text="")
    assert isync.success(user) == (
        b'{"code": 0, "data": {"id": 1, "name": "Gr\\u00fc\\u00dfe \\ud83d\\udc08", "createTime": 5, "helpInt": 0,'
        b' "helpText": ""}}'
    )
    assert isync.success() == b'{"code": 0}'
    assert isync.success("") == b'{"code": 0, "data": ""}'
    assert isync.success([]) == b'{"code": 0, "data": []}'
    assert isync.success(isync.FileList([], None)) == b'{"code": 0, "data": {"list": [], "page": null}}'
    assert isync.failure(Code.NOT_FOUND) == b'{"code": -10004, "msg": "There is no such thing."}'


def test_every_error_has_its_number_and_text() -> None:
    """The numbers of the order's server, each with one text."""
    assert {int(code) for code in Code} == {0, *range(-103, -99), *range(-10010, -9999)} - {-10011}
    assert set(isync.MESSAGES) == set(Code) - {Code.OK}


def test_a_file_has_the_names_of_the_article() -> None:
    """In its order; a status, longitude or latitude is never told."""
    info = FileInfo(
        id=1, upload_user_id=2, catalog_id=3, name="n", ext="mp4", create_time=4.5, upload_time=5, import_time=6,
        last_modify_time=7, size=8, type=4, duration=9.5, width=10, height=11, orientation=1, memo="m", help_int=12,
        help_text="t", uploading_thumb_size=13, uploading_screen_size=14, uploading_origin_size=15,
    )  # fmt: skip
    told = json.loads(isync.success(info))["data"]
    assert list(told) == [
        "id", "uploadUserId", "catalogId", "name", "ext", "createTime", "uploadTime", "importTime", "lastModifyTime", "size",
        "type", "duration", "width", "height", "orientation", "memo", "helpInt", "helpText", "uploadingOriginSize",
        "uploadingThumbSize", "uploadingScreenSize",
    ]  # fmt: skip
    assert told["createTime"] == 4.5
    assert [isync.number(value) for value in (None, 5.0, 5.25, -1.0)] == [None, 5, 5.25, -1]


# --- the cookie ---------------------------------------------------------------------------------------------------------


def test_the_cookie() -> None:
    """Secure only over TLS; found among others; never something that is none of ours."""
    token = "a" * 43
    assert isync.cookie(token, False) == f"session={token}; HttpOnly; Path=/; SameSite=Lax"
    assert isync.cookie(token, True).endswith("; SameSite=Lax; Secure")
    assert "Max-Age=0" in isync.cookie_ended(True)
    assert isync.read_cookie(f'x=1;session=; session="{token}"') == token
    for header in ("", "session", "session=", "sessions=" + token, "session=" + "a" * 15, "session=" + "a" * 257):
        assert isync.read_cookie(header) is None, header
    assert isync.read_cookie("a=b;" * 10_000 + f"session={token}") is None


# --- names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown, ext, name",
    [
        ("photo", "jpg", "photo.jpg"), ("photo.jpg", "jpg", "photo.jpg"), ("photo.JPG", "jpg", "photo.JPG"),
        ("photo", "", "photo"), ("photo", ".jpg", "photo.jpg"), ("a/b", "x/y", "a_b.x_y"), ("..", "", "_.."),
        ("a\0b\ud800", "", "a_b_"), ("u\u0308", "", "ü"), ("日" * 100, "jpeg", "日" * 83 + ".jpeg"), ("x", "...", "x"),
        (".", "jpg", "..jpg"), ("jpg", "jpg", "jpg.jpg"),
    ],
)  # fmt: skip
def test_node_names(shown: str, ext: str, name: str) -> None:
    """The display name with its extension, as near as a file can have it."""
    assert isync.node_name(shown, ext) == name


@given(st.text(max_size=120), st.text(max_size=10))
def test_every_display_name_gives_a_name(shown: str, ext: str) -> None:
    """Whatever was given, a node can be called so; again it gives the same."""
    name = isync.node_name(shown, ext)
    assert check_name(name) == name
    assert isync.node_name(name) == name
