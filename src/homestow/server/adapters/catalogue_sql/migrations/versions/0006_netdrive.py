"""What the netdrive calls keep; MD5 of contents; how often a session was logged in to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, primary_key=True, autoincrement=False)


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=null)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _blob(name: str, *, null: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("logins", INT, nullable=False, server_default="1"))
    op.create_table(
        "md5s", _id("node"), _id("rev"), _blob("md5"), _int("size"), sqlite_strict=True, sqlite_with_rowid=False
    )
    op.create_index("md5s_md5", "md5s", ["md5"])
    op.create_table("netdrive_people", _id("account"), _int("bind"), sqlite_strict=True)
    op.create_table(
        "netdrive_binds", _id("account"), _id("number"), _int("root"), sqlite_strict=True, sqlite_with_rowid=False
    )
    op.create_index("netdrive_binds_root", "netdrive_binds", ["account", "root"], unique=True)
    op.create_table(
        "netdrive_paths", _id("account"), _id("root"), _id("node"), _text("said"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table("netdrive_roots", _id("root"), _int("used_ns"), sqlite_strict=True)
    op.create_table(
        "netdrive_uploads", _id("vfile"), _int("account"), _int("root"), _text("upload"), _blob("md5", null=True),
        _int("size"), _int("mtime_s", null=True), _int("folder"), _text("name"), _text("path"), _int("done", null=True),
        _int("created_ns"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("netdrive_uploads_place", "netdrive_uploads", ["account", "folder", "name"])
