"""The PiCloud front under the same list of names and the same limits on guessing (rows S01, S02, S14, S43, S45, S49, S71, S74, S98)."""

import os
import random
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.picloud.rig import (
    FAILED,
    NOT_LOGGED_IN,
    QUESTION,
    RECEIVED,
    STORED,
    D,
    PicloudRig,
    frame,
    open_rig,
    user_file,
)
from tests.security.vectors import legal, names, stored

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts

NAMES = names()
CANARY = b"canary-7d1f: nobody reads or writes me"
DAY = 24 * 3600 * SECOND


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PicloudRig]:
    """A server of its own; `ben` has a file too, and there are others beside the roots."""
    with open_rig(tmp_path / "place") as made:
        with made.peer("ben") as peer:
            peer.put("canary", "txt", CANARY)
        for place in (made.place.parent, made.place, made.place / "data", made.place / "data" / "files"):
            (place / "canary.txt").write_bytes(CANARY)
        yield made


def raw(name: str) -> bytes:
    """A vector as bytes, lone surrogates too; cut to what a message may carry, without the delimiter and colons that would be read as content."""
    return name.encode("utf-8", "surrogatepass")[:4096].replace(D, b"").lstrip(b":")


def segments(sent: bytes) -> list[str] | None:
    """How a name lies, said anew here and not by the code under test; None: it may not."""
    try:
        text = sent.decode()
    except UnicodeDecodeError:
        return None
    if text.startswith("/") or text.rpartition("/")[2] in ("", "."):
        return None
    found = [stored(part) for part in text.split("/") if part not in ("", ".")]
    own = bool(found) and found[0] == ".homestow"
    return None if own or len(found) > 200 or not all(legal(part) for part in found) else found


def outside(rig: PicloudRig) -> dict[str, bytes]:
    """Everything beside anna's folder that somebody who climbs out could reach first."""
    found = {}
    for path in (
        *rig.place.parent.glob("*"),
        *rig.place.glob("*"),
        *(rig.place / "data").glob("*"),
        *rig.own("ben").glob("*"),
    ):
        if not path.name.startswith("catalogue.db"):
            found[str(path)] = path.read_bytes() if path.is_file() else b""
    for path in (rig.place / "data" / "files").glob("*"):
        found[str(path)] = b""
    return found


def test_S01_S02_S14_names_lead_nowhere(rig: PicloudRig) -> None:
    """A sample of the vectors as names of files that are sent: each is refused, or lies in the sender's own folder exactly so."""
    with rig.peer("anna") as peer:
        peer.put("first", "txt", b"x")
        before = outside(rig)
        expected = {"first.txt"}
        folders: set[str] = set()
        for number, name in enumerate(NAMES[::7]):
            sent = raw(f"{number}-{name}" if number % 2 else name)
            received, text = peer.ask(frame(b"x" + D + sent + D))
            assert received in (RECEIVED, FAILED)
            assert CANARY not in (text or b"")
            found = segments(sent)
            if found is None:
                assert received == FAILED, ascii(sent)
            elif received == RECEIVED:
                assert text == STORED
                expected.add("/".join(found))
                folders.update("/".join(found[:depth]) for depth in range(1, len(found)))
            else:
                # A file stands where a folder is wanted, or the disk has no such long path.
                path = "/".join(found)
                assert folders & {path} or any(path.startswith(f"{file}/") for file in expected) or len(path) > 255, (
                    ascii(sent)
                )
        assert len(expected) > 400
        lies = {path for path in rig.files() if not path.endswith("(2)")}
        assert lies <= expected
        assert len(expected - lies) < 5  # names that the disk takes for another one
        assert outside(rig) == before


def test_S01_nothing_is_read_outside(rig: PicloudRig) -> None:
    """All vectors as names that are asked for, alone and before an ordinary one: nobody's canary comes."""
    with rig.peer("anna") as peer:
        asked = [frame(raw(name)[:4000] + tail) for name in NAMES for tail in (D, D + b"txt", b"canary" + D + b"txt")]
        asked += [
            frame(b"../ben/canary" + D + b"txt"),
            frame(b"ben/canary" + D + b"txt"),
            frame(os.fsencode(rig.place) + b"/canary" + D + b"txt"),
        ]
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(peer.rest()))
        reader.start()
        for at in range(0, len(asked), 100):
            peer.send(b"".join(asked[at : at + 100]))
        peer.sock.shutdown(1)
        reader.join(60)
    assert CANARY not in said[0]
    assert said[0].startswith(frame(FAILED))
    assert said[0].count(FAILED) >= len(asked)


def test_S43_guesses_here_count_with_all_others(rig: PicloudRig) -> None:
    """A hundred guesses side by side on a connection each: no more than ten passwords are looked at."""
    asked = Counter[bytes | None]()

    def guess() -> None:
        with rig.peer() as peer:
            asked[peer.ask(user_file("dan", "wrong password"))[1]] += 1

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == {QUESTION: 10, NOT_LOGGED_IN: 30}
    assert rig.ask("POST", "/login", {"user": "dan", "password": PASSWORD}, user=None).status == 429


