"""The job file on disk: read anew before each change, because people edit it too, and written whole."""

from collections.abc import Sequence
from pathlib import Path
from threading import RLock

from homestow.client.ports.jobfile import Listed
from homestow.client.private_files import read_whole, write_whole
from homestow.values.errors import BadSettings, StorageFailed
from homestow.wire import job_file
from homestow.wire.control import JobConfig


class FileJobs:
    """`ports.jobfile.JobBook` in one file; a missing one begins as an object of jobs by their ids."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()

    @property
    def place(self) -> str:
        """See the port."""
        return str(self._path)

    def read(self) -> Sequence[Listed]:
        """See the port."""
        with self._lock:
            return [Listed(job.config, job.fault, job.password, job.remarks) for job in self._file().jobs]

    def new_id(self, config: JobConfig) -> str:
        """See the port."""
        with self._lock:
            return job_file.new_id(config, {job.config.id for job in self._file().jobs})

    def put(self, config: JobConfig) -> None:
        """See the port."""
        with self._lock:
            self._write(self._file().put(config))

    def drop(self, job: str) -> None:
        """See the port."""
        with self._lock:
            before = self._file()
            after = before.drop(job)
            if after is not before:
                self._write(after)

    def drop_password(self, job: str) -> None:
        """See the port."""
        with self._lock:
            before = self._file()
            after = before.drop_password(job)
            if after is not before:
                self._write(after)

    def _file(self) -> job_file.JobFile:
        try:
            return job_file.read(read_whole(self._path) or b"", str(Path.home()))
        except BadSettings as error:
            raise BadSettings(f"{self._path}: {error.message}") from error
        except StorageFailed as error:
            raise BadSettings(error.message) from error

    def _write(self, file: job_file.JobFile) -> None:
        write_whole(self._path, file.content())


class MemoryJobs:
    """The twin for tests."""

    def __init__(self, content: bytes = b"") -> None:
        self._file = job_file.read(content, "/home/anna")
        self._lock = RLock()

    @property
    def place(self) -> str:
        """See the port."""
        return "memory"

    def read(self) -> Sequence[Listed]:
        """See the port."""
        return [Listed(job.config, job.fault, job.password, job.remarks) for job in self._file.jobs]

    def new_id(self, config: JobConfig) -> str:
        """See the port."""
        return job_file.new_id(config, {job.config.id for job in self._file.jobs})

    def put(self, config: JobConfig) -> None:
        """See the port."""
        with self._lock:
            self._file = self._file.put(config)

    def drop(self, job: str) -> None:
        """See the port."""
        with self._lock:
            self._file = self._file.drop(job)

    def drop_password(self, job: str) -> None:
        """See the port."""
        with self._lock:
            self._file = self._file.drop_password(job)
