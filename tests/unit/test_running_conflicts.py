"""Conflicts that wait for a choice: found, listed, settled, and never at the price of a content."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.sync_rig import Computer, at
from tests.unit.sync_wire import BLOCK, Wire, nothing, small_blocks, wired

from homestow.client.adapters.clock_memory import SeededChance, SimClock
from homestow.client.adapters.history_memory import MemoryHistory
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.engine.rules import Direction
from homestow.client.ports.localtree import LocalChanged, LocalPath, LocalTree
from homestow.client.running.conflicts import Conflicts, Solve
from homestow.client.running.deeds import Deed, Did
from homestow.client.running.outcome import Ending, Outcome
from homestow.client.running.settling import Copy, Keep, NotReady
from homestow.values.errors import CloudError, NotFound, Unreachable
from homestow.wire.control import Conflict


class Chooser:
    """A computer whose conflicts are listed after each pass, as its job does it."""

    def __init__(self, computer: Computer, solve: Solve = "manual") -> None:
        self.computer, self.solve = computer, solve
        self.history = MemoryHistory()
        self.began()

    def began(self) -> None:
        """A process begins: the computer's cycle is another one."""
        cycle = self.computer.cycle
        self.conflicts = Conflicts(
            cycle.settling, cycle.wake, self.history, self.computer.clock, job="j", folder=Path("/home/f"),
            device=self.computer.name, solve=self.solve,
        )  # fmt: skip
        # Bound late: a listener of the cycle's is given when it is made.
        cycle._work.hear = self._heard

    def _heard(self, deed: Deed) -> None:
        self.computer.deeds.append(deed)
        self.conflicts.heard(deed)

    def restart(self) -> None:
        """The process ends and another one begins."""
        self.computer.restart()
        # No key of an upload comes twice.
        self.computer.cycle._work.chance = SeededChance("after the restart")
        self.began()

    def sync(self) -> Outcome:
        """Passes until nothing is left to do."""
        outcome = self.computer.sync()
        while self.conflicts.passed(outcome.ending):
            outcome = self.computer.sync()
        return outcome

    @property
    def listed(self) -> tuple[Conflict, ...]:
        return self.conflicts.listed

    def only(self) -> Conflict:
        (conflict,) = self.listed
        return conflict


class Scene:
    """Two computers with two edits of d/f.txt: A's reached the server first, B set its own aside."""

    def __init__(self, solve: Solve = "manual", size: int = 3, direction: Direction = Direction.BOTH) -> None:
        self.server, self.clock = small_blocks(), SimClock()
        self.a = Chooser(Computer("A", self.server, self.clock))
        computer, self.wire = wired("B", self.server, self.clock, direction=direction)
        self.b = Chooser(computer, solve)
        self.a.computer.disk.mkdir(at("d"))
        self.a.computer.write("d/f.txt", "old")
        self.calm()
        self.by_a, self.by_b = "A" * size, "B" * (size + 1)
        self.a.computer.write("d/f.txt", self.by_a)
        self.b.computer.write("d/f.txt", self.by_b)
        self.a.sync()
        self.b.sync()

    def calm(self) -> None:
        """All in step."""
        for _ in range(3):
            self.a.sync()
            self.b.sync()

    def contents(self) -> set[bytes]:
        """Everything that anybody could still get."""
        found = {data for computer in (self.a.computer, self.b.computer) for data in computer.files().values() if data}
        return found | set(self.server.contents.values())

    def ended(self) -> dict[str, bytes | None]:
        """What both have in the end."""
        self.calm()
        assert self.a.computer.files() == self.b.computer.files()
        return self.a.computer.files()


