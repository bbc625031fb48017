"""Frames as peers send them: cut anywhere, slow, broken off, too long, many at once, and what asks for nothing."""

import random
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.picloud.rig import (
    FAILED,
    LOGGED_IN,
    NOT_LOGGED_IN,
    QUESTION,
    RECEIVED,
    STORED,
    D,
    PicloudRig,
    frame,
    open_rig,
    request,
    upload,
    user_file,
)

from homestow.server.fronts.picloud.errors import REASONS, TEXTS
from homestow.server.fronts.tcp.stream import Limits, Plain
from homestow.values.errors import all_errors
from homestow.wire.picloud import Reason, lost_at_end

MIB = 1024 * 1024


def frames(data: bytes) -> list[bytes]:
    """Payloads of what came; it must be whole."""
    found = []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        found.append(data[4 : 4 + length])
        assert len(found[-1]) == length
        data = data[4 + length :]
    return found


CONVERSATION = [
    (user_file("anna", "wrong password"), [RECEIVED, QUESTION]),
    (frame(b"1"), [NOT_LOGGED_IN]),
    (user_file("anna"), [RECEIVED, LOGGED_IN]),
    (upload("hi", "txt", b"hello"), [RECEIVED, STORED]),
    (request("hi", "txt"), [b"hello" + D + b"hi" + D + b"txt"]),
    (frame(RECEIVED), [b"The file is sent."]),
    (frame(RECEIVED), []),
    (frame(b"free text"), []),
    (frame(b""), []),
    (request("nothing", "txt"), [FAILED]),
    (upload("a/b", "txt", D * 2), [RECEIVED, STORED]),
    (request("a/b", "txt"), [D * 2 + D + b"a/b" + D + b"txt"]),
]


class TestCuts:
    """However the bytes come, the answers are the same."""

    def test_one_after_the_other(self, rig: PicloudRig) -> None:
        """As a client does that waits for each answer."""
        with rig.peer() as peer:
            for data, answers in CONVERSATION:
                assert peer.ask(data, len(answers)) == answers

    def test_all_at_once(self, rig: PicloudRig) -> None:
        """Pipelined, on a connection that then sends no more."""
        with rig.peer() as peer:
            peer.send(b"".join(data for data, _ in CONVERSATION))
            assert frames(peer.end()) == [payload for _, answers in CONVERSATION for payload in answers]

    def test_cut_at_every_byte(self, rig: PicloudRig) -> None:
        """Each byte in a packet of its own."""
        with rig.peer() as peer:
            for data, answers in CONVERSATION:
                for at in range(len(data)):
                    peer.send(data[at : at + 1])
                assert [peer.hear() for _ in answers] == answers

    def test_every_cut_in_two(self, rig: PicloudRig) -> None:
        """The halves of a message far apart."""
        data = upload("hi", "txt", b"hello")
        with rig.peer("anna") as peer:
            for at in range(1, len(data)):
                peer.send(data[:at])
                rig.later(0)
                assert peer.ask(data[at:]) == [RECEIVED, STORED]

    @pytest.mark.parametrize("size", [65537, 200_000, MIB + 3])
    def test_long_ones_in_cuts(self, rig: PicloudRig, size: int) -> None:
        """Around the delimiters and the name too."""
        chance = random.Random(size)
        content = chance.randbytes(size - 40) + b":" * 40
        data = upload("long", "bin", content)
        with rig.peer("anna") as peer:
            peer.send(data[: size - 60])
            for at in range(size - 60, len(data)):
                peer.send(data[at : at + 1])
            assert [peer.hear(), peer.hear()] == [RECEIVED, STORED]
            assert rig.files() == {"long.bin": content}
            for _ in range(3):
                at = 0
                while at < len(data):
                    step = chance.randint(1, 70_000)
                    peer.send(data[at : at + step])
                    at += step
                assert [peer.hear(), peer.hear()] == [RECEIVED, STORED]
            assert peer.get("long", "bin") == content

    def test_many_long_ones_behind_each_other(self, rig: PicloudRig) -> None:
        """No message loses its first bytes to the one before."""
        messages = [
            upload(f"f{n}", "bin", bytes([n]) * size) for n, size in enumerate((10, 70_000, 5, 300_000, 0, MIB))
        ]
        with rig.peer("anna") as peer:
            peer.send(b"".join(messages) + request("f3", "bin"))
            answers = frames(peer.end())
        assert answers[:-1] == [RECEIVED, STORED] * len(messages)
        assert answers[-1] == bytes([3]) * 300_000 + D + b"f3" + D + b"bin"

    def test_many_connections(self, rig: PicloudRig) -> None:
        """One message on each, as clients of 2015 do."""
        rig.peer("anna").close()
        for number in range(50):
            with rig.peer() as peer:
                peer.send(upload(f"f{number}", "txt", b"%d" % number))
                assert frames(peer.end()) == [RECEIVED, STORED]
        assert rig.files() == {f"f{number}.txt": b"%d" % number for number in range(50)}
        rig.settled()
        assert rig.open_streams() == 0


