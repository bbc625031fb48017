"""The brake on deletions: what looks like an emptied side is asked about first (R18)."""

from collections.abc import Collection

from homestow.client.engine.compare import View
from homestow.client.engine.rules import BRAKE_FILES, BRAKE_SHARE, Rules
from homestow.client.engine.steps import Brake
from homestow.client.engine.trees import Trees


def asks(trees: Trees, rules: Rules, here: Collection[View], there: Collection[View]) -> Brake | None:
    """What to ask when more than half of a side's files, and at least twenty, would go in one pass; else None.

    Args:
        here, there: items that would be deleted on the disk, and on the server.
    """
    if rules.accept_deletes:
        return None
    files = 0
    for side, views in (("here", here), ("there", there)):
        gone = sum(1 for view in views if view.base and not view.base.folder)
        if gone >= BRAKE_FILES:
            files = files or sum(1 for item in trees.synced.values() if not item.folder)
            if gone > files * BRAKE_SHARE:
                return Brake(side, gone, files)
    return None
