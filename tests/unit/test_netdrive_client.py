"""The netdrive client library against small servers of each kind, over real sockets."""

import hashlib
from pathlib import Path

import pytest
from tests.unit.netdrive_servers import ListServer, OldServer

from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_files import Announced, DocumentedFiles, FinalFiles, files_of
from homestow.values.errors import LoginFailed, LoginNeeded, NameTaken
from homestow.wire.netdrive import BLOCK_BYTES, Dialect

PASSWORD = "correct horse battery"


def announced(content: bytes, name: str = "a.txt", path: str = "//") -> Announced:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Announced(path, name, md5, len(content), 1_600_000_000)


class TestDocumented:
    def test_one_file_whole(self) -> None:
        """A file sent in one message stands in the list and comes back as it was."""
        with ListServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", PASSWORD)
            files = DocumentedFiles(client)
            client.ask(files.whole_call(announced(b"hello"), b"hello"))
            [found] = files.listing().files
            got = bytearray()
            client.ask(files.download_call(found, 1, 3, got.extend))
        assert (found.name, found.path, found.size) == ("a.txt", "//", 5)
        assert got == b"ell"
        assert server.connections == 1

    def test_blocks_from_a_file(self, tmp_path: Path) -> None:
        """Blocks go out of the file itself, many on one connection, and the notice puts it in its place."""
        content = bytes(range(256)) * 40_000
        (tmp_path / "big").write_bytes(content)
        with ListServer() as server, NetdriveServer(server.url) as client, (tmp_path / "big").open("rb") as file:
            client.log_in("anna", PASSWORD)
            files = DocumentedFiles(client)
            begun = files.begun(client.ask(files.announce_call(announced(content))))
            assert not begun.instant
            calls = [
                files.block_call(begun.vfile_id, at, FileSlice(file.fileno(), at, min(BLOCK_BYTES, len(content) - at)))
                for at in range(0, len(content), BLOCK_BYTES)
            ]
            assert [call.about for call, _ in client.run(calls)] == [0, BLOCK_BYTES, 2 * BLOCK_BYTES]
            files.complete(begun.vfile_id, len(content))
            assert bytes(server.stored["//", "a.txt"].content) == content
            assert files.begun(client.ask(files.announce_call(announced(content, "b.txt")))).instant

    def test_refusals(self) -> None:
        """A wrong password, a lost session and nobody logged in are told apart, in words for people."""
        with ListServer() as server, NetdriveServer(server.url) as client:
            with pytest.raises(LoginFailed, match=r"^Unknown user or wrong password\.$"):
                client.log_in("anna", "wrong")
            with pytest.raises(LoginNeeded):
                files_of(client).listing()
            client.session = "x" * 32
            with pytest.raises(LoginNeeded, match=r"^This login has ended\.$"):
                files_of(client).listing()


class TestFinal:
    def test_found_out(self) -> None:
        """A server that hangs up on the documented login is spoken to as the first servers were."""
        with OldServer() as server, NetdriveServer(server.url) as client:
            client.log_in("anna", "Secret1234")
            assert client.dialect is Dialect.FINAL
            files = FinalFiles(client)
            assert files.listing().files == []
            begun = files.begun(files.ask(files.announce_call(announced(b"hello"))))
            files.ask(files.block_call(begun.vfile_id, 0, b"hello"))
            [found] = files.listing().files
            got = bytearray()
            files.ask(files.download_call(found, 0, 5, got.extend))
            client.log_out()
        assert got == b"hello"
        assert server.sessions == {}

    def test_sign_up_and_bind(self) -> None:
        """Accounts are made once; binds are read and set."""
        with OldServer(bind=0) as server, NetdriveServer(server.url) as client:
            client.sign_up("bert", "Secret1234")
            with pytest.raises(NameTaken):
                client.sign_up("bert", "Secret1234")
            client.log_in("bert", "Secret1234")
            assert client.bound() == 0
            client.set_bind(1)
            assert client.bound() == 1
