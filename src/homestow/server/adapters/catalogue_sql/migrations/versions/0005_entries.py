"""How many entries a root holds is counted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("usage", sa.Column("entries", whole, nullable=False, server_default="0"))
    # Folders were counted nowhere, so a root without files has no line yet.
    op.execute(
        "INSERT INTO usage (root, live, kept, reserved, files) SELECT root, 0, 0, 0, 0 FROM nodes"
        " WHERE parent IS NULL AND root NOT IN (SELECT root FROM usage)"
    )
    op.execute(
        "UPDATE usage SET entries ="
        " (SELECT count(*) FROM nodes WHERE nodes.root = usage.root AND nodes.parent IS NOT NULL"
        " AND NOT (nodes.gone > 0 AND nodes.kept IS NULL))"
        " + (SELECT count(*) FROM versions JOIN nodes ON nodes.id = versions.node WHERE nodes.root = usage.root)"
        " + (SELECT count(*) FROM uploads WHERE uploads.root = usage.root AND uploads.state <> 'written')"
    )
