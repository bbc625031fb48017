"""The promises of `ports.listing`, held by its adapter: what it answers is what a plain sort over all files would."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from homestow.server.adapters.listing_arrays import ArrayListing
from homestow.server.ports.listing import FolderFact, Listed, Listing, ReadTo, Sort, Wanted
from homestow.values.ids import AccountId, NodeId, RootId

KINDS = (1, 2, 4, 8, 16)
Open = Callable[[], Listing]


@dataclass
class Model:
    """The same by the simplest means: everything sorted anew for each question."""

    files: dict[NodeId, Listed] = field(default_factory=dict)
    folders: dict[NodeId, FolderFact] = field(default_factory=dict)

    def update(self, put: list[Listed], drop: list[NodeId], folders: list[FolderFact]) -> None:
        """As the port says."""
        for node in [*drop, *(fact.folder for fact in folders), *(row.node for row in put)]:
            self.files.pop(node, None)
        for node in [*drop, *(row.node for row in put)]:
            self.folders.pop(node, None)
        self.files |= {row.node: row for row in put}
        self.folders |= {fact.folder: fact for fact in folders}

    def root_of(self, folder: NodeId) -> RootId | None:
        """The root of a folder that stands."""
        fact = self.folders.get(folder)
        if fact is None:
            return None
        at: NodeId | None = folder
        seen = set()
        while at is not None:
            above = self.folders.get(at)
            if above is None or above.gone or at in seen:
                return None
            seen.add(at)
            at = above.parent
        return fact.root

    def page(self, wanted: Wanted) -> list[NodeId]:
        """All ids of a query."""
        fits = [
            row
            for row in self.files.values()
            if not row.hidden
            and self.root_of(row.folder) in wanted.roots
            and (wanted.folders is None or row.folder in wanted.folders)
            and (wanted.kinds is None or row.kind in wanted.kinds)
            and (wanted.uploader is None or row.uploader == wanted.uploader)
        ]
        fits.sort(key=lambda row: (*key(row, wanted.sort), row.node), reverse=wanted.descending)
        return [row.node for row in fits]

    def folder_count(self, folder: NodeId) -> int:
        """Files directly in a folder."""
        return sum(row.folder == folder for row in self.files.values())


def key(row: Listed, sort: Sort) -> tuple[float, ...]:
    """What a file is sorted by; what is missing comes first."""
    none = float("-inf")
    match sort:
        case Sort.NONE:
            return ()
        case Sort.CREATED:
            return (row.created_s,)
        case Sort.UPLOADED:
            return (none if row.uploaded_s is None else row.uploaded_s,)
        case Sort.SIZE:
            return (row.size,)
        case Sort.DURATION:
            return (none if row.duration_s is None else row.duration_s,)
        case Sort.PIXELS:
            return (-1, 0) if row.width is None else (row.width, -1 if row.height is None else row.height)


class World:
    """Files and folders of some roots that change at random, told to a listing and to the model alike."""

    def __init__(self, seed: int, roots: int, listing: Listing) -> None:
        self.dice = random.Random(seed)
        self.roots = [RootId(number) for number in range(1, roots + 1)]
        self.model = Model()
        self.listing = listing
        self.last = roots
        self.number = 0
        tops = [FolderFact(NodeId(root), root, None, False) for root in self.roots]
        self.tell([], [], tops)

    def tell(self, put: list[Listed], drop: list[NodeId], folders: list[FolderFact]) -> None:
        """One update."""
        self.number += 1
        self.model.update(put, drop, folders)
        self.listing.update(put, drop, folders, ReadTo("e", self.number, 0))

    def new(self) -> NodeId:
        """Another id."""
        self.last += 1
        return NodeId(self.last)

    def file(self, node: NodeId) -> Listed:
        """A file with random facts, many of them equal to others'."""
        dice = self.dice
        film = dice.random() < 0.4
        return Listed(
            node, self.folder(), dice.choice(KINDS), AccountId(dice.randint(1, 3)) if dice.random() < 0.6 else None,
            dice.choice([0.0, 1.5, dice.random() * 9, -3.0]), dice.choice([None, float(dice.randint(0, 5))]),
            dice.choice([0, 7, dice.randint(0, 1 << 40)]), dice.random() * 5 if film else None,
            dice.choice([None, 10, 4000]) if film else None, dice.choice([10, 20]) if film else None,
            dice.random() < 0.1,
        )  # fmt: skip

    def folder(self) -> NodeId:
        """Some folder, gone or not; sometimes one that nobody told of yet."""
        if self.dice.random() < 0.01:
            return NodeId(self.last + 3)
        return self.dice.choice(list(self.model.folders))

    def step(self) -> None:
        """A random change."""
        dice = self.dice
        files = list(self.model.files)
        below = [fact for fact in self.model.folders.values() if fact.parent is not None]
        match dice.randint(0, 9):
            case 0 | 1 | 2:
                self.tell([self.file(self.new()) for _ in range(dice.choice([1, 1, 1, 40]))], [], [])
            case 3 if files:
                self.tell([self.file(dice.choice(files)) for _ in range(dice.randint(1, 5))], [], [])
            case 4 if files:
                self.tell([], dice.sample(files, min(len(files), dice.choice([1, 1, 20]))), [])
            case 5 | 6:
                parent = dice.choice(list(self.model.folders))
                self.tell([], [], [FolderFact(self.new(), self.model.folders[parent].root, parent, False)])
            case 7 if below:
                fact = dice.choice(below)
                self.tell([], [], [fact._replace(gone=not fact.gone)])
            case 8 if below and dice.random() < 0.3:
                fact = dice.choice(below)
                # Any folder: half of several moves may be told first, and they seem to be in one another for a while.
                self.tell([], [], [fact._replace(parent=dice.choice(list(self.model.folders)))])
            case 9 if below and files and dice.random() < 0.1:
                # What was a file is a folder now, and the other way round.
                file = dice.choice(files)
                self.tell([], [], [FolderFact(file, RootId(1), NodeId(1), False)])
                self.tell([self.file(dice.choice(below).folder)], [], [])
            case _:
                self.tell([], [], [])

    def wanted(self) -> Wanted:
        """A random query."""
        dice = self.dice
        folders = [*self.model.folders, NodeId(self.last + 3), NodeId(1 << 62), NodeId(-1)]
        return Wanted(
            dice.sample(self.roots, dice.randint(0, len(self.roots))),
            None if dice.random() < 0.5 else dice.sample(folders, dice.randint(0, len(folders))),
            None if dice.random() < 0.4 else dice.sample(KINDS, dice.randint(0, 5)),
            None if dice.random() < 0.6 else AccountId(dice.randint(1, 4)),
            dice.choice(list(Sort)),
            dice.random() < 0.5,
        )

    def ask(self) -> None:
        """Compare a query, paged in some way, and counts."""
        wanted = self.wanted()
        expected = self.model.page(wanted)
        start, limit = self.dice.randint(0, len(expected) + 2), self.dice.choice([1, 7, 10_000])
        assert self.listing.page(wanted, start, limit) == (expected[start : start + limit], len(expected))
        assert self.listing.count(wanted) == len(expected)

    def compare(self) -> None:
        """Every order of everything."""
        for sort in Sort:
            wanted = Wanted(self.roots, sort=sort)
            expected = self.model.page(wanted)
            assert self.listing.page(wanted, 0, len(expected) + 1) == (expected, len(expected))
        folders = [*self.model.folders, NodeId(self.last + 3)]
        assert self.listing.folder_counts(folders) == {each: self.model.folder_count(each) for each in folders}


