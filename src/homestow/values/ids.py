"""Identifiers. Integers from the catalogue are never used again within an epoch; secrets are random."""

from typing import NewType

NodeId = NewType("NodeId", int)
"""A file, folder or symlink of a root, 1 or more; survives renames, moves and trash."""

RootId = NewType("RootId", int)
"""A tree people share, 1 or more."""

AccountId = NewType("AccountId", int)
"""A person, 1 or more; 0 is the system itself (outside changes, upkeep)."""

DeviceId = NewType("DeviceId", int)
"""One computer or phone of an account, 1 or more; 0 where no device acted."""

UploadId = NewType("UploadId", str)
"""An upload under way: 32 lower-case hexadecimal digits, random."""

Epoch = NewType("Epoch", str)
"""Which life of the store this is: 32 lower-case hexadecimal digits, random; a restore makes a new one (P14)."""

SYSTEM = AccountId(0)
"""The account that acts when nobody is logged in: outside changes, retention, repair."""

NO_DEVICE = DeviceId(0)
"""The device of actions that no device made."""
