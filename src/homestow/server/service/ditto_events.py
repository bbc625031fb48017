"""What Ditto watchers are told: everything that was written, by whatever front, and what happened to blocks and commands.

One order holds for all: that of the journal. A reader's position is a journal number; everything up to it was told. Nothing is
queued for anybody: a reader that is slow reads later, from the same rows. The history reaches back to the last compaction.
"""

import hashlib
import secrets
import uuid as uuids
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import DittoRows, Event, EventKind
from homestow.server.ports.rights import RightsSource
from homestow.server.rules.access import OUTSIDE, Principal
from homestow.server.service.committer import Committer
from homestow.server.service.ditto_auth import Caller
from homestow.server.service.md5s import Md5s
from homestow.server.service.work import RowsWork
from homestow.values.changes import ChangeKind, JournalEntry
from homestow.values.errors import BadRequest, Busy, NotFound
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind

PAGE: Final = 256
"""Events that are read, and told, at once."""

READ_AT_ONCE: Final = 16 * 1024 * 1024
"""Of a file that is no longer the MD5 is computed for an event when nobody knows it; longer ones are told without."""

MAX_WATCH: Final = 128
_WRITES: Final = frozenset({ChangeKind.CREATED, ChangeKind.CONTENT, ChangeKind.RESTORED})
_MOST_READ: Final = 8


@dataclass(frozen=True, slots=True)
class EventView:
    """One event.

    Attributes:
        uuid: the same each time it is told.
        kind: what it tells.
        file: the file it is about; None for `WANTED`.
        size: bytes of the file or the block.
        md5: 16 bytes, or b"" when it is not known.
        start_ns, end_ns: of `WANTED`.
    """

    uuid: uuids.UUID
    kind: EventKind
    file: uuids.UUID | None
    block_no: int
    size: int
    md5: bytes
    start_ns: int
    end_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Events after a position, and the position behind them; `more`: there are further ones already."""

    events: Sequence[EventView]
    position: int
    more: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How far a watch was told."""

    account: AccountId
    client: str
    watch: str
    position: int


