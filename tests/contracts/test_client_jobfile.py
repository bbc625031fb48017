"""One suite per port of the sync service's own files, run by the files and by their twins in memory."""

import json
import os
import stat
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from homestow.client.adapters.job_file import FileJobs, MemoryJobs
from homestow.client.adapters.job_notes import FileNotes, MemoryNotes
from homestow.client.adapters.settings_file import FileSettings, MemorySettings
from homestow.client.ports.jobfile import JobBook, JobNotes, Note
from homestow.client.ports.settings import SettingsStore
from homestow.values.errors import BadSettings, StorageFailed
from homestow.wire.control import JobConfig, Settings

CONFIG = JobConfig(id="docs", server="http://home:5000", directory="/docs", workspace="anna")
WITH_PASSWORD = json.dumps(
    [
        {
            "__type__": "JobConfig",
            "server": "http://home:5000",
            "directory": "/docs",
            "workspace": "anna",
            "password": "pw",
        }
    ]
).encode()

Opened = Callable[[bytes], JobBook]


class JobBookContract:
    """What every job file promises."""

    @pytest.fixture
    @abstractmethod
    def opened(self, tmp_path: Path) -> Opened:
        """Opens a file of this content."""

    def test_what_is_put_is_read(self, opened: Opened) -> None:
        """In the order in which it came, and changed in its place."""
        book = opened(b"")
        assert list(book.read()) == []
        other = msgspec.structs.replace(CONFIG, id="other", directory="/other")
        book.put(CONFIG)
        book.put(other)
        book.put(msgspec.structs.replace(CONFIG, label="Mine"))

        assert [(each.config.id, each.config.label) for each in book.read()] == [("docs", "Mine"), ("other", "")]
        book.drop("docs")
        book.drop("nobody")
        assert [each.config for each in book.read()] == [other]

    def test_a_new_id_is_nobodys(self, opened: Opened) -> None:
        """Also not that of a job without an id of its own."""
        book = opened(WITH_PASSWORD)
        assert book.read()[0].config.id == "home-anna"
        assert book.new_id(CONFIG) == "home-anna-1"

    def test_a_password_is_read_and_dropped(self, opened: Opened) -> None:
        """It is in no repr; dropping it twice does nothing."""
        book = opened(WITH_PASSWORD)
        assert book.read()[0].password == "pw"
        assert "pw" not in repr(book.read())
        book.drop_password("home-anna")
        book.drop_password("home-anna")
        assert book.read()[0].password is None


class TestFileJobs(JobBookContract):
    """On disk."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        def make(content: bytes) -> JobBook:
            if content:
                (tmp_path / "jobs.json").write_bytes(content)
            return FileJobs(tmp_path / "jobs.json")

        return make

    def test_what_people_edit_meanwhile_is_kept(self, tmp_path: Path) -> None:
        """The file is read anew before each change."""
        book = FileJobs(tmp_path / "jobs.json")
        book.put(CONFIG)
        found = json.loads((tmp_path / "jobs.json").read_bytes())
        found["docs"]["mine"] = 1
        (tmp_path / "jobs.json").write_text(json.dumps(found))

        book.put(msgspec.structs.replace(CONFIG, label="x"))

        assert json.loads((tmp_path / "jobs.json").read_bytes())["docs"]["mine"] == 1

    def test_a_file_that_is_broken_is_not_written_over(self, tmp_path: Path) -> None:
        """It is named, and stays as it is for its owner to put right."""
        path = tmp_path / "jobs.json"
        path.write_text("{ broken")
        with pytest.raises(BadSettings, match=r"jobs\.json"):
            FileJobs(path).put(CONFIG)
        assert path.read_text() == "{ broken"

    def test_a_linked_file_stays_linked_and_private(self, tmp_path: Path) -> None:
        """People keep their settings elsewhere; the file is readable for its owner only afterwards."""
        (tmp_path / "real").mkdir()
        real = tmp_path / "real" / "jobs.json"
        real.write_text("{}")
        (tmp_path / "jobs.json").symlink_to(real)

        FileJobs(tmp_path / "jobs.json").put(CONFIG)

        assert (tmp_path / "jobs.json").is_symlink()
        assert stat.S_IMODE(real.stat().st_mode) == 0o600
        assert "docs" in real.read_text()
        assert os.listdir(tmp_path / "real") == ["jobs.json"]

    def test_no_file_is_waited_for(self, tmp_path: Path) -> None:
        """A pipe in its place is no job file."""
        os.mkfifo(tmp_path / "jobs.json")
        assert list(FileJobs(tmp_path / "jobs.json").read()) == []

    @pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
    def test_a_file_that_cannot_be_written_is_said(self, tmp_path: Path) -> None:
        """And nothing is left beside it."""
        (tmp_path / "shut").mkdir(mode=0o500)
        with pytest.raises(StorageFailed):
            FileJobs(tmp_path / "shut" / "jobs.json").put(CONFIG)


class TestMemoryJobs(JobBookContract):
    """In memory."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return MemoryJobs


