"""Statement texts, made once; values are always bound."""

from homestow.server.ports.catalogue import NodeRow, UploadRow, VersionRow

_NODE = ", ".join(NodeRow._fields)
_VERSION = ", ".join(VersionRow._fields)
_UPLOAD = ", ".join(UploadRow._fields)


def _sql(*parts: str) -> str:
    return " ".join(parts)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


_FROM_NODES = _sql("SELECT", _NODE, "FROM nodes")

NODE = _sql(_FROM_NODES, "WHERE id = ?")
NODES = _sql(_FROM_NODES, "WHERE id IN (SELECT value FROM json_each(?))")
TOP = _sql(_FROM_NODES, "WHERE root = ? AND parent IS NULL")
CHILD = _sql(_FROM_NODES, "WHERE parent = ? AND gone = 0 AND name = ?")
CHILDREN = _sql(_FROM_NODES, "WHERE parent = ? AND gone = 0 AND name > ? ORDER BY name LIMIT ?")
CHILDREN_NAMED = _sql(_FROM_NODES, "WHERE parent = ? AND gone = 0 AND name IN (SELECT value FROM json_each(?))")
FOLDER = "SELECT id, root, parent, name, gone, loc_parent, loc_name, kept FROM nodes WHERE id = ? AND kind = 'folder'"
LIES_AS_SHOWN = _sql(_FROM_NODES, "WHERE parent = ? AND gone = 0 AND name = ? AND loc_parent IS NULL")
LIES_AT = _sql(_FROM_NODES, "WHERE loc_parent = ? AND loc_name = ? AND gone = 0")
LYING_AS_SHOWN = _sql(_FROM_NODES, "WHERE parent = ? AND gone = 0 AND loc_parent IS NULL")
LYING_IN = _sql(_FROM_NODES, "WHERE loc_parent = ? AND gone = 0")
_SHOWN = "kind, size, disk_mtime_ns, ctime_ns, inode, birth_ns, id FROM nodes"
SHOWN_AS_NAMED = _sql("SELECT name,", _SHOWN, "WHERE parent = ? AND gone = 0 AND loc_parent IS NULL")
SHOWN_ELSEWHERE = _sql("SELECT loc_name,", _SHOWN, "WHERE loc_parent = ? AND gone = 0")
# Without the hint every node of the root would be looked at whenever a folder is deleted.
LYING_ELSEWHERE = _sql(_FROM_NODES, "INDEXED BY nodes_location WHERE loc_parent IS NOT NULL AND root = ? AND gone = 0")
BY_INODE = _sql(_FROM_NODES, "WHERE root = ? AND inode = ? AND gone = 0")
BY_DIGEST = _sql(_FROM_NODES, "WHERE digest = ? AND size = ? AND size >= 65536 AND gone = 0 LIMIT 16")
TREE = _sql(_FROM_NODES, "WHERE id > ? AND root = ? AND gone = 0 ORDER BY id LIMIT ?")
SUBTREE = _sql(
    "WITH RECURSIVE below(id) AS (VALUES (?) UNION ALL",
    "SELECT nodes.id FROM nodes JOIN below ON nodes.parent = below.id WHERE nodes.gone = 0)",
    _FROM_NODES, "WHERE id IN below AND id > ? AND gone = 0 ORDER BY id LIMIT ?",
)  # fmt: skip
CHANGED = _sql(_FROM_NODES, "WHERE root = ? AND change > ? ORDER BY change LIMIT ?")
TRASH = _sql(
    _FROM_NODES, "WHERE root = ? AND gone > 0 AND gone < ? AND kept IS NOT NULL ORDER BY gone DESC LIMIT ?"
)  # fmt: skip
TRASH_BEFORE = _sql(_FROM_NODES, "WHERE gone > 0 AND kept IS NOT NULL AND deleted_ns < ? ORDER BY deleted_ns LIMIT ?")

