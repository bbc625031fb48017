"""The listing as arrays in memory: one pass over an order answers any query.

A file has a slot; what the columns hold of a slot never changes. For each sort there is an *order*: the slots of all files,
sorted. Files that agree in folder, uploader, kind and being hidden share a *cell*, with how many they are. A query chooses
cells (their counts are the total), marks them, and walks an order, from its nearer end, counting files of marked cells.
Walking over a million files takes about three milliseconds, so that no filter and no distribution needs more than that.

Whoever reads takes one `_State`, which an update replaces as a whole; arrays of a state are only ever added to behind what
the state shows. A changed file gets another slot; lost slots are given back when they are many.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from homestow.server.adapters import listing_file
from homestow.server.ports.listing import FolderFact, Listed, ReadTo, Sort, Wanted
from homestow.values.ids import NodeId

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_Some = tuple[int, ...] | None
_Asked = tuple[_Some, _Some, _Some, int | None]
_Number = TypeVar("_Number", bound=np.generic)

# A cell's key, from its highest bit: folder, uploader (0: none), kind as power of two, hidden.
_HIDDEN = 1
_KIND_AT, _UPLOADER_AT, _FOLDER_AT = 1, 4, 27
_KIND_MASK, _UPLOADER_MASK = 7, (1 << (_FOLDER_AT - _UPLOADER_AT)) - 1
_OTHER = 4
_KINDS = {1: 0, 2: 1, 4: 2, 8: 3, 16: _OTHER}
_PIXELS = 1 << 26
_SORTS = len(Sort)
_STEP, _LONGEST_STEP = 4096, 131_072
_MOST_LOST = 10_000
_LEAST_ROOM = 1000
_MOST_FOLDER = 1 << (63 - _FOLDER_AT)
_FEW = 16
_MOST_MARKED = 16


@dataclass(frozen=True, slots=True)
class _State:
    """What readers see.

    Attributes:
        nodes, cells: node and cell of a slot.
        orders: slots of all files for each sort, in the order of `Sort`.
        keys, counts, roots, live: of cells. A cell is live while its folder and all above it stand.
        sorted_keys, sorted_cells: keys in order, and the cell of each.
        marked: what last queries came to: cells they have, and how many files.
    """

    read_to: ReadTo
    nodes: Ints
    cells: Small
    orders: tuple[Small, ...]
    keys: Ints
    counts: Ints
    roots: Ints
    live: Flags
    sorted_keys: Ints
    sorted_cells: Small
    marked: dict[_Asked, tuple[Flags, int]] = field(default_factory=dict)


def _nothing() -> _State:
    ints, small = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return _State(
        ReadTo("", 0, 0), ints, small, (small,) * _SORTS, ints, ints, ints, np.zeros(0, np.bool_), ints, small
    )


class ArrayListing:
    """`ports.listing.Listing` in memory; about 80 bytes for each file.

    Args:
        path: where `save` puts it and from where it is taken at first; None: nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._state = _nothing()
        self._used = 0
        self._sort_keys: list[Floats] = []
        self._folders = _Folders.none()
        self._reset()
        if path is not None:
            self._load(path)

    # --- reading --------------------------------------------------------------------------------------------------

    def read_to(self) -> ReadTo:
        """How far it is derived."""
        return self._state.read_to

    def count(self, wanted: Wanted) -> int:
        """The total."""
        return _marked(self._state, wanted)[1]

    def page(self, wanted: Wanted, start: int, limit: int) -> tuple[list[NodeId], int]:
        """A page and the total."""
        state = self._state
        marked, total = _marked(state, wanted)
        stop = min(total, start + limit)
        if start >= stop:
            return [], total
        # Positions among the marked files of the ascending order.
        low, high = (total - stop, total - start) if wanted.descending else (start, stop)
        order = state.orders[wanted.sort]
        if low <= total - high:
            slots = _walk(order, state.cells, marked, low, high - low)
        else:
            slots = _walk(order[::-1], state.cells, marked, total - high, high - low)[::-1]
        if wanted.descending:
            slots = slots[::-1]
        return state.nodes[slots].tolist(), total

    def folder_counts(self, folders: Collection[NodeId]) -> dict[NodeId, int]:
        """Files directly in folders."""
        state = self._state
        starts, stops = _ranges(state, _ids(folders))
        return {
            folder: int(state.counts[state.sorted_cells[start:stop]].sum())
            for folder, start, stop in zip(folders, starts.tolist(), stops.tolist(), strict=True)
        }

    def slots(self) -> int:
        """How many slots are in use, lost ones too."""
        return self._used

    # --- writing --------------------------------------------------------------------------------------------------

    def update(
        self, put: Collection[Listed], drop: Collection[NodeId], folders: Collection[FolderFact], read_to: ReadTo
    ) -> None:
        """All or nothing."""
        with self._writing:
            state, known = self._state, self._folders
            rows = list({row.node: row for row in put}.values())
            if folders or known.has_any([*drop, *(row.node for row in rows)]):
                known, state = _with_folders(known, state, rows, drop, folders)
            if rows or drop or folders:
                state = self._with_files(known, state, rows, drop, folders)
            self._folders, self._state = known, replace(state, read_to=read_to, marked={})
            lost = self._used - len(state.orders[0])
            if lost > _MOST_LOST and lost > self._used // 4:
                self._compact(state.orders[0])
            if len(self._state.nodes) - self._used < _LEAST_ROOM and self._used > _LEAST_ROOM:
                # Now, so that not the next one waits for it who only changed a file.
                self._state = self._with_room(self._state, self._used)

    def clear(self) -> None:
        """Forget everything."""
        with self._writing:
            self._reset()

    def save(self) -> None:
        """Write the file, without files in folders that do not stand: those are told anew when a folder comes back."""
        if self._path is None:
            return
        with self._writing:
            state = self._state
            by_node = state.orders[Sort.NONE]
            standing = by_node[state.live[state.cells[by_node]]]
            if len(standing) < self._used:
                self._compact(standing)
                state = self._state
            used = self._used
            arrays: list[listing_file.Array] = [state.nodes[:used], state.cells[:used], *state.orders]
            arrays += [keys[:used] for keys in self._sort_keys]
            arrays += [state.keys, state.counts, state.roots, state.live, state.sorted_keys, state.sorted_cells]
            arrays += self._folders.standing()
        listing_file.save(self._path, state.read_to, arrays)

    def _load(self, path: Path) -> None:
        found = listing_file.load(path)
        if found is None:
            return
        read_to, arrays = found
        nodes, cells, *rest = arrays
        orders, rest = tuple(rest[:_SORTS]), rest[_SORTS:]
        self._sort_keys, rest = rest[: _SORTS - 1], rest[_SORTS - 1 :]
        keys, counts, roots, live, sorted_keys, sorted_cells = rest[:6]
        self._state = _State(read_to, nodes, cells, orders, keys, counts, roots, live, sorted_keys, sorted_cells)
        self._folders = _Folders(*rest[6:])
        self._used = len(nodes)
        self._state = self._with_room(self._state, self._used)

    def _reset(self) -> None:
        self._state = _nothing()
        self._used = 0
        self._sort_keys = [np.zeros(0, np.float64) for _ in range(_SORTS - 1)]
        self._folders = _Folders.none()

    def _with_files(
        self, known: "_Folders", state: _State, put: list[Listed], drop: Collection[NodeId],
        folders: Collection[FolderFact],
    ) -> _State:  # fmt: skip
        lost = _slots_of(state, [*(row.node for row in put), *drop, *(fact.folder for fact in folders)])
        nodes, cell_keys, sort_keys = _columns(put)
        state, cells = _with_cells(known, state, cell_keys)
        counts = state.counts + np.bincount(cells, minlength=len(state.keys))
        counts -= np.bincount(state.cells[lost], minlength=len(state.keys))
        state = self._add(state, nodes, cells, sort_keys)
        fresh = np.arange(self._used - len(nodes), self._used, dtype=np.int32)
        orders = []
        for sort in range(_SORTS):
            keys = self._sort_keys[sort - 1] if sort else None
            order = state.orders[sort]
            if len(lost):
                order = np.delete(order, _places(order, keys, state.nodes, lost))
            if len(fresh):
                own = fresh[np.lexsort((nodes,) if keys is None else (nodes, sort_keys[sort - 1]))]
                order = np.insert(order, _places(order, keys, state.nodes, own), own)
            orders.append(order)
        return replace(state, counts=counts, orders=tuple(orders))

    def _add(self, state: _State, nodes: Ints, cells: Small, sort_keys: list[Floats]) -> _State:
        """Fill the next slots; nobody reads those yet."""
        start, stop = self._used, self._used + len(nodes)
        if stop > len(state.nodes):
            state = self._with_room(state, stop)
        state.nodes[start:stop] = nodes
        state.cells[start:stop] = cells
        for column, keys in zip(self._sort_keys, sort_keys, strict=True):
            column[start:stop] = keys
        self._used = stop
        return state

    def _with_room(self, state: _State, slots: int) -> _State:
        """Room for so many slots and some more."""
        room = slots + slots // 4 + 1024
        self._sort_keys = [_grown(keys, room) for keys in self._sort_keys]
        return replace(state, nodes=_grown(state.nodes, room), cells=_grown(state.cells, room))

    def _compact(self, by_node: Small) -> None:
        """Keep these slots only, in this order; and cells that files are in."""
        state = self._state
        numbers = np.full(self._used, -1, np.int32)
        numbers[by_node] = np.arange(len(by_node), dtype=np.int32)
        orders = []
        for order in state.orders:
            order = numbers[order]
            orders.append(order[order >= 0])
        cells = state.cells[by_node]
        counts = np.bincount(cells, minlength=len(state.keys)).astype(np.int64)
        kept = np.flatnonzero(counts)
        cell_numbers = np.zeros(len(state.keys), np.int32)
        cell_numbers[kept] = np.arange(len(kept), dtype=np.int32)
        by_key = np.argsort(state.keys[kept])
        self._sort_keys = [keys[by_node] for keys in self._sort_keys]
        self._used = len(by_node)
        self._state = _State(
            state.read_to, state.nodes[by_node], cell_numbers[cells], tuple(orders), state.keys[kept], counts[kept],
            state.roots[kept], state.live[kept], state.keys[kept][by_key], by_key.astype(np.int32),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Folders:
    """All folders by id, with parent (0: none), root, whether each was deleted itself, and whether it stands."""

    ids: Ints
    parents: Ints
    roots: Ints
    gone: Flags
    live: Flags

    @classmethod
    def none(cls) -> "_Folders":
        """No folders."""
        ints, flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return cls(ints, ints, ints, flags, flags)

    def standing(self) -> list[listing_file.Array]:
        """What the constructor takes, of those that stand."""
        return [array[self.live] for array in (self.ids, self.parents, self.roots, self.gone, self.live)]

    def of(self, folders: Ints) -> tuple[Ints, Flags]:
        """Roots of folders and whether they stand; 0 and no for unknown ones."""
        at, known = self._find(folders)
        roots, live = np.zeros(len(folders), np.int64), np.zeros(len(folders), np.bool_)
        roots[known], live[known] = self.roots[at[known]], self.live[at[known]]
        return roots, live

    def has_any(self, nodes: Collection[NodeId]) -> bool:
        """Whether one of them is a folder here."""
        return bool(self._find(np.array(nodes, np.int64))[1].any())

    def changed(self, facts: Collection[FolderFact], no_folders: Collection[NodeId]) -> "tuple[_Folders, Ints]":
        """With other facts; and ids of folders of which root or standing is another now, new ones among them."""
        by_id = {fact.folder: fact for fact in facts}
        told = [by_id[folder] for folder in sorted(by_id)]
        asked = np.array([fact.folder for fact in told], np.int64)
        fresh = asked[~self._find(asked)[1]]
        where = np.searchsorted(self.ids, fresh)
        ids = np.insert(self.ids, where, fresh)
        parents, roots = np.insert(self.parents, where, 0), np.insert(self.roots, where, 0)
        gone, before = np.insert(self.gone, where, False), np.insert(self.live, where, False)
        at = np.searchsorted(ids, asked)
        old_roots = roots.copy()
        parents[at] = [fact.parent or 0 for fact in told]
        roots[at] = [fact.root for fact in told]
        gone[at] = [fact.gone for fact in told]
        found = _Folders(ids, parents, roots, gone, before)
        at, known = found._find(np.array(no_folders, np.int64))
        gone[at[known]] = True
        live = found._stands()
        return replace(found, live=live), ids[(roots != old_roots) | (live != before)]

    def _stands(self) -> Flags:
        """Which folders stand: themselves, and all above them up to one without parent."""
        above, known = self._find(self.parents)
        live: Flags = ~self.gone & (known | (self.parents == 0))
        above = np.where(known, above, np.arange(len(self.ids)))
        for _ in range(len(self.ids).bit_length() + 1):
            # Each turn looks twice as far up.
            live = live & live[above]
            further = above[above]
            if np.array_equal(further, above):
                break
            above = further
        # While half of several moves is told, folders may seem to be in one another: none of those stands.
        live &= self.parents[above] == 0
        return live

    def _find(self, folders: Ints) -> tuple[Ints, Flags]:
        at = np.searchsorted(self.ids, folders)
        known = at < len(self.ids)
        known[known] = self.ids[at[known]] == folders[known]
        return at, known


def _with_folders(
    known: _Folders, state: _State, put: list[Listed], drop: Collection[NodeId], facts: Collection[FolderFact]
) -> tuple[_Folders, _State]:
    known, changed = known.changed(facts, [*drop, *(row.node for row in put)])
    at = state.sorted_cells[_spread(*_ranges(state, changed))]
    if not len(at):
        return known, state
    roots, live = state.roots.copy(), state.live.copy()
    roots[at], live[at] = known.of(state.keys[at] >> _FOLDER_AT)
    return known, replace(state, roots=roots, live=live)


def _with_cells(known: _Folders, state: _State, keys: Ints) -> tuple[_State, Small]:
    """The state with cells for all these keys, and the cell of each."""
    asked, back = np.unique(keys, return_inverse=True)
    at = np.searchsorted(state.sorted_keys, asked)
    have = at < len(state.sorted_keys)
    have[have] = state.sorted_keys[at[have]] == asked[have]
    fresh, where = asked[~have], at[~have]
    if len(fresh):
        numbers = np.arange(len(state.keys), len(state.keys) + len(fresh), dtype=np.int32)
        roots, live = known.of(fresh >> _FOLDER_AT)
        state = replace(
            state,
            keys=np.concatenate((state.keys, fresh)),
            counts=np.concatenate((state.counts, np.zeros(len(fresh), np.int64))),
            roots=np.concatenate((state.roots, roots)),
            live=np.concatenate((state.live, live)),
            sorted_keys=np.insert(state.sorted_keys, where, fresh),
            sorted_cells=np.insert(state.sorted_cells, where, numbers),
        )
        at = np.searchsorted(state.sorted_keys, asked)
    return state, state.sorted_cells[at][back]


def _slots_of(state: _State, nodes: list[NodeId]) -> Small:
    """Slots of those nodes that have one."""
    asked = np.unique(np.array(nodes, np.int64))
    order = state.orders[Sort.NONE]
    at = _bisect(order, lambda slots: state.nodes[slots] < asked, len(asked))
    inside = at < len(order)
    slots = order[at[inside]]
    found: Small = slots[state.nodes[slots] == asked[inside]]
    return found


def _places(order: Small, keys: Floats | None, nodes: Ints, slots: Small) -> Ints:
    """Where slots are in an order, or would be inserted: it is sorted by key and node."""
    wanted_nodes = nodes[slots]
    if keys is None:
        return _bisect(order, lambda at: nodes[at] < wanted_nodes, len(slots))
    of, wanted = keys, keys[slots]

    def before(at: Small) -> Flags:
        found = of[at]
        less: Flags = (found < wanted) | ((found == wanted) & (nodes[at] < wanted_nodes))
        return less

    return _bisect(order, before, len(slots))


def _bisect(order: Small, before: Callable[[Small], Flags], count: int) -> Ints:
    """For each of `count` wanted things the first place of an order that does not come before it; all at once."""
    low, high = np.zeros(count, np.int64), np.full(count, len(order), np.int64)
    if not len(order):
        return low
    for _ in range(len(order).bit_length()):
        middle = (low + high) >> 1
        searching = low < high
        less = before(order[np.minimum(middle, len(order) - 1)]) & searching
        low = np.where(less, middle + 1, low)
        high = np.where(searching & ~less, middle, high)
    return low


def _ranges(state: _State, folders: Ints) -> tuple[Ints, Ints]:
    """Where cells of folders begin and end in the sorted ones."""
    starts = np.searchsorted(state.sorted_keys, folders << _FOLDER_AT)
    return starts, np.searchsorted(state.sorted_keys, (folders + 1) << _FOLDER_AT)


def _ids(folders: Collection[NodeId]) -> Ints:
    """As an array, with 0 for what is in no cell: very large numbers would wrap around in a cell's key."""
    try:
        ids = np.fromiter(folders, np.int64, len(folders))
    except OverflowError:
        ids = np.array([folder if 0 < folder < _MOST_FOLDER else 0 for folder in folders], np.int64)
    return np.where((ids > 0) & (ids < _MOST_FOLDER), ids, 0)


def _spread(starts: Ints, stops: Ints) -> Ints:
    """All numbers of ranges."""
    lengths = stops - starts
    shifts = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return shifts + np.arange(len(shifts))


def _marked(state: _State, wanted: Wanted) -> tuple[Flags, int]:
    """For each cell whether a query has it, and how many files those hold."""

    def plain(values: Collection[int] | None) -> tuple[int, ...] | None:
        return None if values is None else tuple(values)

    asked = plain(wanted.roots), plain(wanted.folders), plain(wanted.kinds), wanted.uploader
    found = state.marked.get(asked)
    if found is None:
        chosen = _chosen(state, wanted)
        marked = np.zeros(len(state.keys), np.bool_)
        marked[chosen] = True
        found = marked, int(state.counts[chosen].sum())
        if len(state.marked) >= _MOST_MARKED:
            state.marked.clear()
        state.marked[asked] = found
    return found


def _chosen(state: _State, wanted: Wanted) -> Ints:
    """Cells of a query."""
    if wanted.folders is None:
        chosen = np.arange(len(state.keys))
    else:
        folders = np.unique(_ids(wanted.folders))
        chosen = state.sorted_cells[_spread(*_ranges(state, folders))].astype(np.int64)
    keys = state.keys[chosen]
    fits = state.live[chosen] & ((keys & _HIDDEN) == 0)
    roots = state.roots[chosen]
    fits &= _one_of(roots, set(wanted.roots))
    if wanted.kinds is not None:
        allowed = np.zeros(_KIND_MASK + 1, np.bool_)
        allowed[[_KINDS[kind] for kind in wanted.kinds if kind in _KINDS]] = True
        fits &= allowed[(keys >> _KIND_AT) & _KIND_MASK]
    if wanted.uploader is not None:
        fits &= ((keys >> _UPLOADER_AT) & _UPLOADER_MASK) == wanted.uploader
    found: Ints = chosen[fits]
    return found


def _one_of(values: Ints, wanted: Collection[int]) -> Flags:
    if len(wanted) > _FEW:
        return np.isin(values, np.fromiter(wanted, np.int64, len(wanted)))
    found = np.zeros(len(values), np.bool_)
    for value in wanted:
        found |= values == value
    return found


def _walk(order: Small, cells: Small, marked: Flags, skip: int, take: int) -> Small:
    """Slots in marked cells along an order: `take` of them after `skip`."""
    found: list[Small] = []
    at, step = 0, _STEP
    while take > 0 and at < len(order):
        slots = order[at : at + step]
        hits = marked[cells[slots]]
        count = int(np.count_nonzero(hits))
        if count > skip:
            some = slots[hits][skip : skip + take]
            found.append(some)
            take -= len(some)
        skip = max(0, skip - count)
        at += step
        step = min(step * 2, _LONGEST_STEP)
    return np.concatenate(found) if found else np.zeros(0, np.int32)


def _columns(rows: list[Listed]) -> tuple[Ints, Ints, list[Floats]]:
    """Nodes, keys of cells, and keys of all sorts but by id."""
    if not rows:
        none = np.zeros(0, np.float64)
        return np.zeros(0, np.int64), np.zeros(0, np.int64), [none] * (_SORTS - 1)
    nodes, folders, kinds, uploaders, created, uploaded, sizes, durations, widths, heights, hidden = zip(
        *rows, strict=True
    )
    keys = np.array(folders, np.int64) << _FOLDER_AT
    keys |= np.array([uploader or 0 for uploader in uploaders], np.int64) << _UPLOADER_AT
    keys |= np.array([_KINDS.get(kind, _OTHER) for kind in kinds], np.int64) << _KIND_AT
    keys |= np.array(hidden, np.int64)
    pixels = _sortable(widths) * _PIXELS + np.maximum(_sortable(heights), 0)
    return np.array(nodes, np.int64), keys, [*map(_sortable, (created, uploaded, sizes, durations)), pixels]


def _sortable(values: tuple[float | None, ...]) -> Floats:
    """Numbers of which missing ones, and what is none, come first."""
    found = np.array([-np.inf if value is None else value for value in values], np.float64)
    found[np.isnan(found)] = -np.inf
    return found


def _grown(array: npt.NDArray[_Number], room: int) -> npt.NDArray[_Number]:
    larger = np.zeros(room, array.dtype)
    larger[: len(array)] = array
    return larger
