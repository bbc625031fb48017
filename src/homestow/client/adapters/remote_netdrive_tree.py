"""What a server that can only list everything shows, turned into nodes with ids, revisions and change numbers. Pure.

A netdrive server tells a whole listing and nothing else: no feed, no revisions, no nanoseconds. `Snapshot` is this
client's own account of it: each complete listing is compared with the one before (`remote_netdrive_compare.take`), and what differs becomes a
change with the next number, so that `changes since` can be told as a server with a journal would. A listing that failed or
was cut never comes here, so it is never a deletion (R17).

An object of the server is known by its key: its id where the server tells ids, else its place. A node may be stood for by
two objects for a while, when this client brings it to another place by a copy and a deletion: the place of the second is
an alias. What stands there is hidden as long as the first object is listed, and takes over when that is gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homestow.values.errors import NotFound
from homestow.values.paths import check_name

TOP: Final = 1
"""The top folder's id."""

NS: Final = 1_000_000_000

Names = tuple[str, ...]


class SeenFolder(NamedTuple):
    """A folder as listed; `key` "" where the server tells no ids."""

    key: str
    path: str


class SeenFile(NamedTuple):
    """A file as listed: `path` is its folder's, `mtime_s` whole seconds since 1970 UTC."""

    key: str
    path: str
    name: str
    size: int
    md5: str
    mtime_s: int


class Seen(NamedTuple):
    """A complete listing.

    Attributes:
        tells_gone: absence means deleted. False for servers that leave out what is being sent anew: there nothing is ever
            concluded from absence.
        tells_folders: folders without files are listed too.
        epoch: which life of its store the server is in, where it tells; another one means it was restored (R23).
    """

    folders: Sequence[SeenFolder]
    files: Sequence[SeenFile]
    tells_gone: bool = True
    tells_folders: bool = True
    epoch: str | None = None


class Entry(NamedTuple):
    """A node of the snapshot; numbers as in `values.nodes.Node`.

    Attributes:
        key: of the object that stands for it; "" while the server has not told one.
        place: the server's spelling of a file's folder or of a folder itself; `raw`: of a file's name.
    """

    id: int
    parent: int
    name: str
    folder: bool
    size: int
    md5: str
    mtime_ns: int
    rev: int
    change: int
    below: int
    gone: bool
    key: str
    place: str
    raw: str

    @property
    def content(self) -> tuple[str, int]:
        """What tells contents apart in this protocol."""
        return self.md5, self.size


class Refusal(NamedTuple):
    """An object that no folder here can hold: where it is, and why it is left out (S04, R16)."""

    parent: int
    name: str
    reason: str


class Changed(NamedTuple):
    """What to write so that a store shows what the snapshot shows."""

    entries: Sequence[Entry]
    dropped: Sequence[int]
    aliases: Sequence[tuple[str, int]]
    aliases_dropped: Sequence[str]


def split(path: str) -> Names:
    """The names of a path in any of the spellings that servers use ("//", "/a/b/", "a/b").

    Raises:
        BadName: one of them can be no name.
    """
    return tuple(check_name(name) for name in path.split("/") if name not in ("", "."))


def spell(names: Iterable[str]) -> str:
    """A folder's path as this client writes it: "//" for the top, "/a/b/" below."""
    return f"/{'/'.join(names)}/"


def place_key(names: Names, *, folder: bool) -> str:
    """What stands for an id where the server tells none, or has not told it yet."""
    return f"{'d' if folder else 'f'}/{'/'.join(names)}"


def is_place(key: str) -> bool:
    """Whether a key is none of the server's ids."""
    return key[:2] in ("d/", "f/")


