"""Where the sync service's jobs are written down: the job file that people edit too, and notes that are nobody's but ours."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from homestow.wire.control import JobConfig


class Listed(NamedTuple):
    """One job of the file, as well as it can be read.

    Attributes:
        config: its `id` is never "".
        fault: "" or why it cannot run, in a sentence that names the job and what to do.
        password: one that somebody wrote into the file, to be used once and then dropped; None: there is none.
        remarks: what in it was not taken as it stands, for the log.
    """

    config: JobConfig
    fault: str = ""
    password: str | None = None
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Listed({self.config.id!r}, fault={self.fault!r})"


class JobBook(Protocol):
    """A job file; thread-safe. Each change is durable and whole before the call returns, and keeps what it does not know."""

    @property
    def place(self) -> str:
        """What people call it: the file's path."""

    def read(self) -> Sequence[Listed]:
        """All jobs, in the file's order; none when there is no file yet.

        Raises:
            BadSettings: the whole file cannot be used.
        """

    def new_id(self, config: JobConfig) -> str:
        """An id that no job of the file has: `<host>-<workspace>`, then `-1`, `-2` …"""

    def put(self, config: JobConfig) -> None:
        """Add the job of this id at the end, or change it where it stands.

        Raises:
            BadSettings, StorageFailed: the file cannot be used or written; nothing changed.
        """

    def drop(self, job: str) -> None:
        """Take the job out of the file; nothing when it is not there."""

    def drop_password(self, job: str) -> None:
        """Take the job's password out of the file; nothing when there is none."""


class Note(NamedTuple):
    """What has to outlive the service of one job, and is nothing that people write.

    Attributes:
        paused: by order, until a start.
        ran_ns: when a job of a daily time last began, nanoseconds since 1970 UTC; 0: never.
        state: names of the files in which the job keeps its state.
    """

    paused: bool = False
    ran_ns: int = 0
    state: tuple[str, ...] = ()


class JobNotes(Protocol):
    """Notes by the job's folder on this computer; thread-safe, durable, lost ones read as an empty note."""

    def read(self, directory: str) -> Note:
        """The note of the job of this folder."""

    def write(self, directory: str, note: Note) -> None:
        """Replace it.

        Raises:
            StorageFailed: it cannot be written.
        """

    def forget(self, directory: str) -> None:
        """Remove it, and the state files that it names."""