def test_a_conflict_is_listed_with_both_contents() -> None:
    """What the window needs: both files, their sizes and times, whose the copy is, and that a choice can be made."""
    scene = Scene()
    conflict = scene.b.only()

    assert conflict.job == "j"
    assert conflict.device == "B"
    assert conflict.original.path == "d/f.txt"
    assert conflict.original.file == "/home/f/d/f.txt"
    assert (conflict.original.size, conflict.copy.size) == (3, 4)
    assert conflict.copy.path.startswith("d/f (conflict B ")
    assert conflict.copy.file == f"/home/f/{conflict.copy.path}"
    assert conflict.ready
    assert scene.b.computer.disk.read(at(conflict.copy.path)) == b"BBBB"


def test_copies_of_other_computers_are_conflicts_too() -> None:
    """A copy is listed wherever it lies, also by a process that has not seen it being made."""
    scene = Scene()
    scene.calm()
    seen = scene.a.only()
    assert (seen.device, seen.copy.path, seen.ready) == ("B", scene.b.only().copy.path, True)

    scene.b.history = MemoryHistory()
    scene.b.restart()
    scene.b.sync()
    assert scene.b.only().copy.path == seen.copy.path


def test_the_list_follows_the_files() -> None:
    """A copy that somebody removed or renamed is no conflict any more, and nothing is remembered of it."""
    scene = Scene()
    scene.calm()
    copy = scene.b.only().copy.path
    assert [clash.copy for clash in scene.b.history.clashes("j")] == [copy]
    scene.a.computer.disk.rename(at(copy), at("d/mine.txt"))

    scene.calm()

    assert scene.a.listed == scene.b.listed == ()
    assert not scene.b.history.clashes("j")


def test_keeping_the_original_puts_the_copy_into_the_trash() -> None:
    """The file stays as the server accepted it first; the copy's content is still on the server."""
    scene = Scene()
    conflict = scene.b.only()
    scene.b.computer.deeds.clear()

    assert scene.b.conflicts.settle("original", conflict.id) == ()

    assert scene.ended() == {"d": None, "d/f.txt": b"AAA"}
    assert b"BBBB" in scene.contents()
    assert not scene.b.history.clashes("j")
    assert scene.b.computer.deeds == [
        Deed(Did.DELETE, False, conflict.copy.path),
        Deed(Did.DELETE, True, conflict.copy.path),
        Deed(Did.SETTLED, True, "d/f.txt", conflict.copy.path, choice="original"),
    ]


@pytest.mark.parametrize("size", [3, 5 * BLOCK])
@pytest.mark.parametrize("where", ["a", "b"])
def test_keeping_the_copy_makes_it_the_files_content(size: int, where: str) -> None:
    """On whichever computer it is chosen: the other content is a version on the server, the copy is gone; the file is the
    same node as before, and its bytes are not sent again."""
    scene = Scene(size=size)
    scene.calm()
    chooser = scene.a if where == "a" else scene.b
    node = scene.a.computer.cycle.trees.synced.keys()
    before = {scene.a.computer.cycle.trees.path_there(item): item for item in node}
    mtime = chooser.only().copy.mtime_ns
    scene.wire.sent = 0

    assert chooser.conflicts.settle("copy", chooser.only().id) == ()

    assert scene.ended() == {"d": None, "d/f.txt": scene.by_b.encode()}
    assert scene.wire.sent == 0
    trees = scene.a.computer.cycle.trees
    assert trees.path_there(before["d", "f.txt"]) == ("d", "f.txt")
    assert trees.synced[before["d", "f.txt"]].mtime_ns == mtime
    assert scene.by_a.encode() in scene.contents()


def test_keeping_both_gives_the_copy_an_ordinary_name() -> None:
    """Nothing is dropped; the copy is a file like others."""
    scene = Scene()
    scene.b.computer.write("d/f (2).txt", "taken")

    assert scene.b.conflicts.settle("both", scene.b.only().id) == ()

    assert scene.ended() == {"d": None, "d/f.txt": b"AAA", "d/f (2).txt": b"taken", "d/f (3).txt": b"BBBB"}