class ListingContract:
    """One suite for every adapter."""

    @pytest.mark.parametrize("seed", range(12))
    def test_any_query_is_answered_as_by_sorting_everything(self, listing: Listing, seed: int) -> None:
        """Through random changes every filter, sort and page agrees with the model: 12 x 300 queries."""
        world = World(seed, 1 + seed % 5, listing)
        for _ in range(300):
            world.step()
            world.ask()
        world.compare()

    def test_following_pages_are_the_whole(self, listing: Listing) -> None:
        """Pages of any size put together are everything, each file once, in both directions."""
        world = World(99, 3, listing)
        world.tell([world.file(world.new()) for _ in range(900)], [], [])
        for descending in (False, True):
            wanted = Wanted(world.roots, sort=Sort.SIZE, descending=descending)
            pages = [listing.page(wanted, start, 70)[0] for start in range(0, 1000, 70)]
            assert [node for page in pages for node in page] == world.model.page(wanted)

    def test_a_deleted_folder_takes_everything_below_along(self, listing: Listing) -> None:
        """Nothing in it is listed, however deep, and all of it again when it is back."""
        world = World(5, 1, listing)
        facts = [FolderFact(NodeId(10 + n), RootId(1), NodeId(9 + n if n else 1), False) for n in range(50)]
        world.tell([], [], facts)
        deep = world.file(NodeId(100))._replace(folder=NodeId(59), hidden=False)
        world.tell([deep], [], [])
        everything = Wanted([RootId(1)])
        assert listing.page(everything, 0, 10) == ([NodeId(100)], 1)
        world.tell([], [], [facts[0]._replace(gone=True)])
        assert listing.page(everything, 0, 10) == ([], 0)
        world.tell([], [], [facts[0]])
        assert listing.page(everything, 0, 10) == ([NodeId(100)], 1)

    def test_a_folder_that_joins_another_root_is_listed_there(self, listing: Listing) -> None:
        """Its files follow it, and are no longer in the root it came from."""
        world = World(6, 2, listing)
        world.tell([world.file(NodeId(100))._replace(folder=NodeId(2), hidden=False)], [], [])
        assert listing.count(Wanted([RootId(1)])) == 0
        world.tell([], [], [FolderFact(NodeId(2), RootId(1), NodeId(1), False)])
        assert listing.count(Wanted([RootId(1)])) == 1
        assert listing.count(Wanted([RootId(2)])) == 0

    def test_files_before_their_folder_are_not_listed(self, listing: Listing) -> None:
        """Nobody knows whose they are; they appear with the folder."""
        listing.update(
            [Listed(NodeId(9), NodeId(8), 1, None, 0.0, None, 1, None, None, None, False)], [], [], ReadTo("e", 1, 0)
        )
        assert listing.count(Wanted([RootId(0), RootId(1)])) == 0
        listing.update([], [], [FolderFact(NodeId(8), RootId(1), None, False)], ReadTo("e", 2, 0))
        assert listing.page(Wanted([RootId(1)]), 0, 5) == ([NodeId(9)], 1)

    def test_it_remembers_how_far_it_read(self, listing: Listing) -> None:
        """A new one knows nothing, and so does a cleared one."""
        assert listing.read_to() == ("", 0, 0)
        listing.update([], [], [], ReadTo("e", 4, 2))
        assert listing.read_to() == ("e", 4, 2)
        listing.clear()
        assert listing.read_to() == ("", 0, 0)


