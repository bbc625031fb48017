"""The HTTP client against a server that does everything wrong, over real sockets."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scripted_server import Answer, Asked, ScriptedServer

from homestow.client.adapters.http_address import parse_url
from homestow.client.adapters.http_client import FileSlice, HttpClient
from homestow.client.adapters.http_parsing import parse_head
from homestow.values.errors import BadSettings, CloudError, NotHomestow, Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def get(client: HttpClient, target: str = "/x", method: str = "GET") -> bytes:
    with client.request(method, target, {}) as answer:
        return answer.read(1_000_000)


def always(answer: Answer) -> Callable[[Asked], Answer]:
    return lambda asked: answer


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url,host,authority,prefix",
    [
        ("http://localhost:5000", "localhost", "localhost:5000", ""),
        ("http://example.org/", "example.org", "example.org", ""),
        ("https://example.org/cloud/", "example.org", "example.org", "/cloud"),
        ("HTTPS://Example.org:8443/a/b", "example.org", "example.org:8443", "/a/b"),
        ("http://[::1]:80/x", "::1", "[::1]", "/x"),
        ("http://müller.example", "xn--mller-kva.example", "xn--mller-kva.example", ""),
    ],
)
def test_addresses(url: str, host: str, authority: str, prefix: str) -> None:
    """Scheme, host, port and prefix are read; default ports are not told to the server."""
    address = parse_url(url)
    assert (address.host, address.authority, address.prefix) == (host, authority, prefix)


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost", "localhost:5000", "//host", "http://", "http:///x", "http://:80", "http://h:x", "http://h:99999"),
        *("file:///etc/passwd", "smb://h/x", "ftp://h", "ssh://h", "javascript:alert(1)", "unix:relative", "unix://h/x"),
        *("data:text/html,x", "ldap://h", "ws://h", "jar:http://h", "gopher://h", "ms-word:x", "vbscript:x", "about:blank"),
        *("http://user:secret@h", "http://h/?q", "http://h/#f", "http://h/ü", "http://h\r\nX: 1", "http://h /x", "http://\0"),
        *("https+unix://x", "HTTP:h", "http:/h", "mailto:a@b", "tel:1", "chrome://x", "//[::1", "http://[::1"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_ours_is_refused(url: str) -> None:
    """S88: nothing but http, https and our own socket is ever opened, and no login is taken from an address."""
    with pytest.raises(BadSettings):
        parse_url(url)


# --- plain requests ---------------------------------------------------------------------------------------------------


def test_a_request_is_what_was_asked() -> None:
    """Method, target with prefix, headers and body arrive as given."""
    with ScriptedServer(always(OK)) as server:
        client = HttpClient(server.url + "/pre")
        with client.request("PUT", "/a?b=%20", {"X-A": "1"}, b"body") as answer:
            assert (answer.status, answer.read(10)) == (200, b"ok")
        [asked] = server.asked
        assert (asked.method, asked.target, asked.body) == ("PUT", "/pre/a?b=%20", b"body")
        assert asked.headers["host"] == f"127.0.0.1:{server.port}"
        assert (asked.headers["x-a"], asked.headers["content-length"]) == ("1", "4")
        client.close()


def test_headers_cannot_be_smuggled_in() -> None:
    """A header value with a line break or beyond ASCII is the caller's mistake, never sent."""
    with ScriptedServer(always(OK)) as server:
        client = HttpClient(server.url)
        for value in ("a\r\nX: 1", "a\n", "ü", "\0"):
            with pytest.raises(ValueError, match="header"):
                client.request("GET", "/", {"X": value})
        assert server.asked == []


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_every_kind_of_body_arrives(size: int, tmp_path: Path) -> None:
    """Bytes, views, slices of files (sent by the kernel) and pieces arrive alike."""
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(b"before" + content + b"after")

    class Cut:
        def __init__(self) -> None:
            self.size = size

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter([content[at : at + 50_001] for at in range(0, size, 50_001)])

    with ScriptedServer(always(OK)) as server, open(tmp_path / "f", "rb") as file:
        client = HttpClient(server.url)
        for body in (content, memoryview(content), FileSlice(file.fileno(), 6, size), Cut()):
            with client.request("PUT", "/", {}, body) as answer:
                assert answer.read(10) == b"ok"
        assert [asked.body for asked in server.asked] == [content] * 4
        assert {asked.connection for asked in server.asked} == {1}
        client.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    """The owner-only local socket of a server on this computer."""
    with ScriptedServer(always(OK), unix=tmp_path / "s") as server:
        client = HttpClient(server.url)
        assert get(client) == b"ok"
        client.close()


