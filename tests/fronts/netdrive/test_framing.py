"""Bytes that do not come as they should: malformed, cut, too long, too slow, many at once, in any pieces."""

import os
import random
import time
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD
from tests.fronts.netdrive.rig import DEAD, MIB, NO_SESSION, DriveRig, Peer, documented, final, md5, open_rig

from homestow.server.fronts.tcp.stream import Limits

GARBAGE = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff" * 100, b"SSH-2.0-x\r\n", b"5", b"[1]", b'"a"',
    b"nosuchtype\n{}\0", b"a type that is far too long\n{}\0", b"x" * 100_000, os.urandom(5000),
)  # fmt: skip


class TestGarbage:
    @pytest.mark.parametrize("data", GARBAGE)
    def test_it_learns_nothing(self, rig: DriveRig, data: bytes) -> None:
        """Closed without a word, and nobody else notices."""
        with rig.peer() as other, rig.peer(None) as peer:
            peer.send(data)
            assert peer.end() == b""
            assert other.ask("dirinfo")["error"] == 0

    def test_malformed_json_of_the_final_dialect_is_ignored(self, rig: DriveRig) -> None:
        """No reply; the next request is answered."""
        with rig.old_peer() as peer:
            for text in (
                b"",
                b"{",
                b"[]",
                b'{"a":1,"a":2}',
                b'{"a":NaN}',
                b"{}}",
                b"\xff\xfe",
                b"[" * 5000,
                b'{"a":' * 5000,
            ):
                peer.send(b"getdir\n" + text + b"\0")
            assert peer.old("getdir")["error"] == 0

    def test_a_missing_key_closes_the_final_dialect(self, rig: DriveRig) -> None:
        """Without a reply, as for a key of the wrong type; what came before is answered."""
        for fields in (
            {},
            {"session": 5},
            {"session": DEAD, "queueid": "1", "md5": md5(b""), "offset": 0, "chunksize": 0},
        ):
            with rig.old_peer() as peer:
                kind = "downloadFile" if "md5" in fields else "getdir"
                peer.send(final("getdir", session=peer.session) + final(kind, **fields))
                assert peer.hear()["error"] == 0
                assert peer.is_closed()

    def test_an_unknown_type_closes_the_final_dialect(self, rig: DriveRig) -> None:
        """Since its last versions."""
        with rig.old_peer() as peer:
            peer.send(final("dirinfo", session=peer.session))
            assert peer.is_closed()

    def test_malformed_json_of_the_documented_list_is_told(self, rig: DriveRig) -> None:
        """Where the next request begins cannot be known, so the connection is closed after a clear reply."""
        for text in (
            b'{"type": "dirinfo",, }',
            b'{"a":1,"a":2}',
            b'{"type":"upload","filename":"a"}',
            b'{"type":"login"} x',
        ):
            with rig.peer(None) as peer:
                peer.send(text)
                told = peer.hear()
                assert told["error"] == 1
                if b" x" in text:
                    told = peer.hear()
                    assert told["type"] == "errorRes"
                assert told["msg"]
                assert peer.is_closed()

    def test_no_nul_behind_a_block(self, rig: DriveRig) -> None:
        """The stream is out of step, which is seen before anything is done: closed without a word, nothing is published."""
        with rig.old_peer() as peer:
            peer.send(self.block(peer) + b"hello!" + final("getdir", session=peer.session))
            assert peer.is_closed()
        rig.settled()
        assert rig.files() == {}

    def test_no_nul_behind_a_block_that_was_answered(self, rig: DriveRig) -> None:
        """The block counts, since all of it came; then the stream is out of step: closed, and what follows is not read."""
        with rig.old_peer() as peer:
            peer.send(self.block(peer) + b"hello")
            assert peer.hear()["error"] == 0
            peer.send(b"!" + final("getdir", session=peer.session))
            assert peer.is_closed()
        rig.settled()
        assert rig.files() == {"a": b"hello"}

    def block(self, peer: Peer) -> bytes:
        """The head of the only block of a file of five bytes."""
        vfile = peer.announce("a", b"hello")["vfile_id"]
        ask = {"session": peer.session, "vfile_id": vfile, "queueid": 1, "chunkid": 0, "offset": 0, "chunksize": 5}
        return final("uploadChunk", **ask)

    @pytest.mark.parametrize("head", [b"getdir\n", b'{"type": "dirinfo", "session": "'])
    def test_a_head_that_is_too_long(self, rig: DriveRig, head: bytes) -> None:
        """S71: it is never held, however long: 64 KiB are the end."""
        with rig.peer(None) as peer:
            try:
                peer.send(head + b" " * (10 * MIB))
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert b"hello" not in peer.rest()

    def test_absurd_lengths(self, rig: DriveRig) -> None:
        """S71: beyond what whole numbers are, below zero, no number: nothing is reserved, the connection ends."""
        for size in ("-1", "1e400", "9" * 40, '"5"', "null", "5.5", "true"):
            with rig.peer() as peer:
                peer.send(
                    f'{{"type":"upload","session":"{peer.session}","filename":"a","size":{size}}}'.encode() + b"hello"
                )
                assert peer.hear()["error"] == 1, size
                assert peer.is_closed()
            with rig.old_peer() as peer:
                vfile = peer.announce("a", b"hello")["vfile_id"]
                peer.send(
                    f'uploadChunk\n{{"session":"{peer.session}","vfile_id":{vfile},"queueid":1,"chunkid":0,"offset":0,'
                    f'"chunksize":{size}}}\0hello\0'.encode()
                )
                assert peer.is_closed(), size


