"""When to look at the disk: at hints from the store, soon after a file was still being written, at start and every hour.

Each root has a thread of its own, so a slow disk holds up no other. Hints are gathered until they pause for a moment; what
a hint missed is found by the next full comparison.
"""

import logging
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Location, Watches
from homestow.server.ports.roots import RootState
from homestow.server.service.outside import Outside
from homestow.server.service.outside_scan import QUIET_NS, Found
from homestow.server.service.roots import Roots
from homestow.values.errors import CloudError
from homestow.values.ids import RootId

PAUSE_S = 0.2
"""How long hints are gathered before they are looked at."""

_REST = 10
_MOST_REST_S = 30.0
"""After a look hints are gathered for ten times as long as it took, half a minute at most."""

AWAY_S = 10.0
"""How often a root that is away is looked for, and how soon after a comparison failed everything is looked at."""

ROOTS_S = 1.0
_MOST_HINTS = 1000

log = logging.getLogger(__name__)


class Watching:
    """Keeps all roots compared with their disks, until stopped."""

    def __init__(self, outside: Outside, roots: Roots, clock: Clock, rescan_s: float, watch: bool = True) -> None:
        """`rescan_s`: seconds between full comparisons, 0 for none after the first; `watch`: take hints."""
        self._outside = outside
        self._roots = roots
        self._clock = clock
        self._rescan_s = rescan_s
        self._watch = watch
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: dict[RootId, _RootWatch] = {}

    def start(self) -> None:
        """Begin; returns at once, the first comparisons run beside the server."""
        self._thread = threading.Thread(target=self._loop, name="watching", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all threads after the comparisons under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for watched in self._watched.values():
            watched.ask_to_stop()
        for watched in self._watched.values():
            watched.join()
        self._watched.clear()

    def _loop(self) -> None:
        """One thread for each root that is there; roots come and go while the server runs."""
        while True:
            try:
                present = {root.id for root in self._roots.all()}
            except CloudError as error:
                log.warning("roots cannot be read", extra={"reason": error.message})
                present = set(self._watched)
            for root in present - self._watched.keys():
                watched = _RootWatch(root, self._outside, self._roots, self._clock, self._rescan_s, self._watch)
                self._watched[root] = watched
                watched.start()
            for root in self._watched.keys() - present:
                gone = self._watched.pop(root)
                gone.ask_to_stop()
                gone.join()
            if self._stop.wait(ROOTS_S):
                return


class _RootWatch:
    """One root: a thread that compares, and where the store can tell, one that listens for hints."""

    def __init__(
        self, root: RootId, outside: Outside, roots: Roots, clock: Clock, rescan_s: float, watch: bool
    ) -> None:
        self._root = root
        self._outside = outside
        self._roots = roots
        self._clock = clock
        self._rescan_s = rescan_s
        self._watch = watch
        self._changed = threading.Condition()
        self._hints: set[Location] = set()
        self._everything = True
        self._stopping = False
        self._listening: _Listening | None = None
        self._rest_s = PAUSE_S
        self._thread = threading.Thread(target=self._loop, name=f"watch-{root}", daemon=True)

    def start(self) -> None:
        """Begin with a full comparison."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End after the comparison under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def hint(self, folders: Collection[Location] | None) -> None:
        """Something changed in these folders, or somewhere (None)."""
        with self._changed:
            if folders is None or len(self._hints) + len(folders) > _MOST_HINTS:
                self._everything = True
                self._hints.clear()
            else:
                self._hints.update(folders)
            self._changed.notify_all()

    def _loop(self) -> None:
        next_full = self._clock.monotonic()
        later: dict[Location, float] = {}
        try:
            while True:
                full, hints = self._wait(next_full, min(later.values(), default=next_full))
                if self._stopping:
                    return
                now = self._clock.monotonic()
                full = full or now >= next_full
                due = {at for at, when in later.items() if when <= now}
                hints |= due
                for at in list(later) if full else due:
                    del later[at]
                found = self._compare(full, hints)
                for at in found.later:
                    later[at] = self._clock.monotonic() + QUIET_NS / 1e9
                self._rest_s = min(max(PAUSE_S, _REST * (self._clock.monotonic() - now)), _MOST_REST_S)
                if found.away:
                    next_full = now + AWAY_S
                elif full:
                    next_full = now + self._rescan_s if self._rescan_s else float("inf")
                if not found.away:
                    self._listen()
        finally:
            if self._listening is not None:
                self._listening.stop()

    def _wait(self, next_full: float, next_later: float) -> tuple[bool, set[Location]]:
        """Wait for hints, for the time of something, or for the end; whether to look at everything, and at what else."""
        with self._changed:
            until = min(next_full, next_later)
            while not (self._stopping or self._everything or self._hints):
                now = self._clock.monotonic()
                if until <= now:
                    break
                self._changed.wait(min(until - now, 3600.0))
            if self._hints and not self._stopping:
                # Our own writes hint too: after a long look the next one waits longer, so that looking stays cheap.
                self._changed.wait_for(lambda: self._stopping, self._rest_s)
            full, self._everything = self._everything, False
            hints, self._hints = self._hints, set()
        return full, hints

    def _compare(self, full: bool, hints: Collection[Location]) -> Found:
        try:
            found = self._outside.rescan(self._root) if full else self._outside.look(self._root, hints)
        except CloudError as error:
            if self._stopping:
                return Found()
            log.warning("a comparison failed", extra={"root": self._root, "reason": error.message})
            return Found(away=True)  # its hints are spent: everything is looked at in a moment
        except Exception:
            log.exception("a comparison failed inside", extra={"root": self._root})
            return Found(away=True)
        if found.changes:
            log.info(
                "changes from outside",
                extra={
                    "root": self._root, "new": found.new, "edited": found.edited, "moved": found.moved, "gone": found.gone,
                },
            )  # fmt: skip
        for line in found.skipped:
            log.warning("left out", extra={"root": self._root, "what": line})
        return found

    def _listen(self) -> None:
        """Take hints from the store, if it gives any; anew when the store was opened anew."""
        if not self._watch:
            return
        row = next((row for row in self._roots.all() if row.id == self._root), None)
        if row is None or row.state is not RootState.PRESENT:
            return
        try:
            store = self._roots.get(self._root)
        except CloudError:
            return
        if self._listening is not None:
            if self._listening.store is store:
                return
            self._listening.stop()
            self._listening = None
        if isinstance(store, Watches):
            self._listening = _Listening(store, self.hint, self._root)
            self._listening.start()
            self.hint(None)  # what changed before the watch began


class _Listening:
    """Reads hints of one store until stopped."""

    def __init__(self, store: Watches, hint: Callable[[Collection[Location] | None], None], root: RootId) -> None:
        self.store: object = store
        self._source = store
        self._hint = hint
        self._root = root
        self._watch: AbstractContextManager[object] | None = None
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"hints-{root}", daemon=True)

    def start(self) -> None:
        """Begin; returns when the watch is set."""
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """End, in whatever state it is."""
        self._ended.set()
        if self._watch is not None:
            self._watch.__exit__(None, None, None)
        self._thread.join()

    def _loop(self) -> None:
        try:
            watch = self._source.watch()
            hints = watch.__enter__()
            self._watch = watch
        except CloudError as error:
            log.warning(
                "no hints about outside changes here; the hourly comparison finds them",
                extra={"root": self._root, "reason": error.message},
            )
            self._begun.set()
            return
        self._begun.set()
        for folders in hints:
            if self._ended.is_set():
                return
            self._hint(folders)
