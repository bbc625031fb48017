"""What people do on the server's disk becomes ordinary changes of the same nodes, and never a loss."""

import os
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.outside_world import SECOND, World, open_world

from homestow.server.ports.catalogue import new_row, seen_from
from homestow.server.ports.roots import RootState
from homestow.server.rules.matching import match_moves
from homestow.values.errors import StorageFailed
from homestow.values.nodes import Kind


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    with open_world(empty, tmp_path) as world:
        yield world


def test_a_folder_is_adopted_where_it_stands(world: World) -> None:
    """Everything in it becomes nodes, with nothing copied and nothing written among the files."""
    for path in ("a.txt", "d/b.txt", "d/e/c.txt", "empty/.keep", "line\nbreak", "-rf", "Ω/明"):
        world.write(path, path)
    os.symlink("d", world.folder / "link")
    before = sorted(os.listdir(world.folder))

    found = world.rescan()

    assert (found.new, found.edited, found.moved, found.gone, found.skipped) == (12, 0, 0, 0, [])
    assert sorted(os.listdir(world.folder)) == before
    assert world.tree()["d/e/c.txt"].rev == 1
    world.agrees()


def test_a_fresh_file_is_adopted_even_if_just_written(world: World) -> None:
    """The first look takes everything; a change that is still going on is seen by the next."""
    world.write("a", age_s=0)
    assert world.rescan().new == 1
    world.agrees()


def test_only_adopting_makes_no_journal_entries(world: World) -> None:
    """Files put into a root that was there empty are ordinary changes, entry by entry, and wait until they are quiet."""
    world.rescan()
    number = world.catalogue.last()
    world.write("a")
    world.write("busy", age_s=0)
    world.rescan()

    assert world.kinds(number) == ["created a"]


def test_an_edit_in_place_is_a_new_rev(world: World) -> None:
    """Same node, next rev, one journal entry by the system."""
    world.write("a", "one")
    world.rescan()
    node, number = world.ids()["a"], world.catalogue.last()
    world.write("a", "three", age_s=5)

    assert world.rescan().edited == 1

    row = world.tree()["a"]
    assert (row.id, row.rev, row.size) == (node, 2, 5)
    assert world.kinds(number) == ["content a"]
    assert world.catalogue.entries(world.root, number, 1)[0].account == 0
    world.agrees()


def test_saving_by_rename_keeps_the_node(world: World) -> None:
    """Editors write a new file and rename it over: same node, next rev."""
    world.write("a", "one")
    world.rescan()
    node = world.ids()["a"]
    world.save_by_rename("a", "three")
    found = world.rescan()

    assert (found.edited, found.new, found.gone) == (1, 0, 0)
    assert world.ids() == {"a": node}
    world.agrees()


def test_a_backup_copy_does_not_run_away_with_the_node(world: World) -> None:
    """`mv a a~` and a new `a`: the node stays `a`, and `a~` is new."""
    world.write("a", "one")
    world.rescan()
    node = world.ids()["a"]
    world.move("a", "a~")
    world.write("a", "three")
    found = world.rescan()

    assert (found.edited, found.new, found.moved, found.gone) == (1, 1, 0, 0)
    assert world.ids()["a"] == node
    world.agrees()


def test_renames_and_moves_keep_ids(world: World) -> None:
    """A file, and a folder with all in it, are one move each, wherever they went."""
    for path in ("a", "d/b", "d/e/c", "f/g"):
        world.write(path)
    world.rescan()
    ids, number = world.ids(), world.catalogue.last()
    world.move("a", "f/renamed")
    world.move("d", "f/new/d2")
    found = world.rescan()

    assert (found.moved, found.new, found.gone) == (2, 1, 0)
    now = world.ids()
    assert now["f/renamed"] == ids["a"]
    assert (now["f/new/d2"], now["f/new/d2/e/c"]) == (ids["d"], ids["d/e/c"])
    assert sorted(world.kinds(number)) == ["created f/new", "moved f/new/d2", "moved f/renamed"]
    assert all(row.rev <= 1 for row in world.tree().values())
    world.agrees()


def test_a_moved_and_edited_file_is_both(world: World) -> None:
    """Its id stays and its rev grows."""
    world.write("a", "one")
    world.rescan()
    node = world.ids()["a"]
    world.move("a", "d/b")
    world.write("d/b", "three")
    world.rescan()

    row = world.tree()["d/b"]
    assert (row.id, row.rev, row.size) == (node, 2, 5)
    world.agrees()


