"""One server for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.isync.rig import IsyncRig
from tests.fronts.isync.rig import rig as open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[IsyncRig]:
    """A server of its own."""
    with open_rig(tmp_path) as made:
        yield made
