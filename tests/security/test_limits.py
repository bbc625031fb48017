"""How much one account, one request or one message may cost everybody else (rows S32, S71, S73, S109)."""

import json
import struct
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.fronts.api.asks import begun, fresh
from tests.fronts.api.rig import SECOND, Answer, Rig, digest_of, is_ours, new, pack
from tests.fronts.api.rig import rig as open_rig

from homestow.server.fronts.http.express import MAX_HEAD, recognise
from homestow.server.ports.catalogue import Usage
from homestow.server.service.outside import Outside
from homestow.values.ids import RootId
from homestow.wire.api import Body
from homestow.wire.packs import MAX_HEADER_BYTES

GIB = 1 << 30


def rescan(rig: Rig) -> None:
    """Compare the root with the disk."""
    outside = rig.core.outside
    assert isinstance(outside, Outside)
    outside.rescan(rig.root)


def send_pack(rig: Rig, body: bytes, user: str = "anna") -> Answer:
    """One pack, whatever is in it."""
    return rig.ask("POST", f"/roots/{rig.root}/pack", body, user=user, headers={"Content-Type": Body.PACK.value})


def raw_part(header: bytes, content: bytes = b"x") -> bytes:
    """A part of a pack whose header is these bytes."""
    return struct.pack(">I", len(header)) + header + content


def header_with(parent: int, more: str, name: str = "x") -> bytes:
    """A header of a pack with something else in it."""
    return f'{{"size": 1, "mtime_ns": 0, "parent": {parent}, "name": "{name}"{more}}}'.encode("utf-8", "surrogatepass")


def test_S73_headers_of_packs_are_read_strictly(shared: Rig) -> None:
    """Endless depth, numbers no integer holds, what is no JSON or no text: the pack is refused, never a failure of ours."""
    top = shared.top
    headers = [
        header_with(top, f', "z": {"[" * 1900}{"]" * 1900}'),
        header_with(top, f', "z": {"[" * 3900}'),
        header_with(top, f', "z": {"{" * 20}'),
        b"[" * 4000, b'{"size":' * 500, b"\xff\xfe{}", b"", b"null", b"{}", b"[]", b'"x"', b"NaN",
        header_with(top, ', "base": NaN'), header_with(top, ', "base": Infinity'), header_with(top, ', "base": 1e400'),
        header_with(top, f', "base": {"9" * 3000}'), header_with(top, f', "base": {2**64}'), header_with(top, ', "base": -1'),
        header_with(top, ', "base": 1.5'), header_with(top, ', "base": true'), header_with(top, ', "base": "1"'),
        header_with(top, "", "\ud800"), header_with(top, "", "\\ud800"), header_with(top, "", "\\u0000\\ud83d"),
        header_with(top, "", "a\nb"), header_with(top, ', "size": -1'), header_with(top, f', "size": {2**63}'),
        header_with(top, "") + b" trailing", header_with(top, "") + b"\0",
    ]  # fmt: skip
    before = shared.names()
    for header in headers:
        answer = send_pack(shared, raw_part(header))
        assert answer.status in (400, 413), (header[:80], answer)
        is_ours(answer)
        assert len(answer.body) < 2000
    assert shared.names() == before


@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_S71_lengths_are_looked_at_before_memory_is_taken(shared: Rig, length: int) -> None:
    """A length that is too large ends the pack at once, whatever follows it."""
    answer = send_pack(shared, struct.pack(">I", length) + b"{" * 100)
    assert (answer.status, answer.code) == (400, "bad-request")


def test_S73_messages_are_read_strictly(shared: Rig) -> None:
    """The same for the messages of every call that takes one: endless depth in a field nobody knows is no failure of ours."""
    kind = {"Content-Type": "application/json"}
    for deep in (b"[" * 200_000, b'{"a":' * 100_000, b"[" * 1200 + b"]" * 1200, b'{"a":' * 1200 + b"1" + b"}" * 1200):
        for path in ("/login", "/uploads", f"/nodes/{shared.top}/folders", f"/roots/{shared.root}/folders"):
            answer = shared.ask("POST", path, b'{"zzz": ' + deep + b', "name": "x"}', headers=kind)
            assert answer.status == 400, (path, answer)
            is_ours(answer)


