"""Media facts and thumbnails of a root on disk: read, kept, made anew when the content changed, for those who may see them."""

import io
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.unit import media_corpus as corpus
from tests.unit.core_world import World

from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.adapters.thumbs_disk import DiskThumbs
from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.extras import PartStatus
from homestow.server.ports.media import MediaKind, MediaState
from homestow.server.service.media_parts import MediaParts, MediaStores, make_media
from homestow.server.service.thumbnails import Thumb
from homestow.values.errors import MediaBroken, NotFound, WrongKind
from homestow.values.nodes import Node


class House:
    """A world with everything about media."""

    def __init__(self, place: Path, *, on_disk: bool = True) -> None:
        self.place = place
        self.world = World(place, on_disk=on_disk, threads=True, database=place / "catalogue.db")
        self.extras = SqlExtras(self.world.database)
        self.rows = SqlMedia(self.world.database)
        self.open()

    def open(self, budget: int = 1 << 30) -> None:
        """As a server that starts."""
        world = self.world
        self.tools = WorkerPool(2)
        self.sent = DiskSentThumbs(self.place / "sent")
        cache = DiskThumbs(self.place / "thumbs", world.catalogue.epoch(), budget)
        stores = MediaStores(self.rows, self.extras, self.tools, cache, self.sent)
        self.parts: MediaParts = make_media(world.core, world.roots, stores, world.clock)

    def close(self) -> None:
        self.parts.idle.stop()
        self.world.close()

    def shot(self, node: Node, level: int = 0) -> Image.Image:
        return Image.open(io.BytesIO(self.thumb(node, level).body))

    def thumb(self, node: Node, level: int = 0) -> Thumb:
        return self.parts.thumbnails.get(self.world.cora, node.id, level)

    def statuses(self, node: Node) -> tuple[PartStatus, PartStatus]:
        found = self.extras.extras([node.id]).get(node.id)
        return (PartStatus.LOCAL, PartStatus.LOCAL) if found is None else (found.thumb, found.screen)

    def set_statuses(self, node: Node, thumb: PartStatus, screen: PartStatus) -> None:
        self.extras.change(node.id, self.world.root, lambda now: replace(now, thumb=thumb, screen=screen))

    def made(self) -> list[str]:
        return sorted(path.name for path in (self.place / "thumbs").rglob("*") if path.is_file())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One that is closed at the end."""
    made = House(tmp_path)
    yield made
    made.close()


# --- facts ----------------------------------------------------------------------------------------------------------------


def test_a_root_is_read_once(house: House) -> None:
    """All media of it, with progress up to the end; what is no media is not touched; again there is nothing to do."""
    world = house.world
    picture = world.put("a.jpg", corpus.turned(6, taken=True))
    film = world.put("b.mp4", corpus.film("mp4"))
    broken = world.put("c.png", b"no picture")
    text = world.put("d.txt", b"text")
    told: list[tuple[int, int]] = []

    assert house.parts.media.read(world.root, lambda done, total: told.append((done, total))) == 0
    assert told[-1] == (3, 3)
    rows = world.catalogue.nodes([picture.id, film.id, broken.id, text.id])
    facts = house.parts.media.facts_of(list(rows.values()))
    assert set(facts) == {picture.id, film.id}
    assert (facts[picture.id].orientation, facts[film.id].kind) == (6, MediaKind.VIDEO)
    assert house.rows.media([broken.id])[broken.id].state is MediaState.BROKEN
    assert house.parts.media.facts(world.cora, text.id)[1].kind is MediaKind.OTHER
    told.clear()
    house.parts.media.read(world.root, lambda done, total: told.append((done, total)))
    assert told == []


def test_new_content_has_new_facts(house: House) -> None:
    """Facts of an older content are never given."""
    world = house.world
    node = world.put("a.png", corpus.picture("png", 30, 20))
    assert house.parts.media.facts(world.cora, node.id)[1].width == 30
    world.put("a.png", corpus.picture("png", 50, 20), base=1)

    row = world.catalogue.node(node.id)
    assert row is not None
    assert house.parts.media.facts_of([row]) == {}
    assert house.parts.media.facts(world.cora, node.id)[1].width == 50
    assert house.parts.media.facts_of([row])[node.id].width == 50


def test_files_of_a_store_without_local_files_are_read_too(tmp_path: Path) -> None:
    """Through a copy in memory."""
    house = House(tmp_path, on_disk=False)
    try:
        node = house.world.put("a.jpg", corpus.picture("jpg"))
        assert house.shot(node).size == (100, 67)
    finally:
        house.close()


# --- thumbnails -----------------------------------------------------------------------------------------------------------


def test_both_sizes_come_of_one_reading(house: House) -> None:
    """And lie in the cache for both levels, and for the next server; at hand too, with the same tag."""
    node = house.world.put("a.jpg", corpus.picture("jpg", 1600, 1200))

    assert house.shot(node, 0).size == (100, 75)
    assert house.made() == [f"{node.id}-1-100", f"{node.id}-1-800"]
    assert house.shot(node, 1).size == (800, 600)
    large = house.thumb(node, 1)
    house.tools.close()
    house.open()
    house.tools.close()  # nothing can be made any more
    assert house.thumb(node, 1) == large
    at_hand = house.parts.thumbnails.at_hand(house.world.cora, node.id, 1)
    assert at_hand in (large, None)


def test_deleted_by_hand_it_is_made_again(house: House) -> None:
    """The whole cache."""
    node = house.world.put("a.jpg", corpus.picture("jpg"))
    first = house.thumb(node)
    shutil.rmtree(house.place / "thumbs")

    assert house.parts.thumbnails.at_hand(house.world.cora, node.id, 0) is None
    assert house.thumb(node) == first


def test_an_edit_from_outside_changes_the_thumbnail(house: House) -> None:
    """As soon as somebody asks, under another tag."""
    node = house.world.put("a.png", corpus.picture("png", 60, 40))
    first = house.thumb(node)
    path = house.world.folder / "a.png"
    path.write_bytes(corpus.picture("png", 40, 60))
    os.utime(path, ns=(1, 1_000_000_000_000_000_000))

    house.world.core.contents.look_at(_row(house, node))
    second = house.thumb(node)
    assert Image.open(io.BytesIO(second.body)).size == (40, 60)
    assert second.etag != first.etag


def _row(house: House, node: Node) -> NodeRow:
    found = house.world.catalogue.node(node.id)
    assert found is not None
    return found


def test_only_who_may_see_the_file_sees_its_thumbnail(house: House) -> None:
    """From the cache as well; deleted, or without rights, it is not there (S09, S54)."""
    node = house.world.put("a.jpg", corpus.picture("jpg"))
    house.thumb(node)
    thumbnails = house.parts.thumbnails
    for ask in (thumbnails.get, thumbnails.at_hand):
        with pytest.raises(NotFound):
            ask(house.world.dan, node.id, 0)
    with pytest.raises(NotFound):
        house.parts.media.facts(house.world.dan, node.id)
    house.world.core.files.delete(house.world.anna, node.id)
    for ask in (thumbnails.get, thumbnails.at_hand):
        with pytest.raises(NotFound):
            ask(house.world.cora, node.id, 0)


def test_what_cannot_be_seen_has_none(house: House) -> None:
    """Sounds, texts and folders."""
    world = house.world
    for node in (world.put("a.mp3", corpus.film("mp3")), world.put("b.txt", b"x"), world.folder_node("c.jpg")):
        with pytest.raises(WrongKind):
            house.thumb(node)
        assert house.statuses(node) == (PartStatus.LOCAL, PartStatus.LOCAL)


def test_broken_is_remembered_until_there_is_other_content(house: House) -> None:
    """A head that is good and a body that is not: tried once, told from then on, tried again with new content."""
    world = house.world
    data = corpus.picture("png", 600, 400)
    node = world.put("a.png", data[: len(data) // 2])
    with pytest.raises(MediaBroken):
        house.thumb(node)
    assert house.statuses(node) == (PartStatus.BROKEN, PartStatus.BROKEN)
    house.tools.close()
    with pytest.raises(MediaBroken):  # without a worker, so nothing is tried
        house.thumb(node, 1)
    house.open()
    world.put("a.png", data, base=1)

    assert house.shot(node).size == (100, 67)
    assert house.statuses(node) == (PartStatus.LOCAL, PartStatus.LOCAL)


def test_broken_is_tried_again_when_somebody_takes_it_back(house: House) -> None:
    """As `updateFile` with status 0 does, for one level or both."""
    node = house.world.put("a.png", corpus.picture("png"))
    house.thumb(node)
    house.set_statuses(node, PartStatus.BROKEN, PartStatus.BROKEN)
    shutil.rmtree(house.place / "thumbs")
    with pytest.raises(MediaBroken):
        house.thumb(node)
    house.set_statuses(node, PartStatus.LOCAL, PartStatus.BROKEN)

    assert house.shot(node).size == (100, 67)


def test_many_ask_for_one_it_is_made_once(house: House) -> None:
    """All of them get it."""
    node = house.world.put("a.avif", corpus.picture("avif", 900, 600))
    found: list[Thumb] = []
    threads = [threading.Thread(target=lambda: found.append(house.thumb(node, 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert sum(worker.items for worker in house.tools._all) == 2  # facts and both thumbnails


# --- sent by clients ------------------------------------------------------------------------------------------------------


def send(house: House, node: Node, level: int, data: bytes) -> None:
    sink = house.parts.thumbnails.append(node.id, level, 0)
    sink.write(data)
    sink.finish()


def test_what_a_client_sent_is_shown(house: House) -> None:
    """Once its status says it is complete; the other level is still made."""
    node = house.world.put("a.jpg", corpus.picture("jpg"))
    mine = corpus.picture("png", 90, 90)
    send(house, node, 0, mine)
    assert house.thumb(node).body != mine
    house.set_statuses(node, PartStatus.UPLOADED, PartStatus.LOCAL)

    assert (house.thumb(node).body, house.thumb(node).content_type) == (mine, "image/png")
    assert house.parts.thumbnails.sent_size(node.id, 0) == len(mine)
    assert house.parts.thumbnails.at_hand(house.world.cora, node.id, 0) is None
    assert house.shot(node, 1).size == (300, 200)


def test_what_a_client_sent_ends_with_the_content_it_shows(house: House) -> None:
    """New content of the file: its thumbnail is made of that."""
    node = house.world.put("a.jpg", corpus.picture("jpg"))
    house.thumb(node)
    send(house, node, 0, corpus.picture("png", 90, 90))
    house.set_statuses(node, PartStatus.UPLOADED, PartStatus.LOCAL)
    house.world.put("a.jpg", corpus.picture("jpg", 40, 20), base=1)

    assert house.shot(node).size == (40, 20)
    assert house.statuses(node) == (PartStatus.LOCAL, PartStatus.LOCAL)
    assert house.parts.thumbnails.sent(node.id, 0) is None


def test_sent_and_gone_is_not_found(house: House) -> None:
    """Somebody deleted it on the disk."""
    node = house.world.put("a.jpg", corpus.picture("jpg"))
    house.set_statuses(node, PartStatus.UPLOADED, PartStatus.LOCAL)
    with pytest.raises(NotFound):
        house.thumb(node)


# --- idle time ------------------------------------------------------------------------------------------------------------


def test_idle_time_reads_and_makes_what_is_new(house: House) -> None:
    """Facts of all media and thumbnails of what can be seen; what came or changed since, in the next round."""
    world = house.world
    nodes = [world.put(name, corpus.picture("jpg")) for name in ("a.jpg", "b.jpg")]
    sound = world.put("c.mp3", corpus.film("mp3"))
    broken = world.put("d.jpg", b"no picture")
    house.parts.idle.run()
    house.parts.idle.run()

    assert set(house.rows.media([*(node.id for node in nodes), sound.id, broken.id])) == {
        *(node.id for node in nodes), sound.id, broken.id,
    }  # fmt: skip
    assert len(house.made()) == 4
    assert house.statuses(broken) == (PartStatus.BROKEN, PartStatus.BROKEN)
    late = world.put("e.jpg", corpus.picture("jpg"))
    world.put("a.jpg", corpus.picture("jpg", 20, 20), base=1)
    house.parts.idle.run()
    assert {f"{late.id}-1-100", f"{nodes[0].id}-2-800"} <= set(house.made())


def test_idle_time_does_not_fill_the_cache(house: House) -> None:
    """Near its budget nothing is made ahead, for it would push out what people look at."""
    house.tools.close()
    house.open(budget=8000)
    for number in range(12):
        house.world.put(f"{number}.jpg", corpus.picture("jpg", 900, 900))
    house.parts.idle.run()

    assert 0 < len(house.made()) < 24


def test_idle_time_tidies(house: House) -> None:
    """Thumbnails, facts and sent thumbnails of what is nowhere any more go; those of the trash and of uploads stay."""
    world = house.world
    gone, trashed = (world.put(name, corpus.picture("jpg")) for name in ("a.jpg", "b.jpg"))
    for node in (gone, trashed):
        house.thumb(node)
        send(house, node, 0, b"x")
        world.core.files.delete(world.anna, node.id)
    coming = world.put("c.jpg", corpus.picture("jpg"))
    send(house, coming, 0, b"x")
    world.core.trashcan.purge(world.anna, gone.id)
    house.parts.idle.run()

    assert not any(name.startswith(f"{gone.id}-") for name in house.made())
    assert any(name.startswith(f"{trashed.id}-") for name in house.made())
    assert house.sent.nodes() == [trashed.id, coming.id]
