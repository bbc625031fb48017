"""Links: what they open, for whom they stand, and when they are dead."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import SECOND, World

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.shares import SqlShares
from homestow.server.rules.access import Rights
from homestow.server.service.hashing import Hashing
from homestow.server.service.shares import Shares
from homestow.values.errors import (
    Forbidden,
    LoginFailed,
    LoginNeeded,
    NotFound,
    TooManyTries,
    WeakPassword,
    WrongKind,
)
from homestow.values.ids import NodeId

LIFE = 1800
MOST = 5
SECRET = b"s" * 32


class Rig(World):
    """A core with links over it."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, threads=True, database=place / "homestow.db")
        self.shares = self.open_shares()

    def open_shares(self, secret: bytes = SECRET) -> Shares:
        """As after a start."""
        return Shares(
            SqlShares(self.database), SqlAccounts(self.database), self.catalogue, self.core.access, self.clock,
            Hashing(time=1, memory_kib=8, lanes=1), secret, isync_most=MOST, isync_life_s=LIFE,
        )  # fmt: skip

    def later(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.ns += int(seconds * SECOND)

    def dead(self, key: str) -> bool:
        """Whether an isync key or a link opens nothing."""
        for opens in (self.shares.open_isync, self.shares.open):
            try:
                opens(key)
            except NotFound:
                continue
            return False
        return True


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """One, closed at the end."""
    made = Rig(tmp_path)
    yield made
    made.close()


# --- isync ------------------------------------------------------------------------------------------------------------


def test_the_same_user_gets_the_same_key_while_it_lives(rig: Rig) -> None:
    """32 hexadecimal digits; another user, another file, and the same file after its life get others."""
    film, song = rig.put("film.mp4", b"film").id, rig.put("song.mp3", b"song").id
    key = rig.shares.isync_key(rig.anna, film)
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert rig.shares.isync_key(rig.anna, film) == key
    others = [rig.shares.isync_key(rig.ben, film), rig.shares.isync_key(rig.anna, song)]
    assert len({key, *others}) == 3
    rig.later(LIFE + 1)
    assert rig.dead(key)
    assert rig.shares.isync_key(rig.anna, film) not in (key, *others)


def test_using_it_keeps_it_alive(rig: Rig) -> None:
    """Its life begins anew with each use and each asking, and that survives a restart."""
    node = rig.put("film.mp4", b"film").id
    key = rig.shares.isync_key(rig.anna, node)
    for _ in range(4):
        rig.later(LIFE - 1)
        opened = rig.shares.open_isync(key)
        assert (opened.row.id, opened.who.account) == (node, rig.anna.account)
    rig.later(LIFE - 1)
    assert rig.shares.isync_key(rig.anna, node) == key
    rig.shares = rig.open_shares()
    rig.later(LIFE - 1)
    assert rig.shares.open_isync(key).row.id == node
    assert rig.shares.isync_key(rig.anna, node) == key
    rig.later(LIFE)
    assert rig.dead(key)


def test_above_the_threshold_the_longest_unused_goes_first(rig: Rig) -> None:
    """And whoever has the most loses one first, so nobody can end those of others by asking for many."""
    nodes = [rig.put(f"{number}.jpg", b"x").id for number in range(MOST + 2)]
    ben = rig.shares.isync_key(rig.ben, nodes[0])
    keys = []
    for node in nodes:
        rig.later(1)
        keys.append(rig.shares.isync_key(rig.anna, node))
    assert not rig.dead(ben)
    assert [rig.dead(key) for key in keys] == [True] * 3 + [False] * (MOST - 1)


def test_only_files_that_one_may_read(rig: Rig) -> None:
    """A stranger gets the same answer as for what does not exist; a folder has no such key."""
    node = rig.put("a.jpg", b"x").id
    with pytest.raises(NotFound):
        rig.shares.isync_key(rig.dan, node)
    with pytest.raises(NotFound):
        rig.shares.isync_key(rig.anna, NodeId(999))
    with pytest.raises(WrongKind):
        rig.shares.isync_key(rig.anna, rig.top)


def test_another_secret_makes_other_keys_and_old_ones_live_on(rig: Rig) -> None:
    """After a restore the secret is another one: given keys still open, asking gives new ones."""
    node = rig.put("a.jpg", b"x").id
    key = rig.shares.isync_key(rig.anna, node)
    rig.shares = rig.open_shares(b"t" * 32)
    assert rig.shares.open_isync(key).row.id == node
    assert rig.shares.isync_key(rig.anna, node) != key


# --- what both have in common -------------------------------------------------------------------------------------------


def test_the_database_has_no_key(rig: Rig) -> None:
    """S59: who reads the database can open nothing."""
    node = rig.put("a.jpg", b"x").id
    keys = [rig.shares.isync_key(rig.anna, node), rig.shares.add(rig.anna, node, password="correct horse")[1]]
    rig.database.reader().execute("SELECT 1")
    stored = b"".join(path.read_bytes() for path in rig.place.glob("homestow.db*"))
    for key in keys:
        assert key.encode() not in stored
        assert bytes.fromhex(hashlib.sha256(key.encode()).hexdigest()) in stored
    assert b"correct horse" not in stored


def test_rights_of_the_sharer_are_asked_each_time(rig: Rig) -> None:
    """S57: who may not read any more shares nothing any more, and again when it is back."""
    node = rig.put("a.jpg", b"x").id
    keys = [rig.shares.isync_key(rig.ben, node), rig.shares.add(rig.ben, node)[1]]
    assert not any(map(rig.dead, keys))
    rig.roots.set_member(rig.anna, rig.root, "ben", Rights.NONE)
    assert all(map(rig.dead, keys))
    rig.roots.set_member(rig.anna, rig.root, "ben", Rights.READ)
    assert not any(map(rig.dead, keys))
    SqlAccounts(rig.database).remove_account(rig.ben.account)
    assert all(map(rig.dead, keys))


def test_a_deleted_node_is_dead_and_its_name_is_nobodys(rig: Rig) -> None:
    """S62: another file of the name is not opened; a rename changes nothing."""
    node = rig.put("a.jpg", b"x")
    keys = [rig.shares.isync_key(rig.anna, node.id), rig.shares.add(rig.anna, node.id)[1]]
    rig.core.files.move(rig.anna, node.id, rig.top, "b.jpg")
    assert not any(map(rig.dead, keys))
    rig.core.files.delete(rig.anna, node.id)
    rig.put("a.jpg", b"other")
    rig.put("b.jpg", b"other")
    assert all(map(rig.dead, keys))
    rig.core.trashcan.purge(rig.anna, node.id)
    assert rig.shares.sweep() == 2


def test_guessing_is_slowed_down(rig: Rig) -> None:
    """S59: ten wrong keys from an address, then no more; who has a right one is not hurt by it."""
    key = rig.shares.add(rig.anna, rig.put("a.jpg", b"x").id)[1]
    for _ in range(10):
        with pytest.raises(NotFound):
            rig.shares.open("x" * 32, address="203.0.113.9")
    with pytest.raises(TooManyTries):
        rig.shares.open("x" * 32, address="203.0.113.9")
    with pytest.raises(TooManyTries):
        rig.shares.open_isync("x" * 100_000, address="203.0.113.9")
    rig.shares.open(key, address="203.0.113.9")
    with pytest.raises(NotFound):
        rig.shares.open("x" * 32, address="198.51.100.1")


# --- links --------------------------------------------------------------------------------------------------------------


def test_a_link_ends_by_the_servers_clock(rig: Rig) -> None:
    """S66: to the nanosecond."""
    node = rig.put("a.jpg", b"x").id
    key = rig.shares.add(rig.anna, node, expires_ns=rig.clock.ns + 60 * SECOND)[1]
    rig.later(59)
    assert not rig.dead(key)
    rig.later(1)
    assert rig.dead(key)
    assert rig.shares.sweep() == 1
    late, key = rig.shares.add(rig.anna, node, expires_ns=rig.clock.ns)
    assert not late.opens
    assert rig.dead(key)


def test_a_password_is_asked_and_guessing_it_is_slowed_down(rig: Rig) -> None:
    """S69: per link and per address; the right one passes again and again without being counted."""
    key = rig.shares.add(rig.anna, rig.put("a.jpg", b"x").id, password="correct horse")[1]
    with pytest.raises(LoginNeeded):
        rig.shares.open(key, None, "203.0.113.9")
    for _ in range(30):
        rig.shares.open(key, "correct horse", "203.0.113.9")
    for _ in range(10):
        with pytest.raises(LoginFailed):
            rig.shares.open(key, "wrong", "203.0.113.9")
    for address in ("203.0.113.9", "198.51.100.1"):
        with pytest.raises(TooManyTries):
            rig.shares.open(key, "wrong", address)
    rig.shares.open(key, "correct horse", "203.0.113.9")  # known to be right already
    with pytest.raises(WeakPassword):
        rig.shares.add(rig.anna, rig.top, password="short")


def test_a_folders_link_shows_what_is_below_and_nothing_else(rig: Rig) -> None:
    """S61: deep below passes; siblings, what is above, other roots and deleted things do not."""
    folder = rig.folder_node("shared")
    deep = rig.folder_node("deep", folder.id)
    inside, outside = rig.put("in.txt", b"x", deep.id), rig.put("out.txt", b"x")
    key = rig.shares.add(rig.anna, folder.id)[1]
    assert rig.shares.open(key).row.id == folder.id
    for node in (folder.id, deep.id, inside.id):
        assert rig.shares.open(key, below=node).row.id == node
    for other in (outside.id, rig.top, NodeId(99_999)):
        with pytest.raises(NotFound):
            rig.shares.open(key, below=other)
    single = rig.shares.add(rig.anna, inside.id)[1]
    for other in (deep.id, folder.id, outside.id):
        with pytest.raises(NotFound):
            rig.shares.open(single, below=other)
    rig.core.files.delete(rig.anna, inside.id)
    with pytest.raises(NotFound):
        rig.shares.open(key, below=inside.id)
    with pytest.raises(NotFound):
        rig.shares.open_isync(key)


def test_owners_see_every_link_and_may_end_it(rig: Rig) -> None:
    """S63: isync ones too, with maker and last use; others see their own only."""
    node = rig.put("a.jpg", b"x").id
    rig.shares.isync_key(rig.cora, node)
    made, key = rig.shares.add(rig.ben, node, label="for granny")
    rig.shares.open(key)
    seen = rig.shares.list(rig.anna, rig.root)
    assert [(view.owner, view.share.kind, view.share.uses) for view in seen] == [
        ("ben", "link", 1),
        ("cora", "isync", 0),
    ]
    assert [view.share.label for view in rig.shares.list(rig.ben)] == ["for granny"]
    assert rig.shares.list(rig.anna) == []
    with pytest.raises(Forbidden):
        rig.shares.list(rig.ben, rig.root)
    for stranger in (rig.cora, rig.dan):
        with pytest.raises(NotFound):
            rig.shares.remove(stranger, made.share.id)
    rig.shares.remove(rig.anna, made.share.id)
    assert rig.dead(key)
    with pytest.raises(NotFound):
        rig.shares.remove(rig.anna, made.share.id)
