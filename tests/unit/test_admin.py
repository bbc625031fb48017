"""Administration orders: what they do, what they say, and who may give them."""

import errno
import os
from pathlib import Path

import msgspec
import pytest
from tests.unit.keeping_world import House
from tests.unit.outside_world import SECOND

from homestow.server.adapters import disk_calls
from homestow.server.rules.access import Principal
from homestow.server.service import admin
from homestow.server.service.admin import OPERATOR
from homestow.server.service.uploads import Begin
from homestow.values.errors import (
    BadRequest,
    Forbidden,
    LoginFailed,
    LoginNeeded,
    NotFound,
    StorageFailed,
    WeakPassword,
)
from homestow.wire.api import Order

PASSWORD = "correct horse"


def test_every_order_is_described(house: House) -> None:
    """The list in the module is the list of orders."""
    assert admin.__doc__ is not None
    for name in house.keeping.admin._orders:
        assert f"    {name} {{" in admin.__doc__, name


def test_a_user_is_added_with_an_own_root(house: House) -> None:
    """With its folder told; `no_root` leaves it out; short passwords are refused."""
    assert house.data_of("user.add", name="Bert", password=PASSWORD, admin=True) == {
        "user": "Bert", "root": "Bert", "folder": str(house.data / "files" / "Bert"),
    }  # fmt: skip
    assert house.data_of("user.add", name="carl", password=PASSWORD, no_root=True) == {"user": "carl", "root": None}
    with pytest.raises(WeakPassword):
        house.order("user.add", name="dora", password="short")
    assert house.data_of("user.list") == [
        {"name": "anna", "admin": False, "used": 0, "quota": None},
        {"name": "Bert", "admin": True, "used": 0, "quota": None},
        {"name": "carl", "admin": False, "used": 0, "quota": None},
    ]
    assert [root["name"] for root in roots(house)] == ["tree", "Bert"]


def roots(house: House) -> list[dict[str, object]]:
    return msgspec.json.decode(house.order("root.list").data, type=list[dict[str, object]])


def test_a_removed_user_is_out_and_the_files_stay(house: House) -> None:
    """S49: the token ends at once; the outcome says where the files are and what can be done with them."""
    house.order("user.add", name="bert", password=PASSWORD)
    token = house.accounts.log_in("bert", PASSWORD, "phone", "").token
    file = house.data / "files" / "bert" / "a.txt"
    file.write_text("precious")
    outcome = house.order("user.remove", name="bert")

    with pytest.raises(LoginNeeded):
        house.accounts.check(token)
    assert file.read_text() == "precious"
    assert "Its files stay: root bert in " in outcome.lines[1]
    house.order("root.member", name="bert", user="anna", rights="write")
    assert {"anna": "write"} in [root["members"] for root in roots(house)]


def test_a_password_is_set_by_the_operator(house: House) -> None:
    """The old one and all tokens end."""
    token = house.accounts.log_in("anna", PASSWORD, "phone", "").token
    house.order("user.passwd", name="anna", password="another password")
    with pytest.raises(LoginNeeded):
        house.accounts.check(token)
    with pytest.raises(LoginFailed):
        house.accounts.log_in("anna", PASSWORD, "phone", "")
    house.accounts.log_in("anna", "another password", "phone", "")


def test_a_folder_is_adopted_with_members(house: House, tmp_path: Path) -> None:
    """Counts and what was left out are told; rights are read, write, own or none."""
    (tmp_path / "photos" / "2026").mkdir(parents=True)
    (tmp_path / "photos" / "2026" / "a.jpg").write_text("x")
    house.order("user.add", name="bert", password=PASSWORD)
    outcome = house.order("root.add", name="Photos", path=str(tmp_path / "photos"), members=["anna", "bert:read"])

    assert outcome.lines == [
        f"Photos: {tmp_path / 'photos'} is shared; 2 files and folders in it, nothing copied or changed."
    ]
    assert roots(house)[-1]["members"] == {"anna": "write", "bert": "read"}
    house.order("root.member", name="Photos", user="bert", rights="none")
    assert roots(house)[-1]["members"] == {"anna": "write"}
    with pytest.raises(BadRequest, match="Rights are none, read, write, own"):
        house.order("root.member", name="Photos", user="bert", rights="all")
    outcome = house.order("root.remove", name="Photos")
    assert "homestow root add 'Photos'" in outcome.lines[1]
    assert (tmp_path / "photos" / "2026" / "a.jpg").exists()


def test_the_trash_is_listed_restored_and_emptied(house: House) -> None:
    """Paths begin with the root's name; of two things of one path the newest comes back."""
    for text in (b"one", b"two"):
        house.put("d/a.txt", text)
        house.delete("d/a.txt")
    assert [item["path"] for item in msgspec.json.decode(house.order("trash.list").data)] == ["tree/d/a.txt"] * 2
    assert house.order("trash.restore", path="tree/d/a.txt").lines == ["tree/d/a.txt is back."]
    assert (house.folder / "d" / "a.txt").read_bytes() == b"two"
    with pytest.raises(NotFound, match="homestow trash list"):
        house.order("trash.restore", path="tree/d/b.txt")
    with pytest.raises(NotFound, match="There is no root 'other'"):
        house.order("trash.list", root="other")
    assert house.data_of("trash.empty", root="tree") == {"removed": 1}
    assert house.order("trash.list").lines == ["The trash is empty."]


