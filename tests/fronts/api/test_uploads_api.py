"""Uploads in blocks: any order, many connections, cut, sent again, across restarts; quota at its edge."""

import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.api.asks import begun, filled, fresh
from tests.fronts.api.rig import Answer, Rig, digest_of
from tests.fronts.api.rig import rig as open_rig

from homestow.wire.api import PREFIX

BLOCK = 64 * 1024
CONTENT = random.Random(3).randbytes(20 * BLOCK + 12345)


def begin(rig: Rig, content: bytes, user: str = "anna", **more: Any) -> str:
    return begun(rig, user, content, block_size=BLOCK, **more)


def put(rig: Rig, upload: str, offset: int, data: bytes, query: str = "", user: str = "anna") -> Answer:
    return rig.ask("PUT", f"/uploads/{upload}/blocks/{offset}{query}", data, user=user)


def finish(rig: Rig, upload: str, user: str = "anna", **message: str) -> Answer:
    return rig.ask("POST", f"/uploads/{upload}/finish", message, user=user)


def look(rig: Rig, upload: str) -> dict[str, Any]:
    state: dict[str, Any] = rig.ask("GET", f"/uploads/{upload}").json()
    return state


def half_a_block(rig: Rig, upload: str, offset: int, data: bytes, promised: int) -> None:
    """Announce a longer block than is sent, and hang up; returns when the server has seen it."""
    with socket.create_connection((rig.host, rig.port)) as sock:
        sock.sendall(
            f"PUT {PREFIX}/uploads/{upload}/blocks/{offset} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {rig.token('anna')}\r\nContent-Length: {promised}\r\n\r\n".encode()
            + data
        )
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    rig.quiet()


def test_any_order_over_many_connections(shared: Rig) -> None:
    """Blocks in a random order, eight at once, some twice: the file is what was declared, and the state said so all along."""
    upload = begin(shared, CONTENT, name=(name := fresh()))
    offsets = [*range(0, len(CONTENT), BLOCK), 0, 5 * BLOCK]
    random.Random(1).shuffle(offsets)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda at: put(shared, upload, at, CONTENT[at : at + BLOCK]), offsets))
    assert {answer.status for answer in answers} == {200}
    assert look(shared, upload)["have"] == [[0, len(CONTENT)]]
    assert look(shared, upload)["state"] == "uploaded"
    assert name not in shared.names()
    made = finish(shared, upload, digest=digest_of(CONTENT)).node
    assert (made.name, made.size, made.digest) == (name, len(CONTENT), digest_of(CONTENT))
    assert (shared.folder / name).read_bytes() == CONTENT
    assert look(shared, upload)["done"]["id"] == made.id


def test_a_slow_sender_beside_others(shared: Rig) -> None:
    """A block that hangs in the middle holds up neither other blocks nor other people's calls."""
    upload = begin(shared, CONTENT)
    with socket.create_connection((shared.host, shared.port)) as sock:
        sock.sendall(
            f"PUT {PREFIX}/uploads/{upload}/blocks/0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token('anna')}\r\n"
            f"Content-Length: {BLOCK}\r\n\r\n".encode()
            + CONTENT[:100]
        )
        assert put(shared, upload, BLOCK, CONTENT[BLOCK : 2 * BLOCK]).status == 200
        assert shared.put(fresh()).rev == 1
        sock.sendall(CONTENT[100:BLOCK])
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert look(shared, upload)["have"] == [[0, 2 * BLOCK]]


def test_a_block_cut_in_the_middle(shared: Rig) -> None:
    """What came before the cut counts, so no more than the rest is sent again (P7)."""
    upload = begin(shared, CONTENT)
    half_a_block(shared, upload, 2 * BLOCK, CONTENT[2 * BLOCK : 2 * BLOCK + 1000], BLOCK)
    assert look(shared, upload)["have"] == [[2 * BLOCK, 2 * BLOCK + 1000]]
    assert put(shared, upload, 2 * BLOCK + 1000, CONTENT[2 * BLOCK + 1000 :]).status == 200
    assert put(shared, upload, 0, CONTENT[: 2 * BLOCK]).status == 200
    assert shared.read(finish(shared, upload, digest=digest_of(CONTENT)).node.id) == CONTENT


