"""Small new files by the express lane: the same answers and the same tree as by the ordinary way, whatever is asked."""

import random
import re
import socket
import time
from pathlib import Path
from urllib.parse import quote_from_bytes

from tests.fronts.api.rig import Rig, digest_of
from tests.fronts.api.rig import rig as open_rig

REQUESTS = 2000
_VARIES = re.compile(
    rb'Date: [^\r]*|Homestow-Epoch: [^\r]*|"request_id": "[0-9a-f]*"|"mtime_ns":19[0-9]{17}|"mtime_ns":1[78][0-9]{17}'
)
NAMES = [
    b"a", b"b", b"folder", b"", b".", b"..", b".homestow", b"a/b", b"a\0b", b"x" * 255, b"x" * 256, "größe".encode(),
    "gro\u0308\u00dfe".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"-rf", b"a\nb", b"a b+c", b"%41", b"CON", b"on-disk", b"a;b",
]  # fmt: skip


def asked(rig: Rig, chance: random.Random, number: int) -> bytes:
    """One request, mostly plain, now and then odd in one or two things; the same for the same chance."""

    def odd(plain: str, *others: str) -> str:
        return chance.choice(others) if chance.random() < 0.06 else plain

    body = chance.randbytes(chance.choice([0, 1, 100, 4096, 4096, 4096, 20_000]))
    if chance.random() < 0.02:
        body = bytes(chance.choice([65_535, 65_536, 65_537, 300_000]))
    name = quote_from_bytes(chance.choice(NAMES), safe="") if chance.random() < 0.3 else f"n{number}"
    query = [
        odd(f"name={name}", "", f"name={name}&name=z", "name", f"Name={name}", f"n%61me={name}", f"name={name}&x=1")
    ]
    if chance.random() < 0.3:
        query.append(
            odd("mtime_ns=1500000000000000000", "mtime_ns=-1", "mtime_ns=", "mtime_ns=x", "mtime_ns=" + "9" * 30)
        )
    if chance.random() < 0.3:
        query.append(
            odd(f"digest={digest_of(body)}", f"digest={'0' * 64}", "digest=0", f"digest={digest_of(body).upper()}")
        )
    if chance.random() < 0.05:
        query.append(chance.choice(["base=1", "base=0", "base=2", "base=-1", "base="]))
    chance.shuffle(query)
    node = odd(str(rig.top), "2", "3", "0", "00001", "999", "9" * 18, "9" * 19, "-1", "a")
    user = (
        chance.choice(["anna", "anna", "anna", "ben"])
        if chance.random() < 0.95
        else chance.choice(["cora", "dan", "ada"])
    )
    token = rig.token(user)
    lines = [
        odd("Host: h", "Host: h\r\nHost: h", "Host:h", "host: h", "X-Other: 1"),
        odd(f"Authorization: Bearer {token}", f"authorization: bearer {token}", f"Authorization: Bearer  {token}",
            "Authorization: Bearer x", "Authorization: Basic eDp5", "Accept: */*", f"Authorization: Bearer {token}x"),
        odd(f"Content-Length: {len(body)}", f"Content-Length: 0{len(body)}", f"Content-Length: +{len(body)}",
            f"Content-Length: {len(body)}, {len(body)}", f"Content-Length: {len(body)}\r\nContent-Length: {len(body)}",
            f"Content-Length: {max(0, len(body) - 1)}"),
        odd("User-Agent: t", "Content-Type: text/plain", "Homestow-Epoch: " + "0" * 32, f"Homestow-Epoch: {rig.services.epoch()}",
            "Connection: close", "Connection: keep-alive", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Cookie: a=b",
            f"Idempotency-Key: k{number % 5}", "Accept-Encoding: gzip", "X: a\tb", "X-Forwarded-For: 9.9.9.9", "Origin: http://x"),
    ]  # fmt: skip
    chance.shuffle(lines)
    target = (
        f"/api/v1/nodes/{node}/{odd('files', 'content', 'filez', 'files/')}?{'&'.join(each for each in query if each)}"
    )
    method = odd("PUT", "PUT ", "put", "POST", "PATCH")
    head = f"{method} {target} {odd('HTTP/1.1', 'HTTP/1.0')}\r\n" + "\r\n".join(lines)
    return head.encode() + b"\r\n\r\n" + body


def told(rig: Rig, request: bytes) -> bytes:
    """The first answer to a request on a connection of its own, without what differs from time to time."""
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
        try:
            sock.sendall(request)
        except ConnectionError:
            pass
        got = b""
        while b"\r\n\r\n" not in got:
            part = sock.recv(65536)
            if not part:
                break
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        while length is not None and len(body) < int(length[1]):
            body += sock.recv(65536)
        return _VARIES.sub(b"*", head + b"\r\n\r\n" + body[: int(length[1]) if length else 0])


