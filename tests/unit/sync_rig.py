"""Computers in memory that keep one root in step through the real cycle; for tests of `running`."""

from collections.abc import Callable

from homestow.client.adapters.clock_memory import InlineWorkers, SeededChance, SimClock
from homestow.client.adapters.disk_memory import DiskKind, SimDisk
from homestow.client.adapters.remote_memory import MemoryRemote, MemoryServer
from homestow.client.adapters.state_sqlite import SqliteState
from homestow.client.adapters.tree_memory import SimTree
from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.rules import Direction
from homestow.client.engine.sightings import PRIVATE_NAME
from homestow.client.ports.localtree import LocalPath, SeenKind
from homestow.client.ports.remote import Remote
from homestow.client.running.cycle import Cycle
from homestow.client.running.deeds import Deed
from homestow.client.running.outcome import Outcome


class Computer:
    """One computer: its disk, and a cycle that can be started anew over the same state."""

    def __init__(
        self,
        name: str,
        server: MemoryServer,
        clock: SimClock,
        *,
        direction: Direction = Direction.BOTH,
        kind: DiskKind = DiskKind(),
        around: Callable[[Remote], Remote] = lambda remote: remote,
    ) -> None:
        self.name, self.clock, self.direction = name, clock, direction
        self.disk = SimDisk(clock.now_ns, kind)
        self.disk.make_root()
        self.server = server
        self.remote = around(MemoryRemote(server))
        self.state = SqliteState(":memory:")
        self.settle_s = 0.0
        self.accept = False
        self.filters: Filters = NOTHING
        self.part = ""
        self.deeds: list[Deed] = []
        self.start()

    def start(self) -> None:
        """A new process over the same disk and state."""
        self.tree = SimTree(self.disk)
        self.tree.prepare()
        self.cycle = Cycle(
            self.tree, self.remote, self.state, self.clock, SeededChance(self.name), InlineWorkers(), device=self.name,
            direction=self.direction, settle_s=self.settle_s, accept_deletes=self.accept,
            fingerprints=getattr(self.remote, "fingerprints", None), told=self.deeds.append,
            filters=self.filters, remote_folder=self.part, places=MemoryRemote(self.server) if self.part else None,
        )  # fmt: skip

    def restart(self) -> None:
        """The process ends and another one begins."""
        self.tree.close()
        self.start()

    def forget(self) -> None:
        """The state is lost (R24)."""
        self.state.close()
        self.state = SqliteState(":memory:")
        self.restart()

    def sync(self) -> Outcome:
        """Passes until settled."""
        return self.cycle.once(self.clock.advance)

    def files(self) -> dict[str, bytes | None]:
        """Paths with contents; None for folders."""
        found: dict[str, bytes | None] = {}
        for path, inode in self.disk.walk():
            if path and path[0] != PRIVATE_NAME:
                found["/".join(path)] = self.disk.read(path) if inode.kind is SeenKind.FILE else None
        return found

    def write(self, path: str, data: str) -> None:
        """Write a file."""
        self.clock.advance(1)
        self.disk.write(at(path), data.encode())


def at(path: str) -> LocalPath:
    """ "a/b" as a path."""
    return tuple(path.split("/"))


def two(**kinds: Direction) -> tuple[MemoryServer, Computer, Computer]:
    """A server and two computers A and B; `A=Direction.UP` gives A another direction."""
    server, clock = MemoryServer(), SimClock()
    one, other = (Computer(name, server, clock, direction=kinds.get(name, Direction.BOTH)) for name in ("A", "B"))
    return server, one, other


def settle(*computers: Computer, rounds: int = 4) -> None:
    """Let all come into step."""
    for _ in range(rounds):
        for computer in computers:
            computer.sync()