def test_a_block_with_a_digest_counts_whole_or_not(shared: Rig) -> None:
    """A verified block that was cut, or is another one, does not count; sent rightly it does."""
    upload = begin(shared, CONTENT)
    block = CONTENT[:BLOCK]
    wrong = put(shared, upload, 0, block, f"?digest={digest_of(b'other')}")
    assert (wrong.status, wrong.code) == (422, "digest-mismatch")
    assert look(shared, upload)["have"] == []
    assert put(shared, upload, 0, block, f"?digest={digest_of(block)}").json()["have"] == [[0, BLOCK]]
    assert put(shared, upload, 0, block, "?digest=abc").status == 400


@pytest.mark.parametrize(
    "offset,size,status,code",
    [
        (6, 1, 409, "wrong-offset"),
        (5, 1, 409, "wrong-offset"),
        (4, 2, 409, "wrong-offset"),
        (2**62, 1, 409, "wrong-offset"),
        (2**63, 1, 400, "bad-request"),
        (-1, 1, 400, "bad-request"),
        (5, 0, 200, ""),
        (0, 0, 200, ""),
    ],
)
def test_a_block_that_does_not_fit(shared: Rig, offset: int, size: int, status: int, code: str) -> None:
    """Past the declared size nothing is taken, and the size is told; no bytes at all are harmless."""
    upload = begin(shared, b"bytes")
    answer = put(shared, upload, offset, b"x" * size)
    assert answer.status == status, answer
    if code:
        assert answer.code == code
    if code == "wrong-offset":
        assert answer.json()["facts"]["expected"] == 5
    assert put(shared, upload, 0, b"bytes").status == 200
    assert shared.read(finish(shared, upload).node.id) == b"bytes"


@pytest.mark.parametrize("boot", ["first", "second"])
def test_goes_on_after_a_restart(rig: Rig, boot: str) -> None:
    """The server stops in the middle; afterwards it knows what it has, and the rest makes the file. After a power cut only
    what was flushed counts, never more than is there."""
    upload = begin(rig, CONTENT)
    for at in (0, 7 * BLOCK, 3 * BLOCK):
        assert put(rig, upload, at, CONTENT[at : at + BLOCK]).status == 200
    half_a_block(rig, upload, BLOCK, CONTENT[BLOCK : BLOCK + 500], BLOCK)
    before = look(rig, upload)["have"]
    rig.restart(boot)
    state = look(rig, upload)
    if boot == "first":
        assert state["have"] == before == [[0, BLOCK + 500], [3 * BLOCK, 4 * BLOCK], [7 * BLOCK, 8 * BLOCK]]
    at = 0
    for start, stop in [*state["have"], [len(CONTENT), len(CONTENT)]]:
        if at < start:
            assert put(rig, upload, at, CONTENT[at:start]).status == 200
        at = stop
    made = finish(rig, upload, digest=digest_of(CONTENT)).node
    assert (rig.folder / made.name).read_bytes() == CONTENT
    rig.nothing_left_over()


def test_wrong_bytes_can_be_sent_anew(shared: Rig) -> None:
    """A declared digest that does not fit publishes nothing and forgets the bytes; the right ones then go through."""
    upload = begin(shared, b"right", digest=digest_of(b"right"), name=(name := fresh()))
    assert put(shared, upload, 0, b"wrong").status == 200
    answer = finish(shared, upload)
    assert (answer.status, answer.code) == (422, "digest-mismatch")
    assert name not in shared.names()
    assert look(shared, upload)["have"] == []
    assert put(shared, upload, 0, b"right").status == 200
    assert shared.read(finish(shared, upload).node.id) == b"right"


def test_unfinished_business(shared: Rig) -> None:
    """Finishing too soon says how much is missing and keeps what is there; cancelling leaves nothing."""
    upload = begin(shared, b"bytes", name=(name := fresh()))
    put(shared, upload, 3, b"es")
    answer = finish(shared, upload)
    assert (answer.status, answer.code, answer.json()["facts"]) == (409, "incomplete", {"missing": 3})
    assert look(shared, upload)["have"] == [[3, 5]]
    assert shared.ask("DELETE", f"/uploads/{upload}").status == 204
    for answer in (
        shared.ask("GET", f"/uploads/{upload}"),
        put(shared, upload, 0, b"x"),
        finish(shared, upload),
        shared.ask("DELETE", f"/uploads/{upload}"),
    ):
        assert (answer.status, answer.code) == (410, "upload-gone")
    assert name not in shared.names()
    assert upload not in list(shared.roots.get(shared.root).staged_keys())


