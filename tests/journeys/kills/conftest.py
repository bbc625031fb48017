"""What the journeys of kills share."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journeys.kills.processes import Zygote

FIGURES = "journey figures"


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """The process that forks all others."""
    one = Zygote()
    yield one
    one.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where the machine has such a thing: kill -9 does not need a disk."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="homestow-kills-", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Figures for the summary at the end of the run."""
    return lambda line: record_property(FIGURES, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of kills and cuts."""
    reports = [report for group in ("passed", "failed") for report in terminalreporter.stats.get(group, ())]
    for line in [value for report in reports for name, value in report.user_properties if name == FIGURES]:
        terminalreporter.write_line(f"journeys: {line}")