def put(rig: Rig, name: str, body: bytes = b"x", more: str = "") -> bytes:
    """A plain request."""
    return (
        f"PUT /api/v1/nodes/{rig.top}/files?name={name} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {rig.token('anna')}\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def warm(rig: Rig) -> None:
    """Ask until the lane takes requests: the first ones after a pause go the ordinary way."""
    until, number = time.monotonic() + 20, 0
    while not rig.taken:
        assert time.monotonic() < until
        assert b" 201 " in told(rig, put(rig, f"warm{number}"))
        number += 1


def test_both_ways_answer_alike_byte_for_byte(tmp_path: Path) -> None:
    """Thousands of requests, plain, odd and wrong, to two servers of which one has no express lane: equal answers, equal trees."""
    seen: list[bytes] = []
    with open_rig(tmp_path / "quick") as quick, open_rig(tmp_path / "slow") as slow:
        slow.takes = False
        for rig in (quick, slow):
            rig.folder_node("folder")
            rig.put("before")
            (rig.folder / "on-disk").mkdir()
        for number in range(REQUESTS):
            seed = random.randrange(1 << 30)
            answers = [told(rig, asked(rig, random.Random(seed), number)) for rig in (quick, slow)]
            assert answers[0] == answers[1], (seed, asked(quick, random.Random(seed), number)[:1500])
            seen.append(answers[0].split(b" ")[1] if answers[0].strip() else b"")
        assert slow.taken == 0
        assert quick.taken > REQUESTS / 4
        assert quick.given_back > REQUESTS / 100
        assert seen.count(b"201") > REQUESTS / 3
        assert {b"400", b"401", b"404", b"409", b"422"} & set(seen) >= {b"400", b"401", b"404", b"409"}
        assert quick.names() == slow.names()
        quick.quiet()
        quick.nothing_left_over()


def test_what_is_stored_is_what_was_sent(rig: Rig) -> None:
    """Content, name and time of files that were taken over."""
    warm(rig)
    before = rig.taken
    body = random.Random(1).randbytes(65_536)

    answer = told(rig, put(rig, "b%C3%A4r+x&mtime_ns=1500000000000000001", body))

    assert b" 201 " in answer
    assert rig.taken == before + 1
    (node,) = [each for each in rig.ask("GET", f"/nodes/{rig.top}/children").json()["nodes"] if each["name"] == "bär x"]
    assert (rig.folder / "bär x").read_bytes() == body == rig.read(node["id"])
    assert node["mtime_ns"] == 1_500_000_000_000_000_001
    rig.nothing_left_over()


def test_requests_behind_are_answered_in_order(rig: Rig) -> None:
    """What comes before the answer waits for it, and no byte of it is lost, however it is cut up."""
    warm(rig)
    names = [f"in-order-{number}" for number in range(30)]
    stream = b"".join(put(rig, name, name.encode()) for name in names)
    cuts = sorted(random.Random(2).sample(range(1, len(stream)), 40))
    got = b""
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(put(rig, "first"))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            sock.sendall(stream[start:end])
        while got.count(b'"gone":false}') < 31:
            part = sock.recv(65536)
            assert part, got
            got += part
    places = [got.index(f'"name":"{name}"'.encode()) for name in names]
    assert places == sorted(places)
    assert all((rig.folder / name).read_bytes() == name.encode() for name in names)


def test_many_at_once_are_all_stored(rig: Rig) -> None:
    """Several connections, each asking again when it was answered, some for the same names: each name has one file."""
    warm(rig)
    connections = [socket.create_connection((rig.host, rig.port), timeout=20) for _ in range(8)]
    created = refused = 0
    for turn in range(25):
        for number, sock in enumerate(connections):
            sock.sendall(put(rig, f"t{turn}-{number // 2}", b"%d" % number))
        for sock in connections:
            answer = sock.recv(65536)
            created += b" 201 " in answer
            refused += b" 409 " in answer
    for sock in connections:
        sock.close()
    assert (created, refused) == (100, 100)
    rig.quiet()
    rig.nothing_left_over()


def test_who_hangs_up_leaves_a_file_or_none(rig: Rig) -> None:
    """A client that does not wait: its file is stored whole, and nothing else is held up or left over."""
    warm(rig)
    for number in range(20):
        with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
            sock.sendall(put(rig, f"gone-{number}", b"whole"))
    assert b" 201 " in told(rig, put(rig, "after"))
    rig.quiet()
    assert {path.read_bytes() for path in rig.folder.glob("gone-*")} <= {b"whole"}
    rig.nothing_left_over()


def test_a_server_that_closes_answers_first(rig: Rig) -> None:
    """What was taken over when the server was told to stop is answered, and is there at the next start."""
    warm(rig)
    sock = socket.create_connection((rig.host, rig.port), timeout=20)
    before = rig.taken
    with sock:
        sock.sendall(put(rig, "last"))
        while rig.taken == before:
            time.sleep(0.0005)
        rig.restart()
        assert b" 201 " in sock.recv(65536)
    assert "last" in rig.names()


def test_what_was_taken_away_ends_the_lane(rig: Rig) -> None:
    """Without its login, or its right to write, the next request is refused by the ordinary way (S49, S57)."""
    from homestow.server.rules.access import Rights

    warm(rig)
    ben = put(rig, "by-ben").replace(rig.token("anna").encode(), rig.token("ben").encode())
    assert b" 201 " in told(rig, ben)

    rig.roots.set_member(rig.services.accounts.check(rig.token("anna")), rig.root, "ben", Rights.READ)
    assert b" 403 " in told(rig, ben.replace(b"by-ben", b"by-ben-2"))

    old = put(rig, "revoked")
    rig.services.accounts.set_password("anna", "another long password!")
    assert b" 401 " in told(rig, old)
