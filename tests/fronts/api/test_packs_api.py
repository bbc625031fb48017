"""Many small files in one body: up and down, with failures in the middle, cut, empty, too many, too large."""

import json
import socket
import struct

import pytest
from tests.fronts.api.asks import PACK, fresh, old_version
from tests.fronts.api.rig import Answer, Rig, digest_of, new, pack, unpack

from homestow.wire.api import MAX_PACK_FILES, PREFIX, PackItem


def up(rig: Rig, body: bytes, user: str = "anna") -> Answer:
    return rig.ask("POST", f"/roots/{rig.root}/pack", body, headers=dict(PACK), user=user)


def codes(answer: Answer) -> list[str | None]:
    """Each file's failure, None where it went well."""
    assert answer.status == 200, answer
    return [(each.get("problem") or {}).get("code") for each in answer.json()["results"]]


def test_mixed_failures(shared: Rig) -> None:
    """P9: each file has its own result in its place; forty bad ones stop no good one."""
    folder = shared.folder_node(fresh()).id
    file = shared.put("file", b"old", parent=folder)
    edited = old_version(shared)
    wrong = digest_of(b"other")
    items = [
        (new(folder, "good", b"1"), None),
        (new(folder, "file", b"2"), "path-taken"),
        (new(folder, "good", b"3"), "path-taken"),
        (new(folder, "..", b"4"), "bad-name"),
        (new(folder, "a/b", b"5"), "bad-name"),
        (new(folder, "x" * 256, b"6"), "bad-name"),
        (new(10**12, "nowhere", b"7"), "not-found"),
        (new(file.id, "in a file", b"8"), "not-found"),
        (new(folder, "spoilt", b"9", digest=wrong), "digest-mismatch"),
        (new(folder, "checked", b"10", digest=digest_of(b"10")), None),
        (new(folder, "no digest", b"11", digest="x"), "bad-request"),
        ((PackItem(size=2, mtime_ns=0), b"12"), "bad-request"),
        ((PackItem(size=2, mtime_ns=0, node=file.id), b"13"), "bad-request"),
        ((PackItem(size=2, mtime_ns=0, node=file.id, base=1, name="x"), b"14"), "bad-request"),
        ((PackItem(size=2, mtime_ns=0, node=file.id, base=1), b"15"), None),
        ((PackItem(size=2, mtime_ns=0, node=edited.id, base=1), b"16"), "stale"),
        ((PackItem(size=2, mtime_ns=0, node=shared.top, base=1), b"17"), "not-found"),
        (new(folder, "empty", b""), None),
        (new(folder, "last", b"18"), None),
    ]
    answer = up(shared, pack(*(item for item, _ in items)))
    told = codes(answer)
    expected = [code for _, code in items]
    assert [code if code != "wrong-kind" else "not-found" for code in told] == expected
    assert shared.names(folder) == ["checked", "empty", "file", "good", "last"]
    assert shared.read(file.id) == b"15"
    assert shared.read(answer.json()["results"][0]["node"]["id"]) == b"1"
    shared.nothing_left_over()


def test_a_pack_cut_in_the_middle(rig: Rig) -> None:
    """A pack whose end is missing publishes nothing of it: neither when the length said so nor when the line broke."""
    body = pack(*(new(rig.top, f"f{number}", b"x" * 100) for number in range(5)))
    for cut in (1, 3, 4, 50, 101, len(body) - 1):
        answer = up(rig, body[:cut])
        assert (answer.status, answer.code) == (400, "bad-request")
    with socket.create_connection((rig.host, rig.port)) as sock:
        sock.sendall(
            f"POST {PREFIX}/roots/{rig.root}/pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token('anna')}\r\n"
            f"Content-Type: {PACK['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:300]
        )
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    rig.quiet()
    assert rig.names() == []
    rig.nothing_left_over()
    assert codes(up(rig, body)) == [None] * 5


@pytest.mark.parametrize(
    "body,code",
    [
        (b"", "bad-request"),
        (b"\0\0\0\0", "bad-request"),
        (b"\0\0\0\2{}", "bad-request"),
        (b"\xff\xff\xff\xff" + b"x" * 100, "bad-request"),
        (struct.pack(">I", 5000) + b"{" * 5000, "bad-request"),
        (struct.pack(">I", 3000) + b"[" * 3000, "bad-request"),
        (struct.pack(">I", 4) + b'\xff"}x', "bad-request"),
        (pack((PackItem(size=-1 % 2**63, mtime_ns=0, parent=1, name="x"), b"")), "too-large"),
        (pack((PackItem(size=1024 * 1024 + 1, mtime_ns=0, parent=1, name="x"), b"x" * (1024 * 1024 + 1))), "too-large"),
        (pack(*[new(1, f"n{number}", b"") for number in range(MAX_PACK_FILES + 1)]), "too-large"),
        (b"not a pack at all", "bad-request"),
    ],
    ids=range(11),
)
def test_what_is_no_pack(shared: Rig, body: bytes, code: str) -> None:
    """Framing that is none, headers that are none, too many or too large files: refused as a whole, nothing published."""
    before = shared.services.changes.cursor()
    answer = up(shared, body)
    assert answer.code == code
    assert answer.status == {"bad-request": 400, "too-large": 413}[code]
    assert shared.services.changes.cursor() == before