def test_swaps_and_shifts_follow_the_files(world: World) -> None:
    """a and b swapped, 1..4 renamed to 2..5: no content moved, all ids go along."""
    for name in ("a", "b", "1", "2", "3", "4"):
        world.write(name, name * 3)
    world.rescan()
    ids = world.ids()
    world.move("a", "tmp")
    world.move("b", "a")
    world.move("tmp", "b")
    for number in (4, 3, 2, 1):
        world.move(str(number), str(number + 1))
    found = world.rescan()

    now = world.ids()
    assert (now["a"], now["b"]) == (ids["b"], ids["a"])
    assert [now[str(n + 1)] for n in (1, 2, 3, 4)] == [ids[str(n)] for n in (1, 2, 3, 4)]
    assert (found.moved, found.new, found.edited, found.gone) == (6, 0, 0, 0)
    world.agrees()


def test_swapped_folders_follow_too(world: World) -> None:
    """The folders' ids go with the folders, whatever is in them."""
    for path in ("a/x", "a/same", "b/y", "b/same"):
        world.write(path, path)
    world.rescan()
    ids = world.ids()
    world.move("a", "tmp")
    world.move("b", "a")
    world.move("tmp", "b")
    world.rescan()

    now = world.ids()
    assert (now["a"], now["a/same"], now["b/x"]) == (ids["b"], ids["b/same"], ids["a/x"])
    world.agrees()


def test_a_file_turns_into_a_folder_holding_it(world: World) -> None:
    """`mv a t; mkdir a; mv t a/a`: the place is free when the folder needs it."""
    world.write("a", "one")
    world.rescan()
    node = world.ids()["a"]
    world.move("a", "t")
    world.move("t", "a/a")
    world.rescan()

    assert world.ids()["a/a"] == node
    world.agrees()


def test_replaced_kinds_are_new_nodes(world: World) -> None:
    """A file where a folder was, a link where a file was: the old node is gone, another one is there."""
    world.write("a/b")
    world.write("c")
    world.rescan()
    ids = world.ids()
    world.remove("a")
    world.write("a", "file now")
    world.remove("c")
    os.symlink("a", world.folder / "c")
    world.rescan()

    now = world.tree()
    assert now["a"].id != ids["a"]
    assert (now["c"].kind, now["c"].id != ids["c"]) == ("link", True)
    world.agrees()


def test_deletions_are_told_and_hold_no_bytes(world: World) -> None:
    """A deleted folder is one gone node with nothing kept: its bytes went outside of us, and the trash does not pretend."""
    for path in ("a", "d/b", "d/e/c"):
        world.write(path)
    world.rescan()
    ids, number = world.ids(), world.catalogue.last()
    world.remove("a")
    world.remove("d")
    found = world.rescan()

    assert found.gone == 2
    assert world.kinds(number) == ["trashed -", "trashed -"]
    assert world.catalogue.trash(world.root, 0, 10) == []
    changed, _, _ = world.catalogue.changed(world.root, number, 10)
    assert {row.id for row in changed if row.gone} == {ids["a"], ids["d"]}
    assert world.catalogue.usage([world.root])[world.root].total == 0
    world.agrees()


def test_a_touch_is_no_new_content(world: World) -> None:
    """R26: where the digest is known, equal bytes are only another time; without one the rev grows to be safe."""
    world.write("known")
    world.write("unknown")
    world.rescan()
    from blake3 import blake3

    known = world.tree()["known"]
    with world.catalogue.write() as rows:
        rows.set_digest(known.id, 1, blake3(b"x").digest())
    number = world.catalogue.last()
    world.age("known", 5)
    world.age("unknown", 5)
    world.rescan()

    tree = world.tree()
    assert (tree["known"].rev, tree["unknown"].rev) == (1, 2)
    assert tree["known"].mtime_ns == world.clock.ns - 5 * SECOND
    assert sorted(world.kinds(number)) == ["content unknown", "facts known"]
    world.agrees()


def test_an_edit_that_hides_its_time_is_found(world: World) -> None:
    """Same size, same mtime, other bytes: the change time gives it away where the digest is known."""
    world.write("a", "one")
    world.rescan()
    from blake3 import blake3

    row = world.tree()["a"]
    with world.catalogue.write() as rows:
        rows.set_digest(row.id, 1, blake3(b"one").digest())
    (world.folder / "a").write_text("two")
    os.utime(world.folder / "a", ns=(row.mtime_ns, row.mtime_ns))
    world.rescan()

    assert world.tree()["a"].rev == 2
    assert world.tree()["a"].digest == blake3(b"two").digest()


