"""Whatever is not in step says why, and counts only where it is not as the job wants it (R16, P9)."""

from dataclasses import replace

from tests.unit.sync_rig import Computer, at

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.remote_memory import TOP, MemoryServer
from homestow.client.engine.rules import Direction
from homestow.client.engine.seen import SeenKind
from homestow.client.running.outcome import Ending, Outcome
from homestow.values.errors import BadName, NotHomestow
from homestow.values.nodes import Kind, Node


def read_only() -> tuple[MemoryServer, Computer]:
    """A computer in step with {"D/f", "D/g"} in a root that it may only read since."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    computer.disk.mkdir(at("D"))
    computer.write("D/f", "1")
    computer.write("D/g", "2")
    computer.sync()
    server.writable = False
    return server, computer


def told(outcome: Outcome) -> dict[str, str]:
    """Reasons' codes by path."""
    return {"/".join(held.path): held.code for held in outcome.problems}


def placed(server: MemoryServer, node: Node) -> None:
    """Somebody made it on the server."""
    server.record(node)


def test_an_edit_where_one_may_only_read_stays_beside_the_file() -> None:
    """SC-213: the server's version comes back, the edit stays here under its conflict name, and that is told."""
    server, computer = read_only()
    computer.write("D/f", "mine")
    change = server.change
    outcome = computer.sync()

    files = computer.files()
    (copy,) = [path for path in files if "(conflict B " in path]
    assert files == {"D": None, "D/f": b"1", "D/g": b"2", copy: b"mine"}
    assert told(outcome) == {copy: "read-only"}
    assert outcome.ending is Ending.ITEMS_LEFT
    assert server.change == change
    assert computer.sync().counts.total() == outcome.counts.total(), "the same again changes nothing"


def test_what_is_deleted_or_moved_where_one_may_only_read_comes_back() -> None:
    """SC-214: deletes and renames are undone, in step again without a problem."""
    _, computer = read_only()
    computer.disk.remove(at("D/f"))
    computer.disk.rename(at("D/g"), at("D/h"))
    outcome = computer.sync()
    assert computer.files() == {"D": None, "D/f": b"1", "D/g": b"2"}
    assert outcome.ending is Ending.IN_STEP
    assert not outcome.problems


def test_what_is_new_where_one_may_only_read_stays_and_is_told_by_its_folder() -> None:
    """SC-215: new things stay here with a reason, one per topmost folder, also told by the next process."""
    _, computer = read_only()
    computer.write("D/n", "new")
    computer.disk.mkdir(at("E"))
    computer.write("E/one", "1")
    computer.write("E/two", "2")
    for _ in range(2):
        outcome = computer.sync()
        assert told(outcome) == {"D/n": "read-only", "E": "read-only"}
        assert outcome.left == 2
        assert outcome.ending is Ending.ITEMS_LEFT
        computer.restart()
    assert computer.files()["E/two"] == b"2"


def test_rights_given_back_send_what_stayed() -> None:
    """What stayed for want of rights goes up as soon as they are there."""
    server, computer = read_only()
    computer.write("D/n", "new")
    computer.sync()
    server.writable = True
    outcome = computer.sync()
    assert outcome.ending is Ending.IN_STEP
    assert not outcome.problems
    assert outcome.counts.uploaded == 3


def test_what_is_new_in_a_job_that_only_brings_down_is_told_but_is_no_problem() -> None:
    """A one-way job's follower may hold more than the source: told, and in step all the same."""
    computer = Computer("B", MemoryServer(), SimClock(), direction=Direction.DOWN)
    computer.write("n", "new")
    outcome = computer.sync()
    assert told(outcome) == {"n": "only-here"}
    assert outcome.left == 0
    assert outcome.ending is Ending.IN_STEP


def test_symlinks_on_the_server_are_told_until_they_are_gone() -> None:
    """R25: a link on the server is told at its place by every run, is no problem, and is forgotten with its end."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    computer.disk.mkdir(at("D"))
    computer.write("D/f", "1")
    computer.sync()
    folder = server.children[TOP]["D"]
    link = Node(server.new_id(), server.nodes[TOP].root, folder, "way", Kind.LINK, 0, 0, 0, 0, 0, None)
    placed(server, link)
    for _ in range(2):
        outcome = computer.sync()
        assert told(outcome) == {"D/way": "link"}
        assert outcome.ending is Ending.IN_STEP
        computer.restart()
    server.record(server.nodes[link.id])
    listed = Computer("C", server, SimClock())
    assert told(listed.sync()) == {"D/way": "link"}, "a first listing tells it too"
    gone = server.nodes[link.id]
    placed(server, Node(gone.id, gone.root, gone.parent, gone.name, gone.kind, 0, 0, 0, 0, 0, None, gone=True))
    assert not computer.sync().problems


def test_reserved_names_on_the_server_are_told() -> None:
    """R16: a file whose name is Homestow's own is not brought, counts as left, and renaming it brings it."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    computer.sync()
    taken = server.new_id()
    root = server.nodes[TOP].root
    node = Node(taken, root, TOP, ".homestow-sync", Kind.FOLDER, 0, 0, 0, 0, 0, None)
    placed(server, node)
    outcome = computer.sync()
    assert told(outcome) == {".homestow-sync": "reserved-name"}
    assert outcome.ending is Ending.ITEMS_LEFT
    placed(server, Node(taken, root, TOP, "plain", Kind.FOLDER, 0, 0, 0, 0, 0, None))
    outcome = computer.sync()
    assert outcome.ending is Ending.IN_STEP
    assert computer.tree.look(at("plain")) is not None


