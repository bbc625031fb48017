"""The promises of `ports.roots`, held by every adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.ports.roots import Roots, RootState
from homestow.values.errors import RootsOverlap
from homestow.values.ids import SYSTEM, AccountId, RootId

NOW = 1_700_000_000_000_000_000


class RootsContract:
    """One suite for every adapter."""

    def test_a_root_is_found_by_id_name_and_folder(self, roots: Roots) -> None:
        """The name in whatever capitals, the folder exactly."""
        made = roots.add_root("Photos", "/a", AccountId(3), NOW)

        assert roots.root(made.id) == roots.root_named("PHOTOS") == roots.root_in("/a") == made
        assert (made.name, made.folder, made.owner, made.quota, made.state) == (
            "Photos", "/a", 3, None, RootState.PRESENT,
        )  # fmt: skip
        assert roots.root(RootId(99)) is roots.root_named("a") is roots.root_in("/a/") is None

    def test_names_are_numbered_when_taken(self, roots: Roots) -> None:
        """Also when a root is renamed; its own name is no clash."""
        names = [roots.add_root("Photos", f"/{n}", SYSTEM, NOW).name for n in range(3)]
        assert names == ["Photos", "Photos (2)", "Photos (3)"]
        last = roots.root_named("photos (3)")
        assert last is not None
        assert roots.rename_root(last.id, "photos") == "photos (3)"
        assert roots.rename_root(last.id, "PHOTOS (3)") == "PHOTOS (3)"
        assert roots.rename_root(last.id, "Other") == "Other"

    def test_a_folder_is_one_root(self, roots: Roots) -> None:
        """A second of the very same folder is refused until the first is removed."""
        first = roots.add_root("one", "/a", SYSTEM, NOW)
        with pytest.raises(RootsOverlap):
            roots.add_root("two", "/a", SYSTEM, NOW)
        roots.set_state(first.id, RootState.REMOVED)
        second = roots.add_root("one", "/a", SYSTEM, NOW)

        assert second.id > first.id
        assert roots.root_in("/a") == second
        assert roots.roots() == [second]

    def test_a_removed_root_is_only_found_by_id_and_folder(self, roots: Roots) -> None:
        """Its name is free; waking it where another root is by now is refused."""
        first = roots.add_root("one", "/a", SYSTEM, NOW)
        roots.set_state(first.id, RootState.REMOVED)
        assert roots.root_named("one") is None
        found = roots.root_in("/a")
        assert found is not None
        assert (found.id, found.state) == (first.id, RootState.REMOVED)
        roots.add_root("one", "/b", SYSTEM, NOW)
        with pytest.raises(RootsOverlap):
            roots.set_state(first.id, RootState.PRESENT)

    def test_what_is_set_is_read_back(self, roots: Roots) -> None:
        """Owner, quota, identity, times; another folder is another identity."""
        made = roots.add_root("one", "/a", SYSTEM, NOW)
        roots.set_owner(made.id, AccountId(7))
        roots.set_root_quota(made.id, 5)
        roots.set_identity(made.id, 11, 12, True)
        roots.set_scanned(made.id, NOW + 1)
        roots.set_state(made.id, RootState.AWAY)
        row = roots.root(made.id)
        assert row is not None
        assert (row.owner, row.quota, row.inode, row.birth_ns, row.marked, row.scanned_ns, row.state) == (
            7, 5, 11, 12, True, NOW + 1, RootState.AWAY,
        )  # fmt: skip
        roots.set_folder(made.id, "/b")
        row = roots.root(made.id)
        assert row is not None
        assert (row.folder, row.inode, row.birth_ns) == ("/b", 0, 0)


class TestSqlRoots(RootsContract):
    """Rows in SQLite."""

    @pytest.fixture
    def roots(self, tmp_path: Path) -> Iterator[Roots]:
        """An empty store."""
        database = Database.open(tmp_path / "homestow.db", in_process=True)
        yield SqlRoots(database)
        database.close()
