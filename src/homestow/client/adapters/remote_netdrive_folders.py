"""Folders of a netdrive root: made by their paths, deleted file by file."""

from collections.abc import Callable, Sequence

from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_calls import Drive, Place
from homestow.client.adapters.remote_netdrive_tree import Entry, spell
from homestow.values.errors import BadRequest, CloudError, NotFound, PathTaken, Stale, Unreachable
from homestow.values.ids import NodeId
from homestow.values.nodes import Node
from homestow.values.paths import check_name


class Folders:
    """See the module. The caller has looked; `look` looks again."""

    def __init__(self, account: Account, drive: Drive, look: Callable[[float], None]) -> None:
        self._account, self._drive, self._look = account, drive, look

    def make(self, parent: NodeId, name: str) -> Node:
        """A new folder; see `Remote.make_folder`."""
        with self._account.lock:
            path = self._free_path(parent, name)
        [error] = self._drive.make_folders([path])
        if error is not None:
            raise error
        return self._made(parent, name)

    def make_many(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        """Many folders; see `Remote.make_folders`."""
        results: list[Node | CloudError] = [NotFound("The folder above could not be made.")] * len(folders)
        left = dict(enumerate(folders))
        while left:
            ready = {place: folder for place, folder in left.items() if folder[0] > 0 or -folder[0] - 1 not in left}
            if not ready:
                raise BadRequest("Folders come after those that they are in.")
            left = {place: folder for place, folder in left.items() if place not in ready}
            self._make_level(ready, results)
        return results

    def _make_level(self, ready: dict[int, tuple[int, str]], results: list[Node | CloudError]) -> None:
        asked: list[tuple[int, NodeId, str, str]] = []
        for place, (parent, name) in ready.items():
            above = results[-parent - 1] if parent < 0 else None
            if isinstance(above, CloudError):
                continue
            home = above.id if above is not None else NodeId(parent)
            with self._account.lock:
                try:
                    asked.append((place, home, name, self._free_path(home, name)))
                except PathTaken as error:
                    there = self._account.snapshot.entries[int(error.facts["node"] or 0)]
                    results[place] = self._account.node(there) if there.folder else error
                except CloudError as error:
                    results[place] = error
        outcomes = self._drive.make_folders([path for *_, path in asked])
        for (place, home, name, _), refusal in zip(asked, outcomes, strict=True):
            results[place] = refusal if refusal is not None else self._made(home, name)

    def _made(self, parent: NodeId, name: str) -> Node:
        with self._account.lock:
            entry = self._account.snapshot.made(parent, check_name(name))
            self._account.store.save()
            return self._account.node(entry)

    def _free_path(self, parent: int, name: str) -> str:
        name = self.free(parent, name)
        return spell((*self._account.snapshot.names(parent), name))

    def free(self, parent: int, name: str, mover: int | None = None) -> str:
        """`name` in its stored form, when nothing but `mover` has it in the folder."""
        self._account.folder(parent)
        name = check_name(name)
        taken = self._account.snapshot.kids.get(parent, {}).get(name)
        if taken is not None and taken != mover:
            raise PathTaken(f"{name!r} is taken.", node=taken)
        return name

    def delete(self, entry: Entry) -> None:
        """Files, then folders from the deepest; what somebody put there meanwhile keeps its folder (R8)."""
        with self._account.lock:
            below = list(self._account.snapshot.below(entry.id))
        files = [each for each in below if not each.folder]
        outcomes = self._drive.delete_files([Place(each.place, each.raw) for each in files])
        for file, error in zip(files, outcomes, strict=True):
            if error is None or isinstance(error, NotFound):
                self.drop(file)
        failed = next((error for error in outcomes if error is not None and not isinstance(error, NotFound)), None)
        if failed is not None:
            raise failed
        folders = [*(each for each in reversed(below) if each.folder), entry]
        with self._account.lock:
            paths = [self._account.snapshot.folder_path(each.id) for each in folders]
        for folder, error in zip(folders, self._drive.delete_folders(paths), strict=True):
            if error is not None:
                self._look(0)
                raise error if isinstance(error, Unreachable) else Stale("Something came into the folder meanwhile.")
            self.drop(folder)

    def drop(self, entry: Entry) -> None:
        """It was deleted."""
        with self._account.lock:
            if entry.id in self._account.snapshot.entries:
                self._account.snapshot.dropped(entry.id)
                self._account.store.save()
