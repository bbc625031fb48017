"""The conflicts of one job that wait for a choice: listed after each pass, settled when somebody or the job's own rule chooses."""

import logging
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from homestow.client.ports.clock import Clock
from homestow.client.ports.history import Clash, History
from homestow.client.ports.localtree import LocalChanged, LocalPath
from homestow.client.running.deeds import Deed, Did
from homestow.client.running.outcome import Ending
from homestow.client.running.settling import Copy, Keep, NotReady, Settling, find_copies
from homestow.values.errors import CloudError, NotFound
from homestow.wire.control import Conflict, Side

log = logging.getLogger(__name__)

Solve = Literal["manual", "remote", "local", "both"]
"""See `wire.control.SolveText`."""


class Conflicts:
    """Knows the conflicts of a job. `listed` may be read from any thread, all else is for the job's own.

    Args:
        wake: has the settling's trees there, see `Cycle.wake`.
        history: remembers which copies this computer made.
        job, folder, device: the job's id, its folder, and this computer's name.
        solve: what becomes of conflicts of this computer's making without being asked; "both": nothing waits for a choice.
    """

    def __init__(
        self,
        settling: Settling,
        wake: Callable[[], None],
        history: History,
        clock: Clock,
        *,
        job: str,
        folder: Path,
        device: str,
        solve: Solve = "manual",
    ) -> None:
        self._settling, self._wake, self._history, self._clock = settling, wake, history, clock
        self._job, self._folder, self._device, self._solve = job, folder, device, solve
        self._version = 0
        self.listed: tuple[Conflict, ...] = ()
        """Those that wait for a choice, oldest first."""

    def heard(self, deed: Deed) -> None:
        """Remember a copy that the job made; a `deeds.Told`."""
        if deed.did is Did.CONFLICT and not deed.folder:
            self._history.put_clash(Clash(self._job, deed.path, deed.to, self._device, self._clock.now_ns()))

    def passed(self, ending: Ending) -> bool:
        """A pass has ended: list anew, and settle what the job settles by itself. True when there is more to do now."""
        if ending in (Ending.TROUBLE, Ending.STOPPED):
            return False
        if self._settling.trees.version == self._version:
            return False
        copies = self._list()
        if self._solve not in ("remote", "local"):
            return False
        keep: Keep = "original" if self._solve == "remote" else "copy"
        made = {clash.copy for clash in self._history.clashes(self._job)}
        settled: set[int | None] = set()
        for copy in copies:
            if copy.ready and "/".join(copy.path) in made:
                try:
                    self._settle(copy, keep, settled)
                except CloudError as error:
                    log.info("%s stays a conflict for now: %s", "/".join(copy.path), error.message)
        if settled:
            self._list()
        return bool(settled)

    def settle(self, keep: Keep, conflict: str | None = None) -> tuple[Conflict, ...]:
        """Do what was chosen for one conflict, or for all that are ready; those that are left.

        Raises:
            NotFound: it is none any more.
            LocalChanged: one of its contents is not what it was when it was listed; the list is new now.
            NotReady: see `Settling.settle`; of all: none is ready.
            CloudError: the server or the disk refused; what was settled before stays so.
        """
        self._wake()
        copies = self._copies(self._named())
        chosen = self._chosen(copies, conflict)
        known = {_id_of(copy) for copy in chosen}
        self._settling.refresh({copy.mine.parent for copy in chosen})
        copies = self._list()
        settled: set[int | None] = set()
        try:
            for copy in self._still(chosen, known, copies, one=conflict is not None):
                self._settle(copy, keep, settled)
        finally:
            self._list()
        return self.listed

    # --- inside -------------------------------------------------------------------------------------------------------

    def _chosen(self, copies: Sequence[Copy], conflict: str | None) -> Sequence[Copy]:
        if conflict is None:
            return copies
        found = [copy for copy in copies if _id_of(copy) == conflict]
        if found:
            return found
        place = conflict.partition("-")[0]
        if any(_id_of(copy).startswith(place + "-") for copy in copies):
            self._list()
            raise LocalChanged("One of the two was changed since you were shown them. Look at both again, then choose.")
        raise NotFound("There is no such conflict any more.")

    def _still(self, chosen: Iterable[Copy], known: set[str], copies: Sequence[Copy], *, one: bool) -> Sequence[Copy]:
        """Those of the chosen that are, after a look at both sides, what they were."""
        left = [copy for copy in copies if _id_of(copy) in known]
        if one and not left:
            (gone,) = chosen
            if any(copy.path == gone.path for copy in copies):
                raise LocalChanged("One of the two was changed just now. Look at both again, then choose.")
            raise NotFound("There is no such conflict any more.")
        if one:
            return left
        ready = [copy for copy in left if copy.ready]
        if left and not ready:
            raise NotReady("None of them is on the server yet. Choose again when they are.")
        return ready

    def _settle(self, copy: Copy, keep: Keep, settled: set[int | None]) -> None:
        """Settle one; `settled` are the originals that were settled about before it, and so may have other contents now."""
        if copy.original is not None and copy.original in settled:
            found = [each for each in self._copies(self._named()) if each.path == copy.path]
            if not found:
                return
            (copy,) = found
        self._settling.settle(copy, keep)
        settled.add(copy.original)
        self._history.drop_clash(self._job, "/".join(copy.path))

    def _named(self) -> dict[LocalPath, str]:
        found: dict[LocalPath, str] = {}
        for clash in self._history.clashes(self._job):
            copy, original = tuple(clash.copy.split("/")), tuple(clash.path.split("/"))
            if copy[:-1] == original[:-1]:
                found[copy] = original[-1]
        return found

    def _copies(self, named: dict[LocalPath, str]) -> list[Copy]:
        return find_copies(self._settling.trees, named)

    def _list(self) -> list[Copy]:
        clashes = {clash.copy: clash for clash in self._history.clashes(self._job)}
        copies = self._copies(self._named())
        self._version = self._settling.trees.version
        there = {"/".join(copy.path) for copy in copies}
        for gone in clashes.keys() - there:
            self._history.drop_clash(self._job, gone)
        if self._solve == "both":
            self.listed = ()
            return copies
        listed = [self._shown(copy, clashes.get("/".join(copy.path))) for copy in copies]
        self.listed = tuple(sorted(listed, key=lambda conflict: (conflict.at_ns, conflict.copy.path)))
        return copies

    def _shown(self, copy: Copy, clash: Clash | None) -> Conflict:
        other, folder = copy.other, copy.path[:-1]
        original = (*folder, copy.name if other is None else other.spelled)
        file = None if other is None or other.folder else str(self._folder.joinpath(*original))
        return Conflict(
            id=_id_of(copy),
            job=self._job,
            at_ns=copy.mine.ctime_ns if clash is None else clash.at_ns,
            device=copy.device,
            original=Side(
                path="/".join(original), file=file, size=other.size if other else 0, mtime_ns=other.mtime_ns if other else 0
            ),
            copy=Side(
                path="/".join(copy.path), file=str(self._folder.joinpath(*copy.path)), size=copy.mine.size,
                mtime_ns=copy.mine.mtime_ns,
            ),
            ready=copy.ready,
        )  # fmt: skip


def _id_of(copy: Copy) -> str:
    """Names the place and both contents, so that a choice is about what was shown: another content is another conflict."""
    sizes = [(int(one.folder), one.size, one.mtime_ns) for one in (copy.mine, copy.other) if one is not None]
    return f"{_short('/'.join(copy.path))}-{_short(str(sizes))}"


def _short(text: str) -> str:
    return blake2b(text.encode(errors="surrogateescape"), digest_size=8).hexdigest()