class TestPieces:
    def conversation(self, rig: DriveRig, session: str) -> bytes:
        """All kinds of messages and bodies, of which every answer is known."""
        return b"".join((
            documented("upload", session=session, filename="a", size=5, md5=md5(b"hello")) + b"hello",
            b"\0\n", documented("upload", session=DEAD, filename="b", size=5) + b"hello",
            documented("upload", session=session, filename="c", size=7, md5=md5(b"seven b"), offset=0, chunksize=3) + b"sev",
            documented("download", session=session, md5=md5(b"hello"), offset=1, size=3),
            documented("upload", session=session, filename="d", size=0),
        ))  # fmt: skip

    def told(self, peer: Peer) -> list[object]:
        first, second, third, fourth = (peer.hear() for _ in range(4))
        data, last = peer.exactly(3), peer.hear()
        return [first["error"], second["error"], third["error"], fourth["error"], fourth["size"], data, last["error"]]

    EXPECTED = [0, 2, 0, 0, 3, b"ell", 0]

    def test_split_at_every_byte(self, rig: DriveRig) -> None:
        """In two segments, wherever the cut is."""
        with rig.peer() as peer:
            whole = self.conversation(rig, peer.session)
            for at in range(0, len(whole) + 1, 1):
                peer.send(whole[:at])
                time.sleep(0.0002)
                peer.send(whole[at:])
                assert self.told(peer) == self.EXPECTED, at

    def test_byte_by_byte(self, rig: DriveRig) -> None:
        """As a slow line brings them."""
        with rig.peer() as peer:
            for byte in self.conversation(rig, peer.session):
                peer.send(bytes((byte,)))
            assert self.told(peer) == self.EXPECTED

    def test_the_final_dialect_split_at_every_byte(self, rig: DriveRig) -> None:
        """Announced, sent, fetched, deleted, well and badly."""
        with rig.old_peer() as peer:
            peer.old_put("keep", b"hello")
            unknown = md5(b"other")
            ask = {"session": peer.session, "queueid": 1}
            whole = b"".join((
                final("uploadFile", filename="a", path="//", md5=unknown, size=5, mtime=1, **ask),
                final("uploadChunk", vfile_id=1 << 40, chunkid=0, offset=0, chunksize=5, **ask) + b"hel\0o\0",
                final("downloadFile", md5=md5(b"hello"), offset=0, chunksize=5, **ask),
                final("deleteFile", filename="a", path="//", **ask), final("getbindid", session=peer.session),
            ))  # fmt: skip
            for at in range(len(whole) + 1):
                peer.send(whole[:at])
                time.sleep(0.0002)
                peer.send(whole[at:])
                assert [peer.hear()["error"] for _ in range(3)] == [4, 1, 0], at
                assert peer.exactly(6) == b"hello\0"
                assert [peer.hear()["error"] for _ in range(2)] == [1, 0]

    def test_answers_come_in_order(self, rig: DriveRig) -> None:
        """Hundreds of requests of all kinds sent ahead: each answer at its place, small uploads together or not."""
        dice = random.Random(7)
        with rig.peer() as peer:
            sent: list[bytes] = []
            expected: list[tuple[int, bytes | None]] = []
            content: dict[str, bytes] = {}
            for number in range(400):
                name = f"f{dice.randrange(60)}"
                match dice.randrange(8):
                    case 0:
                        sent.append(documented("upload", session=DEAD, filename=name, size=3) + b"abc")
                        expected.append((2, None))
                    case 1:
                        sent.append(
                            documented("upload", session=peer.session, filename=name, size=3, md5=md5(b"")) + b"abc"
                        )
                        expected.append((1, None))
                    case 2 if content:
                        known = dice.choice(sorted(content))
                        data = content[known]
                        sent.append(documented("download", session=peer.session, md5=md5(data)))
                        expected.append((0, data))
                    case _:
                        data = content[name] = f"{number} {name}".encode() * dice.randrange(1, 300)
                        fields = {"filename": name, "path": "/p/", "size": len(data), "md5": md5(data)}
                        sent.append(documented("upload", session=peer.session, **fields) + data)
                        expected.append((0, None))
            peer.send(b"".join(sent))
            for number, (error, got) in enumerate(expected):
                told = peer.hear()
                assert told["error"] == error, (number, told)
                if got is not None:
                    assert told["type"] == "downloadRes"
                    assert peer.exactly(told["size"]) == got
            assert rig.files() == {f"p/{name}": data for name, data in content.items()}

    def test_the_later_of_two_files_wins(self, rig: DriveRig) -> None:
        """Sent ahead, for one place however it is spelled: what was sent last is there in the end."""
        with rig.peer() as peer:
            paths = ("//", "/", "", "/./")
            for _ in range(5):
                peer.send(
                    b"".join(
                        documented("upload", session=peer.session, filename="a", path=paths[at % 4], size=2)
                        + b"%02d" % at
                        for at in range(40)
                    )
                )
                assert all(peer.hear()["error"] == 0 for _ in range(40))
                assert rig.files() == {"a": b"39"}

    def test_hanging_up_in_the_middle_of_many(self, rig: DriveRig) -> None:
        """What is under way is finished, whole files only."""
        with rig.peer() as peer:
            for number in range(200):
                peer.send(documented("upload", session=peer.session, filename=f"f{number}", size=1000) + b"x" * 1000)
        rig.settled()
        assert all(content == b"x" * 1000 for content in rig.files().values())
        rig.nothing_left_over()


