"""What all steps share: the ports, the trees, the counts, and the book of what has to wait."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from homestow.client.engine.feed import remote_item
from homestow.client.engine.filters import NOTHING, Matcher
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees, agreed
from homestow.client.ports.clock import Chance, Clock, Workers
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalChanged, LocalPath, LocalTree, RootMissing, Stamp
from homestow.client.ports.remote import Remote
from homestow.client.ports.state import State
from homestow.client.running.deeds import Deed, Did, Told, nobody
from homestow.client.running.outcome import Counts
from homestow.client.running.progress import Progress
from homestow.values import errors
from homestow.values.digests import Digest
from homestow.values.errors import CloudError
from homestow.values.nodes import Node
from homestow.values.paths import numbered

ValueT = TypeVar("ValueT")

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
STRIKES = 3
"""So often in one pass an item may turn out to be other than planned before it waits."""

WIDE = (
    errors.Unreachable,
    errors.NotHomestow,
    errors.LoginNeeded,
    errors.StorageFailed,
    errors.StoreLocked,
    errors.NewerStore,
    errors.CursorGone,
    RootMissing,
)
"""Errors that concern the whole server, login or folder: the pass ends, nothing is concluded from them (R17, R18)."""

MOVED_ON = (
    errors.Stale,
    errors.PathTaken,
    errors.NotFound,
    errors.WrongKind,
    errors.WouldCycle,
    errors.UploadGone,
    errors.WrongOffset,
    errors.Incomplete,
)
"""The server is not as planned: ask it again and plan anew; never force."""


class Stopped(Exception):
    """We were asked to stop; everything done so far is remembered or will be seen again."""


class Trouble(Exception):
    """The pass cannot go on; `error` says why."""

    def __init__(self, error: CloudError) -> None:
        super().__init__(error.message)
        self.error = error


class _Wait(NamedTuple):
    """An item that failed: not before `until` (monotonic seconds), after so many tries."""

    until: float
    tries: int
    held: Held


@dataclass(slots=True)
class Work:
    """The ports, the trees and the book of what went wrong; used by the control thread, but for `ports` calls in workers."""

    tree: LocalTree
    remote: Remote
    state: State
    trees: Trees
    clock: Clock
    chance: Chance
    workers: Workers
    device: str
    progress: Progress
    stop: Callable[[], bool]
    fingerprints: Fingerprints | None = None
    """Where the server tells contents apart by MD5."""
    hear: Told = nobody
    """Hears what was done."""
    matcher: Matcher = field(default_factory=NOTHING.matcher)
    """What is left out on both sides."""
    counts: Counts = field(default_factory=Counts)
    look_again: set[int] = field(default_factory=set)
    """Folders whose disk state is not as the trees say."""
    ask_again: set[int] = field(default_factory=set)
    """Nodes whose server state is not as the trees say."""
    own_acts: bool = False
    """Whether we changed something on the server since its news were taken last."""
    own_changes: set[int] = field(default_factory=set)
    """Change numbers that the server answered our own acts with; see `Cycle`."""
    taken: int = 0
    """Grows with every step that was taken or failed; a round in which it does not grow is the last."""
    _waits: dict[int, _Wait] = field(default_factory=dict)
    _strikes: dict[int, int] = field(default_factory=dict)
    _unsettled: bool = False

    # --- what went wrong ----------------------------------------------------------------------------------------------

    def check_stop(self) -> None:
        """End here when we were asked to stop."""
        if self.stop():
            raise Stopped

    @contextmanager
    def answering(self, item: int, *nodes: int) -> Iterator[None]:
        """Run one step of an item; what goes wrong is noted and others go on, unless it concerns everything (R21, P9)."""
        try:
            yield
        except CloudError as error:
            self.failed(item, error, *nodes)

    def failed(self, item: int, error: CloudError, *nodes: int) -> None:
        """Note what went wrong with an item; `nodes` are others that may be the reason.

        Raises:
            Trouble: the error concerns everything.
        """
        if isinstance(error, WIDE):
            raise Trouble(error) from error
        item = self.trees.now(item)
        self.taken += 1
        if isinstance(error, LocalChanged):
            self.look_around(item)
        elif isinstance(error, MOVED_ON):
            taken = error.facts.get("node")
            self.ask_again.update(node for node in (item, *nodes, taken) if isinstance(node, int) and node > 0)
        else:
            self.wait(item, error)
            return
        self._strikes[item] = self._strikes.get(item, 0) + 1
        if self._strikes[item] >= STRIKES:
            self.wait(item, error)

    def look_around(self, item: int) -> None:
        """The disk is not as planned around an item: look at its folder, and where it shall come, again."""
        mine, theirs = self.trees.here(item), self.trees.there(item)
        for place in (mine, theirs):
            if place is not None:
                self.look_again.add(place.parent)
        if mine is not None and mine.folder:
            self.look_again.add(item)

    def wait(self, item: int, error: CloudError) -> None:
        """Let the item wait: 1 s, doubling to 5 min, with jitter (R21)."""
        old = self._waits.get(item)
        tries = 1 if old is None else old.tries + 1
        pause = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(tries - 1, 16)) * (0.75 + 0.5 * self.chance.fraction())
        path = self.trees.path_here(item) or self.trees.path_there(item) or ()
        self._waits[item] = _Wait(self.clock.monotonic() + pause, tries, Held(path, error.code, error.message))

    def waiting(self) -> set[int]:
        """Items that are not to be touched yet."""
        now = self.clock.monotonic()
        return {item for item, wait in self._waits.items() if wait.until > now}

    def next_retry(self) -> float | None:
        """When the next waiting item may be tried, in monotonic seconds; None when none waits."""
        return min((wait.until for wait in self._waits.values()), default=None)

    def problems(self) -> list[Held]:
        """Items that failed and were not settled since, with reasons."""
        live = self.trees.local.keys() | self.trees.remote.keys()
        for item in [item for item in self._waits if item not in live]:
            del self._waits[item]
        return [wait.held for _, wait in sorted(self._waits.items())]

    def settled(self, item: int) -> None:
        """The item's step was taken: its failures are history."""
        self.taken += 1
        if self._waits:
            self._waits.pop(item, None)

    def forget_failures(self) -> None:
        """Another life of the store: the items are others."""
        self._waits.clear()
        self._strikes.clear()

    def sleep(self) -> None:
        """Let go of the trees; all that they know is remembered. Until `wake` they are not to be asked."""
        trees = self.trees
        self.look_again = {trees.now(folder) for folder in self.look_again}
        self.trees = Trees(trees.top)
        # No number is given twice in one run: books may still speak of it.
        self.trees.next_new = trees.next_new

    def wake(self, trees: Trees) -> None:
        """Go on with trees as they were read again."""
        trees.next_new = min(trees.next_new, self.trees.next_new)
        self.trees = trees

    def begin_pass(self) -> None:
        """A new pass: strikes count anew."""
        self._strikes.clear()

    # --- what was done ------------------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Make disk changes durable, then write what the trees learned, in one transaction."""
        if self._unsettled:
            self._unsettled = False
            try:
                self.tree.settle()
            except CloudError as error:
                raise Trouble(error) from error
        self.state.save(self.trees.drain())

    def did(
        self, did: Did, *, here: bool, path: LocalPath, to: LocalPath = (), folder: bool = False, size: int = 0,
        choice: str = "",
    ) -> None:  # fmt: skip
        """Tell what was done."""
        self.hear(Deed(did, here, "/".join(path), "/".join(to), bool(folder), size, choice))

    def place_there(self, item: int) -> LocalPath:
        """Where the server has the item, as far as it is known."""
        return self.trees.path_there(item) or self.trees.path_here(item) or ()

    def acted_there(self, node: Node) -> None:
        """The server answered an act of ours with this state of a node."""
        self.own_acts = True
        self.own_changes.add(node.change)

    def acted_here(self) -> None:
        """Something was changed on disk that `settle` must make durable before it is remembered."""
        self._unsettled = True

    def same_content(self, item: int, mine: LocalItem, theirs: RemoteItem) -> None:
        """Content and time of an item are now the same on both sides; its place may still differ."""
        base = self.trees.synced.get(item)
        new = agreed(item, mine, theirs)
        if base is not None:
            new = new._replace(parent=base.parent, name=base.name)
        self.trees.set_here(item, mine._replace(digest=new.digest))
        self.trees.set_there(item, theirs._replace(digest=new.digest))
        self.trees.set_synced(item, new)
        self.settled(item)

    def told(self, item: int, node: Node) -> None:
        """The server answered our change of place with the node's new state: that place is agreed."""
        theirs, base = remote_item(node), self.trees.synced.get(item)
        self.trees.set_there(item, theirs)
        if base is not None:
            base = base._replace(parent=theirs.parent, name=theirs.name)
            if theirs.rev == base.rev:
                base = base._replace(change=theirs.change)
            self.trees.set_synced(item, base)
        self.settled(item)
        self.acted_there(node)

    def path(self, item: int) -> LocalPath:
        """Where the item is on disk.

        Raises:
            LocalChanged: it is not there any more.
        """
        path = self.trees.path_here(item)
        if path is None:
            raise LocalChanged("It is not there any more.")
        return path

    def here(self, item: int) -> LocalItem:
        """The item as the disk shows it.

        Raises:
            LocalChanged: it is not there any more.
        """
        mine = self.trees.here(item)
        if mine is None:
            raise LocalChanged("It is not there any more.")
        return mine

    def there(self, item: int) -> RemoteItem:
        """The item as the server told.

        Raises:
            NotFound: it is not there any more.
        """
        theirs = self.trees.there(item)
        if theirs is None:
            raise errors.NotFound("It is not there any more.")
        return theirs


