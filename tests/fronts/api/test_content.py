"""Bytes down: whole, ranges, conditions, versions, block digests; and what names do to headers."""

import hashlib
import random
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import quote, unquote

import pytest
from tests.fronts.api.asks import fresh, old_version
from tests.fronts.api.rig import Answer, Rig, digest_of

from homestow.values.nodes import Node

LARGE = random.Random(5).randbytes(3 * 1024 * 1024 + 17)


@pytest.fixture(scope="module")
def large(shared: Rig) -> Node:
    """A file that does not fit into one buffer."""
    return shared.put("large", LARGE)


def get(rig: Rig, node: Node, method: str = "GET", query: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return rig.ask(method, f"/nodes/{node.id}/content{query}", headers=named)


def test_whole(shared: Rig, large: Node) -> None:
    """All bytes, with a strong tag, the length, and headers that make no browser run or cache it."""
    answer = get(shared, large)
    assert (answer.status, answer.body) == (200, LARGE)
    assert answer.headers["content-length"] == str(len(LARGE))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["homestow-rev"] == "1"
    head = get(shared, large, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "etag", "last-modified", "content-disposition", "homestow-epoch"):
        assert head.headers[name] == answer.headers[name]


@pytest.mark.parametrize(
    "wanted,start,stop",
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, len(LARGE)),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", len(LARGE) - 7, len(LARGE)),
        (f"bytes={len(LARGE) - 1}-{2**60}", len(LARGE) - 1, len(LARGE)),
        ("bytes=1048575-2097153", 1048575, 2097154),
        ("bytes=0-4,5-9", 0, 10),
    ],
)
def test_one_range(shared: Rig, large: Node, wanted: str, start: int, stop: int) -> None:
    """206 with just those bytes, said to be those."""
    answer = get(shared, large, Range=wanted)
    assert (answer.status, answer.body) == (206, LARGE[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(LARGE)}"


def test_several_ranges(shared: Rig, large: Node) -> None:
    """A multipart body with each range and where it lies; its parts are what they say."""
    answer = get(shared, large, Range="bytes=0-9,1000000-1999999,-5")
    assert answer.status == 206
    assert len(answer.body) == int(answer.headers["content-length"])
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n" + answer.body
    )
    parts = list(message.iter_parts())
    found = []
    for part in parts:
        assert isinstance(part, Message)
        span, _, size = part["Content-Range"].removeprefix("bytes ").partition("/")
        start, stop = (int(text) for text in span.split("-"))
        assert int(size) == len(LARGE)
        found.append((start, stop))
    assert found == [(0, 9), (1000000, 1999999), (len(LARGE) - 5, len(LARGE) - 1)]
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    bodies = [piece.partition(b"\r\n\r\n")[2] for piece in answer.body.split(b"--" + boundary)[1:-1]]
    assert [body.removesuffix(b"\r\n") for body in bodies] == [LARGE[start : stop + 1] for start, stop in found]


@pytest.mark.parametrize("wanted", ["bytes=5-2", "lines=1-2", "bytes=a-b", "bytes", "", "bytes=" + "0-1,5-6," * 9])
def test_a_range_that_is_none_is_passed_over(shared: Rig, large: Node, wanted: str) -> None:
    """Malformed, of another unit or too many (S15): all of it, never an error."""
    assert get(shared, large, Range=wanted).status == 200


def test_nothing_in_range(shared: Rig, large: Node) -> None:
    """416 says how long the content is, in our form of a failure."""
    answer = get(shared, large, Range=f"bytes={len(LARGE)}-")
    assert (answer.status, answer.code) == (416, "bad-request")
    assert answer.headers["content-range"] == f"bytes */{len(LARGE)}"


def test_if_range(shared: Rig) -> None:
    """A resumed download gets its range only of the content it began with, else all of the new one (SC-159)."""
    node = shared.put(fresh(), b"first content")
    tag = get(shared, node).headers["etag"]
    assert get(shared, node, Range="bytes=6-", If_Range=tag).body == b"content"
    edited = shared.edit(node, b"other content")
    answer = get(shared, edited, Range="bytes=6-", If_Range=tag)
    assert (answer.status, answer.body) == (200, b"other content")
    assert answer.headers["etag"] != tag
    assert get(shared, node, query="?rev=1", Range="bytes=6-", If_Range=tag).body == b"content"


def test_conditions(shared: Rig) -> None:
    """304 for what is known, 412 for what is expected to be other; dates count where tags do not."""
    node = shared.put(fresh(), b"content", query="&mtime_ns=1500000000000000000")
    plain = get(shared, node)
    tag, date = plain.headers["etag"], plain.headers["last-modified"]
    assert date == "Fri, 14 Jul 2017 02:40:00 GMT"
    for headers in ({"If_None_Match": tag}, {"If_None_Match": "*"}, {"If_Modified_Since": date}):
        for method in ("GET", "HEAD"):
            answer = get(shared, node, method, **headers)
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == tag
    for headers in ({"If_Match": '"other"'}, {"If_Unmodified_Since": "Thu, 13 Jul 2017 02:40:00 GMT"}):
        answer = get(shared, node, **headers)
        assert (answer.status, answer.code) == (412, "stale")
    for headers in ({"If_Match": tag}, {"If_None_Match": '"other"'}, {"If_Modified_Since": "yesterday"}):
        assert get(shared, node, **headers).body == b"content"