class DittoEvents:
    """Use cases around events. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, rights: RightsSource, committer: Committer, rows: DittoRows, md5s: Md5s,
        name_of: Callable[[NodeId], uuids.UUID], clock: Clock,
    ) -> None:  # fmt: skip
        """`name_of` gives the uuid of a file that did not come by Ditto."""
        self._catalogue = catalogue
        self._rights = rights
        self._committer = committer
        self._rows = rows
        self._md5s = md5s
        self._name_of = name_of
        self._clock = clock
        self._epoch = uuids.UUID(bytes=hashlib.sha256(catalogue.epoch().encode()).digest()[:16])

    # --- reading ------------------------------------------------------------------------------------------------------

    def begin(self, caller: Caller, watch: str) -> tuple[str, int]:
        """The name of a watch, given when there is none, and how far it was told: a new one begins with all there is.

        Raises:
            BadRequest: the name is too long or cannot be shown.
        """
        if len(watch) > MAX_WATCH or not watch.isprintable():
            raise BadRequest(f"A watch_uuid has at most {MAX_WATCH} characters that can be shown.")
        watch = watch or str(uuids.UUID(bytes=secrets.token_bytes(16), version=4))
        known = self._rows.position(caller.who.account, caller.client, watch)
        return watch, self._catalogue.compacted() if known is None else known

    def told(self, found: Collection[Told]) -> None:
        """Everything up to these positions was handed to the clients; one transaction."""
        rows = [(each.account, each.client, each.watch, each.position) for each in found]
        self._rows.set_positions(rows, self._clock.now_ns())

    def roots(self, who: Principal) -> frozenset[RootId]:
        """Roots whose changes this user is told of."""
        return frozenset(self._rights.readable(who.account))

    def read(self, who: Principal, after: int, kinds: Collection[EventKind], limit: int = PAGE) -> Batch:
        """Events after a position, oldest first. What this user may not read (any more) is not told."""
        last = self._catalogue.last()
        if after > last:  # of another life of the store
            after = self._catalogue.compacted()
        bound, entries = last, list[JournalEntry]()
        if EventKind.WRITTEN in kinds:
            for root in self._rights.readable(who.account):
                found = self._catalogue.entries(root, after, limit)
                entries += found
                if len(found) == limit:
                    bound = min(bound, found[-1].number)
        others = self._rows.events(who.account, after, limit, kinds)
        if len(others) == limit:
            bound = min(bound, others[-1].number)
        writes = [each for each in entries if each.kind in _WRITES and each.number <= bound]
        numbers = sorted([each.number for each in writes] + [each.number for each in others if each.number <= bound])
        if len(numbers) > limit:
            bound = numbers[limit - 1]
        told = {each.number: self._view(each) for each in others if each.number <= bound}
        told.update(self._written([each for each in writes if each.number <= bound]))
        return Batch([told[number] for number in sorted(told)], bound, bound < last)

    def _written(self, entries: Sequence[JournalEntry]) -> dict[int, EventView]:
        rows = self._catalogue.nodes([each.node for each in entries])
        names = self._rows.of_nodes(list(rows))
        told, read = dict[int, EventView](), 0
        for each in entries:
            row = rows.get(each.node)
            if row is None or row.kind != Kind.FILE:
                continue
            md5 = self._md5s.of(row)
            if md5 is None and not row.gone and row.size <= READ_AT_ONCE and read < _MOST_READ:
                md5, read = self._computed(row), read + 1
            name = names.get(row.id)
            file = self._name_of(row.id) if name is None else uuids.UUID(bytes=name)
            told[each.number] = EventView(
                self._uuid(each.number), EventKind.WRITTEN, file, 0, row.size, md5 or b"", 0, 0, each.at_ns
            )
        return told

    def _computed(self, row: NodeRow) -> bytes | None:
        try:
            found = self._md5s.read([row]).get(row.id)
        except Busy:
            return None
        return None if found is None or found[0].rev != row.rev else found[1]

    def _view(self, event: Event) -> EventView:
        file = uuids.UUID(bytes=event.uuid) if event.uuid else None
        return EventView(
            self._uuid(event.number), event.kind, file, event.block_no, event.size, event.md5, event.start_ns,
            event.end_ns, event.at_ns,
        )  # fmt: skip

    def _uuid(self, number: int) -> uuids.UUID:
        """An event's name: one in a life of the store has a number for itself."""
        return uuids.uuid5(self._epoch, str(number))

    # --- commands -----------------------------------------------------------------------------------------------------

    def want_files(self, account: AccountId, start_ns: int, end_ns: int) -> None:
        """Ask a user's devices to upload the files of a time.

        Raises:
            BadRequest: the end lies before the beginning.
        """
        if end_ns < start_ns:
            raise BadRequest("The end lies before the beginning.")
        self._command(account, EventKind.WANTED, b"", 0, 0, start_ns, end_ns)

    def want_block(self, account: AccountId, uuid: str, no: int) -> None:
        """Ask a user's devices to upload a block of an announced file (again).

        Raises:
            NotFound: the user has announced no such file.
            BadRequest: the file has no such block.
        """
        try:
            file = self._rows.announced(uuids.UUID(uuid).bytes, account)
        except ValueError:
            file = None
        if file is None:
            raise NotFound(f"This user has announced no file {uuid!r}.")
        if no < 0 or (no * file.regular >= file.size if file.regular else no >= file.size):
            raise BadRequest(f"This file has no block {no}.")
        size = min(file.regular, file.size - no * file.regular)
        self._command(account, EventKind.BLOCK_WANTED, file.uuid, no, size, 0, 0)

    def _command(
        self, account: AccountId, kind: EventKind, uuid: bytes, no: int, size: int, start_ns: int, end_ns: int
    ) -> None:
        def note(rows: Rows) -> None:
            number = rows.take_numbers(1, ())
            now = self._clock.now_ns()
            self._rows.add_event(Event(number, account, kind, uuid, no, size, b"", start_ns, end_ns, now))

        self._committer.run(RowsWork(OUTSIDE, RootId(0), note))
