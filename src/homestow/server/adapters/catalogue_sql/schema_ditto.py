"""The tables of the Ditto services; loaded by `schema`."""

import sqlalchemy as sa

from homestow.server.adapters.catalogue_sql.schema import Blob, Int, Text, column, metadata


def _key(name: str) -> "sa.Column[int]":
    return sa.Column(name, Int, primary_key=True, autoincrement=False)


clients = sa.Table(
    "clients",
    metadata,
    sa.Column("id", Text, primary_key=True),
    column("name", Text),
    column("secret", Blob),
    column("max_users", Int),
    column("created_ns", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("clients_name", clients.c.name, unique=True)

logins = sa.Table(
    "ditto_logins",
    metadata,
    sa.Column("id", Text, primary_key=True),
    column("account", Int),
    column("device", Int),
    column("client", Text),
    column("turn", Int),
    column("refresh", Blob),
    column("created_ns", Int),
    column("until_ns", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("ditto_logins_client", logins.c.client, logins.c.account)

files = sa.Table(
    "ditto_files",
    metadata,
    sa.Column("number", Int, primary_key=True, autoincrement=True),
    column("uuid", Blob),
    column("account", Int),
    column("root", Int),
    column("upload", Text),
    column("node", Int),
    column("name", Text),
    column("type", Text),
    column("size", Int),
    column("md5", Blob, null=True),
    column("regular", Int),
    column("created_ns", Int),
    column("uploaded_ns", Int, null=True),
    column("written_ns", Int, null=True),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
sa.Index("ditto_files_uuid", files.c.uuid, unique=True)
sa.Index("ditto_files_account", files.c.account, files.c.number)
sa.Index("ditto_files_node", files.c.node)

sa.Table(
    "ditto_blocks",
    metadata,
    _key("file"),
    _key("no"),
    column("size", Int),
    column("offset", Int),
    column("md5", Blob),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
events = sa.Table(
    "ditto_events",
    metadata,
    _key("number"),
    column("account", Int),
    column("kind", Int),
    column("uuid", Blob),
    column("block_no", Int),
    column("size", Int),
    column("md5", Blob),
    column("start_ns", Int),
    column("end_ns", Int),
    column("at_ns", Int),
    sqlite_strict=True,
)
sa.Index("ditto_events_account", events.c.account, events.c.number)

sa.Table(
    "ditto_watches",
    metadata,
    _key("account"),
    sa.Column("client", Text, primary_key=True),
    sa.Column("watch", Text, primary_key=True),
    column("number", Int),
    column("used_ns", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