def test_an_empty_file(shared: Rig) -> None:
    """No bytes, whole or in ranges."""
    node = shared.put(fresh(), b"")
    answer = get(shared, node)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert get(shared, node, Range="bytes=0-").status == 416
    assert get(shared, node, Range="bytes=-5").status == 200


def test_older_contents(shared: Rig) -> None:
    """Each rev gives its own bytes under a tag of its own; a rev that never was is not there."""
    node = old_version(shared)
    old, present = get(shared, node, query="?rev=1"), get(shared, node)
    assert (old.body, present.body) == (b"old", b"new!")
    assert old.headers["etag"] != present.headers["etag"]
    assert (old.headers["homestow-rev"], present.headers["homestow-rev"]) == ("1", "2")
    assert get(shared, node, query="?rev=3").status == 404
    assert get(shared, node, query="?rev=0").status == 404
    versions = shared.ask("GET", f"/nodes/{node.id}/versions").json()["versions"]
    assert [(each["rev"], each["size"], each["current"]) for each in versions] == [(2, 4, True), (1, 3, False)]
    assert versions[1]["digest"] == digest_of(b"old")
    back = shared.ask("POST", f"/nodes/{node.id}/versions/1/restore?base=2").node
    assert (back.rev, shared.read(node.id)) == (3, b"old")
    assert get(shared, node, query="?rev=2").body == b"new!"


def test_block_digests(shared: Rig, large: Node) -> None:
    """BLAKE3 of each block, the last one shorter; of older contents too."""
    size = 1024 * 1024
    answer = shared.ask("GET", f"/nodes/{large.id}/blocks?block_size={size}").json()
    assert answer["digests"] == [digest_of(LARGE[at : at + size]) for at in range(0, len(LARGE), size)]
    assert (answer["rev"], answer["size"], answer["block_size"]) == (1, len(LARGE), size)
    for wrong in (0, 65535, 64 * 1024 * 1024 + 1, -1, 2**63):
        assert shared.ask("GET", f"/nodes/{large.id}/blocks?block_size={wrong}").status == 400
    assert shared.ask("GET", f"/nodes/{old_version(shared).id}/blocks?rev=1").json()["digests"] == [digest_of(b"old")]


NAMES = [
    'quo"te',
    "semi;colon",
    "back\\slash",
    "new\r\nSet-Cookie: a=b",
    "tab\tand\x7f",
    "Grüße 😀.txt",
    "-dash",
    "percent%41%",
    " spaces ",
    "x" * 255,
    "\u202egnp.exe",
    "é" * 127,
    "'single'",
    "a\u0085b\u2028c",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_stay_names(shared: Rig, name: str) -> None:
    """S21: whatever a file is called, its answer has no header but ours, and the name comes back as it was."""
    folder = shared.folder_node(fresh())
    node = shared.put(name, b"content", parent=folder.id)
    assert node.name == name
    assert shared.names(folder.id) == [name]
    answer = get(shared, node)
    assert answer.body == b"content"
    assert "set-cookie" not in answer.headers
    value = answer.headers["content-disposition"]
    assert value.isascii()
    assert value.isprintable()
    told = unquote(value.partition("filename*=UTF-8''")[2].partition(";")[0]) if "filename*=" in value else None
    if told is not None:
        assert told == "".join(each for each in name if each.isprintable() or each == " ") or told.isprintable()
    assert shared.ask("GET", f"/roots/{shared.root}/path?path={quote(f'{folder.name}/{name}')}").node == node


def test_bytes_are_the_ones_on_disk(shared: Rig, large: Node) -> None:
    """What the API gives is the ordinary file in the ordinary folder."""
    on_disk = (shared.folder / "large").read_bytes()
    assert hashlib.sha256(on_disk).digest() == hashlib.sha256(get(shared, large).body).digest()


def test_an_edit_on_the_servers_disk(rig: Rig) -> None:
    """What an editor changed in place is told as new content with a new tag, never as a mix under the old one."""
    node = rig.put("f", b"by us")
    tag = get(rig, node).headers["etag"]
    (rig.folder / "f").write_bytes(b"by an editor")
    answer = get(rig, node)
    assert answer.body == b"by an editor"
    assert answer.headers["etag"] != tag
    assert rig.node(node.id).rev == 2


def test_a_file_that_vanished_from_disk(rig: Rig) -> None:
    """What somebody removed on the server's disk is not there any more."""
    node = rig.put("f")
    (rig.folder / "f").unlink()
    answer = get(rig, node)
    assert (answer.status, answer.code) == (404, "not-found")
