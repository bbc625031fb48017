"""Worlds that many tests begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.keeping_world import House, open_house

from homestow.server.adapters.catalogue_sql.database import Database


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file without rows, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "homestow.db"
    Database.open(path, in_process=True).close()
    return path


@pytest.fixture
def house(empty: Path, tmp_path: Path) -> Iterator[House]:
    """A house with an empty root."""
    with open_house(empty, tmp_path) as house:
        yield house
