"""The sync client's processes: logins, endings, exit codes, and what is seen of them."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, read_line, stop, wait_for

from homestow.client.adapters.api_client import Client

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Serving]:
    """A server with the account anna."""
    with home.server() as serving:
        home.fine("user", "add", "anna", "--data", home.data)
        yield serving


@pytest.fixture
def folder(home: Home) -> Path:
    """A folder to sync, with two files."""
    folder = home.path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    return folder


def files(folder: Path) -> dict[str, str]:
    """Every visible file with its text."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".homestow")
    }


def test_once_brings_both_sides_in_step(home: Home, server: Serving, folder: Path) -> None:
    """Exit 0 and a summary; the server's folder and a second computer's hold the same; again there is nothing to do."""
    ran = home.fine("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once")
    assert ran.out.startswith("In step: 2 files up")
    assert files(home.data / "files" / "anna") == files(folder)

    other = Home(home.path / "other computer")
    other.fine("sync", "-s", server.url, "-u", "anna", "-d", other.path / "docs", "--once")
    assert files(other.path / "docs") == files(folder)
    assert home.fine("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once").out.startswith("In step: nothing")


def test_the_login_is_kept_and_the_password_is_not(home: Home, server: Serving, folder: Path) -> None:
    """The second run needs neither name nor password; what is kept is the owner's alone and holds no password (S90)."""
    none = {"HOMESTOW_PASSWORD": ""}
    ran = home.run("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once", env=none)
    assert ran.code == 4
    assert "HOMESTOW_PASSWORD" in ran.line
    home.fine("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once", "-p", PASSWORD, env=none)
    (folder / "c.txt").write_text("c")
    home.fine("sync", "-s", server.url, "-d", folder, "--once", env=none)
    assert "c.txt" in files(home.data / "files" / "anna")

    for path in (home.path / ".local").rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
            if path.suffix == ".json":
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
    home.fine("logout", "-s", server.url, env=none)
    assert home.run("sync", "-s", server.url, "-d", folder, "--once", env=none).code == 2


def test_a_wrong_password_is_said_also_where_a_login_is_kept(home: Home, server: Serving, folder: Path) -> None:
    """Exit 4, in one line, and nothing is synced."""
    wrong = ("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once", "-p", "not the password")
    assert home.run(*wrong).code == 4
    assert files(home.data / "files" / "anna") == {}
    home.fine("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once")
    ran = home.run(*wrong)
    assert (ran.code, "not the password" in ran.line) == (4, False)


def test_the_kept_login_serves_also_beside_the_password(home: Home, server: Serving, folder: Path) -> None:
    """No new login each time; one that was taken back is made anew, and an older password is refused then."""
    words = ("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once", "-p")
    new = "another good password"

    def logged_in(password: str) -> int:
        client = Client(server.url)
        try:
            return client.login("anna", password, "counter").device
        finally:
            client.close()

    home.fine(*words, PASSWORD)
    before = logged_in(PASSWORD)
    for _ in range(2):
        home.fine(*words, PASSWORD)
    assert logged_in(PASSWORD) == before + 1

    home.fine("user", "passwd", "anna", "--data", home.data, env={"HOMESTOW_PASSWORD": new})
    assert home.run(*words, PASSWORD).code == 4
    home.fine(*words, new)
    before = logged_in(new)
    home.fine(*words, new)
    assert logged_in(new) == before + 1


@pytest.mark.parametrize("what", ["server", "other", "root", "user", "folder", "file"])
def test_what_is_not_there(home: Home, server: Serving, folder: Path, what: str) -> None:
    """Exit 4 and one line, whichever side the trouble is on."""
    url, words = server.url, ["-d", str(folder)]
    match what:
        case "server":
            url = "http://127.0.0.1:1"
        case "other":
            url = f"{server.url}/no/such/prefix"
        case "root":
            words += ["-w", "Absent"]
        case "user":
            words += ["-u", "nobody"]
        case "folder":
            words = ["-d", str(home.path / "absent" / "deeper")]
        case _:
            words = ["-d", str(folder / "a.txt")]
    ran = home.run("sync", "-s", url, "-u", "anna", *words, "--once")

    assert ran.code == 4
    assert ran.line


