"""One server for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.netdrive.rig import DriveRig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DriveRig]:
    """A server of its own."""
    with open_rig(tmp_path) as made:
        yield made
