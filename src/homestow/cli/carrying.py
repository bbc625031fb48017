"""What one-off transfers in both directions share: what was carried, and what cannot be told file by file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from blake3 import blake3

from homestow.values.digests import Digest
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

PIECE = 8 * 1024 * 1024
"""Bytes read or sent at a time; with a few workers, a transfer needs some tens of megabytes."""

Children = Callable[[NodeId], Iterable[Node]]
"""Lists what a folder on the server holds."""

Moved = Callable[[str, int], None]
"""Told the bytes of each step, and the name they belong to; from several threads."""

_STOPS = frozenset(
    {"unreachable", "not-homestow", "login-needed", "login-failed", "internal", "storage-full", "storage-failed"}
)


@dataclass(slots=True)
class Carried:
    """What was done: files and bytes carried, files that were the same already, and (path, reason) of what was not done."""

    files: int = 0
    bytes: int = 0
    same: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: "Carried") -> None:
        """Count what was done elsewhere as well."""
        self.files += other.files
        self.bytes += other.bytes
        self.same += other.same
        self.problems += other.problems

    def failed(self, path: object, error: BaseException) -> None:
        """Note what went wrong with one file; trouble that the next file would have as well is raised."""
        if isinstance(error, CloudError) and error.code not in _STOPS:
            self.problems.append((str(path), error.message))
        elif isinstance(error, OSError):
            self.problems.append((str(path), error.strerror or str(error)))
        else:
            raise error


def digest_of(content: bytes) -> Digest:
    """BLAKE3 of a small content."""
    return Digest(blake3(content).hexdigest())
