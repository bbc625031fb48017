"""What a look at the disk is taken for: renames, safe-saves, swaps, links, spellings, and folders that cannot be read."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.planner_model import TOP
from tests.unit.test_planner_rules import FOLDER, Case

from homestow.client.engine.rules import PLAIN_DISK
from homestow.client.engine.seen import LocalPath, Seen, SeenKind, Stamp, TreeFacts
from homestow.client.engine.sightings import PRIVATE_NAME, Scan, Sightings
from homestow.client.engine.trees import Trees, local_of

FILE, FOLDER_KIND, LINK, OTHER = SeenKind.FILE, SeenKind.FOLDER, SeenKind.LINK, SeenKind.OTHER
NO_INODES = TreeFacts(folds_case=False, normalises=False, stable_inodes=False, mtime_step_ns=1)


class Disk:
    """What a scan is shown: entries by path, at first just what the trees show."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.entries: dict[LocalPath, Seen] = {}
        self.unreadable: set[LocalPath] = set()
        self._inode = 500_000
        for item in trees.all_here(trees.top):
            path, mine = trees.path_here(item), trees.here(item)
            assert path is not None
            assert mine is not None
            self.entries[path] = Seen(path[-1], FOLDER_KIND if mine.folder else FILE, mine.stamp)

    def new_inode(self) -> int:
        self._inode += 1
        return self._inode

    def put(self, path: str, kind: SeenKind = FILE, size: int = 9, inode: int = 0, mtime_ns: int = 9) -> None:
        where = tuple(path.split("/"))
        self.entries[where] = Seen(where[-1], kind, Stamp(size, mtime_ns, self.new_inode(), inode or self.new_inode()))

    def move(self, old: str, new: str) -> None:
        source, target = tuple(old.split("/")), tuple(new.split("/"))
        for path in [path for path in self.entries if path[: len(source)] == source]:
            seen = self.entries.pop(path)
            where = (*target, *path[len(source) :])
            stamp = seen.stamp._replace(ctime_ns=self.new_inode()) if path == source else seen.stamp
            self.entries[where] = Seen(where[-1], seen.kind, stamp)

    def remove(self, path: str) -> None:
        gone = tuple(path.split("/"))
        for one in [one for one in self.entries if one[: len(gone)] == gone]:
            del self.entries[one]

    def scan(self, facts: TreeFacts = PLAIN_DISK, folders: list[tuple[int, LocalPath]] | None = None) -> Sightings:
        scan = Scan(self.trees, facts, folders)
        while (upcoming := scan.next()) is not None:
            folder, path = upcoming
            if path in self.unreadable:
                scan.failed(folder, path, "unreadable-folder", "no rights")
            else:
                scan.take(folder, path, [seen for where, seen in self.entries.items() if where[:-1] == path])
        found = scan.finish()
        scan.apply(found)
        return found


def shown(trees: Trees) -> dict[str, int]:
    """Paths here with their ids."""
    return {"/".join(trees.path_here(item) or ()): item for item in trees.all_here(trees.top)}


def drawn(**tree: str | None) -> tuple[Case, Disk]:
    case = Case({path.replace("__", "/"): token for path, token in tree.items()})
    return case, Disk(case.trees)


def test_nothing_changed() -> None:
    """P5: a scan of a disk that is as it was says nothing."""
    _, disk = drawn(D=FOLDER, D__a="1", b="2")
    found = disk.scan()

    assert found.updates == {}
    assert not disk.trees.differing()


def test_new_and_gone() -> None:
    """New files and folders get new ids; what is missing is gone, with all below."""
    _, disk = drawn(D=FOLDER, D__a="1", b="2")
    before = shown(disk.trees)
    disk.remove("D")
    disk.put("E", FOLDER_KIND)
    disk.put("E/n")
    disk.scan()

    after = shown(disk.trees)
    assert after.keys() == {"b", "E", "E/n"}
    assert after["E"] < 0
    assert after["E/n"] < 0
    assert disk.trees.here(before["D/a"]) is None


