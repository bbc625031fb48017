"""A screen that nobody sees, and processes of their own for windows: a process has one `QApplication`, and what Qt warns of fails."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.screen import screen

REPOSITORY = Path(__file__).parents[3]
Play = Callable[..., dict[str, object]]


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X server of our own."""
    with screen() as display:
        yield display


@pytest.fixture
def environment(display: str, tmp_path: Path) -> dict[str, str]:
    """Of a person with a desktop and an empty home."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {
        **kept, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime), "DISPLAY": display, "QT_QPA_PLATFORM": "xcb",
        "LANG": "C.UTF-8", "NO_AT_BRIDGE": "1", "HOMESTOW_REDUCED_MOTION": "1",
    }  # fmt: skip


@pytest.fixture
def play(environment: dict[str, str]) -> Play:
    """Run an act of `acts`; it must end well, and neither Python nor Qt may have complained. Gives what it told."""

    def run(act: str) -> dict[str, object]:
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.fronts.qt.acts", act],
            env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=110, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        told: dict[str, object] = json.loads(ran.stdout)
        return told

    return run
