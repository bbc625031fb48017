"""An order in which one side's changes can be made: parents before children, moves before the deletes around them, and
names that go round in a circle through a passing name, where there is no other way (SC-077, SC-079, SC-086, SC-101).

The side is followed in the mind: each step that is chosen changes who has which name, until nothing more is possible.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from homestow.client.engine.compare import Place, is_passing, passing_name
from homestow.client.engine.steps import (
    Action,
    DeleteRemote,
    DownloadNew,
    Held,
    MakeLocalFolder,
    MakeRemoteFolder,
    MoveLocal,
    MoveRemote,
    RemoveLocal,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees


class Want(Enum):
    """What an item waits for."""

    MAKE = "make"
    MOVE = "move"
    DELETE = "delete"


class Side(NamedTuple):
    """One side as the schedule needs it: who is there and where, and the steps that change it."""

    top: int
    look: Callable[[int], LocalItem | RemoteItem | None]
    kids: Callable[[int], Iterator[int]]
    path: Callable[[int], tuple[str, ...] | None]
    key: Callable[[str], str]
    is_folder: Callable[[int], bool]
    make: Callable[[int], Action]
    move: Callable[[int, Place], Action]
    delete: Callable[[int], Action]
    deletes_whole: bool
    """Deleting a folder takes what is in it along; else it must be empty."""


@dataclass(slots=True)
class Ordered:
    """The steps in order: `shape` (folders, moves, and deletes these wait for), then `files`, then the other `deletes`."""

    shape: list[Action] = field(default_factory=list)
    files: list[Action] = field(default_factory=list)
    deletes: list[Action] = field(default_factory=list)


def _same(name: str) -> str:
    return name


def there_side(trees: Trees) -> Side:
    """The server."""

    def make(item: int) -> Action:
        here = trees.here(item)
        assert here is not None  # only what is on disk is made there
        return MakeRemoteFolder(item) if here.folder else UploadNew(item, here.stamp)

    def delete(item: int) -> Action:
        there = trees.there(item)
        assert there is not None  # only what is there is deleted
        return DeleteRemote(item, there.change, there.folder)

    def move(item: int, place: Place) -> Action:
        there = trees.there(item)
        return MoveRemote(item, *place, 0 if there is None else there.change)

    return Side(
        trees.top, trees.there, trees.kids_there, trees.path_there, _same, lambda item: _folder(trees, item),
        make, move, delete, deletes_whole=True,
    )  # fmt: skip


def here_side(trees: Trees, fold: Callable[[str], str] | None) -> Side:
    """The disk; `fold` says which names it takes for the same."""

    def make(item: int) -> Action:
        there = trees.there(item)
        assert there is not None  # only what is there is brought here
        return MakeLocalFolder(item) if there.folder else DownloadNew(item, there.rev, there.size)

    def delete(item: int) -> Action:
        here = trees.here(item)
        assert here is not None  # only what is here is removed
        return RemoveLocal(item, here.stamp, here.folder)

    def move(item: int, place: Place) -> Action:
        here = trees.here(item)
        assert here is not None  # only what is here is moved
        return MoveLocal(item, *place, here.stamp)

    return Side(
        trees.top, trees.here, trees.kids_here, trees.path_here, fold or _same, lambda item: _folder(trees, item),
        make, move, delete, deletes_whole=False,
    )  # fmt: skip


def _folder(trees: Trees, item: int) -> bool:
    alive = trees.here(item) or trees.there(item)
    return alive is not None and alive.folder


class Schedule:
    """Collects what one side needs, then `run` puts it in order; what cannot be done now is left out."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._pending: dict[int, tuple[Want, Place]] = {}
        self._places: dict[int, Place | None] = {}
        self._names: dict[int, dict[str, set[int]]] = {}
        self._to_empty: dict[int, list[int]] = {}
        self._failed: set[int] = set()
        self._clashed: dict[int, int] = {}
        self._deleted: set[int] = set()
        self._out = Ordered()
        self._last = False

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def make(self, item: int, place: Place) -> None:
        """The item shall be made at a place."""
        self._pending[item] = (Want.MAKE, place)

    def move(self, item: int, place: Place) -> None:
        """The item shall be at another place."""
        self._pending[item] = (Want.MOVE, place)

    def delete(self, item: int) -> None:
        """The item shall go, a folder with all that is in it."""
        self._pending[item] = (Want.DELETE, (0, ""))

    def vacate(self, item: int, parent: int) -> None:
        """Another step, taken before these, brings the item into `parent` under a name that nobody wants."""
        self._leave(item)
        self._enter(item, (parent, f"\0{item}"))

    # --- the order ----------------------------------------------------------------------------------------------------

    def run(self) -> Ordered:
        """The steps that can be taken, in order."""
        shape: list[int] = []
        files: list[int] = []
        deletes: list[int] = []
        for item, (want, _) in self._pending.items():
            if want is Want.DELETE:
                deletes.append(item)
            elif want is Want.MAKE and not self._side.is_folder(item):
                files.append(item)
            else:
                shape.append(item)
        for item in (*sorted(shape, key=abs), *sorted(files, key=abs)):
            self._reach(item)
        self._last = True
        for item in deletes:
            self._reach(item)
        if self._side.deletes_whole:
            self._out.shape = [step for step in self._out.shape if not self._covered(step)]
            self._out.deletes = [step for step in self._out.deletes if not self._covered(step)]
        return self._out

    def held(self) -> Iterator[Held]:
        """Names that this disk cannot hold beside another one (R15)."""
        for item, other in self._clashed.items():
            path = self._side.path(other)
            _, place = self._pending[item]
            if path is not None:
                yield Held(
                    (*path[:-1], place[1]), "case-clash", f"This disk takes the name for the same as {path[-1]!r}."
                )

    def _covered(self, step: Action) -> bool:
        if not isinstance(step, DeleteRemote):
            return False
        item = self._side.look(step.item)
        return item is not None and item.parent in self._deleted

    def _reach(self, wanted: int) -> None:
        """Do what `wanted` waits for, then it; in a circle, let one of it pass through another name."""
        stack, on_stack = [wanted], {wanted}
        while stack:
            item = stack[-1]
            if item not in self._pending or item in self._failed:
                on_stack.discard(stack.pop())
                continue
            blocker = self._blocker(item)
            if blocker is None:
                self._do(item)
            elif blocker in self._pending and blocker not in self._failed:
                if blocker not in on_stack:
                    stack.append(blocker)
                    on_stack.add(blocker)
                elif (freed := self._pass(stack[stack.index(blocker) :])) is None:
                    self._failed.add(item)
                else:
                    while stack[-1] != freed:
                        on_stack.discard(stack.pop())
            else:
                self._failed.add(item)

    def _blocker(self, item: int) -> int | None:
        """The item that has to go, come or move first; None when nothing is in the way; itself when it cannot be done."""
        want, (parent, name) = self._pending[item]
        if want is Want.DELETE:
            return self._still_in(item)
        if not self._alive(parent):
            return parent
        for other in self._having(parent, name):
            if other != item:
                if other not in self._pending or other in self._failed:
                    seen = self._side.look(other)
                    if seen is not None and seen.name != name:
                        self._clashed[item] = other
                return other
        if want is Want.MOVE and self._side.is_folder(item):
            mover = item
            for above in (parent, *self._above(parent)):
                if above == item:
                    return mover
                if mover == item and above in self._pending and above not in self._failed:
                    mover = above
        return None

    def _still_in(self, folder: int) -> int | None:
        if folder not in self._to_empty:
            self._to_empty[folder] = sorted(self._side.kids(folder), key=abs)
        kids = self._to_empty[folder]
        while kids:
            place = self._place(kids[-1])
            if place is not None and place[0] == folder:
                return kids[-1]
            kids.pop()
        return None

    def _do(self, item: int) -> None:
        want, place = self._pending.pop(item)
        match want:
            case Want.DELETE:
                self._leave(item)
                self._places[item] = None
                self._deleted.add(item)
                (self._out.deletes if self._last else self._out.shape).append(self._side.delete(item))
            case Want.MOVE:
                self._leave(item)
                self._enter(item, place)
                self._out.shape.append(self._side.move(item, place))
            case Want.MAKE:
                self._enter(item, place)
                step = self._side.make(item)
                (self._out.shape if self._side.is_folder(item) else self._out.files).append(step)

    def _pass(self, circle: list[int]) -> int | None:
        """Break a circle: one that moves, and whose name another one in it wants, goes aside for a moment.

        Gives the one whose way is free now; None when nothing in the circle can go aside.
        """
        for waiter, blocker in zip(circle, (*circle[1:], circle[0]), strict=True):
            aside = self._aside(waiter, blocker)
            if aside is not None:
                self._leave(blocker)
                self._enter(blocker, aside)
                self._out.shape.append(self._side.move(blocker, aside))
                return waiter
        return None

    def _aside(self, waiter: int, blocker: int) -> Place | None:
        """Where the blocker can go so that the waiter's way is free."""
        want, (target, _) = self._pending[blocker]
        waits, (parent, name) = self._pending[waiter]
        place = self._place(blocker)
        if want is not Want.MOVE or place is None or is_passing(blocker, place[1]):
            return None
        if waits is Want.DELETE:
            return self._passing(self._outside(waiter, blocker, target), blocker)
        return self._passing(place[0], blocker) if blocker in self._having(parent, name) else None

    def _passing(self, folder: int, item: int) -> Place:
        """The item's passing name there; others may have left something that bears it."""
        names = (passing_name(item), *(f"{passing_name(item)}-{number}" for number in range(2, 100)))
        return folder, next((name for name in names if not self._having(folder, name)), names[-1])

    def _outside(self, going: int, item: int, target: int) -> int:
        """A folder that stays, for an item in a folder that goes: the one where it shall be, else the nearest above."""
        around = (target, *self._above(target))
        if self._alive(target) and going not in around and item not in around:
            return target
        for folder in self._above(going):
            if folder not in self._pending or self._pending[folder][0] is not Want.DELETE:
                return folder
        return self._side.top

    def _above(self, folder: int) -> Iterator[int]:
        """The folders above, up to the top."""
        while folder != self._side.top and (place := self._place(folder)) is not None:
            folder = place[0]
            yield folder

    # --- who is where, in the mind ------------------------------------------------------------------------------------

    def _place(self, item: int) -> Place | None:
        if item in self._places:
            return self._places[item]
        seen = self._side.look(item)
        return None if seen is None else (seen.parent, seen.name)

    def _alive(self, folder: int) -> bool:
        return folder == self._side.top or self._place(folder) is not None

    def _having(self, parent: int, name: str) -> tuple[int, ...]:
        return tuple(self._index(parent).get(self._side.key(name), ()))

    def _index(self, parent: int) -> dict[str, set[int]]:
        index = self._names.get(parent)
        if index is None:
            index = self._names[parent] = {}
            for kid in self._side.kids(parent):
                place = self._place(kid)
                if place is not None and place[0] == parent:
                    index.setdefault(self._side.key(place[1]), set()).add(kid)
        return index

    def _leave(self, item: int) -> None:
        place = self._place(item)
        if place is not None:
            self._index(place[0]).get(self._side.key(place[1]), set()).discard(item)

    def _enter(self, item: int, place: Place) -> None:
        self._index(place[0]).setdefault(self._side.key(place[1]), set()).add(item)
        self._places[item] = place
