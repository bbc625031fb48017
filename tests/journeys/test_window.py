"""The real window under a real X server, with a real sync service and a real server.

Each act runs in a process of its own (`window_acts`); whatever Qt warns of there fails it.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD
from tests.screen import screen

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(importlib.util.find_spec("PySide6") is None, reason="the extra qt is not installed"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb, so no screen to show a window on"),
]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of our own that nobody sees."""
    with screen() as display:
        yield display


def play(act: str, display: str, home: Path, **more: str) -> None:
    """Run an act in a home of its own; it must end well, and nobody may have complained."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {
        **kept, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "DISPLAY": display, "QT_QPA_PLATFORM": "xcb",
        "LANG": "C.UTF-8", "HOMESTOW_PASSWORD": PASSWORD, "NO_AT_BRIDGE": "1", "HOMESTOW_REDUCED_MOTION": "1", **more,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.journeys.window_acts", act],
        env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=110, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert json.loads(ran.stdout) == {"done": act}


def test_wizard_to_the_first_file_by_keyboard_alone(display: str, tmp_path: Path) -> None:
    """Without a mouse: a wrong address and a wrong password are told at their fields, then the first file arrives; the
    password is kept nowhere.
    """
    play("wizard_by_keyboard", display, tmp_path)


def test_pause_and_resume(display: str, tmp_path: Path) -> None:
    """A paused folder stays as it is; resumed, it sends what was made meanwhile."""
    play("pause_and_resume", display, tmp_path)


def test_a_conflict_is_settled(display: str, tmp_path: Path) -> None:
    """Both versions are shown side by side; the one that is chosen is the file on both sides afterwards."""
    play("conflict_settled", display, tmp_path)


def test_the_server_goes_away_and_comes_back(display: str, tmp_path: Path) -> None:
    """The window says that it waits and why, and goes on by itself."""
    play("server_away_and_back", display, tmp_path)


def test_the_service_is_killed_and_started_again(display: str, tmp_path: Path) -> None:
    """kill -9 of the service: the window says so, starts it again, and nothing is lost."""
    play("service_killed_and_back", display, tmp_path)


def test_the_window_is_killed(display: str, tmp_path: Path) -> None:
    """kill -9 of the window: the service goes on syncing, and the next window opens as ever."""
    play("window_killed", display, tmp_path)


def test_the_wizard_by_mouse(display: str, tmp_path: Path) -> None:
    """Each question with what can go wrong at its field; going back keeps the answers; the job is what was answered."""
    play("wizard_by_mouse", display, tmp_path)


def test_the_wizard_does_not_hang_on_a_slow_server(display: str, tmp_path: Path) -> None:
    """It can be left while it waits, and an answer that comes too late changes nothing."""
    play("wizard_waits", display, tmp_path)


def test_conflicts_of_all_kinds(display: str, tmp_path: Path) -> None:
    """Pictures as pictures, texts line by line, the rest by facts; what is not ready cannot be chosen."""
    play("conflict_kinds", display, tmp_path)


def test_a_link_is_made_and_ended(display: str, tmp_path: Path) -> None:
    """With its days and password; it is on the clipboard, and can be ended."""
    play("a_link", display, tmp_path)


def test_everything_has_a_name_for_screen_readers(display: str, tmp_path: Path) -> None:
    """On every screen, whatever the keyboard can come to is spoken by name."""
    play("accessible", display, tmp_path)


@pytest.mark.parametrize("language, scale", [("en", "1"), ("en", "2"), ("zh", "1"), ("zh", "2")])
def test_every_screen_fits(display: str, tmp_path: Path, language: str, scale: str) -> None:
    """In both languages and on dense screens nothing sticks out and no button's words are cut."""
    play("fits", display, tmp_path, ACT_LANGUAGE=language, QT_SCALE_FACTOR=scale)
