"""The disk in memory forgets exactly what was not flushed: its crashes are those a real disk may have."""

import random

import pytest
from tests.contracts.content_rigs import bytes_at, names, put

from homestow.server.adapters.content_memory import MemoryContent
from homestow.server.adapters.memory_disk import Crash, MemoryDisk
from homestow.server.ports.content import EntryKind
from homestow.values.errors import PathTaken, StorageFailed, StorageFull

FILE = ("d", "a")


def fresh() -> MemoryContent:
    store = MemoryContent()
    store.make_folder(("d",))
    store.sync_folders([()])
    return store


@pytest.mark.parametrize("how", list(Crash))
@pytest.mark.parametrize("seed", range(20))
def test_what_was_made_durable_survives_every_crash(how: Crash, seed: int) -> None:
    """Staged, synced, published, folder synced: the bytes are there after any crash, and so is the version kept (P1)."""
    store = fresh()
    put(store, FILE, b"first" * 1000)
    store.stage_small("k2", b"second" * 1000)
    store.sync_staged(["k2"])
    store.publish("k2", FILE, True, 1_000_000_000)
    store.keep_staged("k2", "v1")
    store.sync_folders([("d",)])
    upload = store.stage("up")
    upload.write_at(0, b"acknowledged")
    upload.sync()
    upload.write_at(12, b"not yet" * 1000)
    store.stage_small("loose", b"x")

    store.crash(random.Random(seed), how)

    assert bytes_at(store, FILE) == b"second" * 1000
    stat = store.look(FILE)
    assert stat is not None
    assert store.open_kept("v1").read_at(0, 9999) == b"first" * 1000
    assert store.stage("up").read_at(0, 12) == b"acknowledged"
    with pytest.raises(StorageFailed):
        upload.read_at(0, 1)


@pytest.mark.parametrize("how", list(Crash))
@pytest.mark.parametrize("replace", [False, True])
def test_a_time_set_before_the_flush_survives_every_crash(how: Crash, replace: bool) -> None:
    """What is published later bears the time it was flushed with, and has not to be given it again (P1)."""
    for seed in range(20):
        store = fresh()
        if replace:
            put(store, FILE, b"old")
        store.stage_small("k2", b"new")
        store.sync_staged(["k2"], {"k2": 1_000_000_000})
        published = store.publish("k2", FILE, replace, 1_000_000_000)
        store.sync_folders([("d",)])

        store.crash(random.Random(seed), how)

        stat = store.look(FILE)
        assert stat is not None
        assert stat.mtime_ns == published.stat.mtime_ns == 1_000_000_000


@pytest.mark.parametrize("how", [Crash.SUBSET, Crash.TORN])
def test_a_replace_shows_old_or_new_after_a_crash(how: Crash) -> None:
    """Un-flushed, a replace is kept or lost as a whole; both outcomes happen (P2)."""
    seen = set()
    for seed in range(60):
        store = fresh()
        put(store, FILE, b"old")
        store.stage_small("k2", b"new")
        store.sync_staged(["k2"])
        store.publish("k2", FILE, True, None)
        store.crash(random.Random(seed), how)
        staged = store.stage("k2").read_at(0, 9)
        seen.add((bytes_at(store, FILE), staged))
    assert seen == {(b"old", b"new"), (b"new", b"old")}


def test_publishing_before_syncing_shows_in_some_crash() -> None:
    """A service that forgets the flush is found out: the name survives without its bytes (renames before data)."""
    seen = set()
    for seed in range(60):
        store = fresh()
        store.stage_small("k", b"bytes")
        store.publish("k", FILE, False, None)
        store.sync_folders([("d",)])
        store.crash(random.Random(seed))
        seen.add(bytes_at(store, FILE))
    assert {b"bytes", b""} <= seen


def test_forgetting_to_sync_the_folder_shows_in_some_crash() -> None:
    """Without the folder's flush the name may be gone, and without its parent's the folder itself."""
    store = fresh()
    store.stage_small("k", b"bytes")
    store.sync_staged(["k"])
    store.publish("k", FILE, False, None)
    store.crash(random.Random(1), Crash.NOTHING)
    assert store.look(FILE) is None
    assert list(store.staged_keys()) == ["k"]

    store = fresh()
    store.make_folder(("d", "e"))
    put(store, ("d", "e", "f"), b"x")
    store.crash(random.Random(1), Crash.NOTHING)
    assert names(store, ("d",)) == []


def test_flushing_one_folder_leaves_others_unflushed() -> None:
    """A flush promises its own folder, and what that depends on, no more."""
    store = fresh()
    store.make_folder(("e",))
    store.sync_folders([()])
    for at in (FILE, ("e", "b")):
        store.stage_small("k", b"x")
        store.sync_staged(["k"])
        store.publish("k", at, False, None)
    store.move(FILE, ("e", "moved"))
    store.disk.flush_names(lambda folder, form: form == "moved")
    store.crash(random.Random(0), Crash.NOTHING)
    assert names(store, ("e",)) == ["moved"]
    assert names(store, ("d",)) == []


