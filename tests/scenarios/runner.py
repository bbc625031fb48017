"""Runs one row of the catalogue: writes the start tree, lets everybody act, settles, and compares with what the row says."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from tests.scenarios.rows import Row, Tree
from tests.simulation.backends import Backend, Entry
from tests.simulation.judges import disk_tree
from tests.simulation.machine import Inside, Machine
from tests.simulation.network import Fate
from tests.simulation.program import Event, Step

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.disk_memory import OUTSIDE, DiskKind, SimDisk
from homestow.client.engine.filters import Filters
from homestow.client.ports.localtree import LocalPath
from homestow.values.paths import nfc, split_extension

ROUNDS = 3
KINDS = {"plain": DiskKind(), "folding": DiskKind(folds_case=True, normalises=True)}
_YEAR_S = 31_536_000
_PASS = re.compile(r"([ABC])>(?: @(\S+?)(?:#(\d+))?(?: (.*))?)?")
_LINE = re.compile(r"([ABC])([:!]) ?(.*)", re.DOTALL)


class Hands(Protocol):
    """What a person does on a disk, simulated or real; see `SimDisk`."""

    def exists(self, path: LocalPath) -> bool: ...
    def write(self, path: LocalPath, data: bytes, mtime_ns: int | None = None) -> None: ...
    def append(self, path: LocalPath, data: bytes) -> None: ...
    def safe_save(self, path: LocalPath, data: bytes) -> None: ...
    def remove(self, path: LocalPath) -> None: ...
    def rmtree(self, path: LocalPath) -> None: ...
    def mkdir(self, path: LocalPath) -> object: ...
    def rename(self, source: LocalPath, target: LocalPath) -> None: ...
    def swap(self, first: LocalPath, second: LocalPath) -> None: ...
    def touch(self, path: LocalPath, mtime_ns: int) -> None: ...
    def symlink(self, path: LocalPath, target: str) -> None: ...
    def special(self, path: LocalPath) -> None: ...
    def mtime_of(self, path: LocalPath) -> int: ...
    def set_mode(self, path: LocalPath, mode: int) -> None: ...
    def mode_of(self, path: LocalPath) -> int | None: ...
    def shown(self) -> dict[LocalPath, Entry]: ...


class SimHands(SimDisk):
    """A simulated disk with the few things that only rows ask for."""

    def exists(self, path: LocalPath) -> bool:
        return self.find(path) is not None

    def mtime_of(self, path: LocalPath) -> int:
        return self.file(path).mtime_ns

    def set_mode(self, path: LocalPath, mode: int) -> None:
        self.file(path).mode = mode

    def mode_of(self, path: LocalPath) -> int | None:
        inode = self.find(path)
        return None if inode is None else inode.mode

    def shown(self) -> dict[LocalPath, Entry]:
        return disk_tree(self)


class Computer(Protocol):
    """A client and its user's hands."""

    device: str
    last: str
    filters: Filters

    @property
    def hands(self) -> Hands: ...
    @property
    def counts(self) -> Counter[str]: ...
    def run(self, events: tuple[Event, ...]) -> None: ...
    def effort(self) -> Counter[str]: ...
    def kill(self) -> None: ...
    def overflow(self) -> None: ...
    def befall_state(self, kind: str) -> None: ...
    def accept_deletes(self) -> None: ...
    def close(self) -> None: ...


class SimComputer(Machine):
    """A computer with a simulated disk (L2)."""

    def __init__(self, device: str, kind: DiskKind, clock: SimClock, backend: Backend, inside: Inside) -> None:
        super().__init__(device, kind, clock, backend.remote(device), lambda line: None, inside, 0)
        self.hands = SimHands(clock.now_ns, kind)
        self.change_disk(self.hands)


Maker = Callable[[str, DiskKind, SimClock, Backend, Inside], Computer]


