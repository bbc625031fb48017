"""Folders are found without looking at the files beside them."""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    where = text("kind = 'folder' AND gone = 0")
    op.create_index("nodes_folders", "nodes", ["parent"], sqlite_where=where, postgresql_where=where)
