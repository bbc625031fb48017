"""The catalogue port over SQLite: reading on each thread's own connection, changing in transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.paths import FolderCache
from homestow.server.adapters.catalogue_sql.reads import Reads
from homestow.server.adapters.catalogue_sql.rows import SqlRows
from homestow.server.ports.catalogue import Rows


class SqlCatalogue(Reads):
    """Nodes and what belongs to them, in one SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = FolderCache()
        self._counters: dict[str, int] = {}
        self._rows: SqlRows | None = None

    def _connection(self) -> sqlite3.Connection:
        return self._database.reader()

    def _folders(self) -> FolderCache:
        # In memory there is one connection: inside of a transaction it shows what is not committed yet.
        return self._cache if self._rows is None or self._database.path is not None else self._rows.folders

    @contextmanager
    def write(self, relaxed: bool = False) -> Iterator[Rows]:
        """One transaction; nested ones are parts of the outer one."""
        made: list[SqlRows] = []
        with self._database.write(relaxed, lambda: self._committed(made)) as connection:
            if self._rows is not None:
                with self._rows.part():
                    yield self._rows
                return
            rows = self._rows = SqlRows(connection, self._database, self._cache, self._counters)
            made.append(rows)
            try:
                yield rows
                rows.flush()
            except BaseException:
                # Readers in memory may have stored what is now undone.
                self._cache.clear()
                raise
            finally:
                self._rows = None

    def _committed(self, made: list[SqlRows]) -> None:
        """Before the next transaction can begin: its counters go on from ours, and moved folders are looked up anew."""
        for rows in made:
            self._counters.update(rows.counters)
            if rows.moved:
                self._cache.clear()