def test_chmod_is_nothing_people_see(world: World) -> None:
    """Rights on the server's disk are not content: no journal entry, and the next look is quiet."""
    world.write("a")
    world.rescan()
    number = world.catalogue.last()
    (world.folder / "a").chmod(0o600)
    world.rescan()

    assert world.catalogue.last() == number
    world.agrees()


def test_a_file_being_written_is_taken_when_quiet(world: World) -> None:
    """R19: within two seconds of its last write a file waits; nothing else does, and it is not deleted meanwhile."""
    world.write("old", "one")
    world.rescan()
    node = world.ids()["old"]
    world.write("old", "growing", age_s=1)
    world.write("new", "growing", age_s=1)
    world.write("quiet", age_s=3)
    found = world.rescan()

    assert set(world.tree()) == {"old", "quiet"}
    assert (world.tree()["old"].rev, found.later) == (1, {()})
    world.clock.ns += 2 * SECOND
    found = world.look("")
    assert (found.edited, found.new, found.later) == (1, 1, set())
    assert world.ids()["old"] == node
    world.agrees()


def test_a_moved_file_being_written_keeps_its_id(world: World) -> None:
    """Renamed and written at once: it waits where it was, and arrives with its id."""
    world.write("a", "one")
    world.rescan()
    node = world.ids()["a"]
    world.move("a", "b")
    world.write("b", "growing", age_s=0)
    world.rescan()
    assert world.ids() == {"a": node}
    world.clock.ns += 2 * SECOND
    world.rescan()
    assert world.ids() == {"b": node}
    world.agrees()


def test_the_same_bytes_are_the_same_node(world: World) -> None:
    """A move between disks makes a new inode: size and digest still tell who it is."""
    world.write("a", "some longer content")
    world.rescan()
    from blake3 import blake3

    row = world.tree()["a"]
    with world.catalogue.write() as rows:
        rows.set_digest(row.id, 1, blake3(b"some longer content").digest())
    world.write("d/elsewhere", "some longer content")
    world.remove("a")
    world.rescan()

    assert world.ids()["d/elsewhere"] == row.id
    world.agrees()


def test_hard_links_are_files_of_their_own(world: World) -> None:
    """Two names of one inode: two nodes, and moving one does not confuse the other."""
    world.write("a", "one")
    os.link(world.folder / "a", world.folder / "b")
    world.rescan()
    ids = world.ids()
    world.move("b", "d/c")
    world.rescan()

    assert world.ids()["a"] == ids["a"]
    world.agrees()


def test_what_cannot_be_a_node_is_told_and_harms_nothing(world: World) -> None:
    """R16: pipes, names that are no text; their siblings are taken, and a file that became a pipe is not deleted."""
    world.write("a")
    world.write("b")
    world.rescan()
    os.mkfifo(world.folder / "pipe")
    (world.folder / os.fsdecode(b"\xff\xfe")).write_text("x")
    world.remove("b")
    os.mkfifo(world.folder / "b")
    world.write("c")
    found = world.rescan()

    assert set(world.tree()) == {"a", "b", "c"}
    assert len(found.skipped) == 3
    assert any("pipe: it is neither file, folder nor link" in line for line in found.skipped)


def test_names_equal_after_composition_are_two_nodes(world: World) -> None:
    """R15: both spellings on disk are shown, the second numbered, and both can be found again."""
    composed, apart = unicodedata.normalize("NFC", "é.txt"), unicodedata.normalize("NFD", "é.txt")
    world.write(composed, "1")
    world.write(apart, "22")
    world.rescan()

    tree = world.tree()
    assert set(tree) == {composed, unicodedata.normalize("NFC", "é (2).txt")}
    assert world.rescan().changes == 0
    world.move(apart, "other.txt")
    world.rescan()
    assert len(world.tree()) == 2
    assert world.rescan().changes == 0