VERSIONS = _sql("SELECT", _VERSION, "FROM versions WHERE node = ? ORDER BY rev DESC")
VERSION = _sql("SELECT", _VERSION, "FROM versions WHERE node = ? AND rev = ?")
VERSIONED = "SELECT DISTINCT node FROM versions WHERE node > ? ORDER BY node LIMIT ?"
KEPT_KEYS = (
    "SELECT kept FROM nodes WHERE root = ?1 AND gone > 0 AND kept IS NOT NULL UNION ALL "
    "SELECT versions.kept FROM versions JOIN nodes ON nodes.id = versions.node WHERE nodes.root = ?1"
)
USAGE = "SELECT root, live, kept, reserved, files, entries FROM usage WHERE root IN (SELECT value FROM json_each(?))"
COUNT_NODES = (
    "SELECT coalesce(sum(size), 0), coalesce(sum(kind = 'file'), 0), count(parent) FROM nodes "
    "WHERE root = ? AND NOT (gone > 0 AND kept IS NULL)"
)
COUNT_VERSIONS = (
    "SELECT coalesce(sum(versions.size), 0), count(*) FROM versions "
    "JOIN nodes ON nodes.id = versions.node WHERE nodes.root = ?"
)
COUNT_RESERVED = "SELECT coalesce(sum(size), 0), count(*) FROM uploads WHERE root = ? AND state <> 'written'"

META = "SELECT value FROM meta WHERE name = ?"
SET_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
COUNTER = "SELECT value FROM counters WHERE name = ?"
SET_COUNTER = "UPDATE counters SET value = ? WHERE name = ?"
ENTRIES = (
    "SELECT number, root, node, kind, at_ns, account, device FROM journal WHERE root = ? AND number > ? "
    "ORDER BY number LIMIT ?"
)
FIRST_SINCE = "SELECT number FROM journal WHERE at_ns >= ? ORDER BY number LIMIT 1"
ADD_ENTRY = "INSERT INTO journal (number, root, node, kind, at_ns, account, device) VALUES (?, ?, ?, ?, ?, ?, ?)"
COMPACT = "DELETE FROM journal WHERE number <= ?"

UPLOAD = _sql("SELECT", _UPLOAD, "FROM uploads WHERE id = ?")
UPLOADS_EXPIRED = _sql("SELECT", _UPLOAD, "FROM uploads WHERE expires_ns < ? ORDER BY expires_ns LIMIT ?")
UPLOADS_OF = "SELECT id FROM uploads WHERE root = ? AND state <> 'written'"
UPLOADS_COUNT = "SELECT count(*) FROM uploads WHERE account = ? AND state <> 'written'"
SAVE_UPLOAD = _sql("REPLACE INTO uploads (", _UPLOAD, ") VALUES (", _marks(len(UploadRow._fields)), ")")
DROP_UPLOAD = "DELETE FROM uploads WHERE id = ?"

ANSWER = "SELECT request, answer FROM answers WHERE account = ? AND key = ?"
SAVE_ANSWER = "REPLACE INTO answers (account, key, request, answer, at_ns) VALUES (?, ?, ?, ?, ?)"
FORGET_LARGE = (
    "DELETE FROM answers WHERE account = ?1 AND length(answer) > ?2 AND key NOT IN (SELECT key FROM answers"
    " WHERE account = ?1 AND length(answer) > ?2 ORDER BY at_ns DESC LIMIT ?3)"
)
DROP_ANSWERS = "DELETE FROM answers WHERE at_ns < ?"
INTENTS = "SELECT id, root, body FROM intents ORDER BY id"
ADD_INTENT = "INSERT INTO intents (id, root, body) VALUES (?, ?, ?)"
DROP_INTENT = "DELETE FROM intents WHERE id = ?"

ADD_NODE = _sql("INSERT INTO nodes (", _NODE, ") VALUES (", _marks(len(NodeRow._fields)), ")")
ADOPTED_AT_ONCE = 100
"""One statement for so many rows takes half of the time of one for each: the indexes are not searched anew for each row."""

_FOUND = 11


def _found(at: int) -> str:
    """The values of one `FoundRow` of which the first parameter is `at`; parameter 1 is the root."""
    node, parent, name, kind, rev, change, size, mtime, inode, birth, ctime = (
        f"?{at + number}" for number in range(_FOUND)
    )
    values = (
        node, "?1", parent, name, kind, rev, change, change, size, mtime, "NULL", "0", "NULL", "NULL", inode, birth, ctime,
        mtime, "0", "0", "NULL",
    )  # fmt: skip
    return f"({', '.join(values)})"


