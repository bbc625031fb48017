"""What a job tells of its deeds: one for each thing it did, with places as people know them."""

from tests.unit.sync_rig import Computer, at, settle, two

from homestow.client.running.deeds import Deed, Did

LARGE = "large " * 100_000


def heard(computer: Computer) -> list[Deed]:
    """What the computer did since this was asked last, in the order of paths."""
    deeds = sorted(computer.deeds)
    computer.deeds.clear()
    return deeds


def test_new_things_are_told_on_both_sides() -> None:
    """Each file and folder is told once, small files in packs and large ones alike, with its size."""
    _, one, other = two()
    one.disk.mkdir(at("d"))
    one.write("d/small", "1")
    one.write("large", LARGE)

    settle(one, other)

    assert heard(one) == [
        Deed(Did.MKDIR, False, "d", folder=True),
        Deed(Did.UPLOAD, False, "d/small", size=1),
        Deed(Did.UPLOAD, False, "large", size=len(LARGE)),
    ]
    assert heard(other) == [
        Deed(Did.DOWNLOAD, True, "d/small", size=1),
        Deed(Did.DOWNLOAD, True, "large", size=len(LARGE)),
        Deed(Did.MKDIR, True, "d", folder=True),
    ]
    settle(one, other)
    assert (heard(one), heard(other)) == ([], [])


def test_new_contents_moves_and_deletes_are_told() -> None:
    """A move says from where to where; of a deleted folder all is told that was taken from a disk, on the server the folder."""
    _, one, other = two()
    one.disk.mkdir(at("d"))
    one.write("d/a", "1")
    one.write("b", "1")
    one.write("c", "1")
    settle(one, other)
    heard(one), heard(other)

    one.write("b", "22")
    one.disk.rename(at("c"), at("d/e"))
    settle(one, other)

    assert heard(one) == [Deed(Did.MOVE, False, "c", "d/e"), Deed(Did.UPLOAD, False, "b", size=2)]
    assert heard(other) == [Deed(Did.DOWNLOAD, True, "b", size=2), Deed(Did.MOVE, True, "c", "d/e")]

    one.disk.remove(at("d/a"))
    one.disk.remove(at("d/e"))
    one.disk.rmdir(at("d"))
    settle(one, other)

    assert heard(one) == [Deed(Did.DELETE, False, "d", folder=True)]
    assert heard(other) == [
        Deed(Did.DELETE, True, "d", folder=True),
        Deed(Did.DELETE, True, "d/a"),
        Deed(Did.DELETE, True, "d/e"),
    ]


def test_a_conflict_copy_is_told_with_both_names() -> None:
    """R4: the deed says which file it is about, and where the copy is."""
    _, one, other = two()
    one.write("f.txt", "1")
    settle(one, other)
    one.write("f.txt", "by one")
    other.write("f.txt", "by other")
    heard(other)

    settle(one, other)

    (copy,) = [path for path in other.files() if "conflict" in path]
    assert Deed(Did.CONFLICT, True, "f.txt", copy) in other.deeds
    assert Deed(Did.UPLOAD, False, copy, size=8) in other.deeds


def test_a_file_beside_a_folder_of_its_name_is_told_as_a_conflict() -> None:
    """R14: the file comes under a conflict name; the deeds say that it came and whose name it wanted."""
    _, one, other = two()
    one.write("n", "file")
    other.disk.mkdir(at("n"))

    one.sync()
    other.sync()

    (copy,) = [path for path in other.files() if "conflict" in path]
    assert Deed(Did.CONFLICT, True, "n", copy) in other.deeds
    assert Deed(Did.DOWNLOAD, True, copy, size=4) in other.deeds
