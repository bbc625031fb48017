"""A large file goes to a netdrive server although server and client are killed again and again.

How it is counted: every byte of the file that passes the proxy towards the server counts, also those of parts that nobody took.
Four connections send parts of 1 MiB, so that over all of them one block of 4 MiB is on its way at any moment; what is sent twice
must be at most one block for each kill.
"""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PATIENCE_S, Home, Serving, read_line, stop
from tests.journeys.netdrive_proxy import CountingProxy

from homestow.wire.netdrive import BLOCK_BYTES

pytestmark = pytest.mark.serial


class Drive:
    """A netdrive server that can be killed and begun again, and the proxy before it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[str] | None = None
        self.port: int | None = None
        self.proxy = CountingProxy(lambda: self.port)

    def start(self) -> None:
        """Begin, and be ready."""
        flags = ("--http", "127.0.0.1:0", "--netdrive", "127.0.0.1:0")
        self._process = self._home.popen("serve", "--data", self._home.data, *flags)
        serving = Serving(self._process, read_line(self._process))
        self.port = int(serving.ready["netdrive"].rpartition(":")[2])

    def kill(self) -> None:
        """End at once, without a word."""
        assert self._process is not None
        self.port = None
        self._process.kill()
        self._process.communicate()
        self._process = None

    def stop(self) -> None:
        """End in order."""
        if self._process is not None:
            stop(self._process)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home, with an account on its server."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    return home


@pytest.fixture
def drive(home: Home) -> Iterator[Drive]:
    """A running server behind its proxy."""
    drive = Drive(home)
    with drive.proxy:
        drive.start()
        try:
            yield drive
        finally:
            drive.stop()


def make_file(path: Path, size: int) -> str:
    """A file of chance; its md5."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("wb") as file:
        for at in range(0, size, 1 << 24):
            piece = os.urandom(min(1 << 24, size - at))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def send_with_kills(home: Home, drive: Drive, path: Path, size: int) -> None:
    """Send `path` while server and client are killed three times each, in turn, at even distances."""
    order = ("netdrive", "upload", "-s", drive.proxy.url, "-u", "anna", path)
    client = home.popen(*order)
    killed = 0
    give_up = time.monotonic() + PATIENCE_S + size / 10_000_000
    while client.poll() is None:
        assert time.monotonic() < give_up, (drive.proxy.sent, client.communicate())
        if killed < 6 and drive.proxy.sent >= size * (killed + 1) // 7:
            if killed % 2:
                client.send_signal(signal.SIGKILL)
                client.communicate()
                client = home.popen(*order)
            else:
                drive.kill()
                drive.start()
            killed += 1
        time.sleep(0.002)
    out, err = client.communicate()
    assert client.returncode == 0, (out, err)
    assert killed == 6


def journey(home: Home, drive: Drive, tmp_path: Path, size: int) -> int:
    """The bytes that were sent twice."""
    path = tmp_path / "large.bin"
    md5 = make_file(path, size)
    os.utime(path, (1_500_000_000, 1_500_000_000))

    send_with_kills(home, drive, path, size)

    stored = home.data / "files" / "anna" / "large.bin"
    assert stored.stat().st_size == size
    assert md5_of(stored) == md5
    assert int(stored.stat().st_mtime) == 1_500_000_000
    assert not list((home.path / ".local" / "share" / "homestow" / "client" / "netdrive").glob("*.tasks"))
    return drive.proxy.sent - size


def test_two_hundred_megabytes(home: Home, drive: Drive, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The file is right, and at most one block per kill was sent twice."""
    twice = journey(home, drive, tmp_path, 200_000_000)
    request.node.user_properties.append(("bytes sent twice", twice))
    assert 0 <= twice <= 6 * BLOCK_BYTES


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_gigabytes(home: Home, drive: Drive, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same with 5 GB; how much was sent twice stands in the report."""
    began = time.monotonic()
    twice = journey(home, drive, tmp_path, 5_000_000_000)
    request.node.user_properties.append(("bytes sent twice", twice))
    request.node.user_properties.append(("seconds", round(time.monotonic() - began)))
    assert 0 <= twice <= 6 * BLOCK_BYTES
