"""Arrays of a listing as one file with a digest: what is not exactly what was written is not used."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from blake3 import blake3

from homestow.server.ports.listing import ReadTo

_log = logging.getLogger(__name__)
_MAGIC = b"homestow listing 1\n"
_DIGEST, _LENGTH = 32, 4
_TYPES = ("int64", "int32", "float64", "bool")

Array = npt.NDArray[Any]


class _Head(msgspec.Struct, frozen=True):
    """What stands before the arrays: how far it was derived, and type and length of each array."""

    epoch: str
    number: int
    stamp: int
    arrays: list[tuple[str, int]]


def save(path: Path, read_to: ReadTo, arrays: Sequence[Array]) -> None:
    """Put a file in place of an older one; failing to is only told in the log.

    It need not survive a power cut: half of it is no file for `load`.
    """
    head = msgspec.json.encode(_Head(*read_to, [(array.dtype.name, len(array)) for array in arrays]))
    views = (np.ascontiguousarray(array).view(np.uint8).data for array in arrays)
    parts: list[bytes | memoryview] = [len(head).to_bytes(_LENGTH, "big"), head, *views]
    digest = blake3()
    for part in parts:
        digest.update(part)
    part_path = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(part_path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(_MAGIC + digest.digest())
            for part in parts:
                file.write(part)
        part_path.replace(path)
    except OSError as error:
        _log.warning("the listing could not be kept; the next start makes it anew", extra={"reason": str(error)})


def load(path: Path) -> tuple[ReadTo, list[Array]] | None:
    """What was saved; None when there is nothing, or something else, or a part of it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the listing cannot be read and is made anew", extra={"reason": str(error)})
        return None
    body = memoryview(content)[len(_MAGIC) + _DIGEST :]
    if content[: len(_MAGIC)] != _MAGIC or blake3(body).digest() != content[len(_MAGIC) : len(_MAGIC) + _DIGEST]:
        _log.warning("the listing is damaged or of another version; it is made anew")
        return None
    at = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    head = msgspec.json.decode(body[_LENGTH:at], type=_Head)
    arrays: list[Array] = []
    for name, length in head.arrays:
        kind = np.dtype(_TYPES[_TYPES.index(name)])
        # Copied: what was read belongs to the file's bytes, which may not be written.
        arrays.append(np.frombuffer(body, kind, length, at).copy())
        at += length * kind.itemsize
    return ReadTo(head.epoch, head.number, head.stamp), arrays
