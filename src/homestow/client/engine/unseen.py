"""What is planned otherwise because something is left out; see `leaving` for the rules. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping

from homestow.client.engine.compare import Place, View
from homestow.client.engine.filters import Matcher
from homestow.client.engine.leaving import LEFT_OUT, left_in_there
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees

_BARE = "It holds only what the job's patterns leave out, so the other side does not get it."
_TAKEN = (
    "name-left-out",
    "Something that the job's patterns leave out has this name on the other side; give one of them another name.",
)
_DEEP = 4096


class Unseen:
    """Consulted by one planning.

    Args:
        left_in: folders in which the disk has something that is left out, with the names that may clash.
        final: where an item shall be in the end.

    Attributes:
        bare: see `find_bare`.
        taken: items that cannot have their name, told by `stops`.
    """

    def __init__(
        self,
        trees: Trees,
        matcher: Matcher,
        left_in: Mapping[int, Collection[str]],
        final: Callable[[int], Place | None],
    ) -> None:
        self._trees, self._matcher, self._final = trees, matcher, final
        self._left_here, self._left_there = left_in, left_in_there(trees)
        self.bare: set[int] = set()
        self.taken: list[Held] = []

    def would_be(self, items: Iterable[int]) -> list[int]:
        """See `would_be_left_out`."""
        return would_be_left_out(self._trees, self._matcher, items, self._final)

    def keeps(self, dropped_here: Collection[int], dropped_there: Collection[int]) -> list[int]:
        """Folders that are not deleted, for what is left out in them stays (SC-059, SC-128)."""
        here = [folder for folder in self._left_here if folder in dropped_there]
        return [*here, *(folder for folder in self._left_there if folder in dropped_here)]

    def find_bare(self, staying: Collection[int]) -> list[Held]:
        """Find the new folders of a side that hold only what is left out: they stay there alone (SC-059); told.

        Args:
            staying: the differing items that shall be somewhere in the end.
        """
        trees, held = self._trees, list[Held]()
        for left_in, look, on_other, path in (
            (self._left_here, trees.here, trees.is_there, trees.path_here),
            (self._left_there, trees.there, trees.is_here, trees.path_there),
        ):
            for folder in sorted(bare_folders(trees, left_in, staying, look, on_other), key=abs):
                self.bare.add(folder)
                if (where := path(folder)) is not None:
                    held.append(Held(where, LEFT_OUT, _BARE))
        return held

    def stops(self, view: View, final: Place | None) -> bool:
        """Whether nothing is done to an item now."""
        return view.item in self.bare or (
            final is not None and (self._is_taken(view, final) or self._is_early(view, final))
        )

    def _is_taken(self, view: View, final: Place) -> bool:
        """Whether its name is that of something left out on a side where it shall be; both stay as they are (R16)."""
        item, base, here, there = view
        parent, name = final
        taken = False
        if here is not None and (there is None or (there.parent, there.name) != final):
            taken = name in self._left_there.get(parent, ()) and (base is None or there is not None)
        elif there is not None and (here is not None or base is None):
            taken = name in self._left_here.get(parent, ()) and (here is None or (here.parent, here.name) != final)
        if taken and (path := self._trees.path_here(item) or self._trees.path_there(item)) is not None:
            self.taken.append(Held(path, *_TAKEN))
        return taken

    def _is_early(self, view: View, final: Place) -> bool:
        """Whether it would be left out where it can go now, because a folder above it has not got its name yet."""
        dropped = view.base is not None and (view.here is None or view.there is None)
        if dropped or not self._matcher.by_path:
            return False
        trees = self._trees
        alive = view.here or view.there
        is_folder = alive is not None and alive.folder
        for mine, look, path in (
            (view.here, trees.here, trees.path_here),
            (view.there, trees.there, trees.path_there),
        ):
            if mine is None or (mine.parent, mine.name) != final:
                where = present_path(trees, final, look, path, self._final)
                if where is not None and self._matcher.path(where, is_folder):
                    return True
        return False


def would_be_left_out(
    trees: Trees, matcher: Matcher, items: Iterable[int], final: Callable[[int], tuple[int, str] | None]
) -> list[int]:
    """What of the items, or above them, would be where the patterns leave out everything, at the places they shall have."""
    found: dict[int, None] = {}
    above: dict[int, str | None] = {trees.top: "/"}
    for item in items:
        trail: list[int] = []
        at = item
        while at not in above and (place := final(at)) is not None and len(trail) < _DEEP:
            trail.append(at)
            at = place[0]
        path = above.get(at)
        for each in reversed(trail):
            place, alive = final(each), trees.here(each) or trees.there(each)
            if path is not None and place is not None and alive is not None:
                if matcher.entry(path, place[1], alive.folder):
                    found[each] = None
                    path = None
                else:
                    path = matcher.below(path, place[1])
            above[each] = path
    return list(found)


def present_path(
    trees: Trees,
    place: tuple[int, str],
    look: Callable[[int], LocalItem | RemoteItem | None],
    path: Callable[[int], tuple[str, ...] | None],
    final: Callable[[int], tuple[int, str] | None],
) -> tuple[str, ...] | None:
    """Where a place is on one side now, when the folders above that are not there yet are made where they shall be."""
    folder, names = place[0], [place[1]]
    while folder != trees.top and look(folder) is None and len(names) < _DEEP:
        if (above := final(folder)) is None:
            return None
        folder = above[0]
        names.append(above[1])
    at = () if folder == trees.top else path(folder)
    return None if at is None else (*at, *reversed(names))


def bare_folders(
    trees: Trees,
    left_in: Iterable[int],
    staying: Iterable[int],
    look: Callable[[int], LocalItem | RemoteItem | None],
    on_other: Callable[[int], bool],
) -> set[int]:
    """Folders that one side alone has and in which there is nothing but what is left out, or other such folders.

    Args:
        left_in: folders in which something is left out.
        staying: the differing items that shall be somewhere in the end.
        look, on_other: an item on the side, and whether the other one has it.
    """
    bare: set[int] = set()
    for folder in left_in:
        while folder not in bare and folder not in trees.synced and not on_other(folder):
            if (seen := look(folder)) is None:
                break
            bare.add(folder)
            folder = seen.parent
    for item in staying if bare else ():
        if item not in bare and (seen := look(item)) is not None:
            folder = seen.parent
            while folder in bare and (seen := look(folder)) is not None:
                bare.discard(folder)
                folder = seen.parent
    return bare
