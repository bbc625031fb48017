"""What a job does not see of its two sides, kept out of its trees. Pure.

Two things narrow what a job sees of the server: patterns (`filters`), and that its top is a folder of the root, not all of it.
The trees hold what is seen, and nothing else: the look at the disk passes over what the patterns leave out, and so does what
takes the server's news. A node that is left out is remembered as passed over, the topmost one for all that is in it. The rules:

- What is agreed and comes to match because the patterns or the names of the folders above it are others now is forgotten on
  both sides and stays on both (`leave_out`): a pattern deletes nothing (SC-129).
- What somebody moves out of sight on the server is gone for us, as if they had deleted it: it is removed here unless it was
  edited here (R6).
- What somebody moves out of sight on this computer by giving it a name that matches stays on the server, and so comes back
  under its old name; into a folder that is left out, or out of the job's folder, it is deleted (SC-098).
- A folder that comes into sight on the server brings what it holds, which the server does not tell by itself: the caller has
  to list it (`unlisted`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from homestow.client.engine.filters import NOTHING, Matcher
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import Passed, Trees
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node

LEFT_OUT = "left-out"
"""The code of what is told of things left out, and of files that are passed over for it."""

LEFT_OUT_FOLDER = "left-out-folder"
"""Likewise, of folders; never told."""

_CODES = frozenset((LEFT_OUT, LEFT_OUT_FOLDER))
_DEEP = 4096


class LeftIn(NamedTuple):
    """What is left out in a folder of this computer: how much, the path of one, and the names where these may clash."""

    number: int
    example: tuple[str, ...]
    names: frozenset[str]


class Scope(NamedTuple):
    """What a job sees: all but what `matcher` leaves out; `part` when its top is a folder of the root."""

    matcher: Matcher
    part: bool = False

    @property
    def narrow(self) -> bool:
        """Whether there is anything on the server that it does not see."""
        return self.part or bool(self.matcher)


EVERYTHING = Scope(NOTHING.matcher())


def leave_out(trees: Trees, item: int) -> None:
    """Forget an item and all below on both sides: nothing is agreed on it any more, and nothing is done to it.

    What of it is elsewhere on one side by now is new there.
    """
    theirs = trees.there(item)
    if theirs is not None:
        code = LEFT_OUT_FOLDER if theirs.folder else LEFT_OUT
        trees.set_passed(item, Passed(theirs.parent, theirs.name, code))
    here, there = [*trees.all_here(item), item], [*trees.all_there(item), item]
    for each in reversed(there):
        trees.set_there(each, None)
        trees.forget_earlier(each)
    for each in reversed(here):
        trees.set_here(each, None)
    for each in {*here, *there}:
        if trees.is_here(each) and each > 0:
            trees.rename(each, trees.new_id())
        elif each in trees.synced:
            trees.set_synced(each, None)


def review(trees: Trees, matcher: Matcher) -> None:
    """Other patterns hold from now on: leave out all that matches them on either side.

    What does not match any more is found by listing both sides anew.
    """
    for kids, look in ((trees.kids_there, trees.there), (trees.kids_here, trees.here)):
        waiting = [(trees.top, "/")]
        while waiting:
            folder, above = waiting.pop()
            for item in list(kids(folder)):
                seen = look(item)
                if seen is None:
                    continue
                if matcher.entry(above, seen.name, seen.folder):
                    leave_out(trees, item)
                elif seen.folder:
                    waiting.append((item, matcher.below(above, seen.name)))


class Above:
    """Where folders of the server are, as `Matcher.entry` wants it; each is asked once."""

    def __init__(self, trees: Trees, look: Callable[[int], tuple[int, str] | None] | None = None) -> None:
        self._trees = trees
        self._look = look or self._there
        self._known: dict[int, str | None] = {trees.top: "/"}

    def _there(self, folder: int) -> tuple[int, str] | None:
        theirs = self._trees.there(folder)
        return None if theirs is None or not theirs.folder else (theirs.parent, theirs.name)

    def of(self, folder: int) -> str | None:
        """The path with a "/" at its end, None when the folder or one above it is not seen."""
        trail: list[tuple[int, str]] = []
        at, known = folder, self._known
        while at not in known:
            place = self._look(at)
            if place is None or len(trail) > _DEEP:
                known[at] = None
                break
            trail.append((at, place[1]))
            at = place[0]
        path = known[at]
        for each, name in reversed(trail):
            path = None if path is None else Matcher.below(path, name)
            known[each] = path
        return path


def take_out(trees: Trees, told: Iterable[int], before: Mapping[int, tuple[int, str] | None], scope: Scope) -> None:
    """Take out of the remote tree what of the nodes just told the job does not see.

    Args:
        told: the nodes, all taken into the tree.
        before: where those were that changed; None: not known. The others are where they were.
    """
    above = Above(trees)
    for node in told:
        theirs = trees.there(node)
        if theirs is None:
            passed = trees.passed.get(node)
            if passed is not None and above.of(passed.parent) is None:
                trees.set_passed(node, None)
            continue
        path = above.of(theirs.parent)
        if path is None:
            if not _waits(trees, theirs.parent):
                _gone(trees, node, before)
        elif scope.matcher.entry(path, theirs.name, theirs.folder):
            code = LEFT_OUT_FOLDER if theirs.folder else LEFT_OUT
            if before.get(node, (theirs.parent, theirs.name)) == (theirs.parent, theirs.name):
                leave_out(trees, node)
            else:
                _gone(trees, node, before)
            trees.set_passed(node, Passed(theirs.parent, theirs.name, code))


def _waits(trees: Trees, folder: int) -> bool:
    """Whether a folder above is one that no disk should have: what was agreed of it stays (R16)."""
    for _ in range(_DEEP):
        if (theirs := trees.there(folder)) is None:
            passed = trees.passed.get(folder)
            return passed is not None and passed.code not in _CODES
        folder = theirs.parent
    return False


def _gone(trees: Trees, node: int, before: Mapping[int, tuple[int, str] | None]) -> None:
    for each in [*trees.all_there(node), node]:
        if each not in before:
            trees.keep_earlier(each)
        trees.set_there(each, None)


def unlisted(trees: Trees, nodes: Sequence[Node], scope: Scope) -> list[int]:
    """The folders among these news that come into sight, the topmost ones: what they hold has to be listed."""
    if not scope.narrow:
        return []
    latest = {node.id: node for node in nodes}

    def place(folder: int) -> tuple[int, str] | None:
        node = latest.get(NodeId(folder))
        if node is not None:
            return (
                None if node.gone or node.kind is not Kind.FOLDER or node.parent is None else (node.parent, node.name)
            )
        theirs = trees.there(folder)
        return None if theirs is None or not theirs.folder else (theirs.parent, theirs.name)

    above = Above(trees, place)
    coming: dict[int, Node] = {}
    for node in latest.values():
        if node.kind is Kind.FOLDER and not node.gone and node.id != trees.top and not trees.is_there(node.id):
            if (path := above.of(node.id)) is not None and not scope.matcher.path(path.strip("/").split("/"), True):
                coming[node.id] = node
    return [node.id for node in coming.values() if not _under(node.parent, coming, place)]


def _under(folder: int | None, coming: Mapping[int, Node], place: Callable[[int], tuple[int, str] | None]) -> bool:
    while folder is not None and folder not in coming:
        found = place(folder)
        folder = None if found is None else found[0]
    return folder is not None


def back_in_sight(trees: Trees, matcher: Matcher) -> list[int]:
    """Nodes that were left out and are not any more, because folders above them have other names: to be asked for anew."""
    if not matcher.by_path:
        return []
    above, found = Above(trees), []
    for node, passed in trees.passed.items():
        if passed.code in _CODES:
            path = above.of(passed.parent)
            if path is not None and not matcher.entry(path, passed.name, passed.code == LEFT_OUT_FOLDER):
                found.append(node)
    return found


def left_in_there(trees: Trees) -> dict[int, set[str]]:
    """The folders on the server in which something is left out, with its names."""
    found: dict[int, set[str]] = {}
    for passed in trees.passed.values():
        if passed.code in _CODES:
            found.setdefault(passed.parent, set()).add(passed.name)
    return found


# --- for people -------------------------------------------------------------------------------------------------------


def told_here(count: int, example: Sequence[str]) -> Held:
    """So much is left out on this computer; one line for all."""
    return Held(tuple(example), LEFT_OUT, f"Left out on this computer by the job's patterns: {_counted(count)}.")


def told_there(trees: Trees) -> list[Held]:
    """What is left out on the server, in one line; nothing when nothing is."""
    left = [passed for passed in trees.passed.values() if passed.code in _CODES]
    paths = ((*path, passed.name) for passed in left if (path := trees.path_there(passed.parent)) is not None)
    first = min(paths, default=None)
    if first is None:
        return []
    return [Held(first, LEFT_OUT, f"Left out on the server by the job's patterns: {_counted(len(left))}.")]


def _counted(count: int) -> str:
    return "this one" if count == 1 else f"{count:,} files and folders, such as this one"
