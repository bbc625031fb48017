"""Small new files that arrived whole: staged and published by the committer itself, many of them as one work.

What stages many tiny files on several threads hands Python's lock around at every call. These are staged on the thread that
flushes and renames them next, and nobody waits for them on a thread of his own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from homestow.server.ports.content import Content
from homestow.server.rules.access import Principal
from homestow.server.service.digesting import digest_bytes
from homestow.server.service.publish import File, Publish
from homestow.server.service.work import Ground, Work
from homestow.values.errors import CloudError, DigestMismatch
from homestow.values.ids import RootId
from homestow.values.nodes import Node

_MOST_TOGETHER = 256


@dataclass(slots=True, eq=False)
class SmallFile:
    """One small new file in memory, and the node it became: None as long as it is not stored, and when it could not be."""

    who: Principal
    root: RootId
    file: File
    body: bytes
    digest: bytes | None
    node: Node | None = None


class SmallFiles(Publish):
    """Stages and publishes small new files of one person in one root.

    Args:
        may: raises when somebody may not write into a root (any more).
        told: called on the committer's thread with those that came to an end, stored or not; must return at once.
    """

    def __init__(
        self, who: Principal, root: RootId, small: Sequence[SmallFile], may: Callable[[Principal, RootId], None],
        told: Callable[[Sequence[SmallFile]], None],
    ) -> None:  # fmt: skip
        super().__init__(who, root, [each.file for each in small])
        self._small = list(small)
        self._may = may
        self._told = told
        self._on_disk: list[tuple[Content, File]] = []

    def absorb(self, other: Work[Any]) -> bool:
        """Take over the files of another such work of the same person in the same root."""
        if type(other) is not SmallFiles or (other.who, other.root, other._told) != (self.who, self.root, self._told):
            return False
        if len(self._small) + len(other._small) > _MOST_TOGETHER:
            return False
        self._small += other._small
        self.files = [*self.files, *other.files]
        self.staged = {**self.staged, **other.staged}
        self.keys = [*self.keys, *other.keys]
        return True

    def prepare(self, ground: Ground) -> None:
        """Check, and stage what passed."""
        self._may(self.who, self.root)
        for each in self._small:
            file = each.file
            file.digest = digest_bytes(each.body)
            if each.digest is not None and file.digest != each.digest:
                file.error = DigestMismatch("The bytes that arrived are not the declared ones.")
        super().prepare(ground)
        store = ground.stores.get(self.root)
        for each in self._small:
            file = each.file
            if file.error is None:
                try:
                    file.inode = store.stage_small(file.staged, each.body).inode
                    self._on_disk.append((store, file))
                except CloudError as error:
                    file.error = error
        self.staged = {file.staged: file.mtime_ns for file in self.files if file.error is None}
        self._forget_failed()

    def settle(self) -> None:
        """Tell what became of each; what was not published is removed."""
        for store, file in self._on_disk:
            if file.published is None:
                drop_quietly(store, file)
        for each in self._small:
            file = each.file
            if self.error is None and file.error is None and file.row is not None:
                each.node = file.row.node()
        super().settle()
        self._told(self._small)


def drop_quietly(store: Content, file: File) -> None:
    """Remove the staging file of something that failed already, if it surely is ours; the sweep gets what this leaves."""
    try:
        stat = store.look_staged(file.staged)
        if stat is not None and stat.inode == file.inode:
            store.drop_staged(file.staged)
    except CloudError:
        return