class JobNotesContract:
    """What notes promise."""

    @pytest.fixture
    @abstractmethod
    def notes(self, tmp_path: Path) -> JobNotes:
        """Empty notes."""

    def test_notes_by_folder(self, notes: JobNotes) -> None:
        """An unknown folder has an empty one; forgetting leaves that."""
        assert notes.read("/a") == Note()
        notes.write("/a", Note(paused=True, ran_ns=5, state=("job-1.sqlite",)))
        notes.write("/b\udcff", Note(ran_ns=7))

        assert notes.read("/a") == Note(paused=True, ran_ns=5, state=("job-1.sqlite",))
        assert notes.read("/b\udcff").ran_ns == 7
        notes.forget("/a")
        notes.forget("/a")
        assert (notes.read("/a"), notes.read("/b\udcff").ran_ns) == (Note(), 7)


class TestFileNotes(JobNotesContract):
    """On disk."""

    @pytest.fixture
    def notes(self, tmp_path: Path) -> JobNotes:
        return FileNotes(tmp_path)

    def test_they_outlive_the_process(self, tmp_path: Path) -> None:
        """Another reader finds them; a damaged one reads as empty."""
        FileNotes(tmp_path).write("/a", Note(paused=True))
        assert FileNotes(tmp_path).read("/a").paused
        (path,) = tmp_path.iterdir()
        path.write_text("{")
        assert FileNotes(tmp_path).read("/a") == Note()

    def test_the_state_goes_with_the_note_and_nothing_else(self, tmp_path: Path) -> None:
        """A note that was tampered with removes no file of anybody."""
        states = tmp_path / "jobs"
        states.mkdir()
        for name in ("job-1.sqlite", "job-1.sqlite-wal", "job-2.sqlite"):
            (states / name).write_text("")
        (tmp_path / "precious").write_text("")
        FileNotes(states).write("/a", Note(state=("job-1.sqlite", "../precious")))

        FileNotes(states).forget("/a")

        assert os.listdir(states) == ["job-2.sqlite"]
        assert (tmp_path / "precious").exists()


class TestMemoryNotes(JobNotesContract):
    """In memory."""

    @pytest.fixture
    def notes(self, tmp_path: Path) -> JobNotes:
        return MemoryNotes()


class SettingsStoreContract:
    """What settings promise."""

    @pytest.fixture
    @abstractmethod
    def store(self, tmp_path: Path) -> SettingsStore:
        """Nothing saved yet."""

    def test_what_is_saved_is_loaded(self, store: SettingsStore) -> None:
        """At first there are the usual ones."""
        assert store.load() == Settings()
        store.save(Settings(up_kbytes=5, language="zh"))
        assert store.load() == Settings(up_kbytes=5, language="zh")


class TestFileSettings(SettingsStoreContract):
    """On disk."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> SettingsStore:
        return FileSettings(tmp_path / "settings.json")

    @pytest.mark.parametrize("content", ["{", "[]", "5", '{"up_kbytes": -1, "language": "zh", "mine": 1}', "[" * 9999])
    def test_absurd_files(self, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
        """What can be is taken, the rest is as usual; keys of others are kept."""
        path = tmp_path / "settings.json"
        path.write_text(content)
        loaded = FileSettings(path).load()
        assert loaded.up_kbytes == 0
        if "zh" in content:
            assert loaded.language == "zh"
            FileSettings(path).save(Settings())
            assert json.loads(path.read_text())["mine"] == 1


class TestMemorySettings(SettingsStoreContract):
    """In memory."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> SettingsStore:
        return MemorySettings()
