"""Files that come and go: over, again, in folders, as versions, and how they look from elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD
from tests.fronts.picloud.rig import (
    FAILED,
    LOGGED_IN,
    RECEIVED,
    STORED,
    D,
    PicloudRig,
    frame,
    open_rig,
    request,
    upload,
    user_file,
)

MIB = 1024 * 1024


def test_a_file_comes_and_goes(rig: PicloudRig) -> None:
    """Byte for byte, as a plain file in the sender's own root, and on one connection as on many."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
        assert rig.files() == {"hi.txt": b"hello"}
        assert peer.get("hi", "txt") == b"hello"
    with rig.peer() as peer:
        assert peer.get("hi", "txt") == b"hello"
    with rig.peer() as peer:
        peer.put("new", "txt", b"more")
    assert rig.files() == {"hi.txt": b"hello", "new.txt": b"more"}


@pytest.mark.parametrize("size", [0, 1, 9, 10, 65500, 65536, 65537, 262144, 262145, MIB, 3 * MIB + 7])
def test_every_size(rig: PicloudRig, size: int) -> None:
    """Empty ones too, held in memory or spooled, up and down."""
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    with rig.peer("anna") as peer:
        peer.put("big", "bin", content)
        assert rig.files() == {"big.bin": content}
        assert peer.get("big", "bin") == content
    rig.nothing_staged()


@pytest.mark.parametrize("size", [0, 100, 70_000, 300_000, 2 * MIB])
@pytest.mark.parametrize("tail", [b":", b":" * 9, D, D + b":", D * 3, D + b"name" + D + b"ext", b"x" + D])
def test_content_may_hold_the_delimiter(rig: PicloudRig, size: int, tail: bytes) -> None:
    """Anywhere, at its end too: messages are parted from the right."""
    content = D + b"a" * size + tail
    with rig.peer("anna") as peer:
        peer.put("colons", "txt", content)
        assert peer.get("colons", "txt") == content


def test_the_same_name_again_is_new_content(rig: PicloudRig) -> None:
    """What was there is a version; the same bytes again are nothing new."""
    with rig.peer("anna") as peer:
        for content in (b"one", b"two", b"two", b"x" * 100_000, b"x" * 100_000):
            peer.put("hi", "txt", content)
        assert peer.get("hi", "txt") == b"x" * 100_000
    root = rig.roots.own(rig.services.accounts.named("anna")).id
    top = rig.catalogue.top(root)
    assert top is not None
    row = rig.catalogue.child(top.id, "hi.txt")
    assert row is not None
    assert row.rev == 3
    assert [version.size for version in rig.catalogue.versions(row.id)] == [3, 3]
    rig.nothing_staged()


def test_the_same_bytes_again_repair_what_the_disk_has(rig: PicloudRig) -> None:
    """What was sent is what is there afterwards, whatever was done to the file from outside; that becomes a version."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
        (rig.own() / "hi.txt").write_bytes(b"an edit")
        peer.put("hi", "txt", b"hello")
    assert rig.files() == {"hi.txt": b"hello"}


def test_folders(rig: PicloudRig) -> None:
    """Are made on the way, once."""
    with rig.peer("anna") as peer:
        peer.put("docs/a/b", "txt", b"deep")
        peer.put("docs/./a//c", "txt", b"beside")
        assert rig.files() == {"docs/a/b.txt": b"deep", "docs/a/c.txt": b"beside"}
        assert peer.get("docs/a/c", "txt") == b"beside"
        assert peer.get("docs", "a/c.txt") is None
        assert peer.get("docs", "") is None


def test_where_a_folder_has_the_name(rig: PicloudRig) -> None:
    """The file gets a number, the same one again, and is given back by the name it was sent with."""
    (rig.place / "data" / "files").mkdir(exist_ok=True)
    with rig.peer("anna") as peer:
        peer.put("a.txt/x", "txt", b"in the folder")
        peer.put("a", "txt", b"one")
        peer.put("a", "txt", b"two")
        assert rig.files() == {"a.txt/x.txt": b"in the folder", "a (2).txt": b"two"}
        assert peer.get("a", "txt") == b"two"


def test_where_a_file_stands_for_a_folder(rig: PicloudRig) -> None:
    """It is refused, and says so."""
    with rig.peer("anna") as peer:
        peer.put("docs", "", b"a file")
        failed, text = peer.ask(upload("docs/a", "txt", b"x"))
        assert failed == FAILED
        assert b"folder" in (text or b"")
        assert rig.files() == {"docs": b"a file"}


@pytest.mark.parametrize(
    "name, ext, stored",
    [("README", "", "README"), ("", "profile", ".profile"), ("a", "tar.gz", "a.tar.gz"), ("docs/", "profile", "docs/.profile"),
     ("été", "txt", "été.txt"), ("a b", "c d", "a b.c d"), ("C:\\x", "txt", "C:\\x.txt"), ("line\nbreak", "txt", "line\nbreak.txt")],
)  # fmt: skip
def test_odd_names(rig: PicloudRig, name: str, ext: str, stored: str) -> None:
    """Without an extension, without a name, with more dots: what is sent comes back by the same two words."""
    with rig.peer("anna") as peer:
        peer.put(name, ext, b"x")
        assert list(rig.files()) == [stored]
        assert peer.get(name, ext) == b"x"


def test_a_request_with_the_own_name_before_it(rig: PicloudRig) -> None:
    """Is answered as the first servers did, whose files lay in a folder for each user; a real folder of that name goes first."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
        assert peer.get("anna/hi", "txt") == b"hello"
        assert peer.get("Anna/hi", "txt") == b"hello"
        assert peer.get("ben/hi", "txt") is None
        peer.put("anna/hi", "txt", b"in the folder")
        assert peer.get("anna/hi", "txt") == b"in the folder"


