"""The journal as its readers see it: kinds of change, cursors, entries."""

import re
from dataclasses import dataclass
from enum import StrEnum

from homestow.values.errors import BadRequest
from homestow.values.ids import AccountId, DeviceId, Epoch, NodeId, RootId

_CURSOR = re.compile(r"([0-9a-f]{32})-([0-9]{1,18})")


class ChangeKind(StrEnum):
    """What a journal entry tells."""

    CREATED = "created"
    CONTENT = "content"
    MOVED = "moved"
    FACTS = "facts"
    """Only mtime or another fact changed (R26)."""
    TRASHED = "trashed"
    RESTORED = "restored"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change: the `number`-th of the store, made at `at_ns` (UTC, nanoseconds) by an account from a device."""

    number: int
    root: RootId
    node: NodeId
    kind: ChangeKind
    at_ns: int
    account: AccountId
    device: DeviceId


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far somebody has read: everything up to `number` of the life `epoch`."""

    epoch: Epoch
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


def parse_cursor(text: str) -> Cursor:
    """Read a cursor as `str(cursor)` wrote it.

    Raises:
        BadRequest: the text is not a cursor.
    """
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadRequest("This is not a cursor; list the root anew to get one.")
    return Cursor(Epoch(found[1]), int(found[2]))
