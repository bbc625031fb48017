"""The tables of accounts and roots; loaded by `schema`."""

import sqlalchemy as sa

from homestow.server.adapters.catalogue_sql.schema import Blob, Int, Text, column, metadata

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=True),
    column("key", Text),
    column("name", Text),
    column("admin", Int),
    column("password", Text),
    column("quota", Int, null=True),
    column("created_ns", Int),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
sa.Index("accounts_key", accounts.c.key, unique=True)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=True),
    sa.Column("account", Int, sa.ForeignKey("accounts.id"), nullable=False),
    column("name", Text),
    column("token", Blob),
    column("created_ns", Int),
    column("seen_ns", Int),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
sa.Index("devices_token", devices.c.token, unique=True)
sa.Index("devices_account", devices.c.account)
sa.Index("devices_seen", devices.c.seen_ns)

roots = sa.Table(
    "roots",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=True),
    column("key", Text),
    column("name", Text),
    column("folder", Text),
    column("owner", Int),
    column("quota", Int, null=True),
    column("state", Text),
    column("inode", Int),
    column("birth_ns", Int),
    column("marked", Int),
    column("scanned_ns", Int),
    column("created_ns", Int),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
_there = roots.c.state != "removed"
sa.Index("roots_key", roots.c.key, unique=True, sqlite_where=_there, postgresql_where=_there)
sa.Index("roots_folder", roots.c.folder, unique=True, sqlite_where=_there, postgresql_where=_there)

members = sa.Table(
    "members",
    metadata,
    sa.Column("account", Int, sa.ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    sa.Column("root", Int, primary_key=True, autoincrement=False),
    column("rights", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("members_root", members.c.root)

sa.Table(
    "tries",
    metadata,
    sa.Column("key", Text, primary_key=True),
    column("tries", Int),
    column("since_ns", Int),
    column("until_ns", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
