"""Media facts as rows of SQLite."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.media import Facts, MediaKind, MediaRow, MediaState
from homestow.server.rules.media_kinds import kind_of
from homestow.values.ids import NodeId, RootId

_MEDIA = (
    "SELECT node, stamp, rev, state, kind, format, width, height, orientation, duration_s, taken_ns, latitude, longitude, "
    "codec FROM media WHERE node IN (SELECT value FROM json_each(?))"
)
_TAKE_STAMPS = "UPDATE counters SET value = value + ? WHERE name = 'facts' RETURNING value"
_SET = "INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FILES = (
    "SELECT nodes.id, nodes.name, media.rev IS NOT NULL AND media.rev = nodes.rev FROM nodes "
    "LEFT JOIN media ON media.node = nodes.id "
    "WHERE nodes.id > ? AND nodes.root = ? AND nodes.gone = 0 AND nodes.kind = 'file' ORDER BY nodes.id LIMIT ?"
)
_DROP_ORPHANS = (
    "DELETE FROM media WHERE node IN (SELECT media.node FROM media LEFT JOIN nodes ON nodes.id = media.node "
    "WHERE nodes.id IS NULL LIMIT ?)"
)
_SLICE = 5000


class SqlMedia(SqlStore):
    """`ports.media.MediaRows` over one database."""

    def media(self, nodes: Collection[NodeId]) -> dict[NodeId, MediaRow]:
        """Rows of nodes."""
        rows = self._read(_MEDIA, (json.dumps(list(nodes)),)) if nodes else []
        return {row[0]: _row(row) for row in rows}

    def set_media(self, rows: Iterable[tuple[NodeId, int, MediaState, Facts]]) -> None:
        """Remember facts, each in place of what was known of the node."""
        given = list(rows)
        if not given:
            return
        with self._writing(relaxed=True) as run:
            (last,) = run.execute(_TAKE_STAMPS, (len(given),)).fetchone()
            first = last - len(given) + 1
            run.executemany(
                _SET,
                [
                    (node, first + at, rev, int(state), int(facts.kind), *facts[1:])
                    for at, (node, rev, state, facts) in enumerate(given)
                ],
            )

    def unread(self, root: RootId, after: NodeId, limit: int) -> list[NodeId]:
        """Live files with names of media whose facts are missing or out of date."""
        found: list[NodeId] = []
        while len(found) < limit:
            rows = self._read(_FILES, (after, root, _SLICE))
            found.extend(node for node, name, known in rows if not known and kind_of(name) is not MediaKind.OTHER)
            if len(rows) < _SLICE:
                break
            after = rows[-1][0]
        return found[:limit]

    def drop_orphans(self, limit: int) -> int:
        """Remove rows without a node."""
        with self._writing(relaxed=True) as run:
            return run.execute(_DROP_ORPHANS, (limit,)).rowcount


def _row(row: Sequence[Any]) -> MediaRow:
    node, stamp, rev, state, kind, *rest = row
    return MediaRow(node, stamp, rev, MediaState(state), Facts(MediaKind(kind), *rest))
