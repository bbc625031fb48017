"""One service for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.control.rig import Rig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A service with three jobs, at a place of its own."""
    with open_rig(tmp_path) as made:
        yield made


@pytest.fixture
def plain(rig: Rig) -> Rig:
    """The same with the plain words open, on three free ports."""
    rig.open_plain()
    return rig
