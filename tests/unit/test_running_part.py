"""A job about one folder of a root, and one whose patterns change, in memory."""

from tests.unit.sync_rig import Computer, at, settle, two

from homestow.client.adapters.remote_memory import TOP, MemoryRemote, MemoryServer
from homestow.client.engine.filters import Filters
from homestow.client.running.news import MOST_LISTED
from homestow.client.running.outcome import Ending
from homestow.values.ids import NodeId


def parted(path: str = "D/E") -> tuple[MemoryServer, Computer, Computer]:
    """A keeps all in step, B the folder `path` that has f=1; besides there is g."""
    server, one, other = two()
    for depth in range(1, path.count("/") + 2):
        one.disk.mkdir(at("/".join(path.split("/")[:depth])))
    one.write(f"{path}/f", "1")
    one.write("g", "2")
    settle(one)
    other.part = path
    other.restart()
    settle(other)
    return server, one, other


def folder(server: MemoryServer, path: str) -> NodeId:
    return MemoryRemote(server).resolve(path).id


def test_only_the_folder_is_kept_in_step() -> None:
    """Both ways, and nothing of what lies beside it leaves a trace."""
    _, one, other = parted()
    assert other.files() == {"f": b"1"}
    other.write("n", "3")
    one.write("D/x", "4")
    settle(other, one)
    assert other.files() == {"f": b"1", "n": b"3"}
    assert one.files()["D/E/n"] == b"3"
    assert set(other.cycle.trees.synced) == {folder(other.server, "D/E/f"), folder(other.server, "D/E/n")}
    assert not other.cycle.trees.differing()


def test_it_is_followed_by_its_id() -> None:
    """Renamed and moved it is the same folder, also for a new process; one that is made in its place is not it."""
    _, one, other = parted()
    one.disk.rename(at("D/E"), at("Z"))
    settle(one)
    one.disk.mkdir(at("D/E"))
    one.write("D/E/f", "other")
    one.write("Z/f", "5")
    settle(one)
    other.restart()
    settle(other)
    assert other.files() == {"f": b"5"}


def test_what_leaves_it_is_gone_and_what_comes_is_listed() -> None:
    """A folder that is moved in brings all that it holds; an edit here beats the way out (R6)."""
    _, one, other = parted()
    one.disk.mkdir(at("N"))
    one.disk.mkdir(at("N/M"))
    one.write("N/M/deep", "6")
    one.write("D/E/out", "7")
    one.write("D/E/edited", "8")
    settle(one, other)
    one.disk.rename(at("N"), at("D/E/N"))
    one.disk.rename(at("D/E/out"), at("out"))
    one.disk.rename(at("D/E/edited"), at("edited"))
    other.write("edited", "9")
    settle(one, other)
    assert other.files() == {"f": b"1", "N": None, "N/M": None, "N/M/deep": b"6", "edited": b"9"}
    settle(one)
    assert {path: data for path, data in one.files().items() if "edited" in path or "out" in path} == {
        "out": b"7", "edited": b"8", "D/E/edited": b"9",
    }  # fmt: skip


def test_many_folders_come_at_once() -> None:
    """More than are listed one by one."""
    _, one, other = parted()
    for number in range(MOST_LISTED + 5):
        one.disk.mkdir((f"n{number}",))
        one.write(f"n{number}/f", str(number))
    settle(one)
    for number in range(MOST_LISTED + 5):
        one.disk.rename((f"n{number}",), ("D", "E", f"n{number}"))
    settle(one, other)
    assert sum(data is not None for data in other.files().values()) == MOST_LISTED + 6


def test_without_the_folder_nothing_is_done() -> None:
    """Deleted, by itself or with a folder above it: told, nothing deleted here; back from the trash it goes on."""
    server, one, other = parted()
    e, d = folder(server, "D/E"), folder(server, "D")
    f = folder(server, "D/E/f")
    one.write("D/E/f", "3")
    one.write("D/E/new", "4")
    settle(one)
    one.disk.rmtree(at("D"))
    settle(one)
    other.write("mine", "5")
    outcome = other.sync()
    assert outcome.ending is Ending.TROUBLE
    assert outcome.trouble is not None
    assert outcome.trouble[0] == "remote-folder-missing"
    assert other.files() == {"f": b"1", "mine": b"5"}

    server.bring_back(d, TOP, "D")
    assert server.is_live(e)
    other.restart()
    assert other.sync().ending is Ending.IN_STEP
    assert other.files() == {"f": b"3", "new": b"4", "mine": b"5"}
    assert folder(server, "D/E/f") == f


def test_another_folder_of_that_path_is_joined() -> None:
    """The old one is gone for good, and somebody made a new one: both sides are joined, nothing is deleted (R24)."""
    _, one, other = parted("E")
    one.disk.rmtree(at("E"))
    settle(one)
    one.disk.mkdir(at("E"))
    one.write("E/f", "another")
    settle(one, other, one)
    assert sorted(other.files().values(), key=str) == [b"1", b"another"]
    assert {
        path.removeprefix("E/"): data for path, data in one.files().items() if path.startswith("E/")
    } == other.files()


def test_a_file_is_no_folder() -> None:
    """Nor is nothing: the job says so and does nothing."""
    _, _, other = parted()
    for path in ("g", "nowhere", "D/nowhere/E"):
        other.part = path
        other.forget()
        outcome = other.sync()
        assert outcome.trouble is not None
        assert outcome.trouble[0] == "remote-folder-missing"


def test_patterns_within_the_folder_are_about_its_paths() -> None:
    """A pattern with "/" begins at the job's top, not at the root's."""
    _, one, other = parted()
    other.filters = Filters(excludes=("/f", "/D/E/x"))
    other.restart()
    other.write("f", "edited here")
    one.write("D/E/x", "7")
    settle(one, other, one)
    assert other.files() == {"f": b"edited here", "x": b"7"}
    assert one.files()["D/E/f"] == b"1"


def test_much_that_is_left_out_does_not_stop_a_deletion_of_the_rest() -> None:
    """The brake counts what is kept in step, not what is left out."""
    server, one, other = two()
    other.filters = Filters(excludes=("*.tmp",))
    other.restart()
    for number in range(50):
        one.write(f"{number}.tmp", "t")
    for number in range(10):
        one.write(f"{number}.txt", "x")
    settle(one, other)
    for number in range(50):
        one.disk.remove((f"{number}.tmp",))
    one.cycle.accept_deletes()
    settle(one)
    outcome = other.sync()
    assert outcome.ending is Ending.IN_STEP
    assert len(other.files()) == 10
    assert server.change > 0
