"""Changing visible names so that nothing unseen is ever replaced or removed (P2, SC-033, SC-034).

Between a look and a rename somebody may save the file. So what is replaced or removed first goes to a private name in
one step that cannot lose it, is looked at there, and comes back when it is not what was expected.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homestow.client.adapters.disk.files import DiskStaging
from homestow.client.adapters.disk.folders import spot
from homestow.client.adapters.disk.found import Found, found_of
from homestow.client.adapters.disk.names import kind_of, shown, trouble_or_changed
from homestow.client.adapters.disk.private import PrivateFolder
from homestow.client.adapters.disk.syscalls import Spot, rename
from homestow.client.ports.localtree import LocalChanged, LocalPath, SeenKind, Stamp
from homestow.values.faults import faultpoint

Race = Callable[[LocalPath], None]
"""Called at the moment between look and rename: nothing in life, the other side of the race in a test."""


def put(private: PrivateFolder, top: int, staging: DiskStaging, path: LocalPath, expect: Stamp | None,
        mtime_ns: int, race: Race) -> Stamp:  # fmt: skip
    """Publish a staging file; see `LocalTree.put`."""
    try:
        with spot(top, path) as target:
            mode, owner, group = _looks(private, target, path, expect)
            staged = staging.dress(mode, owner, group, mtime_ns)
            faultpoint("client.put.dressed")
            race(path)
            if expect is None:
                private.renames.to_free(staging.spot, target)
            elif private.facts.atomic_swap:
                _exchange(private, staging, staged, target, path, expect, race)
            else:
                if not private.stamps.same(target.look(), expect, SeenKind.FILE):
                    raise _changed(path)
                rename(staging.spot, target)
            published = _stamp_after(private, staged, staging.stat())
            staging.published()
            faultpoint("client.put.published")
            os.fsync(target.folder)
            faultpoint("client.put.durable")
            return published
    except OSError as error:
        raise trouble_or_changed(error, path) from error


def _changed(path: LocalPath) -> LocalChanged:
    return LocalChanged(f"{shown(path)} changed on this computer in the last moment; its new content is kept.")


def _looks(private: PrivateFolder, target: Spot, path: LocalPath, expect: Stamp | None) -> tuple[int, int, int]:
    """Mode, owner and group (-1: leave) for a file at `target`, after making sure that all is as expected there."""
    try:
        found = target.look()
    except FileNotFoundError:
        if expect is not None:
            raise
        return looks_in(found_of(target.folder))
    if expect is None or kind_of(found) is not SeenKind.FILE or private.stamps.of(found) != expect:
        raise _changed(path)
    return stat.S_IMODE(found.st_mode) & 0o777, _giver(found.st_uid), _unless_ours(found.st_gid)


def looks_in(folder: Found) -> tuple[int, int, int]:
    """Mode, owner and group (-1: leave) for a new file in a folder: who may read the folder may read the file (S12)."""
    return stat.S_IMODE(folder.st_mode) & 0o666, _giver(folder.st_uid), _unless_ours(folder.st_gid)


def open_to(folder: int, mode: int, owner: int, group: int) -> None:
    """Give a new, open folder its mode, and owner and group (-1: leave) where we may."""
    if owner != -1 or group != -1:
        try:
            os.fchown(folder, owner, group)
        except PermissionError:
            mode &= 0o707 | (mode << 3 & 0o070)
    if mode != 0o700:
        try:
            os.fchmod(folder, mode | os.fstat(folder).st_mode & stat.S_ISGID)
        except PermissionError:
            # FAT has no modes.
            pass


def _giver(owner: int) -> int:
    return owner if os.geteuid() == 0 and owner != 0 else -1


def _unless_ours(group: int) -> int:
    return -1 if group == os.getegid() else group


def _stamp_after(private: PrivateFolder, staged: Found, now: Found) -> Stamp:
    """The stamp of what we published: with the new ctime, but never with the size or mtime of a later edit."""
    before, after = private.stamps.of(staged), private.stamps.of(now)
    return Stamp(before.size, before.mtime_ns, after.ctime_ns, before.inode)


def _exchange(private: PrivateFolder, staging: DiskStaging, staged: Found, target: Spot, path: LocalPath,
              expect: Stamp, race: Race) -> None:  # fmt: skip
    """Swap the staged file with the one at `target`, and back when that was not `expect`."""
    aside = private.set_aside(staging.key, staged, expect)
    rename(staging.spot, aside)
    faultpoint("client.exchange.aside")
    try:
        private.renames.swap(aside, target)
    except OSError:
        rename(aside, staging.spot)
        raise
    faultpoint("client.exchange.swapped")
    if private.stamps.same(aside.look(), expect, SeenKind.FILE):
        os.fsync(target.folder)
        faultpoint("client.exchange.durable")
        os.unlink(aside.name, dir_fd=aside.folder)
        return
    race(path)
    try:
        private.renames.swap(aside, target)
    except FileNotFoundError:
        # Our file was moved or removed at once: the edit gets its name back, the download starts anew.
        private.give_back(aside, target)
        staging.published()
        raise _changed(path) from None
    if private.stamps.same(aside.look(), private.stamps.of(staged), SeenKind.FILE):
        rename(aside, staging.spot)
    else:
        # A third content came meanwhile: the first is back at its name, this one stays beside it.
        private.rescue(aside, target.folder, path[-1])
        staging.published()
    raise _changed(path)


def remove_file(private: PrivateFolder, top: int, path: LocalPath, expect: Stamp, race: Race) -> None:
    """Remove a file or symlink that still is as seen; see `LocalTree.remove_file`."""
    try:
        with spot(top, path) as target:
            found = target.look()
            if kind_of(found) is SeenKind.FOLDER or private.stamps.of(found) != expect:
                raise _changed(path)
            race(path)
            aside = private.set_aside(secrets.token_hex(16), None, expect)
            rename(target, aside)
            faultpoint("client.remove.aside")
            if not private.stamps.same(aside.look(), expect, kind_of(found)):
                private.give_back(aside, target)
                raise _changed(path)
            os.unlink(aside.name, dir_fd=aside.folder)
    except OSError as error:
        raise trouble_or_changed(error, path) from error


def move(private: PrivateFolder, top: int, source: LocalPath, target: LocalPath, expect: Stamp, race: Race) -> Stamp:
    """Rename to a free name; see `LocalTree.move`."""
    with _opened(top, source) as old, _opened(top, target) as new:
        try:
            found = old.look()
            kind = kind_of(found)
            if not _is(private, found, expect, kind, ctime=True):
                raise _changed(source)
            race(source)
        except OSError as error:
            raise trouble_or_changed(error, source) from error
        try:
            if _same_place(private, old, new, found):
                rename(old, new)
            else:
                private.renames.to_free(old, new)
            faultpoint("client.move.moved")
            moved = new.look()
        except OSError as error:
            raise trouble_or_changed(error, target) from error
        if not _is(private, moved, expect, kind, ctime=False):
            private.give_back(new, old)
            raise _changed(source)
        stamp = private.stamps.of(moved)
        return stamp if kind is SeenKind.FOLDER else Stamp(expect.size, expect.mtime_ns, stamp.ctime_ns, stamp.inode)


@contextmanager
def _opened(top: int, path: LocalPath) -> Iterator[Spot]:
    """Like `spot`, in the port's errors."""
    try:
        with spot(top, path) as place:
            yield place
    except OSError as error:
        raise trouble_or_changed(error, path) from error


def _is(private: PrivateFolder, found: Found, expect: Stamp, kind: SeenKind, *, ctime: bool) -> bool:
    """Whether a thing is the expected one: a folder by its inode alone, anything else by its whole stamp."""
    if kind is SeenKind.FOLDER:
        return kind_of(found) is kind and private.stamps.of(found).inode == expect.inode
    if ctime:
        return private.stamps.of(found) == expect
    return private.stamps.same(found, expect, kind)


def _same_place(private: PrivateFolder, old: Spot, new: Spot, found: Found) -> bool:
    """Whether two spellings are one name to this disk (`a` and `A`), so that its name may be changed in place."""
    if not (private.facts.folds_case or private.facts.normalises):
        return False
    try:
        there = new.look()
    except FileNotFoundError:
        return False
    return found.same_as(there) and found_of(old.folder).same_as(found_of(new.folder))
