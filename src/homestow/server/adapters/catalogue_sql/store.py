"""What every store over one database needs: reading and writing, with the driver's errors as the service knows them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from homestow.server.adapters.catalogue_sql.database import Database, translated


class SqlStore:
    """Base of the stores that keep tables of their own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._database.reader().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    @contextmanager
    def _writing(self, relaxed: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, see `Database.write`."""
        try:
            with self._database.write(relaxed) as run:
                yield run
        except sqlite3.Error as error:
            raise translated(error) from error
