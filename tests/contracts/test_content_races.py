"""Somebody edits the folder in the very moment the server changes it: nothing they wrote is lost, nothing is mistaken for ours."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.content_rigs import KINDS, MemoryRig, Rig, TreeRig, bytes_at, make_rig, names, put

from homestow.server.ports.content import Content, EntryKind
from homestow.values.errors import ContentMissing, PathTaken, StorageFailed

FILE = ("letters", "a.txt")
STAGING = (".homestow", "staging")


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    (tmp_path / "root").mkdir()
    rig = make_rig(request.param, tmp_path / "root", monkeypatch.setattr)
    yield rig
    rig.close()


@pytest.fixture
def store(rig: Rig) -> Content:
    rig.outside.make_folder(("letters",))
    return rig.store


def test_an_edit_of_the_last_moment_is_displaced_not_lost(rig: Rig, store: Content) -> None:
    """What somebody saved between our look and our exchange lies under the key, with its facts told."""
    put(store, FILE, b"known")
    store.stage_small("k2", b"ours")
    rig.steps.at("content.publish.checked", lambda: rig.outside.write(FILE, b"theirs, unknown"))

    done = store.publish("k2", FILE, True, None)

    assert done.displaced is not None
    assert done.displaced.size == len(b"theirs, unknown")
    assert bytes_at(store, FILE) == b"ours"
    assert store.stage("k2").read_at(0, 99) == b"theirs, unknown"


def test_a_name_vanishing_in_the_last_moment_is_free(rig: Rig, store: Content) -> None:
    """Somebody removes what was to be replaced: the new content is published, nothing is displaced."""
    put(store, FILE, b"known")
    store.stage_small("k2", b"ours")
    rig.steps.at("content.publish.checked", lambda: rig.outside.remove(FILE))
    assert store.publish("k2", FILE, True, None).displaced is None
    assert bytes_at(store, FILE) == b"ours"
    assert list(store.staged_keys()) == []


@pytest.mark.parametrize("replace", [False, True])
def test_a_name_taken_in_the_last_moment(rig: Rig, store: Content, replace: bool) -> None:
    """Somebody makes the file that was not there: refused, or displaced where replacing was asked for."""
    store.stage_small("k", b"ours")
    rig.steps.at("content.publish.checked", lambda: rig.outside.write(FILE, b"theirs"))
    if replace:
        assert store.publish("k", FILE, True, None).displaced is not None
        assert store.stage("k").read_at(0, 99) == b"theirs"
        return
    with pytest.raises(PathTaken):
        store.publish("k", FILE, False, None)
    assert bytes_at(store, FILE) == b"theirs"
    assert store.stage("k").read_at(0, 99) == b"ours"


def test_a_folder_made_in_the_last_moment_stays(rig: Rig, store: Content) -> None:
    """A folder with somebody's files is not taken away for a file of ours."""

    def make() -> None:
        rig.outside.remove(FILE)
        rig.outside.make_folder(FILE)
        rig.outside.write((*FILE, "theirs"), b"x")

    put(store, FILE, b"known")
    store.stage_small("k2", b"ours")
    rig.steps.at("content.publish.checked", make)
    with pytest.raises(PathTaken):
        store.publish("k2", FILE, True, None)
    assert bytes_at(store, (*FILE, "theirs")) == b"x"
    assert store.stage("k2").read_at(0, 99) == b"ours"


def test_a_folder_renamed_in_the_last_moment_gets_its_file(rig: Rig, store: Content) -> None:
    """The file lands in the folder it was meant for, under whatever name that has now, and in no other of its old name."""

    def rename() -> None:
        rig.outside.move(("letters",), ("renamed",))
        rig.outside.make_folder(("letters",))

    store.stage_small("k", b"ours")
    rig.steps.at("content.publish.checked", rename)
    store.publish("k", FILE, False, None)
    store.sync_folders([("letters",), ("renamed",), ("gone",)])
    assert names(store, ("renamed",)) == ["a.txt"]
    assert names(store, ("letters",)) == []
    store.stage_small("k", b"next")
    store.publish("k", FILE, False, None)
    assert bytes_at(store, FILE) == b"next"