def test_a_copy_whose_original_is_gone() -> None:
    """Both and copy give it the name that is free now."""
    for keep in cast(tuple[Keep, ...], ("copy", "both")):
        scene = Scene()
        scene.a.computer.disk.remove(at("d/f.txt"))
        scene.calm()
        conflict = scene.b.only()
        assert conflict.original.file is None
        assert conflict.ready

        scene.b.conflicts.settle(keep, conflict.id)

        assert scene.ended() == {"d": None, "d/f.txt": b"BBBB"}


def test_a_copy_beside_a_folder() -> None:
    """R14: the folder keeps the name; the copy can go or get a name, but not become a folder's content."""
    scene = Scene()
    scene.a.computer.disk.remove(at("d/f.txt"))
    scene.a.computer.disk.mkdir(at("d/f.txt"))
    scene.calm()
    conflict = scene.b.only()

    with pytest.raises(NotReady):
        scene.b.conflicts.settle("copy", conflict.id)
    scene.b.conflicts.settle("both", conflict.id)

    assert scene.ended() == {"d": None, "d/f.txt": None, "d/f (2).txt": b"BBBB"}


def test_all_at_once() -> None:
    """Without a number all that are ready are settled."""
    scene = Scene()
    for name in ("g", "h"):
        scene.a.computer.write(name, "1")
        scene.b.computer.write(name, "22")
    scene.calm()
    assert len(scene.b.listed) == 3

    assert scene.b.conflicts.settle("original") == ()

    assert scene.ended() == {"d": None, "d/f.txt": b"AAA", "g": b"1", "h": b"1"}
    assert scene.b.conflicts.settle("original") == ()


@pytest.mark.parametrize("by_itself", [False, True])
def test_several_copies_of_one_file(by_itself: bool) -> None:
    """Each becomes the file's content in its turn: the last one stays, the others are its versions, and nothing is left."""
    scene = Scene()
    scene.a.computer.write("d/f.txt", "AAAAA2")
    scene.b.computer.write("d/f.txt", "BBBBBBB2")
    scene.a.sync()
    scene.b.sync()
    first, last = sorted(scene.b.listed, key=lambda conflict: conflict.copy.path)
    contents = {scene.b.computer.disk.read(at(conflict.copy.path)) for conflict in (first, last)}
    kept = scene.b.computer.disk.read(at(last.copy.path))
    if by_itself:
        scene.b.conflicts._solve, scene.b.conflicts._version = "local", 0
        assert scene.b.conflicts.passed(Ending.IN_STEP)
    else:
        assert scene.b.conflicts.settle("copy") == ()

    assert scene.ended() == {"d": None, "d/f.txt": kept}
    assert contents <= scene.contents()


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_job_that_is_stopped_while_it_settles(by_itself: bool) -> None:
    """That is nobody's mistake: who chose is told, nothing is lost, and the choice can be made again."""
    scene = Scene(size=3 * BLOCK)
    work = scene.b.computer.cycle._work
    stopped: list[str] = []
    work.stop = lambda: bool(stopped)
    scene.wire.fail = lambda name: stopped.append(name) if name == "begin_upload" else None
    if by_itself:
        scene.b.conflicts._solve, scene.b.conflicts._version = "local", 0
        assert not scene.b.conflicts.passed(Ending.IN_STEP)
    else:
        with pytest.raises(NotReady, match="paused or ended"):
            scene.b.conflicts.settle("copy", scene.b.only().id)
    stopped.clear()
    scene.wire.fail = nothing
    work.stop = lambda: False
    assert {scene.by_a.encode(), scene.by_b.encode()} <= scene.contents()
    scene.b.sync()
    if not by_itself:
        scene.b.conflicts.settle("copy")

    assert scene.ended() == {"d": None, "d/f.txt": scene.by_b.encode()}