def test_S45_every_wrong_user_file_does_the_same_work(rig: PicloudRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names, removed ones and wrong passwords: one Argon2 of the same settings, the same questions to the database,
    the same bytes. Counted, not timed: what does the same work takes the same time."""
    done: Counter[str] = Counter()
    hashing = rig.services.accounts._hashing._argon
    verify = type(hashing).verify

    def counted(self: object, stored: str, password: str) -> object:
        done["verify " + "$".join(stored.split("$")[1:4])] += 1
        return verify(hashing, stored, password)

    monkeypatch.setattr(type(hashing), "verify", counted)
    for name in (
        "account_named",
        "account",
        "device_of",
        "wait_s",
        "count_try",
        "forgive",
        "add_device",
        "set_password",
    ):
        real = getattr(SqlAccounts, name)

        def watched(self: object, *args: object, name: str = name, real: object = real) -> object:
            done[name] += 1
            assert callable(real)
            return real(self, *args)

        monkeypatch.setattr(SqlAccounts, name, watched)
    rig.services.accounts.add("gone", PASSWORD)
    rig.services.accounts.remove("gone")
    seen = []
    for user in ("anna", "ANNA", "nobody", "", "../anna", "gone", "\0", "anna ", "operator", "0", "n" * 4000):
        rig.clock.ns += DAY
        done.clear()
        with rig.peer() as peer:
            peer.send(user_file(user, "wrong password") + frame(b"2"))
            seen.append((peer.end(), dict(done)))
    assert seen[0][0] == frame(RECEIVED) + frame(QUESTION) + frame(NOT_LOGGED_IN)
    assert sum(count for name, count in seen[0][1].items() if name.startswith("verify")) == 1
    assert all(each == seen[0] for each in seen), seen


def test_S49_what_ends_a_login_ends_it_at_once(rig: PicloudRig) -> None:
    """On the connection that logged in, on others from there, and in the middle of a file."""
    data = frame(b"x" * 500_000 + D + b"big" + D + b"bin")
    with rig.peer("anna") as own, rig.peer() as other, rig.peer() as busy:
        own.put("hi", "txt", b"hello")
        assert other.get("hi", "txt") == b"hello"
        busy.send(data[:300_000])
        rig.until_coming()
        rig.services.accounts.set_password("anna", "another password")
        assert (own.get("hi", "txt"), other.get("hi", "txt")) == (None, None)
        assert busy.ask(data[300_000:])[0] == FAILED
        assert own.ask(frame(b"x" + D + b"hi" + D + b"txt"))[0] == FAILED
    assert rig.files() == {"hi.txt": b"hello"}


def test_S71_S76_bytes_by_chance_cost_their_connection_alone(rig: PicloudRig) -> None:
    """Lengths and payloads of any kind, from who is logged in and who is not: others are served, nothing stays, nothing fails
    inside."""
    chance = random.Random(1)
    pieces = [
        D,
        b":",
        b"id",
        b"cert",
        b"public",
        b"anna",
        b"../x",
        b"FileReceived",
        b"InputRequest:",
        b"\0",
        b"\xff",
        b"x" * 70_000,
    ]
    with rig.peer("ben", "127.0.0.2") as other:
        for number in range(150):
            with rig.peer("anna" if number % 10 == 0 else None) as peer:
                for _ in range(chance.randint(1, 5)):
                    payload = b"".join(chance.choice(pieces) for _ in range(chance.randint(0, 6)))
                    length = chance.choice(
                        [
                            len(payload),
                            len(payload),
                            len(payload) + 1,
                            0,
                            1 << 31,
                            (1 << 32) - 1,
                            chance.getrandbits(32),
                        ]
                    )
                    try:
                        peer.send(struct.pack(">I", length) + payload)
                    except ConnectionError:
                        break
            assert other.get("canary", "txt") == CANARY
    rig.settled_but(1)
    rig.nothing_staged()


def test_S74_nothing_works_before_a_login(rig: PicloudRig) -> None:
    """Every message there is, from an address nobody logged in from: no file is taken or given."""
    with rig.peer(source="127.0.0.9") as peer:
        for payload in (b"canary" + D + b"txt", b"x" + D + b"x" + D + b"txt", b"y" * 100_000 + D + b"y" + D + b"txt"):
            assert peer.ask(frame(payload), 1) == [FAILED]
            if payload.count(D) == 2:
                assert b"Log in" in (peer.hear() or b"")
    assert not rig.own().exists() or rig.files() == {}


def test_S97_S98_what_peers_say_cannot_write_log_lines(rig: PicloudRig, caplog: pytest.LogCaptureFixture) -> None:
    """Names and texts with line breaks and escapes are not in the log, or not as they came."""
    evil = "x\r\n2026-01-01 ERROR forged\x1b[31m"
    with caplog.at_level("INFO"), rig.peer() as peer:
        peer.ask(user_file(evil, "wrong password"))
        peer.ask(frame(b"1"), 1)
        peer.ask(frame(b"x" + D + evil.encode() + D + b"txt"))
        peer.send(frame(evil.encode()))
        peer.get("hi", "txt")
    for record in caplog.records:
        assert "forged" not in record.getMessage()
