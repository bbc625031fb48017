"""What happens on a full disk: run in a mount namespace of its own, as `python -m tests.journeys.kills.full_disk CASE FOLDER`.

The disk is a small tmpfs that only this process and its children see. An assertion that fails ends it with a traceback.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.processes import ClientProcess, ServerProcess, Zygote

from homestow.client.adapters.api_client import Client
from homestow.values.errors import CloudError, StorageFull
from homestow.values.nodes import Node
from homestow.wire import api

MIB = 1024 * 1024


def mount(folder: Path, size_mib: int) -> None:
    """A disk of that size."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)], check=True)


def resize(folder: Path, size_mib: int) -> None:
    """Room is made, or taken."""
    subprocess.run(["mount", "-o", f"remount,size={size_mib}m", str(folder)], check=True)


def fill(folder: Path, but_bytes: int) -> Path:
    """Somebody else fills the disk up to so many bytes."""
    room = os.statvfs(folder)
    path = folder / "somebody's"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - but_bytes)
    return path


def content(client: Client, node: int) -> bytes:
    """All of a file."""
    with client.content(node) as answer:
        return answer.read(64 * MIB)


def refused(act: Callable[[], object], *kinds: type[CloudError]) -> None:
    """It fails with one of these errors, in words that tell what to do."""
    with pytest.raises(kinds, match=r"room|full"):
        act()


def server(zygote: Zygote, place: Path) -> None:
    """The data folder's disk is full: refusals with 507, old content intact, the rest goes on, all works with room again."""
    one = ServerProcess(zygote, place)
    mount(one.data, 64)
    one.add_user("anna")
    assert one.start()
    client = Client(one.url, timeout_s=20)
    client.login("anna", PASSWORD, "test")
    top = client.roots()[0].top
    old = client.put_file(top, "old", b"old content")
    large = bytes(5 * MIB)
    upload = client.call("begin_upload", api.Upload, api.NewUpload(size=5 * MIB, parent=top, name="up", block_size=MIB))
    client.call("put_block", api.Upload, content=large[:MIB], upload=upload.id, offset=0)

    other = fill(one.data, 2 * MIB)
    refused(lambda: client.put_file(top, "large", large), StorageFull)
    refused(lambda: client.put_content(old.id, 1, large), StorageFull)
    small = client.put_file(top, "small", b"there is room for this")
    refused(
        lambda: [
            client.call("put_block", api.Upload, content=large[:MIB], upload=upload.id, offset=at * MIB)
            for at in (1, 2, 3, 4)
        ],
        StorageFull,
    )
    assert content(client, old.id) == b"old content"
    assert [node.name for node in client.children(top).nodes] == ["old", "small"]

    other.unlink()
    other = fill(one.data, 0)
    refused(lambda: client.put_file(top, "more", large), StorageFull)
    refused(lambda: [client.put_content(small.id, at, bytes(100_000)) for at in range(1, 300)], StorageFull)
    assert content(client, old.id) == b"old content"
    one.kill()
    assert one.start(), "it does not start on a full disk"
    assert content(client, old.id) == b"old content"

    other.unlink()
    state = client.call("upload", api.Upload, upload=upload.id)
    assert state.have[0][1] >= MIB, "the part that arrived is gone"
    for at in range(state.have[0][1], 5 * MIB, MIB):
        client.call("put_block", api.Upload, content=large[at : at + MIB], upload=upload.id, offset=at)
    done = client.call("finish_upload", Node, api.Finish(), upload=upload.id)
    assert content(client, done.id) == large
    assert client.put_content(old.id, 1, large).rev == 2
    client.close()
    owner = Client(f"unix:{one.data / 'control.sock'}", timeout_s=60)
    found = bytes(owner.order("verify", {}).data)
    owner.close()
    assert b'"sound":true' in found, found
    one.stop()


def client(zygote: Zygote, place: Path) -> None:
    """The folder's disk is full: what does not fit waits with its reason, the old file stays, others come; then all comes."""
    one = ServerProcess(zygote, place)
    one.add_user("anna")
    assert one.start()
    here = ClientProcess(zygote, place / "here", "anna", one.url)
    mount(here.folder, 24)
    caller = Client(one.url, timeout_s=20)
    caller.login("anna", PASSWORD, "test")
    top = caller.roots()[0].top
    old = caller.put_file(top, "old", bytes(100_000))
    assert here.sync() == 0, here.said()

    large = os.urandom(30 * MIB)
    caller.put_content(old.id, 1, large)
    caller.put_file(top, "large", large)
    caller.put_file(top, "small", b"there is room for this")
    assert here.sync() == 1, here.said()
    assert "room" in here.said()
    assert (here.folder / "old").read_bytes() == bytes(100_000)
    assert (here.folder / "small").read_bytes() == b"there is room for this"
    assert not (here.folder / "large").exists()

    resize(here.folder, 200)
    assert here.sync() == 0, here.said()
    assert (here.folder / "old").read_bytes() == large
    assert (here.folder / "large").read_bytes() == large
    caller.close()
    one.stop()


def main() -> None:
    """Run one case."""
    case, place = sys.argv[1], Path(sys.argv[2])
    zygote = Zygote()
    try:
        {"server": server, "client": client}[case](zygote, place)
    finally:
        zygote.close()


if __name__ == "__main__":
    main()
