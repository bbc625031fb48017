"""The hidden folder of a job: its marker, its lock, files being received, and files on their way between two names.

Layout, all of mode 0700 and 0600 (S12, S93):
    marker      says that this is the job's folder and not an empty mount point (R18)
    lock        held by the one process that keeps the folder in step (SC-195)
    staging/    downloads under way, by key
    new/        small files about to be published; worthless after a kill
    aside/      what is being replaced or removed, until it is known to be what was expected

A file in `aside` bears in its name what it should be, so that a kill between two steps loses nothing: what is as
expected goes, a download goes back to staging, and anything else is somebody's edit and returns to the user's folder.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import unicodedata
from pathlib import Path

from homestow.client.adapters.disk.found import Found
from homestow.client.adapters.disk.names import FOLDER_FLAGS, Stamps, from_disk, to_disk
from homestow.client.adapters.disk.syscalls import Renames, Spot, probe, rename
from homestow.client.ports.localtree import LocalTrouble, Stamp, TreeFacts
from homestow.values.errors import BadName, StoreLocked
from homestow.values.faults import faultpoint
from homestow.values.paths import check_name, with_suffix

_ASIDE = re.compile(r"([A-Za-z0-9-]{1,64})\.(\d+)\.(\d+)\.(-?\d+)\.(\d+)")
_UNSTABLE = frozenset({"vfat", "msdos", "exfat", "fuseblk", "fuse.sshfs", "cifs", "smb3", "9p"})
_STEPS_NS = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)


def _warn(what: str, **facts: str) -> None:
    import logging  # seldom needed, and a start should be quick

    logging.getLogger(__name__).warning(what, extra=facts)


class PrivateFolder:
    """The open private folder; made by `claim`."""

    def __init__(self, top: int, name: str, fd: int, lock: int) -> None:
        self.name = name
        self.fd = fd
        self._top = top
        self._lock = lock
        self.staging = _subfolder(fd, b"staging")
        self.new = _subfolder(fd, b"new")
        self.aside = _subfolder(fd, b"aside")
        _mark(fd)
        self.renames = probe(self.new)
        self.facts = _measure(self.new, self.renames)
        self.stamps = Stamps(self.facts.stable_inodes)

    def close(self) -> None:
        """Give the lock back."""
        for fd in (self.staging, self.new, self.aside, self.fd, self._lock):
            os.close(fd)

    # --- names on their way --------------------------------------------------------------------------------------------

    def staged(self, key: str) -> Spot:
        """Where the download `key` lies."""
        return Spot(self.staging, key.encode())

    def fresh(self) -> Spot:
        """A new random name for a small file."""
        return Spot(self.new, secrets.token_hex(16).encode())

    def set_aside(self, token: str, staged: Found | None, expect: Stamp) -> Spot:
        """A name in `aside` for what should be `expect`; `token` is the key of the download that shall replace it."""
        inode = staged.st_ino if staged is not None else 0
        return Spot(self.aside, f"{token}.{inode}.{expect.size}.{expect.mtime_ns}.{expect.inode}".encode())

    def give_back(self, aside: Spot, home: Spot) -> None:
        """Return somebody's edit to where it was, or beside it when the name is taken, or to the top of the folder."""
        try:
            self.renames.to_free(aside, home)
            return
        except FileExistsError:
            wanted = from_disk(os.fsdecode(home.name))
        except FileNotFoundError:
            wanted, home = "", home._replace(folder=self._top)
        self.rescue(aside, home.folder, wanted)

    def rescue(self, aside: Spot, folder: int, wanted: str = "") -> None:
        """Put a file that nobody expected under a new name next to `wanted`, where the user and the next scan see it."""
        try:
            base = check_name(wanted)
        except BadName:
            base = f"recovered {aside.name[:8].decode(errors='replace')}"
        number = 1
        while True:
            name = base if number == 1 else with_suffix(base, f" ({number})")
            try:
                self.renames.to_free(aside, Spot(folder, to_disk(name)))
            except FileExistsError:
                number += 1
                continue
            except FileNotFoundError:
                if folder == self._top:
                    raise
                folder = self._top
                continue
            _warn("an edit made in the last moment was kept under a new name", kept_as=name)
            return

    # --- after a kill --------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Finish or undo what an earlier run was doing when it was killed."""
        for name in os.listdir(self.new):
            os.unlink(os.fsencode(name), dir_fd=self.new)
        for name in os.listdir(self.aside):
            spot = Spot(self.aside, os.fsencode(name))
            faultpoint("client.recover.aside")
            meant = _ASIDE.fullmatch(name)
            found = spot.look()
            if meant is None:
                self.rescue(spot, self._top)
            elif self.facts.stable_inodes and found.st_ino == int(meant[2]):
                rename(spot, self.staged(meant[1]))
            elif self.stamps.same(found, Stamp(int(meant[3]), int(meant[4]), 0, int(meant[5]))):
                os.unlink(spot.name, dir_fd=spot.folder)
            else:
                self.rescue(spot, self._top)


