"""Which file on disk is which node after somebody rearranged them without us. Pure.

Location is believed first, so that a file saved over itself by way of a new inode stays the node it was, and a backup copy
made by renaming (`a` becomes `a~`, a new `a` is written) does not run away with the node. Where the content that now lies
at a location came from another known location, the whole chain of renames is followed instead, swaps and shifts included.
"""

from collections.abc import Mapping
from typing import TypeVar

Entry = TypeVar("Entry", bound=object)
Row = TypeVar("Row", bound=object)


def match_moves(taken: Mapping[Entry, Row], wants: Mapping[Entry, Row]) -> dict[Entry, Row]:
    """Choose which entries are moved nodes.

    Args:
        taken: entries that lie where a known node lay, but have another inode than it had.
        wants: entries whose inode is that of a node which is not at its location any more; no node is wanted twice. An
            entry that is not in `taken` lies where nothing was.
    Returns:
        the entries that are moved nodes. An entry of `taken` that is not among them is its node, with other content; a
        node that nobody got and whose location is empty is gone.
    """
    moves = dict(wants)
    here = {row: entry for entry, row in taken.items()}
    while True:
        wanted = set(moves.values())
        stays = [
            entry
            for entry, row in moves.items()
            # What lies at the node's location came from nowhere we know: it was saved there, so the node stayed.
            if (row in here and here[row] not in moves)
            # Nobody took away what lay here: the content was replaced, as by a program that saves with a rename.
            or (entry in taken and taken[entry] not in wanted)
        ]
        if not stays:
            return moves
        for entry in stays:
            del moves[entry]
