"""Notes on jobs as small files, one per folder that is kept in step."""

import hashlib
from pathlib import Path
from threading import RLock

import msgspec

from homestow.client.ports.jobfile import Note
from homestow.client.private_files import read_whole, remove, write_whole
from homestow.values.errors import StorageFailed

_BESIDE = ("", "-wal", "-shm")
"""What SQLite keeps beside a state file."""


class _Kept(msgspec.Struct, frozen=True):
    directory: str
    paused: bool = False
    ran_ns: int = 0
    state: tuple[str, ...] = ()


class FileNotes:
    """`ports.jobfile.JobNotes` below the folder of the jobs' states."""

    def __init__(self, states: Path) -> None:
        self._states = states
        self._lock = RLock()
        self._known: dict[str, Note] = {}

    def read(self, directory: str) -> Note:
        """See the port."""
        with self._lock:
            note = self._known.get(directory)
            if note is None:
                note = self._known[directory] = self._load(directory)
            return note

    def write(self, directory: str, note: Note) -> None:
        """See the port."""
        with self._lock:
            if note == self.read(directory):
                return
            kept = _Kept(_text(directory), note.paused, note.ran_ns, note.state)
            write_whole(self._path(directory), msgspec.json.encode(kept) + b"\n")
            self._known[directory] = note

    def forget(self, directory: str) -> None:
        """See the port."""
        with self._lock:
            for name in self.read(directory).state:
                for beside in _BESIDE:
                    remove(self._states / f"{name}{beside}")
            remove(self._path(directory))
            self._known.pop(directory, None)

    def _load(self, directory: str) -> Note:
        try:
            kept = msgspec.json.decode(read_whole(self._path(directory)) or b"{}", type=_Kept)
        except (StorageFailed, msgspec.MsgspecError, UnicodeError):
            return Note()
        # A note names files of our own folder only, whoever wrote it.
        return Note(kept.paused, kept.ran_ns, tuple(name for name in kept.state if Path(name).name == name))

    def _path(self, directory: str) -> Path:
        key = hashlib.sha256(directory.encode(errors="surrogateescape")).hexdigest()[:24]
        return self._states / f"note-{key}.json"


def _text(directory: str) -> str:
    return directory.encode(errors="surrogateescape").decode(errors="backslashreplace")


class MemoryNotes:
    """The twin for tests."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    def read(self, directory: str) -> Note:
        """See the port."""
        return self._notes.get(directory, Note())

    def write(self, directory: str, note: Note) -> None:
        """See the port."""
        self._notes[directory] = note

    def forget(self, directory: str) -> None:
        """See the port."""
        self._notes.pop(directory, None)