def test_S73_values_beside_the_schema_change_nothing(shared: Rig) -> None:
    """Fields nobody knows, however odd, are passed over as one value: they reach no log line, no answer and no row."""
    for value in ("1e308", "-0", "[]", "{}", '"\\u0000"', "[[[[1]]]]", '{"a": {"b": null}}', "123456789012345678"):
        body = f'{{"name": "{fresh()}", "zzz": {value}}}'.encode()
        answer = shared.ask("POST", f"/nodes/{shared.top}/folders", body, headers={"Content-Type": "application/json"})
        assert answer.status == 201
        assert "zzz" not in answer.body.decode()


def test_S109_uploads_are_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account begins so many uploads; at the limit it is told, others are not touched, and a cancelled one gives its place."""
    monkeypatch.setattr("homestow.server.service.uploads.MOST_UPLOADS", 5)
    mine = [begun(rig, "anna") for _ in range(5)]
    answer = rig.ask("POST", "/uploads", {"parent": rig.top, "name": "one more", "size": 1})
    assert (answer.status, answer.code) == (503, "busy")
    begun(rig, "ben")
    assert rig.ask("DELETE", f"/uploads/{mine[0]}").status == 204
    begun(rig, "anna")


def test_S109_promises_stay_a_number(rig: Rig) -> None:
    """Uploads that are declared as large as can be add up to a refusal, not to a number the database cannot hold; small files
    of others still come in, and cancelling makes room."""
    with rig.catalogue.write() as rows:
        rows.charge(rig.root, reserved=(1 << 60) - (1 << 50) - GIB)
    huge = {"parent": rig.top, "size": 1 << 50}
    first = rig.ask("POST", "/uploads", {**huge, "name": "fits"})
    assert first.status == 201
    answer = rig.ask("POST", "/uploads", {**huge, "name": "does not"})
    assert (answer.status, answer.code) == (507, "quota-exceeded")
    rig.put("small", b"ben's", user="ben")
    assert rig.ask("DELETE", f"/uploads/{first.json()['id']}").status == 204
    assert rig.ask("POST", "/uploads", {**huge, "name": "fits again"}).status == 201


def test_S109_entries_of_every_kind_are_counted(tmp_path: Path) -> None:
    """Folders, files alone and in packs, uploads, copies and replaced contents each take an entry until none is left; others
    are not touched, what was deleted still counts, and emptying the trash makes room."""
    with open_rig(tmp_path, entries=10) as rig:
        assert rig.roots.most_entries(rig.root) is not None
        folder = rig.folder_node("folder")  # 1
        file = rig.put("file", b"x")  # 2
        file = rig.edit(file, b"y")  # 3: the content before
        assert rig.ask("POST", f"/nodes/{file.id}/copy", {"parent": rig.top, "name": "copy"}).status == 201  # 4
        upload = begun(rig, "anna")  # 5
        made = send_pack(rig, pack(*(new(folder.id, f"p{number}", b"") for number in range(7)))).json()["results"]
        assert [bool(each.get("node")) for each in made] == [True] * 5 + [False] * 2  # 10
        for answer in (
            rig.ask("PUT", f"/nodes/{rig.top}/files?name=more", b"x"),
            rig.ask("PUT", f"/nodes/{file.id}/content?base={file.rev}", b"z"),
            rig.ask("POST", f"/nodes/{file.id}/copy", {"parent": rig.top, "name": "more"}),
            rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": "more"}),
            rig.ask("POST", "/uploads", {"parent": rig.top, "name": "more", "size": 1}),
        ):
            assert (answer.status, answer.code) == (507, "quota-exceeded"), answer
            assert answer.json()["facts"] == {"entries": 0}
            assert "`entries`" in answer.json()["message"]
        assert rig.ask("DELETE", f"/uploads/{upload}").status == 204
        rig.put("in its place", b"")
        assert rig.ask("DELETE", f"/nodes/{folder.id}").status == 204
        assert rig.ask("PUT", f"/nodes/{rig.top}/files?name=more", b"x").status == 507
        rig.nothing_left_over()
        assert rig.ask("DELETE", f"/trash/{folder.id}").status in (200, 204)
        made = send_pack(rig, pack(*(new(rig.top, f"q{number}", b"") for number in range(7)))).json()["results"]
        assert [bool(each.get("node")) for each in made] == [True] * 6 + [False]
        rig.nothing_left_over()


def test_S109_what_lies_on_disk_is_never_refused(tmp_path: Path) -> None:
    """More than may be kept, put into the folder from outside: it is all shown, and only more through the server is refused."""
    with open_rig(tmp_path, entries=5) as rig:
        for number in range(9):
            (rig.folder / f"f{number}").write_bytes(b"x")
        rescan(rig)
        assert len(rig.names()) == 9
        answer = rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": "more"})
        assert (answer.status, answer.code) == (507, "quota-exceeded")
        for number in range(5):
            (rig.folder / f"f{number}").unlink()
        rescan(rig)
        rig.folder_node("fits")
        rig.nothing_left_over()


def test_S109_counting_entries_asks_the_database_seldom(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until five thousand entries are there, it is looked less than thirty times how many there are."""
    monkeypatch.setattr(rig.roots, "_entries", 5000)
    rig.roots.forget_cached()
    looked: list[Collection[RootId]] = []
    usage = rig.catalogue.usage

    def counted(roots: Collection[RootId]) -> dict[RootId, Usage]:
        looked.append(roots)
        return usage(roots)

    monkeypatch.setattr(rig.catalogue, "usage", counted)
    ground = rig.core.committer._ground
    for _ in range(4990):
        ground.enter(rig.root)
    assert 1 <= len(looked) < 30


