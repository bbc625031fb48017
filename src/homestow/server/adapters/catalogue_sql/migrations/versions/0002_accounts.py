"""Accounts, devices, roots, members, and the counters of password tries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=null)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", INT, primary_key=True, autoincrement=True),
        _text("key"),
        _text("name"),
        _int("admin"),
        _text("password"),
        _int("quota", null=True),
        _int("created_ns"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("accounts_key", "accounts", ["key"], unique=True)
    op.create_table(
        "devices",
        sa.Column("id", INT, primary_key=True, autoincrement=True),
        sa.Column("account", INT, sa.ForeignKey("accounts.id"), nullable=False),
        _text("name"),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        _int("created_ns"),
        _int("seen_ns"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("devices_token", "devices", ["token"], unique=True)
    op.create_index("devices_account", "devices", ["account"])
    op.create_index("devices_seen", "devices", ["seen_ns"])
    _make_roots()
    op.create_table(
        "members",
        sa.Column("account", INT, sa.ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
        sa.Column("root", INT, primary_key=True, autoincrement=False),
        _int("rights"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("members_root", "members", ["root"])
    op.create_table(
        "tries",
        sa.Column("key", sa.Text(), primary_key=True),
        _int("tries"),
        _int("since_ns"),
        _int("until_ns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _make_roots() -> None:
    op.create_table(
        "roots",
        sa.Column("id", INT, primary_key=True, autoincrement=True),
        _text("key"),
        _text("name"),
        _text("folder"),
        _int("owner"),
        _int("quota", null=True),
        _text("state"),
        _int("inode"),
        _int("birth_ns"),
        _int("marked"),
        _int("scanned_ns"),
        _int("created_ns"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    there = sa.text("state <> 'removed'")
    op.create_index("roots_key", "roots", ["key"], unique=True, sqlite_where=there, postgresql_where=there)
    op.create_index("roots_folder", "roots", ["folder"], unique=True, sqlite_where=there, postgresql_where=there)
