"""A program over a server core that persists a little of everything, and the judge of what must be there after a crash."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.unit.core_world import World

from homestow.server.ports.content import EntryKind
from homestow.server.service.recovery import sweep_staging
from homestow.server.service.small_files import SmallFile
from homestow.server.service.uploads import Begin
from homestow.values.errors import NotFound
from homestow.values.ids import NodeId
from homestow.wire.api import PackItem


class Acks:
    """What the program was told is done, readable after its death."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, fact: str) -> None:
        os.write(self._fd, f"{fact}\n".encode())


def _told_small(ack: Acks, files: Sequence[SmallFile]) -> None:
    for file in files:
        assert file.node is not None
        ack(f"content {file.node.id} 1 {file.body.decode()}")


def program(world: World, ack: Acks) -> None:
    """A little of everything that persists."""
    core, anna, top = world.core, world.anna, world.top
    one = world.put("one.txt", b"one 1")
    ack(f"content {one.id} 1 one 1")
    world.put("one.txt", b"one 2", base=1)
    ack(f"content {one.id} 2 one 2")
    edited = world.put("edited.txt", b"will be lost: overwritten from outside before anybody saw it")
    if world.on_disk:
        (world.folder / "edited.txt").write_bytes(b"edited outside")
    else:
        world.memory.outside.write(("edited.txt",), b"edited outside")
    ours = world.put("edited.txt", b"ours", base=1)
    ack(f"content {edited.id} {ours.rev} ours")
    ack(f"somewhere {edited.id} edited outside")
    folder = core.files.make_folder(anna, top, "folder")
    ack(f"place {folder.id} folder")
    inner = core.files.make_folders(anna, world.root, [(folder.id, "inner"), (-1, "deep")])[1].result()
    ack(f"place {inner.id} folder/inner/deep")
    items = [(PackItem(size=6, mtime_ns=5, parent=inner.id, name=f"p{at}"), f"pack {at}".encode()) for at in range(4)]
    for at, outcome in enumerate(core.whole.put_pack(anna, world.root, items)):
        ack(f"content {outcome.result().id} 1 pack {at}")
    small = [core.whole.small_file(anna, inner.id, f"s{at}", f"small {at}".encode(), mtime_ns=5) for at in range(3)]
    core.whole.put_small(small, lambda files: _told_small(ack, files))
    core.files.move(anna, folder.id, top, "renamed")
    ack(f"place {folder.id} renamed")
    core.files.move(anna, one.id, folder.id, "moved.txt")
    ack(f"place {one.id} renamed/moved.txt")
    core.files.move(anna, one.id, top, "shown.txt", place_only=True)
    ack(f"place {one.id} shown.txt")
    core.files.set_facts(anna, one.id, 1_000_000_000)
    begun = core.uploads.begin_upload(anna, Begin(size=10, parent=top, name="upload"))
    for offset in (5, 0):
        sink = core.uploads.put_block(anna, begun.id, offset)
        sink.write(b"block")
        sink.finish()
    done = core.uploads.finish_upload(anna, begun.id)
    ack(f"content {done.id} 1 blockblock")
    core.trashcan.restore_version(anna, one.id, 1)
    ack(f"somewhere {one.id} one 1")
    core.files.delete(anna, folder.id)
    ack(f"deleted {folder.id}")
    core.trashcan.restore(anna, folder.id)
    ack(f"place {folder.id} renamed")
    core.files.delete(anna, done.id)
    core.trashcan.purge(anna, done.id)
    ack(f"purged {done.id}")
    core.files.copy(anna, folder.id, top, "copy")
    ack("end")


class Told:
    """What the program was told, as it appended it."""

    def __init__(self, path: Path) -> None:
        self.contents: list[tuple[NodeId, str]] = []
        self.nodes: set[NodeId] = set()
        for line in path.read_text().splitlines() if path.exists() else []:
            match line.split(" "):
                case ["content", node, _, *data]:
                    self.contents.append((NodeId(int(node)), " ".join(data)))
                case ["somewhere", node, *data]:
                    self.contents.append((NodeId(int(node)), " ".join(data)))
                case ["place", node, _]:
                    self.nodes.add(NodeId(int(node)))
                case ["purged", node]:
                    self.contents = [(known, data) for known, data in self.contents if known != int(node)]
                case _:
                    pass


def check(world: World, told: Told) -> None:
    """Everything acknowledged is there, nothing is half done, and disk and rows agree."""
    assert world.catalogue.intents() == []
    _look_again(world)
    for node in told.nodes:
        row = world.catalogue.node(node)
        assert row is not None, f"{node} is unknown"
        assert not row.gone or row.kept is not None, f"nothing is left of {node}"
    for node, data in told.contents:
        if not _under_deletion(world, node):
            assert data.encode() in _all_contents(world, node), f"{data} of {node} is lost"
    _no_strays(world)
    world.usage_is_right()


def _under_deletion(world: World, node: NodeId) -> bool:
    try:
        world.core.files.node(world.anna, node)
    except NotFound:
        return True
    return False


def _all_contents(world: World, node: NodeId) -> set[bytes]:
    _, versions = world.core.trashcan.versions(world.anna, node)
    return {world.read(node)} | {world.read(node, version.rev) for version in versions}


def _look_again(world: World) -> None:
    """What the killed program could not record but had put on disk is found; then another look finds nothing."""
    world.clock.ns += 10**18
    outside = world.core.outside
    outside.look(world.root, _folders(world))
    before = world.catalogue.last()
    outside.look(world.root, _folders(world))
    assert world.catalogue.last() == before


def _folders(world: World) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for at in found:
        found.extend((*at, entry.name) for entry in world.store.list_folder(at) if entry.stat.kind is EntryKind.FOLDER)
    return found


def _no_strays(world: World) -> None:
    """Nothing is kept that no row needs, no row needs what is not kept, and staging is empty after the sweep."""
    assert set(world.store.kept_keys()) == world.catalogue.kept_keys(world.root)
    world.core.uploads.expire()
    assert world.catalogue.uploads_of(world.root) == set()
    sweep_staging(world.core.ground, world.root)
    assert list(world.store.staged_keys()) == []
