"""The HTTP ground: what is not quite HTTP, what pretends, and what every answer bears (rows S15 to S40)."""

import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from tests.fronts.api.asks import GOOD, fresh, send
from tests.fronts.api.rig import Rig, is_ours
from tests.fronts.api.rig import rig as open_rig
from tests.security.talk import everything, statuses

from homestow.server.fronts.http.connection import Limits
from homestow.server.fronts.tcp.listening import Tls
from homestow.wire.api import PREFIX
from homestow.wire.calls import CALLS, Call

BEHIND = f"GET {PREFIX}/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
"""What is smuggled: when it is answered though it stood inside of a body, somebody else's request was made."""

REFUSED = {
    "length and chunks": (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    "chunks and length": (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    "an unknown coding": (b"Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    "identity": (b"Transfer-Encoding: identity\r\nContent-Length: 3", b"abc"),
    "chunked, then another": (b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
    "two codings": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    "a space before the colon": (b"Transfer-Encoding : chunked", b"0\r\n\r\n"),
    "a tab": (b"Transfer-Encoding:\tchunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    "a vertical tab": (b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"),
    "quotes": (b'Transfer-Encoding: "chunked"', b"0\r\n\r\n"),
    "two lengths": (b"Content-Length: 5\r\nContent-Length: 0", b"abcde"),
    "one length twice": (b"Content-Length: 5\r\nContent-Length: 5", b"abcde"),
    "a list of lengths": (b"Content-Length: 5, 5", b"abcde"),
    "a sign": (b"Content-Length: +5", b"abcde"),
    "a negative length": (b"Content-Length: -5", b"abcde"),
    "hexadecimal": (b"Content-Length: 0x5", b"abcde"),
    "an underscore": (b"Content-Length: 1_0", b"abcde"),
    "a length without end": (b"Content-Length: 99999999999999999999999", b"abcde"),
    "no length": (b"Content-Length: ", b"abcde"),
    "other digits": ("Content-Length: \u0665".encode(), b"abcde"),
    "a chunk in 0x": (b"Transfer-Encoding: chunked", b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "a negative chunk": (b"Transfer-Encoding: chunked", b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk with a sign": (b"Transfer-Encoding: chunked", b"+5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk with a space": (b"Transfer-Encoding: chunked", b"5 \r\nabcde\r\n0\r\n\r\n"),
    "line feeds alone": (b"Transfer-Encoding: chunked", b"5\nabcde\n0\n\n"),
    "a chunk that wraps around": (b"Transfer-Encoding: chunked", b"fffffffffffffffff5\r\nabcde\r\n0\r\n\r\n"),
    "a line feed in an extension": (b"Transfer-Encoding: chunked", b"5;a\nb\r\nabcde\r\n0\r\n\r\n"),
    "a chunk longer than said": (b"Transfer-Encoding: chunked", b"5\r\nabcdeXX0\r\n\r\n"),
    "a hundred thousand trailers": (
        b"Transfer-Encoding: chunked",
        b"5\r\nabcde\r\n0\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    ),
    "a folded line": (b"X: a\r\n b\r\nContent-Length: 5", b"abcde"),
    "a return alone": (b"X: a\rContent-Length: 0\r\nContent-Length: 5", b"abcde"),
    "two hosts": (b"Host: y\r\nContent-Length: 5", b"abcde"),
    "a NUL": (b"X: a\0b\r\nContent-Length: 5", b"abcde"),
    "a line without a colon": (b"nonsense\r\nContent-Length: 5", b"abcde"),
    "a nameless line": (b": x\r\nContent-Length: 5", b"abcde"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_S18_what_can_be_read_in_two_ways_is_read_in_none(shared: Rig, kind: str) -> None:
    """One refusal, and the connection is closed: nothing behind or inside of the body is taken for a request."""
    headers, body = REFUSED[kind]
    name = fresh("smuggled")
    got = everything(
        shared,
        f"PUT {PREFIX}/nodes/{shared.top}/files?name={name} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {shared.token('anna')}\r\n".encode() + headers + b"\r\n\r\n" + body + BEHIND,
    )  # fmt: skip
    # A reset may overtake the refusal; what may never come is a second answer, or one that is no refusal.
    assert statuses(got) in ([400], []), got
    shared.quiet()
    assert name not in shared.names()


@pytest.mark.parametrize("kind", REFUSED)
def test_S18_the_express_lane_takes_nothing_that_is_refused(shared: Rig, kind: str) -> None:
    """The same in one segment with nothing behind it, when plain requests are taken at once; what follows is never answered."""
    headers, body = REFUSED[kind]
    _warm(shared)
    name, taken = fresh("smuggled"), shared.taken
    got = b""
    with socket.create_connection((shared.host, shared.port), timeout=20) as sock:
        try:
            sock.sendall(_put_head(shared, name) + headers + b"\r\n\r\n" + body)
            sock.sendall(BEHIND)
            while part := sock.recv(65536):
                got += part
        except ConnectionError:
            pass
    assert statuses(got) in ([400], []), got
    assert shared.taken == taken
    shared.quiet()
    assert name not in shared.names()


def test_S18_a_request_inside_a_body_is_a_body_on_the_express_lane(shared: Rig) -> None:
    """A body that looks like requests is stored by its length, and what comes next on the connection is answered as such."""
    _warm(shared)
    content, name, taken = BEHIND * 2, fresh("looks-like-a-request"), shared.taken
    got = b""
    with socket.create_connection((shared.host, shared.port), timeout=20) as sock:
        sock.sendall(_put_head(shared, name) + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        while b"}" not in got:
            got += sock.recv(65536)
        sock.sendall(BEHIND)
        while part := sock.recv(65536):
            got += part
    assert statuses(got) == [201, 200]
    assert shared.taken == taken + 1
    assert shared.read(shared.ask("GET", f"/roots/{shared.root}/path?path={name}").node.id) == content


def _put_head(rig: Rig, name: str) -> bytes:
    return (
        f"PUT {PREFIX}/nodes/{rig.top}/files?name={name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token('anna')}\r\n"
    ).encode()


def _warm(rig: Rig) -> None:
    """Ask until plain requests are taken at once."""
    before = rig.taken
    for _ in range(50):
        with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
            sock.sendall(_put_head(rig, fresh("warm")) + b"Content-Length: 1\r\n\r\nx")
            assert b" 201 " in sock.recv(65536)
        if rig.taken > before:
            return
    raise AssertionError("the express lane took nothing")


@pytest.mark.parametrize(
    "head, expected",
    [
        (f"GET {PREFIX}/server HTTP/1.1\nHost: x\n\n", [400]),
        (f"GET {PREFIX}/server HTTP/1.0\r\n\r\n", [400]),
        (f"GET {PREFIX}/server HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", [200, 200]),
        (f"GET {PREFIX}/server HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", [200, 200]),
        (f"TRACE {PREFIX}/server HTTP/1.1\r\nHost: x\r\n\r\n", [405, 200]),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", [404, 200]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        (f"GET {PREFIX}/server\r\n\r\n", [400]),
        (f"G\0T {PREFIX}/server HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
        (f"GET  {PREFIX}/server HTTP/1.1\r\nHost: x\r\n\r\n", [200, 200]),
        (f"GET {PREFIX}/server HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 5000 + "\r\n", [400]),
        (f"GET {PREFIX}/server HTTP/1.1\r\nHost: x\r\nA: {'b' * 100_000}\r\n\r\n", [400]),
        (f"GET {PREFIX}/{'b' * 100_000} HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
        ("A" * 100_000, [400]),
    ],
)  # fmt: skip
def test_S18_odd_requests_have_one_meaning(shared: Rig, head: str, expected: list[int]) -> None:
    """Old, upgraded, oversized and made-up requests: answered in order or refused once, never taken for something else."""
    got = statuses(everything(shared, head.encode() + BEHIND))
    assert got == expected or (expected == [400] and got == []), head[:80]


def test_S18_a_request_inside_a_body_is_a_body(shared: Rig) -> None:
    """Content that looks like a request is stored, short or long, chunked or not, and nothing of it is carried out."""
    for size in (0, 400_000):
        content = BEHIND * 2 + b"x" * size
        head = f"PUT {PREFIX}/nodes/{shared.top}/files?name={{}} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token('anna')}\r\n"
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        for framing, body in ((f"Content-Length: {len(content)}", content), ("Transfer-Encoding: chunked", chunk)):
            name = fresh("looks-like-a-request")
            got = everything(shared, f"{head.format(name)}{framing}\r\n\r\n".encode() + body + BEHIND)
            assert statuses(got) == [201, 200]
            path = shared.ask("GET", f"/roots/{shared.root}/path?path={name}")
            assert shared.read(path.node.id) == content


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate, chunked", "chunked, gzip, chunked", "compress, chunked"])
def test_S20_bodies_compressed_on_the_way_are_refused(shared: Rig, coding: str) -> None:
    """A transfer coding that nobody undoes is refused, so that no file is stored as something else than was sent."""
    name = fresh("coded")
    got = everything(
        shared,
        f"PUT {PREFIX}/nodes/{shared.top}/files?name={name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {shared.token('anna')}\r\nTransfer-Encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode(),
    )
    assert statuses(got) in ([415], [400], [])
    shared.quiet()
    assert name not in shared.names()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_S27_S28_S30_S31_no_answer_does_more_than_it_should(shared: Rig, call: Call) -> None:
    """No call sets a cookie, sends anybody elsewhere, lets another site read it, may be kept by a cache for all, or can be
    taken for a page, when it goes well and when nobody is logged in."""
    for user in ("ada" if call.operator else "anna", None):
        asked = GOOD[call.name](shared, "anna")
        token = shared.services.accounts.log_in(user, "correct horse battery", "x", "").token if user else None
        answer = send(shared, call, asked, user=user, token=token)
        is_ours(answer)
        assert not {"set-cookie", "location", "refresh", "link", "x-powered-by"} & set(answer.headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["server"] == "homestow"  # no versions
        assert answer.headers["referrer-policy"] == "no-referrer"
        kind = answer.headers.get("content-type", "application/octet-stream").split(";")[0]
        # A small picture is made by us from scratch: a raster, nothing that could run.
        raster = {"image/jpeg"} if call.name == "thumbnail" else set()
        assert kind in {"application/json", "application/octet-stream", "application/x-homestow-pack"} | raster


def test_S40_no_empty_or_guessed_credential_opens_anything(shared: Rig) -> None:
    """Empty, default, doubled and foreign forms of credentials, wherever they may stand, are none."""
    token = shared.token("anna")
    for headers in (
        {"Authorization": "Bearer null"}, {"Authorization": "Bearer undefined"}, {"Authorization": "Bearer 0"},
        {"Authorization": f"Bearer {token[:-1]}"}, {"Authorization": f"Bearer {token}x"}, {"Authorization": f"Token {token}"},
        {"Authorization": token}, {"X-Auth-Token": token}, {"Cookie": f"session={token}; token={token}"},
        {"X-Forwarded-User": "anna"}, {"Remote-User": "anna"}, {"X-Operator": "1"}, {"X-Remote-User": "ada"},
        {"Authorization": f"Bearer {token.lower()}"} if token != token.lower() else {"Authorization": "Bearer x"},
    ):  # fmt: skip
        answer = shared.ask("GET", "/me", user=None, headers=headers)
        assert (answer.status, answer.code) == (401, "login-needed"), headers
    assert shared.ask("GET", f"/me?token={token}", user=None).status in (400, 401)
    both = everything(
        shared,
        f"GET {PREFIX}/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {shared.token('dan')}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode(),
    )
    assert (
        statuses(both) == [400] or b'"user":"dan"' in both
    )  # the first or none, never the one a proxy did not look at


def test_S19_many_who_say_nothing_keep_nobody_out(tmp_path: Path) -> None:
    """Three hundred connections with half a head each: who asks properly is answered, and the others are closed in time."""
    with open_rig(tmp_path, limits=Limits(head_timeout_s=1.0, shutdown_s=1.0)) as rig, ExitStack() as stack:
        slow = []
        for _ in range(300):
            slow.append(stack.enter_context(socket.create_connection((rig.host, rig.port), timeout=20)))
            slow[-1].sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX: ")
        for _ in range(20):
            assert rig.ask("GET", "/me").status == 200
        assert all(sock.recv(1) == b"" for sock in slow)
        assert rig.ask("GET", "/me").status == 200


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate as a server has it."""
    place = tmp_path_factory.mktemp("tls")
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(place / "key.pem"))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(place / "cert.pem"), append=number > 0)
    return Tls(place / "cert.pem", place / "key.pem")


def test_S101_old_and_weak_tls_is_not_offered(tls: Tls) -> None:
    """TLS 1.2 at least, forward secrecy and authenticated encryption in every suite, no compression, no renegotiation."""
    context = tls.context
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher["name"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE-"), cipher["name"]
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
