"""What happens in one simulated run, as data: drawn from a seed, taken apart by the shrinker, kept in tests/regress/seeds.txt.

A step is a deed of a person, a pass of a client, or something that befalls a machine. A pass carries events: steps that
happen inside it, at the n-th time its client comes to a point of a port.
"""

import json
import random
from dataclasses import dataclass, replace
from typing import cast

from tests.simulation.network import Fate
from tests.simulation.people import KINDS, MEDDLING
from tests.simulation.sights import FLAVOURS as NARROW

POINTS = (
    "put:checked", "put:done", "put", "put_small", "put_small:done", "move", "move:checked", "remove_file",
    "remove_file:checked", "remove_folder", "make_folder", "open", "read_at", "still", "stage", "write_at", "flush",
    "list_folder", "look", "set_mtime", "discard",
    "r:root", "r:changes", "r:changes:answered", "r:tree", "r:node", "r:make_folder", "r:make_folder:answered",
    "r:make_folders", "r:make_folders:answered", "r:move", "r:move:answered", "r:delete", "r:delete:answered",
    "r:set_mtime", "r:set_mtime:answered", "r:put_small", "r:put_small:answered", "r:begin_upload",
    "r:begin_upload:answered", "r:put_block", "r:put_block:answered", "r:finish", "r:finish:answered", "r:get_small",
    "r:get_small:piece", "r:read", "r:read:piece", "r:upload",
    "f:client.state.before_commit", "f:client.state.committed",
)  # fmt: skip
"""Points of the ports at which something may happen; "" stands for any of them."""

LOCAL_FAULTS = ("errno", "disk-full", "kill", "power", "kill", "power")
FATES = tuple(fate.value for fate in Fate)


@dataclass(frozen=True, slots=True)
class Event:
    """`step` happens at the `nth` time (from 1) the pass comes to `point`."""

    point: str
    nth: int
    step: "Step"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing: `kind` says what, `who` which client, `dice` aims it."""

    kind: str
    who: int = 0
    dice: int = 0
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A whole run: how many clients, of which flavour, on which server, and what happens."""

    seed: int
    clients: int
    flavour: str
    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """Steps and events, nested ones too."""
        return sum(_size(step) for step in self.steps)


def _size(step: Step) -> int:
    return 1 + sum(_size(event.step) for event in step.events)


# --- drawing ----------------------------------------------------------------------------------------------------------

FLAVOURS = (
    "plain",
    "plain",
    "plain",
    "faults",
    "faults",
    "faults",
    "crash",
    "crash",
    "names",
    "folding",
    "fat",
    "states",
)
ONE_WAY = ("up", "down")
"""Flavours of their own, with faults, in which the last client's job goes one way."""

_DEEDS = tuple(kind for kind in KINDS if kind not in ("case-rename", "unreadable", *MEDDLING))
_BETWEEN = ("wait", "jump", "kill", "server-restart", "overflow", "deliver", "bring-back")
_STATES = (
    "drop-state",
    "save-state",
    "old-state",
    "compact",
    "disk-save",
    "disk-restore",
    "server-save",
    "server-restore",
)


def draw(seed: int, flavour: str | None = None) -> Program:
    """The run that `seed` stands for."""
    dice = random.Random(f"program {seed}")
    flavour = dice.choice(FLAVOURS) if flavour is None else flavour
    clients = 3 if dice.random() < 0.3 else 2
    deeds = list(_DEEDS)
    if flavour in ("names", "folding"):
        deeds += ["case-rename"] * 3
    if flavour in NARROW:
        deeds += ["rename", "move", "rmtree", "move-in"] * 3
    if flavour == "faults":
        deeds += ["unreadable"]
    steps: list[Step] = []
    for _ in range(dice.randint(3, 12)):
        aim = dice.getrandbits(32)  # deeds with the same dice hit the same thing on trees that are alike
        for who in range(clients):
            for _ in range(dice.choice((0, 1, 1, 2, 3))):
                steps.append(Step(dice.choice(deeds), who, aim if dice.random() < 0.5 else dice.getrandbits(32)))
        if dice.random() < 0.25:
            steps.append(_befall(dice, flavour, clients))
        order = dice.sample(range(clients), dice.randint(1, clients))
        steps.extend(_pass(dice, flavour, who, clients, deeds) for who in order)
    return Program(seed, clients, flavour, tuple(steps))


