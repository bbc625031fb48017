"""The newest schema, as SQLAlchemy sees it; a test holds it equal to what the migrations make.

Loaded by migrations and tests only. Each area adds its tables to `metadata` in a module of its own (`schema_*.py`),
imported at the end of this one.
"""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit integer in every database."""

Text = sa.Text()
Blob = sa.LargeBinary()


def column(name: str, kind: sa.types.TypeEngine[Any], *, null: bool = False) -> sa.Column[Any]:
    """A column, NOT NULL unless said otherwise."""
    return sa.Column(name, kind, nullable=null)


sa.Table(
    "meta",
    metadata,
    sa.Column("name", Text, primary_key=True),
    column("value", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Table(
    "counters",
    metadata,
    sa.Column("name", Text, primary_key=True),
    column("value", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=False),
    column("root", Int),
    sa.Column("parent", Int, sa.ForeignKey("nodes.id"), nullable=True),
    column("name", Text),
    column("kind", Text),
    column("rev", Int),
    column("change", Int),
    column("below", Int),
    column("size", Int),
    column("mtime_ns", Int),
    column("digest", Blob, null=True),
    column("gone", Int),
    column("loc_parent", Int, null=True),
    column("loc_name", Text, null=True),
    column("inode", Int),
    column("birth_ns", Int),
    column("ctime_ns", Int),
    column("disk_mtime_ns", Int),
    column("deleted_ns", Int),
    column("deleted_by", Int),
    column("kept", Text, null=True),
    sqlite_strict=True,
)
sa.Index("nodes_place", nodes.c.parent, nodes.c.gone, nodes.c.name, unique=True)
sa.Index("nodes_root", nodes.c.root, nodes.c.id)
sa.Index("nodes_change", nodes.c.root, nodes.c.change)
sa.Index("nodes_inode", nodes.c.root, nodes.c.inode)
sa.Index(
    "nodes_location", nodes.c.loc_parent, nodes.c.loc_name, sqlite_where=nodes.c.loc_parent.is_not(None),
    postgresql_where=nodes.c.loc_parent.is_not(None),
)  # fmt: skip
sa.Index(
    "nodes_digest", nodes.c.digest, sqlite_where=nodes.c.size >= 65536, postgresql_where=nodes.c.size >= 65536
)  # fmt: skip
_folder = sa.and_(nodes.c.kind == "folder", nodes.c.gone == 0)
sa.Index("nodes_folders", nodes.c.parent, sqlite_where=_folder, postgresql_where=_folder)
sa.Index("nodes_trash", nodes.c.root, nodes.c.gone, sqlite_where=nodes.c.gone > 0, postgresql_where=nodes.c.gone > 0)
sa.Index("nodes_top", nodes.c.root, sqlite_where=nodes.c.parent.is_(None), postgresql_where=nodes.c.parent.is_(None))

sa.Table(
    "versions",
    metadata,
    sa.Column("node", Int, sa.ForeignKey("nodes.id"), primary_key=True, autoincrement=False),
    sa.Column("rev", Int, primary_key=True, autoincrement=False),
    column("size", Int),
    column("mtime_ns", Int),
    column("digest", Blob, null=True),
    column("saved_ns", Int),
    column("kept", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("number", Int, primary_key=True, autoincrement=False),
    column("root", Int),
    column("node", Int),
    column("kind", Text),
    column("at_ns", Int),
    column("account", Int),
    column("device", Int),
    sqlite_strict=True,
)
sa.Index("journal_root", journal.c.root, journal.c.number)

sa.Table(
    "intents",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=False),
    column("root", Int),
    column("body", Blob),
    sqlite_strict=True,
)
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", Text, primary_key=True),
    column("root", Int),
    column("node", Int),
    column("account", Int),
    column("device", Int),
    column("parent", Int, null=True),
    column("name", Text, null=True),
    column("base", Int),
    column("size", Int),
    column("block_size", Int),
    column("digest", Blob, null=True),
    column("mtime_ns", Int, null=True),
    column("state", Text),
    column("received", Text),
    column("durable", Text),
    column("boot", Text),
    column("created_ns", Int),
    column("expires_ns", Int),
    column("done_rev", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("uploads_expires", uploads.c.expires_ns)
sa.Index("uploads_account", uploads.c.account)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("account", Int, primary_key=True, autoincrement=False),
    sa.Column("key", Text, primary_key=True),
    column("request", Blob),
    column("answer", Blob),
    column("at_ns", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("answers_at", answers.c.at_ns)

sa.Table(
    "usage",
    metadata,
    sa.Column("root", Int, primary_key=True, autoincrement=False),
    column("live", Int),
    column("kept", Int),
    column("reserved", Int),
    column("files", Int),
    sa.Column("entries", Int, nullable=False, server_default="0"),
    sqlite_strict=True,
)

from homestow.server.adapters.catalogue_sql import (  # noqa: E402, F401  the areas' own tables
    schema_accounts,
    schema_ditto,
    schema_media,
    schema_netdrive,
)
