"""Speed of the use cases alone, without a network: packs, single small uploads, small reads, one large upload.

python bench/service_core.py [FOLDER]      FOLDER: an empty folder on the disk to measure (default: a temporary one)
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.core import Core, make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.uploads import Begin
from homestow.values.ids import NodeId, RootId
from homestow.wire.api import PackItem

DATA = os.urandom(4096)
LARGE = os.urandom(1024 * 1024)


class Clock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


def make(place: Path) -> tuple[Core, Principal, RootId, NodeId]:
    (place / "data" / "files").mkdir(parents=True)
    (place / "tree").mkdir()
    database = Database.open(place / "data" / "homestow.db", in_process=True)
    clock, catalogue, rows = Clock(), SqlCatalogue(database), SqlAccounts(database)
    accounts = Accounts(rows, clock, Hashing(time=1, memory_kib=8))
    roots = Roots(
        SqlRoots(database), rows, catalogue, lambda at: TreeContent(Path(at)), clock, place / "data" / "files"
    )
    anna = accounts.add("anna", "correct horse")
    root = roots.add("tree", str(place / "tree"), [("anna", Rights.OWN)]).id
    core = make_core(catalogue, roots, roots, clock, "boot", lambda done: Outside(catalogue, roots, done, clock))
    top = catalogue.top(root)
    assert top is not None
    return core, Principal(anna.id, "anna"), root, top.id


def timed(what: str, count: int, unit: str, work: Callable[[], None]) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    took, used = time.perf_counter() - started, time.process_time() - cpu
    print(f"{what:<44} {count / took:>10,.0f} {unit}/s   CPU {used / count * 1e6:>8,.0f} µs each", flush=True)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(place: Path) -> None:
    core, anna, root, top = make(place)
    folder = core.files.make_folder(anna, top, "packed").id
    singles = core.files.make_folder(anna, top, "single").id
    pack = 1000
    counter = iter(range(10**9))

    def packs(count: int) -> None:
        for _ in range(count):
            items = [
                (PackItem(size=4096, mtime_ns=1, parent=folder, name=f"f{next(counter)}"), DATA) for _ in range(pack)
            ]
            assert all(outcome.node for outcome in core.whole.put_pack(anna, root, items))

    def single(count: int) -> None:
        for _ in range(count):
            sink = core.whole.put_file(anna, singles, f"s{next(counter)}", size=4096)
            sink.write(DATA)
            sink.finish()

    timed("packs of 1,000 × 4 KiB, one sender", 10 * pack, "files", lambda: packs(10))
    timed("packs of 1,000 × 4 KiB, two senders", 20 * pack, "files", lambda: in_threads(2, lambda _: packs(10)))
    timed("4 KiB one by one, one sender", 1000, "files", lambda: single(1000))
    timed("4 KiB one by one, 8 senders", 8000, "files", lambda: in_threads(8, lambda _: single(1000)))
    nodes = [node.id for node in core.files.children(anna, folder, "", 5000)[0]]

    def read(_: int) -> None:
        for node in nodes:
            content = core.downloads.content(anna, node)
            content.opened.read_at(0, content.size)
            content.close()

    timed("reading 4 KiB, one reader", len(nodes), "files", lambda: read(0))

    def large(_: int = 0) -> None:
        begun = core.uploads.begin_upload(anna, Begin(size=1 << 30, parent=top, name=f"large{next(counter)}"))
        for block in range(0, 1 << 30, 4 << 20):
            sink = core.uploads.put_block(anna, begun.id, block)
            for _ in range(4):
                sink.write(LARGE)
            sink.finish()
        core.uploads.finish_upload(anna, begun.id)

    timed("one upload of 1 GiB in blocks of 4 MiB", 1024, "MiB", large)
    core.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
