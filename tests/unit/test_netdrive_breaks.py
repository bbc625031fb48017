"""The netdrive client with servers that break off, dawdle, lie and babble: every call ends, in words, and nothing is believed."""

import os
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.unit.netdrive_servers import SESSION, ListServer, OldServer, Scripted

from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.netdrive_address import parse_netdrive
from homestow.client.adapters.netdrive_client import NetdriveServer, refused
from homestow.client.adapters.netdrive_connection import Call, HungUp
from homestow.client.adapters.netdrive_files import Announced, DocumentedFiles, File, FinalFiles
from homestow.values.errors import (
    BadName,
    BadSettings,
    CloudError,
    Forbidden,
    LoginNeeded,
    NotHomestow,
    Stale,
    StorageFull,
    Unreachable,
)
from homestow.wire.netdrive import Answer, Dialect

FILE = Announced("//", "a.txt", "5d41402abc4b2a76b9719d911017c592", 5, 1_600_000_000)
LISTED = File("//", "a.txt", 5, FILE.md5, 1_600_000_000, 7)


def answering(*pieces: bytes, pause_s: float = 0.0, then: Callable[[], object] = lambda: None) -> Scripted:
    """A server that reads a request and says the pieces, whatever was asked."""

    def script(sock: socket.socket, _: int) -> None:
        sock.recv(65536)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause_s)
        then()
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    return Scripted(script)


def client_of(server: Scripted, dialect: Dialect = Dialect.DOCUMENTED, timeout_s: float = 5.0) -> NetdriveServer:
    return NetdriveServer(server.url, dialect=dialect, session=SESSION, timeout_s=timeout_s)


DOWNLOAD = [Dialect.DOCUMENTED, Dialect.FINAL]


def download(client: NetdriveServer, size: int = 5) -> bytes:
    got = bytearray()
    if client.dialect is Dialect.FINAL:
        client.ask(FinalFiles(client).download_call(LISTED, 0, size, got.extend))
    else:
        client.ask(DocumentedFiles(client).download_call(LISTED, 0, size, got.extend))
    return bytes(got)


WHOLE = {
    Dialect.DOCUMENTED: b'{"type":"downloadRes","error":0,"size":5}\0hello',
    Dialect.FINAL: b'downloadFileRes\n{"error":0,"msg":"download success","queueid":1}\0hello\0',
}


class TestCut:
    @pytest.mark.parametrize("dialect", DOWNLOAD)
    def test_at_every_byte(self, dialect: Dialect) -> None:
        """An answer that breaks off anywhere is no answer; whole, in any two pieces, it is one."""
        whole = WHOLE[dialect]
        cuts = deque(range(len(whole)))

        def script(sock: socket.socket, _: int) -> None:
            sock.recv(65536)
            sock.sendall(whole[: cuts.popleft()])

        with Scripted(script) as server:
            while cuts:
                with client_of(server, dialect) as client, pytest.raises(Unreachable):
                    download(client)
        with answering(whole) as server, client_of(server, dialect) as client:
            assert download(client) == b"hello"
        for cut in range(1, len(whole), 7):
            with answering(whole[:cut], whole[cut:], pause_s=0.002) as server, client_of(server, dialect) as client:
                assert download(client) == b"hello"

    def test_nothing_listens(self) -> None:
        """A server that is not there is unreachable at once."""
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        with NetdriveServer(f"127.0.0.1:{port}") as client, pytest.raises(Unreachable, match="refused"):
            client.log_in("anna", "x")

    def test_in_the_middle_of_a_block(self, tmp_path: Path) -> None:
        """A server that dies while it is sent to is unreachable, not waited for."""
        (tmp_path / "big").write_bytes(bytes(20_000_000))

        def script(sock: socket.socket, _: int) -> None:
            sock.recv(100_000)

        with Scripted(script) as server, client_of(server) as client, (tmp_path / "big").open("rb") as file:
            call = DocumentedFiles(client).block_call(1, 0, FileSlice(file.fileno(), 0, 20_000_000))
            with pytest.raises(Unreachable):
                client.ask(call)

    def test_refused_while_sending(self, tmp_path: Path) -> None:
        """A server that says no in the middle of a block and closes is heard."""
        (tmp_path / "big").write_bytes(bytes(20_000_000))

        def script(sock: socket.socket, _: int) -> None:
            sock.recv(100_000)
            sock.sendall(b'{"type":"uploadRes","error":1,"msg":"server create file failed for short of space"}\0')
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1_000_000):
                pass

        with Scripted(script) as server, client_of(server) as client, (tmp_path / "big").open("rb") as file:
            with pytest.raises(StorageFull):
                client.ask(DocumentedFiles(client).block_call(1, 0, FileSlice(file.fileno(), 0, 20_000_000)))

    def test_the_file_shrinks(self, tmp_path: Path) -> None:
        """A file that became shorter is told as that."""
        (tmp_path / "a").write_bytes(b"short")
        with answering(b"") as server, client_of(server) as client, (tmp_path / "a").open("rb") as file:
            with pytest.raises(Stale):
                client.ask(DocumentedFiles(client).block_call(1, 0, FileSlice(file.fileno(), 0, 100)))