def test_versions_are_listed_and_restored(house: House) -> None:
    """By path; the content that is replaced becomes a version itself."""
    for text in (b"one", b"two"):
        house.put("d/a.txt", text)
    listed = msgspec.json.decode(house.order("versions.list", path="tree/d/a.txt").data)
    assert [(one["rev"], one["size"], one["current"]) for one in listed] == [(2, 3, True), (1, 3, False)]
    house.order("versions.restore", path="tree/d/a.txt", rev=1)
    assert (house.folder / "d" / "a.txt").read_bytes() == b"one"
    assert len(msgspec.json.decode(house.order("versions.list", path="/tree/d/a.txt").data)) == 3
    for path in ("", "/", "tree/nothing"):
        with pytest.raises((BadRequest, NotFound)):
            house.order("versions.list", path=path)


def test_the_whole_store_is_checked_and_saved(house: House, tmp_path: Path) -> None:
    """verify, repair, scan, backup and status tell people and programs."""
    house.put("a", b"1")
    house.clock.ns += 5 * SECOND
    house.write("b")
    assert house.order("verify").lines[0].startswith("stray: tree/b:")
    assert house.order("repair").lines[0] == "tree: 1 file or folder adopted"
    assert house.order("verify", quick=True).lines == [
        "2 contents checked, the bytes of 0 compared with their digests; everything is in order."
    ]
    house.write("c")
    assert house.order("root.scan").lines == ["tree: 3 seen, 1 new, 0 edited, 0 moved, 0 gone."]
    house.order("backup", target=str(tmp_path / "backup"))
    assert house.order("status").lines == ["1 user, 1 root, 3 files, 3 B"]
    house.folder.rename(tmp_path / "moved")
    house.order("root.scan")
    assert "is not there; nothing is deleted" in house.order("status").lines[1]


def test_a_backup_tells_what_is_not_in_it(house: House, tmp_path: Path) -> None:
    """Line by line for people, as a list for programs."""
    house.write("a")
    house.write("b")
    house.rescan()
    house.write("a", "being written", age_s=0)

    told = house.order("backup", target=str(tmp_path / "backup"))

    assert told.lines[1].startswith("not in the backup: a (node ")
    assert len(msgspec.json.decode(told.data)["missing"]) == 1
    house.clock.ns += 5 * SECOND
    again = house.order("backup", target=str(tmp_path / "backup"))
    assert (len(again.lines), msgspec.json.decode(again.data)["missing"]) == (1, [])


def test_a_root_whose_disk_failed_takes_changes_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the owner says the disk is fine, and of uploads under way only what was flushed counts (P1)."""
    house.put("a", b"1")
    begun = house.core.uploads.begin_upload(OPERATOR, Begin(8, house.top, "large", block_size=4))
    sink = house.core.uploads.put_block(OPERATOR, begun.id, 0)
    sink.write(b"1234")
    sink.finish()
    assert house.core.uploads.upload(OPERATOR, begun.id).have

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "the disk says no")

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fails)
        failing.setattr(disk_calls, "sync_file_system", fails)
        with pytest.raises(StorageFailed):
            house.put("b", b"2")
    with pytest.raises(StorageFailed):
        house.put("c", b"3")
    assert "read-only" in house.order("status").lines[1]

    house.order("root.trust", name="tree")

    house.put("c", b"3")
    assert (house.folder / "c").read_bytes() == b"3"
    assert len(house.order("status").lines) == 1
    assert house.core.uploads.upload(OPERATOR, begun.id).have == []
    for at in (0, 4):
        sink = house.core.uploads.put_block(OPERATOR, begun.id, at)
        sink.write(b"1234")
        sink.finish()
    house.core.uploads.finish_upload(OPERATOR, begun.id)
    assert (house.folder / "large").read_bytes() == b"12341234"
    assert house.keeping.verify.run().sound


def test_only_admins_and_the_operator_give_orders(house: House, tmp_path: Path) -> None:
    """S53: a user may nothing, an admin over the network nothing that names folders of the machine."""
    user = Principal(house.accounts.named("anna").id, "anna")
    remote = Principal(user.account, "anna", admin=True)
    run = house.keeping.admin.run
    for name in house.keeping.admin._orders:
        with pytest.raises(Forbidden, match="administrator"):
            run(Order(name=name), user)
    for name in ("root.add", "backup", "repair"):
        with pytest.raises(Forbidden, match="on the server's machine itself"):
            run(Order(name=name, args={"name": "x", "path": "/etc", "target": "/tmp/x"}), remote)
    assert run(Order(name="user.list"), remote).lines
    assert run(Order(name="status"), OPERATOR).lines


@pytest.mark.parametrize(
    "name,args",
    [
        ("nothing", {}), ("user.add", {}), ("user.add", {"name": 1, "password": PASSWORD}),
        ("user.add", {"name": "x", "password": PASSWORD, "admin": "yes"}), ("root.add", {"name": "x", "path": ""}),
        ("root.add", {"name": "x", "path": "/", "members": "anna"}), ("user.quota", {"name": "anna", "bytes": -1}),
        ("user.quota", {"name": "anna", "bytes": True}), ("versions.restore", {"path": "tree/a"}),
        ("versions.restore", {"path": "tree/a", "rev": "1"}), ("trash.restore", {}),
    ],
)  # fmt: skip
def test_wrong_orders_are_told(house: House, name: str, args: dict[str, str | int | bool | None | list[str]]) -> None:
    """One line that names the order and the argument."""
    with pytest.raises(
        BadRequest, match=name if name != "nothing" else "There is no order 'nothing'; there are user.add"
    ):
        house.keeping.admin.run(Order(name=name, args=args))
