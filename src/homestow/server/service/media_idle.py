"""Reads media facts and makes thumbnails when nobody waits for them, one file at a time, and keeps their cupboards in order."""

import logging
import threading
from functools import partial

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import ExtrasRows
from homestow.server.ports.media import MediaKind, MediaRows, MediaTools, SentThumbs, ThumbCache
from homestow.server.ports.roots import RootState
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.media import Media
from homestow.server.service.roots import Roots
from homestow.server.service.thumbnails import Thumbnails, dead_revs
from homestow.values.errors import CloudError
from homestow.values.ids import RootId
from homestow.values.nodes import Kind

LOOK_S = 2.0
"""How often it looks whether something is new."""
_BUSY_S = 30.0
"""While changes go on it waits for their end, but not longer."""
_AGAIN_S = 300.0
"""After so long what could not be read is tried again."""
_TIDY_S = 6 * 3600.0
_PAGE = 500
_BREATH_S = 0.01
_FULL = 0.8
"""No thumbnails are made ahead once so much of the budget is used: they would push out those people look at."""
_ORPHANS = 1000

log = logging.getLogger(__name__)


class MediaIdle:
    """Rounds of work that nobody asked for, on a thread of their own."""

    def __init__(
        self, catalogue: Catalogue, roots: Roots, media: Media, thumbnails: Thumbnails, rows: MediaRows,
        extras: ExtrasRows, tools: MediaTools, cache: ThumbCache, sent: SentThumbs, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._roots = roots
        self._media = media
        self._thumbnails = thumbnails
        self._rows = rows
        self._extras = extras
        self._tools = tools
        self._cache = cache
        self._sent = sent
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[RootId, int] = {}
        self._again: set[RootId] = set()
        self._again_at = 0.0
        self._tidy_at = 0.0
        self._read_to = -1

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._loop, name="media-idle", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the file under way, at most some seconds."""
        self._stop.set()
        self._media.stop()
        self._tools.close()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """One round, now: whatever came since the last one."""
        now = self._clock.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_S
            self._tidy()
        again = now >= self._again_at
        if again:
            self._again_at = now + _AGAIN_S
        last = self._catalogue.last()
        if last == self._read_to and not (again and self._again):
            return
        self._read_to = last
        for root in self._roots.all():
            if self._stop.is_set():
                return
            if root.state is RootState.PRESENT:
                if again and root.id in self._again:
                    self._again.discard(root.id)
                    self._seen.pop(root.id, None)
                self._root(root.id)

    def _loop(self) -> None:
        last, waited = -1, 0.0
        while not self._stop.wait(LOOK_S):
            try:
                self._tools.rest()
                before, last = last, self._catalogue.last()
                if last != before and waited < _BUSY_S:  # files are coming in; they are not held up by being looked at
                    waited += LOOK_S
                    continue
                waited = 0.0
                self.run()
            except CloudError as error:
                if not self._stop.is_set():
                    log.warning("media could not be read in idle time", extra={"reason": error.message})
            except Exception:
                log.exception("a round of reading media failed")

    def _root(self, root: RootId) -> None:
        """Facts first, for they are cheap and lists are sorted by them; then thumbnails of what changed since the last round."""
        first = root not in self._seen
        if first and self._media.read(root, ahead=True):
            self._again.add(root)
        more = True
        while more and not self._stop.is_set():
            nodes, read_to, more = self._catalogue.changed(root, self._seen.get(root, 0), _PAGE)
            if not first and self._media.read_nodes(nodes):
                self._again.add(root)
            for row in nodes:
                if self._stop.is_set():
                    return
                if row.gone or row.kind != Kind.FILE or kind_of(row.name) in (MediaKind.OTHER, MediaKind.AUDIO):
                    continue
                if self._cache.fill() >= _FULL:
                    break
                try:
                    self._thumbnails.ahead(row)
                except CloudError as error:
                    log.info("no thumbnail could be made now", extra={"node": row.id, "reason": error.message})
                    self._again.add(root)
            self._seen[root] = read_to
            self._stop.wait(_BREATH_S)

    def _tidy(self) -> None:
        self._cache.tidy(partial(dead_revs, self._catalogue))
        while not self._stop.is_set() and self._rows.drop_orphans(_ORPHANS) == _ORPHANS:
            pass
        sent = self._sent.nodes()
        for start in range(0, len(sent), _PAGE):
            page = sent[start : start + _PAGE]
            known, extras = self._catalogue.nodes(page), self._extras.extras(page)
            for node in page:
                row = known.get(node)
                # A file that is still on its way has no node yet, but extras.
                if (row is None and node not in extras) or (row is not None and row.gone and row.kept is None):
                    self._sent.drop(node)
