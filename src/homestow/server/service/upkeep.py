"""What is done by and by without anybody asking: what has had its time goes, in slices, so that nobody waits for it."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import Rows, VersionRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.roots import RootState
from homestow.server.rules.access import OUTSIDE
from homestow.server.rules.retention import Kept, Retention, older_than, versions_to_drop
from homestow.server.service.accounts import Accounts
from homestow.server.service.core import Core
from homestow.server.service.recovery import sweep_staging
from homestow.server.service.roots import Roots
from homestow.server.service.trashing import Purge
from homestow.server.service.work import RowsWork
from homestow.values.errors import CloudError, NotFound
from homestow.values.ids import NodeId, RootId

_PAGE = 500
_AT_ONCE = 200
FIRST_S = 60.0
EVERY_S = 15 * 60.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Swept:
    """What one round removed."""

    versions: int = 0
    trash: int = 0
    uploads: int = 0
    leftovers: int = 0
    logins: int = 0
    journal: int = 0
    """Number up to which the journal was compacted, 0 when it was not."""


class Upkeep:
    """Runs rounds of upkeep, by itself on a thread or when asked."""

    def __init__(
        self, core: Core, accounts: Accounts, account_rows: AccountRows, roots: Roots, clock: Clock, policy: Retention,
        sweeps: Sequence[Callable[[], object]] = (),
    ) -> None:  # fmt: skip
        """`sweeps`: what other use cases do in each round."""
        self._sweeps = sweeps
        self.policy = policy
        self._core = core
        self._accounts = accounts
        self._account_rows = account_rows
        self._roots = roots
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin rounds: the first after a minute, then every quarter of an hour."""
        self._thread = threading.Thread(target=self._loop, name="upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the slice under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> Swept:
        """One round, now. A part that fails is told in the log and does not stop the others."""
        swept = Swept()
        parts: list[Callable[[Swept], None]] = [
            self._logins, self._versions, self._trash, self._uploads, self._answers, self._journal, self._leftovers,
            self._others,
        ]  # fmt: skip
        for part in parts:
            if self._stop.is_set():
                break
            try:
                part(swept)
            except CloudError as error:
                log.warning("upkeep could not do its part", extra={"part": part.__name__, "reason": error.message})
        return swept

    def _loop(self) -> None:
        wait = FIRST_S
        while not self._stop.wait(wait):
            wait = EVERY_S
            try:
                swept = self.run()
            except Exception:
                log.exception("a round of upkeep failed")
            else:
                log.debug("upkeep", extra={"swept": repr(swept)})

    # --- parts ----------------------------------------------------------------------------------------------------

    def _logins(self, swept: Swept) -> None:
        now = self._clock.now_ns()
        self._accounts.flush_seen()
        swept.logins = self._accounts.end_unseen(older_than(self.policy.seen_tokens_ns, now))
        self._account_rows.drop_counters(now)

    def _versions(self, swept: Swept) -> None:
        """Older contents by the rule, a page of files at a time."""
        usable = {root.id for root in self._roots.all() if root.state is RootState.PRESENT}
        after: NodeId | None = NodeId(0)
        while after is not None and not self._stop.is_set():
            nodes = self._core.catalogue.nodes_with_versions(after, _PAGE)
            after = nodes[-1] if len(nodes) == _PAGE else None
            drop: dict[RootId, list[VersionRow]] = {}
            for row in self._core.catalogue.nodes(nodes).values():
                if row.root in usable:
                    drop.setdefault(row.root, []).extend(self._over(row.id))
            for root, versions in drop.items():
                for start in range(0, len(versions), _AT_ONCE):
                    swept.versions += self._purge(root, [], versions[start : start + _AT_ONCE])

    def _over(self, node: NodeId) -> list[VersionRow]:
        versions = self._core.catalogue.versions(node)
        over = versions_to_drop(
            [Kept(version.rev, version.saved_ns) for version in versions], self.policy, self._clock.now_ns()
        )
        return [version for version in versions if version.rev in over]

    def _trash(self, swept: Swept) -> None:
        before = older_than(self.policy.trash_ns, self._clock.now_ns())
        usable = {root.id for root in self._roots.all() if root.state is RootState.PRESENT}
        limit = _AT_ONCE
        while not self._stop.is_set():
            rows = self._core.catalogue.trash_before(before, limit)
            nodes: dict[RootId, list[NodeId]] = {}
            for row in rows:
                if row.root in usable:
                    nodes.setdefault(row.root, []).append(row.id)
            removed = sum(self._purge(root, ids, []) for root, ids in nodes.items())
            swept.trash += removed
            if len(rows) < limit:
                return
            if not removed:  # all of these lie in roots that are away: look behind them
                limit *= 2

    def _uploads(self, swept: Swept) -> None:
        while not self._stop.is_set() and (dropped := self._core.uploads.expire(_AT_ONCE)):
            swept.uploads += dropped

    def _answers(self, swept: Swept) -> None:
        before = older_than(self.policy.keys_ns, self._clock.now_ns())

        def forget(rows: Rows) -> None:
            rows.drop_answers(before)

        self._core.committer.run(RowsWork(OUTSIDE, RootId(0), forget))

    def _journal(self, swept: Swept) -> None:
        """Compact what is older than the setting says, but never the newest entries."""
        catalogue = self._core.catalogue
        through = min(
            catalogue.number_before(older_than(self.policy.journal_ns, self._clock.now_ns())),
            catalogue.last() - self.policy.journal_min,
        )
        if through > catalogue.compacted():
            self._core.changes.compact(through)
            swept.journal = through

    def _leftovers(self, swept: Swept) -> None:
        """Staging files that a crash left behind."""
        for root in self._roots.all():
            if root.state is RootState.PRESENT and not self._stop.is_set():
                swept.leftovers += sweep_staging(self._core.ground, root.id)

    def _others(self, swept: Swept) -> None:
        for sweep in self._sweeps:
            sweep()

    def _purge(self, root: RootId, nodes: list[NodeId], versions: list[VersionRow]) -> int:
        try:
            return self._core.committer.run(Purge(OUTSIDE, root, nodes, versions))
        except NotFound:  # somebody was quicker
            return 0
