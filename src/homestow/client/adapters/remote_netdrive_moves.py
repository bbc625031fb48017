"""Moves on a server that knows none: the same content is announced at the new place, seen there, and only then deleted at the old.

The server has the content, so no bytes move. The new objects are aliases of the nodes meanwhile (`remote_netdrive_tree`), so
that a move that breaks off, by a fault or our own death, is gone on with by the next one. When others have put things of one
name into both meanwhile, no node can stand for both any more: the move is given up, and each is what it is on the server.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from homestow.client.adapters.netdrive_files import Announced
from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_calls import Begun, Drive, Place
from homestow.client.adapters.remote_netdrive_tree import NS, TOP, Entry, Names, spell, split
from homestow.values.errors import CloudError, NotFound, Stale, Unreachable, WouldCycle
from homestow.wire.netdrive import BLOCK_BYTES

ROUNDS: Final = 4
"""So often a folder is looked at again because somebody changed something in it while it moved."""


class Moves:
    """See the module. `look` is the remote's."""

    def __init__(self, account: Account, drive: Drive, look: Callable[[float], None]) -> None:
        self._account, self._drive, self._look = account, drive, look

    def check_circle(self, entry: Entry, parent: int) -> None:
        """Make sure that a folder does not go into itself.

        Raises:
            WouldCycle: it would.
        """
        entries = self._account.snapshot.entries
        while parent != TOP:
            if parent == entry.id:
                raise WouldCycle("A folder cannot move into itself.")
            parent = entries[parent].parent

    # --- content at another place -----------------------------------------------------------------------------------------

    def announce_at(self, entry: Entry, path: str, raw: str, mtime_ns: int) -> str:
        """Have a file's content at a place; the key of what stands there, "" where the server tells none."""
        [begun] = self._announce([(entry, path, raw, mtime_ns)])
        if isinstance(begun, CloudError):
            raise begun
        return f"v{begun.vfile}" if self._drive.told_by_id else ""

    def _announce(self, files: Sequence[tuple[Entry, str, str, int]]) -> list[Begun | CloudError]:
        """Have contents at places; where the server has forgotten that it has them, their bytes go down and up again."""
        asked = [Announced(path, raw, entry.md5, entry.size, mtime_ns // NS) for entry, path, raw, mtime_ns in files]
        results = self._drive.announce(asked)
        for number, begun in enumerate(results):
            if isinstance(begun, Begun) and not begun.done:
                try:
                    results[number] = self._carry(files[number][0], begun)
                except Unreachable:
                    raise
                except CloudError as error:
                    results[number] = error
        return results

    def _carry(self, entry: Entry, begun: Begun) -> Begun:
        for offset in range(0, entry.size, BLOCK_BYTES):
            stop = min(offset + BLOCK_BYTES, entry.size)
            if not any(start <= offset and stop <= end for start, end in begun.have):
                self._drive.put_block(begun, offset, b"".join(self._drive.read(entry.md5, offset, stop)))
        return Begun(self._drive.complete(begun, entry.size), done=True)

    # --- one file -----------------------------------------------------------------------------------------------------------

    def move_file(self, entry: Entry, parent: int, name: str) -> Entry:
        """The file at its new place.

        Raises:
            Stale: somebody changed it meanwhile; it is where it was.
        """
        account = self._account
        with account.lock:
            path = account.snapshot.folder_path(parent)
            account.snapshot.alias((*account.snapshot.names(parent), name), entry.id)
            account.store.save()
        account.moving()
        try:
            self.announce_at(entry, path, name, entry.mtime_ns)
        except Unreachable:
            raise
        except CloudError:
            self._give_up(entry)
            raise
        self._look(0)
        with account.lock:
            now = account.snapshot.live(entry.id)
            if (now.parent, now.name) == (parent, name):
                return now
            second = account.snapshot.second.get(entry.id)
            sure = second is not None and second[1] == now.content == entry.content
            sure = sure and (now.parent, now.name) == (entry.parent, entry.name)
        if second is None or not sure:
            if second is not None and second[1] == entry.content:
                self._drive.delete_files([Place(path, name)])
            self._give_up(entry)
            raise Stale("It changed on the server.", rev=now.rev, change=now.change)
        self._delete([Place(now.place, now.raw)])
        with account.lock:
            moved = account.snapshot.moved(entry.id, parent, name, {entry.id: second[0]})
            account.store.save()
            return moved

    def _give_up(self, *entries: Entry) -> None:
        with self._account.lock:
            self._account.snapshot.drop_aliases(entry.id for entry in entries)
            self._account.store.save()

    def _delete(self, places: Sequence[Place]) -> None:
        _raise_first(error for error in self._drive.delete_files(places) if not isinstance(error, NotFound))

    # --- a folder -----------------------------------------------------------------------------------------------------------

    def move_folder(self, entry: Entry, parent: int, name: str) -> Entry:
        """The folder at its new place, with all that is in it.

        Raises:
            Stale: others changed so much in it meanwhile that a part is still at the old place; another move goes on, unless
                both places have things of one name: then the new place is a folder of its own from the next look on.
        """
        account = self._account
        for _ in range(ROUNDS):
            account.moving()
            with account.lock:
                now = account.snapshot.live(entry.id)
                if (now.parent, now.name) == (parent, name):
                    return now
                top, old = (*account.snapshot.names(parent), name), account.snapshot.names(entry.id)
                inside = [now, *account.snapshot.below(entry.id)]
                places = {each.id: (*top, *account.snapshot.names(each.id)[len(old) :]) for each in inside}
                for each in inside:
                    account.snapshot.alias(places[each.id], each.id)
                account.store.save()
            _raise_first(self._drive.make_folders([spell(places[each.id]) for each in inside if each.folder]))
            self._move_files([each for each in inside if _is_left(each, places)], places)
            self._look(0)
            with account.lock:
                left = [each for each in account.snapshot.below(entry.id) if _is_left(each, places)]
            if not left and (moved := self._leave_old(entry.id, places, parent, name)) is not None:
                return moved
            if not left and self._contested(inside):
                self._give_up(*inside)
                break
        raise Stale("The folder is changed by others while it moves; it is gone on with.", rev=0, change=entry.change)

    def _move_files(self, files: Sequence[Entry], places: dict[int, Names]) -> None:
        """Have files at their new places; those that are seen there leave their old ones."""
        account = self._account
        asked = [(each, spell(places[each.id][:-1]), each.name, each.mtime_ns) for each in files]
        _raise_first(begun for begun in self._announce(asked) if isinstance(begun, CloudError))
        if not files:
            return
        self._look(0)
        with account.lock:
            seen = [
                each for each in files if (second := account.snapshot.second.get(each.id)) and second[1] == each.content
            ]
            current = [account.snapshot.entries.get(each.id) for each in seen]
            sure = [each for each, now in zip(seen, current, strict=True) if now is not None and _same(each, now)]
        outcomes = self._drive.delete_files([Place(each.place, each.raw) for each in sure])
        with account.lock:
            for each, error in zip(sure, outcomes, strict=True):
                if error is None or isinstance(error, NotFound):
                    account.snapshot.replaced(each.id, places[each.id], account.snapshot.second[each.id][0])
            account.store.save()
        _raise_first(error for error in outcomes if not isinstance(error, NotFound))

    def _contested(self, inside: Sequence[Entry]) -> bool:
        """Whether something cannot be brought because its new place has another thing of that name."""
        ids = {each.id for each in inside}
        with self._account.lock:
            return any(refusal.parent in ids for refusal in self._account.snapshot.refused.values())

    def _leave_old(self, folder: int, places: dict[int, Names], parent: int, name: str) -> Entry | None:
        """Delete the old folders, from the deepest; None when something came into one of them."""
        account = self._account
        with account.lock:
            folders = [each for each in [account.snapshot.live(folder), *account.snapshot.below(folder)] if each.folder]
            if any(each.id not in places for each in folders):
                return None
            # Where somebody else deleted the old one, the new one has taken over already.
            there = {each.id: each.key for each in folders if split(each.place) == places.get(each.id)}
            old = [account.snapshot.folder_path(each.id) for each in reversed(folders) if each.id not in there]
            keys = there | {node: second[0] for node, second in account.snapshot.second.items()}
        for error in self._drive.delete_folders(old):
            if isinstance(error, Unreachable):
                raise error
            if error is not None:
                self._look(0)
                return None
        with account.lock:
            now = account.snapshot.live(folder)
            if (now.parent, now.name) != (parent, name):
                now = account.snapshot.moved(now.id, parent, name, keys)
                account.store.save()
            return now


def _is_left(entry: Entry, places: dict[int, Names]) -> bool:
    """Whether something came while the rest was brought, or is a file that does not stand at its new place yet."""
    return entry.id not in places or (not entry.folder and split(entry.place) != places[entry.id][:-1])


def _same(then: Entry, now: Entry) -> bool:
    return not now.gone and (then.content, then.place, then.raw) == (now.content, now.place, now.raw)


def _raise_first(errors: Iterable[object]) -> None:
    for error in errors:
        if isinstance(error, CloudError):
            raise error
