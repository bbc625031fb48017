"""Measure pages of 100 files out of 1,000,000: `python -m bench.listing [pages|follow|beside] [--files N]`.

- pages: every filter and sort on distributions made to hurt: all files in one folder; 100,000 folders of 10 that came one after
  the other; a folder whose files are the newest ones, sorted the other way round; one rare kind; uploads of two users disjoint
  and interleaved; 20 roots.
- follow: through the service over a real catalogue: making the index, keeping and loading it, a page right after a change.
- beside: adopting 100,000 files without the index, with it, and with somebody who asks for pages all the time.
"""

import argparse
import random
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.sync_speed import make_tree
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.listing import SqlListingSource
from homestow.server.adapters.listing_arrays import ArrayListing
from homestow.server.bootstrap import House, open_house
from homestow.server.ports.catalogue import FoundRow, new_row
from homestow.server.ports.listing import FolderFact, Listed, ReadTo, Sort, Wanted
from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.access import Access
from homestow.server.service.listing import ListingService
from homestow.server.service.outside import Outside
from homestow.server.settings import Settings
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind

DICE = random.Random(1)
KINDS = (1, 2, 4, 8, 16)
FIRST = 1_000_000
"""Ids of files begin here, those of folders at 1."""
Make = Callable[[int], tuple[list[FolderFact], Iterator[Listed]]]
Query = Callable[[], Wanted]


def made(node: int, folder: int, kind: int, uploader: int | None, created: float) -> Listed:
    """A file; films have a duration, pictures and films a size in pixels."""
    film = kind == 4
    seen = kind < 8
    return Listed(
        NodeId(node), NodeId(folder), kind, None if uploader is None else AccountId(uploader), created,
        None if uploader is None else created + 5, DICE.randrange(1 << 30), DICE.random() * 600 if film else None,
        DICE.choice((640, 1920, 4000)) if seen else None, DICE.choice((480, 1080, 3000)) if seen else None, False,
    )  # fmt: skip