class TestBroken:
    """What is no message."""

    @pytest.mark.parametrize(
        "payload, text",
        [(D, "no name"), (b"x" + D + D, "no name"), (b"a" * 5000 + D + b"txt", "too long"), (b"a" + D + b"t" * 300, "too long"),
         (b"x" + D + b"\xff\xfe" + D + b"txt", "UTF-8"), (b"\xff" + D + b"txt", "UTF-8")],
    )  # fmt: skip
    def test_names_that_are_none(self, rig: PicloudRig, payload: bytes, text: str) -> None:
        """Are refused with the reason, and the connection goes on."""
        with rig.peer("anna") as peer:
            failed, said = peer.ask(frame(payload))
            assert failed == FAILED
            assert text.encode() in (said or b"")
            peer.put("hi", "txt", b"hello")

    def test_long_payloads_without_a_name(self, rig: PicloudRig) -> None:
        """Are refused at their end, and nothing stays."""
        with rig.peer("anna") as peer:
            for payload in (b"x" * 100_000, b"x" * 100_000 + D + b"txt", b":" * 100_000, b"y" * 100_000 + D * 2):
                assert peer.ask(frame(payload))[0] == FAILED
            peer.put("hi", "txt", b"hello")
        assert rig.files() == {"hi.txt": b"hello"}
        rig.nothing_staged()

    def test_what_asks_for_nothing(self, rig: PicloudRig, caplog: pytest.LogCaptureFixture) -> None:
        """Is passed over: words of the protocol in the wrong direction, questions, text, nothing at all. What it says is not in
        the log, and few lines are."""
        secret = b"my password"
        with rig.peer("anna") as peer:
            for payload in (RECEIVED, FAILED, b"InputRequest:" + secret, b"", secret, b"::::", b"\xff\x00", b"Logout"):
                peer.send(frame(payload) * 10)
            peer.put("hi", "txt", b"hello")
        assert secret.decode() not in caplog.text
        assert caplog.text.count("passed over") < 5

    def test_only_so_much_of_it(self, rig: PicloudRig) -> None:
        """Then the connection is closed."""
        with rig.peer() as peer:
            peer.send(frame(b"") * 1200)
            assert peer.rest() == b""

    def test_a_web_browser(self, rig: PicloudRig) -> None:
        """Begins like a message of a gigabyte, and is refused."""
        with rig.peer() as peer:
            assert peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0] == FAILED
            assert peer.hear() is None

    @pytest.mark.parametrize("length", [MIB + 1, 1 << 31, (1 << 31) - 1, (1 << 32) - 1])
    @pytest.mark.parametrize("user", [None, "anna"])
    def test_lengths(self, tmp_path: Path, length: int, user: str | None) -> None:
        """Too long for who is not logged in, and for the quota of who is: refused at once, nothing is reserved."""
        with open_rig(tmp_path, quota=MIB - 5000) as rig:
            with rig.peer(user) as peer:
                failed, text = peer.ask(struct.pack(">I", length) + b"x" * 1000)
                assert failed == FAILED
                assert (b"room" if user else b"Log in") in (text or b"")
                assert peer.hear() is None
            rig.settled()
            rig.nothing_staged()


