"""One server for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.picloud.rig import PicloudRig, open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PicloudRig]:
    """A server of its own."""
    with open_rig(tmp_path) as made:
        yield made
