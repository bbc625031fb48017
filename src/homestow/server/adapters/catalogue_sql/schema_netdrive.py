"""The tables of what the netdrive calls keep, and of MD5 of contents; loaded by `schema`."""

import sqlalchemy as sa

from homestow.server.adapters.catalogue_sql.schema import Blob, Int, Text, column, metadata


def _key(name: str) -> "sa.Column[int]":
    return sa.Column(name, Int, primary_key=True, autoincrement=False)


md5s = sa.Table(
    "md5s",
    metadata,
    _key("node"),
    _key("rev"),
    column("md5", Blob),
    column("size", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("md5s_md5", md5s.c.md5)

sa.Table(
    "netdrive_people",
    metadata,
    _key("account"),
    column("bind", Int),
    sqlite_strict=True,
)
binds = sa.Table(
    "netdrive_binds",
    metadata,
    _key("account"),
    _key("number"),
    column("root", Int),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("netdrive_binds_root", binds.c.account, binds.c.root, unique=True)

sa.Table(
    "netdrive_paths",
    metadata,
    _key("account"),
    _key("root"),
    _key("node"),
    column("said", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Table(
    "netdrive_roots",
    metadata,
    _key("root"),
    column("used_ns", Int),
    sqlite_strict=True,
)
sent = sa.Table(
    "netdrive_uploads",
    metadata,
    _key("vfile"),
    column("account", Int),
    column("root", Int),
    column("upload", Text),
    column("md5", Blob, null=True),
    column("size", Int),
    column("mtime_s", Int, null=True),
    column("folder", Int),
    column("name", Text),
    column("path", Text),
    column("done", Int, null=True),
    column("created_ns", Int),
    sqlite_strict=True,
)
sa.Index("netdrive_uploads_place", sent.c.account, sent.c.folder, sent.c.name)