def test_a_link_put_in_the_way_leads_nowhere(rig: Rig, store: Content) -> None:
    """Swapping the folder for a symlink in the last moment does not redirect the write (S03)."""

    def swap() -> None:
        rig.outside.move(("letters",), ("renamed",))
        rig.outside.make_link(("letters",), "elsewhere")

    rig.outside.make_folder(("elsewhere",))
    store.stage_small("k", b"ours")
    rig.steps.at("content.publish.checked", swap)
    store.publish("k", FILE, False, None)
    assert names(store, ("renamed",)) == ["a.txt"]
    assert names(store, ("elsewhere",)) == []


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("mtime_ns", [None, 1_500_000_000_000_000_000])
def test_an_edit_right_after_is_not_taken_for_ours(
    rig: Rig, store: Content, in_place: bool, mtime_ns: int | None
) -> None:
    """The facts we remember differ from what somebody wrote at once over it, so the next look finds the edit."""
    store.stage_small("k", b"ours")
    rig.steps.at("content.publish", lambda: rig.outside.write(FILE, b"THEY", in_place=in_place))
    done = store.publish("k", FILE, False, mtime_ns)
    assert done.stat.size == 4
    assert done.stat != store.look(FILE)
    if in_place:
        assert done.stat.mtime_ns != getattr(store.look(FILE), "mtime_ns", None)


def test_a_removal_right_after_is_no_failure(rig: Rig, store: Content) -> None:
    """What was published and then removed by somebody was published."""
    store.stage_small("k", b"ours")
    rig.steps.at("content.publish", lambda: rig.outside.remove(FILE))
    assert store.publish("k", FILE, False, None).stat.size == 4
    assert store.look(FILE) is None


def test_moves_and_trash_meet_other_hands(rig: Rig, store: Content) -> None:
    """A target taken or a source gone in the last moment is told, and theirs stays."""
    put(store, FILE, b"x")
    rig.steps.at("content.move.checked", lambda: rig.outside.write(("new",), b"theirs"))
    with pytest.raises(PathTaken):
        store.move(FILE, ("new",))
    rig.steps.at("content.move.checked", lambda: rig.outside.remove(("new",)))
    with pytest.raises(ContentMissing):
        store.move(("new",), ("newer",))
    rig.steps.at("content.keep.checked", lambda: rig.outside.write(FILE, b"theirs"))
    assert store.keep(FILE, "t").size == 6
    rig.steps.at("content.bring_back.checked", lambda: rig.outside.write(FILE, b"again"))
    with pytest.raises(PathTaken):
        store.bring_back("t", FILE)
    assert bytes_at(store, FILE) == b"again"
    assert store.open_kept("t").read_at(0, 99) == b"theirs"


# -- replacing where names cannot be exchanged ------------------------------------------------------------------------


def test_old_content_goes_back_when_the_new_cannot_go_in(rig: Rig, store: Content) -> None:
    """Without exchange the old content is aside for a moment; a failure there puts it back."""
    put(store, FILE, b"old")
    store.stage_small("k2", b"new")
    rig.steps.fail_at("content.publish.aside", errno.EIO)
    if store.facts.exchange:
        assert store.publish("k2", FILE, True, None).displaced is not None
        return
    with pytest.raises(StorageFailed):
        store.publish("k2", FILE, True, None)
    assert bytes_at(store, FILE) == b"old"
    assert store.stage("k2").read_at(0, 99) == b"new"
    assert store.publish("k2", FILE, True, None).displaced is not None
    assert store.stage("k2").read_at(0, 99) == b"old"
    assert list(store.staged_keys()) == ["k2"]


def test_a_place_taken_between_both_renames_loses_nothing(rig: Rig, store: Content) -> None:
    """Without exchange somebody may take the place while it is vacant: theirs stays, the old content is kept."""
    put(store, FILE, b"old")
    store.stage_small("k2", b"new")
    rig.steps.at("content.publish.aside", lambda: rig.outside.write(FILE, b"theirs"))
    if store.facts.exchange:
        return
    with pytest.raises(PathTaken):
        store.publish("k2", FILE, True, None)
    assert bytes_at(store, FILE) == b"theirs"
    (kept,) = store.kept_keys()
    assert store.open_kept(kept).read_at(0, 99) == b"old"
    assert store.stage("k2").read_at(0, 99) == b"new"