class TestReuse:
    def test_kept_connection_that_was_closed(self) -> None:
        """A connection that the server closed meanwhile is replaced without a word."""
        with ListServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", server.password)
            server.hang_up()
            assert DocumentedFiles(client).listing().files == []
            assert server.connections == 2

    def test_closed_on_hearing(self) -> None:
        """One that is closed only when something is asked on it is replaced as well; calls that count are not repeated."""
        answers = deque([None, b"", None, None, b""])
        with ListServer(lambda _: answers.popleft()) as server, NetdriveServer(server.url) as client:
            client.log_in("anna", server.password)
            assert DocumentedFiles(client).listing().files == []
            assert DocumentedFiles(client).listing().files == []
            with pytest.raises(HungUp):
                client.change_password("a", "b")

    def test_prepared(self) -> None:
        """Connections that are made beforehand are the ones that calls use."""
        with ListServer() as server, NetdriveServer(server.url) as client:
            client.prepare(3)
            client.log_in("anna", server.password)
            DocumentedFiles(client).listing()
            with client:
                pass
            with pytest.raises(Unreachable):
                DocumentedFiles(client).listing()
        assert server.connections == 3

    def test_many_on_their_way(self) -> None:
        """A thousand small files on one connection, their answers in order, errors among them."""
        with ListServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", server.password)
            files = DocumentedFiles(client)
            calls = [files.whole_call(FILE._replace(name=f"{n}"), b"hello" if n % 3 else b"other") for n in range(1000)]
            told = [answer.error for _, answer in client.run(calls)]
        assert told == [0 if n % 3 else 1 for n in range(1000)]
        assert server.connections == 1

    def test_closed_from_elsewhere(self) -> None:
        """Closing ends a call that waits in another thread."""
        asked = threading.Event()

        def script(sock: socket.socket, _: int) -> None:
            sock.recv(65536)
            asked.set()
            sock.recv(65536)

        failures: list[BaseException] = []
        with Scripted(script) as server, client_of(server, timeout_s=60) as client:

            def wait() -> None:
                try:
                    download(client)
                except CloudError as error:
                    failures.append(error)

            thread = threading.Thread(target=wait)
            thread.start()
            asked.wait(10)
            client.close()
            thread.join(10)
        assert [type(one) for one in failures] == [HungUp]


