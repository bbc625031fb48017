"""Files of Ditto on the one upload mechanism: announced, sent in blocks in any order, written, deleted."""

import hashlib
import random
import threading
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import World

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.ditto import SqlDitto
from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s
from homestow.server.ports.accounts import Account
from homestow.server.ports.ditto import EventKind, Stage
from homestow.server.rules.access import Principal
from homestow.server.service.ditto_files import DittoFiles, FileView
from homestow.server.service.md5s import Md5s
from homestow.values.errors import BadName, BadRequest, CloudError, DigestMismatch, NotFound, Stale, TooLarge
from homestow.values.ids import NodeId


def md5_of(data: bytes) -> bytes:
    """MD5."""
    return hashlib.md5(data, usedforsecurity=False).digest()


class Rig:
    """Files of Ditto over a core in memory or on disk."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start()

    def start(self) -> None:
        """Put the use cases together, as after a restart."""
        world, core = self.world, self.world.core
        self.rows = SqlDitto(world.database)
        self.md5s = Md5s(core.catalogue, core.access, core.contents, SqlMd5s(world.database), world.clock)
        self.files = DittoFiles(core, world.roots, SqlAccounts(world.database), self.rows, self.md5s, world.clock)
        self.anna: Principal = world.anna

    def restart(self) -> None:
        """As after kill -9."""
        self.world.restart()
        self.start()

    def create(self, name: str, data: bytes, md5: bytes | None = None) -> str:
        """Announce; its uuid."""
        return str(self.files.create(self.anna, name, len(data), md5, "bin").uuid)

    def send(self, uuid: str, data: bytes, size: int, no: int) -> Stage | None:
        """One block of a content."""
        return self.files.upload(self.anna, uuid, no, data[no * size : (no + 1) * size], None).stage

    def view(self, uuid: str) -> FileView:
        """The file now."""
        return self.files.get(self.anna, uuid)

    def content(self, *path: str) -> bytes:
        """What anna has at a path of her own root."""
        root = self.world.roots.own(self.account())
        node = self.world.core.files.resolve(self.anna, root.id, path)
        return self.world.read(node.id)

    def account(self) -> Account:
        """Anna."""
        found = SqlAccounts(self.world.database).account(self.anna.account)
        assert found is not None
        return found

    def events(self) -> list[tuple[EventKind, int]]:
        """Kinds and block numbers of anna's events."""
        found = self.rows.events(self.anna.account, 0, 1000, list(EventKind))
        return [(event.kind, event.block_no) for event in found]