def leave_behind(rig: Rig, **files: bytes) -> None:
    """What a crash in the middle of a replace leaves in staging."""
    rig.store.stage_small("made", b"")
    rig.store.drop_staged("made")
    for name, data in files.items():
        rig.outside.write((*STAGING, name.replace("_", ".")), data)


def test_a_crash_before_the_new_content_went_in_is_undone(rig: Rig, store: Content) -> None:
    """The next start puts the old content back to its place, and the new one is staged as before."""
    leave_behind(rig, k=b"new", k_old=b"old", k_at=json.dumps(FILE).encode())
    rig.restart()
    assert bytes_at(rig.store, FILE) == b"old"
    assert rig.store.stage("k").read_at(0, 99) == b"new"
    assert list(rig.store.staged_keys()) == ["k"]
    assert list(rig.store.kept_keys()) == []


def test_a_crash_after_the_new_content_went_in_is_completed(rig: Rig, store: Content) -> None:
    """The next start gives the old content its key, as after a replace that ended."""
    leave_behind(rig, k_old=b"old", k_at=json.dumps(FILE).encode())
    rig.outside.write(FILE, b"new")
    rig.restart()
    assert bytes_at(rig.store, FILE) == b"new"
    assert rig.store.stage("k").read_at(0, 99) == b"old"


@pytest.mark.parametrize("record", [b"", b"{", b"[]", json.dumps(("gone", "a")).encode(), json.dumps(FILE).encode()])
def test_old_content_without_a_place_is_kept(rig: Rig, store: Content, record: bytes) -> None:
    """A lost record, a place taken or a folder gone meanwhile: the old content is kept, never dropped."""
    leave_behind(rig, k=b"new", k_old=b"old", **({"k_at": record} if record else {}))
    rig.outside.write(FILE, b"theirs")
    rig.restart()
    assert bytes_at(rig.store, FILE) == b"theirs"
    (kept,) = rig.store.kept_keys()
    assert rig.store.open_kept(kept).read_at(0, 99) == b"old"
    assert rig.store.stage("k").read_at(0, 99) == b"new"
    rig.restart()
    assert list(rig.store.kept_keys()) == [kept]


def test_the_hidden_area_removed_under_the_server_comes_back(rig: Rig, store: Content) -> None:
    """Somebody removes `.homestow` while the server runs: what was in it is missing, new work goes on."""
    put(store, FILE, b"x")
    store.stage_small("k2", b"y")
    rig.outside.remove((".homestow",))
    assert store.look_staged("k2") is None
    with pytest.raises(ContentMissing):
        store.publish("k2", ("letters", "b"), False, None)
    put(store, ("letters", "b"), b"z", key="k3")
    assert names(store, ("letters",)) == ["a.txt", "b"]


@pytest.mark.parametrize("kind", [EntryKind.LINK, EntryKind.FILE])
def test_a_hidden_name_used_by_somebody_is_told(rig: Rig, store: Content, kind: EntryKind) -> None:
    """A symlink or file of the hidden area's name is never written through or removed (S93)."""
    rig.outside.make_folder(("canary",))
    if kind is EntryKind.LINK:
        rig.outside.make_link((".homestow",), "canary")
    else:
        rig.outside.write((".homestow",), b"")
    with pytest.raises(StorageFailed):
        store.stage("k")
    with pytest.raises(StorageFailed):
        store.stage_small("k", b"x")
    assert names(store, ("canary",)) == []


def test_both_stores_take_the_same_steps(tmp_path: Path) -> None:
    """The twin passes the same named steps as the tree, so a fault planned for one is a fault of the other."""
    seen = []
    for rig in (TreeRig(tmp_path, None), MemoryRig(exchange=True)):
        store = rig.store
        store.make_folder(("letters",))
        put(store, FILE, b"x")
        put(store, FILE, b"y", key="k2", replace=True)
        store.keep_staged("k2", "v")
        store.stage_kept("v", "k3")
        store.drop_staged("k3")
        staged = store.stage("k4")
        staged.write_at(0, b"z")
        staged.sync()
        staged.close()
        store.move(FILE, ("b",))
        store.set_mtime(("b",), 1)
        store.keep(("b",), "t")
        store.bring_back("t", ("b",))
        store.keep(("b",), "t")
        store.drop_kept("t")
        seen.append(rig.steps.seen)
        rig.close()
    assert seen[0] == seen[1]
