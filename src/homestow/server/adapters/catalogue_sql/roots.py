"""Roots as rows of SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from homestow.server.adapters.catalogue_sql.database import Database, translated
from homestow.server.ports.roots import Root, RootState
from homestow.server.rules.passwords import name_key
from homestow.values.errors import RootsOverlap
from homestow.values.ids import AccountId, RootId
from homestow.values.paths import numbered

_ROOT = "SELECT id, name, folder, owner, quota, state, inode, birth_ns, marked, scanned_ns, created_ns FROM roots"
_IN_FOLDER = "SELECT 1 FROM roots WHERE folder = ? AND state <> 'removed'"
_OTHER_KEYS = "SELECT key FROM roots WHERE id <> ? AND state <> 'removed'"


class SqlRoots:
    """`ports.roots.Roots` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_root(self, name: str, folder: str, owner: AccountId, now_ns: int) -> Root:
        """A new root; a taken name is numbered."""
        with self._writing() as run:
            if run.execute(_IN_FOLDER, (folder,)).fetchone():
                raise RootsOverlap(f"{folder} is a root already.")
            free = _free_name(run, name, RootId(0))
            done = run.execute(
                "INSERT INTO roots (key, name, folder, owner, quota, state, inode, birth_ns, marked, scanned_ns, created_ns)"
                " VALUES (?, ?, ?, ?, NULL, 'present', 0, 0, 0, 0, ?)",
                (name_key(free), free, folder, owner, now_ns),
            )
            number = RootId(done.lastrowid or 0)
            return Root(number, free, folder, owner, None, RootState.PRESENT, 0, 0, False, 0, now_ns)

    def root(self, root: RootId) -> Root | None:
        """A root by id, removed or not."""
        return self._one(_ROOT + " WHERE id = ?", (root,))

    def root_named(self, name: str) -> Root | None:
        """The root of a name that was not removed."""
        return self._one(_ROOT + " WHERE key = ? AND state <> 'removed'", (name_key(name),))

    def root_in(self, folder: str) -> Root | None:
        """The newest root of exactly this folder."""
        return self._one(_ROOT + " WHERE folder = ? ORDER BY id DESC LIMIT 1", (folder,))

    def roots(self) -> list[Root]:
        """All roots that were not removed."""
        return self._all(_ROOT + " WHERE state <> 'removed' ORDER BY id", ())

    def removed_roots(self) -> list[Root]:
        """All roots that were removed."""
        return self._all(_ROOT + " WHERE state = 'removed' ORDER BY id", ())

    def rename_root(self, root: RootId, name: str) -> str:
        """Give another name, numbered when taken."""
        with self._writing() as run:
            free = _free_name(run, name, root)
            run.execute("UPDATE roots SET name = ?, key = ? WHERE id = ?", (free, name_key(free), root))
            return free

    def set_folder(self, root: RootId, folder: str) -> None:
        """The root's folder lies elsewhere now."""
        self._set("UPDATE roots SET folder = ?, inode = 0, birth_ns = 0 WHERE id = ?", (folder, root))

    def set_owner(self, root: RootId, owner: AccountId) -> None:
        """Whose own root it is."""
        self._set("UPDATE roots SET owner = ? WHERE id = ?", (owner, root))

    def set_root_quota(self, root: RootId, quota: int | None) -> None:
        """Set the root's quota."""
        self._set("UPDATE roots SET quota = ? WHERE id = ?", (quota, root))

    def set_state(self, root: RootId, state: RootState) -> None:
        """Present, away or removed."""
        self._set("UPDATE roots SET state = ? WHERE id = ?", (state.value, root))

    def set_identity(self, root: RootId, inode: int, birth_ns: int, marked: bool) -> None:
        """Remember how the folder is known again."""
        self._set(
            "UPDATE roots SET inode = ?, birth_ns = ?, marked = ? WHERE id = ?", (inode, birth_ns, int(marked), root)
        )

    def set_scanned(self, root: RootId, at_ns: int) -> None:
        """The root was compared as a whole."""
        self._set("UPDATE roots SET scanned_ns = ? WHERE id = ?", (at_ns, root))

    def _set(self, statement: str, values: Sequence[object]) -> None:
        with self._writing() as run:
            run.execute(statement, values)

    def _one(self, statement: str, values: Sequence[object]) -> Root | None:
        found = self._all(statement, values)
        return found[0] if found else None

    def _all(self, statement: str, values: Sequence[object]) -> list[Root]:
        try:
            return [_root(row) for row in self._database.reader().execute(statement, values).fetchall()]
        except sqlite3.Error as error:
            raise translated(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database.write() as run:
                yield run
        except sqlite3.IntegrityError as error:
            raise RootsOverlap("This folder or name is in use by another root.") from error
        except sqlite3.Error as error:
            raise translated(error) from error


def _free_name(run: sqlite3.Connection, name: str, root: RootId) -> str:
    taken = {key for (key,) in run.execute(_OTHER_KEYS, (root,))}
    return numbered(name, _Keys(taken))


class _Keys(set[str]):
    """Names taken in whatever capitals."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name_key(name))


def _root(row: Sequence[Any]) -> Root:
    number, name, folder, owner, quota, state, inode, birth_ns, marked, scanned_ns, created_ns = row
    return Root(
        RootId(number), name, folder, AccountId(owner), quota, RootState(state), inode, birth_ns, bool(marked),
        scanned_ns, created_ns,
    )  # fmt: skip
