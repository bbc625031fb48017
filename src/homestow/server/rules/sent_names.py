"""Where a thumbnail that a client sent lies in its folder: by node and level, a few in each of 256 folders."""

import re
from typing import Final

FOLDERS: Final = tuple(f"{number:02x}" for number in range(256))
NAME: Final = re.compile(r"([1-9][0-9]{0,18})-([01])")
"""The last part of a path."""


def sent_path(node: int, level: int) -> str:
    """The path in that folder."""
    return f"{node & 0xFF:02x}/{node}-{level}"
