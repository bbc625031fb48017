"""A SQLite file of this client's own: opened at the newest schema, set aside when it is damaged, changed in whole transactions."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from homestow.values.errors import NewerStore, StorageFailed


def open_sqlite(
    path: Path | str, called: str, migrations: Sequence[str], synchronous: Literal["FULL", "NORMAL"]
) -> sqlite3.Connection:
    """The file at the newest schema; made when missing.

    Args:
        path: may be ":memory:".
        called: what errors call it.
        migrations: entry k brings schema k to k + 1.
    Raises:
        NewerStore: a newer Homestow wrote it. StorageFailed: it cannot be opened or made.
        sqlite3.DatabaseError: it is damaged.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    except sqlite3.OperationalError as error:
        raise StorageFailed(f"{called} cannot be opened: {error}") from error
    try:
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if found > len(migrations):
            raise NewerStore(f"{path} was written by a newer Homestow; run that version.")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        for number in range(found, len(migrations)):
            db.executescript(f"BEGIN; {migrations[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def keep_damaged(path: Path) -> None:
    """Keep an unreadable file under another name, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(part.with_name(part.name + ".damaged"))