@dataclass(slots=True)
class Snapshot:
    """All that is known of one root; used under its owner's lock.

    Attributes:
        epoch: this account's own life; a new one begins when the account was lost.
        change: the newest change number; `compacted`: up to here deletions are forgotten.
        refused: what the last listing had that no folder here can hold, by key.
        acts: counts what this client did itself; `touched` (by node) and `retired` (by key): its newest act on it. A listing
            that was asked for before that says nothing of them.
        second: of nodes that two objects stood for in the last listing, the hidden one's key and content.
    """

    epoch: str
    entries: dict[int, Entry] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    change: int = 0
    compacted: int = 0
    next_id: int = TOP + 1
    refused: dict[str, Refusal] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    kids: dict[int, dict[str, int]] = field(default_factory=dict)
    acts: int = 0
    touched: dict[int, int] = field(default_factory=dict)
    retired: dict[str, int] = field(default_factory=dict)
    second: dict[int, tuple[str, tuple[str, int]]] = field(default_factory=dict)
    _dirty: set[int] = field(default_factory=set)
    _dirty_aliases: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if TOP not in self.entries:
            self.change += 1
            self.entries[TOP] = Entry(TOP, 0, "", True, 0, "", 0, 0, self.change, self.change, False, "", spell(()), "")
            self._dirty.add(TOP)
        for entry in self.entries.values():
            if entry.key:
                self.keys[entry.key] = entry.id
            if entry.id != TOP and not entry.gone:
                self.kids.setdefault(entry.parent, {})[entry.name] = entry.id

    # --- looking ------------------------------------------------------------------------------------------------------

    def live(self, node: int) -> Entry:
        """A node that is there.

        Raises:
            NotFound: it is not.
        """
        entry = self.entries.get(node)
        if entry is None or entry.gone:
            raise NotFound(f"There is no node {node} on the server any more.")
        return entry

    def below(self, folder: int) -> Iterator[Entry]:
        """Everything in a folder, parents first."""
        waiting = [folder]
        for parent in waiting:
            for node in self.kids.get(parent, {}).values():
                entry = self.entries[node]
                yield entry
                if entry.folder:
                    waiting.append(node)

    def names(self, node: int) -> Names:
        """Where a node is, from the top."""
        found: list[str] = []
        while node != TOP:
            entry = self.entries[node]
            found.append(entry.name)
            node = entry.parent
        return tuple(reversed(found))

    def folder_path(self, node: int) -> str:
        """A folder's path as the server spells it."""
        return self.entries[node].place or spell(self.names(node))

    def since(self, number: int) -> list[Entry]:
        """Latest states of what changed after `number`, deleted ones too, in order of change."""
        return sorted(
            (entry for entry in self.entries.values() if entry.change > number), key=lambda entry: entry.change
        )

    # --- this client's own acts -------------------------------------------------------------------------------------------

    def begin(self) -> int:
        """A listing is about to be asked for: what is done by this client from now on is newer than it."""
        return self.acts

    def made(self, parent: int, name: str, key: str = "", place: str = "") -> Entry:
        """A folder of ours, or one that the server had already."""
        node = self.keys.get(key) if key else None
        if node is None:
            node = self.kids.get(parent, {}).get(name)
        old = self.entries.get(node) if node is not None else None
        if old is not None and not old.gone and old.folder and (old.parent, old.name) == (parent, name):
            return old
        place = place or spell((*self.names(parent), name))
        new = Entry(self.new_id(), parent, name, True, 0, "", 0, 0, 0, 0, False, key, place, name)
        return self._act(new)

    def stored(
        self, node: int | None, parent: int, name: str, content: tuple[str, int], mtime_ns: int, key: str, raw: str = ""
    ) -> Entry:
        """A file of ours at a place, new or with new content or time; `node` None: whichever is there, else a new one."""
        md5, size = content
        if node is None:
            node = self.keys.get(key) if key else None
            if node is None or self.entries[node].gone:
                node = self.kids.get(parent, {}).get(name)
        key = key or place_key((*self.names(parent), name), folder=False)
        old = self.entries.get(node) if node is not None else None
        if old is None:
            node, rev = self.new_id(), 1
        else:
            rev = old.rev if old.content == content else old.rev + 1
            if old.key != key:
                self._retire(old)
        assert node is not None
        new = Entry(
            node, parent, name, False, size, md5, mtime_ns, rev, 0, 0, False, key, self.folder_path(parent), raw or name
        )
        return self._act(new, old)

    def moved(self, node: int, parent: int, name: str, keys: dict[int, str]) -> Entry:
        """We brought a node to another place, of a folder the files before it; `keys`: what the server calls the new objects."""
        old = self.live(node)
        if not (key := keys.get(node, "")) and not old.folder:
            key = place_key((*self.names(parent), name), folder=False)
        self._retire(old)
        place = spell((*self.names(parent), name)) if old.folder else self.folder_path(parent)
        moved = self._act(old._replace(parent=parent, name=name, key=key, place=place, raw=name), old)
        self.drop_aliases((node,))
        for entry in [entry for entry in self.below(node) if entry.folder]:
            self.replaced(entry.id, self.names(entry.id), keys.get(entry.id, ""))
        return moved

    def replaced(self, node: int, names: Names, key: str = "") -> None:
        """Our copy at that place stands for the node alone now; `key`: what the server calls it, if it told."""
        entry = self.entries[node]
        if not key and not entry.folder:
            key = place_key(names, folder=False)
        self.acts += 1
        self.touched[node] = self.acts
        if key != entry.key:
            self._retire(entry)
        self.rekey(entry, key, spell(names if entry.folder else names[:-1]), names[-1])
        self.drop_aliases((node,))

    def _retire(self, entry: Entry) -> None:
        """The object that stood for the node is no more."""
        if entry.key and self.keys.get(entry.key) == entry.id:
            del self.keys[entry.key]
            self.retired[entry.key] = self.acts + 1

    def timed(self, node: int, mtime_ns: int) -> Entry:
        """A file's time was set by us."""
        old = self.live(node)
        return self._act(old._replace(mtime_ns=mtime_ns), old)

    def dropped(self, node: int) -> None:
        """Deleted by us, a folder with all that was in it."""
        for entry in [*self.below(node), self.entries[node]]:
            if not entry.gone:
                self._act(entry._replace(gone=True), entry)

    def alias(self, names: Names, node: int) -> None:
        """What will stand at this place stands for the node too; see the module."""
        key = place_key(names, folder=self.entries[node].folder)
        self.aliases[key] = node
        self._dirty_aliases.add(key)

    def drop_aliases(self, nodes: Iterable[int]) -> None:
        """What stands for these nodes besides are objects of their own again."""
        if not self.aliases:
            return
        wanted = set(nodes)
        for key in [key for key, node in self.aliases.items() if node in wanted]:
            del self.aliases[key]
            self._dirty_aliases.add(key)

    def _act(self, new: Entry, old: Entry | None = None) -> Entry:
        self.acts += 1
        self.touched[new.id] = self.acts
        self.put(new, old)
        return self.entries[new.id]

    def new_id(self) -> int:
        """An id that no node ever had."""
        self.next_id += 1
        return self.next_id - 1

    # --- writing ------------------------------------------------------------------------------------------------------

    def place_away(self, old: Entry) -> None:
        """An entry leaves its place."""
        kids = self.kids.get(old.parent, {})
        if kids.get(old.name) == old.id:
            del kids[old.name]

    def put(self, new: Entry, old: Entry | None) -> None:
        """An entry in its new state, with the next change number; folders above it hear of it."""
        self.change += 1
        new = new._replace(change=self.change, below=self.change)
        if old is not None and not old.gone:
            self.place_away(old)
        self.entries[new.id] = new
        self._dirty.add(new.id)
        if new.key:
            self.keys[new.key] = new.id
            self.retired.pop(new.key, None)
        if not new.gone:
            self.kids.setdefault(new.parent, {})[new.name] = new.id
        else:
            self.drop_aliases((new.id,))
        for parent in {new.parent, old.parent if old is not None else new.parent}:
            self._tell_above(parent)

    def _tell_above(self, folder: int) -> None:
        while folder:
            entry = self.entries[folder]
            if entry.below == self.change:
                return
            self.entries[folder] = entry._replace(below=self.change)
            self._dirty.add(folder)
            folder = entry.parent

    def rekey(self, entry: Entry, key: str, place: str, raw: str) -> None:
        """Another object, or another spelling, for the same node: no change for anybody."""
        if (entry.key, entry.place, entry.raw) == (key, place, raw):
            return
        if entry.key != key:
            if self.keys.get(entry.key) == entry.id:
                del self.keys[entry.key]
            if key:
                self.keys[key] = entry.id
        self.entries[entry.id] = entry._replace(key=key, place=place, raw=raw)
        self._dirty.add(entry.id)

    def forget_gone(self, number: int) -> None:
        """Whoever reads the feed is at `number`: deletions up to there need not be told again."""
        for entry in [entry for entry in self.entries.values() if entry.gone and entry.change <= number]:
            del self.entries[entry.id]
            if self.keys.get(entry.key) == entry.id:
                del self.keys[entry.key]
            self.compacted = max(self.compacted, entry.change)
            self._dirty.add(entry.id)

    def drain(self) -> Changed:
        """What changed since the last call."""
        changed = Changed(
            [self.entries[node] for node in self._dirty if node in self.entries],
            [node for node in self._dirty if node not in self.entries],
            [(key, self.aliases[key]) for key in self._dirty_aliases if key in self.aliases],
            [key for key in self._dirty_aliases if key not in self.aliases],
        )
        self._dirty, self._dirty_aliases = set(), set()
        return changed

    def undrain(self, changed: Changed) -> None:
        """It could not be written: it is given again."""
        self._dirty.update((entry.id for entry in changed.entries), changed.dropped)
        self._dirty_aliases.update((key for key, _ in changed.aliases), changed.aliases_dropped)