def test_a_full_pack(rig: Rig) -> None:
    """4,096 files in one body, and all of them down again in another one, in the order asked for."""
    files = [new(rig.top, f"f{number:04}", f"content {number}".encode()) for number in range(MAX_PACK_FILES)]
    results = up(rig, pack(*files)).json()["results"]
    wanted = [[each["node"]["id"], 1] for each in reversed(results)]
    answer = rig.ask("POST", f"/roots/{rig.root}/wanted", {"files": wanted})
    assert answer.headers["content-type"] == PACK["Content-Type"]
    got = unpack(answer.body)
    assert [[header.node, header.rev] for header, _ in got] == wanted
    assert [content for _, content in got] == [content for _, content in reversed(files)]


def test_the_largest_files(rig: Rig) -> None:
    """Sixteen files of a mebibyte are just a pack; one byte more is none, up and down."""
    big = b"x" * (1024 * 1024)
    assert codes(up(rig, pack(*(new(rig.top, f"f{number}", big) for number in range(16))))) == [None] * 16
    answer = up(rig, pack(*(new(rig.top, f"g{number}", big) for number in range(16)), new(rig.top, "more", b"1")))
    assert (answer.status, answer.code) == (413, "too-large")
    nodes = rig.ask("GET", f"/nodes/{rig.top}/children?limit=1000").json()["nodes"]
    wanted = [[each["id"], 1] for each in nodes]
    assert len(unpack(rig.ask("POST", f"/roots/{rig.root}/wanted", {"files": wanted}).body)) == 16
    extra = rig.put("extra", b"1")
    answer = rig.ask("POST", f"/roots/{rig.root}/wanted", {"files": [*wanted, [extra.id, 1]]})
    assert (answer.status, answer.code) == (413, "too-large")


def test_down_with_failures(shared: Rig) -> None:
    """What cannot be given is told in its place, and the others come."""
    good, edited = shared.put(fresh(), b"good"), old_version(shared)
    gone = shared.put(fresh())
    shared.ask("DELETE", f"/nodes/{gone.id}")
    wanted = [[good.id, 1], [edited.id, 7], [shared.top, 0], [gone.id, 1], [10**12, 1], [edited.id, 2], [good.id, 1]]
    got = unpack(shared.ask("POST", f"/roots/{shared.root}/wanted", {"files": wanted}).body)
    assert [[header.node, header.rev] for header, _ in got] == wanted
    assert [content for _, content in got] == [b"good", b"", b"", b"", b"", b"new!", b"good"]
    told = [header.problem.code if header.problem else None for header, _ in got]
    assert [told[0], told[3], told[4], told[5], told[6]] == [None, "not-found", "not-found", None, None]
    assert told[1] in ("stale", "not-found")
    assert told[2] == "wrong-kind"


def test_nothing_wanted(shared: Rig) -> None:
    """An empty wish gets an empty pack."""
    answer = shared.ask("POST", f"/roots/{shared.root}/wanted", {"files": []})
    assert (answer.status, answer.body) == (200, b"")


def test_folders_at_once(shared: Rig) -> None:
    """Parents before children by their place in the list; existing ones are taken; a wrong one fails with all below it."""
    top = shared.folder_node(fresh()).id
    there = shared.folder_node("there", top)
    shared.put("file", parent=top)
    asked = [[top, "a"], [-1, "b"], [-2, "c"], [top, "there"], [-4, "in"], [top, "file"], [-6, "x"], [top, ""], [-8, "y"],
             [0, "z"], [-99, "z"], [top, "a"]]  # fmt: skip
    answer = shared.ask("POST", f"/roots/{shared.root}/folders", {"folders": asked})
    results = answer.json()["results"]
    told = [each["node"]["name"] if each.get("node") else each["problem"]["code"] for each in results]
    assert told[:7] == ["a", "b", "c", "there", "in", "path-taken", "not-found"]
    assert told[7] == "bad-name"
    assert told[8] in ("not-found", "bad-name")
    assert told[9:] == ["bad-request", "bad-request", "a"]
    assert results[3]["node"]["id"] == there.id
    assert results[11]["node"]["id"] == results[0]["node"]["id"]
    again = shared.ask("POST", f"/roots/{shared.root}/folders", {"folders": asked[:5]})
    assert json.loads(again.body)["results"][2]["node"]["id"] == results[2]["node"]["id"]
    assert shared.ask("POST", f"/roots/{shared.root}/folders", {"folders": []}).json() == {"results": []}
