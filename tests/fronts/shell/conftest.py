"""A shell for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.shell.rig import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A home where nothing runs yet."""
    made = Shell(tmp_path, monkeypatch, capsys)
    yield made
    made.close()
