"""Small files of the client's own: whole or not there, and for nobody else."""

import os
import stat
import sys
from pathlib import Path

import pytest

from homestow.client.private_files import MAX_BYTES, STALE_S, read_whole, remove_own, write_whole
from homestow.values.errors import StorageFailed


def test_a_file_is_its_owners(tmp_path: Path) -> None:
    """Also its folder, when it has to be made; and nothing is left beside it."""
    path = tmp_path / "made" / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")

    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one stays, and no half of the new one."""
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match="No space left"):
        write_whole(path, b"new")

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    """It may hold a secret; what another one writes at this moment stays."""
    path, left, young = tmp_path / "a[b]", tmp_path / ".a[b].0123.new", tmp_path / ".a[b].4567.new"
    left.write_bytes(b"secret")
    young.write_bytes(b"at work")
    old = left.stat().st_mtime - STALE_S - 10
    os.utime(left, (old, old))
    write_whole(path, b"x")

    assert sorted(os.listdir(tmp_path)) == [young.name, path.name]


def test_reading(tmp_path: Path) -> None:
    """Nothing is None; a folder and what is too long are refused."""
    assert read_whole(tmp_path / "nothing") is None
    with pytest.raises(StorageFailed):
        read_whole(tmp_path)
    with open(tmp_path / "long", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(StorageFailed, match="longer"):
        read_whole(tmp_path / "long")


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    """Another process may have put its own file there since."""
    path = tmp_path / "ports"
    write_whole(path, b"ours")
    write_whole(path, b"theirs")
    remove_own(path, b"ours")
    assert path.read_bytes() == b"theirs"
    remove_own(path, b"theirs")
    assert not path.exists()
    remove_own(path, b"theirs")