@pytest.mark.parametrize(
    "answer,body",
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 \r\nCONTENT-LENGTH:  2 \r\n\r\nok", b"ok"),
    ],
)
def test_every_way_a_body_ends(answer: bytes, body: bytes) -> None:
    """Lengths, chunks, interim answers, no body, and the end of the connection; whole or byte by byte."""
    with ScriptedServer(lambda asked: answer if asked.target == "/x" else [bytes([b]) for b in answer]) as server:
        client = HttpClient(server.url)
        for target in ("/x", "/slow", "/x"):
            if b"close" in answer.lower():
                client = HttpClient(server.url)
            assert get(client, target) == body
        client.close()


def test_head_has_no_body() -> None:
    """The length that a HEAD is told does not make it wait."""
    with ScriptedServer(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as server:
        client = HttpClient(server.url)
        assert get(client, method="HEAD") == b""
        assert get(client, method="HEAD") == b""
        client.close()


# --- keeping connections ----------------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests() -> None:
    """A body read to its end keeps the connection; one left unread costs it."""
    with ScriptedServer(always(OK)) as server:
        client = HttpClient(server.url)
        for _ in range(5):
            get(client)
        assert {asked.connection for asked in server.asked} == {1}
        with client.request("GET", "/x", {}):
            pass
        get(client)
        assert server.asked[-1].connection == 2
        client.close()


def test_each_thread_has_its_own_connection() -> None:
    """Answers never mix however many ask at once (P11: idle connections are bounded)."""

    def echo(asked: Asked) -> Answer:
        body = asked.target.encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    with ScriptedServer(echo) as server:
        client = HttpClient(server.url)
        wrong: list[bytes] = []

        def ask(number: int) -> None:
            for turn in range(30):
                target = f"/{number}/{turn}"
                if (got := get(client, target)) != target.encode():
                    wrong.append(got)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(server.asked) == 240
        client.close()


def test_a_connection_closed_while_idle_is_replaced() -> None:
    """A server that closes idle connections is no error, for any request."""
    with ScriptedServer(always(OK)) as server:
        client = HttpClient(server.url)
        get(client)
        server.hang_up()
        time.sleep(0.05)
        assert get(client, method="POST") == b"ok"
        client.close()


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_request_that_got_no_answer_is_repeated_only_when_that_is_harmless(repeatable: bool) -> None:
    """On a kept connection a lost answer is asked for once more, when twice is as good as once; never for others (R22)."""
    lose = [False, True]
    with ScriptedServer(lambda asked: None if lose and lose.pop(0) else OK) as server:
        client = HttpClient(server.url)
        get(client)
        if repeatable:
            with client.request("POST", "/x", {}, b"1", repeatable=True) as answer:
                assert answer.read(10) == b"ok"
        else:
            with pytest.raises(Unreachable):
                client.request("POST", "/x", {}, b"1")
        assert len(server.asked) == (3 if repeatable else 2)
        client.close()


def test_no_answer_on_a_new_connection_is_told() -> None:
    """A server that closes without a word is unreachable, after one try."""
    with ScriptedServer(always(None)) as server:
        client = HttpClient(server.url)
        with pytest.raises(Unreachable):
            client.request("GET", "/x", {}, repeatable=True)
        assert len(server.asked) == 1


def test_a_refusal_in_the_middle_of_a_body_is_heard() -> None:
    """A server that answers 413 and closes before it read all is heard, not taken for a broken line."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def refuse() -> None:
        sock, _ = listener.accept()
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1_000_000):
            pass
        sock.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with client.request("PUT", "/x", {}, bytes(5_000_000)) as answer:
        assert (answer.status, answer.read(10)) == (413, b"big")
    thread.join()
    listener.close()


# --- hostile answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: 1\r\n" * 100 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 30,
    ],
)
def test_what_is_no_clear_answer_is_refused(answer: bytes) -> None:
    """S92: ambiguity, nonsense and endless heads end the request, not the client."""
    with ScriptedServer(always(answer)) as server:
        client = HttpClient(server.url, timeout_s=5)
        with pytest.raises(NotHomestow):
            get(client)
        client.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n",
    ],
)
def test_a_body_that_breaks_off_is_no_body(answer: bytes) -> None:
    """A cut answer is never taken for a short one (R17)."""
    with ScriptedServer(always(answer)) as server:
        client = HttpClient(server.url)
        with pytest.raises(Unreachable):
            get(client)
        client.close()


def test_a_body_longer_than_wanted_is_not_held() -> None:
    """S92: an endless answer is left at the limit."""
    endless = [b"HTTP/1.1 200 OK\r\n\r\n", *([bytes(100_000)] * 1000)]
    with ScriptedServer(always(endless)) as server:
        client = HttpClient(server.url)
        with client.request("GET", "/", {}) as answer, pytest.raises(NotHomestow):
            answer.read(1_000_000)
        client.close()


@given(st.binary(max_size=200))
def test_any_head_is_read_or_refused(data: bytes) -> None:
    """No bytes make the parser fail in another way than by refusing."""
    try:
        parse_head(b"HTTP/1.1 200 OK\r\n" + data)
    except CloudError:
        pass


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_silence_ends_with_a_deadline() -> None:
    """P12: a server that takes a request and never answers is unreachable in time."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="did not answer within"):
        client.request("GET", "/", {}, repeatable=True)
    with pytest.raises(Unreachable):
        client.request("PUT", "/", {}, bytes(30_000_000))
    assert time.monotonic() - begun < 5
    listener.close()


@pytest.mark.parametrize("part", ["head", "body", "chunk"])
def test_a_drip_ends_with_a_deadline(part: str) -> None:
    """P12: a byte now and then does not keep a request alive."""
    heads = {
        "head": b"HTTP/1.1 200 OK\r\nX: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    }
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    gone = threading.Event()

    def drip() -> None:
        sock, _ = listener.accept()
        try:
            sock.sendall(heads[part])
            while not gone.wait(0.02):
                sock.sendall(b"1")
        except OSError:
            pass
        sock.close()

    thread = threading.Thread(target=drip)
    thread.start()
    client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        get(client)
    assert time.monotonic() - begun < 5
    gone.set()
    thread.join()
    listener.close()


def test_nobody_there() -> None:
    """A closed port, an unknown host and a missing socket are unreachable, with a sentence."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    for url in (
        f"http://127.0.0.1:{port}",
        "http://no-such-host.invalid",
        "unix:/nowhere/s",
        f"https://127.0.0.1:{port}",
    ):
        with pytest.raises(Unreachable, match="cannot be reached"):
            HttpClient(url, timeout_s=5).request("GET", "/", {})


def test_close_ends_requests_under_way() -> None:
    """P12: stopping does not wait for a long poll."""
    release = threading.Event()

    def hang(asked: Asked) -> Answer:
        release.wait(10)
        return OK

    with ScriptedServer(hang) as server:
        client = HttpClient(server.url)
        timer = threading.Timer(0.1, client.close)
        timer.start()
        with pytest.raises(Unreachable, match="closed"):
            client.request("GET", "/", {})
        with pytest.raises(Unreachable, match="closed"):
            client.request("GET", "/", {})
        release.set()
        timer.join()


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_tls(authority: trustme.CA, tmp_path: Path) -> None:
    """A server that proves its name is spoken to; bodies of every kind go through, large ones in large pieces."""
    content = os.urandom(2_000_000)
    (tmp_path / "f").write_bytes(content)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    with (
        ScriptedServer(always(answer), tls=context_of(authority.issue_cert("localhost"))) as server,
        open(tmp_path / "f", "rb") as file,
    ):
        client = HttpClient(server.url)
        for body in (content, FileSlice(file.fileno(), 0, len(content))):
            with client.request("PUT", "/", {}, body) as got:
                pieces = list(got.pieces())
            assert b"".join(pieces) == content
            assert len(pieces) < 30
        assert [asked.body for asked in server.asked] == [content] * 2
        assert {asked.connection for asked in server.asked} == {1}
        client.close()


@pytest.mark.parametrize("flaw", ["other name", "other authority", "expired", "self-signed", "old TLS", "plain"])
def test_bad_tls_is_never_accepted(flaw: str, authority: trustme.CA) -> None:
    """S89: no proof, no request; the error says what is wrong and nothing was sent."""
    from datetime import UTC, datetime

    if flaw == "other name":
        context = context_of(authority.issue_cert("elsewhere.example"))
    elif flaw == "other authority":
        context = context_of(trustme.CA().issue_cert("localhost"))
    elif flaw == "expired":
        context = context_of(authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC)))
    elif flaw == "self-signed":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("localhost").configure_cert(context)
    else:
        context = context_of(authority.issue_cert("localhost"))
    if flaw == "old TLS":
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    with ScriptedServer(always(OK), tls=None if flaw == "plain" else context) as server:
        client = HttpClient(f"https://localhost:{server.port}", timeout_s=5)
        with pytest.raises((NotHomestow, Unreachable)) as refused:
            client.request("GET", "/", {"Authorization": "Bearer secret"})
        if flaw in ("other name", "other authority", "expired", "self-signed"):
            assert "cannot prove who it is" in str(refused.value)
        assert not any("authorization" in asked.headers for asked in server.asked)
        client.close()
