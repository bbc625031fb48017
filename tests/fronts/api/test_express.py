"""Small contents by the express lane are the same answers as by the ordinary way, and never more than that."""

import os
import socket

from tests.fronts.api.rig import PASSWORD, Rig

from homestow.server.rules.access import Rights
from homestow.values.nodes import Node
from homestow.wire.api import EPOCH_HEADER


def fetch(
    rig: Rig, node: Node, *, user: str = "anna", more: str = "", times: int = 1, token: str = ""
) -> list[tuple[bytes, bytes]]:
    """Heads and bodies of the same GET asked `times` times over one connection, each when the last was answered."""
    request = (
        f"GET /api/v1/nodes/{node.id}/content HTTP/1.1\r\nHost: h\r\n"
        f"Authorization: Bearer {token or rig.token(user)}\r\n{more}\r\n"
    ).encode()
    answers = []
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock, sock.makefile("rb") as reader:
        for _ in range(times):
            sock.sendall(request)
            lines = [b""]
            while lines[-1] != b"\r\n":
                lines.append(reader.readline())
            head = b"".join(lines[1:])
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            answers.append((head, reader.read(length)))
    return answers


def without_date(head: bytes) -> set[bytes]:
    """The lines of a head but the one that time changes."""
    return {line for line in head.split(b"\r\n") if not line.startswith(b"Date:")}


def test_both_ways_answer_alike(rig: Rig) -> None:
    """Status, every header and the body are the same; only the first request of a quiet server goes the long way."""
    node = rig.put('größe "x".txt', os.urandom(4096))

    quick = fetch(rig, node, times=4)
    before = rig.at_once
    slow = fetch(rig, node, more="Connection: keep-alive\r\n", times=2)

    assert before >= 2
    assert rig.at_once == before
    assert {body for _, body in quick + slow} == {rig.read(node.id)}
    assert len({frozenset(without_date(head)) for head, _ in quick + slow}) == 1


def test_what_was_taken_away_is_gone_at_once(rig: Rig) -> None:
    """A revoked token and revoked rights end the express lane with the next request (S49, S57)."""
    node = rig.put("a", b"secret")
    assert [body for _, body in fetch(rig, node, user="ben", times=3)] == [b"secret"] * 3

    rig.roots.set_member(rig.services.accounts.check(rig.token("anna")), rig.root, "ben", Rights.NONE)
    assert b" 404 " in fetch(rig, node, user="ben")[0][0]

    token = rig.token("anna")
    assert fetch(rig, node, token=token)[0][1] == b"secret"
    rig.services.accounts.set_password("anna", PASSWORD + "!")
    assert b" 401 " in fetch(rig, node, token=token)[0][0]


def test_an_outside_edit_is_never_mixed_or_missed(rig: Rig) -> None:
    """Bytes that changed on disk are not served under the old rev."""
    node = rig.put("a", b"old content")
    fetch(rig, node, times=3)
    (rig.folder / "a").write_bytes(b"newer stuff")
    os.utime(rig.folder / "a", ns=(0, 10**18))

    head, body = fetch(rig, node)[0]

    assert body == b"newer stuff" or b" 503 " in head
    assert body != b"old content"


def test_new_content_is_served_as_such(rig: Rig) -> None:
    """After an upload the next answer is the new content with its own rev."""
    node = rig.put("a", b"one")
    fetch(rig, node, times=3)
    rig.edit(node, b"two")

    head, body = fetch(rig, node, times=2)[1]

    assert body == b"two"
    assert b"Homestow-Rev: 2" in head


def test_another_life_of_the_store_is_refused(rig: Rig) -> None:
    """A client that pins another epoch gets cursor-gone, not somebody else's node (R23)."""
    node = rig.put("a", b"x")
    right = f"{EPOCH_HEADER}: {rig.core.changes.epoch()}\r\n"

    assert [body for _, body in fetch(rig, node, more=right, times=3)] == [b"x"] * 3
    assert b" 410 " in fetch(rig, node, more=f"{EPOCH_HEADER}: {'0' * 32}\r\n", times=2)[1][0]


def test_requests_sent_in_one_go_are_all_answered_in_order(rig: Rig) -> None:
    """Pipelined requests go the ordinary way, and the lane is free again afterwards."""
    first, second = rig.put("a", b"first"), rig.put("b", b"second")
    request = (
        "GET /api/v1/nodes/{}/content HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + rig.token("anna") + "\r\n\r\n"
    )
    fetch(rig, first, times=2)
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock, sock.makefile("rb") as reader:
        sock.sendall((request.format(first.id) + request.format(second.id)).encode())
        got = b""
        while not got.endswith(b"second"):
            got += reader.read1()
        assert got.index(b"first") < got.index(b"second")
        before = rig.at_once
        sock.sendall(request.format(first.id).encode())
        while not got.endswith(b"first"):
            got += reader.read1()
    assert rig.at_once == before + 1


def test_empty_large_and_unknown_files_go_the_ordinary_way(rig: Rig) -> None:
    """Only small content that is there is answered at once."""
    empty, large = rig.put("empty", b""), rig.put("large", b"x" * 100_000)
    fetch(rig, rig.put("warm", b"w"), times=2)
    before = rig.at_once

    assert fetch(rig, empty, times=2)[1][1] == b""
    assert fetch(rig, large, times=2)[1][1] == b"x" * 100_000
    assert rig.at_once == before