def free_name(tree: LocalTree, folder: LocalPath, name: str) -> str:
    """`name`, or `name (2)`, `name (3)` …: the first that the disk shows nothing at, whatever it takes for one name (R15)."""
    taken: set[str] = set()
    while tree.look((*folder, candidate := numbered(name, taken))) is not None:
        taken.add(candidate)
    return candidate


def stamped(item: LocalItem, stamp: Stamp) -> LocalItem:
    """The item with another stamp; a folder keeps its inode alone."""
    if item.folder:
        return item._replace(inode=stamp.inode)
    return item._replace(size=stamp.size, mtime_ns=stamp.mtime_ns, ctime_ns=stamp.ctime_ns, inode=stamp.inode)


def file_here(parent: int, name: str, digest: Digest | None, stamp: Stamp) -> LocalItem:
    """A file that we put on disk."""
    return LocalItem(parent, name, False, stamp.size, digest, None, stamp.mtime_ns, stamp.ctime_ns, stamp.inode)


def folder_here(parent: int, name: str, stamp: Stamp) -> LocalItem:
    """A folder that we made on disk."""
    return LocalItem(parent, name, True, 0, None, None, 0, 0, stamp.inode)


def value_of(outcome: ValueT | BaseException) -> ValueT:
    """What a worker gave, or raise what it raised."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def in_packs(sizes: Collection[tuple[int, int]], files: int, size_bytes: int) -> Iterator[list[int]]:
    """Group (key, bytes) in order into packs of at most so many files and bytes; a larger one comes alone."""
    pack: list[int] = []
    total = 0
    for key, size in sizes:
        if pack and (len(pack) >= files or total + size > size_bytes):
            yield pack
            pack, total = [], 0
        pack.append(key)
        total += size
    if pack:
        yield pack
