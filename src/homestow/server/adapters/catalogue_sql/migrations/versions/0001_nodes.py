"""Nodes, versions, journal, intents, uploads, answers and usage."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=null)


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=null)


def _blob(name: str, *, null: bool = False) -> "sa.Column[bytes]":
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def upgrade() -> None:
    _make_small_tables()
    _make_nodes()
    _make_history()
    _make_uploads()
    meta = sa.table("meta", sa.column("name"), sa.column("value"))
    op.bulk_insert(meta, [{"name": "epoch", "value": secrets.token_hex(16)}, {"name": "compacted", "value": "0"}])
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": name, "value": 0} for name in ("journal", "node", "intent")])


def _make_small_tables() -> None:
    op.create_table(
        "meta",
        _text("name"),
        _text("value"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counters", _text("name"), _int("value"), sa.PrimaryKeyConstraint("name"), sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "usage", _int("root"), _int("live"), _int("kept"), _int("reserved"), _int("files"),
        sa.PrimaryKeyConstraint("root"), sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "intents", _int("id"), _int("root"), _blob("body"), sa.PrimaryKeyConstraint("id"), sqlite_strict=True
    )
    op.create_table(
        "answers", _int("account"), _text("key"), _blob("request"), _blob("answer"), _int("at_ns"),
        sa.PrimaryKeyConstraint("account", "key"), sqlite_strict=True, sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("answers_at", "answers", ["at_ns"])


def _make_nodes() -> None:
    op.create_table(
        "nodes",
        _int("id"), _int("root"), _int("parent", null=True), _text("name"), _text("kind"), _int("rev"), _int("change"),
        _int("below"), _int("size"), _int("mtime_ns"), _blob("digest", null=True), _int("gone"),
        _int("loc_parent", null=True), _text("loc_name", null=True), _int("inode"), _int("birth_ns"), _int("ctime_ns"),
        _int("disk_mtime_ns"), _int("deleted_ns"), _int("deleted_by"), _text("kept", null=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["parent"], ["nodes.id"]),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("nodes_place", "nodes", ["parent", "gone", "name"], unique=True)
    op.create_index("nodes_root", "nodes", ["root", "id"])
    op.create_index("nodes_change", "nodes", ["root", "change"])
    op.create_index("nodes_inode", "nodes", ["root", "inode"])
    for name, columns, where in (
        ("nodes_location", ["loc_parent", "loc_name"], "loc_parent IS NOT NULL"),
        ("nodes_digest", ["digest"], "size >= 65536"),
        ("nodes_trash", ["root", "gone"], "gone > 0"),
        ("nodes_top", ["root"], "parent IS NULL"),
    ):
        op.create_index(name, "nodes", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "versions",
        _int("node"), _int("rev"), _int("size"), _int("mtime_ns"), _blob("digest", null=True), _int("saved_ns"),
        _text("kept"),
        sa.PrimaryKeyConstraint("node", "rev"),
        sa.ForeignKeyConstraint(["node"], ["nodes.id"]),
        sqlite_strict=True, sqlite_with_rowid=False,
    )  # fmt: skip


def _make_history() -> None:
    op.create_table(
        "journal",
        _int("number"), _int("root"), _int("node"), _text("kind"), _int("at_ns"), _int("account"), _int("device"),
        sa.PrimaryKeyConstraint("number"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("journal_root", "journal", ["root", "number"])


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        _text("id"), _int("root"), _int("node"), _int("account"), _int("device"), _int("parent", null=True),
        _text("name", null=True), _int("base"), _int("size"), _int("block_size"), _blob("digest", null=True),
        _int("mtime_ns", null=True), _text("state"), _text("received"), _text("durable"), _text("boot"),
        _int("created_ns"), _int("expires_ns"), _int("done_rev"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True, sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("uploads_expires", "uploads", ["expires_ns"])
    op.create_index("uploads_account", "uploads", ["account"])