class TestTime:
    def test_who_says_nothing_is_ended(self, rig: DriveRig) -> None:
        """S72: 60 s without login; malformed messages do not count as something."""
        with rig.peer(None) as silent, rig.peer(None) as babbling:
            babbling.send(b"getdir\n{}}\0")
            rig.until_open(2)
            rig.later(30)
            assert rig.open_connections() == 2
            babbling.send(b"getdir\n{}}\0")
            rig.later(31)
            assert silent.is_closed()
            assert babbling.is_closed()

    def test_a_good_request_buys_time(self, rig: DriveRig) -> None:
        """Somebody may think about a password for a minute."""
        with rig.peer(None) as peer:
            for _ in range(4):
                rig.later(40)
                assert peer.ask("login", username="nobody", password="wrong password")["error"] == 1
            rig.later(61)
            assert peer.is_closed()

    def test_who_is_logged_in_may_be_silent(self, rig: DriveRig) -> None:
        """Its clients cannot connect again: they are never closed by us, on any of their connections."""
        with rig.old_peer() as peer, rig.beside(peer) as other:
            other.old("getdir")
            for _ in range(5):
                rig.later(24 * 3600)
            assert peer.old("getdir")["error"] == 0
            assert other.old("getdir")["error"] == 0

    @pytest.mark.parametrize("head", [b"getdir\n{", b'{"type": "dirinfo", "a'])
    def test_a_head_that_crawls(self, rig: DriveRig, head: bytes) -> None:
        """S72: ten seconds from its first byte, also for who is logged in."""
        with rig.old_peer() as old, rig.peer() as new:
            peer = old if head.startswith(b"g") else new
            crawl(rig, peer, head, 0.5)
            rig.later(10)
            assert peer.is_closed()

    def test_a_body_that_crawls(self, rig: DriveRig) -> None:
        """S72: a byte a second is less than a kilobyte a second; what came counts, the connection ends."""
        with rig.old_peer() as peer:
            content = os.urandom(100_000)
            vfile = peer.announce("a", content)["vfile_id"]
            peer.send(
                final(
                    "uploadChunk",
                    session=peer.session,
                    vfile_id=vfile,
                    queueid=1,
                    chunkid=0,
                    offset=0,
                    chunksize=100_000,
                )
            )
            peer.send(content[:50_000])
            crawl(rig, peer, content[50_000:50_070], 1.0)
            assert peer.is_closed()
        rig.settled()
        with rig.old_peer() as peer:
            have = rig.drive.uploads.chunks(rig.drive.sessions.check(peer.session), vfile)
            assert not have[0].done
            assert peer.chunk(vfile, content)["error"] == 0
            assert rig.files() == {"a": content}

    def test_connections_of_a_user_are_counted(self, tmp_path: Path) -> None:
        """S109: so many may be open at once; one more is told so, and others are not touched."""
        with open_rig(tmp_path, tcp=Limits(connections_per_user=3, linger_s=1.0)) as rig:
            peers = [rig.peer() for _ in range(3)]
            with rig.peer(None) as fourth, rig.peer("ben"):
                told = fourth.ask("dirinfo", session=peers[0].session)
                assert told["error"] == 1
                assert "connections" in told["msg"]
                peers[0].close()
                deadline = time.monotonic() + 10
                while fourth.ask("dirinfo", session=peers[1].session)["error"] and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert fourth.ask("dirinfo", session=peers[1].session)["error"] == 0
            for peer in peers:
                peer.close()

    def test_connections_of_an_address_are_counted(self, tmp_path: Path) -> None:
        """S72: a hundred drips of one address are its own business."""
        with open_rig(tmp_path, tcp=Limits(connections_per_host=5), local=("127.0.0.1",)) as rig:
            drips = [Peer(rig.tcp_port, "127.0.0.9") for _ in range(8)]
            assert [drip.is_closed() for drip in drips[5:]] == [True] * 3
            with rig.peer() as peer:
                assert peer.ask("dirinfo")["error"] == 0
            for drip in drips:
                drip.close()


