"""One simulated run: people, clients, a server and what befalls them, in one flow of control, all from one seed."""

import errno
import random
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from blake3 import blake3
from tests.simulation import dying
from tests.simulation.backends import Backend, Entry, MemoryBackend, Path
from tests.simulation.judges import clashing, differences, disk_tree, halves, left_over, lost, not_live, power_loss
from tests.simulation.ledger import Ledger, Token, tokens_of
from tests.simulation.machine import Machine
from tests.simulation.network import Fate
from tests.simulation.people import KINDS, MEDDLING, NAMES, ODD_NAMES, Deed, Person
from tests.simulation.program import ONE_WAY, Program, Step
from tests.simulation.sights import FLAVOURS as NARROW
from tests.simulation.sights import PATTERNS, Sight

from homestow.client.adapters.clock_memory import Killed, SimClock
from homestow.client.adapters.disk_memory import DiskKind
from homestow.client.adapters.tree_memory import PRIVATE
from homestow.client.engine.filters import Filters
from homestow.client.engine.rules import Direction
from homestow.client.ports.localtree import LocalPath, SeenKind

ROUNDS = 3
"""P4: in step at the latest after so many passes of each client once nothing happens any more."""

_KINDS: dict[str, DiskKind] = {
    "folding": DiskKind(folds_case=True, normalises=True),
    "fat": DiskKind(folds_case=False, stable_inodes=False, mtime_step_ns=2_000_000_000),
}
_FAULT_OF: dict[str, str] = {
    Fate.LOST_REQUEST: "lost-request",
    Fate.LATE: "lost-request",
    Fate.LOST_REPLY: "lost-reply",
    Fate.TWICE: "lost-reply",
    Fate.CUT: "cut",
    Fate.CORRUPT: "cut",
    Fate.BUSY: "refused",
    Fate.BROKEN: "refused",
    Fate.FULL: "refused",
    Fate.CURSOR_GONE: "refused",
    "partition": "lost-request",
    "server-full": "refused",
    "errno": "disk",
    "disk-full": "disk",
    "kill": "kill",
    "power": "power",
}
_SETS_BACK = frozenset(("power", "drop-state", "old-state", "disk-restore", "server-restore"))
FAULTS = ("none", "lost-request", "lost-reply", "cut", "refused", "disk", "kill", "power")

Cell = tuple[str, str, str]


@dataclass(slots=True)
class Verdict:
    """What a run showed: `problems` is empty when all promises held; `trace` is the same for the same program."""

    problems: list[str] = field(default_factory=list)
    trace: str = ""
    cells: set[Cell] = field(default_factory=set)
    events: int = 0
    passes: int = 0