def test_folder_rename_is_one_change() -> None:
    """SC-068: only the folder's own place differs, whatever it holds."""
    _, disk = drawn(D=FOLDER, D__x=FOLDER, D__x__a="1", D__b="2")
    before = shown(disk.trees)
    disk.move("D", "E")
    found = disk.scan()

    assert list(found.updates) == [before["D"]]
    assert shown(disk.trees)["E/x/a"] == before["D/x/a"]


def test_rename_of_folder_and_content_together() -> None:
    """SC-082, and a file that left a folder that is gone (SC-101)."""
    _, disk = drawn(D=FOLDER, D__a="1", G=FOLDER, G__b="2", G__c="3")
    before = shown(disk.trees)
    disk.move("D", "E")
    disk.move("E/a", "E/z")
    disk.move("G/b", "b")
    disk.remove("G")
    disk.scan()

    assert shown(disk.trees) == {"E": before["D"], "E/z": before["D/a"], "b": before["G/b"]}


def test_inverted_folders() -> None:
    """SC-086: P/Q becomes Q/P."""
    _, disk = drawn(P=FOLDER, P__Q=FOLDER, P__f="1", P__Q__g="2")
    before = shown(disk.trees)
    disk.move("P/Q", "Q")
    disk.move("P", "Q/P")
    disk.scan()

    assert shown(disk.trees) == {
        "Q": before["P/Q"], "Q/P": before["P"], "Q/P/f": before["P/f"], "Q/g": before["P/Q/g"],
    }  # fmt: skip


def test_swaps_keep_identity() -> None:
    """SC-077, SC-079: files and folders that changed names are still themselves."""
    _, disk = drawn(a="1", b="2", D=FOLDER, D__x="3", E=FOLDER)
    before = shown(disk.trees)
    for one, other in (("a", "b"), ("D", "E")):
        disk.move(one, "t")
        disk.move(other, one)
        disk.move("t", other)
    disk.scan()

    assert shown(disk.trees) == {
        "a": before["b"], "b": before["a"], "D": before["E"], "E": before["D"], "E/x": before["D/x"],
    }  # fmt: skip


def test_safe_save_is_the_same_item() -> None:
    """SC-014, SC-175, SC-176: a new file in the old one's place is the old one with new content."""
    _, disk = drawn(f="1")
    before = shown(disk.trees)
    disk.put("f")
    disk.scan()

    assert shown(disk.trees) == before
    mine = disk.trees.here(before["f"])
    assert mine is not None
    assert mine.digest is None


def test_backup_beside_a_safe_save_is_new() -> None:
    """An editor that renames f to f~ and writes f anew: f is the item, f~ is new."""
    _, disk = drawn(f="1")
    before = shown(disk.trees)
    disk.move("f", "f~")
    disk.put("f")
    disk.scan()

    after = shown(disk.trees)
    assert after["f"] == before["f"]
    assert after["f~"] < 0


def test_safe_save_over_a_temporary_that_was_seen() -> None:
    """A temporary file that an earlier scan met does not take the item's identity when it is renamed over it."""
    _, disk = drawn(f="1")
    before = shown(disk.trees)
    disk.put("f.tmp")
    disk.scan()
    disk.move("f.tmp", "f")
    disk.scan()

    assert shown(disk.trees) == before


def test_move_over_another_file() -> None:
    """SC-100: the moved one takes the place, the other one is gone."""
    _, disk = drawn(a="1", b="2")
    before = shown(disk.trees)
    disk.remove("b")
    disk.move("a", "b")
    disk.scan()

    assert shown(disk.trees) == {"b": before["a"]}
    assert disk.trees.here(before["b"]) is None


