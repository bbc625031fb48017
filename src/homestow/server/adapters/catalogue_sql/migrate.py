"""Brings a database file to the newest schema: ``python -m homestow.server.adapters.catalogue_sql.migrate FILE``.

All missing migrations run in one transaction, so a kill in the middle leaves the old schema.
"""

import sqlite3
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


class _OneTransaction(sqlite3.Connection):
    """A connection on which only we begin and end the transaction, not SQLAlchemy between two steps."""

    def commit(self) -> None:
        """Not yet."""

    def rollback(self) -> None:
        """An exception does it, see `migrate`."""


def migrate(path: Path | None) -> sqlite3.Connection:
    """Bring the file at `path` (None: a new database in memory) to the newest schema; the open connection, autocommit."""
    connection = sqlite3.connect(
        ":memory:" if path is None else path, isolation_level=None, check_same_thread=False, factory=_OneTransaction
    )
    connection.execute("PRAGMA synchronous = FULL")
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connection, poolclass=sa.StaticPool, isolation_level="AUTOCOMMIT"
    )
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as bound:
        config.attributes["connection"] = bound
        connection.execute("BEGIN IMMEDIATE")
        try:
            command.upgrade(config, "head")
        except BaseException:
            connection.execute("ROLLBACK")
            connection.close()
            raise
        connection.execute("COMMIT")
    return connection


if __name__ == "__main__":
    migrate(Path(sys.argv[1])).close()
