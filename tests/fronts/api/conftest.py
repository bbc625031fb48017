"""One server for a test, or one for all tests of a module that leave it as they found it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import Rig
from tests.fronts.api.rig import rig as open_rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A server of its own."""
    with open_rig(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One server for the module; each test works in things of its own."""
    with open_rig(tmp_path_factory.mktemp("shared")) as made:
        yield made