class Stage:
    """Machines and a server on which one row is played."""

    def __init__(self, row: Row, order: str, clock: SimClock, backend: Backend, make: Maker = SimComputer) -> None:
        self.row = row
        self.order = order
        self.clock = clock
        self.backend = backend
        self.machines: dict[str, Computer] = {
            device: make(device, KINDS[row.kinds.get(device, "plain")], self.clock, self.backend, self._inside)
            for device in row.devices
        }
        for device, patterns in row.filters.items():
            self.machines[device].filters = Filters(excludes=tuple(patterns.split()))
        self._lines: list[str] = []
        self._modes: list[tuple[str, LocalPath]] = []
        self._before: dict[str, Counter[str]] = {}

    def play(self) -> list[str]:
        """Everything that is not as the row says; nothing when all is right."""
        try:
            self._start()
            for line in self._script():
                self._line(line)
            self._settle()
            return list(self._compare())
        finally:
            for machine in self.machines.values():
                machine.close()

    def _script(self) -> Iterator[str]:
        if self.row.script:
            yield from self.row.script
            return
        for device, deeds in (("A", self.row.a), ("B", self.row.b), ("C", self.row.c)):
            if deeds:
                yield f"{device}: {deeds}"
        yield from (f"{device}>" for device in self.order)

    def _start(self) -> None:
        first = next(iter(self.machines.values()))
        for path, content in self.row.start.items():
            _make(first.hands, path, content)
        for _ in range(2):
            for machine in self.machines.values():
                self.clock.advance(30)
                machine.run(())
        for device, machine in self.machines.items():
            shown = machine.hands.shown()
            assert set(shown) >= {_split(path) for path in self.row.start}, (device, machine.last, shown)
            self._before[device] = Counter(machine.counts)
        self.clock.advance(30)

    def _settle(self) -> None:
        for _ in range(ROUNDS):
            for machine in self.machines.values():
                self.clock.advance(400)
                machine.run(())

    # --- lines --------------------------------------------------------------------------------------------------------

    def _line(self, line: str) -> None:
        if line == "wait":
            self.clock.advance(400)
            return
        if (found := _PASS.fullmatch(line)) is not None:
            device, point, nth, what = found.groups()
            events: tuple[Event, ...] = ()
            if point is not None:
                self._lines.append(f"{device}! {what}" if _is_event(what) else what)
                kind = what if what in Fate._value2member_map_ else "line"
                events = (Event(point, int(nth or 1), Step(kind, 0, len(self._lines) - 1)),)
            self.clock.advance(5)
            self.machines[device].run(events)
            return
        found = _LINE.fullmatch(line)
        assert found is not None, line
        device, sort, what = found.groups()
        if sort == "!":
            self._befall(device, what)
        else:
            for deed in what.split("; "):
                self.clock.advance(0.01)
                self._deed(device, deed)

    def _inside(self, machine: object, step: Step, point: str) -> Fate | None:
        if step.kind in Fate._value2member_map_:
            return Fate(step.kind)
        self._line(self._lines[step.dice])
        return None

    def _befall(self, device: str, what: str) -> None:
        machine = self.machines[device]
        match what:
            case "drop-state" | "save-state" | "old-state":
                machine.befall_state(what)
            case "kill":
                machine.kill()
            case "overflow":
                machine.overflow()
            case "back-a-year" | "on-a-year":
                self.clock.jump(-_YEAR_S if what == "back-a-year" else _YEAR_S)
            case "disk-full" | "disk-free":
                disk = _simulated(machine)
                disk.bytes_limit = disk.used_bytes + 300 if what == "disk-full" else 1 << 40
            case "disconnect" | "unmount":
                _simulated(machine).disconnect(mount_point=what == "unmount")
            case "connect":
                _simulated(machine).connect()
            case "accept-deletes":
                machine.accept_deletes()
            case "server-restart":
                self.backend.restart(random.Random(0))
            case "server-full" | "server-free":
                self.backend.set_full(what == "server-full")
            case "server-save":
                self.backend.save()
            case "server-restore":
                self.backend.restore()
            case "forget-uploads":
                self.backend.forget_uploads()
            case "compact":
                self.backend.compact()
            case _ if what.startswith("filters"):
                # As somebody who changes the settings: the job is opened anew.
                machine.kill()
                machine.filters = Filters(excludes=tuple(what.split()[1:]))
            case _:
                raise ValueError(f"no such event: {what}")

    def _deed(self, device: str, deed: str) -> None:
        disk = self.machines[device].hands
        words = deed.split(" ")
        match words:
            case ["rm", "-r", path]:
                disk.rmtree(_split(path))
            case ["rm", path]:
                disk.remove(_split(path))
            case ["rm-conflict", name]:
                disk.remove(self._conflict_path(device, name))
            case ["mkdir", path]:
                disk.mkdir(_split(path))
            case ["mv" | "over", source, target]:
                disk.rename(_split(source), _split(target))
            case ["swap", first, second]:
                disk.swap(_split(first), _split(second))
            case ["touch", path]:
                disk.touch(_split(path), self.clock.now_ns() - 5_000_000_000)
            case ["ln", path]:
                disk.symlink(_split(path), "g")
            case ["fifo", path]:
                disk.special(_split(path))
            case ["out", path]:
                disk.rename(_split(path), (OUTSIDE, "gone"))
            case ["in", path]:
                disk.mkdir((OUTSIDE, "in"))
                disk.write((OUTSIDE, "in", "x"), b"in1")
                disk.write((OUTSIDE, "in", "y"), b"in2")
                disk.rename((OUTSIDE, "in"), _split(path))
            case ["mode", path]:
                disk.set_mode(_split(path), 0o750)
                self._modes.append((device, _split(path)))
            case ["conflict", rest]:
                name, content = rest.split("=")
                disk.write(self._conflict_path(device, name), content.encode())
            case ["same", rest]:
                name, content = rest.split("=")
                disk.write(_split(name), content.encode(), disk.mtime_of(_split(name)))
            case ["safe", rest]:
                name, content = rest.split("=")
                disk.safe_save(_split(name), content.encode())
            case _:
                name, _, content = deed.partition("=")
                if name.endswith("+"):
                    disk.append(_split(name[:-1]), content.encode())
                else:
                    disk.write(_split(name), content.encode())

    def _conflict_path(self, device: str, name: str) -> LocalPath:
        wanted = _split(name)
        return next(path for path in self.machines[device].hands.shown() if _same_name(path, wanted))

    # --- the end ------------------------------------------------------------------------------------------------------

    def _compare(self) -> Iterator[str]:
        row = self.row
        server = self.backend.tree()
        end = next((end for end in (row.end, *row.ends) if not list(_differ(end, server))), row.end)
        yield from (f"server: {what}" for what in _differ(end, server))
        for device, machine in self.machines.items():
            found = list(_differ(row.apart.get(device, end), machine.hands.shown()))
            yield from (f"{device}: {what}; it says {machine.last}" for what in found)
            if device not in row.apart and not found:
                for path, entry in machine.hands.shown().items():
                    if path in server and abs(entry.mtime_ns - server[path].mtime_ns) >= 10**9:
                        yield f"{device}: {'/'.join(path)} has another mtime than on the server"
        everywhere = set(self.backend.contents())
        yield from (f"{content[:20]!r} is kept nowhere" for content in row.kept if content.encode() not in everywhere)
        for device, codes in row.problems.items():
            yield from (
                f"{device} does not tell {code!r}: {machine.last}"
                for code in codes.split()
                if f": {code}" not in self.machines[device].last
            )
        for name, wanted in row.counts.items():
            device, call = name.split(".")
            spent = self.machines[device].counts[call] - self._before[device][call]
            if spent != wanted:
                yield f"{name} is {spent}, not {wanted}"
        yield from (f"store: {what}" for what in self.backend.unsound())
        for device, path in self._modes:
            if self.machines[device].hands.mode_of(path) != 0o750:
                yield f"{device}: {path} has another mode"
        for device, machine in self.machines.items():
            before = machine.effort()
            machine.run(())
            if (device not in row.apart or device in row.filters) and (more := machine.effort() - before):
                yield f"{device} is not quiet: {dict(more)}"


