"""The tables of media facts, of what the isync calls keep about nodes and people, and of shares; loaded by `schema`.

Rows of `media` and `extras` bear a `stamp`, the next value of the counter `facts` at each change, so that whoever derives
something from them (the listing) finds what changed since it looked.
"""

import sqlalchemy as sa

from homestow.server.adapters.catalogue_sql.schema import Blob, Int, Text, column, metadata

Real: "sa.Double[float]" = sa.Double().with_variant(sa.REAL(), "sqlite")

media = sa.Table(
    "media",
    metadata,
    sa.Column("node", Int, primary_key=True, autoincrement=False),
    column("stamp", Int),
    column("rev", Int),
    column("state", Int),
    column("kind", Int),
    column("format", Text),
    column("width", Int, null=True),
    column("height", Int, null=True),
    column("orientation", Int, null=True),
    column("duration_s", Real, null=True),
    column("taken_ns", Int, null=True),
    column("latitude", Real, null=True),
    column("longitude", Real, null=True),
    column("codec", Text, null=True),
    sqlite_strict=True,
)
sa.Index("media_stamp", media.c.stamp)

extras = sa.Table(
    "extras",
    metadata,
    sa.Column("node", Int, primary_key=True, autoincrement=False),
    column("stamp", Int),
    column("root", Int),
    column("folder", Int, null=True),
    column("shown", Text, null=True),
    column("shown_for", Text, null=True),
    column("upload", Text, null=True),
    column("uploader", Int, null=True),
    column("created_s", Real, null=True),
    column("uploaded_s", Real, null=True),
    column("imported_s", Real, null=True),
    column("modified_s", Real, null=True),
    column("ext", Text, null=True),
    column("size", Int, null=True),
    column("kind", Int, null=True),
    column("duration_s", Real, null=True),
    column("width", Int, null=True),
    column("height", Int, null=True),
    column("orientation", Int, null=True),
    column("latitude", Real, null=True),
    column("longitude", Real, null=True),
    column("memo", Text, null=True),
    column("help_int", Int, null=True),
    column("help_text", Text, null=True),
    column("help_s", Real, null=True),
    column("thumb", Int),
    column("screen", Int),
    sqlite_strict=True,
)
sa.Index("extras_stamp", extras.c.stamp)
_waiting = sa.or_(extras.c.upload.is_not(None), extras.c.thumb == 2, extras.c.screen == 2)
sa.Index("extras_waiting", extras.c.uploader, sqlite_where=_waiting, postgresql_where=_waiting)

sa.Table(
    "people",
    metadata,
    sa.Column("account", Int, primary_key=True, autoincrement=False),
    column("login_s", Real, null=True),
    column("modified_s", Real, null=True),
    column("help_int", Int, null=True),
    column("help_text", Text, null=True),
    sqlite_strict=True,
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token", Blob, primary_key=True),
    column("account", Int),
    column("device", Int),
    column("front", Text),
    column("created_ns", Int),
    column("seen_ns", Int),
    column("idle_ns", Int),
    sa.Column("logins", Int, nullable=False, server_default="1"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
sa.Index("sessions_seen", sessions.c.front, sessions.c.seen_ns)
sa.Index("sessions_account", sessions.c.account)

shares = sa.Table(
    "shares",
    metadata,
    sa.Column("id", Int, primary_key=True, autoincrement=True),
    column("key", Blob),
    column("node", Int),
    column("root", Int),
    column("owner", Int),
    column("kind", Text),
    column("rights", Int),
    column("password", Text, null=True),
    column("created_ns", Int),
    column("expires_ns", Int, null=True),
    column("life_ns", Int, null=True),
    column("used_ns", Int),
    column("uses", Int),
    column("label", Text, null=True),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
sa.Index("shares_key", shares.c.key, unique=True)
sa.Index("shares_owner", shares.c.owner, shares.c.node)
sa.Index("shares_node", shares.c.node)
