"""One-off transfers: what `put` and `get` do with files and folders, over the reference server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from homestow.cli.fetching import Fetching
from homestow.cli.sending import Sending, gaps
from homestow.client.adapters.clock_memory import InlineWorkers
from homestow.client.adapters.remote_memory import TOP, MemoryRemote, MemoryServer
from homestow.values.errors import Unreachable
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node

LARGE = bytes(range(256)) * 1024  # many blocks of the reference server's 64 KiB


class Bench:
    """A server, and senders and fetchers to it."""

    def __init__(self, folder: Path) -> None:
        self.server = MemoryServer()
        self.remote = MemoryRemote(self.server)
        self.memory = folder / "memory"
        self.moved: list[tuple[str, int]] = []

    def children(self, node: NodeId) -> Iterator[Node]:
        for child in self.server.children[node].values():
            yield self.server.nodes[child]

    def named(self, *path: str) -> Node | None:
        node = TOP
        for name in path:
            if name not in self.server.children.get(node, {}):
                return None
            node = self.server.children[node][name]
        return self.server.nodes[node]

    def send(self, source: Path, name: str) -> Sending:
        sending = Sending(self.remote, self.children, InlineWorkers(), self.memory, self._moved)
        sending.send(source, TOP, name, self.named(name))
        return sending

    def fetch(self, node: Node | None, target: Path, replace: bool = False) -> Fetching:
        assert node is not None
        fetching = Fetching(self.remote, InlineWorkers(), replace, self._moved)
        fetching.fetch(node, target)
        return fetching

    def content(self, *path: str) -> bytes:
        node = self.named(*path)
        assert node is not None
        return self.server.contents[node.id, node.rev]

    def _moved(self, name: str, size: int) -> None:
        self.moved.append((name, size))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with an empty root."""
    return Bench(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of odd things."""
    top = tmp_path / "tree"
    (top / "sub" / "empty").mkdir(parents=True)
    (top / "a.txt").write_bytes(b"a")
    (top / "none").write_bytes(b"")
    (top / "sub" / "-dash \n name").write_bytes(b"odd")
    (top / "sub" / "large.bin").write_bytes(LARGE)
    (top / "link").symlink_to("a.txt")
    os.utime(top / "a.txt", ns=(1, 1_600_000_000_123_456_789))
    return top


def test_a_folder_goes_up_and_comes_down_equal(bench: Bench, tree: Path, tmp_path: Path) -> None:
    """Names, bytes, times and empty folders arrive both ways; links are told, not followed."""
    sent = bench.send(tree, "there").carried
    assert (sent.files, [Path(path).name for path, _ in sent.problems]) == (4, ["link"])

    fetched = bench.fetch(bench.named("there"), tmp_path / "back").carried
    assert (fetched.files, fetched.problems) == (4, [])

    back = tmp_path / "back"
    for path in tree.rglob("*"):
        twin = back / path.relative_to(tree)
        if path.is_symlink():
            assert not twin.exists()
        elif path.is_file():
            assert twin.read_bytes() == path.read_bytes()
            assert twin.stat().st_mtime_ns == path.stat().st_mtime_ns
        else:
            assert twin.is_dir()
    assert not list(back.rglob("*.part"))


def test_sending_again_sends_nothing_and_new_content_becomes_a_version(bench: Bench, tree: Path) -> None:
    """The same bytes stay; other bytes replace the file that was seen, whose content is kept."""
    bench.send(tree, "there")
    again = bench.send(tree, "there").carried
    assert (again.files, again.same) == (0, 4)

    (tree / "a.txt").write_bytes(b"new")
    assert bench.send(tree, "there").carried.files == 1
    node = bench.named("there", "a.txt")
    assert node is not None
    assert (node.rev, bench.server.contents[node.id, 1], bench.content("there", "a.txt")) == (2, b"a", b"new")


def test_a_broken_upload_continues(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that arrived are not sent again by the next run of the same command."""
    source = tmp_path / "large.bin"
    source.write_bytes(LARGE)
    put_block = MemoryRemote.put_block
    sent: list[int] = []
    allowed = 2

    def broken(self: MemoryRemote, upload: str, offset: int, data: bytes | memoryview) -> None:
        if len(sent) == allowed:
            raise Unreachable("gone")
        sent.append(offset)
        put_block(self, upload, offset, data)

    monkeypatch.setattr(MemoryRemote, "put_block", broken)
    with pytest.raises(Unreachable):
        bench.send(source, "large.bin")
    first = list(sent)
    sent.clear()
    allowed = 1000
    bench.send(source, "large.bin")

    assert bench.content("large.bin") == LARGE
    assert len(first) == 2
    assert not set(first) & set(sent)
    assert not list(bench.memory.iterdir())


def test_a_broken_download_continues(bench: Bench, tmp_path: Path) -> None:
    """Bytes that an earlier run received are kept; damaged ones are noticed and thrown away."""
    source = tmp_path / "large.bin"
    source.write_bytes(LARGE)
    bench.send(source, "large.bin")
    node = bench.named("large.bin")
    assert node is not None
    target = tmp_path / "back" / "large.bin"
    target.parent.mkdir()
    part = target.with_name(f".homestow-{node.id}-{node.rev}.part")

    part.write_bytes(b"damaged")
    assert [reason for _, reason in bench.fetch(node, target).carried.problems]
    assert not part.exists()

    part.write_bytes(LARGE[:100_000])
    bench.moved.clear()
    assert bench.fetch(node, target).carried.problems == []
    assert target.read_bytes() == LARGE
    assert bench.moved[0] == ("large.bin", 100_000)
    assert not part.exists()


def test_a_different_file_is_replaced_only_when_asked(bench: Bench, tmp_path: Path) -> None:
    """get never destroys what lies at its target."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"server")
    bench.send(source, "a")
    target.write_bytes(b"mine")

    ((path, reason),) = bench.fetch(bench.named("a"), target).carried.problems
    assert (path, target.read_bytes()) == (str(target), b"mine")
    assert "--force" in reason

    assert bench.fetch(bench.named("a"), target, replace=True).carried.files == 1
    assert target.read_bytes() == b"server"
    assert bench.fetch(bench.named("a"), target).carried.same == 1


def test_a_name_from_the_server_cannot_leave_the_target(bench: Bench, tmp_path: Path) -> None:
    """A server that tells of `..` writes nowhere else (S01)."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x").write_bytes(b"x")
    bench.send(tmp_path / "in", "folder")
    folder, node = bench.named("folder"), bench.named("folder", "x")
    assert folder is not None
    assert node is not None
    for name in ("..", "../x", "a/b", ""):
        bench.server.nodes[node.id] = Node(
            node.id, node.root, folder.id, name, Kind.FILE, 1, node.change, node.below, 1, 0, node.digest
        )
        problems = bench.fetch(folder, tmp_path / "out").carried.problems
        assert len(problems) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_does_not_become_a_folder_nor_a_folder_a_file(bench: Bench, tree: Path) -> None:
    """A clash of kinds is told, and nothing is changed."""
    bench.send(tree / "a.txt", "x")
    with pytest.raises(Exception, match="a file on the server"):
        bench.send(tree, "x")
    bench.send(tree, "folder")
    assert bench.send(tree / "a.txt", "folder").carried.problems


@pytest.mark.parametrize(
    "have,found",
    [
        ((), [(0, 4), (4, 8), (8, 10)]),
        (((0, 10),), []),
        (((2, 5), (8, 9)), [(0, 2), (5, 8), (9, 10)]),
        (((0, 3), (2, 6)), [(6, 10)]),
    ],
)
def test_gaps(have: tuple[tuple[int, int], ...], found: list[tuple[int, int]]) -> None:
    """What is missing, in blocks that are not too long."""
    assert list(gaps(have, 10, 4)) == found
