"""What the process keeps of files that blocks of Ditto come for."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from homestow.server.ports.ditto import Announced, Block, DittoRows
from homestow.server.rules import ditto_blocks as layouts
from homestow.server.rules.ditto_blocks import Layout

_MOST_LIVE: Final = 256


class Live:
    """One file.

    Attributes:
        layout: where its blocks lie.
        total: bytes of the blocks that came.
        lock: of these two. finishing: held while the file is completed.
    """

    def __init__(self, layout: Layout, total: int) -> None:
        self.layout = layout
        self.total = total
        self.users = 0
        self.wrong = False
        """Everything is there, and it is not what was declared; nothing came since."""
        self.lock = threading.Lock()
        self.finishing = threading.Lock()
        self._busy: set[int] = set()
        self._free = threading.Condition(self.lock)

    @contextmanager
    def turn(self, no: int) -> Iterator[None]:
        """One at a time may send a block of this number."""
        with self._free:
            while no in self._busy:
                self._free.wait()
            self._busy.add(no)
        try:
            yield
        finally:
            with self._free:
                self._busy.discard(no)
                self._free.notify_all()

    def lay(self, no: int, size: int, move: Callable[[Layout], None]) -> Layout:
        """The layout with a block that is about to be written; `move` is called when another one lies elsewhere then."""
        with self._free:
            while True:
                layout = layouts.add(self.layout, no, size)
                shown = layout.last is not None and layout.last[0] != no and self.layout.last is None
                if not shown or layout.last is None or layout.last[0] not in self._busy:
                    break
                self._free.wait()
            if shown:
                move(layout)
            self.layout = layout
            return layout

    def unlay(self, no: int, found: Callable[[], Layout]) -> None:
        """A block could not be written: the layout is what rows show, unless others are being written."""
        with self._free:
            if self._busy == {no}:
                self.layout = found()


class Lives:
    """All of them; only what nobody uses is forgotten. Safe from any thread."""

    def __init__(self, rows: DittoRows) -> None:
        self._rows = rows
        self._live: OrderedDict[int, Live] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def using(self, file: Announced) -> Iterator[Live]:
        """What is kept of a file, as long as this lasts."""
        with self._lock:
            live = self._live.get(file.number)
            if live is None:
                blocks = self._rows.blocks(file.number)
                live = self._live[file.number] = Live(layout_of(file, blocks), sum(block.size for block in blocks))
            self._live.move_to_end(file.number)
            live.users += 1
            idle = [number for number, each in self._live.items() if not each.users]
            for number in idle[: len(self._live) - _MOST_LIVE]:
                del self._live[number]
        try:
            yield live
        finally:
            with self._lock:
                live.users -= 1


def layout_of(file: Announced, blocks: list[Block]) -> Layout:
    """The layout of blocks that were taken before."""
    if not blocks:
        return Layout(file.size)
    regular = max(block.size for block in blocks)
    last = next(((block.no, block.size) for block in blocks if block.size < regular), None)
    return Layout(file.size, regular, last, blocks[0].no if len(blocks) == 1 else None)