def test_nobody_sees_anothers_files(rig: PicloudRig) -> None:
    """Everybody has the own root, whatever else may be readable otherwise."""
    rig.put("shared.txt", b"in a root that anna may read")
    with (
        rig.peer("anna", "127.0.0.2") as anna,
        rig.peer("ben", "127.0.0.3") as ben,
        rig.peer(source="127.0.0.4") as nobody,
    ):
        anna.put("mine", "txt", b"secret")
        for peer in (ben, nobody):
            for name in ("mine", "anna/mine", "../anna/mine", "shared", "tree/shared"):
                assert peer.get(name, "txt") is None
        assert anna.get("shared", "txt") is None


def test_at_once_everywhere(rig: PicloudRig) -> None:
    """A file that came is there through the native API, the isync calls and on disk; one that came otherwise is given here."""
    with rig.peer("anna") as peer:
        peer.put("docs/hi", "txt", b"hello")
        client = rig.client("anna")
        (own,) = (root for root in client.roots() if root.name == "anna")
        answer = rig.ask("GET", f"/roots/{own.id}/path?path=docs/hi.txt")
        assert answer.status == 200, answer
        assert rig.read(answer.node.id) == b"hello"
        phone = rig.phone("anna")
        (listed,) = phone.get("files", pageIndex=0).data["list"]
        assert (listed["id"], listed["size"]) == (answer.node.id, 5)
        assert phone.ask("GET", f"/downFile.icc?id={listed['id']}").body == b"hello"
        rig.edit(answer.node, b"edited")
        assert peer.get("docs/hi", "txt") == b"edited"
        rig.put("new.txt", b"from elsewhere", parent=own.top)
        assert peer.get("new", "txt") == b"from elsewhere"
        (rig.own() / "new.txt").write_bytes(b"from an editor")
        assert peer.get("new", "txt") == b"from an editor"


def test_files_survive_a_restart(rig: PicloudRig) -> None:
    """So does the address's login."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
    rig.restart()
    with rig.peer() as peer:
        assert peer.get("hi", "txt") == b"hello"
        peer.put("more", "txt", b"x")


class TestInbox:
    """Where the owner opened a root for whoever comes."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[PicloudRig]:
        """A server whose root `tree` is the inbox."""
        with open_rig(tmp_path, inbox="tree") as made:
            yield made

    def test_files_of_strangers(self, rig: PicloudRig) -> None:
        """Lie there, each under a name of its own: nobody replaces what another sent, and nobody reads any."""
        with rig.peer() as peer:
            peer.put("hi", "txt", b"one")
            peer.put("hi", "txt", b"two")
            peer.put("docs/big", "bin", b"x" * (2 * MIB))
            assert peer.get("hi", "txt") is None
        assert sorted(path.name for path in rig.folder.iterdir() if path.name != ".homestow") == [
            "docs",
            "hi (2).txt",
            "hi.txt",
        ]
        assert (rig.folder / "docs" / "big.bin").read_bytes() == b"x" * (2 * MIB)
        assert rig.names() == ["docs", "hi (2).txt", "hi.txt"]

    def test_who_is_logged_in_has_his_own(self, rig: PicloudRig) -> None:
        """And finds nothing in the inbox."""
        with rig.peer("anna") as peer:
            peer.put("hi", "txt", b"mine")
        assert rig.files() == {"hi.txt": b"mine"}
        assert rig.names() == []

    def test_its_quota_holds(self, rig: PicloudRig) -> None:
        """Before a byte of a long message is taken, and for what is coming at once."""
        rig.roots.set_quota("tree", 5 * MIB)
        with rig.peer() as one, rig.peer() as two:
            one.send(upload("one", "bin", b"1" * (3 * MIB))[: 2 * MIB])
            rig.until_coming()
            failed, text = two.ask(upload("two", "bin", b"2" * (3 * MIB))[: 2 * MIB])
            assert failed == FAILED
            assert b"room" in (text or b"")
            one.send(upload("one", "bin", b"1" * (3 * MIB))[2 * MIB :])
            assert [one.hear(), one.hear()] == [RECEIVED, STORED]
        with rig.peer() as peer:
            assert peer.ask(upload("small", "bin", b"2" * MIB))[0] == RECEIVED
        assert rig.names() == ["one.bin", "small.bin"]
        rig.settled()
        rig.nothing_left_over()

    def test_an_inbox_that_is_not_there(self, rig: PicloudRig) -> None:
        """Takes nothing."""
        rig.roots.remove("tree")
        with rig.peer() as peer:
            failed, text = peer.ask(upload("hi", "txt", b"x"))
            assert failed == FAILED
            assert b"owner" in (text or b"")


