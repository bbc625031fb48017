"""Events of Ditto: complete, in order, each with a name that stays, for those alone who may know."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import World
from tests.unit.test_ditto_files import Rig, md5_of

from homestow.server.ports.ditto import Client, EventKind
from homestow.server.rules.access import Principal
from homestow.server.service.ditto_auth import Caller
from homestow.server.service.ditto_events import DittoEvents, EventView, Told
from homestow.values.errors import BadRequest, NotFound

EVERY = tuple(EventKind)
BOX = "box-1"


class Watched(Rig):
    """Files and their events."""

    def start(self) -> None:
        """Put the use cases together, as after a restart."""
        super().start()
        world = self.world
        if self.rows.client(BOX) is None:
            self.rows.add_client(Client(BOX, "box", b"x", 0, 1))
        self.events_of = DittoEvents(
            world.catalogue, world.roots, world.core.committer, self.rows, self.md5s, self.files.uuid_of, world.clock
        )

    def read(self, who: Principal, after: int = 0, limit: int = 256) -> list[EventView]:
        """All events after a position, page by page."""
        found: list[EventView] = []
        while True:
            batch = self.events_of.read(who, after, EVERY, limit)
            assert batch.position >= after
            found += batch.events
            after = batch.position
            if not batch.more:
                return found


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Watched]:
    """A rig whose database is a file."""
    world = World(tmp_path, database=tmp_path / "homestow.db")
    yield Watched(world)
    world.close()


def test_what_any_front_wrote_is_told(rig: Watched) -> None:
    """To those who may read it, with size, md5 and the file's uuid."""
    node = rig.world.put("a.txt", b"hello")
    rig.world.put("a.txt", b"other", base=1)
    for who in (rig.world.anna, rig.world.ben, rig.world.cora):
        told = rig.read(who)
        assert [(each.kind, each.file, each.size) for each in told] == [
            (EventKind.WRITTEN, rig.files.uuid_of(node.id), 5)
        ] * 2
        assert told[-1].md5 == md5_of(b"other")
    assert rig.read(rig.world.dan) == []


def test_what_ditto_wrote_is_told_under_its_uuid(rig: Watched) -> None:
    """Blocks, then that it came whole, then that it was written, to its user alone."""
    uuid = rig.create("a.bin", b"abcd")
    for no in (1, 0):
        rig.files.upload(rig.anna, uuid, no, b"abcd"[no * 2 : no * 2 + 2], None)
    told = rig.read(rig.anna)
    assert [(each.kind, each.block_no, each.size) for each in told] == [
        (EventKind.BLOCK_UPLOADED, 1, 2), (EventKind.BLOCK_UPLOADED, 0, 2), (EventKind.UPLOADED, 0, 4),
        (EventKind.WRITTEN, 0, 4),
    ]  # fmt: skip
    assert {str(each.file) for each in told} == {uuid}
    assert told[-1].md5 == md5_of(b"abcd")
    assert rig.read(rig.world.ben) == []


def test_names_stay_and_are_many(rig: Watched) -> None:
    """The same event has the same uuid, also after a restart; no two have one."""
    for number in range(5):
        rig.world.put(f"{number}", b"x")
    rig.events_of.want_files(rig.anna.account, 1, 2)
    before = [each.uuid for each in rig.read(rig.anna)]
    rig.restart()
    assert [each.uuid for each in rig.read(rig.anna, limit=2)] == before
    assert len(set(before)) == 6


@pytest.mark.parametrize("seed", range(20))
def test_pages_of_any_size_tell_each_once(rig: Watched, seed: int) -> None:
    """Whatever is mixed, from whatever position."""
    chance = random.Random(seed)
    uuid = rig.create("a.bin", bytes(40))
    for number in range(30):
        match chance.randrange(5):
            case 0:
                rig.world.put(f"{number}", b"x")
            case 1:
                rig.world.folder_node(f"folder {number}")
            case 2:
                rig.events_of.want_files(rig.anna.account, number, number)
            case 3:
                rig.events_of.want_files(rig.world.ben.account, number, number)
            case _:
                rig.files.upload(rig.anna, uuid, number, b"x", None)
    rig.read(rig.anna, limit=1)  # what nobody knew the md5 of is known from now on
    whole = rig.read(rig.anna)
    for limit in (1, 2, 7):
        assert rig.read(rig.anna, limit=limit) == whole
    batch = rig.events_of.read(rig.anna, 0, EVERY, 3)
    assert [*batch.events, *rig.read(rig.anna, batch.position)] == whole
    only = rig.events_of.read(rig.anna, 0, [EventKind.WANTED]).events
    assert only == [each for each in whole if each.kind is EventKind.WANTED]


def test_a_watch_is_remembered(rig: Watched) -> None:
    """By user, client and name; a new one begins with all that is kept; a nameless one gets a name."""
    caller = Caller(rig.anna, BOX, "login")
    rig.world.put("a", b"x")
    assert rig.events_of.begin(caller, "w") == ("w", 0)
    last = rig.world.catalogue.last()
    rig.events_of.told([Told(caller.who.account, caller.client, "w", last)])
    rig.restart()
    assert rig.events_of.begin(caller, "w") == ("w", last)
    assert rig.events_of.begin(Caller(rig.anna, "other", "login"), "w") == ("w", 0)
    assert rig.events_of.begin(Caller(rig.world.ben, BOX, "login"), "w") == ("w", 0)
    name, _ = rig.events_of.begin(caller, "")
    assert len(name) == 36
    for bad in ("x" * 129, "a\nb"):
        with pytest.raises(BadRequest):
            rig.events_of.begin(caller, bad)


def test_what_was_compacted_is_not_told(rig: Watched) -> None:
    """A watcher from before goes on with what is left."""
    rig.world.put("a", b"x")
    through = rig.world.catalogue.last()
    rig.world.put("b", b"x")
    rig.world.core.changes.compact(through)
    assert len(rig.read(rig.anna)) == 1
    assert rig.events_of.begin(Caller(rig.anna, BOX, "login"), "w") == ("w", through)


def test_commands(rig: Watched) -> None:
    """Reach their user; what no file has is refused."""
    uuid = rig.create("a.bin", b"abc")
    rig.files.upload(rig.anna, uuid, 0, b"ab", None)
    rig.events_of.want_files(rig.anna.account, 5, 9)
    rig.events_of.want_block(rig.anna.account, uuid, 1)
    told = rig.read(rig.anna)[-2:]
    assert [(each.kind, each.start_ns, each.end_ns) for each in told[:1]] == [(EventKind.WANTED, 5, 9)]
    assert (str(told[1].file), told[1].block_no, told[1].size) == (uuid, 1, 1)
    with pytest.raises(BadRequest):
        rig.events_of.want_files(rig.anna.account, 9, 5)
    for no in (-1, 2):
        with pytest.raises(BadRequest):
            rig.events_of.want_block(rig.anna.account, uuid, no)
    for account, name in ((rig.world.ben.account, uuid), (rig.anna.account, "x")):
        with pytest.raises(NotFound):
            rig.events_of.want_block(account, name, 0)
