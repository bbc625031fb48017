"""Clients, logins, announced files, their blocks, events and watches of the Ditto services."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, primary_key=True, autoincrement=False)


def _name(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), primary_key=True)


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=null)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _blob(name: str, *, null: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "clients", _name("id"), _text("name"), _blob("secret"), _int("max_users"), _int("created_ns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("clients_name", "clients", ["name"], unique=True)
    op.create_table(
        "ditto_logins", _name("id"), _int("account"), _int("device"), _text("client"), _int("turn"), _blob("refresh"),
        _int("created_ns"), _int("until_ns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("ditto_logins_client", "ditto_logins", ["client", "account"])
    op.create_table(
        "ditto_files", sa.Column("number", INT, primary_key=True, autoincrement=True), _blob("uuid"), _int("account"),
        _int("root"), _text("upload"), _int("node"), _text("name"), _text("type"), _int("size"), _blob("md5", null=True),
        _int("regular"), _int("created_ns"), _int("uploaded_ns", null=True), _int("written_ns", null=True),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ditto_files_uuid", "ditto_files", ["uuid"], unique=True)
    op.create_index("ditto_files_account", "ditto_files", ["account", "number"])
    op.create_index("ditto_files_node", "ditto_files", ["node"])
    op.create_table(
        "ditto_blocks", _id("file"), _id("no"), _int("size"), _int("offset"), _blob("md5"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "ditto_events", _id("number"), _int("account"), _int("kind"), _blob("uuid"), _int("block_no"), _int("size"),
        _blob("md5"), _int("start_ns"), _int("end_ns"), _int("at_ns"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("ditto_events_account", "ditto_events", ["account", "number"])
    op.create_table(
        "ditto_watches", _id("account"), _name("client"), _name("watch"), _int("number"), _int("used_ns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