class TestSlow:
    def test_silence(self) -> None:
        """A server that takes the question and says nothing is given up in time."""
        gone = threading.Event()
        with answering(then=lambda: gone.wait(10)) as server, client_of(server, timeout_s=0.3) as client:
            began = time.monotonic()
            with pytest.raises(Unreachable, match="did not answer"):
                download(client)
            gone.set()
        assert time.monotonic() - began < 3

    @pytest.mark.parametrize("dialect", DOWNLOAD)
    def test_drip(self, dialect: Dialect) -> None:
        """A server that gives a byte now and then does not hold the client for ever."""
        pieces = [bytes([byte]) for byte in WHOLE[dialect]]
        with answering(*pieces, pause_s=0.05) as server, client_of(server, dialect, timeout_s=0.3) as client:
            with pytest.raises(Unreachable):
                download(client)

    def test_that_takes_nothing(self, tmp_path: Path) -> None:
        """A server that does not read is given up in time."""
        (tmp_path / "big").write_bytes(bytes(50_000_000))
        gone = threading.Event()

        def script(sock: socket.socket, _: int) -> None:
            gone.wait(10)

        with Scripted(script) as server, client_of(server, timeout_s=0.3) as client:
            with (tmp_path / "big").open("rb") as file, pytest.raises(Unreachable):
                client.ask(DocumentedFiles(client).block_call(1, 0, FileSlice(file.fileno(), 0, 50_000_000)))
            gone.set()


class TestGarbage:
    @pytest.mark.parametrize(
        "said",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\xff" * 100,
            b"null\0",
            b'{"error":0,"size":5\0',
            b'{"error":0,"size":-5}\0',
            b'{"error":0,"size":6}\0hello!',
            b'{"error":0,"size":1e999}\0',
            b'{"error":0,"size":99999999999999999999}\0',
            b'{"error":0,"size":5,"size":5}\0hello',
            b'{"error":"0","size":5}\0hello',
            b'{"size":5}\0hello',
            b'{"type":"loginRes","error":0,"size":5}\0hello',
            b'{"a":' + b"[" * 100 + b"]" * 100 + b"}\0",
            b'{"a":"' + b"x" * 70_000 + b'"}\0',
        ],
    )
    def test_documented(self, said: bytes) -> None:
        """What is no answer to what was asked is not believed."""
        with answering(said) as server, client_of(server) as client, pytest.raises(NotHomestow):
            download(client)

    @pytest.mark.parametrize(
        "said",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n\0",
            b"downloadFileRes\nnull\0",
            b'downloadFileRes\n{"error":0}\0helloX',
            b'getdirRes\n{"error":0}\0hello\0',
            b"x" * 70_000,
        ],
    )
    def test_final(self, said: bytes) -> None:
        """The same in the final dialect; a body without its NUL too."""
        with answering(said) as server, client_of(server, Dialect.FINAL) as client, pytest.raises(NotHomestow):
            download(client)

    def test_unasked(self) -> None:
        """A server that speaks before it is asked, or on after its answer, is not spoken to again on that connection."""
        with answering(WHOLE[Dialect.DOCUMENTED] + b'{"error":0}\0') as server, client_of(server) as client:
            assert download(client) == b"hello"
            assert download(client) == b"hello"
            assert server.connections == 2

    @pytest.mark.parametrize(
        "rows",
        ["5", '{"a":1}', "[5]", '[{"vfile_id":1}]', '[{"vfile_id":1,"vfile_dir_id":1,"vfile_name":5}]'],
    )
    def test_lists(self, rows: str) -> None:
        """Lists that are none are not believed."""
        said = f'{{"type":"dirinfoRes","error":0,"dirs":[],"files":{rows}}}\0'.encode()
        with answering(said) as server, client_of(server) as client, pytest.raises(NotHomestow):
            DocumentedFiles(client).listing()

    def test_announced_and_not_named(self) -> None:
        """An announced file that gets no id cannot be sent."""
        with answering(b'{"error":4,"msg":"need to upload"}\0') as server, client_of(server) as client:
            files = DocumentedFiles(client)
            with pytest.raises(NotHomestow):
                files.begun(client.ask(files.announce_call(FILE)))

    def test_long_words(self) -> None:
        """What a server says of an error is cut to a length that people read."""
        said = Answer("upload", {"error": 1, "msg": "x" * 60_000}, None, Dialect.DOCUMENTED)
        error = refused(said)
        assert isinstance(error, Forbidden)
        assert len(error.message) == 1000


