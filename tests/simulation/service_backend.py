"""The real server core in a simulated run: its catalogue in memory, its content on a disk that forgets, its steps killable."""

import copy
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

from tests.simulation import dying
from tests.simulation.backends import SMALL_LIMITS, Entry, Path
from tests.simulation.remote_service import RemoteService, ServerDied

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.ports.remote import Limits, Remote
from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.content_memory import MemoryContent
from homestow.server.adapters.memory_disk import MemoryDisk
from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.content import EntryKind, Location
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.core import make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.values.errors import CloudError
from homestow.values.ids import DeviceId, NodeId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import RESERVED

_MANY = 1000
_FOLDERS = tempfile.TemporaryDirectory(prefix="homestow-simulation-")


class ServiceBackend:
    """One person's root on the real core; devices differ by number only."""

    compares_by_reading = False

    def __init__(self, clock: SimClock, limits: Limits = SMALL_LIMITS, page: int = 7) -> None:
        self._clock = clock
        self._limits = limits
        self._page = page
        self._database = Database.open(None)
        self._disk = MemoryDisk(now_ns=clock.now_ns)
        self._content = MemoryContent(self._disk)
        self._boots = 1
        self._devices = 0
        self._accepted: dict[tuple[NodeId, int], Node] = {}
        self._steps_left: int | None = None
        self._power = False
        self._backup: tuple[bytes, MemoryDisk] | None = None
        self._death = random.Random(0)
        self._start(first=True)

    # --- the process --------------------------------------------------------------------------------------------------

    def _start(self, first: bool = False) -> None:
        catalogue = SqlCatalogue(self._database)
        account_rows = SqlAccounts(self._database)
        accounts = Accounts(account_rows, self._clock, Hashing(time=1, memory_kib=8))
        folder = FilePath(_FOLDERS.name) / "tree"
        files = FilePath(_FOLDERS.name) / "data" / "files"
        files.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        root_rows = SqlRoots(self._database)
        roots = Roots(root_rows, account_rows, catalogue, lambda path: self._content, self._clock, files)
        if first:
            accounts.add("anna", "correct horse")
            self._root = roots.add("tree", str(folder), [("anna", Rights.OWN)]).id
        self._account = accounts.all()[0].id
        self._core = make_core(
            catalogue, roots, roots, self._clock, f"boot {self._boots}",
            lambda committer: Outside(catalogue, roots, committer, self._clock), inline=True,
        )  # fmt: skip
        if first:
            roots.note_scanned(self._root)  # as the look at everything does with which a server begins to serve

    def die(self) -> None:
        """The process ended where it stood; with `_power` the machine lost its power too. It is started again."""
        dying.forget(self._at_point)
        self._steps_left = None
        writer = self._database._writer
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        if self._power:
            self._content.crash(self._death)
            self._boots += 1
        self._content = MemoryContent(self._disk)
        self._start()

    def crash_soon(self, steps: int, power: bool, dice: random.Random) -> None:
        """Die at the `steps`-th persistence point from now on."""
        self._steps_left, self._power, self._death = steps, power, dice
        dying.listen(self._at_point)

    def _at_point(self, name: str) -> None:
        if self._steps_left is None or name.startswith("client."):
            return
        self._steps_left -= 1
        if self._steps_left <= 0:
            dying.forget(self._at_point)
            raise ServerDied(name)

    def _alone(self, act: Callable[[], object]) -> None:
        """Let the server do something that no device asked for."""
        try:
            act()
        except ServerDied:
            self.die()
        except CloudError:
            return

    # --- the backend --------------------------------------------------------------------------------------------------

    def remote(self, device: str) -> Remote:
        self._devices += 1
        who = Principal(self._account, "anna", DeviceId(self._devices))
        return RemoteService(lambda: self._core, who, self._root, self._limits, self._page, self.die, self._stored)

    def _stored(self, node: Node) -> None:
        self._accepted[node.id, node.rev] = node

    def _walk(self, folder: NodeId, path: Path) -> Iterator[tuple[Path, NodeRow]]:
        for row in self._core.catalogue.children(folder, "", _MANY):
            yield (*path, row.name), row
            if row.kind == Kind.FOLDER:
                yield from self._walk(row.id, (*path, row.name))

    def _rows(self) -> dict[Path, NodeRow]:
        top = self._core.catalogue.top(self._root)
        assert top is not None
        return dict(self._walk(top.id, ()))

    def tree(self) -> dict[Path, Entry]:
        return {
            path: Entry(None, 0) if row.kind == Kind.FOLDER else Entry(self._bytes(row), row.mtime_ns)
            for path, row in self._rows().items()
        }

    def _bytes(self, row: NodeRow) -> bytes:
        lies = self._core.catalogue.lies(row)
        opened = (
            self._content.open(lies.location)
            if lies.kept is None
            else self._content.open_kept(lies.kept, lies.location)
        )
        try:
            return opened.read_at(0, row.size + 1)
        finally:
            opened.close()

    def _known(self) -> Iterator[NodeRow]:
        """Every row that is there or can be brought back."""
        catalogue = self._core.catalogue
        first, misses = 1, 0
        while misses < 3:
            rows = catalogue.nodes([NodeId(number) for number in range(first, first + 200)])
            yield from rows.values()
            first, misses = first + 200, misses + (not rows)

    def path_of(self, node: int) -> Path | None:
        return next((path for path, row in self._rows().items() if row.id == node), None)

    def contents(self) -> Iterator[bytes]:
        catalogue = self._core.catalogue
        for row in self._known():
            if row.kind != Kind.FILE or row.parent is None:
                continue
            try:
                yield self._bytes(row)
            except CloudError:
                pass  # purged, or lost: who misses its content will say so
            for version in catalogue.versions(row.id):
                opened = self._content.open_kept(version.kept)
                try:
                    yield opened.read_at(0, version.size + 1)
                finally:
                    opened.close()

    def unsound(self) -> list[str]:
        found: list[str] = []
        catalogue = self._core.catalogue
        rows = self._rows()
        shown = dict(self._shown(()))
        for path, row in rows.items():
            kind = EntryKind.FOLDER if row.kind == Kind.FOLDER else EntryKind.FILE
            if shown.pop(path, None) != (kind, row.size):
                found.append(f"the server's folder does not show {'/'.join(path)!r} as the catalogue does")
        found.extend(f"the server's folder shows {'/'.join(path)!r}, the catalogue does not" for path in shown)
        if (lost := catalogue.kept_keys(self._root) - set(self._content.kept_keys())) != set():
            found.append(f"rows need kept content that is not there: {sorted(lost)}")
        if catalogue.intents():
            found.append("intents are left")
        for (number, rev), node in self._accepted.items():
            now = catalogue.node(number)
            if now is None or now.rev < rev or (now.rev == rev and now.hex_digest != node.digest):
                found.append(f"P1: node {number} was acknowledged at rev {rev} and is {now}")
        usage = catalogue.usage([self._root])[self._root]
        dying.forget(self._at_point)
        with catalogue.write() as writing:
            if writing.recount(self._root) != usage:
                found.append(f"counted usage {usage} is not the sum of the rows")
        if self._steps_left is not None:
            dying.listen(self._at_point)
        return found

    def _shown(self, at: Location) -> Iterator[tuple[Path, tuple[EntryKind, int]]]:
        for entry in self._content.list_folder(at):
            if not at and entry.name == RESERVED:
                continue
            folder = entry.stat.kind is EntryKind.FOLDER
            yield (*at, entry.name), (entry.stat.kind, 0 if folder else entry.stat.size)
            if folder:
                yield from self._shown((*at, entry.name))

    def restart(self, dice: random.Random) -> None:
        self.crash_soon(dice.randint(1, 14), dice.random() < 0.6, random.Random(dice.getrandbits(32)))

    def calm(self) -> None:
        self._steps_left = None
        dying.forget(self._at_point)

    def set_full(self, full: bool) -> None:
        self._disk.capacity_bytes = 0 if full else None

    def forget_uploads(self) -> None:
        self._clock.advance(8 * 24 * 3600)
        self._alone(self._core.uploads.expire)

    def compact(self) -> None:
        self._alone(lambda: self._core.changes.compact(self._core.catalogue.last()))

    def bring_back(self, dice: random.Random) -> None:
        trashed = self._core.catalogue.trash(self._root, 0, _MANY)
        if trashed:
            row = trashed[int(dice.random() * len(trashed))]
            who = Principal(self._account, "anna", DeviceId(99))
            self._alone(lambda: self._core.trashcan.restore(who, row.id))

    def save(self) -> None:
        self._backup = self._database._writer.serialize(), self._copied(self._disk)

    def restore(self) -> None:
        if self._backup is None:
            return
        self._core.close()
        self._database.close()
        store, disk = self._backup
        self._database = Database(None)
        self._database._writer.deserialize(store)
        self._disk = self._copied(disk)
        self._content = MemoryContent(self._disk)
        self._accepted.clear()
        self._start()
        self._core.changes.renew_epoch()
        self._start()

    def _copied(self, disk: MemoryDisk) -> MemoryDisk:
        return copy.deepcopy(disk, {id(self._clock): self._clock})

    def close(self) -> None:
        self.calm()
        self._core.close()
        self._database.close()