@pytest.mark.parametrize("upload", ["x", "0" * 32, "0" * 31 + "G", "..", "%2e%2e", "0" * 5000])
def test_what_is_no_upload(shared: Rig, upload: str) -> None:
    """Whatever stands for an upload's id is no file name and no error of ours."""
    assert shared.ask("GET", f"/uploads/{upload}").status in (404, 410)


def test_a_finished_upload_takes_nothing(shared: Rig) -> None:
    """Blocks after the end are refused; the file stays."""
    upload = filled(shared, "anna", b"bytes")
    made = finish(shared, upload).node
    answer = put(shared, upload, 0, b"other")
    assert (answer.status, answer.code) == (409, "wrong-offset")
    assert shared.ask("DELETE", f"/uploads/{upload}").status in (204, 410)
    assert shared.read(made.id) == b"bytes"


def test_blocks_that_the_server_has(shared: Rig) -> None:
    """Of a changed file only what changed is sent: the rest is copied from the content it replaces."""
    old = shared.put(fresh(), CONTENT)
    new = CONTENT[: 4 * BLOCK] + b"!" * BLOCK + CONTENT[5 * BLOCK :] + b"more"
    upload = begin(shared, new, parent=None, name=None, node=old.id, base=1)
    digests = [digest_of(new[at : at + BLOCK]) for at in range(0, len(new), BLOCK)]
    state = shared.ask("POST", f"/uploads/{upload}/have", {"digests": digests}).json()
    assert state["have"] == [[0, 4 * BLOCK], [5 * BLOCK, 20 * BLOCK]]
    put(shared, upload, 4 * BLOCK, new[4 * BLOCK : 5 * BLOCK])
    put(shared, upload, 20 * BLOCK, new[20 * BLOCK :])
    made = finish(shared, upload, digest=digest_of(new)).node
    assert (made.id, made.rev, shared.read(made.id)) == (old.id, 2, new)
    assert shared.ask("POST", f"/uploads/{upload}/have", {"digests": ["x"]}).status == 400
    other = begin(shared, new)
    too_many = shared.ask("POST", f"/uploads/{other}/have", {"digests": digests * 2})
    assert too_many.status in (200, 400)


@pytest.mark.parametrize(
    "message",
    [
        {"size": 1},
        {"parent": 1, "size": 1},
        {"parent": 1, "name": "x", "node": 1, "base": 1, "size": 1},
        {"node": 1, "size": 1},
        {"parent": 1, "name": "x", "size": -1},
        {"parent": 1, "name": "x", "size": 2**63},
        {"parent": 1, "name": "x", "size": 1.5},
        {"parent": 1, "name": "x", "size": 1, "block_size": 0},
        {"parent": 1, "name": "x", "size": 1, "block_size": 2**40},
        {"parent": 1, "name": "x", "size": 1, "digest": "X" * 64},
        {"parent": 1, "name": "x", "size": 1, "mtime_ns": 2**63},
    ],
)
def test_what_is_no_beginning(shared: Rig, message: dict[str, Any]) -> None:
    """Contradictions and impossible numbers are refused before anything is reserved."""
    answer = shared.ask("POST", "/uploads", message)
    assert (answer.status, answer.code) == (400, "bad-request")


def test_enormous_uploads_cost_nothing(shared: Rig) -> None:
    """A petabyte may be declared; what the disk cannot hold is told when bytes come, and cancelling gives all back."""
    upload = begun(shared, "anna", b"", size=2**50)
    answer = put(shared, upload, 0, b"first bytes")
    assert answer.status in (200, 507), answer
    assert shared.ask("DELETE", f"/uploads/{upload}").status == 204
    assert shared.catalogue.usage([shared.root])[shared.root].reserved >= 0


