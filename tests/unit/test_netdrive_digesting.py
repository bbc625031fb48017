"""The digest of a file that arrives in parts, in any order."""

import hashlib
import itertools
import os
from pathlib import Path

import pytest

from homestow.cli.netdrive_digesting import Following

CONTENT = bytes(range(256)) * 40
PART = 4096


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("known", [0, 1])
def test_any_order(tmp_path: Path, order: tuple[int, ...], known: int) -> None:
    """Whatever came first, the digest is that of the whole."""
    parts = {at: min(PART, len(CONTENT) - at) for at in range(0, len(CONTENT), PART)}
    offsets = [list(parts)[n] for n in order]
    with (tmp_path / "f").open("w+b") as file:
        have = offsets[:known]
        for at in have:
            os.pwrite(file.fileno(), CONTENT[at : at + PART], at)
        with Following(file.fileno(), len(CONTENT), {at: parts[at] for at in have}) as following:
            for at in offsets[known:]:
                os.pwrite(file.fileno(), CONTENT[at : at + PART], at)
                following.came(at, parts[at])
            assert following.md5() == md5(CONTENT)


def test_given_up(tmp_path: Path) -> None:
    """Nobody waits for parts that will not come."""
    with (tmp_path / "f").open("w+b") as file:
        with Following(file.fileno(), 100, {}) as following:
            following.came(50, 50)
            assert following.md5() == md5(b"")


def test_cut(tmp_path: Path) -> None:
    """A file that is shorter than what came has another digest, and one that cannot be read is said to be that."""
    with (tmp_path / "f").open("w+b") as file:
        file.write(b"hello")
        file.flush()
        with Following(file.fileno(), 10, {0: 10}) as following:
            assert following.md5() != md5(b"hello" + bytes(5))
    with (tmp_path / "g").open("wb") as only_written, Following(only_written.fileno(), 10, {0: 10}) as following:
        with pytest.raises(OSError, match="Bad file"):
            following.md5()
