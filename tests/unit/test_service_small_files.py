"""Small new files that nobody waits for: stored together by the committer, each with its own end, and nothing left of the others."""

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.core_world import World, world

from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.small_files import SmallFile, SmallFiles
from homestow.server.service.work import RowsWork
from homestow.values.digests import EMPTY, Digest
from homestow.values.errors import BadName, Busy, CloudError, Forbidden, NotFound, WrongKind
from homestow.values.ids import NodeId


class Ends:
    """What was told, by name."""

    def __init__(self, wanted: int) -> None:
        self.all: list[SmallFile] = []
        self.calls = 0
        self._wanted = wanted
        self._done = threading.Event()

    def __call__(self, files: Sequence[SmallFile]) -> None:
        self.calls += 1
        self.all.extend(files)
        if len(self.all) >= self._wanted:
            self._done.set()

    def stored(self) -> dict[str, bool]:
        assert self._done.wait(20)
        return {file.file.name: file.node is not None for file in self.all}


def small(
    w: World, name: str, data: bytes = b"x", *, who: Principal | None = None, folder: NodeId | None = None,
    digest: Digest | None = None,
) -> SmallFile:  # fmt: skip
    return w.core.whole.small_file(who or w.anna, folder or w.top, name, data, digest=digest)


def test_each_has_its_own_end(tmp_path: Path) -> None:
    """A taken name, wrong bytes, a name wanted twice: the others are stored, and nothing of these is left."""
    with world(tmp_path, on_disk=True) as w:
        w.put("taken", b"1")
        files = [
            small(w, "a", b"a"),
            small(w, "taken"),
            small(w, "wrong", b"not empty", digest=EMPTY),
            small(w, "b", b""),
            small(w, "b", b"again"),
        ]
        ends = Ends(5)

        w.core.whole.put_small(files, ends)

        ends.stored()
        assert [file.node is not None for file in files] == [True, False, False, True, False]
        assert ends.calls == 1
        assert (w.on_store("a"), w.on_store("b"), w.on_store("taken")) == (b"a", b"", b"1")
        w.nothing_staged()
        w.usage_is_right()


@pytest.mark.parametrize("step", ["content.stage_small", "content.publish", "content.sync_staged"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_stores_nothing_and_says_so(tmp_path: Path, step: str, code: int) -> None:
    """Nobody is told that a file is stored which is not; what was stored is there."""
    with world(tmp_path) as w:
        left = [step]

        def at_step(name: str) -> None:
            if name in left:
                left.remove(name)
                raise OSError(code, os.strerror(code))

        w.memory.step = at_step
        ends = Ends(2)

        w.core.whole.put_small([small(w, "a", b"a"), small(w, "b", b"b")], ends)

        stored = ends.stored()
        assert left == []
        assert not all(stored.values())
        assert {name for name, there in stored.items() if there} <= set(w.names())


def test_what_waits_meanwhile_becomes_one_work(tmp_path: Path) -> None:
    """Works of one person that came while a batch ran are published as one, of others beside it, and each is told once."""
    with world(tmp_path, on_disk=True, threads=True, database=tmp_path / "data.db") as w:
        go, running = threading.Event(), threading.Event()

        def hold(rows: object) -> None:
            running.set()
            assert go.wait(20)

        holder = threading.Thread(target=lambda: w.core.committer.run(RowsWork(OUTSIDE, w.root, hold)))
        holder.start()
        assert running.wait(20)
        ends = Ends(7)
        for number in range(5):
            w.core.whole.put_small([small(w, f"f{number}", b"%d" % number)], ends)
        w.core.whole.put_small([small(w, "f0", b"once more")], ends)
        w.core.whole.put_small([small(w, "ben", who=w.ben)], ends)
        go.set()
        holder.join(20)

        ends.stored()
        assert ends.calls < 7
        assert sum(file.node is not None for file in ends.all) == 6
        assert len({file.node.id for file in ends.all if file.node is not None}) == 6
        assert [w.on_store(f"f{number}") for number in range(5)] == [b"%d" % number for number in range(5)]
        w.nothing_staged()
        w.usage_is_right()


def test_only_the_like_is_absorbed(tmp_path: Path) -> None:
    """Another person, another listener, another kind of work, too many: they stay works of their own."""
    with world(tmp_path) as w:
        tell, other = Ends(1), Ends(1)

        def work(who: Principal, told: Ends, count: int = 1) -> SmallFiles:
            return SmallFiles(who, w.root, [small(w, f"n{at}") for at in range(count)], w.core.whole.check, told)

        one = work(w.anna, tell)
        assert not one.absorb(work(w.ben, tell))
        assert not one.absorb(work(w.anna, other))
        assert not one.absorb(work(w.anna, tell, 256))
        assert not one.absorb(RowsWork(w.anna, w.root, lambda rows: None))
        assert not RowsWork(w.anna, w.root, lambda rows: None).absorb(one)
        assert one.absorb(work(w.anna, tell, 2))
        assert len(one.files) == len(one.staged) == len(one.keys) == 3


def test_what_may_not_stand_there_is_refused_before(tmp_path: Path) -> None:
    """No right, no folder, no name: told at once, as `put_file` does."""
    with world(tmp_path) as w:
        file = w.put("file", b"1")
        cases: list[tuple[type[CloudError], dict[str, object]]] = [
            (Forbidden, {"who": w.cora}),
            (NotFound, {"who": w.dan}),
            (NotFound, {"folder": NodeId(99)}),
            (WrongKind, {"folder": file.id}),
        ]
        for error, given in cases:
            with pytest.raises(error):
                small(w, "x", **given)  # type: ignore[arg-type]  # one of several keywords
        for name in ("", "..", "a/b", ".homestow"):
            with pytest.raises(BadName):
                small(w, name)


def test_a_right_that_ends_meanwhile_ends_it(tmp_path: Path) -> None:
    """The right to write is looked at again when it is stored."""
    with world(tmp_path) as w:
        file, ends = small(w, "x", who=w.ben), Ends(1)
        w.roots.set_member(w.anna, w.root, "ben", Rights.READ)

        w.core.whole.put_small([file], ends)

        assert ends.stored() == {"x": False}
        assert w.names() == []
        w.nothing_staged()


def test_a_server_that_closes_takes_none(tmp_path: Path) -> None:
    """Refused before anything was done, so that nobody waits for an end."""
    with world(tmp_path, threads=True, database=tmp_path / "data.db") as w:
        file, ends = small(w, "x"), Ends(1)
        w.core.committer.close()
        with pytest.raises(Busy):
            w.core.whole.put_small([file], ends)
        assert ends.all == []
