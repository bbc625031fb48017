"""A complete listing against what is known: what differs is a change. Pure; see `remote_netdrive_tree`."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from homestow.client.adapters.remote_netdrive_tree import (
    NS,
    TOP,
    Entry,
    Names,
    Refusal,
    Seen,
    SeenFile,
    Snapshot,
    is_place,
    place_key,
    spell,
    split,
)
from homestow.values.errors import BadName
from homestow.values.paths import check_name, nfc

_MD5 = re.compile("[0-9a-f]{32}")

UNREADABLE = "0" * 32
"""What our server tells as the MD5 of a file that it cannot read now."""


def take(snapshot: Snapshot, seen: Seen, began: int, missed: Collection[int] | None = None) -> set[int]:
    """Compare with a complete listing that was asked for after `snapshot.begin()` gave `began`.

    Args:
        missed: what the listing before did not show either; only that is gone, since a server may put a listing together
            while things move in it. None: whatever is not shown is gone.
    Returns:
        What this listing does not show and is not taken as gone yet.
    """
    doubted = _Taking(snapshot, seen, began, missed).run()
    for touched in (snapshot.touched, snapshot.retired):
        _prune(touched, began)
    return doubted


def _prune(acts: dict[Any, int], began: int) -> None:
    for key in [key for key, act in acts.items() if act <= began]:
        del acts[key]


class _Taking:
    """One comparison; see `take`."""

    def __init__(self, snapshot: Snapshot, seen: Seen, began: int, missed: Collection[int] | None) -> None:
        self.snap, self.seen, self.began, self.missed = snapshot, seen, began, missed
        self.at: dict[Names, int] = {(): TOP}
        self.wanted: dict[int, Entry] = {}
        self.places: dict[tuple[int, str], int] = {}
        self.mentioned: set[int] = {TOP}
        self.refused: dict[str, Refusal] = {}
        self.second: dict[int, tuple[str, tuple[str, int]]] = {}

    def run(self) -> set[int]:
        """Find out what each object is, then take what differs."""
        folders = self._folder_paths()
        files = self._file_paths()
        for path, _, _ in files:
            self._imply(folders, path)
        self.listed = {key for key, _ in folders.values()} | {key for _, key, _ in files}
        for names in sorted(folders, key=len):
            if names:
                self._folder(names, *folders[names])
        unknown = [file for file in files if not self._known_file(*file)]
        for file in self._paired(unknown):
            self._new_file(*file)
        doubted = self._commit()
        self.snap.refused, self.snap.second = self.refused, self.second
        return doubted

    # --- reading the listing ------------------------------------------------------------------------------------------

    def _folder_paths(self) -> dict[Names, tuple[str, str]]:
        """Key and spelling by place; folders above that are not listed are implied."""
        found: dict[Names, tuple[str, str]] = {}
        for folder in sorted(self.seen.folders):
            try:
                names = split(folder.path)
            except BadName as error:
                self._refuse(folder.key or folder.path, folder.path, error)
                continue
            key = folder.key or place_key(names, folder=True)
            found.setdefault(names, (key, folder.path))
        for names in list(found):
            self._imply(found, names)
        return found

    def _imply(self, folders: dict[Names, tuple[str, str]], names: Names) -> None:
        for count in range(len(names), 0, -1):
            if names[:count] in folders:
                return
            folders[names[:count]] = (place_key(names[:count], folder=True), spell(names[:count]))

    def _file_paths(self) -> list[tuple[Names, str, SeenFile]]:
        found: list[tuple[Names, str, SeenFile]] = []
        for file in sorted(self.seen.files):
            try:
                names, name = split(file.path), check_name(file.name)
            except BadName as error:
                self._refuse(file.key or f"{file.path}{file.name}", f"{file.path}/{file.name}", error)
                continue
            key = file.key or place_key((*names, name), folder=False)
            if not _MD5.fullmatch(file.md5) or file.md5 == UNREADABLE or file.size < 0:
                # It is there, and cannot be read now: whatever was known of it stays.
                if (node := self.snap.keys.get(key)) is not None:
                    self.mentioned.add(node)
                continue
            found.append((names, key, file))
        return found

    def _refuse(self, key: str, path: str, error: BadName) -> None:
        """Leave out what cannot be; if it was known as something that can, that stays as it was."""
        if (node := self.snap.keys.get(key)) is not None:
            self.mentioned.add(node)
        shown = "/".join(part for part in path.split("/") if part)
        self.refused[key] = Refusal(TOP, shown.encode(errors="replace").decode()[:1024] or "?", error.message)

    # --- what is what -------------------------------------------------------------------------------------------------

    def _known(self, key: str, names: Names, content: tuple[str, int] | None) -> int | None:
        """The node that the object stands for, a folder when it has no `content`; None: a new one."""
        node = self.snap.keys.get(key)
        if node is not None and self.snap.entries[node].folder == (content is None):
            return node
        if not self.snap.aliases:
            return None
        entry = self.snap.entries.get(self.snap.aliases.get(place_key(names, folder=content is None), 0))
        if entry is None or entry.gone or (content is not None and entry.content != content):
            return None  # what somebody else put there
        return entry.id

    def _hidden(self, key: str, node: int) -> bool:
        """Whether the object is the second one of its node."""
        first = self.snap.entries[node].key
        return first != key and first in self.listed

    def _claim(self, node: int, parent: int, name: str, key: str) -> bool:
        """Whether the node gets the place; the first one does."""
        if node in self.wanted or self.places.setdefault((parent, name), node) != node:
            self.mentioned.add(node)
            self.refused[key] = Refusal(
                parent, name, "Two things on the server have this one name; rename one of them."
            )
            return False
        return True

    def _folder(self, names: Names, key: str, spelled: str) -> None:
        parent, name = self.at.get(names[:-1]), names[-1]
        node = self._known(key, names, None)
        if parent is None:
            if node is not None:
                self.mentioned.add(node)
            return
        if node is None and self._retired(key):
            return
        if node is not None and self._hidden(key, node):
            self.at[names] = node
            self.mentioned.add(node)
            self.second[node] = (key, ("", 0))
            return
        if node is None:
            there = self.snap.kids.get(parent, {}).get(name)
            if there is not None and there not in self.wanted and self._bindable(self.snap.entries[there], key):
                node = there
        if node is None:
            node = self.snap.new_id()
        if self._claim(node, parent, name, key):
            self.at[names] = node
            self.wanted[node] = Entry(node, parent, name, True, 0, "", 0, 0, 0, 0, False, key, spelled, name)

    def _bindable(self, there: Entry, key: str) -> bool:
        """Whether an entry without an id of the server's is the folder that is told with one now."""
        return there.folder and not there.gone and (not there.key or (is_place(there.key) and not is_place(key)))

    def _known_file(self, names: Names, key: str, file: SeenFile) -> bool:
        """Place a file that is known by its key; whether it is."""
        parent = self.at.get(names)
        node = self._known(key, (*names, nfc(file.name)), (file.md5, file.size))
        if node is None:
            return self._retired(key)
        if hidden := self._hidden(key, node):
            self.second[node] = (key, (file.md5, file.size))
        if parent is None or hidden:
            self.mentioned.add(node)
            return True
        self._file(node, parent, key, file)
        return True

    def _file(self, node: int, parent: int, key: str, file: SeenFile) -> None:
        name = nfc(file.name)
        if self._claim(node, parent, name, key):
            self.wanted[node] = Entry(
                node, parent, name, False, file.size, file.md5, file.mtime_s * NS, 0, 0, 0, False, key, file.path, file.name
            )  # fmt: skip

    def _paired(self, unknown: list[tuple[Names, str, SeenFile]]) -> Iterator[tuple[int, int, str, SeenFile]]:
        """New objects with their nodes: the one file that vanished when just one with its content came was moved."""
        came: dict[tuple[str, int], int] = {}
        for _, _, file in unknown:
            came[file.md5, file.size] = came.get((file.md5, file.size), 0) + 1
        went: dict[tuple[str, int], list[int]] = {}
        if self.seen.tells_gone and came:
            for entry in self.snap.entries.values():
                if entry.content in came and entry.size and self._vanished(entry):
                    went.setdefault(entry.content, []).append(entry.id)
        for names, key, file in unknown:
            parent, content = self.at.get(names), (file.md5, file.size)
            if parent is None:
                continue
            pair = went.get(content, [])
            yield pair[0] if len(pair) == came[content] == 1 else 0, parent, key, file

    def _vanished(self, entry: Entry) -> bool:
        return not (entry.gone or entry.folder or self._settled(entry.id))

    def _new_file(self, node: int, parent: int, key: str, file: SeenFile) -> None:
        there = self.snap.kids.get(parent, {}).get(nfc(file.name))
        if there is not None and there not in self.wanted and self._touched(there):
            return  # ours is newer than the listing
        if not node and there is not None and there not in self.wanted:
            entry = self.snap.entries[there]
            if not entry.folder and not entry.key:
                node = there
        self._file(node or self.snap.new_id(), parent, key, file)

    # --- taking what differs --------------------------------------------------------------------------------------------

    def _touched(self, node: int) -> bool:
        return self.snap.touched.get(node, 0) > self.began

    def _retired(self, key: str) -> bool:
        """Whether the listing is older than this client's removal of the object."""
        return self.snap.retired.get(key, 0) > self.began

    def _settled(self, node: int) -> bool:
        """Whether the listing says of the node that it is there, or is too old to say anything."""
        return node in self.wanted or node in self.mentioned or self._touched(node)

    def _is_gone(self, entry: Entry) -> bool:
        """Whether what is missing is gone for sure: missed twice, or something else has its place."""
        there = self.places.get((entry.parent, entry.name))
        return self.missed is None or entry.id in self.missed or there is not None

    def _stays_gone(self, folder: int) -> bool:
        entry = self.snap.entries.get(folder)
        return entry is not None and entry.gone and (folder not in self.wanted or self._touched(folder))

    def _commit(self) -> set[int]:
        snap = self.snap
        missing = [
            entry
            for entry in snap.entries.values()
            if not entry.gone and not self._settled(entry.id) and self.seen.tells_gone
            and (not entry.folder or self.seen.tells_folders)
        ]  # fmt: skip
        gone = [entry for entry in missing if self._is_gone(entry)]
        changed: list[tuple[Entry, Entry | None]] = []
        for node, want in self.wanted.items():
            if self._touched(node) or self._stays_gone(want.parent):
                continue
            old = snap.entries.get(node)
            new = _news(old, want)
            if old is not None and new == old._replace(key=new.key, place=new.place, raw=new.raw):
                if old.key != new.key:
                    snap.drop_aliases((old.id,))
                snap.rekey(old, new.key, new.place, new.raw)
            else:
                changed.append((new, old))
        # All leave their old places before the first takes a new one: names may have gone round in a circle.
        for old in [*gone, *(before for _, before in changed if before is not None)]:
            snap.place_away(old)
        for new, old in changed:
            if old is not None and old.key != new.key:
                snap.rekey(old, new.key, new.place, new.raw)
                snap.drop_aliases((old.id,))
            snap.put(new, old)
        for entry in sorted(gone, key=lambda entry: entry.id, reverse=True):
            snap.put(entry._replace(gone=True), entry)
        return {entry.id for entry in missing} - {entry.id for entry in gone}


def _news(old: Entry | None, want: Entry) -> Entry:
    """The state that the listing says, with what only this client knows: revision, and the time below a second."""
    if old is None:
        return want._replace(rev=0 if want.folder else 1)
    if want.folder:
        return want._replace(change=old.change, below=old.below)
    same = old.content == want.content
    mtime_ns = old.mtime_ns if same and old.mtime_ns // NS == want.mtime_ns // NS else want.mtime_ns
    return want._replace(mtime_ns=mtime_ns, rev=old.rev + (not same), change=old.change, below=old.below)
