"""Reads files for their MD5 when nobody waits for it, in roots whose lists netdrive clients ask for, one file at a time."""

import logging
import threading
from itertools import islice

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import NetdriveRows
from homestow.server.service.md5s import Md5s
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId, RootId

LOOK_S = 2.0
"""How often it looks whether something is new."""

_BUSY_S = 30.0
"""While changes go on it waits for their end, but not longer."""

_AGAIN_S = 300.0
"""After so long what could not be read is tried again."""

_PAGE = 64

log = logging.getLogger(__name__)


class Md5Idle:
    """Rounds of work that nobody asked for, on a thread of their own."""

    def __init__(self, catalogue: Catalogue, rows: NetdriveRows, md5s: Md5s, clock: Clock) -> None:
        self._catalogue = catalogue
        self._rows = rows
        self._md5s = md5s
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: set[NodeId] = set()
        self._again_at = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._loop, name="md5-idle", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at once, started or not; whoever waits for an MD5 is told that the server stops."""
        self._stop.set()
        self._md5s.stop()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """One round, now: whatever is missing."""
        now = self._clock.monotonic()
        if now >= self._again_at:
            self._again_at = now + _AGAIN_S
            self._failed.clear()
        for root in self._rows.used():
            self._root(root)

    def _loop(self) -> None:
        last, waited = -1, 0.0
        while not self._stop.wait(LOOK_S):
            try:
                before, last = last, self._catalogue.last()
                if last != before and waited < _BUSY_S:  # files are coming in; they are not held up by being read
                    waited += LOOK_S
                    continue
                waited = 0.0
                self.run()
            except CloudError as error:
                if not self._stop.is_set():
                    log.warning("files could not be read for their md5", extra={"reason": error.message})
            except Exception:
                log.exception("a round of reading files for their md5 failed")

    def _root(self, root: RootId) -> None:
        after = NodeId(0)
        while not self._stop.is_set():
            missing = self._md5s.missing(root, after, _PAGE)
            if not missing:
                return
            after = missing[-1]
            wanted = [node for node in missing if node not in self._failed]
            found = self._catalogue.nodes(wanted)
            rows: list[NodeRow] = [found[node] for node in islice(wanted, _PAGE) if node in found]
            read = self._md5s.read(rows, go_on=lambda: not self._stop.is_set())
            self._failed.update(node for node, (_, md5) in read.items() if md5 is None)
