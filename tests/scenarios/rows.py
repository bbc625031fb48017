"""What one row of the catalogue of sync cases is, as data.

A tree is written as a dict: path to content, a path ending in "/" (content None) for a folder; folders above are implied.
`f!B` stands for the conflict copy of `f` made by device B.

Deeds are separated by ";": `f=1` (write in place), `f+=1` (append), `safe f=1` (save by another name), `rm f`, `rm -r D`,
`mkdir D`, `mv a b`, `over a b` (mv onto a file), `swap a b`, `touch f`, `ln f`, `fifo p`, `out a` (mv out of the folder),
`in D/` (a folder with x=in1 and y=in2 comes from outside), `chmod f` (nobody may read it), `may f` (one may again).

A script has lines: `A: deeds`, `A>` (a pass of A), `A> @point deeds or event` (something happens when the pass comes to
that point of a port, `@point#2` the second time; before a deed may stand whose it is, as in `B: f=1`; `B>` is a whole
pass), `A! event` (something befalls A) and `wait`. Events are those of `tests/simulation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Tree = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One case.

    Attributes:
        id: number in the catalogue.
        about: what happens, in a few words, with the rules that decide.
        start: the tree that is in step everywhere at first.
        a, b, c: deeds of the devices, all before anybody syncs.
        order: who syncs first; "" runs the row in both orders.
        script: what happens instead of `a`, `b`, `c` and the passes in `order`.
        end: what every replica shows; `ends`: other ends that are right as well.
        kept: contents that the server must still have somewhere (version or trash).
        counts: what it cost, such as {"A.PUT": 1}: PUT files sent, GET files fetched, other names are calls of the port.
        kinds: the kind of filesystem of a device, such as {"B": "folding"}.
        problems: codes a device must show at the end, such as {"B": "left-out"}.
        filters: patterns that a device leaves out, such as {"B": "*.tmp /D"}; the event `filters PATTERNS` changes them.
        apart: devices whose disk may differ from the server at the end, with their tree.
        variant: tells rows of one number apart.
        flat: the row makes sense on real folders too (L3).
    """

    id: int
    about: str
    start: Tree = field(default_factory=dict)
    a: str = ""
    b: str = ""
    c: str = ""
    order: str = ""
    script: tuple[str, ...] = ()
    end: Tree = field(default_factory=dict)
    ends: tuple[Tree, ...] = ()
    kept: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    apart: dict[str, Tree] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    filters: dict[str, str] = field(default_factory=dict)
    flat: bool = True
    variant: str = ""

    @property
    def devices(self) -> str:
        """The devices that take part."""
        text = " ".join((self.order, *self.script)) + ("C" if self.c else "")
        return "ABC" if "C>" in text or "C:" in text or "C" in self.order or self.c else "AB"


@dataclass(frozen=True, slots=True)
class Waits:
    """A row that cannot run yet, and what it needs."""

    id: int
    needs: str


def big(letter: str, size: int = 3000) -> str:
    """Content that does not fit into a pack of the simulation."""
    return letter * size