def test_items_that_are_left_are_named(home: Home, server: Serving, folder: Path) -> None:
    """Exit 1: a name the server cannot have is left, with its reason, and the rest is synced."""
    with open(os.fsencode(folder) + b"/\xff.txt", "w") as file:
        file.write("x")
    ran = home.run("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once")

    assert ran.code == 1
    assert "\\xff.txt" in ran.out
    assert files(home.data / "files" / "anna") == {"a.txt": "a", "sub/b.txt": "b"}


def test_the_brake_asks_and_is_answered(home: Home, server: Serving, folder: Path) -> None:
    """Exit 3 while so much would be deleted; --accept-deletes means it."""
    for number in range(40):
        (folder / f"{number}.txt").write_text("x")
    words = ("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once")
    home.fine(*words)
    for path in folder.glob("*.txt"):
        path.unlink()

    ran = home.run(*words)
    assert ran.code == 3
    assert "--accept-deletes" in ran.err
    assert len(files(home.data / "files" / "anna")) == 42
    home.fine(*words, "--accept-deletes")
    assert files(home.data / "files" / "anna") == {"sub/b.txt": "b"}


def test_a_shared_root_one_way(home: Home, server: Serving, folder: Path) -> None:
    """-w names another root; -dir down makes the folder follow, and what was here stays as a conflict copy."""
    photos = home.path / "photos"
    photos.mkdir()
    (photos / "a.txt").write_text("theirs")
    home.fine("root", "add", "Photos", photos, "--member", "anna:read", "--data", home.data)
    words = ("sync", "-s", server.url, "-u", "anna", "-d", folder, "-w", "photos", "--once")
    home.fine(*words, "-dir", "down")

    assert files(photos) == {"a.txt": "theirs"}
    here = files(folder)
    assert here["a.txt"] == "theirs"
    assert "a" in [text for name, text in here.items() if "conflict" in name]


def test_a_whole_home_goes_without_the_clients_own(home: Home, server: Serving, tmp_path: Path) -> None:
    """Logins and states of this computer lie in the home that is kept in step, and stay where they are."""
    other = Home(tmp_path / "other [home]")
    (other.path / ".local" / "share").mkdir(parents=True)
    (other.path / ".local" / "share" / "else.txt").write_text("goes")
    for _ in range(2):
        other.fine("sync", "-s", server.url, "-u", "anna", "-d", other.path, "--once")

    there = home.data / "files" / "anna" / ".local" / "share"
    assert (there / "else.txt").read_text() == "goes"
    assert not list(there.rglob("*.json"))
    assert not list(there.rglob("*.sqlite*"))
    assert list((other.path / ".local" / "share" / "homestow" / "client").rglob("*.sqlite"))


def test_the_password_is_not_seen_in_the_process_list(home: Home, server: Serving, folder: Path) -> None:
    """While it runs, no argument of any process holds it; in a line the rest can still be read."""
    process = home.popen("sync", "-s", server.url, "-u", "anna", "-d", folder, "-p", PASSWORD)
    try:
        wait_for(lambda: "in step" in read_line(process), "both sides in step")
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert PASSWORD.encode() not in shown
        assert b"anna" in shown
    finally:
        ended = stop(process)
    assert PASSWORD not in ended.out + ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_continuous_sync_follows_and_stops_cleanly(
    home: Home, server: Serving, folder: Path, number: signal.Signals
) -> None:
    """A change on either side reaches the other; a signal ends it within ten seconds with 0."""
    process = home.popen("sync", "-s", server.url, "-u", "anna", "-d", folder)
    there = home.data / "files" / "anna"
    try:
        wait_for(lambda: files(there) == files(folder), "the first sync")
        (folder / "new.txt").write_text("new")
        wait_for(lambda: "new.txt" in files(there), "a local change at the server")
        (there / "outside.txt").write_text("outside")
        wait_for(lambda: "outside.txt" in files(folder), "a change on the server's disk in the folder")
    finally:
        began = time.monotonic()
        ended = stop(process, number)
    assert time.monotonic() - began < 10
    assert (ended.code, ended.err) == (0, "")
    assert "1 file up (3 B)" in ended.out


