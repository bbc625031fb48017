"""Transfers of `homestow netdrive` that are cut, closed, lied to or in each other's way: they go on, or say why they do not."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.netdrive_servers import ListServer, OldServer, Serving, Stored

from homestow.cli import main, netdrive_transfers
from homestow.cli.netdrive_lanes import Lanes
from homestow.cli.netdrive_tasks import KEPT_S, open_list
from homestow.cli.troubles import Trouble
from homestow.wire.netdrive import BLOCK_BYTES, Request

PASSWORD = "correct horse battery"
LARGE = bytes(range(251)) * 50_000
SIZE = len(LARGE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own home, working directory and password; nobody waits for a server that is away."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOMESTOW_PASSWORD", PASSWORD)
    monkeypatch.setattr(netdrive_transfers, "Lanes", lambda: Lanes(patience_s=-1.0))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(server: Serving, order: str, *args: object) -> int:
    return main(["netdrive", order, "-s", server.url, "-u", "anna", *map(str, args)])


def task_lists(home: Path) -> list[Path]:
    return list((home.parent / "home/.local/share/homestow/client/netdrive").glob("*.tasks"))


class Cuts:
    """Hangs up on the requests that a test says, counted from when it is switched on."""

    def __init__(self, cut: Callable[[int], bool]) -> None:
        self.cut, self.on, self.count = cut, False, 0

    def __call__(self, asked: Request) -> bytes | None:
        if not self.on:
            return None
        self.count += 1
        return b"" if self.cut(self.count) else None


class TestUpload:
    def test_goes_on_after_a_closed_program(self, home: Path) -> None:
        """What was confirmed is not sent again by the next run, also without being named; the list goes when all is done."""
        (home / "large").write_bytes(LARGE)
        cuts = Cuts(lambda count: count > 6)
        with ListServer(cuts) as server:
            assert run(server, "login") == 0
            cuts.on = True
            assert run(server, "upload", "large") == 4
            confirmed = sum(line.startswith(b'["have"') for line in task_lists(home)[0].read_bytes().splitlines())
            assert confirmed >= 4
            cuts.on = False
            before = server.received
            assert run(server, "upload") == 0
            assert server.received - before == SIZE - confirmed * (BLOCK_BYTES // 4)
            assert bytes(server.stored["//", "large"].content) == LARGE
            assert task_lists(home) == []
            assert run(server, "upload") == 2

    @pytest.mark.parametrize("every", [3, 5, 8])
    def test_cut_again_and_again(self, home: Path, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
        """A server that hangs up on every few requests gets everything in the end, in one run."""
        monkeypatch.setattr(netdrive_transfers, "Lanes", lambda: Lanes(pause=lambda _: None))
        contents = {"large": LARGE, "middle": LARGE[:900_000]} | {f"{n}": b"x" * n for n in range(30)}
        for name, content in contents.items():
            (home / name).write_bytes(content)
        cuts = Cuts(lambda count: (count * 2654435761 >> 7) % every == 0)
        with ListServer(cuts) as server:
            assert run(server, "login") == 0
            cuts.on = True
            assert run(server, "upload", *contents) == 0
            assert {name: bytes(one.content) for (_, name), one in server.stored.items()} == contents

    def test_old_server(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One of the first servers tells no progress: what is noted here counts, and whole blocks are sent."""
        monkeypatch.setenv("HOMESTOW_PASSWORD", "Secret1234")
        (home / "large").write_bytes(LARGE)
        with OldServer() as server:
            assert run(server, "login") == 0
            server.cut_after = 4
            assert run(server, "upload", "large") == 4
            server.cut_after = None
            assert run(server, "upload", "large") == 0
            assert [bytes(one.content) for one in server.files.values()] == [LARGE]
            assert server.received <= SIZE + 2 * BLOCK_BYTES

    def test_old_server_that_forgot(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server that lost what it had confirmed gets all of it once more."""
        monkeypatch.setenv("HOMESTOW_PASSWORD", "Secret1234")
        (home / "large").write_bytes(LARGE)
        with OldServer() as server:
            assert run(server, "login") == 0
            server.cut_after = 4
            assert run(server, "upload", "large") == 4
            server.cut_after = None
            [stored] = server.files.values()
            stored.done.clear()
            stored.content[:] = bytes(SIZE)
            assert run(server, "upload", "large") == 0
            assert bytes(stored.content) == LARGE

    def test_changed_file_begins_anew(self, home: Path) -> None:
        """Parts of what a file was are no parts of what it is."""
        (home / "large").write_bytes(LARGE)
        cuts = Cuts(lambda count: count > 6)
        with ListServer(cuts) as server:
            assert run(server, "login") == 0
            cuts.on = True
            assert run(server, "upload", "large") == 4
            cuts.on = False
            (home / "large").write_bytes(LARGE[::-1])
            assert run(server, "upload", "large") == 0
            assert bytes(server.stored["//", "large"].content) == LARGE[::-1]

    def test_changed_in_secret(self, home: Path) -> None:
        """A file that changed and got its old time back is noticed all the same."""
        (home / "large").write_bytes(LARGE)
        seen = (home / "large").stat()
        cuts = Cuts(lambda count: count > 6)
        with ListServer(cuts) as server:
            assert run(server, "login") == 0
            cuts.on = True
            assert run(server, "upload", "large") == 4
            cuts.on = False
            with (home / "large").open("r+b") as file:
                file.write(b"other")
            os.utime(home / "large", ns=(seen.st_atime_ns, seen.st_mtime_ns))
            assert run(server, "upload", "large") == 0
            assert bytes(server.stored["//", "large"].content) == b"other" + LARGE[5:]

    def test_session_ends_in_the_middle(self, home: Path) -> None:
        """A session that the server forgot is replaced by a login, and the transfer goes on."""
        for n in range(10):
            (home / f"{n}").write_bytes(b"x" * n)
        with ListServer() as server:
            assert run(server, "login") == 0
            server.session = "t" * 32
            assert run(server, "upload", *(home / f"{n}" for n in range(10))) == 0
            assert len(server.stored) == 10

    def test_what_cannot_be_sent(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Links, and what the server refuses, are told one by one; the rest goes."""
        (home / "folder").mkdir()
        (home / "folder" / "a").write_bytes(b"a")
        (home / "folder" / "b").write_bytes(b"b")
        (home / "folder" / "link").symlink_to("a")

        def refuse(asked: Request) -> bytes | None:
            if asked.text("filename") == "b":
                return b'{"type":"uploadRes","error":1,"msg":"no b \\u001b[2J here"}\0'
            return None

        with ListServer(refuse) as server:
            assert run(server, "upload", "folder") == 1
            assert list(server.stored) == [("/folder/", "a")]
        err = capsys.readouterr().err
        assert "link: a link or device, not sent" in err
        assert "b: no b  [2J here" in err
        assert "\x1b" not in err

    def test_wrong_usage(self, home: Path) -> None:
        """A file that is not there, a server that is none, nobody to be: exit code 2; nobody there, a wrong password: 4."""
        with ListServer() as server:
            assert run(server, "upload", "nothing") == 2
            assert run(server, "upload") == 2
            assert main(["netdrive", "dirinfo", "-s", server.url]) == 2
            assert main(["netdrive", "dirinfo", "-s", "http://x", "-u", "anna"]) == 2
            server.password = "another"
            assert run(server, "dirinfo") == 4
            url = server.url
        assert main(["netdrive", "dirinfo", "-s", url, "-u", "anna"]) == 4


class TestDownload:
    @pytest.fixture
    def stored(self) -> dict[tuple[str, str], Stored]:
        """A large file and a small one."""
        import hashlib

        def make(name: str, content: bytes) -> Stored:
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            return Stored("//", name, md5, len(content), 1_500_000_000, bytearray(content))

        return {("//", name): make(name, content) for name, content in (("large", LARGE), ("small", b"hello"))}

    def test_goes_on_after_a_closed_program(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """What came is not fetched again by the next run; the name is given when all is there."""
        cuts = Cuts(lambda count: count > 2)
        with ListServer(cuts) as server:
            server.stored = stored
            assert run(server, "login") == 0
            cuts.on = True
            assert run(server, "download", "large") == 4
            assert not (home / "large").exists()
            assert (home / "large.download").stat().st_size == SIZE
            cuts.on = False
            server.heard.clear()
            assert run(server, "download") == 0
            assert sum(asked.type == "download" for asked in server.heard) == 3 - 1
        assert (home / "large").read_bytes() == LARGE
        assert (home / "large").stat().st_mtime == 1_500_000_000
        assert os.listdir(home) == ["large"]

    def test_damaged_on_the_way(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """What is not what the list says gets no name, and leaves nothing."""
        for one in stored.values():
            one.content[0] ^= 1
        with ListServer() as server:
            server.stored = stored
            assert run(server, "download", "large", "small") == 1
        assert os.listdir(home) == []

    def test_nothing_is_replaced_in_silence(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """A file that is there and differs stays unless it is forced; the same is not fetched again."""
        with ListServer() as server:
            server.stored = stored
            for name in ("large", "small"):
                (home / name).write_bytes(b"mine!")
                (home / f"{name}.download").write_bytes(b"mine too")
            assert run(server, "download", "large", "small") == 1
            assert {(home / name).read_bytes() for name in ("large", "small")} == {b"mine!"}
            (home / "large").unlink()
            assert run(server, "download", "large") == 1
            assert (home / "large.download").read_bytes() == b"mine too"
            assert run(server, "download", "--force", "large", "small") == 0
            assert (home / "large").read_bytes() == LARGE
            assert (home / "small").read_bytes() == b"hello"
            server.heard.clear()
            assert run(server, "download", "large", "small") == 0
            assert [asked.type for asked in server.heard] == ["dirinfo"]

    def test_names_that_lead_elsewhere(
        self, home: Path, stored: dict[tuple[str, str], Stored], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No name of a server leaves the folder (S04), and none steers the terminal (S98)."""
        small = stored["//", "small"]
        hostile = [
            ("//", "../up"), ("/../../", "up"), ("//", ".."), ("//", "/etc/up"), ("/a/../../", "up"), ("//", "x\0y"),
            ("/..//", "up"), ("//", "x" * 255 + "é"[:0]),
        ]  # fmt: skip
        with ListServer() as server:
            for path, name in hostile:
                server.stored[path, name] = Stored(path, name, small.md5, 5, 0, small.content)
            server.stored["//", "red\x1b[31m\n"] = Stored("//", "red\x1b[31m\n", small.md5, 5, 0, small.content)
            (home / "in" / "out").mkdir(parents=True)
            assert run(server, "download", "/", "-o", home / "in" / "out") == 1
            assert run(server, "dirinfo", "-l") == 0
        found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
        assert found == {"in/out/red\x1b[31m\n"}
        assert "\x1b" not in capsys.readouterr().err

    def test_one_name_twice(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """Two wanted files of one name do not become one."""
        other = stored["//", "small"]
        with ListServer() as server:
            server.stored = {**stored, ("/x/", "small"): Stored("/x/", "small", "0" * 32, 5, 0, other.content)}
            assert run(server, "download", "/small", "/x/small") == 1
        assert (home / "small").read_bytes() == b"hello"

    def test_named_like_a_partial(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """A file that is called as another one is on its way is not overwritten by that."""
        with ListServer() as server:
            server.stored = dict(stored)
            large = stored["//", "large"]
            server.stored["//", "small.download"] = Stored("//", "small.download", large.md5, SIZE, 0, large.content)
            assert run(server, "download", "small.download", "small", "--force") == 1
            assert os.listdir(home) == ["small.download"]
            assert run(server, "download", "small") == 1
            assert (home / "small.download").read_bytes() == LARGE

    def test_not_there(self, home: Path, stored: dict[tuple[str, str], Stored]) -> None:
        """What is not on the server is said."""
        with ListServer() as server:
            server.stored = stored
            assert run(server, "download", "/nothing") == 1
            assert run(server, "download", "/small", "-o", "nowhere") == 2


class TestSession:
    def test_kept_for_the_owner_only(self, home: Path) -> None:
        """The session lies in a file that nobody else can read, without the password."""
        with ListServer() as server:
            assert run(server, "login") == 0
            assert run(server, "login") == 0
            assert sum(asked.type == "login" for asked in server.heard) == 1
        [kept] = (home.parent / "home").rglob("logins/*.json")
        assert kept.stat().st_mode & 0o777 == 0o600
        assert PASSWORD not in kept.read_text()
        assert json.loads(kept.read_text())["dialect"] == "documented"


class TestTaskList:
    ORDER = {"do": "upload", "files": ["a"]}

    def test_torn_lines(self, tmp_path: Path) -> None:
        """A line that was cut off does not count, and what follows it does."""
        tasks = open_list(tmp_path, self.ORDER)
        tasks.done("a", [1, 2])
        tasks.begin("b", [3], {"md5": "x"})
        tasks.have("b", 0, 10)
        tasks.have("b", 10, 10)
        tasks.close()
        [path] = tmp_path.glob("*.tasks")
        for cut in range(len(path.read_bytes()), 0, -1):
            os.truncate(path, cut)
            tasks = open_list(tmp_path, self.ORDER)
            begun = tasks.begun("b", [3])
            assert begun is None or set(begun.have) <= {0, 10}
            tasks.have("b", 20, 10)
            tasks.close()
            os.truncate(path, min(cut, path.stat().st_size))

    def test_of_another_process(self, tmp_path: Path) -> None:
        """Two do not work on one list."""
        tasks = open_list(tmp_path, self.ORDER)
        with pytest.raises(Trouble):
            open_list(tmp_path, self.ORDER)
        tasks.close()
        open_list(tmp_path, self.ORDER).close()

    def test_old(self, tmp_path: Path) -> None:
        """A list that nobody went on with for long counts no more."""
        tasks = open_list(tmp_path, self.ORDER)
        tasks.done("a", [1])
        tasks.close()
        [path] = tmp_path.glob("*.tasks")
        os.utime(path, (path.stat().st_mtime - KEPT_S - 1,) * 2)
        tasks = open_list(tmp_path, self.ORDER)
        assert not tasks.is_done("a", [1])
        tasks.close()