def test_edit_after_move() -> None:
    """SC-069: the inode tells that it is the same file, moved and edited."""
    _, disk = drawn(a="1")
    before = shown(disk.trees)
    inode = disk.entries["a",].stamp.inode
    disk.remove("a")
    disk.put("b", inode=inode, size=77)
    disk.scan()

    assert shown(disk.trees) == {"b": before["a"]}


def test_second_link_to_one_file_is_a_new_item() -> None:
    """A hard link shows one inode at two names: the known name keeps the item."""
    _, disk = drawn(a="1")
    before = shown(disk.trees)
    disk.put("b", inode=disk.entries["a",].stamp.inode)
    disk.scan()

    after = shown(disk.trees)
    assert after["a"] == before["a"]
    assert after["b"] < 0


def test_without_inodes_size_and_time_tell() -> None:
    """Where inodes mean nothing, a file of the same size and time is found again, if it is the only one."""
    case = Case({"a": "12345", "b": "678"})
    for path, time in (("a", 100), ("b", 200)):
        item = case.item(path, here=True)
        base = case.trees.synced[item]
        case.trees.set_synced(item, base._replace(local_mtime_ns=time, inode=0))
        case.trees.set_here(item, local_of(case.trees.synced[item]))
    disk = Disk(case.trees)
    before = shown(case.trees)
    disk.remove("a")
    disk.entries["z",] = Seen("z", FILE, Stamp(5, 100, 0, 0))
    disk.scan(NO_INODES)

    assert shown(case.trees) == {"z": before["a"], "b": before["b"]}


def test_type_changes_are_other_items() -> None:
    """SC-104, SC-105: a folder in a file's place is a new item, and the other way round."""
    _, disk = drawn(f="1", D=FOLDER, D__a="2")
    disk.remove("f")
    disk.remove("D")
    disk.put("f", FOLDER_KIND)
    disk.put("f/x")
    disk.put("D")
    disk.scan()

    assert {path: item < 0 for path, item in shown(disk.trees).items()} == {"f": True, "f/x": True, "D": True}


def test_what_became_a_link_is_held() -> None:
    """SC-110, SC-111: neither the file nor the folder counts as deleted."""
    _, disk = drawn(f="1", D=FOLDER, D__a="2")
    before = shown(disk.trees)
    disk.remove("f")
    disk.remove("D")
    disk.put("f", LINK)
    disk.put("D", LINK)
    found = disk.scan()

    assert shown(disk.trees) == before
    assert {item for _, item in found.held_items_in} == {before["f"], before["D"]}
    assert {held.code for _, held in found.held_in} == {"became-link"}


def test_what_cannot_be_synced_is_told() -> None:
    """R16: pipes, links, names that are no text and our own names get a reason and no item."""
    _, disk = drawn(a="1")
    before = shown(disk.trees)
    for name, kind in (("pipe", OTHER), ("link", LINK), ("bad\udcff", FILE), (".homestow", FOLDER_KIND)):
        disk.put(name, kind)
    disk.put(PRIVATE_NAME, FOLDER_KIND)
    found = disk.scan()

    assert shown(disk.trees) == before
    assert sorted(held.code for _, held in found.held_in) == [
        "bad-name", "link", "reserved-name", "reserved-name", "special-file",
    ]  # fmt: skip


def test_unreadable_folder_stays_as_it_was() -> None:
    """R17: what cannot be listed is not gone; its neighbours are looked at."""
    _, disk = drawn(D=FOLDER, D__a="1", b="2")
    before = shown(disk.trees)
    disk.remove("D/a")
    disk.remove("b")
    disk.unreadable.add(("D",))
    found = disk.scan()

    assert shown(disk.trees) == {path: item for path, item in before.items() if path != "b"}
    assert [(folder, held.path) for folder, held in found.held_in] == [(before["D"], ("D",))]


