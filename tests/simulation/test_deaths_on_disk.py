"""A client that dies between an act on its disk and writing it down, while the other side goes on: nobody edited here, so
there is no conflict, nothing comes back and nothing is there twice (P2 to P6)."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.backends import Backend
from tests.simulation.servers import SERVERS
from tests.unit.sync_rig import Computer, at, settle

from homestow.client.adapters.clock_memory import Killed, SimClock
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.ports.localtree import LocalPath, Reading
from homestow.client.ports.remote import Feed, Remote, TreePart

SMALL, LARGE = 100, 2000


class WithoutDigests:
    """A server that tells no digests, as it does of files that came to its disk by another hand and were not read yet."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)

    def changes(self, cursor: str, wait_s: int) -> Feed:
        feed = self._remote.changes(cursor, wait_s)
        return feed._replace(nodes=[replace(node, digest=None) for node in feed.nodes])

    def tree(self, *place: Any, **more: Any) -> TreePart:
        part = self._remote.tree(*place, **more)
        return part._replace(nodes=[replace(node, digest=None) for node in part.nodes])


class Home:
    """A server and two computers: `one` will die, `other` goes on."""

    def __init__(self, backend: Backend, clock: SimClock, around: Callable[[Remote], Any]) -> None:
        self.backend = backend
        server = MemoryServer()  # not used: each computer is given its sight of the backend instead
        self.one = Computer("A", server, clock, around=lambda _: around(backend.remote("A")))
        self.other = Computer("B", server, clock, around=lambda _: backend.remote("B"))

    def die_after(self, act: str, times: int = 1) -> None:
        """`one` runs until it has done this with its disk so many times."""
        one, found, save = self.one, getattr(self.one.tree, act), self.one.state.save

        def dead(*args: Any) -> Any:
            raise Killed

        def last(*args: Any) -> Any:
            nonlocal times
            answer = found(*args)
            times -= 1
            if times:
                return answer
            one.tree.kill()
            setattr(one.state, "save", dead)  # noqa: B010  # the process remembers nothing on its way out
            raise Killed

        setattr(one.tree, act, last)
        with pytest.raises(Killed):
            one.sync()
        setattr(one.state, "save", save)  # noqa: B010
        one.start()

    def same(self) -> dict[str, bytes | None]:
        """What all have in the end; nothing more is to be done."""
        settle(self.other, self.one)
        assert self.one.files() == self.other.files()
        assert not self.one.cycle.trees.earlier
        assert self.one.state.load().earlier == {}
        done = self.one.cycle.counts.total()
        assert self.one.cycle.counts.conflicts == 0
        self.one.sync()
        assert self.one.cycle.counts.total() == done
        return self.one.files()


@pytest.fixture(params=[*SERVERS, "digestless"])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """On each server, and on one that tells no digests."""
    clock = SimClock()
    told = request.param in SERVERS
    made = SERVERS[request.param if told else "memory"](clock)
    made.calm()
    one = Home(made, clock, (lambda remote: remote) if told else WithoutDigests)
    one.other.write("else", "stays")
    settle(one.other, one.one)
    yield one
    made.close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_new_content_was_placed_and_the_other_goes_on(home: Home, size: int) -> None:
    """The content that we placed is the server's, so its next edit simply follows."""
    home.other.write("f", "0" * size)
    settle(home.other, home.one)
    home.other.write("f", "1" * size)
    home.other.sync()
    home.die_after("put")
    home.other.write("f", "2" * size)
    assert home.same() == {"else": b"stays", "f": b"2" * size}


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_new_file_was_placed_and_the_other_goes_on(home: Home, size: int) -> None:
    """Likewise for a file that was not here before."""
    home.other.write("f", "1" * size)
    home.other.sync()
    home.die_after("put_small" if size == SMALL else "put")
    home.other.write("f", "2" * size)
    assert home.same() == {"else": b"stays", "f": b"2" * size}


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_next_process_dies_between_the_news_and_the_look(home: Home, size: int) -> None:
    """What may have been placed is remembered with the news, however often we die and they come."""
    home.other.write("f", "0" * size)
    settle(home.other, home.one)
    home.other.write("f", "1" * size)
    home.other.sync()
    home.die_after("put")
    for text in "23":
        home.other.write("f", text * size)
        home.other.sync()
        home.die_after("list_tree")
    home.other.write("f", "4" * size)
    assert home.same() == {"else": b"stays", "f": b"4" * size}


