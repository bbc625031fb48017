"""Where running services are found: one of a name, stale ones gone, and folders that only their owner enters."""

import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from homestow.client.control import places
from homestow.client.control.places import Keys, Place
from homestow.values.errors import StorageFailed, StoreLocked

NOTE = Place("", Path(), 42, 1, "/jobs.json", "ipc:///a", "ipc:///b", "0.1.0")


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder with a short name: paths of sockets have 100 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="h") as made:
        yield Path(made)


@pytest.fixture(autouse=True)
def without_a_session(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    """No folder of a desktop session unless a test gives one, and a temporary folder of the test's own."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (base / "tmp").mkdir(mode=0o777)
    monkeypatch.setenv("TMPDIR", str(base / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def client(base: Path) -> Path:
    """A client's folder, not made yet."""
    return base / "c"


def test_a_place_is_found_while_it_is_held(client: Path) -> None:
    """Who is told of, is found with all that was told; before and after, nothing is."""
    assert places.live(client) == []
    held = places.take("service", client)
    assert places.live(client) == []  # it does not answer yet
    told = held.tell(NOTE)
    assert told == Place("service", client / "run" / "service", 42, 1, "/jobs.json", "ipc:///a", "ipc:///b", "0.1.0")
    assert places.live(client) == [told]
    assert places.find("service", client) == told
    assert places.find("other", client) is None
    assert told.again() == told
    held.release()
    held.release()
    assert places.live(client) == []
    assert told.again() is None
    assert not told.folder.exists()


def test_keys_are_told_and_never_shown(client: Path) -> None:
    """They are in the note, not in what a log would show."""
    with places.take("service", client) as held:
        keyed = Place(
            "", Path(), 1, 1, "", "tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "", Keys("s" * 40, "p" * 40, "x" * 40)
        )
        told = held.tell(keyed)
        assert told.keys == keyed.keys
        assert told.again() == told
        assert "x" * 40 not in repr(told)
        assert stat.S_IMODE((told.folder / "place.json").stat().st_mode) == 0o600


def test_one_service_of_a_name(client: Path) -> None:
    """A second one is told who runs and what to do; one of another name runs beside it, the one of the stored jobs comes first."""
    other = places.take("folder-1", client)
    other.tell(NOTE)
    held = places.take("service", client)
    with pytest.raises(StoreLocked, match=f"already runs .process {os.getpid()}.. `homestow status`"):
        places.take("service", client)
    held.tell(NOTE)
    with pytest.raises(StoreLocked, match="process 42") as caught:
        places.take("service", client)
    assert caught.value.facts["pid"] == 42
    assert [place.name for place in places.live(client)] == ["service", "folder-1"]
    held.release()
    places.take("service", client).release()
    other.release()


def test_one_of_many_that_begin_at_once(client: Path) -> None:
    """Twenty begin at the same moment: one holds the place."""
    begin = threading.Barrier(20)
    took: list[places.Held] = []
    refused: list[StoreLocked] = []

    def take() -> None:
        begin.wait()
        try:
            took.append(places.take("service", client))
        except StoreLocked as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(took), len(refused)) == (1, 19)
    took[0].release()


def test_who_only_looks_keeps_nobody_out(client: Path) -> None:
    """While others look whether a service runs, one can begin and end, as often as it likes."""
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            places.live(client)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        with places.take("service", client) as held:
            held.tell(NOTE)
            assert len(places.live(client)) == 1
    done.set()
    for thread in threads:
        thread.join()


