"""Media facts, what the isync calls keep about nodes and people, sessions, shares."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL: "sa.Double[float]" = sa.Double().with_variant(sa.REAL(), "sqlite")


def _id(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, primary_key=True, autoincrement=False)


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=null)


def _real(name: str) -> "sa.Column[float]":
    return sa.Column(name, REAL, nullable=True)


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=null)


def upgrade() -> None:
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": "facts", "value": 0}])
    op.create_table(
        "media",
        _id("node"), _int("stamp"), _int("rev"), _int("state"), _int("kind"), _text("format"), _int("width", null=True),
        _int("height", null=True), _int("orientation", null=True), _real("duration_s"), _int("taken_ns", null=True),
        _real("latitude"), _real("longitude"), _text("codec", null=True),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("media_stamp", "media", ["stamp"])
    op.create_table(
        "extras",
        _id("node"), _int("stamp"), _int("root"), _int("folder", null=True), _text("shown", null=True),
        _text("shown_for", null=True), _text("upload", null=True), _int("uploader", null=True), _real("created_s"),
        _real("uploaded_s"), _real("imported_s"), _real("modified_s"), _text("ext", null=True), _int("size", null=True),
        _int("kind", null=True), _real("duration_s"), _int("width", null=True), _int("height", null=True),
        _int("orientation", null=True), _real("latitude"), _real("longitude"), _text("memo", null=True),
        _int("help_int", null=True), _text("help_text", null=True), _real("help_s"), _int("thumb"), _int("screen"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_index("extras_stamp", "extras", ["stamp"])
    waiting = sa.text("upload IS NOT NULL OR thumb = 2 OR screen = 2")
    op.create_index("extras_waiting", "extras", ["uploader"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "people",
        _id("account"), _real("login_s"), _real("modified_s"), _int("help_int", null=True), _text("help_text", null=True),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "sessions",
        sa.Column("token", sa.LargeBinary(), primary_key=True), _int("account"), _int("device"), _text("front"),
        _int("created_ns"), _int("seen_ns"), _int("idle_ns"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_index("sessions_seen", "sessions", ["front", "seen_ns"])
    op.create_index("sessions_account", "sessions", ["account"])
    op.create_table(
        "shares",
        sa.Column("id", INT, primary_key=True, autoincrement=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        _int("node"), _int("root"), _int("owner"), _text("kind"), _int("rights"), _text("password", null=True),
        _int("created_ns"), _int("expires_ns", null=True), _int("life_ns", null=True), _int("used_ns"), _int("uses"),
        _text("label", null=True),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("shares_key", "shares", ["key"], unique=True)
    op.create_index("shares_owner", "shares", ["owner", "node"])
    op.create_index("shares_node", "shares", ["node"])
