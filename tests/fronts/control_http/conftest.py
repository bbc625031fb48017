"""The local HTTP API, open over a service in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.control_http.rig import Site, opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A page with three jobs behind it."""
    with opened(tmp_path) as site:
        yield site
