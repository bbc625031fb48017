"""A unit of change: what the committer does with many of them at once.

A work is checked (`prepare`, reading only), written down as an intent, carried out on disk, and recorded in rows; each step
for a whole batch before the next, so that one flush serves everybody. After a crash the intent is read back, `look_back`
sees what was carried out, and the same `record` completes it.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from homestow.server.ports.catalogue import Answer, Catalogue, Rows
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import NO_TIMES, Content, Location
from homestow.server.ports.rights import RightsSource, StoreSet
from homestow.server.rules.access import Principal
from homestow.server.rules.quotas import Quota, check_growth, entries_left
from homestow.values.errors import CloudError, KeyReused
from homestow.values.ids import AccountId, DeviceId, RootId

T = TypeVar("T")
_LARGE = 1 << 40
_MOST_BYTES = 1 << 60
"""What a root holds and has promised to hold at most, quota or not: the sum must stay a number of the database (S109)."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key of an account, and a digest of the request that came with it (P8)."""

    key: str
    request: bytes


def answered(catalogue: Catalogue, who: Principal, once: Once | None) -> bytes | None:
    """What was answered to a key already, as JSON; None when nothing was, or there is no key.

    Use cases ask before they look at anything else: what they would look at may be changed by what they did (P8).

    Raises:
        KeyReused: the key came with another request.
    """
    found = None if once is None else catalogue.answer(who.account, once.key)
    if found is None or once is None:
        return None
    if found.request != once.request:
        raise KeyReused("This idempotency key was used for another request.")
    return found.answer


@dataclass(slots=True)
class Ground:
    """What works stand on.

    `pending` is the growth of the batch under way in bytes, which usage rows do not show yet (S108); `entering` the same in
    entries, by the roots counted together. `granted` of these are let in without looking again how many there are (S109).
    """

    catalogue: Catalogue
    stores: StoreSet
    rights: RightsSource
    clock: Clock
    pending: dict[RootId, int] = field(default_factory=dict)
    entering: dict[Sequence[RootId], int] = field(default_factory=dict)
    granted: dict[Sequence[RootId], int] = field(default_factory=dict)

    def next_batch(self) -> None:
        """What was let in so far is in the usage rows now, or failed."""
        self.pending.clear()
        self.entering.clear()

    def enter(self, root: RootId, entries: int = 1) -> None:
        """Let so many more entries into a root.

        Half of what fits is granted at each look, so that a look is rare until little room is left. What somebody puts
        into the folders from outside meanwhile is counted at the next look.

        Raises:
            QuotaExceeded: there would be too many.
        """
        most = self.rights.most_entries(root)
        if most is None:
            return
        roots = most.roots
        coming, granted = self.entering.get(roots, 0), self.granted.get(roots, 0)
        if granted < entries:
            used = {other: usage.entries for other, usage in self.catalogue.usage(roots).items()}
            self.granted.pop(roots, None)
            granted = entries + entries_left(most, used, coming, entries) // 2
        self.granted[roots] = granted - entries
        self.entering[roots] = coming + entries

    def grow(self, root: RootId, growth: int) -> None:
        """Let `growth` more bytes into a root under every quota.

        Raises:
            QuotaExceeded: there is no room for them.
        """
        if growth <= 0:
            return
        quotas = self.rights.quotas(root)
        if growth >= _LARGE:  # smaller ones do not get there
            quotas = (*quotas, Quota(_MOST_BYTES, (root,)))
        if quotas:
            roots = {root for quota in quotas for root in quota.roots}
            used = {root: usage.total for root, usage in self.catalogue.usage(roots).items()}
            for other, more in self.pending.items():
                if other in used:
                    used[other] += more
            check_growth(quotas, used, growth)
            self.pending[root] = self.pending.get(root, 0) + growth


class Plan(msgspec.Struct, tag=True, kw_only=True):
    """What an intent remembers of a work; enough to record it after a crash, and to answer its key (`once`) from then on."""

    root: RootId
    account: AccountId
    device: DeviceId
    at_ns: int = 0
    once: tuple[str, bytes] | None = None


