"""How fast the store on disk is, against the bare system calls it cannot do without.

    python bench/content_tree.py [FOLDER]      FOLDER: where to measure, default the current one

Files of 4 KiB, staged, made durable and published in groups, in one thread; then listing, looking and opening.
The floor writes, renames and stats the same files by the fewest calls there are. Ratios count, figures drift.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from homestow.server.adapters import disk_calls
from homestow.server.adapters.content_tree import TreeContent

DATA = os.urandom(4096)
GROUP = 1000
FILES = 5000
FOLDER = ("photos", "2024", "summer")


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Floor:
    """The same by bare calls: create, write, close, rename, stat; one syncfs before and after each group's renames."""

    def __init__(self, top: Path) -> None:
        (top / "staging").mkdir(parents=True)
        (top / "files").mkdir()
        self.staging = os.open(top / "staging", os.O_RDONLY)
        self.files = os.open(top / "files", os.O_RDONLY)

    def write(self, files: int, group: int) -> None:
        for begin in range(0, files, group):
            names = [f"file-{number}" for number in range(begin, min(begin + group, files))]
            for name in names:
                fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=self.staging)
                os.write(fd, DATA)
                os.close(fd)
            if group > 1:
                disk_calls.sync_file_system(self.staging)
            else:
                fd = os.open(names[0], os.O_RDONLY, dir_fd=self.staging)
                os.fsync(fd)
                os.close(fd)
            for name in names:
                os.rename(name, name, src_dir_fd=self.staging, dst_dir_fd=self.files)
                os.stat(name, dir_fd=self.files)
            os.fsync(self.files)

    def list(self) -> None:
        for name in os.listdir(self.files):
            os.stat(name, dir_fd=self.files, follow_symlinks=False)

    def open(self) -> None:
        for number in range(FILES):
            fd = os.open(f"file-{number}", os.O_RDONLY, dir_fd=self.files)
            os.fstat(fd)
            os.pread(fd, 4096, 0)
            os.close(fd)


class Ours:
    """The store."""

    def __init__(self, top: Path) -> None:
        top.mkdir()
        self.store = TreeContent(top)
        for depth in range(1, len(FOLDER) + 1):
            self.store.make_folder(FOLDER[:depth])

    def write(self, files: int, group: int) -> None:
        for begin in range(0, files, group):
            keys = [f"file-{number}" for number in range(begin, min(begin + group, files))]
            for key in keys:
                self.store.stage_small(key, DATA)
            self.store.sync_staged(keys)
            for key in keys:
                self.store.publish(key, (*FOLDER, key), False, 1_700_000_000_000_000_000)
            self.store.sync_folders([FOLDER])

    def list(self) -> None:
        self.store.list_folder(FOLDER)

    def open(self) -> None:
        for number in range(FILES):
            opened = self.store.open((*FOLDER, f"file-{number}"))
            opened.read_at(0, 4096)
            opened.close()


def main() -> None:
    """Measure and print."""
    where = sys.argv[1] if len(sys.argv) > 1 else "."
    works: dict[str, tuple[int, Callable[[Floor | Ours], Callable[[], object]]]] = {
        f"write {FILES}, {GROUP} in a group": (FILES, lambda who: lambda: who.write(FILES, GROUP)),
        "list with facts": (FILES, lambda who: who.list),
        "open, read, close": (FILES, lambda who: who.open),
        "write 300, one by one": (300, lambda who: lambda: who.write(300, 1)),
    }
    results: dict[str, dict[str, list[float]]] = {name: {"floor": [], "ours": []} for name in works}
    for _ in range(5):
        for who in ("floor", "ours"):
            top = Path(tempfile.mkdtemp(dir=where))
            try:
                worker: Floor | Ours | None = None
                for name, (count, work) in works.items():
                    if worker is None or name.startswith("write"):
                        worker = (Floor if who == "floor" else Ours)(top / str(len(os.listdir(top))))
                    results[name][who].append(count / timed(work(worker)))
            finally:
                shutil.rmtree(top)
                os.sync()
    for name, found in results.items():
        floor, ours = statistics.median(found["floor"]), statistics.median(found["ours"])
        print(f"{name:30} {ours:10,.0f}/s  floor {floor:10,.0f}/s  ratio {ours / floor:.2f}")


main()