class TestQuota:
    """S108: reserved at the start, and never passed by a byte."""

    def used(self, rig: Rig) -> int:
        return rig.catalogue.usage([rig.root])[rig.root].total

    def test_fifty_at_the_edge(self, tmp_path: Path) -> None:
        """Room for ten of fifty uploads that begin at once: ten begin, forty are told how much is free, all ten finish."""
        with open_rig(tmp_path) as rig:
            rig.roots.set_quota("tree", 10 * 1000 + 999)
            barrier = threading.Barrier(50)

            def one(number: int) -> Answer:
                barrier.wait()
                return rig.ask("POST", "/uploads", {"parent": rig.top, "name": f"f{number}", "size": 1000})

            with ThreadPoolExecutor(50) as pool:
                answers = list(pool.map(one, range(50)))
            good = [answer for answer in answers if answer.status == 201]
            bad = [answer for answer in answers if answer.status != 201]
            assert len(good) == 10
            assert {(answer.status, answer.code) for answer in bad} == {(507, "quota-exceeded")}
            assert self.used(rig) == 10_000
            for answer in good:
                upload = answer.json()["id"]
                assert put(rig, upload, 0, b"x" * 1000).status == 200
                assert finish(rig, upload).status == 200
            assert self.used(rig) == 10_000
            rig.nothing_left_over()

    def test_whole_files_and_packs_at_the_edge(self, tmp_path: Path) -> None:
        """Files in one request, in packs, copies and older contents brought back count alike; forty threads pass nothing."""
        from tests.fronts.api.rig import new, pack

        with open_rig(tmp_path) as rig:
            limit = 20_500
            rig.roots.set_quota("tree", limit)

            def one(number: int) -> int:
                if number % 2:
                    path = f"/nodes/{rig.top}/files?name=w{number}"
                    return int(rig.ask("PUT", path, b"x" * 1000).status == 201)
                body = pack(*(new(rig.top, f"p{number}-{each}", b"y" * 500) for each in range(4)))
                headers = {"Content-Type": "application/x-homestow-pack"}
                results = rig.ask("POST", f"/roots/{rig.root}/pack", body, headers=headers).json()["results"]
                assert all(each.get("node") or each["problem"]["code"] == "quota-exceeded" for each in results)
                return sum(1 for each in results if each.get("node"))

            with ThreadPoolExecutor(40) as pool:
                list(pool.map(one, range(40)))
            assert limit - 1000 < self.used(rig) <= limit
            rig.nothing_left_over()
            node = rig.ask("GET", f"/nodes/{rig.top}/children").json()["nodes"][0]
            answer = rig.ask("POST", f"/nodes/{node['id']}/copy", {"parent": rig.top, "name": "copy"})
            assert (answer.status, answer.code) == (507, "quota-exceeded")
            assert answer.json()["facts"]["free"] == limit - self.used(rig)
            answer = rig.ask("PUT", f"/nodes/{node['id']}/content?base=1", b"z" * 1000)
            assert (answer.status, answer.code) == (507, "quota-exceeded")
            rig.nothing_left_over()

    def test_an_older_content_needs_room(self, tmp_path: Path) -> None:
        """Bringing an older content back is new content, and counts."""
        with open_rig(tmp_path) as rig:
            node = rig.edit(rig.put("f", b"x" * 1000), b"y")
            rig.roots.set_quota("tree", 1500)
            answer = rig.ask("POST", f"/nodes/{node.id}/versions/1/restore")
            assert (answer.status, answer.code) == (507, "quota-exceeded")
            rig.nothing_left_over()

    def test_what_is_cancelled_is_free(self, tmp_path: Path) -> None:
        """Room reserved by an upload is given back by cancelling and by its lifetime's end."""
        with open_rig(tmp_path) as rig:
            rig.roots.set_quota("tree", 1000)
            upload = begun(rig, "anna", b"x" * 1000)
            message = {"parent": rig.top, "name": "g", "size": 1}
            assert rig.ask("POST", "/uploads", message).status == 507
            assert rig.ask("DELETE", f"/uploads/{upload}").status == 204
            upload = begun(rig, "anna", b"x" * 1000)
            rig.clock.ns += 8 * 24 * 3600 * 1_000_000_000
            assert rig.ask("GET", f"/uploads/{upload}").status == 410
            assert rig.core.uploads.expire() == 1
            assert rig.ask("POST", "/uploads", message).status == 201

    def test_the_account_says_how_much(self, tmp_path: Path) -> None:
        """The default quota of an account holds for its own root, and `me` tells it."""
        with open_rig(tmp_path, quota=100) as rig:
            (own,) = rig.ask("GET", "/roots", user="dan").json()["roots"]
            assert rig.ask("PUT", f"/nodes/{own['top']}/files?name=f", b"x" * 101, user="dan").status == 507
            rig.put("f", b"x" * 60, parent=own["top"], user="dan")
            me = rig.ask("GET", "/me", user="dan").json()
            assert (me["quota"], me["used"]) == (100, 60)