def test_a_choice_is_about_what_was_shown() -> None:
    """When either content changed since it was listed, on either side, nothing is done and the new list is there."""

    def edited_here(scene: Scene) -> None:
        scene.b.computer.write(scene.b.only().copy.path, "edited")

    def edited_there(scene: Scene) -> None:
        scene.a.computer.write("d/f.txt", "edited there")
        scene.a.sync()

    def seen_already(scene: Scene) -> None:
        edited_there(scene)
        scene.b.sync()

    for change in (edited_here, edited_there, seen_already):
        for keep in cast(tuple[Keep, ...], ("original", "copy")):
            scene = Scene()
            scene.calm()
            before = scene.b.only()
            change(scene)

            with pytest.raises((LocalChanged, NotReady)):
                scene.b.conflicts.settle(keep, before.id)

            scene.calm()
            after = scene.b.only()
            assert after.id != before.id
            assert len(scene.ended()) == 3


def test_what_is_settled_already_is_told() -> None:
    """Another window, or another computer, was faster."""
    scene = Scene()
    conflict = scene.b.only()
    scene.calm()
    scene.a.conflicts.settle("original", scene.a.only().id)
    scene.a.sync()

    with pytest.raises((NotFound, NotReady)):
        scene.b.conflicts.settle("copy", conflict.id)
    scene.calm()
    with pytest.raises(NotFound):
        scene.b.conflicts.settle("copy", conflict.id)
    assert scene.ended() == {"d": None, "d/f.txt": b"AAA"}


def test_what_is_not_on_the_server_yet_is_not_ready() -> None:
    """No choice removes the only copy of anything."""
    scene = Scene()
    scene.wire.fail = lambda name: (_ for _ in ()).throw(Unreachable("cut")) if name == "put_small" else None
    scene.a.computer.write("g", "1")
    scene.a.sync()
    scene.b.computer.write("g", "2")
    scene.b.sync()
    assert any("g (conflict" in path for path in scene.b.computer.files())
    copies = {path for path in scene.b.computer.files() if "conflict" in path}
    scene.b.conflicts._list()
    waiting = [conflict for conflict in scene.b.listed if not conflict.ready]
    assert [conflict.original.path for conflict in waiting] == ["g"]

    for keep in cast(tuple[Keep, ...], ("original", "copy")):
        with pytest.raises(NotReady):
            scene.b.conflicts.settle(keep, waiting[0].id)
    assert copies <= scene.b.computer.files().keys()

    left = scene.b.conflicts.settle("original")
    assert [conflict.id for conflict in left] == [waiting[0].id]


def test_a_job_that_only_follows_settles_nothing() -> None:
    """One-way down: what lies here alone is not dropped, what the server has is not changed; a name can be given."""
    scene = Scene(direction=Direction.DOWN)
    conflict = scene.b.only()
    assert not conflict.ready

    for keep in cast(tuple[Keep, ...], ("original", "copy")):
        with pytest.raises(NotReady):
            scene.b.conflicts.settle(keep, conflict.id)
    scene.b.conflicts.settle("both", conflict.id)

    scene.calm()
    assert scene.b.computer.files()["d/f (2).txt"] == b"BBBB"
    assert scene.b.listed == ()


def test_an_upward_job_settles_too() -> None:
    """One-way up: copies of others go on both sides."""
    scene = Scene()
    scene.calm()
    scene.a.computer.direction = Direction.UP
    scene.a.restart()
    scene.a.sync()

    scene.a.conflicts.settle("original", scene.a.only().id)

    assert scene.ended() == {"d": None, "d/f.txt": b"AAA"}


@pytest.mark.parametrize("solve, content", [("remote", b"AAA"), ("local", b"BBBB")])
def test_a_job_settles_its_own_conflicts_when_told_so(solve: Solve, content: bytes) -> None:
    """remote: the server's stays; local: this computer's. Both contents stay on the server; no copy is left."""
    scene = Scene(solve)

    assert scene.ended() == {"d": None, "d/f.txt": content}
    assert {b"AAA", b"BBBB"} <= set(scene.server.contents.values())
    assert scene.b.listed == ()
    assert Did.SETTLED in {deed.did for deed in scene.b.computer.deeds}