def _simulated(machine: Computer) -> SimDisk:
    assert isinstance(machine, SimComputer)
    return machine.disk


def _is_event(what: str) -> bool:
    return re.match(r"[ABC][:>!]", what) is None


def _split(path: str) -> LocalPath:
    return tuple(path.removesuffix("/").split("/"))


def _make(hands: Hands, path: str, content: str | None) -> None:
    names = _split(path)
    for depth in range(1, len(names) + (content is None)):
        if not hands.exists(names[:depth]):
            hands.mkdir(names[:depth])
    if content is not None:
        hands.write(names, content.encode())


def _same_name(path: LocalPath, wanted: LocalPath) -> bool:
    """Whether `path` is `wanted`, where `f!B` stands for a conflict copy of `f` by B."""
    if len(path) != len(wanted) or path[:-1] != wanted[:-1]:
        return False
    name, _, device = wanted[-1].rpartition("!")
    if not name or len(device) != 1:
        return path == wanted
    stem, extension = split_extension(nfc(name))
    found = re.fullmatch(
        r"(.*) \(conflict " + re.escape(device) + r" \d{4}-\d\d-\d\d [0-9a-f]{6}\)" + re.escape(extension),
        path[-1],
        re.DOTALL,
    )
    return found is not None and (stem == found[1] or (len(path[-1].encode()) > 240 and stem.startswith(found[1])))


def _differ(end: Tree, shown: dict[LocalPath, Entry]) -> Iterator[str]:
    """What `shown` has otherwise than `end`."""
    left = dict(shown)
    wanted: dict[LocalPath, str | None] = {}
    for path, content in end.items():
        names = tuple(nfc(name) for name in _split(path))
        for depth in range(1, len(names)):
            wanted.setdefault(names[:depth], None)
        wanted[names] = content
    for names, content in sorted(wanted.items()):
        found = next((path for path in left if _same_name(path, names)), None)
        if found is None:
            yield f"{'/'.join(names)[:60]!r} is not there"
            continue
        entry = left.pop(found)
        if entry.content != (None if content is None else content.encode()):
            yield f"{'/'.join(names)[:60]!r} is {entry.content if entry.content is None else entry.content[:20]!r}"
    for more in left:
        yield f"{'/'.join(more)[:60]!r} is there too"