def test_other_spelling_is_the_same_name() -> None:
    """SC-115, SC-117: a disk that shows another Unicode form shows the same item."""
    case = Case({"\u00e9": "1"})
    disk = Disk(case.trees)
    before = shown(case.trees)
    seen = disk.entries.pop(("\u00e9",))
    disk.entries["e\u0301",] = Seen("e\u0301", FILE, seen.stamp)
    disk.scan()

    item = before["\u00e9"]
    mine = case.trees.here(item)
    assert mine is not None
    assert (mine.name, mine.disk) == ("\u00e9", "e\u0301")
    case.model.converge()
    assert case.model.steps == []
    assert not case.trees.differing()


def test_hinted_folders_only() -> None:
    """A look at two folders finds a move between them and leaves the rest alone."""
    _, disk = drawn(D=FOLDER, D__a="1", E=FOLDER, F=FOLDER, F__x="2")
    before = shown(disk.trees)
    disk.move("D/a", "E/a")
    disk.remove("F/x")
    disk.scan(folders=[(before["D"], ("D",)), (before["E"], ("E",))])

    after = shown(disk.trees)
    assert after["E/a"] == before["D/a"]
    assert after["F/x"] == before["F/x"]


_PATHS = st.sampled_from(["a", "b", "D", "D/a", "D/b", "D/E", "D/E/a", "G", "G/a"])


@given(st.lists(st.tuples(st.sampled_from(["move", "remove", "put", "mkdir"]), _PATHS, _PATHS), max_size=12))
def test_after_a_scan_the_trees_show_the_disk(ops: list[tuple[str, str, str]]) -> None:
    """Whatever happened, after one scan the local tree is the disk, and a second scan says nothing."""
    _, disk = drawn(a="1", b="2", D=FOLDER, D__a="3", D__E=FOLDER, D__E__a="4")
    for op, one, other in ops:
        parent = tuple(one.split("/"))[:-1]
        has_parent = not parent or (parent in disk.entries and disk.entries[parent].kind is FOLDER_KIND)
        path, target = tuple(one.split("/")), tuple(other.split("/"))
        if op == "remove":
            disk.remove(one)
        elif op == "put" and has_parent and (path not in disk.entries or disk.entries[path].kind is FILE):
            disk.put(one)
        elif op == "mkdir" and has_parent and path not in disk.entries:
            disk.put(one, FOLDER_KIND, size=0)
        elif op == "move" and path in disk.entries and target not in disk.entries and target[: len(path)] != path:
            above = target[:-1]
            if not above or (above in disk.entries and disk.entries[above].kind is FOLDER_KIND):
                disk.move(one, other)
    disk.scan()

    trees = disk.trees
    assert {trees.path_here(item) for item in trees.all_here(TOP)} == set(disk.entries)
    for item in trees.all_here(TOP):
        mine, where = trees.here(item), trees.path_here(item)
        assert mine is not None
        assert where is not None
        seen = disk.entries[where]
        assert mine.folder == (seen.kind is FOLDER_KIND)
        assert mine.inode == seen.stamp.inode
        assert mine.folder or mine.stamp == seen.stamp
    assert disk.scan().updates == {}


def test_what_was_listed_in_a_folder_that_went_is_not_taken_for_there() -> None:
    """The folder goes between its own listing and that of the one above: a file that had just come into it stays known where
    it was, and is missed there by the next look; nothing is left in a folder that is no more."""
    case = Case({"D": None, "f": "1"})
    trees, folder = case.trees, case.item("D", here=True)
    disk = Disk(trees)
    disk.move("f", "D/f")
    scan = Scan(trees, PLAIN_DISK, [(TOP, ()), (folder, ("D",))])
    listing = [seen for where, seen in disk.entries.items() if where[:-1] == ("D",)]
    while (upcoming := scan.next()) is not None:
        scan.take(*upcoming, listing if upcoming[1] else [])
    scan.apply(scan.finish())
    assert not trees.is_here(folder)
    assert all(mine is None or mine.parent == TOP for mine in trees.local.values())