def test_strangers_leave_nothing(rig: PicloudRig) -> None:
    """Without an inbox: what is short is read and refused, what is long is refused at its first byte."""
    with rig.peer() as peer:
        for size in (5, 70_000, MIB - 100):
            failed, text = peer.ask(upload("hi", "txt", b"x" * size))
            assert failed == FAILED
            assert b"Log in" in (text or b"")
        failed, text = peer.ask(frame(b"x" * 2 * MIB)[:100])
        assert failed == FAILED
        assert b"Log in" in (text or b"")
        assert peer.hear() is None
    rig.settled()
    rig.nothing_staged()


def test_a_login_that_ends_meanwhile(rig: PicloudRig) -> None:
    """What comes to its end afterwards is not published."""
    data = upload("big", "bin", b"x" * (2 * MIB))
    with rig.peer("anna") as peer:
        peer.send(data[:MIB])
        rig.until_coming()
        rig.services.accounts.set_password("anna", "another password")
        failed, text = peer.ask(data[MIB:])
        assert failed == FAILED
        assert b"Log in" in (text or b"")
        assert peer.ask(upload("hi", "txt", b"x"))[0] == FAILED
        assert peer.ask(user_file("anna", "another password")) == [RECEIVED, LOGGED_IN]
        peer.put("hi", "txt", b"x")
    assert rig.files() == {"hi.txt": b"x"}
    rig.nothing_staged()


def test_others_at_the_address_change_nothing_of_a_connection(rig: PicloudRig) -> None:
    """Who logged in on it stays himself; connections without a login are the latest one's."""
    with rig.peer("anna") as anna:
        with rig.peer("ben") as ben:
            anna.put("hi", "txt", b"of anna")
            ben.put("hi", "txt", b"of ben")
        with rig.peer() as later:
            later.put("later", "txt", b"of ben too")
            assert later.ask(request("hi", "txt"), 1) == [b"of ben" + D + b"hi" + D + b"txt"]
    assert rig.files() == {"hi.txt": b"of anna"}
    assert rig.files("ben") == {"hi.txt": b"of ben", "later.txt": b"of ben too"}


def test_a_certificate_is_taken_and_dropped(rig: PicloudRig) -> None:
    """As the first servers did, held or long, from anybody."""
    with rig.peer() as peer:
        for size in (5, 100_000):
            received, text = peer.ask(upload("anna", "cert", b"x" * size))
            assert received == RECEIVED
            assert b"certificate" in (text or b"")
    assert rig.files() == {} if rig.own().exists() else True


@pytest.mark.parametrize("size", [10, 100_000])
def test_the_encrypted_variant(rig: PicloudRig, size: int) -> None:
    """Is told that it is not spoken here; a file of that ending that is no key is a file."""
    with rig.peer() as peer:
        (text, end) = peer.ask(frame(b"0123456789abcdef" * 4 + D + D + b"public"))
        assert b"encryption" in (text or b"")
        assert end is None
    with rig.peer("anna") as peer:
        peer.put("key", "public", b"x" * size)
        assert peer.get("key", "public") == b"x" * size


def test_the_password_is_the_whole_content(rig: PicloudRig) -> None:
    """With the newline an editor put at its end."""
    rig.services.accounts.set_password("anna", PASSWORD + "\n")
    with rig.peer() as peer:
        assert peer.ask(user_file("anna"))[1] != LOGGED_IN
    with rig.peer() as peer:
        assert peer.ask(user_file("anna", PASSWORD + "\n")) == [RECEIVED, LOGGED_IN]