class TestArrays(ListingContract):
    """Arrays in memory."""

    @pytest.fixture
    def listing(self) -> Listing:
        """A new one."""
        return ArrayListing(None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a listing is kept."""
    return tmp_path / "listing.bin"


class TestKept:
    """What a listing keeps for the next start."""

    @pytest.mark.parametrize("seed", range(4))
    def test_it_goes_on_where_it_was_saved(self, place: Path, seed: int) -> None:
        """Everything is answered as before, and further changes too."""
        world = World(seed, 3, ArrayListing(place))
        for _ in range(4):
            for _ in range(60):
                world.step()
            world.listing.save()
            # Files in folders that do not stand are told anew when those come back.
            model = world.model
            model.files = {node: row for node, row in model.files.items() if model.root_of(row.folder) is not None}
            model.folders = {node: fact for node, fact in model.folders.items() if model.root_of(node) is not None}
            again = ArrayListing(place)
            assert again.read_to() == ("e", world.number, 0)
            world.listing = again
            world.compare()
            for _ in range(40):
                world.ask()

    @pytest.mark.parametrize("part", [0.0, 0.001, 0.4, 0.99999])
    def test_half_a_file_is_none(self, place: Path, part: float) -> None:
        """Whatever a crash left of it, nothing of it is used."""
        world = World(1, 2, ArrayListing(place))
        world.tell([world.file(world.new()) for _ in range(500)], [], [])
        world.listing.save()
        content = place.read_bytes()
        place.write_bytes(content[: int(len(content) * part)])
        assert ArrayListing(place).read_to() == ("", 0, 0)

    def test_a_turned_bit_is_seen(self, place: Path) -> None:
        """Wherever it is: rows of somebody else's root are never made of rubbish."""
        world = World(2, 2, ArrayListing(place))
        world.tell([world.file(world.new()) for _ in range(20)], [], [])
        world.listing.save()
        content = place.read_bytes()
        for at in range(0, len(content), 37):
            place.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
            assert ArrayListing(place).read_to() == ("", 0, 0)

    def test_no_file_and_no_room_are_no_error(self, tmp_path: Path) -> None:
        """It is only made anew then."""
        nowhere = ArrayListing(tmp_path / "gone" / "listing.bin")
        nowhere.save()
        assert ArrayListing(tmp_path / "gone" / "listing.bin").read_to() == ("", 0, 0)

    def test_lost_slots_are_given_back(self) -> None:
        """A file that changes for ever does not make the index grow for ever."""
        world = World(3, 1, ArrayListing(None))
        rows = [world.file(world.new()) for _ in range(9000)]
        for turn in range(4):
            world.tell([row._replace(size=row.size + turn) for row in rows], [], [])
        world.ask()
        listing = world.listing
        assert isinstance(listing, ArrayListing)
        assert listing.slots() <= 3 * len(rows)
