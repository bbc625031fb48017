"""Looking at the disk: everything or the folders that hints name, and keeping the book of what is not synced."""

from collections.abc import Iterable, Iterator
from typing import Any

from homestow.client.engine.filters import Matcher
from homestow.client.engine.leaving import LeftIn, told_here
from homestow.client.engine.sightings import Scan, Sightings
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import LocalItem
from homestow.client.ports.localtree import LocalPath, LocalTree, LocalTrouble, Seen, SeenKind
from homestow.client.ports.watcher import Hints
from homestow.client.running.work import Work

_UNREAD_CODE = "unreadable-folder"
_UNREAD = frozenset({_UNREAD_CODE})
_FOLLOWED = 10
"""So often at most a look goes on to what it has just found out; what moves on and on is hinted again."""


class Looking:
    """Takes what the disk shows into the local tree. What is held is kept by the folder it was seen in."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._held: dict[int, list[Held]] = {}
        self._held_items: dict[int, set[int]] = {}
        self._left: dict[int, LeftIn] = {}
        self._scanned = False

    def forget(self) -> None:
        """Items have other ids from now on: everything is looked at next."""
        self._held.clear()
        self._held_items.clear()
        self._left.clear()
        self._scanned = False

    def keep(self) -> None:
        """The trees will be read anew: what is kept here goes by the ids that are known then."""
        trees = self._work.trees
        books: tuple[dict[int, Any], ...] = (self._held, self._held_items, self._left)
        for book in books:
            for folder in [folder for folder in book if folder < 0]:
                # The folder reached the server meanwhile, or is no more.
                noted = book.pop(folder)
                if trees.is_here(now := trees.now(folder)):
                    book.setdefault(now, noted)

    def follow(self, old: int, new: int) -> None:
        """A folder has another id from now on."""
        books: tuple[dict[int, Any], ...] = (self._held, self._held_items, self._left)
        for book in books:
            if old in book:
                book[new] = book.pop(old)

    def left_in(self) -> dict[int, frozenset[str]]:
        """Folders in which something is left out, with the names that may clash."""
        return {self._work.trees.now(folder): left.names for folder, left in self._left.items()}

    def look(self, hints: Hints | None) -> None:
        """Look at the folders that hints name; at everything without hints or before everything was looked at once."""
        folders = self._hinted(hints)
        moved = self._scan(folders)
        if folders is None:
            return
        looked = set(folders)
        for _ in range(_FOLLOWED):
            # What hints tell of below a folder that was moved can be found only once it is known where that is.
            folders = [each for each in self._hinted(hints) or () if each not in looked]
            if not folders:
                break
            looked.update(folders)
            moved = self._scan(folders) or moved
        if moved and self._work.matcher.by_path:
            # What is left out below may be other things by now.
            self._scan(None)

    def look_at(self, folders: Iterable[int]) -> None:
        """Look at these folders again."""
        self._scan(self._known_folders(folders))

    def held_items(self) -> set[int]:
        """Items to which nothing is done, because the disk shows something else in their place or cannot be read."""
        held = {item for items in self._held_items.values() for item in items}
        return held | self._unread

    def problems(self) -> list[Held]:
        """What is not synced, with reasons, by folder."""
        trees = self._work.trees
        live = [folder for folder in sorted(self._held) if folder == trees.top or trees.is_here(trees.now(folder))]
        held = [held for folder in live for held in self._held[folder]]
        left = [self._left[folder] for folder in self._left if folder == trees.top or trees.is_here(trees.now(folder))]
        if left:
            held.append(told_here(sum(each.number for each in left), min(each.example for each in left)))
        return held

    def _hinted(self, hints: Hints | None) -> list[tuple[int, LocalPath]] | None:
        """The folders to look at; None for all."""
        if hints is None or hints.everything or not self._scanned:
            return None
        found: dict[int, LocalPath] = {}
        for path in hints.folders:
            if self._work.matcher.path(path, folder=True):
                continue
            # A folder that is not known yet is found by looking at the nearest known one above it.
            item, known = self._nearest(path)
            found[item] = known
        for item in self._unread:
            if (path_here := self._path(item)) is not None:
                found[item] = path_here
                # The folder above tells whether it is still there.
                above, known = self._nearest(path_here[:-1])
                found.setdefault(above, known)
        return list(found.items())

    def _nearest(self, path: LocalPath) -> tuple[int, LocalPath]:
        trees = self._work.trees
        item, known = trees.top, 0
        for name in path:
            for kid in trees.kids_here(item):
                mine = trees.here(kid)
                if mine is not None and mine.folder and mine.spelled == name:
                    item, known = kid, known + 1
                    break
            else:
                break
        return item, path[:known]

    def _path(self, folder: int) -> LocalPath | None:
        return () if folder == self._work.trees.top else self._work.trees.path_here(folder)

    def _known_folders(self, folders: Iterable[int]) -> list[tuple[int, LocalPath]]:
        found: dict[int, LocalPath] = {}
        for folder in folders:
            folder = self._work.trees.now(folder)
            path = self._path(folder)
            if path is None:
                folder, path = self._work.trees.top, ()
            found[folder] = path
        return list(found.items())

    @property
    def _unread(self) -> set[int]:
        return {item for item, held in self._held.items() if any(one.code in _UNREAD for one in held)}

    def _where_known(self, folders: Iterable[tuple[int, LocalPath]]) -> list[tuple[int, LocalPath]]:
        """The folders whose path still shows them; for another one the nearest above that does, which tells where it went.

        What lies at a path where another folder is now must not be taken for what the known one holds.
        """
        work, found = self._work, dict[int, LocalPath]()
        for folder, path in folders:
            while path:
                mine = work.trees.here(folder)
                try:
                    seen = work.tree.look(path)
                except LocalTrouble:
                    break  # listing it will say why
                if (
                    mine is not None
                    and seen is not None
                    and (seen.kind, seen.stamp.inode) == (SeenKind.FOLDER, mine.inode)
                ):
                    break
                folder, path = (work.trees.top, ()) if mine is None else (mine.parent, path[:-1])
            found[folder] = path
        return list(found.items())

    def _scan(self, folders: list[tuple[int, LocalPath]] | None) -> bool:
        """Look at the disk and take what is found into the local tree; whether a known folder is at another place."""
        work = self._work
        if folders is not None:
            folders = self._where_known(folders)
        scan = Scan(work.trees, work.tree.facts, folders, work.matcher)
        listings = _Listings(work.tree, work.matcher, deep=folders is None)
        looked: list[int] = []
        entries = 0
        while (upcoming := scan.next()) is not None:
            folder, path = upcoming
            looked.append(folder)
            listing = listings.of(path)
            if isinstance(listing, LocalTrouble):
                if not path:
                    raise listing
                scan.failed(folder, path, _UNREAD_CODE, listing.message)
            else:
                scan.take(folder, path, listing)
                entries += len(listing)
                if entries >= 1000:
                    self._work.progress.looked(entries)
                    entries = 0
                    work.check_stop()
        listings.close()
        found = scan.finish()
        moved = any(map(self._moved, found.updates.items())) if work.matcher.by_path else False
        scan.apply(found)
        self._work.progress.looked(entries)
        self._note(found, looked, everything=folders is None)
        return moved

    def _moved(self, update: tuple[int, LocalItem | None]) -> bool:
        item, mine = update
        old = self._work.trees.here(item)
        return (
            old is not None and mine is not None and mine.folder and (old.parent, old.name) != (mine.parent, mine.name)
        )

    def _note(self, found: Sightings, looked: list[int], everything: bool) -> None:
        """Keep what is held, by the folder it was seen in."""
        if everything:
            self._held.clear()
            self._held_items.clear()
            self._left.clear()
            self._scanned = True
        self.keep()
        for folder in looked:
            self._held.pop(folder, None)
            self._held_items.pop(folder, None)
            self._left.pop(folder, None)
        self._left.update(found.left_in)
        for folder, one in found.held_in:
            self._held.setdefault(folder, []).append(one)
        for folder, item in found.held_items_in:
            self._held_items.setdefault(folder, set()).add(item)


class _Listings:
    """Listings by path: a full scan walks the tree in one go, which is faster; single folders are listed one by one."""

    def __init__(self, tree: LocalTree, matcher: Matcher, deep: bool) -> None:
        self._tree = tree
        self._walk: Iterator[tuple[LocalPath, list[Seen] | LocalTrouble]] | None = None
        if deep and matcher:
            self._walk = tree.list_tree((), lambda path, name: matcher.entry(matcher.above(path), name, folder=True))
        elif deep:
            self._walk = tree.list_tree()
        self._met: dict[LocalPath, list[Seen] | LocalTrouble] = {}

    def of(self, path: LocalPath) -> list[Seen] | LocalTrouble:
        """The folder's listing, or why there is none."""
        if self._walk is not None:
            while path not in self._met:
                upcoming = next(self._walk, None)
                if upcoming is None:
                    break
                self._met[upcoming[0]] = upcoming[1]
            if path in self._met:
                return self._met.pop(path)
        try:
            return self._tree.list_folder(path)
        except LocalTrouble as error:
            return error

    def close(self) -> None:
        """Finish the walk: at its end the tree tells whether the root is still there (R18)."""
        if self._walk is not None:
            for _ in self._walk:
                pass