def one_folder(files: int) -> tuple[list[FolderFact], Iterator[Listed]]:
    """All in one folder; the first half of the time uploaded by user 1, the second by user 2; five sounds, the oldest ones."""
    facts = [FolderFact(NodeId(1), RootId(1), None, False)]

    def rows() -> Iterator[Listed]:
        for at in range(files):
            kind = 8 if at < 5 else DICE.choice((1, 4, 16))
            yield made(FIRST + at, 1, kind, 1 if at < files // 2 else 2, float(at))

    return facts, rows()


def many_folders(files: int) -> tuple[list[FolderFact], Iterator[Listed]]:
    """Folders of 10, each with ten files made at one time."""
    count = files // 10
    facts = [FolderFact(NodeId(1), RootId(1), None, False)]
    facts += [FolderFact(NodeId(2 + at), RootId(1), NodeId(1), False) for at in range(count)]
    return facts, (
        made(FIRST + at, 2 + at // 10, DICE.choice(KINDS), DICE.choice((None, 1, 2)), float(at)) for at in range(files)
    )


def twenty_roots(files: int) -> tuple[list[FolderFact], Iterator[Listed]]:
    """20 roots with 1,000 folders in all; users' uploads interleaved; the 1,000 newest files in a folder of their own."""
    facts = [
        FolderFact(NodeId(at + 1), RootId(at % 20 + 1), None if at < 20 else NodeId(at % 20 + 1), False)
        for at in range(1001)
    ]

    def rows() -> Iterator[Listed]:
        for at in range(files):
            newest = at >= files - 1000
            yield made(FIRST + at, 1001 if newest else at % 1000 + 1, DICE.choice(KINDS), at % 2 + 1, float(at))

    return facts, rows()


def filled(make: Make, files: int) -> ArrayListing:
    """An index of a distribution."""
    listing = ArrayListing(None)
    facts, rows = make(files)
    began = time.perf_counter()
    spent = 0.0
    batch: list[Listed] = []
    listing.update([], [], facts, ReadTo("e", 1, 0))
    for row in rows:
        batch.append(row)
        if len(batch) == 20_000:
            at = time.perf_counter()
            listing.update(batch, [], [], ReadTo("e", 1, 0))
            spent += time.perf_counter() - at
            batch = []
    listing.update(batch, [], [], ReadTo("e", 1, 0))
    print(
        f"  {make.__name__}: {files:,} files in {spent:.1f} s of updates ({time.perf_counter() - began:.1f} s with making them)"
    )
    return listing


def percentile(times: Sequence[float], part: float) -> float:
    """Of sorted times, in ms."""
    return times[min(len(times) - 1, int(len(times) * part))] * 1e3


def line(name: str, times: list[float]) -> None:
    """One line of the table."""
    times.sort()
    print(
        f"  {name:58} {len(times):5}  p50 {statistics.median(times) * 1e3:6.2f}  p99 {percentile(times, 0.99):6.2f}"
        f"  max {times[-1] * 1e3:6.2f} ms"
    )


def ask(listing: ArrayListing, name: str, query: Query, rounds: int) -> None:
    """First, following and deep pages of a query, over all sorts and both directions."""
    first, following, deep = [], [], []
    for turn in range(rounds):
        wanted = query()
        sort = Sort(turn % len(Sort))
        wanted = Wanted(wanted.roots, wanted.folders, wanted.kinds, wanted.uploader, sort, bool(turn // len(Sort) % 2))
        began = time.perf_counter()
        _, total = listing.page(wanted, 0, 100)
        first.append(time.perf_counter() - began)
        for page in range(1, 4):
            began = time.perf_counter()
            listing.page(wanted, page * 100, 100)
            following.append(time.perf_counter() - began)
        began = time.perf_counter()
        listing.page(wanted, DICE.randrange(max(1, total)), 100)
        deep.append(time.perf_counter() - began)
    line(f"{name}: first", first)
    line(f"{name}: following", following)
    line(f"{name}: deep", deep)


def pages(files: int, rounds: int) -> None:
    """The tables."""
    listing = filled(one_folder, files)
    ask(listing, "everything", lambda: Wanted([RootId(1)]), rounds)
    ask(listing, "by folder", lambda: Wanted([RootId(1)], [NodeId(1)]), rounds)
    ask(listing, "one rare kind, the oldest", lambda: Wanted([RootId(1)], kinds=[8]), rounds)
    ask(listing, "some kinds", lambda: Wanted([RootId(1)], kinds=DICE.sample(KINDS, 2)), rounds)
    ask(
        listing, "own uploads, half of it", lambda: Wanted([RootId(1)], uploader=AccountId(DICE.choice((1, 2)))), rounds
    )
    ask(listing, "own rare kind", lambda: Wanted([RootId(1)], kinds=[8], uploader=AccountId(1)), rounds)
    listing = filled(many_folders, files)
    count = files // 10
    for many in (1, 100, 1000, 10_000, 50_000):
        start = count // 2

        def some(many: int = many, start: int = start) -> Wanted:
            kinds = DICE.choice((None, [1, 4]))
            return Wanted([RootId(1)], [NodeId(2 + start + at) for at in range(min(many, count - start))], kinds)

        def spread(many: int = many) -> Wanted:
            uploader = DICE.choice((None, AccountId(1)))
            return Wanted(
                [RootId(1)], [NodeId(2 + at) for at in DICE.sample(range(count), min(many, count))], None, uploader
            )

        ask(listing, f"{many:,} folders side by side in the middle", some, rounds)
        ask(listing, f"{many:,} folders anywhere", spread, rounds)
    ask(listing, "everything", lambda: Wanted([RootId(1)]), rounds)
    listing = filled(twenty_roots, files)
    roots = [RootId(at + 1) for at in range(20)]
    ask(listing, "20 roots", lambda: Wanted(roots), rounds)
    ask(
        listing,
        "3 of 20 roots, 2 kinds, own",
        lambda: Wanted(DICE.sample(roots, 3), None, [1, 4], AccountId(1)),
        rounds,
    )
    ask(listing, "the folder with the newest", lambda: Wanted(roots, [NodeId(1001)]), rounds)
    ask(listing, "its own videos", lambda: Wanted(roots, [NodeId(1001)], [4], AccountId(2)), rounds)
    ask(
        listing,
        "200 folders of 1,000, own pictures",
        lambda: Wanted(roots, [NodeId(at) for at in DICE.sample(range(1, 1001), 200)], [1], AccountId(1)),
        rounds,
    )
    single = []
    for turn in range(200):
        row = made(5_000_000 + turn, turn + 1, 1, 1, DICE.random() * files)
        began = time.perf_counter()
        listing.update([row], [], [], ReadTo("e", 1, 0))
        single.append(time.perf_counter() - began)
    line("update of one file", single)
    folder = []
    for turn in range(100):
        fact = FolderFact(NodeId(21 + turn), RootId((20 + turn) % 20 + 1), NodeId((20 + turn) % 20 + 1), turn % 2 == 0)
        began = time.perf_counter()
        listing.update([], [], [fact], ReadTo("e", 1, 0))
        folder.append(time.perf_counter() - began)
    line("deleting or restoring a folder of 1,000", folder)
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, three such indexes made")


class Everything:
    """All rights for everybody."""

    def rights(self, account: AccountId, root: RootId) -> Rights:
        return Rights.OWN


def put_nodes(catalogue: SqlCatalogue, files: int) -> NodeId:
    """Nodes as adopting makes them: 200 to a folder, 10,000 to a transaction; the top folder."""
    with catalogue.write() as rows:
        top = rows.take_ids(1)
        rows.add([new_row(top, RootId(1), None, "", Kind.FOLDER, rows.take_numbers(1, []))])
    for _ in range(files // 10_000):
        with catalogue.write() as rows:
            first = rows.take_ids(10_050)
            change = rows.take_numbers(10_050, [top])
            found: list[FoundRow] = []
            for at in range(10_050):
                node, number, ns = NodeId(first + at), change + at, (first + at) * 10**9
                folder = NodeId(first + at // 201 * 201)
                if at % 201 == 0:
                    found.append((node, top, f"d{node}", "folder", 0, number, 0, ns, node, ns, ns))
                else:
                    found.append((node, folder, f"f{node}.jpg", "file", 1, number, node % 7919, ns, node, ns, ns))
            rows.adopt(RootId(1), found)
    return top


def follow(files: int) -> None:
    """Through the service."""
    who = Principal(AccountId(1), "anna")
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        place = Path(name)
        database = Database.open(place / "homestow.db")
        catalogue = SqlCatalogue(database)
        began = time.perf_counter()
        top = put_nodes(catalogue, files)
        print(f"  {files:,} nodes written in {time.perf_counter() - began:.1f} s")

        def service() -> ListingService:
            return ListingService(
                SqlListingSource(database, kind_of), lambda: ArrayListing(place / "listing.bin"),
                Access(catalogue, Everything()), lambda listener: lambda: None, used_before=True,
            )  # fmt: skip

        ours = service()
        began = time.perf_counter()
        ours.start()
        ours.settle(300)
        print(f"  index made anew in {time.perf_counter() - began:.1f} s")
        asked = []
        for turn in range(300):
            wanted = Wanted([RootId(1)], sort=Sort(turn % 6), descending=turn % 4 < 2)
            began = time.perf_counter()
            ours.page(who, wanted, turn % 7 * 100, 100)
            asked.append(time.perf_counter() - began)
        line("page through the service", asked)
        after = []
        for _ in range(200):
            with catalogue.write(relaxed=True) as rows:
                node = rows.take_ids(1)
                number = rows.take_numbers(1, [top])
                rows.add([new_row(node, RootId(1), top, f"n{node}.jpg", Kind.FILE, number, rev=1, size=5)])
            began = time.perf_counter()
            ids, _ = ours.page(who, Wanted([RootId(1)], sort=Sort.NONE, descending=True), 0, 100)
            after.append(time.perf_counter() - began)
            assert ids[0] == node, (ids[0], node, after[-1])
        line("page right after a change, which is in it", after)
        began = time.perf_counter()
        ours.stop()
        print(
            f"  kept in {time.perf_counter() - began:.2f} s, {(place / 'listing.bin').stat().st_size / 2**20:.0f} MiB"
        )
        ours = service()
        began = time.perf_counter()
        ours.start()
        ours.page(who, Wanted([RootId(1)]), 0, 100)
        print(f"  first page after a start {(time.perf_counter() - began) * 1e3:.0f} ms")
        ours.stop()
        database.close()
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def beside(files: int, rounds: int) -> None:
    """What following costs whoever adopts a folder, and the pages of that time."""
    took: dict[str, list[float]] = {"without": [], "followed": [], "and asked": []}
    asked: list[float] = []
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        place = Path(name)
        make_tree(place / "family", files, 200)
        for turn in range(rounds):
            for how, times in took.items():
                with open_house(place / f"data-{turn}-{how}", Settings(watch=False)) as house:
                    root = house.services.roots.add("family", str(place / "family"), [])
                    stop = threading.Event()
                    wanted = Wanted([root.id], sort=Sort.SIZE)
                    who = Principal(AccountId(1), "anna", operator=True)

                    def ask(
                        house: House = house,
                        stop: threading.Event = stop,
                        wanted: Wanted = wanted,
                        who: Principal = who,
                    ) -> None:
                        while not stop.wait(0.05):
                            began = time.perf_counter()
                            house.listing.page(who, wanted, 0, 100)
                            asked.append(time.perf_counter() - began)

                    if how != "without":
                        assert house.listing.settle(20)
                    asking = threading.Thread(target=ask)
                    if how == "and asked":
                        asking.start()
                    began = time.perf_counter()
                    outside = house.core.outside
                    assert isinstance(outside, Outside)
                    assert outside.rescan(root.id).changes >= files
                    times.append(time.perf_counter() - began)
                    stop.set()
                    if how == "and asked":
                        asking.join()
                    elif how == "followed":
                        began = time.perf_counter()
                        assert house.listing.settle(60)
                        print(f"  index complete {time.perf_counter() - began:.2f} s after the adoption")
    for how, times in took.items():
        each = ", ".join(f"{one:.2f}" for one in times)
        print(f"  adopting {files:,} files, {how}: median {statistics.median(times):.2f} s ({each})")
    line("page while a folder is adopted", asked)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["pages", "follow", "beside"])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=48)
    chosen = parser.parse_args()
    if chosen.what in (None, "pages"):
        pages(chosen.files, chosen.rounds)
    if chosen.what in (None, "follow"):
        follow(chosen.files)
    if chosen.what in (None, "beside"):
        beside(min(chosen.files, 100_000), 3)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