def test_a_folder_that_cannot_be_listed_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """R17: a failed listing is no deletion; what else changed is recorded."""
    world.write("d/a")
    world.write("b")
    world.rescan()
    world.write("c")
    store = world.roots.get(world.root)
    listing = type(store).list_folder

    def fails(self: object, at: tuple[str, ...]) -> object:
        if at == ("d",):
            raise StorageFailed("The disk says: Input/output error.")
        return listing(store, at)

    monkeypatch.setattr(type(store), "list_folder", fails)
    found = world.rescan()

    assert set(world.tree()) == {"d", "d/a", "b", "c"}
    assert found.skipped == ["d: The disk says: Input/output error."]


def test_a_missing_root_is_away_and_comes_back(world: World) -> None:
    """P10: folder gone or another empty one in its place deletes nothing; the same folder back goes on."""
    world.write("a")
    world.write("d/b")
    world.rescan()
    ids = world.ids()
    away = world.folder.with_name("away")
    world.folder.rename(away)
    assert world.rescan().away
    assert world.rescan().away
    world.folder.mkdir()
    assert world.rescan().away
    assert world.ids() == ids
    world.folder.rmdir()
    away.rename(world.folder)
    world.write("c")
    found = world.rescan()

    assert (found.away, found.new, found.gone) == (False, 1, 0)
    world.agrees()


def test_a_root_without_its_marker_is_away(world: World) -> None:
    """P10: our hidden folder was there and is not: another disk is mounted, even with files of the same names."""
    world.write("a")
    store = world.roots.get(world.root)
    store.stage_small("x", b"")
    store.drop_staged("x")
    world.rescan()
    away = world.folder.with_name("away")
    world.folder.rename(away)
    world.write("a", "other disk")
    assert world.rescan().away
    assert world.tree()["a"].rev == 1
    world.roots.add("tree", str(world.folder), [])
    assert not world.rescan().away
    assert world.tree()["a"].rev == 2


def test_an_empty_mount_point_inside_deletes_nothing(world: World) -> None:
    """P10: a folder that is suddenly another, empty one is a disk that is not mounted."""
    world.write("disk/a")
    world.rescan()
    world.move("disk", "../unmounted")
    (world.folder / "disk").mkdir()
    found = world.rescan()

    assert "disk/a" in world.tree()
    assert "not mounted" in found.skipped[0]


def test_an_emptied_folder_is_emptied(world: World) -> None:
    """The same folder without its files: these were deleted."""
    world.write("d/a")
    world.write("d/b")
    world.rescan()
    world.remove("d/a")
    world.remove("d/b")
    assert world.rescan().gone == 2
    assert set(world.tree()) == {"d"}


def test_hints_look_only_where_they_point(world: World) -> None:
    """A hinted folder is compared, with all that is new in it; others wait for their hint or the next full look."""
    world.write("d/a")
    world.write("e/b")
    world.rescan()
    world.write("d/new/deep/c")
    world.write("e/other")
    found = world.look("d")

    assert set(world.tree()) == {"d", "d/a", "d/new", "d/new/deep", "d/new/deep/c", "e", "e/b"}
    assert found.new == 3
    assert world.look("d/new/deep/unknown", "e").new == 1
    world.agrees()


def test_hints_below_a_folder_that_moved_are_followed(world: World) -> None:
    """What changed below a folder after it was moved is found, though the folder is known at its old place until the look."""
    world.write("d/x/y/a", "1")
    world.write("e/b")
    world.rescan()
    node = world.ids()["d/x/y/a"]
    world.move("d", "e/f")
    world.write("e/f/x/y/a", "22")
    world.write("e/f/x/new/c")
    hinted = ["", "e", "e/f", "e/f/x", "e/f/x/y", "d/x/y"]
    found = world.look(*hinted)
    assert found.moved == 1
    assert found.gone == 0
    world.look(*("/".join(at) for at in found.later))

    assert world.ids()["e/f/x/y/a"] == node
    world.agrees()


def test_a_move_is_seen_from_its_target_alone(world: World) -> None:
    """The hint of the source may come later: the node has moved, and then nothing is left to do."""
    world.write("d/a")
    world.write("e/b")
    world.rescan()
    node = world.ids()["d/a"]
    world.move("d/a", "e/a")
    assert world.look("e").moved == 1
    assert world.ids()["e/a"] == node
    assert world.look("d").changes == 0
    world.agrees()