def test_a_job_settles_nothing_of_others() -> None:
    """Copies that other computers made, or people, wait for a person."""
    for solve in cast(tuple[Solve, ...], ("remote", "local")):
        scene = Scene()
        scene.a.solve = solve
        scene.a.began()
        scene.calm()
        assert scene.a.only().copy.path == scene.b.only().copy.path
        assert len(scene.ended()) == 3


def test_keeping_both_always_means_that_nothing_waits() -> None:
    """solve = both: the copy stays and nobody is asked."""
    scene = Scene("both")
    assert scene.b.listed == ()
    assert len(scene.ended()) == 3


def test_a_list_is_made_only_when_something_changed() -> None:
    """A pass that found nothing new does not look through all names again; sleep changes nothing."""
    scene = Scene()
    scene.calm()
    before = scene.b.listed
    made: list[int] = []
    copies = scene.b.conflicts._copies

    def counted(named: dict[LocalPath, str]) -> list[Copy]:
        made.append(1)
        return copies(named)

    scene.b.conflicts._copies = counted  # type: ignore[method-assign]

    scene.b.sync()
    assert made == []
    scene.b.computer.cycle.sleep()
    assert scene.b.listed is before
    assert scene.b.conflicts.settle("original", before[0].id) == ()


# --- killed in the middle ---------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process ends here."""


class Fatal:
    """Wraps a port: the process dies before or after the n-th call of any that is wrapped."""

    def __init__(self, port: Any, life: list[int]) -> None:
        self._port, self._life = port, life

    def _tick(self) -> None:
        self._life[0] -= 1
        if self._life[0] == 0:
            raise Died

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._tick()
            answer = found(*(arg._port if isinstance(arg, Fatal) else arg for arg in args), **kwargs)
            self._tick()
            return Fatal(answer, self._life) if name == "stage" else answer

        return call


def deaths(keep: Keep, size: int) -> Iterator[tuple[int, Scene]]:
    """The same choice, with a death at each call in turn, until it comes through."""
    for number in range(1, 500):
        scene = Scene(size=size)
        scene.calm()
        work = scene.b.computer.cycle._work
        life = [number]
        work.tree = cast(LocalTree, Fatal(work.tree, life))
        work.remote = cast(Any, Fatal(work.remote, life))
        work.state = cast(Any, Fatal(work.state, life))
        tree = scene.b.computer.tree
        try:
            scene.b.conflicts.settle(keep, scene.b.only().id)
        except Died:
            yield number, scene
        else:
            return
        finally:
            scene.b.computer.tree = tree
    raise AssertionError("it never comes through")


@pytest.mark.parametrize("size", [3, 3 * BLOCK])
@pytest.mark.parametrize("keep", ["original", "copy", "both"])
def test_killed_anywhere_nothing_is_lost(keep: Keep, size: int) -> None:
    """Whichever call is the last one: afterwards both contents are there or on the server, both computers come into step, and
    the conflict can be settled, or is."""
    died = 0
    for number, scene in deaths(keep, size):
        died = number
        both = {scene.by_a.encode(), scene.by_b.encode()}
        assert both <= scene.contents()
        scene.b.restart()
        files = scene.ended()
        assert both <= scene.contents(), number
        assert files["d/f.txt"] in both, number
        assert len(files) in (2, 3), number
        for conflict in scene.b.listed:
            scene.b.conflicts.settle(keep, conflict.id)
        wanted = scene.by_b if keep == "copy" else scene.by_a
        ended = scene.ended()
        assert ended["d/f.txt"] == wanted.encode(), number
        assert scene.b.listed == ()
        assert both <= scene.contents()
        assert not scene.b.computer.state.sent()
    assert died > 20


