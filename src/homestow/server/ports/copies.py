"""The database as a whole: is it sound, and what did it say at one instant."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.roots import Roots


class Copy(NamedTuple):
    """An opened copy: its nodes and its roots. It is nobody else's, so it may be changed freely."""

    catalogue: Catalogue
    roots: Roots


class Copies(Protocol):
    """What is done with the database as one thing."""

    def problems(self) -> list[str]:
        """What the database's own check finds wrong, one line each; empty when it is sound."""

    def copy_to(self, path: Path) -> None:
        """A durable copy of one instant, beside whatever reads and writes; mode 0600.

        Raises:
            StorageFull, StorageFailed: it could not be written; nothing is left at `path`.
        """

    def open_copy(self, path: Path) -> AbstractContextManager[Copy]:
        """Open a copy, in the schema of this version, and close it at the end of the block.

        Raises:
            NewerStore: it was made by a newer version.
            StorageFailed: it is damaged or no copy.
        """

    def drop_sessions(self, copy: Copy) -> None:
        """Take from a copy what does not outlive a restore: recorded intents, unfinished uploads, answers, logins.

        A login that was ended after the copy was made must not come alive again (S49).
        """
