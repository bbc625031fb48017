"""The frame of the window, real under a real X server, before a service in memory. Each act runs in a process of its own."""

import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fronts.qt.conftest import Play

from homestow.client.apps.qt import starting
from homestow.client.control import places
from homestow.client.control.link import Link
from homestow.wire.control import Hello, Quit

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(importlib.util.find_spec("PySide6") is None, reason="the extra qt is not installed"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb, so no screen to show a window on"),
]


def test_all_by_keyboard_and_everything_has_a_name(play: Play) -> None:
    """Each page has keys and is made when it is first wanted; what can have the focus is reached by Tab and says what it is."""
    play("keyboard_and_names")


def test_what_is_pressed_is_ordered(play: Play) -> None:
    """Each button gives the one order it names; what cannot be taken back is asked about first."""
    play("orders")


def test_questions_and_troubles_have_a_way_out(play: Play) -> None:
    """The brake's question has both answers, and a job whose login ended is helped by a password."""
    play("questions_and_troubles")


def test_editor_and_settings(play: Play) -> None:
    """What is entered is what is ordered; a refusal stands at its field; language and look change while the window is open."""
    play("editor_and_settings")


def test_lists(play: Play) -> None:
    """Recent changes are found by name, also far back, and by folder; problems say what to do and follow the service."""
    play("lists")


def test_the_service_goes_away_and_comes_back(play: Play) -> None:
    """The window says so, takes no orders meanwhile, offers to start it, and connects by itself."""
    play("away_and_back")


def test_no_service_at_first(play: Play) -> None:
    """The window offers to start it, or starts it, once."""
    play("nothing_runs")


def test_tray_and_balloons(play: Play) -> None:
    """State and orders in the tray; a thousand changes are one balloon."""
    play("tray_and_balloons")


def test_closing_ends_where_there_is_no_tray(play: Play) -> None:
    """A window that nothing could bring back does not hide."""
    play("closing_ends_without_a_tray")


def test_a_hundred_thousand_files_leave_the_window_fluid(play: Play) -> None:
    """No turn of the event loop works for more than 100 ms while they go by, whatever page is shown."""
    told = play("fluid")

    sys.stdout.write(f"{told}\n")
    assert float(str(told["longest_work_s"])) < 0.1
    assert int(str(told["turns"])) > 100


class TestProcess:
    """`homestow ui` as a person starts it."""

    @staticmethod
    def begin(environment: dict[str, str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "homestow", "ui"], env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @staticmethod
    def wait_for(window: "subprocess.Popen[str]", client: Path) -> None:
        """Until this process has the window, and its event loop answers."""
        give_up = time.monotonic() + 30
        while (holder := places.holder("window", client)) is None or holder.pid != window.pid:
            assert time.monotonic() < give_up, "waited in vain for the window"
            assert window.poll() is None, window.communicate()
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(30)
            caller.connect(str(holder.folder / "orders"))
            assert caller.recv(2) == b"ok"

    def test_a_second_window_shows_the_first_and_kill_loses_nothing(
        self, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second says so and ends; a window that was killed can be started again, and its service is still the same."""
        from homestow.wire.control import Quit

        client = tmp_path / ".local" / "share" / "homestow" / "client"
        monkeypatch.setenv("XDG_RUNTIME_DIR", environment["XDG_RUNTIME_DIR"])
        first = self.begin(environment)
        self.wait_for(first, client)
        second = self.begin(environment)
        out, err = second.communicate(timeout=30)
        assert (second.returncode, out, err) == (
            0, "The window is open already; it was asked to come to the front.\n", "",
        )  # fmt: skip
        link = self.reach(client)
        about = link.ask(Hello())
        first.send_signal(signal.SIGKILL)
        first.communicate()
        third = self.begin(environment)
        self.wait_for(third, client)
        assert link.ask(Hello()).pid == about.pid
        third.send_signal(signal.SIGTERM)
        out, err = third.communicate(timeout=20)
        assert (third.returncode, err) == (0, "")
        link.ask(Quit())
        link.close()

    def test_the_page_where_there_is_no_desktop(
        self, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a screen the address of the page is printed, on this computer only, and why."""
        bare = {name: value for name, value in environment.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
        ran = subprocess.run(
            [sys.executable, "-m", "homestow", "ui"], env=bare, text=True, capture_output=True, timeout=60, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        why, where = ran.stdout.splitlines()
        assert why == "There is no desktop to show a window on."
        assert starting.is_loopback(where.rpartition(" ")[2])
        monkeypatch.setenv("XDG_RUNTIME_DIR", environment["XDG_RUNTIME_DIR"])
        link = self.reach(tmp_path / ".local" / "share" / "homestow" / "client")
        link.ask(Quit())
        link.close()

    @staticmethod
    def reach(client: Path) -> Link:
        """The service that the window started."""
        give_up = time.monotonic() + 30
        while (link := starting.connect(client)) is None:
            assert time.monotonic() < give_up, "waited in vain for the service"
            time.sleep(0.05)
        return link
