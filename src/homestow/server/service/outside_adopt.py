"""Adopting a folder that nobody knew: nodes for all that stands in it, as fast as they can be written.

A hundred thousand files a second matter here, so that nothing is made for a single file but what is written; otherwise this
does what `outside_record` does for new entries.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from homestow.server.ports.catalogue import FoundRow, Rows
from homestow.server.ports.content import Entry, EntryKind
from homestow.server.service.outside_record import KINDS, Folder, New
from homestow.values.errors import BadName
from homestow.values.ids import NodeId, RootId
from homestow.values.paths import MAX_DEPTH, check_name, nfc, numbered


class Standing(NamedTuple):
    """What stands in one folder and can be a node; `inner` are the folders among it in their order."""

    folder: Folder
    entries: Sequence[Entry]
    inner: list[Folder]


def standing_in(folder: Folder, entries: Sequence[Entry]) -> tuple[Standing, list[tuple[str, str]]]:
    """What of a folder can be adopted; and names of what cannot, each with the reason (R16)."""
    deep = len(folder.location) + 1 >= MAX_DEPTH
    if not deep and {stat[0] for _, stat in entries} <= {EntryKind.FILE} and _are_plain([name for name, _ in entries]):
        return Standing(folder, entries, []), []  # most folders of large trees
    good: list[Entry] = []
    inner: list[Folder] = []
    refused: list[tuple[str, str]] = []
    for entry in entries:
        try:
            check_entry(entry, deep)
        except BadName as error:
            refused.append((entry.name, error.message))
            continue
        good.append(entry)
        if entry.stat.kind is EntryKind.FOLDER:
            inner.append(Folder(None, (*folder.location, entry.name)))
    return Standing(folder, good, inner), refused


def check_entry(entry: Entry, deep: bool, known: bool = False) -> None:
    """Whether an entry can be a node.

    Args:
        deep: it lies deeper than nodes may.
        known: a node has its name.

    Raises:
        BadName: with the reason.
    """
    if entry.stat.kind not in KINDS:
        raise BadName("it is neither file, folder nor link")
    if deep:
        raise BadName("it lies too deep")
    if not known and not entry.name.isascii():
        check_name(entry.name)


def adopt(rows: Rows, root: RootId, standing: Sequence[Standing]) -> int:
    """Nodes for what stands in folders, those above before those in them; how many.

    Nothing can be in the way but two spellings of one name (R15), which are numbered.

    Raises:
        PathTaken: somebody put something into the root meanwhile.
    """
    names, stats = zip(*chain.from_iterable(entries for _, entries, _ in standing), strict=True)
    kinds, sizes, mtimes, ctimes, inodes, births = zip(*stats, strict=True)
    count = len(names)
    first = rows.take_ids(count)
    _number_folders(standing, first)
    parents = list(chain.from_iterable(repeat(known(folder), len(entries)) for folder, entries, _ in standing))
    change = rows.take_numbers(count, {known(folder) for folder, _, _ in standing})
    shown = _shown(names, parents)
    file, files = EntryKind.FILE, kinds.count(EntryKind.FILE)
    if files < count:
        sizes = tuple(size if kind is file else 0 for kind, size in zip(kinds, sizes, strict=True))
    # Column by column, so that the rows are put together by loops in C.
    made: Iterator[FoundRow] = zip(
        map(NodeId, range(first, first + count)), parents, shown,
        ["file" if kind is file else KINDS[kind].value for kind in kinds], [1 if kind is file else 0 for kind in kinds],
        range(change, change + count), sizes, mtimes, inodes, births, ctimes, strict=True,
    )  # fmt: skip
    rows.adopt(root, made)
    if shown is not names:
        for node, (parent, name, people_see) in enumerate(zip(parents, names, shown, strict=True), first):
            if people_see != name:
                rows.set_location(NodeId(node), parent, name)
    rows.charge(root, live=sum(sizes), files=files, entries=count)
    return count


def as_new(standing: Sequence[Standing]) -> list[New]:
    """The same as new entries of a root in which something is already, none of them with a node yet."""
    for _, _, inner in standing:
        for folder in inner:
            folder.id = None
    new: list[New] = []
    for folder, entries, inner in standing:
        folders = iter(inner)
        for name, stat in entries:
            below = next(folders) if stat.kind is EntryKind.FOLDER else None
            new.append(New(folder, name, KINDS[stat.kind], stat, below))
    return new


def known(folder: Folder) -> NodeId:
    """The node of a folder that has one."""
    assert folder.id is not None
    return folder.id


def _number_folders(standing: Sequence[Standing], node: NodeId) -> None:
    for _, entries, inner in standing:
        if inner:
            at = (number for number, entry in enumerate(entries, node) if entry.stat.kind is EntryKind.FOLDER)
            for folder, number in zip(inner, at, strict=True):
                folder.id = NodeId(number)
        node = NodeId(node + len(entries))


def _shown(names: Sequence[str], parents: Sequence[NodeId]) -> Sequence[str]:
    """Names as people see them: composed, and numbered where a folder has two spellings of one."""
    if _are_plain(names):
        return names
    taken: dict[NodeId, set[str]] = {}
    shown: list[str] = []
    for name, parent in zip(names, parents, strict=True):
        if not name.isascii():
            others = taken.setdefault(parent, set())
            name = numbered(nfc(name), others)
            others.add(name)
        shown.append(name)
    return shown


def _are_plain(names: Sequence[str]) -> bool:
    return "".join(names).isascii()