def test_a_second_sync_of_the_same_folder(home: Home, server: Serving, folder: Path) -> None:
    """One process per folder: the second says so with exit 4."""
    process = home.popen("sync", "-s", server.url, "-u", "anna", "-d", folder)
    try:
        wait_for(lambda: "in step" in read_line(process), "both sides in step")
        ran = home.run("sync", "-s", server.url, "-u", "anna", "-d", folder, "--once")
        assert ran.code == 4
        assert ran.line
    finally:
        stop(process)


def test_who_syncs_survives_the_servers_absence(home: Home, folder: Path) -> None:
    """Continuous sync waits for the server and goes on, also when it starts before it."""
    with home.server() as first:
        home.fine("user", "add", "anna", "--data", home.data)
        home.fine("sync", "-s", first.url, "-u", "anna", "-d", folder, "--once")
    (folder / "later.txt").write_text("later")
    process = home.popen("sync", "-s", first.url, "-d", folder, env={"HOMESTOW_PASSWORD": ""})
    try:
        assert "waiting for the server" in read_line(process)
        assert home.run("sync", "-s", first.url, "-d", folder, "--once").code == 4
        with home.server("--http", first.url.removeprefix("http://")):
            wait_for(lambda: "later.txt" in files(home.data / "files" / "anna"), "what changed meanwhile")
    finally:
        stop(process)


def test_get_put_and_ls(home: Home, server: Serving, folder: Path) -> None:
    """Files and folders go there and back; errors name the thing and say what to do."""
    account = ("-s", server.url, "-u", "anna")
    large = home.path / "large.bin"
    large.write_bytes(os.urandom(3_000_000))
    home.fine("put", *account, folder, large, "anna/in/")
    assert home.fine("ls", *account, "anna/in").out.splitlines() == ["docs/", "large.bin"]
    assert "3.0 MB" in home.fine("ls", *account, "-l", "anna/in").out

    back = home.path / "back"
    back.mkdir()
    home.fine("get", *account, "anna/in/docs", "anna/in/large.bin", back)
    assert files(back / "docs") == files(folder)
    assert (back / "large.bin").read_bytes() == large.read_bytes()
    home.fine("get", *account, "anna/in/docs/a.txt", home.path / "renamed.txt")
    assert (home.path / "renamed.txt").read_text() == "a"

    for words, code in (
        (("get", *account, "anna/none"), 1),
        (("get", *account, "Nowhere/none"), 4),
        (("get", *account, "anna/in/docs/a.txt", home.path / "none" / "x"), 2),
        (("put", *account, home.path / "none", "anna/"), 2),
        (("put", *account, large, "anna/none/deeper/x"), 1),
        (("ls", *account, "anna/../.."), 1),
        (("ls", "-s", server.url), 0),
    ):
        ran = home.run(*words)
        assert (ran.code, words) == (code, words)
        assert code == 0 or ran.line


def test_the_own_password_is_changed(home: Home, server: Serving, folder: Path) -> None:
    """passwd proves the old one; this computer stays logged in, others do not."""
    other = Home(home.path / "other computer")
    for person in (home, other):
        person.fine("ls", "-s", server.url, "-u", "anna")
    ran = home.run("passwd", "-s", server.url, "--password-stdin", stdin="short\n")
    assert ran.code == 1
    home.fine("passwd", "-s", server.url, "--password-stdin", stdin="a new long password\n")

    none = {"HOMESTOW_PASSWORD": ""}
    home.fine("ls", "-s", server.url, env=none)
    assert other.run("ls", "-s", server.url, env=none).code == 4
    assert other.run("ls", "-s", server.url, "-u", "anna").code == 4
    other.fine("ls", "-s", server.url, "-u", "anna", env={"HOMESTOW_PASSWORD": "a new long password"})
