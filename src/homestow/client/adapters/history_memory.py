"""The history of the jobs in memory: the twin for tests, and for a service whose disk has no room for a log."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count, islice
from threading import Lock

from homestow.client.ports.history import Clash, Entry

KEPT = 10_000
"""Events kept of each job."""


class MemoryHistory:
    """`History` that ends with the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids = count(1)
        self._entries: dict[str, deque[Entry]] = {}
        self._clashes: dict[tuple[str, str], Clash] = {}

    def add(self, entries: Iterable[Entry]) -> Sequence[Entry]:
        """See `History.add`."""
        with self._lock:
            added = [entry._replace(id=next(self._ids)) for entry in entries]
            for entry in added:
                self._entries.setdefault(entry.job, deque(maxlen=KEPT)).append(entry)
        return added

    def entries(self, job: str | None, before: int | None, limit: int, kinds: Sequence[str] = ()) -> Sequence[Entry]:
        """See `History.entries`."""
        with self._lock:
            jobs = self._entries.values() if job is None else [self._entries.get(job, deque())]
            newest = sorted((entry for kept in jobs for entry in kept), reverse=True)
        wanted = (
            entry for entry in newest if (before is None or entry.id < before) and (not kinds or entry.kind in kinds)
        )
        return list(islice(wanted, max(limit, 0)))

    def clashes(self, job: str) -> Sequence[Clash]:
        """See `History.clashes`."""
        with self._lock:
            mine = [clash for clash in self._clashes.values() if clash.job == job]
        return sorted(mine, key=lambda clash: (clash.at_ns, clash.copy))

    def put_clash(self, clash: Clash) -> None:
        """See `History.put_clash`."""
        with self._lock:
            self._clashes[clash.job, clash.copy] = clash

    def drop_clash(self, job: str, copy: str) -> None:
        """See `History.drop_clash`."""
        with self._lock:
            self._clashes.pop((job, copy), None)

    def forget(self, job: str) -> None:
        """See `History.forget`."""
        with self._lock:
            self._entries.pop(job, None)
            for key in [key for key in self._clashes if key[0] == job]:
                del self._clashes[key]

    def close(self) -> None:
        """Nothing to let go."""
