"""The numbered list of all changes, in the same transactions as the changes themselves."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from homestow.values.changes import ChangeKind, JournalEntry
from homestow.values.ids import AccountId, DeviceId, Epoch, NodeId, RootId


class Note(NamedTuple):
    """A change to be entered; `inside` are the folders whose `below` (with all folders above them) learns the number."""

    root: RootId
    node: NodeId
    kind: ChangeKind
    at_ns: int
    account: AccountId
    device: DeviceId
    inside: tuple[NodeId, ...]


class Journal(Protocol):
    """Reading the journal."""

    def epoch(self) -> Epoch:
        """Which life of the store this is."""

    def last(self) -> int:
        """Number of the newest entry, 0 when there is none."""

    def compacted(self) -> int:
        """Entries up to this number are no longer kept; 0 when all are."""

    def number_before(self, at_ns: int) -> int:
        """Number of the last entry before the first one made at or after a time; `last` when all are older."""

    def entries(self, root: RootId, after: int, limit: int) -> list[JournalEntry]:
        """Entries of a root after a number, in order."""


class JournalRows(Protocol):
    """Writing the journal, inside of a transaction."""

    def note(self, notes: Sequence[Note]) -> int:
        """Enter changes; the number of the first, the others follow without gaps.

        Folders on the way up from `inside` get the number as their `below` before the transaction ends.
        """

    def take_numbers(self, count: int, inside: Collection[NodeId]) -> int:
        """Numbers for nodes that became known together, when a folder was adopted as a root; the first.

        The feed tells each of them; the raw journal has no entry for each, as nobody could have read the root before.
        The folders of `inside`, with all above them, learn the last number as their `below`.
        """

    def compact(self, through: int) -> None:
        """Forget entries up to a number; it becomes `compacted`."""

    def renew_epoch(self, epoch: Epoch) -> None:
        """Begin another life of the store (after a restore)."""