def test_a_new_file_was_placed_and_renamed_there(home: Home) -> None:
    """It is not there under both names."""
    home.other.write("f", "1")
    home.other.sync()
    home.die_after("put_small")
    home.other.disk.rename(at("f"), at("g"))
    assert home.same() == {"else": b"stays", "g": b"1"}


def test_a_new_file_was_placed_and_deleted_there(home: Home) -> None:
    """It does not come back."""
    home.other.write("f", "1")
    home.other.sync()
    home.die_after("put_small")
    home.other.disk.remove(at("f"))
    assert home.same() == {"else": b"stays"}


@pytest.mark.parametrize("made", [1, 2])
@pytest.mark.parametrize("gone", [False, True])
def test_a_folder_was_made_and_renamed_or_deleted_there(home: Home, gone: bool, made: int) -> None:
    """A folder is its node as well, with those in it."""
    home.other.disk.mkdir(at("d"))
    home.other.disk.mkdir(at("d/e"))
    home.other.write("d/e/f", "1")
    home.other.sync()
    home.die_after("make_folder", made)
    if gone:
        home.other.disk.remove(at("d/e/f"))
        home.other.disk.rmdir(at("d/e"))
        home.other.disk.rmdir(at("d"))
        assert home.same() == {"else": b"stays"}
    else:
        home.other.disk.rename(at("d/e"), at("d/x"))
        home.other.disk.rename(at("d"), at("y"))
        assert home.same() == {"else": b"stays", "y": None, "y/x": None, "y/x/f": b"1"}


def test_a_rename_was_followed_and_is_taken_back_there(home: Home) -> None:
    """The name that we gave was the server's wish: taking it back is not undone."""
    home.other.write("f", "1")
    settle(home.other, home.one)
    home.other.disk.rename(at("f"), at("g"))
    home.other.sync()
    home.die_after("move")
    home.other.disk.rename(at("g"), at("f"))
    assert home.same() == {"else": b"stays", "f": b"1"}


def test_a_deletion_was_followed_and_is_taken_back_there(home: Home) -> None:
    """What was brought back from the trash is not deleted again."""
    home.other.write("f", "1")
    settle(home.other, home.one)
    home.other.disk.remove(at("f"))
    home.other.sync()
    home.die_after("remove_file")
    home.backend.bring_back(random.Random(1))
    assert home.same() == {"else": b"stays", "f": b"1"}


def test_an_edit_here_is_still_an_edit(home: Home) -> None:
    """Who edits what was placed, before we look, has edited: both edits are kept (R4)."""
    home.other.write("f", "0" * SMALL)
    settle(home.other, home.one)
    home.other.write("f", "1" * SMALL)
    home.other.sync()
    home.die_after("put")
    home.one.write("f", "mine")
    home.other.write("f", "theirs")
    settle(home.other, home.one)
    files = home.one.files()
    assert files == home.other.files()
    assert sorted(map(str, files.values())) == sorted(map(str, (b"mine", b"theirs", b"stays")))


def test_a_file_that_changes_while_it_is_read_stops_nothing(home: Home) -> None:
    """Whether it is what was placed cannot be told, so it counts as an edit; others go on (R21)."""
    home.other.write("f", "0" * SMALL)
    settle(home.other, home.one)
    home.other.write("f", "1" * SMALL)
    home.other.sync()
    home.die_after("put")
    home.other.write("f", "2" * SMALL)
    home.other.write("g", "3")
    home.other.sync()
    opened, edits = home.one.tree.open, iter(["4" * SMALL])

    def edited(path: LocalPath) -> Reading:
        reading = opened(path)
        for text in edits:
            home.one.write("f", text)
        return reading

    setattr(home.one.tree, "open", edited)  # noqa: B010
    settle(home.other, home.one)
    files = home.one.files()
    assert files == home.other.files()
    assert files["g"] == b"3"
    assert {b"2" * SMALL, b"4" * SMALL} <= set(files.values())