def test_torn_bytes_are_pieces_of_both() -> None:
    """Un-flushed bytes survive in pieces of 512 or 4,096, the size old, new or at a piece's border."""
    sizes, mixed = set(), 0
    for seed in range(200):
        store = fresh()
        staged = store.stage("up")
        staged.write_at(0, b"o" * 6000)
        staged.sync()
        staged.write_at(0, b"n" * 9000)
        store.crash(random.Random(seed), Crash.TORN)
        data = store.stage("up").read_at(0, 1 << 20)
        sizes.add(len(data))
        mixed += len({data[:1], data[4999:5000]}) == 2
        for start in range(0, len(data), 512):
            assert len(set(data[start : min(start + 512, 6000)])) <= 1
    assert {6000, 9000} <= sizes
    assert len(sizes) > 3
    assert mixed > 10


def test_the_same_seed_gives_the_same_crash() -> None:
    """A crash is a pure function of what happened and the seed."""

    def one(seed: int) -> tuple[list[tuple[str, bytes]], list[str]]:
        store = fresh()
        for number in range(10):
            store.stage_small(f"k{number}", bytes([number]) * 5000)
            if number % 3:
                store.publish(f"k{number}", ("d", f"f{number}"), False, None)
        store.crash(random.Random(seed))
        return [(name, bytes_at(store, ("d", name))) for name in names(store, ("d",))], sorted(store.staged_keys())

    assert [one(seed) for seed in range(10)] == [one(seed) for seed in range(10)]
    assert len({repr(one(seed)) for seed in range(10)}) > 3


def test_a_full_disk_refuses_and_keeps() -> None:
    """Room is counted in blocks of what is written, holes are free, and what is dropped frees its room."""
    store = MemoryContent(MemoryDisk(capacity_bytes=10 * 4096))
    staged = store.stage("up")
    staged.truncate(1 << 20)
    assert store.free_bytes() == 10 * 4096
    staged.write_at(4096 * 100, b"x" * 4096 * 9)
    with pytest.raises(StorageFull):
        staged.write_at(0, b"y" * 8192)
    staged.write_at(0, b"y" * 4096)
    assert store.free_bytes() == 0
    with pytest.raises(StorageFull):
        store.stage_small("k", b"z")
    assert list(store.staged_keys()) == ["up"]
    staged.truncate(4096)
    assert store.free_bytes() == 9 * 4096
    store.drop_staged("up")
    assert store.free_bytes() == 10 * 4096
    store = MemoryContent(MemoryDisk(max_nodes=5))
    store.stage_small("k", b"")
    with pytest.raises(StorageFull):
        store.stage("k2")


def test_names_that_are_one_on_a_folding_disk() -> None:
    """Where case and composition do not matter a twin is taken, and a file can still be spelt anew (R15)."""
    store = MemoryContent(MemoryDisk(folds_case=True, normalises=True))
    put(store, ("Caf\u00e9",), b"x")
    assert names(store) == ["Cafe\u0301"]
    store.stage_small("k2", b"y")
    with pytest.raises(PathTaken):
        store.publish("k2", ("CAFE\u0301",), False, None)
    store.move(("Caf\u00e9",), ("caf\u00e9",))
    assert names(store) == ["cafe\u0301"]
    assert bytes_at(store, ("CAF\u00c9",)) == b"x"
    store.make_folder(("d",))
    with pytest.raises(PathTaken):
        store.move(("d",), ("CAF\u00c9",))


def test_times_in_coarse_steps() -> None:
    """A disk with 2 s steps rounds what it is told, as exFAT does."""
    store = MemoryContent(MemoryDisk(time_step_ns=2_000_000_000))
    put(store, ("a",), b"x")
    assert store.set_mtime(("a",), 3_999_999_999).mtime_ns == 2_000_000_000


def test_hints_tell_outside_edits_only() -> None:
    """Who watches hears of folders somebody else changed, of an overflow, and nothing of our own work."""
    store = fresh()
    put(store, FILE, b"x")
    store.outside.write(("d", "b"), b"y")
    store.outside.move(("d", "b"), ("b",))
    with store.watch() as hints:
        assert [set(hint or ()) for hint in hints] == [{("d",)}, {("d",), ()}]
    store.outside.write(FILE, b"lost")
    store.outside.overflow()
    with store.watch() as hints:
        assert list(hints) == [None]


def test_unstable_inodes_are_not_told() -> None:
    """Where an inode does not identify a file none is given."""
    store = MemoryContent(stable_inodes=False)
    put(store, ("a",), b"x")
    stat = store.look(("a",))
    assert stat is not None
    assert (stat.inode, stat.birth_ns, stat.kind) == (0, 0, EntryKind.FILE)


@pytest.mark.parametrize("step", ["content.publish.recorded", "content.publish.aside"])
@pytest.mark.parametrize("how", list(Crash))
def test_power_loss_inside_a_replace_without_exchange(step: str, how: Crash) -> None:
    """Wherever it is cut, and whatever un-flushed part survives, old and new content are both there afterwards (P2, P3)."""

    class PowerLoss(BaseException):
        pass

    for seed in range(40):
        rng = random.Random(seed)
        disk = MemoryDisk()
        store = MemoryContent(disk, exchange=False)
        store.make_folder(("d",))
        store.sync_folders([()])
        put(store, FILE, b"old")
        store.stage_small("k2", b"new")
        store.sync_staged(["k2"])

        def cut(name: str, disk: MemoryDisk = disk, rng: random.Random = rng) -> None:
            if name == step:
                disk.crash(rng, how)
                raise PowerLoss

        store.step = cut
        with pytest.raises(PowerLoss):
            store.publish("k2", FILE, True, None)

        again = MemoryContent(disk, exchange=False)
        assert bytes_at(again, FILE) == b"old"
        assert again.stage("k2").read_at(0, 9) == b"new"