class World:
    """The run of one program."""

    def __init__(self, program: Program, backend: Callable[[SimClock], Backend] | None = None) -> None:
        self.program = program
        self.dice = random.Random(f"world {program.seed}")
        self.clock = SimClock()
        self.backend: Backend = MemoryBackend() if backend is None else backend(self.clock)
        self.ledger = Ledger(random.Random(f"ledger {program.seed}"))
        self.verdict = Verdict()
        self._trace = blake3()
        self.log: list[str] | None = None
        self._since: list[list[Deed]] = []
        self._running: list[Machine] = []
        self._set_back = False
        names = ODD_NAMES if program.flavour in ("names", "folding") else NAMES
        self.machines: list[Machine] = []
        self.people: list[Person] = []
        for number in range(program.clients):
            device = "ABC"[number]
            kind = _KINDS.get(program.flavour, DiskKind()) if number == program.clients - 1 else DiskKind()
            machine = Machine(
                device, kind, self.clock, self.backend.remote(device), self.trace, self._inside, program.seed
            )
            machine.settle_s = 2.0 if program.seed % 2 else 0.0
            self.machines.append(machine)
            self.people.append(Person(device, machine.disk, self.ledger, self._on_server, names, self.clock.now_ns))
            self._since.append([])
        self._turned: dict[str, int] = {}
        self._places: list[tuple[int, Path]] = []
        self._saved_disks: dict[int, tuple[object, set[bytes]]] = {}

    # --- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Do the program, let the faults stop, judge."""
        dying.listen(self._at_fault)
        try:
            self._begin()
            for step in self.program.steps:
                self.act(step)
                self._sweep()
                if self.verdict.problems:
                    break
            else:
                self._end()
        except Exception:  # noqa: BLE001 - a crash of the code under test is a verdict, with its story
            self.verdict.problems.append("crashed:\n" + traceback.format_exc())
        finally:
            dying.forget(self._at_fault)
            for machine in self.machines:
                machine.close()
            self.backend.calm()
        for machine in self.machines:
            self.trace(repr(sorted(disk_tree(machine.disk).items())))
        self.verdict.trace = self._trace.hexdigest()
        if self.log is not None:
            shown = {"server": self.backend.tree(), **{each.device: disk_tree(each.disk) for each in self.machines}}
            for where, tree in shown.items():
                self.log.append(
                    f"{where}: " + ", ".join(f"{'/'.join(p)}={e.content!r}" for p, e in sorted(tree.items()))
                )
        self.backend.close()
        return self.verdict

    def trace(self, line: str) -> None:
        """Everything that happens is one line; the same seed gives the same lines."""
        self.verdict.events += 1
        self._trace.update(line.encode(errors="surrogatepass"))
        if self.log is not None:
            self.log.append(line)

    def _begin(self) -> None:
        """A small tree in step everywhere."""
        disk = self.machines[0].disk
        disk.mkdir(("D",))
        for path in (("a",), ("b",), ("D", "a"), ("D", "c.txt")):
            disk.write(path, self.ledger.write("A", 40, "initial"))
        disk.mkdir(("E",))
        last = self.machines[-1]
        if self.program.flavour in NARROW:
            last.judge_deletes(self._left_out_in)
        if self.program.flavour in ("part", "part-filters"):
            last.part = "D"
        if self.program.flavour in ("filters", "part-filters") and self.dice.random() < 0.5:
            last.filters = self.dice.choice(PATTERNS)
        for machine in self.machines:
            machine.disk.flush_all()
            self.clock.advance(5)
            self._pass(machine, Step("pass"))
        for since in self._since:
            since.clear()
        if self.program.flavour in ONE_WAY:
            # As somebody who runs the same folder with -dir from now on.
            self.machines[-1].kill()
            self.machines[-1].direction = Direction(self.program.flavour)
            self._turned = self.machines[-1].turned()

    def _end(self) -> None:
        """Faults stop; then everything must come right."""
        self.trace("-- quiet now --")
        for machine in self.machines:
            machine.heal()
            for path, inode in list(machine.disk.walk()):
                if inode.kind is SeenKind.LINK:
                    machine.disk.remove(path)
                elif not inode.readable:
                    machine.disk.chmod(path, readable=True)
        self.backend.set_full(False)
        self.backend.calm()
        self._rounds()
        for _ in range(3):
            if self._clear_clashes():
                self._rounds()
        problems = self.verdict.problems
        tree = self.backend.tree()
        problems.extend(self._judged_one_way(tree))
        for machine in self.machines:
            found = list(differences(tree, machine.disk, machine.device, machine.direction, self._sight(machine)))
            problems.extend(found)
            if found:
                problems.append(f"    {machine.device} says: {machine.last}")
        for machine in self.machines:
            before = machine.effort()
            self.clock.advance(400)
            self._pass(machine, Step("pass"))
            more = machine.effort() - before
            if more:
                problems.append(f"P5: {machine.device} is not quiet: {dict(more)}")

    def _judged_one_way(self, tree: dict[Path, Entry]) -> list[str]:
        """Whether everything needed is somewhere, also where the last client's job goes one way."""
        last = self.machines[-1]
        here = disk_tree(last.disk)
        follower = len(self.machines) - 1
        turned = last.turned()
        if self.backend.compares_by_reading:
            turned = {name: number for name, number in turned.items() if name != "read"}
        if turned != self._turned:
            return [f"one way: {last.device} did more than {self._turned}: {turned}"]
        match last.direction:
            case Direction.BOTH:
                kept = self._sight(last).only_here(tree, here)
                found = list(lost(self.ledger, self.backend, kept.values()))
                return found if self._set_back else found + list(not_live(self.ledger, tree, kept))
            case Direction.UP:  # what others changed on the server may be in versions only
                theirs = [path for who, path in self._places if who != follower]
                found = list(lost(self.ledger, self.backend))
                return found if self._set_back else found + list(left_over(self.ledger, here, tree, theirs))
            case Direction.DOWN:  # what is ours alone never gets to the server
                ours = [path for who, path in self._places if who == follower]
                found = list(lost(self.ledger, self.backend, here.values()))
                if self._set_back:
                    return found
                found += not_live(self.ledger, tree, here)
                return found + list(left_over(self.ledger, tree, here, ours))

    def _sight(self, machine: Machine) -> Sight:
        """What of the tree a client sees."""
        return Sight(machine.filters, self.backend.path_of(machine.top) if machine.part else ())

    def _left_out_in(self, node: int) -> list[str]:
        """What of a node on the server the last client leaves out, and so must not delete (SC-128)."""
        top, going = self._sight(self.machines[-1]).top, self.backend.path_of(node)
        if top is None or going is None:
            return []
        matcher, size = self.machines[-1].filters.matcher(), len(top)
        return [
            f"delete {'/'.join(path)} on the server"
            for path, entry in self.backend.tree().items()
            if path[: len(going)] == going and matcher.path(path[size:], entry.content is None)
        ]

    def _rounds(self) -> None:
        for _ in range(ROUNDS):
            for machine in self.machines:
                self.clock.advance(400)
                self._pass(machine, Step("pass"))
                self._sweep()

    def _clear_clashes(self) -> bool:
        """Somebody renames what one computer cannot show beside another thing (SC-119); whether there was anything."""
        last = self.machines[-1]
        if last.filters:
            places = self._sight(last).clashing(self.backend.tree(), disk_tree(last.disk))
            for number, path in enumerate(places):
                last.disk.rename(path, (*path[:-1], f"clash {number} {self.clock.now_ns()}.txt"))
            return bool(places)
        if not any(machine.disk.kind.folds_case for machine in self.machines):
            return False
        disk = self.machines[0].disk
        found = clashing(path for path, _ in disk.walk() if path[0] != PRIVATE)
        for number, path in enumerate(found):
            disk.rename(path, (*path[:-1], f"clash {number} {self.clock.now_ns()}"))
        return bool(found)

    def _sweep(self) -> None:
        """What must hold after every step."""
        problems = self.verdict.problems
        problems.extend(f"store: {what}" for what in self.backend.unsound())
        problems.extend(halves(self.ledger, "the server", self.backend.tree()))
        for machine in self.machines:
            problems.extend(machine.unsound())
            problems.extend(halves(self.ledger, machine.device, disk_tree(machine.disk)))

    def _on_server(self) -> set[Token]:
        found: set[Token] = set()
        for content in self.backend.contents():
            found |= tokens_of(content)
        return found

    # --- what happens -------------------------------------------------------------------------------------------------

    def _inside(self, machine: Machine, step: Step, point: str) -> Fate | None:
        """An event inside a machine's pass; the fate of the call, if the event is one."""
        self.trace(f"  [{machine.device} at {point}: {step.kind} {step.who}]")
        if step.kind in Fate._value2member_map_:
            return Fate(step.kind)
        self.act(step)
        self._count_fault(machine, step.kind)
        return None

    def _count_fault(self, machine: Machine, kind: str) -> None:
        if kind in _FAULT_OF:
            machine.faults.add(_FAULT_OF[kind])

    def act(self, step: Step) -> None:
        """Let one thing happen."""
        dice = random.Random(step.dice)
        machine = self.machines[step.who % len(self.machines)]
        if step.kind in KINDS:
            self._deed(step, dice)
        elif step.kind == "pass":
            if not machine.busy:
                self.clock.advance(dice.choice((0, 1, 3, 10, 60)))
                self._pass(machine, step)
        elif step.kind in Fate._value2member_map_:
            return
        else:
            self.trace(f"{step.kind} {machine.device}")
            self._befall(step.kind, machine, dice)

    def _deed(self, step: Step, dice: random.Random) -> None:
        who = step.who % len(self.people)
        aim = self.machines[who].at if step.kind in MEDDLING else None
        deed = self.people[who].do(step.kind, dice, aim)
        self.trace(f"{self.people[who].device} {step.kind}: {deed.paths if deed is not None else None}")
        if deed is not None:
            self._places += [(who, path) for path in deed.paths]
            for other in self._since:
                other.append(Deed(f"{who}:{KINDS[deed.kind]}", deed.paths))
            if step.dice & 1:
                self.machines[who].disk.flush_all()

    def _pass(self, machine: Machine, step: Step) -> None:
        self.verdict.passes += 1
        machine.faults = set()
        self._running.append(machine)
        machine.run(step.events)
        self._running.pop()
        self._situations(machine)

    def _at_fault(self, name: str) -> None:
        """A client comes to a point where it makes something persist."""
        if self._running and name.startswith("client."):
            self._running[-1].at_fault(name)

    def _situations(self, machine: Machine) -> None:
        """Count (local change, remote change, fault) on things that have to do with each other."""
        own = str(self.machines.index(machine))
        deeds = self._since[int(own)]
        here = [deed for deed in deeds if deed.kind.split(":")[0] == own]
        there = [deed for deed in deeds if deed.kind.split(":")[0] != own]
        for fault in machine.faults or {"none"}:
            for mine in here:
                for theirs in there:
                    if _related(mine.paths, theirs.paths):
                        self.verdict.cells.add((mine.kind.split(":")[1], theirs.kind.split(":")[1], fault))
        deeds.clear()

    def _befall(self, kind: str, machine: Machine, dice: random.Random) -> None:
        self._set_back = self._set_back or kind in _SETS_BACK
        match kind:
            case "wait":
                self.clock.advance(dice.choice((1, 5, 60, 3600, 90_000)))
                for each in self.machines:
                    each.disk.flush_all()
            case "jump":
                self.clock.jump(dice.choice((-31_536_000, -3600, -1, 1, 3600, 31_536_000)))
            case "kill":
                machine.kill()
            case "power":
                machine.lose_power(dice)
                power_loss(machine.disk, self.ledger, self._on_server(), dice)
            case "errno":
                machine.trouble = dice.choice((errno.EACCES, errno.EIO, errno.ENOSPC, errno.ENAMETOOLONG))
            case "disk-full":
                machine.disk.bytes_limit = machine.disk.used_bytes + dice.choice((0, 10, 200))
            case "disk-free":
                machine.disk.bytes_limit = 1 << 40
            case "server-full" | "server-free":
                self.backend.set_full(kind == "server-full")
            case "partition" | "heal":
                machine.partition(kind == "partition")
            case "deliver":
                machine.deliver()
            case "overflow":
                machine.overflow()
            case "disconnect" | "unmount":
                machine.disk.disconnect(mount_point=kind == "unmount")
            case "connect":
                machine.disk.connect()
            case "server-restart":
                self.backend.restart(dice)
            case "compact":
                self.backend.compact()
            case "bring-back":
                self._places.append((len(self.machines), ()))  # somebody on the server, anywhere
                self.backend.bring_back(dice)
            case "drop-state" | "save-state" | "old-state":
                machine.befall_state(kind)
            case "filters":
                # As somebody who changes the settings: the job is opened anew.
                self.machines[-1].kill()
                self.machines[-1].filters = dice.choice((*PATTERNS, Filters()))
            case "disk-save" | "disk-restore":
                self._old_disk(kind, machine)
            case "server-save":
                self.backend.save()
            case "server-restore":
                self._old_server()
            case _:
                raise ValueError(f"no such step: {kind}")

    def _old_disk(self, kind: str, machine: Machine) -> None:
        """Somebody restores their folder from a backup: what only the disk had is gone by their own hand."""
        number = self.machines.index(machine)
        if kind == "disk-save":
            self._saved_disks[number] = machine.disk.snapshot(), set(self.ledger.needed)
        elif number in self._saved_disks and not machine.busy:
            machine.kill()
            before = self._disk_tokens(machine)
            machine.disk.restore(self._saved_disks[number][0])  # type: ignore[arg-type]  # what `snapshot` gave
            self.ledger.forget(before - self._disk_tokens(machine) - self._on_server())

    @staticmethod
    def _disk_tokens(machine: Machine) -> set[Token]:
        found: set[Token] = set()
        for _, inode in machine.disk.walk():
            found |= tokens_of(bytes(inode.data))
        return found

    def _old_server(self) -> None:
        """The owner restores a backup: what only the server had since is gone with the store."""
        before = self._on_server()
        self.backend.restore()
        kept = self._on_server()
        for machine in self.machines:
            kept |= self._disk_tokens(machine)
        self.ledger.forget(before - kept)


def _related(mine: tuple[LocalPath, ...], theirs: tuple[LocalPath, ...]) -> bool:
    return any(one[: len(two)] == two or two[: len(one)] == one for one in mine for two in theirs)


def run(program: Program, backend: Callable[[SimClock], Backend] | None = None) -> Verdict:
    """The verdict on a program."""
    return World(program, backend).run()


__all__ = ["FAULTS", "Cell", "Counter", "Killed", "Verdict", "World", "run"]