DIES = """
import os, sys
from pathlib import Path
from homestow.client.control import places
held = places.take("service", Path(sys.argv[1]))
held.tell(places.Place("", Path(), os.getpid(), 1, "", "ipc:///a", "ipc:///b"))
(held.folder / "orders").touch()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_place_of_a_killed_service_is_removed(client: Path) -> None:
    """It is found while the service lives; when that was killed, the next look removes all it left."""
    program = subprocess.Popen(
        [sys.executable, "-c", DIES, str(client)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "held\n"
    place = places.find("service", client)
    assert place is not None
    assert place.pid == program.pid
    program.kill()
    program.communicate()
    assert place.again() is None
    assert place.folder.exists()
    assert places.live(client) == []
    assert not place.folder.exists()


def test_a_place_of_a_killed_service_is_taken_over(client: Path) -> None:
    """What is left there of old sockets is gone before the new service is told of."""
    folder = client / "run" / "service"
    folder.mkdir(parents=True)
    for each in (client / "run", folder):
        each.chmod(0o700)
    for name in ("lock", "orders", "news"):
        (folder / name).touch()
    (folder / "place.json").write_text("{")
    with places.take("service", client) as held:
        assert {path.name for path in held.folder.iterdir()} == {"lock", "place.json"}


def test_the_folder_of_the_desktop_session_is_best(client: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the sockets lie; found also by a shell of another session, as long as it looks at the same folders."""
    session = base / "session"
    session.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    with places.take("service", client) as held:
        told = held.tell(NOTE)
        assert told.folder == session / "homestow" / "service"
        assert places.live(client) == [told]
        assert places.live(base / "other") == []
        with places.take("service", base / "other") as second:
            other = second.tell(NOTE)
            assert other.folder.parent == told.folder.parent
            assert places.live(client) == [told]
            assert places.live(base / "other") == [other]
    assert list((session / "homestow").iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_session_folder_that_is_open_to_others_is_not_used(
    client: Path, base: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """Nor is one that is a link, or is not there."""
    session = base / "session"
    session.mkdir()
    session.chmod(mode)
    good = base / "good"
    good.mkdir(mode=0o700)
    (base / "link").symlink_to(good)
    for given in (session, base / "link", base / "none", Path("relative")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(given))
        with places.take("service", client) as held:
            assert held.folder == client / "run" / "service"


def test_a_session_folder_that_is_opened_to_others_later(
    client: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that runs there is found still, and no second one begins; its place stays closed to others."""
    session = base / "session"
    session.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    with places.take("service", client) as held:
        told = held.tell(NOTE)
        session.chmod(0o755)
        assert places.live(client) == [told]
        with pytest.raises(StoreLocked):
            places.take("service", client)
        (session / "homestow").chmod(0o755)
        assert places.live(client) == []


def test_a_path_too_long_for_a_socket(base: Path) -> None:
    """Then the place is in the temporary folder, in one of this user alone; two clients have one each."""
    deep = base / ("d" * 90)
    with places.take("service", deep / "one") as held, places.take("service", deep / "two") as other:
        home = base / "tmp" / f"homestow-{os.getuid()}"
        assert held.folder.parent == other.folder.parent == home
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert len(os.fsencode(held.folder / "orders")) <= places.MAX_SOCKET_PATH
        held.tell(NOTE)
        assert len(places.live(deep / "one")) == 1
        assert places.live(deep / "two") == []


@pytest.mark.parametrize("planted", ["link", "file", "open", "foreign"])
def test_a_planted_folder_is_not_used(base: Path, planted: str) -> None:
    """Who made the folder in the temporary one before us gets no sockets: it is refused with a reason (S93)."""
    deep = base / ("d" * 90)
    home = base / "tmp" / f"homestow-{os.getuid()}"
    match planted:
        case "link":
            (base / "elsewhere").mkdir(mode=0o700)
            home.symlink_to(base / "elsewhere")
        case "file":
            home.touch()
        case "open":
            home.mkdir()
            home.chmod(0o755)
        case _:
            if os.getuid() != 0:
                pytest.skip("only root can give a folder away")
            home.mkdir(mode=0o700)
            os.chown(home, 65_534, 65_534)
    with pytest.raises(StorageFailed, match="writable for you alone"):
        places.take("service", deep)
    assert places.live(deep) == []


def test_folders_are_made_for_their_owner_alone(client: Path) -> None:
    """Even under a umask that takes nothing away, also those above."""
    before = os.umask(0)
    try:
        with places.take("service", client / "a" / "b") as held:
            for folder in (held.folder, *list(held.folder.parents)[:4]):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    finally:
        os.umask(before)


def test_a_lock_that_is_a_link_is_not_followed(client: Path, base: Path) -> None:
    """A file elsewhere is neither locked nor removed."""
    folder = client / "run" / "service"
    folder.mkdir(parents=True)
    for each in (client / "run", folder):
        each.chmod(0o700)
    (base / "mine").write_text("mine")
    (folder / "lock").symlink_to(base / "mine")
    assert places.live(client) == []
    with pytest.raises(StoreLocked):
        places.take("service", client)
    assert (base / "mine").read_text() == "mine"


def test_notes_that_are_none_are_passed_over(client: Path) -> None:
    """A place that is held but says nothing readable is not shown."""
    held = places.take("service", client)
    for text in ("", "{}", json.dumps({"name": 5}), "[" * 100_000):
        (held.folder / "place.json").write_text(text)
        assert places.live(client) == []
    with open(held.folder / "lock", "rb") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.release()


def test_names_of_other_services(base: Path) -> None:
    """One for each file and folder, short enough for a socket's path."""
    names = {
        places.name_for_file(base / "a"),
        places.name_for_folder(base / "a"),
        places.name_for_folder(base),
    }
    assert len(names) == 3
    assert {len(name) for name in names} <= set(range(10, 25))