def claim(root: Path, top: int, name: str) -> PrivateFolder:
    """Make or open the private folder `name` of the open folder `top`, take its lock, and tidy up after a kill.

    Raises:
        StoreLocked: another process holds it (SC-195).
        LocalTrouble: something of that name is there that is not ours (S93).
        OSError: as the system says it.
    """
    try:
        os.mkdir(to_disk(name), 0o700, dir_fd=top)
    except FileExistsError:
        pass
    try:
        fd = os.open(to_disk(name), FOLDER_FLAGS, dir_fd=top)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise LocalTrouble(f"{root / name} is in the way: Homestow needs a folder of that name.") from error
        raise
    lock = -1
    try:
        _own(root / name, fd)
        lock = os.open(b"lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=fd)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = _holder(lock)
            who = f"Another process ({pid})" if pid else "Another process"
            raise StoreLocked(
                f"{who} already keeps {root} in step. `homestow status` shows what it does; stop it first.", pid=pid
            ) from error
        with contextlib.suppress(OSError):  # a full disk; it is only for the message above
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        private = PrivateFolder(top, name, fd, lock)
    except BaseException:
        os.close(fd)
        if lock >= 0:
            os.close(lock)
        raise
    try:
        private.recover()
    except BaseException:
        private.close()
        raise
    return private


def refuse_inside(root: Path, name: str) -> None:
    """Not in a folder that another process keeps in step: each of the two would take the other's work for the user's, and
    where both go to one root, everything would be copied into itself again and again.

    Raises:
        StoreLocked: a folder above this one is kept in step by another process.
    """
    for above in Path(os.path.realpath(root)).parents:
        try:
            lock = os.open(above / name / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if os.fstat(lock).st_uid in (os.geteuid(), 0):
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = _holder(lock)
            who = f"another process ({pid})" if pid else "another process"
            raise StoreLocked(
                f"The folder {root} lies in {above}, which {who} keeps in step already; choose a folder outside of it, or stop "
                "that one first.",
                pid=pid,
            ) from error
        finally:
            os.close(lock)


def _own(shown: Path, fd: int) -> None:
    """Refuse a folder that another user planted; close ours to others."""
    found = os.fstat(fd)
    if found.st_uid not in (os.geteuid(), 0):
        raise LocalTrouble(f"{shown} belongs to another user of this computer. Remove it and try again.")
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        try:
            os.fchmod(fd, 0o700)
        except PermissionError:
            _warn("this disk keeps no permissions; others may read files on their way", path=str(shown))


def _subfolder(fd: int, name: bytes) -> int:
    try:
        os.mkdir(name, 0o700, dir_fd=fd)
    except FileExistsError:
        pass
    return os.open(name, FOLDER_FLAGS, dir_fd=fd)


def _mark(fd: int) -> None:
    """Make the marker, durably, unless it is there."""
    try:
        marker = os.open(b"marker", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
    except FileExistsError:
        return
    try:
        os.write(marker, b"This folder is kept in step by Homestow. Do not remove it.\n")
        os.fsync(marker)
    finally:
        os.close(marker)
    os.fsync(fd)


# --- facts ------------------------------------------------------------------------------------------------------------


def _measure(folder: int, renames: Renames) -> TreeFacts:
    """What the filesystem of an open folder of ours does, tried on files of our own."""
    token = secrets.token_hex(8)
    composed = f"probe-é-{token}"
    decomposed = unicodedata.normalize("NFD", composed)
    os.close(os.open(to_disk(composed), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder))
    try:
        listed = [from_disk(name) for name in os.listdir(folder)]
        stable = _filesystem(os.fstat(folder).st_dev) not in _UNSTABLE
        return TreeFacts(
            folds_case=_exists(folder, composed.replace("probe", "PROBE")),
            normalises=composed not in listed or _exists(folder, decomposed),
            stable_inodes=stable,
            mtime_step_ns=_mtime_step(folder, to_disk(composed)),
            atomic_swap=renames.exchange and stable,
        )
    finally:
        os.unlink(to_disk(composed), dir_fd=folder)


def _exists(folder: int, name: str) -> bool:
    try:
        Spot(folder, to_disk(name)).look()
    except FileNotFoundError:
        return False
    return True


def _mtime_step(folder: int, name: bytes) -> int:
    told = 1_700_000_001_123_456_789
    os.utime(name, ns=(told, told), dir_fd=folder, follow_symlinks=False)
    kept = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    return next((step for step in _STEPS_NS if told // step * step == kept), _STEPS_NS[-1])


def _filesystem(device: int) -> str:
    """Type of the filesystem with this device number, "" where the system does not tell (then taken as a good one)."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        mount, _, source = line.partition(" - ")
        if mount.split(" ")[2] == wanted:
            return source.split(" ")[0]
    return ""


def _holder(lock: int) -> int:
    """The process that wrote itself into the lock; 0: none did."""
    try:
        return int(os.pread(lock, 20, 0))
    except (OSError, ValueError):
        return 0