class TestNobody:
    def test_without_login(self) -> None:
        """Without a session nothing is sent."""
        with OldServer() as server, NetdriveServer(server.url) as client:
            with pytest.raises(LoginNeeded):
                FinalFiles(client).listing()
            client.log_out()
            assert server.heard == []

    def test_nowhere(self) -> None:
        """A server that hangs up on both ways of speaking is none of ours."""
        with Scripted(lambda sock, _: sock.recv(100)) as server, NetdriveServer(server.url) as client:
            with pytest.raises(HungUp):
                client.log_in("anna", "x")
            assert server.connections == 2

    def test_long_names(self) -> None:
        """A name that the first servers would lose their way on is not sent to one of them."""
        with OldServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", "Secret1234")
            files = FinalFiles(client)
            with pytest.raises(BadName):
                files.announce_call(FILE._replace(name="名" * 250))
            assert files.listing().files == []

    def test_older_servers_change_no_passwords(self) -> None:
        """The final dialect has no such call."""
        with OldServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", "Secret1234")
            with pytest.raises(BadSettings):
                client.change_password("Secret1234", "Secret12345")


class TestPlain:
    @pytest.mark.parametrize("host", ["192.0.2.1", "home.example", "[2001:db8::1]"])
    def test_other_machines(self, host: str) -> None:
        """A password does not go unprotected to another machine (S75)."""
        with NetdriveServer(f"netdrive://{host}") as client:
            for order in (client.sign_up, client.log_in):
                with pytest.raises(BadSettings, match="unprotected"):
                    order("anna", "secret")
            client.session = SESSION
            with pytest.raises(BadSettings, match="unprotected"):
                client.change_password("a", "b")

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
    def test_this_machine(self, host: str) -> None:
        """To this machine it may."""
        assert parse_netdrive(host).is_here


class TestAddress:
    @pytest.mark.parametrize(
        "text, url",
        [
            ("host", "netdrive://host:4500"),
            ("HOST:1", "netdrive://host:1"),
            ("netdrive://host:4501/", "netdrive://host:4501"),
            ("netdrives://host", "netdrives://host:4500"),
            ("[::1]:5", "netdrive://[::1]:5"),
            ("münchen.example", "netdrive://xn--mnchen-3ya.example:4500"),
        ],
    )
    def test_read(self, text: str, url: str) -> None:
        """Scheme and port may be left out."""
        assert parse_netdrive(text).url == url

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "http://host:5000",
            "netdrive://",
            "host:0",
            "host:99999",
            "a b",
            "host/path",
            "netdrive://u@host",
            "host?x",
        ],
    )
    def test_refused(self, text: str) -> None:
        """Anything else is no address."""
        with pytest.raises(BadSettings):
            parse_netdrive(text)


class TestTls:
    def test_known_and_unknown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate that can be traced is trusted, another is not; both directions carry files."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        (tmp_path / "big").write_bytes(os.urandom(3_000_000))
        inner = ListServer()

        def script(sock: socket.socket, number: int) -> None:
            try:
                with context.wrap_socket(sock, server_side=True) as secured:
                    inner.talk(secured, number)
            except ssl.SSLError:
                pass

        with inner, Scripted(script) as server:
            with NetdriveServer(f"netdrives://localhost:{server.port}") as client:
                with pytest.raises(NotHomestow, match="cannot prove"):
                    client.log_in("anna", inner.password)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            with NetdriveServer(f"netdrives://localhost:{server.port}") as client:
                client.log_in("anna", inner.password)
                files = DocumentedFiles(client)
                content = (tmp_path / "big").read_bytes()
                with (tmp_path / "big").open("rb") as file:
                    whole = FILE._replace(size=len(content), md5="")
                    call = files.whole_call(whole, FileSlice(file.fileno(), 0, len(content)))
                    fields = {key: value for key, value in call.fields.items() if key != "md5"}
                    client.ask(Call("upload", fields, call.body))
                got = bytearray()
                [stored] = inner.stored.values()
                client.ask(files.download_call(LISTED._replace(vfile_id=1000), 0, len(content), got.extend))
        assert bytes(stored.content) == content == bytes(got)

    def test_plain_server(self) -> None:
        """A server without TLS is not believed to have any."""
        with answering(b"hello") as server, NetdriveServer(f"netdrives://127.0.0.1:{server.port}") as client:
            with pytest.raises((NotHomestow, Unreachable)):
                client.log_in("anna", "x")
