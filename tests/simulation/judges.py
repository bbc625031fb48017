"""The judges of a simulated run: nothing lost (P3), nothing half (P2), all equal (P4), and then quiet (P5)."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping

from tests.simulation.backends import Backend, Entry, Path
from tests.simulation.ledger import Ledger, Token, tokens_of
from tests.simulation.sights import Sight

from homestow.client.adapters.disk_memory import SimDisk
from homestow.client.adapters.tree_memory import PRIVATE
from homestow.client.engine.rules import Direction
from homestow.client.ports.localtree import SeenKind
from homestow.values.paths import nfc

EVERYTHING = Sight()
_SHOWN = 40
_ASIDE = re.compile(r" \((conflict [^)]*|\d+)\)")
"""What is added to a name that gives way."""


def disk_tree(disk: SimDisk) -> dict[Path, Entry]:
    """What a person sees in the job's folder, names in NFC, symlinks and special files left out."""
    found: dict[Path, Entry] = {}
    if disk.away:
        return found
    for path, inode in disk.walk():
        if path[0] == PRIVATE or inode.kind in (SeenKind.LINK, SeenKind.OTHER):
            continue
        content = bytes(inode.data) if inode.kind is SeenKind.FILE else None
        found[tuple(nfc(name) for name in path)] = Entry(content, inode.mtime_ns if content is not None else 0)
    return found


def disk_tokens(disk: SimDisk) -> set[Token]:
    """Every token a person could still find on the disk."""
    found: set[Token] = set()
    for _, inode in disk.walk():
        found |= tokens_of(bytes(inode.data))
    return found


def halves(ledger: Ledger, where: str, tree: dict[Path, Entry]) -> Iterator[str]:
    """Files whose content nobody ever left like that."""
    for path, entry in tree.items():
        if entry.content is not None and entry.content not in ledger.whole:
            yield f"P2: {where} shows {'/'.join(path)!r} with content nobody wrote: {entry.content[:_SHOWN]!r}"


def lost(ledger: Ledger, backend: Backend, kept_here: Iterable[Entry] = ()) -> Iterator[str]:
    """Tokens that the server has nowhere, nor the disk of a job that only brings (`kept_here`)."""
    found = {token for entry in kept_here for token in tokens_of(entry.content or b"")}
    for content in backend.contents():
        found |= tokens_of(content)
    for story in ledger.missing(found):
        yield f"P3: lost {story}"


def not_live(ledger: Ledger, *trees: Mapping[Path, Entry]) -> Iterator[str]:
    """Tokens that no file of these trees shows any more, though nobody who saw them took them away (R4 to R14).

    For runs in which no disk and no memory was set back: what a power loss undoes looks like a deed of its owner.
    """
    found: set[Token] = set()
    for tree in trees:
        for entry in tree.values():
            found |= tokens_of(entry.content or b"")
    for story in ledger.missing(found, ledger.aside):
        yield f"R1: only in versions or trash, though nobody meant it: {story}"


def clashing(tree: Iterable[Path]) -> list[Path]:
    """Places that a case-folding disk cannot show beside another one, deepest first."""
    by_key: dict[Path, list[Path]] = {}
    for path in sorted(tree):
        by_key.setdefault((*path[:-1], nfc(path[-1]).casefold()), []).append(path)
    found = [path for paths in by_key.values() for path in paths[1:]]
    return sorted(found, key=lambda path: (-len(path), path))


def differences(
    server: Mapping[Path, Entry], disk: SimDisk, device: str, way: Direction, sight: Sight = EVERYTHING
) -> Iterator[str]:
    """Where a disk and the server do not show the same; in a one-way job, what the following side lacks of the other."""
    server, local = sight.both(server, disk_tree(disk))
    if way is Direction.UP:
        server = {path: entry for path, entry in server.items() if path in local}
    elif way is Direction.DOWN:
        local = {path: entry for path, entry in local.items() if path in server}
    step = max(10**9, disk.kind.mtime_step_ns)
    for path in sorted(server.keys() | local.keys()):
        there, here = server.get(path), local.get(path)
        name = "/".join(path)
        if there is None or here is None:
            yield f"P4: {device}: {name!r} is {'only here' if there is None else 'only on the server'}"
        elif there.content != here.content:
            yield f"P4: {device}: {name!r} has other content than on the server"
        elif abs(there.mtime_ns - here.mtime_ns) >= step:
            yield f"P4: {device}: {name!r} has mtime {here.mtime_ns}, on the server {there.mtime_ns}"


def left_over(
    ledger: Ledger, leads: dict[Path, Entry], follows: dict[Path, Entry], deeds: Iterable[Path]
) -> Iterator[str]:
    """Files that the following side of a one-way job still has though somebody who saw them deleted them on the other.

    Args:
        deeds: places at which somebody on the following side did something: what they added there stays.
    """
    own = list(deeds)
    for place, entry in follows.items():
        tokens = tokens_of(entry.content or b"")
        if place in leads or not tokens or not tokens.isdisjoint(ledger.needed):
            continue
        path = tuple(_ASIDE.sub("", name) for name in place)
        if not any(path[: len(one)] == one or one[: len(path)] == path for one in own):
            yield f"P4: {'/'.join(place)!r} is left though it was deleted where the job comes from"


def power_loss(disk: SimDisk, ledger: Ledger, safe: set[Token], dice: random.Random) -> None:
    """Let a disk lose its power. What only its memory had is excused; what was durable or is in `safe` is not."""
    disk.connect()
    durable = disk.durable_contents()
    kept: set[Token] = set(safe)
    for content in durable:
        kept |= tokens_of(content)
    before = disk_tokens(disk)
    disk.power_loss(dice)
    ledger.forget(before - disk_tokens(disk) - kept)
    for _, inode in disk.walk():
        if inode.kind is SeenKind.FILE:
            ledger.stands(bytes(inode.data))