def test_what_the_server_did_meanwhile_is_not_undone(world: World) -> None:
    """A listing that is older than a change of ours does not turn it back: the folder is looked at again."""
    world.write("a", "one")
    world.rescan()
    world.write("a", "three")
    run = world.committer.run

    def edit_first(work: object) -> object:
        row = world.tree()["a"]
        with world.catalogue.write() as rows:
            rows.set_content(row.id, 7, rows.note([]), 3, 0, None, row.seen)
        world.committer.run = run  # type: ignore[method-assign]
        return run(work)  # type: ignore[arg-type]

    world.committer.run = edit_first  # type: ignore[method-assign, assignment]
    found = world.rescan()

    assert (found.edited, found.later, world.tree()["a"].rev) == (0, {()}, 7)


def test_a_file_put_into_a_root_while_it_is_adopted_is_kept(world: World) -> None:
    """What somebody uploaded in the middle stays what it is, and everything else is adopted all the same."""
    world.write("a")
    world.write("d/b")
    run = world.committer.run

    def put_first(work: object) -> object:
        world.committer.run = run  # type: ignore[method-assign]
        top = world.catalogue.top(world.root)
        assert top is not None
        stat = world.roots.get(world.root).look(("a",))
        assert stat is not None
        with world.catalogue.write() as rows:
            row = new_row(rows.take_ids(1), world.root, top.id, "a", Kind.FILE, rows.take_numbers(1, [top.id]), rev=1, size=1,
                          mtime_ns=stat.mtime_ns, seen=seen_from(stat))  # fmt: skip
            rows.add([row])
            rows.charge(world.root, live=1, files=1, entries=1)
        return run(work)  # type: ignore[arg-type]

    world.committer.run = put_first  # type: ignore[method-assign, assignment]
    found = world.rescan()

    assert (found.new, set(world.tree())) == (2, {"a", "d", "d/b"})
    world.agrees()


def test_a_failing_database_does_not_send_a_root_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the root's own folder decides whether it is there."""
    world.write("a")

    def fails(work: object) -> object:
        raise StorageFailed("The database failed.")

    monkeypatch.setattr(world.committer, "run", fails)
    with pytest.raises(StorageFailed, match="The database failed"):
        world.rescan()
    assert world.root_rows.roots()[0].state is RootState.PRESENT


def test_comparisons_of_one_root_wait_for_each_other(world: World) -> None:
    """Four at once over the same new folder find everything exactly once."""
    for number in range(300):
        world.write(f"d{number % 7}/{number}")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(world.rescan().new)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [0, 0, 0, 307]
    world.agrees()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "save", "move", "remove", "mkdir", "swap", "look"]),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=25,
)
NAMES = ["a", "b", "c", "d/a", "d/b", "d/e/a", "d/e", "d", "f", "f/a"]


@given(steps=OPERATIONS)
def test_whatever_was_done_the_catalogue_ends_equal(
    empty: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """Any sequence of changes, with looks in between: in the end the catalogue shows the disk and a second look is quiet."""
    with open_world(empty, tmp_path_factory.mktemp("any")) as world:
        for number, (what, first, second) in enumerate(steps):
            world.clock.ns += 3 * SECOND
            one, other = NAMES[first], NAMES[second]
            try:
                if what == "write":
                    world.write(one, "x" * number)
                elif what == "save":
                    world.save_by_rename(one, "y" * number)
                elif what == "move":
                    world.move(one, other)
                elif what == "remove":
                    world.remove(one)
                elif what == "mkdir":
                    (world.folder / one).mkdir(parents=True)
                elif what == "swap":
                    world.move(one, "swap")
                    world.move(other, one)
                    world.move("swap", other)
                else:
                    world.look("", "d") if first % 2 else world.rescan()
            except OSError:
                continue
        world.clock.ns += 3 * SECOND
        world.rescan()
        world.agrees()


@given(st.dictionaries(st.integers(0, 7), st.integers(0, 7)), st.permutations(range(8)))
def test_matching_gives_each_node_one_place(taken: dict[int, int], rows: list[int]) -> None:
    """Every chosen move was wanted, no node is chosen twice, and no node stays where another one moves in."""
    unique = {entry: row for row, entry in {row: entry for entry, row in taken.items()}.items()}
    wants = {entry: rows[entry] for entry in range(8) if unique.get(entry) != rows[entry]}
    moves = match_moves(unique, wants)

    assert all(wants[entry] == row for entry, row in moves.items())
    stays = {row for entry, row in unique.items() if entry not in moves}
    assert stays.isdisjoint(moves.values())
