"""The list of files follows the catalogue: it shows what people see, each to those who may."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import World

from homestow.server.adapters.catalogue_sql.listing import SqlListingSource
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.listing_arrays import ArrayListing
from homestow.server.ports.listing import Listing, Sort, Wanted
from homestow.server.ports.media import Facts, MediaKind, MediaState
from homestow.server.rules.access import Principal
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.listing import ListingService
from homestow.values.errors import Busy
from homestow.values.ids import NodeId


class Rig:
    """A server core and the service over it; `open_listing` as after a start."""

    def __init__(self, place: Path) -> None:
        self.world = World(place, threads=True, database=place / "homestow.db")
        self.file = place / "listing.bin"
        self.index: Listing
        self.service = self.open_listing()

    def open_listing(self) -> ListingService:
        world = self.world

        def index() -> Listing:
            self.index = ArrayListing(self.file)
            return self.index

        source = SqlListingSource(world.database, kind_of)
        return ListingService(source, index, world.core.access, world.core.changes.subscribe, used_before=False)

    def reopen(self) -> None:
        """Stop and start."""
        self.service.stop()
        self.service = self.open_listing()

    def names(self, who: Principal | None = None, **wanted: object) -> list[str]:
        """Names of what is listed, by id unless said otherwise."""
        world = self.world
        query = Wanted([world.root], **wanted)  # type: ignore[arg-type]  # names of fields
        assert self.service.settle(20)
        ids, total = self.service.page(who or world.anna, query, 0, 1000)
        rows = world.catalogue.nodes(ids)
        assert total == len(ids)
        return [rows[node].name for node in ids]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """One, closed at the end."""
    made = Rig(tmp_path)
    yield made
    made.service.stop()
    made.world.close()


def test_what_was_just_put_is_listed(rig: Rig) -> None:
    """Whoever uploads sees the file on the next page asked for."""
    for number in range(20):
        rig.world.put(f"{number:02}.txt", b"x" * number)
        ids, total = rig.service.page(rig.world.anna, Wanted([rig.world.root], sort=Sort.SIZE, descending=True), 0, 1)
        assert total == number + 1
        assert rig.world.catalogue.nodes(ids)[ids[0]].name == f"{number:02}.txt"


def test_a_folder_in_the_trash_is_not_listed_and_back_it_is(rig: Rig) -> None:
    """With everything below; and purged it never comes back."""
    world = rig.world
    outer = world.folder_node("outer")
    inner = world.folder_node("inner", outer.id)
    world.put("deep.txt", b"deep", inner.id)
    world.put("top.txt", b"top")
    assert rig.names() == ["deep.txt", "top.txt"]
    world.core.files.delete(world.anna, outer.id)
    assert rig.names() == ["top.txt"]
    world.core.trashcan.restore(world.anna, outer.id)
    assert rig.names() == ["deep.txt", "top.txt"]
    world.core.files.delete(world.anna, outer.id)
    world.core.trashcan.purge(world.anna, outer.id)
    assert rig.names() == ["top.txt"]


def test_a_purged_folder_is_gone_although_nobody_looked_meanwhile(rig: Rig) -> None:
    """Its files left no trace in the catalogue; the folder above did."""
    world = rig.world
    outer = world.folder_node("outer")
    world.put("deep.txt", b"deep", world.folder_node("inner", outer.id).id)
    assert rig.names() == ["deep.txt"]
    rig.service.stop()
    world.core.files.delete(world.anna, outer.id)
    world.core.trashcan.purge(world.anna, outer.id)
    rig.reopen()
    assert rig.names() == []


def test_moves_and_renames_keep_it_listed_in_the_right_folder(rig: Rig) -> None:
    """A moved folder takes its files along, and they are found by its id as before."""
    world = rig.world
    one, two = world.folder_node("one"), world.folder_node("two")
    world.put("a.jpg", b"a", one.id)
    world.core.files.move(world.anna, one.id, two.id, "moved")
    assert rig.names(folders=[one.id]) == ["a.jpg"]
    assert rig.names(folders=[two.id]) == []
    assert rig.names(kinds=[MediaKind.IMAGE]) == ["a.jpg"]
    assert rig.names(kinds=[MediaKind.VIDEO]) == []
    assert rig.service.folder_counts([one.id, two.id]) == {one.id: 1, two.id: 0}


def test_only_roots_that_one_may_read_are_listed(rig: Rig) -> None:
    """Somebody without rights gets nothing and no number, and so does who lost them a moment ago."""
    world = rig.world
    world.put("secret.txt", b"secret")
    assert rig.names(world.cora) == ["secret.txt"]
    assert rig.names(world.dan) == []


def test_facts_read_later_change_order_and_kind(rig: Rig) -> None:
    """Facts arrive without a change of the node; the list learns of them all the same."""
    world = rig.world
    node = world.put("film", b"film").id
    world.put("other.mp4", b"film2")
    assert rig.names(kinds=[MediaKind.VIDEO]) == ["other.mp4"]
    facts = Facts(MediaKind.VIDEO, "MP4", duration_s=7.0)
    SqlMedia(world.database).set_media([(node, 1, MediaState.READ, facts)])
    assert rig.names(kinds=[MediaKind.VIDEO], sort=Sort.DURATION, descending=True) == ["film", "other.mp4"]
    world.put("film", b"film again", base=1)
    assert rig.names(kinds=[MediaKind.VIDEO]) == ["other.mp4"]


def test_it_goes_on_after_a_stop(rig: Rig) -> None:
    """What was kept is used, and what changed meanwhile is read."""
    world = rig.world
    first = world.put("first.txt", b"1")
    assert rig.names() == ["first.txt"]
    rig.service.stop()
    world.put("second.txt", b"2")
    world.core.files.delete(world.anna, first.id)
    rig.reopen()
    assert rig.names() == ["second.txt"]


@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "rubbish", "old", "other epoch", "compacted"])
def test_whatever_happens_to_its_file_the_list_is_right(rig: Rig, harm: str) -> None:
    """The file is gone, damaged, of an earlier time or another life of the store: the list is made anew."""
    world = rig.world
    names = [f"{number}.txt" for number in range(30)]
    for name in names[:10]:
        world.put(name, b"x")
    dead = world.folder_node("dead")
    world.put("dead.txt", b"x", dead.id)
    assert len(rig.names()) == 11
    rig.service.stop()
    old = rig.file.read_bytes()
    for name in names[10:]:
        world.put(name, b"x")
    if harm != "old":
        rig.reopen()
        assert len(rig.names()) == 31
        rig.service.stop()
    world.core.files.delete(world.anna, dead.id)
    world.core.trashcan.purge(world.anna, dead.id)
    match harm:
        case "gone":
            rig.file.unlink()
        case "empty":
            rig.file.write_bytes(b"")
        case "cut":
            rig.file.write_bytes(old[:-100])
        case "rubbish":
            rig.file.write_bytes(b"not a listing" * 100)
        case "old":
            rig.file.write_bytes(old)
        case "other epoch":
            world.core.changes.renew_epoch()
        case "compacted":
            world.core.changes.compact(world.catalogue.last())
        case _:
            pytest.fail(harm)
    rig.reopen()
    assert rig.names() == names


def test_changes_while_it_reads_are_not_lost(rig: Rig) -> None:
    """Many people change files while pages are asked for; in the end everything is right."""
    world = rig.world
    folders = [world.folder_node(f"folder{number}") for number in range(4)]
    stop = threading.Event()

    def change(number: int) -> None:
        for turn in range(25):
            node = world.put(f"{number}-{turn}.txt", b"x" * turn, folders[number].id)
            if turn % 3 == 0:
                world.core.files.delete(world.anna, node.id)
            elif turn % 3 == 1:
                world.core.files.move(world.anna, node.id, folders[(number + 1) % 4].id, node.name)

    def ask() -> None:
        while not stop.is_set():
            rig.service.page(world.anna, Wanted([world.root], sort=Sort.SIZE), 0, 10)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    asking = threading.Thread(target=ask)
    for thread in (*threads, asking):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    asking.join()
    for number, folder in enumerate(folders):
        moved = [f"{(number - 1) % 4}-{turn}.txt" for turn in range(1, 25, 3)]
        stayed = [f"{number}-{turn}.txt" for turn in range(2, 25, 3)]
        assert sorted(rig.names(folders=[folder.id])) == sorted(moved + stayed)


def test_while_it_is_made_nobody_gets_half_of_it(rig: Rig) -> None:
    """Before the first reading is through there is an error that says so, no short list."""
    rig.world.put("a.txt", b"a")
    rig.service.stop()
    with pytest.raises(Busy):
        rig.service.page(rig.world.anna, Wanted([rig.world.root]), 0, 10)


def test_who_never_lists_pays_nothing(rig: Rig) -> None:
    """Without a question there is no thread and no index."""
    rig.service.start()
    rig.world.put("a.txt", b"a")
    assert not any(thread.name == "listing" for thread in threading.enumerate())
    assert not hasattr(rig, "index")
    assert rig.service.settle(20)
    assert rig.service.folder_counts([NodeId(rig.world.top)]) == {rig.world.top: 1}
