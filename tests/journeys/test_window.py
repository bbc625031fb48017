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

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(importlib.util.find_spec("PySide6") is None, reason="the extra qt is not installed"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb, so no screen to show a window on"),
]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen of our own that nobody sees."""
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[theirs], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    with os.fdopen(ours) as told:
        number = told.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait()


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