def _befall(dice: random.Random, flavour: str, clients: int) -> Step:
    kinds = list(_BETWEEN)
    if flavour == "crash":
        kinds += ["power"] * 3
    if flavour == "faults":
        kinds += ["partition", "heal", "disk-full", "disk-free", "server-full", "server-free"]
    if flavour == "states":
        kinds = list(_STATES)
    if flavour in ("filters", "part-filters"):
        kinds += ["filters"] * 6
    if flavour in NARROW:
        kinds += ["drop-state", "compact"]
    if flavour in ("faults", "states"):
        kinds += ["disconnect", "unmount", "connect"]
    return Step(dice.choice(kinds), dice.randrange(clients), dice.getrandbits(32))


def _pass(dice: random.Random, flavour: str, who: int, clients: int, deeds: list[str]) -> Step:
    events: list[Event] = []
    if dice.random() < 0.75:
        events.extend(_event(dice, flavour, who, clients, deeds) for _ in range(dice.choice((1, 1, 2, 3, 4))))
    return Step("pass", who, dice.getrandbits(32), tuple(events))


def _event(dice: random.Random, flavour: str, who: int, clients: int, deeds: list[str]) -> Event:
    step = _inner(dice, flavour, who, clients, deeds)
    if dice.random() < (0.6 if step.kind in KINDS or step.kind == "pass" else 0.25):
        return Event(dice.choice(POINTS), dice.choice((1, 1, 1, 2, 3)), step)
    return Event("", min(200, 1 + int(dice.expovariate(1 / 15))), step)


def _inner(dice: random.Random, flavour: str, who: int, clients: int, deeds: list[str]) -> Step:
    """What happens inside a pass: somebody acts, another client syncs, or a fault of the flavour's kind."""
    others = [other for other in range(clients) if other != who]
    bits = dice.getrandbits(32)
    chance = dice.random()
    calm = flavour in ("plain", "names", "folding")
    if dice.random() < 0.25:
        return Step(dice.choice(MEDDLING), who, bits)
    if chance < (0.5 if calm else 0.2):
        return Step(dice.choice(deeds), who, bits)
    if chance < (0.8 if calm else 0.3):
        return Step("pass", dice.choice(others), bits)
    if calm:
        return Step(dice.choice(deeds), dice.choice(others), bits)
    if flavour == "crash":
        return Step(dice.choice(("kill", "kill", "power", "power", "server-restart", "server-restart")), who, bits)
    if chance < 0.35:
        return Step(dice.choice(("jump", "wait", "overflow", "deliver", "bring-back", "compact", "unmount")), who, bits)
    if chance < 0.8:
        return Step(dice.choice(FATES), who, bits)
    return Step(dice.choice(LOCAL_FAULTS), who, bits)


# --- as text ----------------------------------------------------------------------------------------------------------

_Json = list[object]


def to_line(program: Program) -> str:
    """One line of JSON."""
    return json.dumps([program.seed, program.clients, program.flavour, [_step_out(step) for step in program.steps]])


def from_line(line: str) -> Program:
    """Read what `to_line` wrote."""
    seed, clients, flavour, steps = json.loads(line)
    return Program(seed, clients, flavour, tuple(_step_in(step) for step in steps))


def _step_out(step: Step) -> _Json:
    return [step.kind, step.who, step.dice, [[event.point, event.nth, _step_out(event.step)] for event in step.events]]


def _step_in(data: _Json) -> Step:
    kind, who, dice, events = cast(tuple[str, int, int, list[tuple[str, int, _Json]]], data)
    return Step(kind, who, dice, tuple(Event(point, nth, _step_in(inner)) for point, nth, inner in events))


# --- smaller ones -----------------------------------------------------------------------------------------------------


def smaller(program: Program) -> "list[Program]":
    """Programs with a part taken away, big parts first: runs of steps, single steps, single events."""
    found: list[Program] = []
    length = len(program.steps)
    size = length // 2
    while size >= 1:
        for start in range(0, length, size):
            found.append(replace(program, steps=program.steps[:start] + program.steps[start + size :]))
        size //= 2
    for number, step in enumerate(program.steps):
        for gone in range(len(step.events)):
            lighter = replace(step, events=step.events[:gone] + step.events[gone + 1 :])
            found.append(replace(program, steps=(*program.steps[:number], lighter, *program.steps[number + 1 :])))
    if program.clients > 2:
        kept = tuple(step for step in program.steps if step.who < 2)
        found.insert(0, replace(program, clients=2, steps=kept))
    return found
