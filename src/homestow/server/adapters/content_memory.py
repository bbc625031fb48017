"""The store in memory: the tree's twin for tests and simulation, with the same errors, steps and promises.

It runs inline, without threads or a clock of its own, and is deterministic. What is special to it: `crash` loses what was
not flushed, `outside` edits behind the server's back, the disk's limits fill it, and `step` (called before and between
what makes something persist, with the names the tree uses) may raise `OSError` or interfere; anything else it raises is the
end of the process, after which nothing more is done or tidied.
"""

from collections.abc import Collection, Mapping

from homestow.server.adapters.disk_errors import check_key, disk_error, path_of, told_as
from homestow.server.adapters.memory_disk import File, Folder
from homestow.server.adapters.memory_files import MemoryStaged
from homestow.server.adapters.memory_reading import MemoryReading
from homestow.server.ports.content import (
    NO_TIMES,
    Content,
    EntryKind,
    Location,
    Opened,
    Published,
    Staged,
    Stat,
)
from homestow.values.errors import ContentMissing, PathTaken, WouldCycle


class MemoryContent(MemoryReading):
    """The store of one root in memory; see the port for what each method promises."""

    # -- staging ------------------------------------------------------------------------------------------------------

    @told_as("stage")
    def stage(self, key: str) -> Staged:
        """A new or existing staging file."""
        check_key(key)
        self._trust.check_store()
        staging = self._area("staging")
        node = self.disk.find(staging, key)
        if node is None:
            self.step("content.stage")
            node = self.disk.create(staging, key, EntryKind.FILE)
        return MemoryStaged(self, key, self._regular(node))

    @told_as("drop")
    def drop_staged(self, key: str) -> None:
        """Remove a staging file."""
        check_key(key)
        staging = self._known_area("staging")
        if staging is not None:
            self.step("content.drop_staged")
            if self.disk.find(staging, key) is not None:
                self.disk.remove(staging, key)
            self._trust.forget(key)

    @told_as("stage")
    def stage_small(self, key: str, data: bytes) -> Stat:
        """A whole small file."""
        check_key(key)
        self._trust.check_store()
        staging = self._area("staging")
        self.step("content.stage_small")
        node = self._regular(self.disk.create(staging, key, EntryKind.FILE))
        try:
            self.disk.write(node, 0, data)
        except OSError:
            self.disk.remove(staging, key)
            raise
        return self._stat(node)

    def sync_staged(self, keys: Collection[str], times: Mapping[str, int | None] = NO_TIMES) -> None:
        """Make staged files, their times and their names durable."""
        if not keys:
            return
        wanted = set(keys)
        for key in wanted:
            check_key(key)
        staging = self._known_area("staging")
        if staging is None:
            raise ContentMissing("Nothing is staged in this root.")
        for key in wanted:
            self._trust.check(key)
        try:
            files = {key: self.disk.get(staging, key) for key in keys}
        except OSError as error:
            raise disk_error(error, "make durable") from error
        try:
            self.step("content.sync_staged")
        except OSError as error:
            self._trust.lose(list(wanted), error)
            raise disk_error(error, "make durable") from error
        for key, file in files.items():
            if isinstance(file, File):
                self._bear(file, times.get(key))
                self.disk.flush_file(file)
        self.flush_staged_names(wanted)

    # -- visible names ------------------------------------------------------------------------------------------------

    @told_as("publish")
    def publish(self, key: str, at: Location, replace: bool, mtime_ns: int | None) -> Published:
        """Put a staged file into place."""
        check_key(key)
        self._trust.check(key)
        staging = self._area("staging")
        folder, name = self._parent(at)
        old = self.disk.find(folder, name) if replace else None
        if isinstance(old, Folder):
            raise PathTaken(f"A folder is at {'/'.join(at)!r}.")
        file = self.disk.get(staging, key)
        if not isinstance(file, File) or file.kind is not EntryKind.FILE:
            raise ContentMissing(f"What is staged as {key!r} is not a file.")
        self._bear(file, mtime_ns)
        before = self._stat(file)
        self.step("content.publish.checked")
        displaced = None
        if self._swap_in(staging, key, folder, name, at, replace):
            displaced = self.disk.get(staging, key)
            if isinstance(displaced, Folder):
                self._swap_in(staging, key, folder, name, at, True)
                raise PathTaken(f"A folder is at {'/'.join(at)!r}.")
        self.step("content.publish")
        now = self.disk.find(folder, name)
        is_ours = now is file and len(file.data) == before.size and file.mtime_ns == before.mtime_ns
        shown = self._stat(file) if is_ours else before
        return Published(shown, self._stat(displaced) if displaced is not None else None)

    def _bear(self, file: File, mtime_ns: int | None) -> None:
        if mtime_ns is not None and file.mtime_ns != self.disk.rounded(mtime_ns):
            self.disk.set_mtime(file, mtime_ns)

    def _swap_in(self, staging: Folder, key: str, folder: Folder, name: str, at: Location, replace: bool) -> bool:
        """Put a staged file at a name; True when something was displaced to the key."""
        if self.disk.find(folder, name) is None or not replace:
            self.disk.rename(staging, key, folder, name)
            return False
        if self._facts.exchange:
            self.disk.exchange(staging, key, folder, name)
        else:
            self._asides().replace(key, folder, name, at, self.step)
        return True

    @told_as("make a folder")
    def make_folder(self, at: Location) -> Stat:
        """One new folder."""
        self._trust.check_store()
        folder, name = self._parent(at)
        self.step("content.make_folder")
        return self._stat(self.disk.create(folder, name, EntryKind.FOLDER))

    @told_as("move")
    def move(self, source: Location, target: Location) -> Stat:
        """Rename a file or folder to a free name."""
        if source and len(target) > len(source) and target[: len(source)] == source:
            raise WouldCycle(f"{'/'.join(source)!r} cannot move into itself.")
        self._trust.check_store()
        self._area("staging")
        source_folder, source_name = self._parent(source)
        target_folder, target_name = self._parent(target)
        self.step("content.move.checked")
        node = self.disk.get(source_folder, source_name)
        respelt = self.disk.find(target_folder, target_name) is node and source[:-1] == target[:-1] and source != target
        self.disk.rename(source_folder, source_name, target_folder, target_name, replace=respelt)
        self.step("content.move")
        return self._stat(node)

    @told_as("set the time of")
    def set_mtime(self, at: Location, mtime_ns: int) -> Stat:
        """Set the modification time of a file."""
        self._trust.check_store()
        folder, name = self._parent(at)
        node = self.disk.get(folder, name)
        if not isinstance(node, File) or node.kind is not EntryKind.FILE:
            raise ContentMissing(f"{'/'.join(at)!r} is not a file.")
        self.step("content.set_mtime")
        self.disk.set_mtime(node, mtime_ns)
        return self._stat(node)

    # -- kept ---------------------------------------------------------------------------------------------------------

    @told_as("keep")
    def keep(self, at: Location, key: str) -> Stat:
        """Move a file or folder out of sight."""
        check_key(key)
        self._trust.check_store()
        folder, name = self._parent(at)
        kept = self._area("kept")
        self.step("content.keep.checked")
        node = self.disk.get(folder, name)
        self.disk.rename(folder, name, kept, key)
        self.step("content.keep")
        return self._stat(node)

    @told_as("keep")
    def keep_staged(self, staged: str, key: str) -> None:
        """Move from staging to kept."""
        check_key(staged)
        check_key(key)
        self._trust.check_store()
        staging, kept = self._area("staging"), self._area("kept")
        self.step("content.keep_staged")
        self.disk.rename(staging, staged, kept, key)

    @told_as("stage")
    def stage_kept(self, key: str, staged: str) -> None:
        """Move a file from kept to staging."""
        check_key(key)
        check_key(staged)
        self._trust.check_store()
        kept, staging = self._area("kept"), self._area("staging")
        node = self.disk.get(kept, key)
        if not isinstance(node, File) or node.kind is not EntryKind.FILE:
            raise ContentMissing(f"What is kept as {key!r} is not a file.")
        self.step("content.stage_kept")
        self.disk.rename(kept, key, staging, staged)

    @told_as("bring back")
    def bring_back(self, key: str, at: Location) -> Stat:
        """Move something kept to a free visible name."""
        check_key(key)
        self._trust.check_store()
        kept = self._area("kept")
        folder, name = self._parent(at)
        self.step("content.bring_back.checked")
        node = self.disk.get(kept, key)
        self.disk.rename(kept, key, folder, name)
        self.step("content.bring_back")
        return self._stat(node)

    @told_as("drop")
    def drop_kept(self, key: str) -> None:
        """Remove something kept for good."""
        check_key(key)
        kept = self._known_area("kept")
        if kept is not None:
            self.step("content.drop_kept")
            if self.disk.find(kept, key) is not None:
                self.disk.remove(kept, key)

    def sync_folders(self, folders: Collection[Location]) -> None:
        """Make renames durable; a folder that somebody moved meanwhile is reached by flushing everything."""
        wanted: list[Folder] = []
        everything = False
        for at in set(folders):
            path_of(at, self._facts.folds_case)
            try:
                wanted.append(self.disk.walk(self.disk.top, at))
            except OSError:
                everything = True
        self._trust.check_store()
        try:
            self.step("content.sync_folders")
        except OSError as error:
            self._trust.lose([], error)
            raise disk_error(error, "make renames durable") from error
        if everything:
            self.disk.flush_all()
            return
        for area in ("staging", "kept"):
            known = self._known_area(area)
            wanted += [known] if known is not None else []
        self.disk.flush_names(lambda folder, form: folder in wanted)

    # -- abilities ----------------------------------------------------------------------------------------------------

    @told_as("copy")
    def copy_range(self, source: Opened, start: int, size: int, staged: Staged, offset: int) -> None:
        """Copy bytes inside the store."""
        data = source.read_at(start, size)
        if len(data) < size:
            raise ContentMissing(f"The content ends at {start + len(data)} bytes, {start + size} were wanted.")
        staged.write_at(offset, data)


def _as_port(store: MemoryContent) -> Content:
    """The type checker's proof that the twin is a store."""
    return store