def test_S109_blocks_are_never_so_small_that_they_cost_more_than_they_save(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests of a content's blocks are computed up to a number of blocks; an upload in smaller ones is sent whole."""
    monkeypatch.setattr("homestow.server.service.uploads.MOST_BLOCKS", 50)
    monkeypatch.setattr("homestow.server.service.downloads.MOST_BLOCKS", 3)
    file = rig.put("file", b"x" * (4 * 64 * 1024))
    answer = rig.ask("GET", f"/nodes/{file.id}/blocks?block_size={64 * 1024}")
    assert (answer.status, answer.code) == (400, "bad-request")
    assert rig.ask("GET", f"/nodes/{file.id}/blocks?block_size={128 * 1024}").status == 200
    for block_size, known in ((1, 0), (64 * 1024, 4 * 64 * 1024)):
        message = {"node": file.id, "base": 1, "size": file.size, "block_size": block_size}
        upload = rig.ask("POST", "/uploads", message).json()["id"]
        digests = [digest_of(b"x" * block_size)] * 4
        state = rig.ask("POST", f"/uploads/{upload}/have", {"digests": digests}).json()
        assert sum(stop - start for start, stop in state["have"]) == known


def test_S109_a_pack_of_nothing_is_counted(shared: Rig) -> None:
    """Empty files count as files: a pack takes 4,096 of them and refuses the next one as a whole."""
    before = len(shared.names())
    answer = send_pack(shared, pack(*(new(shared.top, fresh("empty"), b"") for _ in range(4097))))
    assert (answer.status, answer.code) == (413, "too-large")
    assert len(shared.names()) == before


def test_S32_no_head_is_slow_to_recognise() -> None:
    """The one pattern that every request meets takes no time worth naming on the worst heads of its length. CPU time."""
    worst = [
        b"GET /" + b"a" * 200 + b" HTTP/1.1\r\n" + b"A: x" + b" " * 1500 + b"\r\n\r",
        b"GET /a HTTP/1.1\r\n" + b"A: x" + b" y" * 240 + b"\r\n" + (b"A: x" + b" y" * 240 + b"\r\n") * 3,
        b"GET /a HTTP/1.1\r\n" + b"A:x\r\n" * 300,
        b"GET /" + b"/" * 2000,
        b"GET /a HTTP/1.1\r\n" + b"-" * 1900 + b": x\r\n\r\n",
    ]
    began = time.process_time()
    for _ in range(100):
        for head in worst:
            assert recognise(head[:MAX_HEAD]) is None
    assert time.process_time() - began < 0.5


def test_S109_search_for_pages_is_bounded(shared: Rig) -> None:
    """No listing gives more than its limit, however the limit is asked for."""
    for path in (f"/nodes/{shared.top}/children", f"/roots/{shared.root}/tree", f"/roots/{shared.root}/trash"):
        for limit in ("0", "10001", str(2**63), "-1", "1e4"):
            assert shared.ask("GET", f"{path}?limit={limit}").status == 400
    body = json.dumps({"files": [[shared.top, 1]] * 4097}).encode()
    answer = shared.ask("POST", f"/roots/{shared.root}/wanted", body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (413, "too-large")


def test_S47_S109_a_few_long_requests_hold_up_nobody_else(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty requests of one reader that each take for ever, and sixty logins that do, leave all others served; who asks for
    more of the kind is told to come back."""
    tokens = {user: rig.token(user) for user in ("anna", "ben", "cora")}
    node, going_on = rig.put("long", b"x" * 70_000), threading.Event()
    hashing = rig.services.accounts._hashing
    monkeypatch.setattr(type(rig.core.downloads._blocks), "digests", lambda *_: going_on.wait(60) and ())
    monkeypatch.setattr(type(hashing), "matches", lambda *_: going_on.wait(60) and False)

    def ask(number: int) -> int:
        if number < 90:
            return rig.ask("GET", f"/nodes/{node.id}/blocks", token=tokens["cora"]).status
        body = {"user": f"nobody-{number}", "password": "x"}
        return rig.ask("POST", "/login", body, user=None).status

    with ThreadPoolExecutor(170) as pool:
        under_way = [pool.submit(ask, number) for number in range(170)]
        try:
            for _ in range(3):
                for user in ("ben", "anna"):
                    assert rig.ask("GET", f"/nodes/{rig.top}/children", token=tokens[user]).status == 200
                    assert (
                        rig.ask("PUT", f"/nodes/{rig.top}/files?name={fresh()}", b"1", token=tokens[user]).status == 201
                    )
        finally:
            going_on.set()
    told = [each.result() for each in under_way]
    assert set(told[:90]) == {200, 503}
    assert set(told[90:]) <= {401, 429, 503}


def test_S109_remembered_answers_do_not_fill_the_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large answers under idempotency keys an account has its newest few; small ones, and those of others, stay."""
    monkeypatch.setattr("homestow.server.adapters.catalogue_sql.rows.MOST_LARGE_ANSWERS", 3)
    folder = rig.folder_node("there")

    def ask(key: str, count: int, user: str = "anna") -> None:
        rig.clock.ns += SECOND
        body = {"folders": [[rig.top, "there"]] * count}
        answer = rig.ask("POST", f"/roots/{rig.root}/folders", body, user=user, headers={"Idempotency-Key": key})
        assert {result["node"]["id"] for result in answer.json()["results"]} == {folder.id}

    ask("small", 1)
    ask("bens", 1000, user="ben")
    for number in range(6):
        ask(f"large {number}", 1000)
    anna, ben = rig.account("anna"), rig.account("ben")
    kept = [key for key in ("small", *(f"large {number}" for number in range(6))) if rig.catalogue.answer(anna, key)]
    assert kept == ["small", "large 3", "large 4", "large 5"]
    assert rig.catalogue.answer(ben, "bens") is not None
    ask("large 5", 1000)
    ask("large 0", 1000)
