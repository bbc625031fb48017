"""The windows of all generations, as their sources behaved, against one service at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import zmq
from tests.fronts.control.rig import Bytes, Rig, wait_for

from homestow.wire import pydio

WATCHDOG_S = 25.0


class FirstWindow:
    """Until 14 April 2014: two subscribers, and a new requester for each click; one handler for replies and statuses."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.running = False
        self.balloons: list[str] = []
        self.status = rig.hear("status")
        self.sync = rig.hear("sync")

    def handle(self, text: str) -> None:
        self.running = text.removeprefix("status ") == "START"

    def click(self, order: str) -> None:
        self.handle(self.rig.say(order))

    def look(self) -> None:
        for text in self.status.flush():
            self.handle(text)
        self.balloons += [text.removeprefix("sync ") for text in self.sync.flush()]


class SecondWindow:
    """From 30 April: one requester for orders that lives on, another that asks the watch again and again, a subscriber."""

    def __init__(self, rig: Rig) -> None:
        self.running: bool | None = None
        self.ports = pydio.decode_port_file(rig.port_file.read_text())
        self.command = rig.connect(zmq.REQ, self.ports.command)
        self.watch = rig.connect(zmq.REQ, self.ports.watch)
        self.sync = rig.hear("sync", to=None)

    def handle(self, reply: bytes) -> None:
        if reply in (b"RUNNING", b"PAUSED"):
            self.running = reply == b"RUNNING"

    def click(self, order: bytes) -> None:
        self.command.send(order)
        self.handle(self.command.recv())

    def look(self) -> None:
        self.watch.send(b"sync")
        self.handle(self.watch.recv())


class ThirdWindow:
    """From 12 May: a subscriber for signs of life, with a watchdog that makes all anew, and a requester for orders."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.running: bool | None = None
        self.lost = 0
        self.connect()

    def connect(self) -> None:
        self.ports = pydio.decode_port_file(self.rig.port_file.read_text())
        self.command = self.rig.connect(zmq.REQ, self.ports.command)
        self.ear = self.rig.hear("ping", "sync")
        self.heard_at = self.rig.clock.now

    def click(self, order: bytes) -> None:
        self.command.send(order)
        reply = self.command.recv()
        if reply in (b"RUNNING", b"PAUSED"):
            self.running = reply == b"RUNNING"

    def look(self) -> None:
        if any(text.startswith("ping/") for text in self.ear.flush(0)):
            self.heard_at = self.rig.clock.now
        elif self.rig.clock.now - self.heard_at > WATCHDOG_S:
            self.lost += 1
            self.connect()


@contextmanager
def three(rig: Rig) -> Iterator[tuple[FirstWindow, SecondWindow, ThirdWindow]]:
    """One of each."""
    yield FirstWindow(rig), SecondWindow(rig), ThirdWindow(rig)


def test_a_window_until_mid_april(plain: Rig) -> None:
    """The reply alone shows it as stopped; the status that follows corrects that. Changes become balloons."""
    window = FirstWindow(plain)
    shown: list[bool] = []
    for order in ("START", "PAUSE"):
        window.click(order)
        shown.append(window.running)
        window.look()
        shown.append(window.running)
    assert shown == [False, True, False, False]
    plain.twin.happen("photos", "upload", "a.jpg", side="there")
    window.look()
    assert window.balloons == ["File a.jpg uploaded to server"]


def test_a_window_from_the_end_of_april(plain: Rig) -> None:
    """Replies and the watch are exactly the words it knows; a requester that lives on is never left without a reply."""
    window = SecondWindow(plain)
    window.look()
    assert window.running is False
    for order, running in ((b"START", True), (b"PAUSE", False), (b"nonsense", False), (b"START", True)):
        window.click(order)
        assert window.running is running
        window.look()
        assert window.running is running


def test_a_window_from_mid_may(plain: Rig) -> None:
    """Hours without a change pass, and it never thinks that the connection is lost."""
    window = ThirdWindow(plain)
    for _ in range(400):
        plain.forward(10)
        wait_for(lambda: window.ear.socket.poll(0), "a sign of life")
        window.look()
    assert window.lost == 0
    window.click(b"START")
    assert window.running is True


def test_a_window_from_mid_may_finds_a_service_that_moved(plain: Rig) -> None:
    """The service comes back on other ports: the watchdog barks after 25 s, the port file tells where."""
    window = ThirdWindow(plain)
    window.look()
    before = plain.plain
    plain.hub.close_plain()
    assert not plain.port_file.exists()
    plain.forward(20)
    window.look()
    assert window.lost == 0
    plain.open_plain()
    assert plain.plain != before
    plain.forward(5.1)
    window.look()
    assert window.lost == 1
    assert window.ports == plain.plain
    window.click(b"PAUSE")
    assert window.running is False


def test_all_generations_at_once(plain: Rig) -> None:
    """Each click in one of them is seen by all."""
    with three(plain) as (first, second, third):
        for order, running in (("START", True), ("PAUSE", False), ("START", True)):
            first.click(order)
            first.look()
            second.look()
            assert (first.running, second.running) == (running, running)
            third.click(b"PAUSE" if running else b"START")
            first.look()
            second.look()
            assert (first.running, second.running, third.running) == ((not running,) * 3)


# --- byte by byte -----------------------------------------------------------------------------------------------------


def test_the_bytes_of_orders(plain: Rig) -> None:
    """An order and its reply, as ZMTP 3.0 has them: an empty frame, then the words."""
    peer = Bytes(plain.plain.command, "REQ")
    peer.send(bytes.fromhex("01 00 00 05 50 41 55 53 45"))
    assert peer.read(10) == bytes.fromhex("01 00 00 06 50 41 55 53 45 44")
    peer.send(bytes.fromhex("01 00 00 05 53 54 41 52 54"))
    assert peer.read(11) == bytes.fromhex("01 00 00 07 52 55 4E 4E 49 4E 47")
    peer.close()


def test_the_bytes_of_publications(plain: Rig) -> None:
    """A subscription, and a publication as one frame; what nobody subscribed to is not sent."""
    plain.twin.move("manuals", paused=False)
    plain.say("LIST-JOBS")  # what happened before an order is published before it
    peer = Bytes(plain.plain.pub, "SUB")
    peer.send(bytes.fromhex("00 07 01 73 74 61 74 75 73"))
    assert peer.read(14) == bytes.fromhex("00 0C 73 74 61 74 75 73 20 53 54 41 52 54")
    peer.send(bytes.fromhex("00 05 01 73 79 6E 63") + bytes.fromhex("00 05 01 70 69 6E 67"))
    assert peer.read(7) == bytes.fromhex("00 05 70 69 6E 67 2F")
    plain.twin.happen("photos", "download", "a.jpg", side="here")
    text = b"sync File a.jpg downloaded from server"
    assert peer.read(2 + len(text)) == bytes([0, len(text)]) + text
    plain.say("PAUSE")
    assert peer.read(14) == bytes.fromhex("00 0C 73 74 61 74 75 73 20 50 41 55 53 45")
    peer.send(bytes.fromhex("00 07 00 73 74 61 74 75 73"))
    plain.say("START")
    plain.forward(10)
    assert peer.read(7) == bytes.fromhex("00 05 70 69 6E 67 2F")
    peer.close()


def test_the_bytes_of_the_watch(plain: Rig) -> None:
    """The watch is asked with `sync`."""
    peer = Bytes(plain.plain.watch, "REQ")
    peer.send(bytes.fromhex("01 00 00 04 73 79 6E 63"))
    assert peer.read(10) == bytes.fromhex("01 00 00 06 50 41 55 53 45 44")
    peer.close()