def crawl(rig: DriveRig, peer: Peer, data: bytes, each_s: float) -> None:
    """A byte now and then, until all were sent or nobody takes them."""
    for byte in data:
        try:
            peer.send(bytes((byte,)))
        except (BrokenPipeError, ConnectionResetError):
            return
        time.sleep(0.002)
        rig.later(each_s)


def test_plain_from_elsewhere_is_refused(tmp_path: Path) -> None:
    """S75: before a password is looked at, in whichever dialect; the answer says what to do."""
    with open_rig(tmp_path, local=("127.0.0.1",)) as rig:
        for asked in (
            documented("login", username="anna", password=PASSWORD), final("login", username="anna", password=PASSWORD),
            documented("download", filename="a"),
        ):  # fmt: skip
            with Peer(rig.tcp_port, "127.0.0.9") as peer:
                peer.send(asked)
                told = peer.hear()
                assert told["error"] == 1
                assert "TLS" in told["msg"]
                assert "session" not in told
                assert peer.is_closed()


def test_a_dead_session_in_front_of_many_bodies(rig: DriveRig) -> None:
    """A queue that is played back after a restart: error 2 for each, in order, the stream in step."""
    with Peer(rig.tcp_port, session=DEAD) as peer:
        for number in range(50):
            peer.send(documented("upload", session=DEAD, filename=f"f{number}", size=20_000) + os.urandom(20_000))
        for _ in range(50):
            assert peer.hear() == {"type": "uploadRes", "error": 2, "msg": NO_SESSION}
    assert rig.files() == {}