class Work(Generic[T]):
    """One change of one root. See the module.

    Attributes:
        keys: what it touches; two works with a key in common are never in one batch.
        exclusive: it moves or removes a folder and needs the whole tree for itself.
        displaces: it moves content that is already there, so its intent must be durable before it is carried out.
        on_disk: it does something in the root's store, which must be there.
        durable: it must survive a power cut when it is answered; False for what may be done again.
        staged: staging files that must be durable first, each with the modification time it is to bear (None: as it is).
        touched: visible folders whose renames must be durable before it is recorded; filled by `carry_out`.
    """

    gives: object = None
    exclusive = False
    displaces = True
    durable = True
    on_disk = True

    def __init__(self, who: Principal, root: RootId, once: Once | None = None) -> None:
        self.who = who
        self.root = root
        self.once = once
        self.keys: Collection[Hashable] = ()
        self.staged: Mapping[str, int | None] = NO_TIMES
        self.touched: set[Location] = set()
        self.at_ns = 0
        self.result: T | None = None
        self.error: CloudError | None = None
        self._settled = threading.Lock()
        self._settled.acquire()

    def prepare(self, ground: Ground) -> None:
        """Check that it can be done and decide what exactly; reads only. Raises what the caller shall be told."""

    def plan(self) -> Plan | None:
        """What to write down before it is carried out; None when there is nothing to do on disk."""
        return None

    def carry_out(self, store: Content) -> None:
        """Do it on disk; an error must leave the disk as it was."""

    def look_back(self, ground: Ground, store: Content) -> bool:
        """After a crash: complete what was begun on disk; whether there is something to record.

        When that is not all that was wanted, `once` becomes None: its key is free for another try.
        """
        return False

    def record(self, rows: Rows) -> None:
        """Write rows and journal; sets `result`."""

    # --- idempotency and answering ---

    def answered_before(self, catalogue: Catalogue) -> bool:
        """Whether its key was answered already; that answer is then its result.

        Raises:
            KeyReused: the key was used for another request.
        """
        told = answered(catalogue, self.who, self.once)
        if told is None:
            return False
        self.result = msgspec.json.decode(told, type=self.gives)
        return True

    def touches(self) -> set[Hashable]:
        """`keys`, and its idempotency key: of two works with the same one the second must see the first's answer."""
        touched = set(self.keys)
        if self.once is not None:
            touched.add(("once", self.who.account, self.once.key))
        return touched

    def absorb(self, other: "Work[Any]") -> bool:
        """Take over all that another work of the same batch is to do, which then is nobody's any more; whether it did."""
        return False

    def settle(self) -> None:
        """Wake who waits for it."""
        self._settled.release()

    def wait(self) -> T:
        """Wait until it is settled; its result or its error."""
        with self._settled:
            if self.error is not None:
                raise self.error
            return self.result  # type: ignore[return-value]  # None is a T where `gives` is None


def save_answer(rows: Rows, work: "Work[Any]") -> None:
    """Remember what a recorded work answers to its key, in the same transaction."""
    if work.once is not None:
        answer = Answer(work.once.request, _encode(work.result))
        rows.save_answer(work.who.account, work.once.key, answer, work.at_ns)


class RowsWork(Work[T]):
    """A change of rows alone, in the committer's order."""

    displaces = False
    on_disk = False

    def __init__(
        self, who: Principal, root: RootId, change: Callable[[Rows], T], keys: Collection[Hashable] = (),
        exclusive: bool = False, once: Once | None = None, gives: object = None, durable: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(who, root, once)
        self._change = change
        self.keys = keys
        self.exclusive = exclusive
        self.gives = gives
        self.durable = durable

    def record(self, rows: Rows) -> None:
        """Call the change, alone in a savepoint."""
        with rows.savepoint():
            self.result = self._change(rows)