@pytest.fixture(params=[False, True], ids=["memory", "disk"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A rig whose database is a file."""
    world = World(tmp_path, on_disk=request.param, database=tmp_path / "homestow.db", threads=True)
    yield Rig(world)
    world.close()


DATA = bytes(range(256)) * 41  # 10,496 bytes: ten blocks of 1,000 and one of 496
NAMES = range(11)


def test_a_file_is_written_when_its_last_block_came(rig: Rig) -> None:
    """From created to written, as a plain file with its content; the events tell of it in order."""
    uuid = rig.create("a.bin", DATA, md5_of(DATA))
    assert rig.view(uuid).stage is Stage.CREATED
    for no in NAMES[:-1]:
        assert rig.send(uuid, DATA, 1000, no) is Stage.UPLOADED
        assert rig.view(uuid).stage is Stage.UPLOADING
    assert rig.send(uuid, DATA, 1000, 10) is Stage.WRITTEN
    view = rig.view(uuid)
    assert (view.stage, view.size, view.md5, view.name, view.type) == (
        Stage.WRITTEN, len(DATA), md5_of(DATA), "a.bin", "bin",
    )  # fmt: skip
    assert rig.content("Ditto", "a.bin") == DATA
    assert rig.events() == [*((EventKind.BLOCK_UPLOADED, no) for no in NAMES), (EventKind.UPLOADED, 0)]
    rig.world.usage_is_right()


@pytest.mark.parametrize("seed", range(8))
def test_any_order_with_repeats_and_a_restart(rig: Rig, seed: int) -> None:
    """Shuffled blocks, some twice, a kill in the middle: the file is right."""
    chance = random.Random(seed)
    uuid = rig.create("a.bin", DATA, md5_of(DATA))
    order = [*NAMES, *chance.choices(NAMES, k=5)]
    chance.shuffle(order)
    stop = chance.randrange(len(order))
    for at, no in enumerate(order):
        if at == stop:
            rig.restart()
            done = {block.no for block in rig.files.blocks(rig.anna, uuid, 0, 100, None)[0] if block.stage}
            assert done == set(order[:at])
        rig.send(uuid, DATA, 1000, no)
    assert rig.view(uuid).stage is Stage.WRITTEN
    assert rig.content("Ditto", "a.bin") == DATA


def test_the_shorter_block_first(rig: Rig) -> None:
    """It is taken for a regular one until a larger one moves it; also when the server was killed in between."""
    uuid = rig.create("a.bin", DATA)
    rig.send(uuid, DATA, 1000, 10)
    rig.restart()
    for no in NAMES[:-1]:
        rig.send(uuid, DATA, 1000, no)
    assert rig.content("Ditto", "a.bin") == DATA


def test_a_last_block_that_overlaps_its_right_place(rig: Rig) -> None:
    """The bytes are moved although both places overlap."""
    data = DATA[:1999]
    uuid = rig.create("a.bin", data)
    rig.files.upload(rig.anna, uuid, 1, data[1000:], None)
    rig.files.upload(rig.anna, uuid, 0, data[:1000], None)
    assert rig.content("Ditto", "a.bin") == data


def test_blocks_from_many_threads(rig: Rig) -> None:
    """Side by side, each twice."""
    uuid = rig.create("a.bin", DATA, md5_of(DATA))
    failures: list[CloudError] = []

    def work(numbers: list[int]) -> None:
        for no in numbers:
            try:
                rig.send(uuid, DATA, 1000, no)
            except CloudError as error:
                failures.append(error)

    order = [*NAMES, *NAMES]
    random.Random(1).shuffle(order)
    threads = [threading.Thread(target=work, args=(order[at::4],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rig.content("Ditto", "a.bin") == DATA
    assert [kind for kind, _ in rig.events()].count(EventKind.UPLOADED) == 1


def test_a_wrong_whole_keeps_the_blocks(rig: Rig) -> None:
    """Nothing is written; the right block sent again mends it."""
    uuid = rig.create("a.bin", DATA, md5_of(DATA))
    for no in NAMES[:-1]:
        rig.files.upload(rig.anna, uuid, no, bytes(1000) if no == 3 else DATA[no * 1000 : no * 1000 + 1000], None)
    with pytest.raises(DigestMismatch, match="declared md5"):
        rig.send(uuid, DATA, 1000, 10)
    assert rig.view(uuid).stage is Stage.UPLOADING
    assert len([block for block in rig.files.blocks(rig.anna, uuid, 0, 100, None)[0] if block.stage]) == 11
    assert (EventKind.UPLOADED, 0) not in rig.events()
    assert rig.send(uuid, DATA, 1000, 3) is Stage.WRITTEN
    assert rig.content("Ditto", "a.bin") == DATA


def test_a_wrong_block_is_not_taken(rig: Rig) -> None:
    """Its declared md5 is another."""
    uuid = rig.create("a.bin", DATA)
    with pytest.raises(DigestMismatch):
        rig.files.upload(rig.anna, uuid, 0, DATA[:1000], bytes(16))
    assert rig.view(uuid).stage is Stage.CREATED


def test_blocks_of_a_written_file(rig: Rig) -> None:
    """The same again is harmless, another one is refused; they are listed as written."""
    uuid = rig.create("a.bin", DATA)
    for no in NAMES:
        rig.send(uuid, DATA, 1000, no)
    assert rig.send(uuid, DATA, 1000, 4) is Stage.WRITTEN
    with pytest.raises(Stale):
        rig.files.upload(rig.anna, uuid, 4, bytes(1000), None)
    blocks, after = rig.files.blocks(rig.anna, uuid, 0, 4, None)
    assert ([(block.no, block.size, block.stage) for block in blocks], after) == (
        [(no, 1000, Stage.WRITTEN) for no in range(4)], 4,
    )  # fmt: skip
    blocks, after = rig.files.blocks(rig.anna, uuid, 10, 4, None)
    assert [(block.no, block.size, block.md5) for block in blocks] == [(10, 496, md5_of(DATA[10_000:]))]
    assert after == 0


def test_missing_blocks_are_told(rig: Rig) -> None:
    """Once the size of blocks is known."""
    uuid = rig.create("a.bin", DATA)
    assert rig.files.blocks(rig.anna, uuid, 0, 100, None) == ([], 0)
    rig.send(uuid, DATA, 1000, 2)
    rig.send(uuid, DATA, 1000, 7)
    blocks, _ = rig.files.blocks(rig.anna, uuid, 0, 100, None)
    assert [block.no for block in blocks if block.stage is Stage.UPLOADED] == [2, 7]
    assert [block.size for block in blocks] == [*[1000] * 10, 496]
    assert [block.no for block in rig.files.blocks(rig.anna, uuid, 0, 3, Stage.CREATED)[0]] == [0, 1, 3]
    assert [block.no for block in rig.files.blocks(rig.anna, uuid, 0, 3, Stage.UPLOADED)[0]] == [2, 7]


def test_an_empty_file_is_written_at_once(rig: Rig) -> None:
    """It has no blocks to send."""
    uuid = rig.create("empty", b"")
    assert rig.view(uuid).stage is Stage.WRITTEN
    assert rig.content("Ditto", "empty") == b""


def test_a_name_that_is_taken_gets_a_number(rig: Rig) -> None:
    """Nothing is overwritten; folders in a name are made."""
    for _ in range(2):
        rig.files.upload(rig.anna, rig.create("2026/may/a.txt", b"x"), 0, b"x", None)
    assert rig.content("Ditto", "2026", "may", "a (2).txt") == b"x"


def test_a_file_called_ditto_is_left_alone(rig: Rig) -> None:
    """What comes goes beside it."""
    root = rig.world.roots.own(rig.account())
    top = rig.world.catalogue.top(root.id)
    assert top is not None
    rig.world.put("Ditto", b"mine", parent=top.id)
    rig.files.upload(rig.anna, rig.create("a.txt", b"x"), 0, b"x", None)
    assert rig.content("Ditto") == b"mine"
    assert rig.content("Ditto (2)", "a.txt") == b"x"


def test_the_folder_went_while_blocks_came(rig: Rig) -> None:
    """It is made again."""
    uuid = rig.create("a.txt", b"xy")
    rig.files.upload(rig.anna, uuid, 0, b"x", None)
    root = rig.world.roots.own(rig.account())
    rig.world.core.files.delete(rig.anna, rig.world.core.files.resolve(rig.anna, root.id, ("Ditto",)).id)
    rig.files.upload(rig.anna, uuid, 1, b"y", None)
    assert rig.content("Ditto", "a.txt") == b"xy"


def test_deleting(rig: Rig) -> None:
    """An unfinished one is forgotten with its room, a written one goes to the trash."""
    half, whole = rig.create("half", b"xy"), rig.create("whole", b"z")
    rig.files.upload(rig.anna, half, 0, b"x", None)
    rig.files.upload(rig.anna, whole, 0, b"z", None)
    root = rig.world.roots.own(rig.account())
    written = rig.world.core.files.resolve(rig.anna, root.id, ("Ditto", "whole")).id
    for uuid in (half, whole):
        rig.files.delete(rig.anna, uuid)
        for use in (rig.view, lambda uuid: rig.files.delete(rig.anna, uuid)):
            with pytest.raises(NotFound):
                use(uuid)
    rig.world.usage_is_right()
    file = rig.rows.announced(uuids.UUID(whole).bytes, rig.anna.account)
    assert file is None
    row = rig.world.catalogue.node(written)
    assert row is not None
    assert row.gone
    assert row.kept is not None


def test_what_is_not_yours_is_not_there(rig: Rig) -> None:
    """Like what never was, and like what is no uuid."""
    uuid = rig.create("a.txt", b"x")
    told = set()
    for name in (uuid, str(uuids.uuid4()), "x", "", "é" * 36, uuid.replace("-", "") + "----"):
        for use in (
            lambda name: rig.files.get(rig.world.ben, name),
            lambda name: rig.files.blocks(rig.world.ben, name, 0, 9, None),
            lambda name: rig.files.upload(rig.world.ben, name, 0, b"x", None),
            lambda name: rig.files.delete(rig.world.ben, name),
        ):
            with pytest.raises(NotFound) as caught:
                use(name)
            told.add(caught.value.message)
    assert len(told) == 1


def test_pages(rig: Rig) -> None:
    """In the order they were announced, by stage, own ones only."""
    made = [rig.create(f"{number}", b"x") for number in range(5)]
    rig.files.upload(rig.anna, made[2], 0, b"x", None)
    first, after = rig.files.page(rig.anna, 0, 3, None)
    rest, end = rig.files.page(rig.anna, after, 3, None)
    assert [str(view.uuid) for view in (*first, *rest)] == made
    assert end == 0
    assert [str(view.uuid) for view in rig.files.page(rig.anna, 0, 9, Stage.WRITTEN)[0]] == [made[2]]
    assert rig.files.page(rig.world.ben, 0, 9, None) == ([], 0)


def test_a_file_that_came_otherwise(rig: Rig) -> None:
    """Has a uuid too, for whoever may read it."""
    node = rig.world.put("other.txt", b"other")
    uuid = str(rig.files.uuid_of(node.id))
    assert (rig.view(uuid).name, rig.view(uuid).stage) == ("other.txt", Stage.WRITTEN)
    assert rig.files.get(rig.world.cora, uuid).size == 5
    with pytest.raises(NotFound):
        rig.files.get(rig.world.dan, uuid)
    with pytest.raises(NotFound):
        rig.view(str(rig.files.uuid_of(NodeId(node.id + 999))))


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a//b", "a\0b", "x" * 300, "a/" * 300 + "b"])
def test_names_that_cannot_be(rig: Rig, name: str) -> None:
    """They lead nowhere."""
    with pytest.raises((BadName, BadRequest)):
        rig.create(name, b"x")


def test_sizes_that_cannot_be(rig: Rig) -> None:
    """Below nothing, above a pebibyte, or empty with the md5 of something."""
    with pytest.raises(BadRequest):
        rig.files.create(rig.anna, "a", -1, None, "")
    with pytest.raises(TooLarge):
        rig.files.create(rig.anna, "a", (1 << 50) + 1, None, "")
    with pytest.raises(DigestMismatch):
        rig.files.create(rig.anna, "a", 0, bytes(16), "")


@pytest.mark.parametrize("seed", range(6))
def test_a_power_cut_takes_only_what_was_not_flushed(rig: Rig, seed: int) -> None:
    """Of blocks that were acknowledged but not flushed it is told that they are missing; sent again, the file is right."""
    chance = random.Random(seed)
    uuid = rig.create("a.bin", DATA, md5_of(DATA))
    sent = chance.sample(NAMES, chance.choice((1, 5, 10))) if seed else [NAMES[-1]]
    for no in sent:
        rig.send(uuid, DATA, 1000, no)
    rig.world.boot += "'"
    rig.restart()
    blocks, _ = rig.files.blocks(rig.anna, uuid, 0, 100, None)
    missing = [no for no in NAMES if no not in {block.no for block in blocks if block.stage is not None}]
    assert set(missing) >= set(NAMES) - set(sent)
    chance.shuffle(missing)
    for no in missing[:-1]:
        assert rig.send(uuid, DATA, 1000, no) is Stage.UPLOADED, (no, missing)
        assert rig.view(uuid).stage is Stage.UPLOADING
    assert rig.send(uuid, DATA, 1000, missing[-1]) is Stage.WRITTEN
    assert rig.content("Ditto", "a.bin") == DATA