def test_names_that_the_client_refused_are_told() -> None:
    """S04: a node that the remote left out because of its name is told as left; nonsense is not taken for a name."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    computer.sync()
    bad = Node(server.new_id(), server.nodes[TOP].root, TOP, "..", Kind.FILE, 1, 5, 5, 1, 0, None)
    assert computer.cycle.refused(bad, BadName("No file may be called '..'."))
    assert not computer.cycle.refused(bad, NotHomestow("nonsense"))
    outcome = computer.sync()
    assert told(outcome) == {"..": "bad-name"}
    assert outcome.ending is Ending.ITEMS_LEFT
    computer.restart()
    assert told(computer.sync()) == {"..": "bad-name"}


def test_a_link_that_took_a_files_place_here_counts_as_left() -> None:
    """SC-110: a plain symlink is no problem, one in the place of a file of the server is."""
    computer = Computer("B", MemoryServer(), SimClock())
    computer.write("f", "1")
    computer.sync()
    computer.disk.symlink(at("plain"), "f")
    assert computer.sync().ending is Ending.IN_STEP
    computer.disk.remove(at("f"))
    computer.disk.symlink(at("f"), "elsewhere")
    outcome = computer.sync()
    assert outcome.ending is Ending.ITEMS_LEFT
    assert told(outcome) == {"f": "became-link", "plain": "link"}
    assert computer.tree.look(at("f")).kind is SeenKind.LINK  # type: ignore[union-attr]  # it is there


def many(count: int = 30) -> tuple[MemoryServer, Computer]:
    """A computer in step with so many files."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    for number in range(count):
        computer.write(f"f{number}", str(number))
    assert computer.sync().ending is Ending.IN_STEP
    return server, computer


def test_the_brake_is_answered_by_putting_the_files_back() -> None:
    """R18: files that come back into the folder, copied there anew, are the same as before: nothing is deleted or sent."""
    server, computer = many()
    kept = {path: content for path, content in computer.files().items() if content is not None}
    for path in kept:
        computer.disk.remove(at(path))
    assert computer.sync().ending is Ending.BRAKE
    for path, content in kept.items():
        computer.write(path, content.decode())
    change = server.change
    assert computer.sync().ending is Ending.IN_STEP
    assert {node.rev for node in server.nodes.values()} == {0, 1}, "no content was sent"
    assert not any(node.gone for node in server.nodes.values())
    assert server.change == change + 30, "only their times were told"


def test_the_brake_is_answered_by_the_trash_of_the_server() -> None:
    """R18: files that are restored on the server are the same as before: nothing is deleted here or brought again."""
    server, computer = many()
    gone = dict(server.children[TOP])
    for node in gone.values():
        server.record(replace(server.nodes[node], gone=True))
    assert computer.sync().ending is Ending.BRAKE
    for name, node in gone.items():
        server.bring_back(node, TOP, name)
    outcome = computer.sync()
    assert outcome.ending is Ending.IN_STEP
    assert (outcome.counts.downloaded, outcome.counts.deletes) == (0, 0)
    assert len(computer.files()) == 30


def test_a_folder_that_comes_back_while_the_brake_asks_is_the_same() -> None:
    """R18: a whole folder put back is known again with all in it, edits among it included."""
    server = MemoryServer()
    computer = Computer("B", server, SimClock())
    computer.disk.mkdir(at("D"))
    for number in range(30):
        computer.write(f"D/f{number}", str(number))
    computer.sync()
    nodes = set(server.nodes)
    computer.disk.rmtree(at("D"))
    assert computer.sync().ending is Ending.BRAKE
    computer.restart()
    computer.disk.mkdir(at("D"))
    for number in range(30):
        computer.write(f"D/f{number}", str(number))
    computer.write("D/f0", "edited")
    assert computer.sync().ending is Ending.IN_STEP
    assert set(server.nodes) == nodes, "the same nodes, none new"
    assert sum(node.rev == 2 for node in server.nodes.values()) == 1
    assert not any(node.gone for node in server.nodes.values())


def test_the_brake_is_answered_by_one_run_that_brings_down() -> None:
    """R18: once with `-dir down` brings everything back from the server, and both ways are in step after it."""
    server, computer = many()
    for path in list(computer.files()):
        computer.disk.remove(at(path))
    assert computer.sync().ending is Ending.BRAKE
    for direction in (Direction.DOWN, Direction.BOTH):
        computer.direction = direction
        computer.restart()
        assert computer.sync().ending is Ending.IN_STEP
    assert len(computer.files()) == 30
    assert not any(node.gone for node in server.nodes.values())