class TestBrokenOff:
    """Messages whose end never comes."""

    @pytest.mark.parametrize("lost", [1, 2, 3, 4])
    @pytest.mark.parametrize("slices", [1, 3])
    def test_peers_that_count_the_head_as_payload(self, rig: PicloudRig, lost: int, slices: int) -> None:
        """Clients of 2015 never send the last bytes of some lengths, and wait: they are told, and nothing is kept."""
        length = slices * 1_048_575 - (4 - lost)
        assert lost_at_end(length) == lost
        content = b"x" * (length - len(D + b"hi" + D + b"txt"))
        data = upload("hi", "txt", content)
        assert len(data) == length + 4
        with rig.peer("anna") as peer:
            peer.send(data[: len(data) - lost])
            rig.until_coming()
            rig.until_heard(peer)
            assert peer.hear() == FAILED
            assert b"in time" in (peer.hear() or b"")
            assert peer.hear() is None
        assert rig.files() == {}
        rig.settled()
        rig.nothing_staged()

    @pytest.mark.parametrize("size", [100, 3 * MIB])
    @pytest.mark.parametrize("reset", [False, True])
    def test_peers_that_leave(self, rig: PicloudRig, size: int, reset: bool) -> None:
        """Midway, with or without a word: what came is dropped, what was there stays."""
        with rig.peer("anna") as peer:
            peer.put("hi", "txt", b"before")
        data = upload("hi", "txt", b"x" * size)
        for at in (1, 3, 4, 5, size // 2, len(data) - 1):
            peer = rig.peer()
            peer.send(data[:at])
            if reset:
                peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        rig.settled()
        assert rig.files() == {"hi.txt": b"before"}
        rig.nothing_staged()

    def test_peers_that_leave_without_their_answer(self, rig: PicloudRig) -> None:
        """A message that came whole counts; so does one whose question stays without an answer, as no login."""
        rig.peer("anna").close()
        for data in (upload("hi", "txt", b"hello"), request("hi", "txt"), user_file("ben", "wrong password")):
            peer = rig.peer()
            peer.send(data)
            peer.close()
        rig.settled()
        assert rig.files() == {"hi.txt": b"hello"}


class TestSlow:
    """One byte a second, and nobody waits for ever."""

    def test_a_short_message(self, rig: PicloudRig) -> None:
        """Has half a minute."""
        data = upload("hi", "txt", b"")
        with rig.peer("anna") as peer:
            for at in range(len(data)):
                peer.send(data[at : at + 1])
                rig.later(1)
            assert [peer.hear(), peer.hear()] == [RECEIVED, STORED]

    @pytest.mark.parametrize("size", [200, 100_000])
    def test_a_longer_one(self, rig: PicloudRig, size: int) -> None:
        """Is ended, told so, and nothing of it is kept."""
        data = upload("hi", "txt", b"x" * size)
        with rig.peer("anna") as peer:
            peer.send(data[:4])
            for at in range(4, 70):
                try:
                    peer.send(data[at : at + 1])
                except ConnectionError:
                    break
                rig.later(1)
            rig.until_heard(peer)
            assert peer.hear() == FAILED
            assert b"in time" in (peer.hear() or b"")
            assert peer.hear() is None
        assert rig.files() == {}
        rig.settled()
        rig.nothing_staged()

    def test_half_a_head(self, rig: PicloudRig) -> None:
        """Has ten seconds."""
        with rig.peer("anna") as peer:
            for _ in range(3):
                peer.send(b"\0")
                rig.later(4)
            rig.until_heard(peer, 11.0)
            assert peer.rest() == b""

    def test_silence(self, rig: PicloudRig) -> None:
        """A minute without a login, a quarter of an hour with one on this very connection."""
        with rig.peer("anna") as known, rig.peer() as stranger:
            assert stranger.get("hi", "txt") is None
            rig.later(59)
            known.put("hi", "txt", b"hello")
            rig.until_heard(stranger, 2.0)
            assert stranger.rest() == b""
            rig.later(700)
            known.put("hi", "txt", b"hello again")
            rig.later(899)
            assert not select.select([known.sock], [], [], 0)[0]
            rig.until_heard(known, 2.0)
            assert known.rest() == b""

    def test_a_question_waits_a_minute(self, rig: PicloudRig) -> None:
        """Then the connection is closed."""
        with rig.peer() as peer:
            assert peer.ask(user_file("anna", "wrong password")) == [RECEIVED, QUESTION]
            rig.until_heard(peer, 61.0)
            assert peer.rest() == b""


class TestAddresses:
    """Who may come, and how often."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[PicloudRig]:
        """A server for which only 127.0.0.1 is its own machine."""
        with open_rig(
            tmp_path, local=("127.0.0.1",), tcp=Limits(connections_per_host=3, connections_per_user=2)
        ) as made:
            yield made

    def test_plain_from_elsewhere(self, rig: PicloudRig) -> None:
        """Is told what to do before anything is read (S75)."""
        with rig.peer(source="127.0.0.2") as peer:
            failed, text = peer.ask(user_file("anna"))
            assert failed == FAILED
            assert b"TLS" in (text or b"")
            assert peer.hear() is None
        with rig.peer() as peer:
            assert peer.get("hi", "txt") is None

    def test_plain_from_elsewhere_where_the_owner_allows_it(self, tmp_path: Path) -> None:
        """Is served."""
        with (
            open_rig(tmp_path / "x", local=("127.0.0.1",), plain=Plain.ANYBODY) as rig,
            rig.peer("anna", "127.0.0.2") as peer,
        ):
            peer.put("hi", "txt", b"hello")

    def test_only_so_many_from_one_address(self, tmp_path: Path) -> None:
        """Further ones are closed at once."""
        limits = Limits(connections_per_host=3)
        with open_rig(tmp_path / "x", local=("127.0.0.1",), plain=Plain.ANYBODY, tcp=limits) as rig:
            peers = [rig.peer(source="127.0.0.2") for _ in range(5)]
            assert [peer.rest() for peer in peers[3:]] == [b"", b""]
            assert peers[0].get("hi", "txt") is None
            for peer in peers:
                peer.close()

    def test_only_so_many_of_one_user(self, rig: PicloudRig) -> None:
        """The one that is too much is told."""
        with rig.peer("anna") as one, rig.peer("anna") as two, rig.peer() as three:
            received, text = three.ask(user_file("anna"))
            assert received == RECEIVED
            assert b"Too many" in (text or b"")
            assert three.hear() is None
            one.put("hi", "txt", b"x")
            assert two.get("hi", "txt") == b"x"


def test_a_reader_that_does_not_read(rig: PicloudRig) -> None:
    """Is left alone until the server stops; others are served meanwhile."""
    with rig.peer("anna") as peer:
        peer.put("big", "bin", b"x" * (8 * MIB))
        peer.send(request("big", "bin") * 3)
        with rig.peer() as other:
            assert other.get("big", "bin") == b"x" * (8 * MIB)
    rig.settled()


def test_answers_do_not_wait_for_each_other(rig: PicloudRig) -> None:
    """The text behind `FileReceived` leaves at once, not when the peer has acknowledged that: a file in milliseconds."""
    with rig.peer("anna"):
        assert rig.nodelay() == [True]


def test_the_tables_are_complete() -> None:
    """Every error and every reason has a text, which is no word of the protocol and holds no colon."""
    assert set(TEXTS) == {kind.code for kind in all_errors() if kind.__module__ == "homestow.values.errors"} | {"error"}
    assert set(REASONS) == set(Reason)
    for text in (*TEXTS.values(), *REASONS.values()):
        assert ":" not in text
        assert len(text) < 200
