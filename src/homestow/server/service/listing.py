"""Files of roots in any order, page by page: an index that follows the catalogue on a thread of its own.

Whoever changes something waits for none of it. Whoever asks for a page sees what was committed before, as far as the index
gets there within a second (`settle`): some milliseconds when little changed, less than a second after 100,000 files came at
once. Beyond that, while very much is changing, a page is of a moment before.
"""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from homestow.server.ports.listing import Derived, Listing, ListingSource, ReadTo, Wanted
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Listener
from homestow.values.errors import Busy
from homestow.values.ids import NodeId, RootId

_log = logging.getLogger(__name__)
_AT_ONCE = 10_000
_QUIET_S = 1.0
"""After a change nobody asked about, so much silence is waited for: adopting a folder has the machine for itself."""
_LONGEST_S = 10.0
_LOOK_S = 5.0
_AGAIN_S = 5.0
_SAVE_AFTER = 50_000
_WAIT_S = 1.0
_FIRST_S = 20.0


class ListingService:
    """Pages of files. All methods may be called from any thread.

    Args:
        open_index: makes the index; called when it is first needed, as much is loaded with it.
        subscribe: as of `Changes`.
        used_before: begin to follow at `start`; otherwise only when somebody asks, so that who never lists pays nothing.
    """

    def __init__(
        self, source: ListingSource, open_index: Callable[[], Listing], access: Access,
        subscribe: Callable[[Listener], Callable[[], None]], *, used_before: bool,
    ) -> None:  # fmt: skip
        self._source = source
        self._open_index = open_index
        self._access = access
        self._subscribe = subscribe
        self._used_before = used_before
        self._index: Listing | None = None
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._changed = threading.Condition()
        self._woken = self._asked = self._closing = False
        self._done = ReadTo("", 0, 0)
        self._unsaved = 0
        self._saver = threading.Thread()

    def start(self) -> None:
        """Begin to follow, if anybody listed files before."""
        if self._used_before:
            self._follow_from_now()

    def stop(self) -> None:
        """End following and keep the index for the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._thread is not None:
            self._thread.join()
        self._save()

    def page(self, who: Principal, wanted: Wanted, start: int, limit: int) -> tuple[list[NodeId], int]:
        """Ids `start` to `start + limit` of a query in its order, and how many there are in all.

        Of `wanted.roots` those count that `who` may read. Ids are of a moment ago: who shows them looks each up again.

        Raises:
            Busy: the index is being made for the first time.
        """
        index = self._settled()
        readable = [root for root in wanted.roots if self._access.rights(who, root) >= Rights.READ]
        return index.page(replace(wanted, roots=readable), start, limit)

    def folder_counts(self, folders: Collection[NodeId]) -> dict[NodeId, int]:
        """How many files, hidden ones too, lie directly in each folder; rights are the caller's.

        Raises:
            Busy: as `page`.
        """
        return self._settled().folder_counts(folders)

    def settle(self, limit_s: float = _WAIT_S) -> bool:
        """Wait until all that was committed before this call is in the index, normally some milliseconds.

        Returns:
            False when the time was over first; then pages are of a moment before, and it goes on.
        """
        target = self._source.now()
        if self._reached(target):
            return True
        self._follow_from_now()
        with self._changed:
            self._asked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._reached(target) or self._closing, limit_s)
        return self._reached(target)

    def _settled(self) -> Listing:
        self.settle()
        if not self._done.epoch:
            self.settle(_FIRST_S)
        if self._index is None or not self._done.epoch:
            raise Busy("The list of files is being made; try again.", retry_after_s=2)
        return self._index

    def _reached(self, target: ReadTo) -> bool:
        done = self._done
        return done.epoch == target.epoch and done.number >= target.number and done.stamp >= target.stamp

    # --- following ------------------------------------------------------------------------------------------------

    def _follow_from_now(self) -> None:
        with self._changed:
            if self._thread is not None or self._closing:
                return
            self._unsubscribe = self._subscribe(self._wake)
            self._thread = threading.Thread(target=self._loop, name="listing", daemon=True)
            self._thread.start()

    def _wake(self, roots: frozenset[RootId], number: int) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def _loop(self) -> None:
        while not self._closing:
            try:
                self.follow()
            except _Closing:
                break
            except Exception:  # noqa: BLE001 - the outer loop: the index is made anew, and nobody waits for a thread that is gone
                _log.exception("the list of files failed and is made anew")
                self._forget()
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, _AGAIN_S)
                continue
            self._wait()

    def _wait(self) -> None:
        """Until somebody asks, or something changed and it is quiet again."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._asked or self._woken, _LOOK_S)
            waited = 0.0
            while self._woken and not (self._closing or self._asked) and waited < _LONGEST_S:
                self._woken = False
                self._changed.wait_for(lambda: self._closing or self._asked or self._woken, _QUIET_S)
                waited += _QUIET_S
            self._woken = self._asked = False

    def _forget(self) -> None:
        self._done = ReadTo("", 0, 0)
        if self._index is not None:
            self._index.clear()

    def follow(self) -> None:
        """Bring the index to what is committed now; called by one thread at a time."""
        if self._index is None:
            self._index = self._open_index()
        index, source = self._index, self._source
        target, have = source.now(), index.read_to()
        fits = have.epoch == target.epoch and have.number <= target.number and have.stamp <= target.stamp
        if not (fits and have.number >= source.compacted()):
            if have.epoch:
                _log.info("the list of files is of another time and is made anew")
            self._forget()  # with what is left of a first reading that was not finished
            have = ReadTo("", 0, 0)
        if have != target:
            self._bring(index, have, target)
            if have.epoch and source.compacted() > have.number:
                # What was forgotten while we read may have been a deletion that we did not read yet.
                self._forget()
                return self.follow()
            index.update([], [], [], target)
        with self._changed:
            self._done = target
            self._changed.notify_all()
        if self._unsaved >= _SAVE_AFTER and not self._saver.is_alive():
            self._saver = threading.Thread(target=self._save, name="listing-save", daemon=True)
            self._saver.start()
        return None

    def _save(self) -> None:
        if self._saver.is_alive() and self._saver is not threading.current_thread():
            self._saver.join()
        if self._index is not None and self._unsaved:
            self._unsaved = 0
            self._index.save()

    def _bring(self, index: Listing, have: ReadTo, target: ReadTo) -> None:
        """Read all between, in parts; until it is through the index stays where it was, and a crash only means reading again."""
        if have.number < target.number:
            for root in self._source.roots():
                after: int | None = have.number
                while after is not None:
                    after = self._put(index, have, self._source.changed(root, after, target.number, _AT_ONCE))
        if have.epoch:
            stamp: int | None = have.stamp
            while stamp is not None and stamp < target.stamp:
                stamp = self._put(index, have, self._source.refreshed(stamp, target.stamp, _AT_ONCE))

    def _put(self, index: Listing, have: ReadTo, found: Derived) -> int | None:
        if self._closing:
            raise _Closing
        if found.put or found.drop or found.folders:
            index.update(found.put, found.drop, found.folders, have)
            self._unsaved += len(found.put) + len(found.drop) + len(found.folders)
        return found.through


class _Closing(Exception):
    """The server stops while the index is being brought on."""
