"""When so much is missing that it looks like an accident (P10). Pure."""

from collections.abc import Callable

FEWEST = 20
"""Fewer missing files never stop anything."""


def looks_emptied(missing: int, known: Callable[[], int]) -> bool:
    """Whether at least 20 files, and more than half of all, are missing.

    Args:
        known: how many files there were, asked for only when it matters.
    """
    return missing >= FEWEST and 2 * missing > known()