def _adopt(count: int) -> str:
    rows = ", ".join(_found(2 + _FOUND * number) for number in range(count))
    return _sql("INSERT INTO nodes (", _NODE, ") VALUES", rows)


ADOPT = _adopt(1)
ADOPT_MANY = _adopt(ADOPTED_AT_ONCE)
SET_CONTENT = (
    "UPDATE nodes SET rev = ?, change = ?, below = ?, size = ?, mtime_ns = ?, digest = ?, inode = ?, birth_ns = ?, "
    "ctime_ns = ?, disk_mtime_ns = ? WHERE id = ?"
)
SET_SEEN = "UPDATE nodes SET mtime_ns = ?, inode = ?, birth_ns = ?, ctime_ns = ?, disk_mtime_ns = ? WHERE id = ?"
SET_CHANGE = "UPDATE nodes SET change = ?, below = max(below, ?) WHERE id = ?"
SET_DIGEST = "UPDATE nodes SET digest = ? WHERE id = ? AND rev = ?"
SET_VERSION_DIGEST = "UPDATE versions SET digest = ? WHERE node = ? AND rev = ?"
SET_KIND = "UPDATE nodes SET kind = ? WHERE id = ?"
SET_PLACE = (
    "UPDATE nodes SET parent = ?, name = ?, loc_parent = ?, loc_name = ?, change = ?, below = max(below, ?), gone = 0, "
    "deleted_ns = 0, deleted_by = 0, kept = NULL WHERE id = ?"
)
SET_LOCATION = "UPDATE nodes SET loc_parent = ?, loc_name = ? WHERE id = ?"
SET_GONE = (
    "UPDATE nodes SET gone = ?, change = ?, below = max(below, ?), deleted_ns = ?, deleted_by = ?, kept = ?, "
    "loc_parent = NULL, loc_name = NULL WHERE id = ?"
)
SET_PURGED = (
    "UPDATE nodes SET gone = ?, change = ?, below = ?, kept = NULL, loc_parent = NULL, loc_name = NULL WHERE id = ?"
)
SET_BELOW = "UPDATE nodes SET below = ? WHERE id = ? AND below < ?"
ADD_VERSION = _sql("INSERT INTO versions (", _VERSION, ") VALUES (", _marks(len(VersionRow._fields)), ")")
DROP_VERSION = "DELETE FROM versions WHERE node = ? AND rev = ?"
DROP_VERSIONS = "DELETE FROM versions WHERE node = ?"
FORGET = "DELETE FROM nodes WHERE id = ?"
TOMBSTONES = "SELECT id FROM nodes WHERE gone > 0 AND gone <= ? AND kept IS NULL"
CHARGE = (
    "INSERT INTO usage (root, live, kept, reserved, files, entries) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (root) DO UPDATE SET "
    "live = live + excluded.live, kept = kept + excluded.kept, reserved = reserved + excluded.reserved, "
    "files = files + excluded.files, entries = entries + excluded.entries"
)
SET_USAGE = "REPLACE INTO usage (root, live, kept, reserved, files, entries) VALUES (?, ?, ?, ?, ?, ?)"

GRAFT_COUNT = "SELECT count(*) FROM nodes WHERE root = ?"
GRAFT_TOP = "UPDATE nodes SET parent = ?, name = ? WHERE root = ? AND parent IS NULL RETURNING id"
GRAFT_NODES = (
    "UPDATE nodes SET root = ?, change = ? + at.n, below = CASE kind WHEN 'folder' THEN ? ELSE ? + at.n END"
    " FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM nodes WHERE root = ?) AS at WHERE nodes.id = at.id"
)
GRAFT_UPLOADS = "DELETE FROM uploads WHERE root = ?"
GRAFT_ROOT = "UPDATE roots SET state = 'removed', owner = 0 WHERE id = ?"
GRAFT_MEMBERS = "DELETE FROM members WHERE root = ?"