def test_an_answer_that_is_lost_costs_nothing() -> None:
    """P-like: the wire breaks after the server did it; the choice is made again, or is made."""
    for name in ("begin_upload", "delete"):
        for keep in cast(tuple[Keep, ...], ("original", "copy")):
            scene = Scene(size=3 * BLOCK)
            conflict = scene.b.only()

            def lose(called: str, at: str = name) -> None:
                if called == at:
                    raise Unreachable("cut")

            scene.wire.lose = lose
            try:
                scene.b.conflicts.settle(keep, conflict.id)
            except Unreachable:
                pass
            scene.wire.lose = nothing
            scene.calm()
            for left in scene.b.listed:
                scene.b.conflicts.settle(keep, left.id)

            wanted = scene.by_b if keep == "copy" else scene.by_a
            assert scene.ended() == {"d": None, "d/f.txt": wanted.encode()}
            assert {scene.by_a.encode(), scene.by_b.encode()} <= scene.contents()


def test_somebody_edits_while_it_is_settled() -> None:
    """An edit of the last moment, of either file on either side, is never covered: it stays beside what was chosen."""

    def edit_copy(scene: Scene) -> None:
        (copy,) = [path for path in scene.b.computer.files() if "conflict" in path]
        scene.b.computer.write(copy, "edited copy")

    def edit_original(scene: Scene) -> None:
        scene.b.computer.write("d/f.txt", "edited original")

    def edit_there(scene: Scene) -> None:
        scene.a.computer.write("d/f.txt", "edited there")
        scene.a.sync()

    edits: tuple[tuple[Callable[[Scene], None], bytes], ...] = (
        (edit_copy, b"edited copy"),
        (edit_original, b"edited original"),
        (edit_there, b"edited there"),
    )
    for edit, content in edits:
        for keep in cast(tuple[Keep, ...], ("original", "copy")):
            for call in ("root", "begin_upload", "delete"):
                scene = Scene(size=3 * BLOCK)
                conflict, done = scene.b.only(), list[int]()

                def meddle(name: str) -> None:
                    if name == call and not done:  # noqa: B023 - called within this turn
                        done.append(1)  # noqa: B023
                        edit(scene)  # noqa: B023

                scene.wire.fail = meddle
                try:
                    scene.b.conflicts.settle(keep, conflict.id)
                except CloudError:
                    pass  # refused, which is right too
                scene.wire.fail = nothing
                scene.calm()
                case = f"{edit.__name__} {keep} {call}"
                if done:
                    assert content in {data for data in scene.ended().values() if data}, case
                assert {scene.by_a.encode(), scene.by_b.encode()} <= scene.contents(), case


def test_a_job_settles_while_it_rests() -> None:
    """The order comes from another thread; the job does it, and tells both sides with its next pass."""
    from tests.unit.test_running_daemon import Running

    running = Running()
    chooser = Chooser(running.computer)
    running.other.write("f", "1")
    running.other.sync()
    running.computer.write("f", "22")
    came: list[tuple[Conflict, ...] | CloudError] = []

    def order() -> None:
        try:
            came.append(running.job.ask(lambda: chooser.conflicts.settle("original", chooser.only().id)))
        except CloudError as error:
            came.append(error)
        running.job.soon()

    ordering = threading.Thread(target=order)

    def while_idle() -> None:
        if ordering.ident is None:
            assert len(chooser.listed) == 1
            ordering.start()
            while not running.job._errands:
                pass
        else:
            ordering.join(20)
            running.job.stop()

    running.when_idle = while_idle
    running.run(*[lambda: void(chooser.conflicts.passed(running.outcomes[-1].ending))] * 20)

    assert came == [()]
    assert chooser.listed == ()
    assert running.computer.files() == {"f": b"1"}
    running.other.sync()
    assert running.other.files() == {"f": b"1"}


def void(answer: object) -> None:
    """Nobody wants the answer."""


def test_a_wire_counts() -> None:
    """The scene's wire really is between: what is proved above was proved through it."""
    scene = Scene()
    scene.b.conflicts.settle("original", scene.b.only().id)
    assert isinstance(scene.wire, Wire)
    assert scene.wire.calls["delete"] == 1
    assert isinstance(scene.server, MemoryServer)
