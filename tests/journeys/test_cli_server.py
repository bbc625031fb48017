"""The server's processes: start and stop, what stands in the way, and administration beside it."""

import json
import os
import signal
import socket
import sqlite3
import stat
import time
from pathlib import Path

import pytest
import trustme
from tests.journeys.cli_processes import PASSWORD, Home, read_line, stop, wait_for

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


def test_one_ready_line_then_a_clean_stop(home: Home) -> None:
    """Exactly one line of JSON on stdout when it answers; SIGTERM ends it within ten seconds, with 0."""
    process = home.popen("serve", "--data", home.data, "--http", "127.0.0.1:0")
    line = read_line(process)
    ready = json.loads(line)
    assert ready["ready"] is True
    host, _, port = ready["http"].removeprefix("http://").partition(":")
    socket.create_connection((host, int(port)), timeout=10).close()

    began = time.monotonic()
    ended = stop(process)

    assert (ended.code, ended.out) == (0, "")
    assert time.monotonic() - began < 10
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ended_it_starts_again(home: Home, number: signal.Signals) -> None:
    """Ctrl-C and kill -9 leave a data folder that the next start takes, and accounts that are still there."""
    with home.server() as first:
        home.fine("user", "add", "anna", "--data", home.data)
        stop(first.process, number)
    with home.server():
        assert "anna" in home.fine("user", "list", "--data", home.data).out


def test_a_second_server_on_the_same_data(home: Home) -> None:
    """It says who has the folder, and leaves; the first goes on."""
    with home.server() as first:
        second = home.run("serve", "--data", home.data, "--http", "127.0.0.1:0")

        assert second.code == 4
        assert f"process {first.process.pid} uses the data folder" in second.line
        assert first.process.poll() is None


def test_a_port_that_is_taken(home: Home) -> None:
    """The line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = home.run("serve", "--data", home.data, "--http", f"127.0.0.1:{port}")

    assert ran.code == 4
    assert f"127.0.0.1:{port}" in ran.line


def test_settings_that_cannot_be_used(home: Home) -> None:
    """Garbage, an unknown name, a wrong value and a folder in the file's place: each with its place."""
    home.data.mkdir(mode=0o700)
    settings = home.data / "homestow.toml"
    for text, said in (
        ("not toml at all", "homestow.toml:1"),
        ("htpp = 'x'", "did you mean 'http'"),
        ("trash_days = 'many'", "whole number"),
        ("\udcff", "UTF-8"),
    ):
        settings.write_bytes(text.encode(errors="surrogateescape"))
        for words in (("serve", "--http", "127.0.0.1:0"), ("user", "list")):
            ran = home.run(*words, "--data", home.data)
            assert ran.code == 2
            assert said in ran.line
    settings.unlink()
    settings.mkdir()
    assert "homestow.toml" in home.run("serve", "--data", home.data).line


@pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")
def test_settings_that_cannot_be_read(home: Home) -> None:
    """Mode 0000 is said, not taken for no settings."""
    home.data.mkdir(mode=0o700)
    (home.data / "homestow.toml").touch(mode=0o000)
    ran = home.run("serve", "--data", home.data)

    assert ran.code == 2
    assert "cannot be read" in ran.line


def test_data_of_a_newer_version(home: Home) -> None:
    """An older program refuses it and harms nothing (S112)."""
    home.fine("user", "add", "anna", "--data", home.data)
    database = next(home.data.glob("*.db"))
    with sqlite3.connect(database) as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
    link.close()
    before = database.read_bytes()
    for words in (("serve", "--http", "127.0.0.1:0"), ("user", "list")):
        ran = home.run(*words, "--data", home.data)
        assert ran.code == 4
        assert "newer" in ran.line
    assert database.read_bytes() == before


def test_folders_that_are_not_there(home: Home) -> None:
    """A data folder that cannot be made, and a root whose folder is absent, are said in one line."""
    (home.path / "file").touch()
    assert home.run("serve", "--data", home.path / "file" / "data").code == 4
    ran = home.run("root", "add", "Photos", home.path / "absent", "--data", home.data)
    assert ran.code == 2
    assert "absent" in ran.line


def test_plain_http_needs_a_word(home: Home) -> None:
    """Beyond this machine nothing is served readable unless it is said that it is meant (S102)."""
    ran = home.run("serve", "--data", home.data, "--http", "0.0.0.0:0")

    assert ran.code == 2
    assert "--allow-plain" in ran.line


def test_tls_from_server_to_client(home: Home) -> None:
    """With a certificate the address is https, and a client that trusts its authority syncs; unusable files are said."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key, roots = home.path / "cert.pem", home.path / "key.pem", home.path / "roots.pem"
    issued.private_key_pem.write_to_path(str(key))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(cert), append=number > 0)
    authority.cert_pem.write_to_path(str(roots))
    flags = ("--tls-cert", cert, "--tls-key", key)
    key.chmod(0o644)
    assert "chmod 600" in home.run("serve", "--data", home.data, *flags).line
    key.chmod(0o600)
    home.fine("user", "add", "anna", "--data", home.data)
    with home.server(*flags) as server:
        assert server.url.startswith("https://127.0.0.1:")
        home.fine("ls", "-s", server.url, "-u", "anna", env={"SSL_CERT_FILE": str(roots)})
        ran = home.run("ls", "-s", server.url, "-u", "anna")
        assert ran.code == 4
        assert "SSL_CERT_FILE" in ran.line
        assert home.run("ls", "-s", server.url.replace("https", "http"), "-u", "anna").code == 4
    cert.write_text("garbage")
    assert "cert.pem" in home.run("serve", "--data", home.data, *flags).line


def test_a_stop_while_it_starts(home: Home) -> None:
    """SIGTERM before the ready line ends it as cleanly as afterwards."""
    process = home.popen("serve", "--data", home.data, "--http", "127.0.0.1:0")
    wait_for((home.data / "lock").exists, "the lock")
    ended = stop(process)
    assert ended.code == 0
    assert "Traceback" not in ended.err
    with home.server():
        pass


def test_administration_beside_a_running_server(home: Home) -> None:
    """What is ordered while the server runs holds at once, and is the same as without it."""
    photos = home.path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"a")
    with home.server() as server:
        home.fine("user", "add", "anna", "--admin", "--data", home.data)
        home.fine("user", "add", "ben", "--data", home.data)
        home.fine("root", "add", "Photos", photos, "--member", "anna:write", "--data", home.data)
        home.fine("root", "member", "Photos", "ben:read", "--data", home.data)
        assert home.fine("ls", "-s", server.url, "-u", "ben").out.splitlines() == ["ben/", "Photos/"]
        assert home.fine("ls", "-s", server.url, "-u", "ben", "Photos").out == "a.jpg\n"

        home.fine("user", "passwd", "anna", "--password-stdin", "--data", home.data, stdin="another password\n")
        assert home.run("ls", "-s", server.url, "-u", "anna").code == 4
        home.fine("ls", "-s", server.url, "-u", "anna", env={"HOMESTOW_PASSWORD": "another password"})

        assert home.run("user", "add", "anna", "--data", home.data).code == 1
        home.fine("user", "remove", "ben", "--data", home.data)
        assert home.run("ls", "-s", server.url, "-u", "ben").code == 4
    assert [line.split()[0] for line in home.fine("user", "list", "--data", home.data).out.splitlines()] == ["anna"]
    assert (photos / "a.jpg").read_bytes() == b"a"


def test_the_data_folder_is_its_owners_alone(home: Home) -> None:
    """Folder, database and socket are closed to others (S12)."""
    with home.server():
        for path in (home.data, *home.data.glob("*.db"), home.data / "control.sock"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_trash_and_versions_from_the_shell(home: Home) -> None:
    """What was deleted and what was overwritten can be listed and brought back."""
    file = home.path / "letter.txt"
    with home.server() as server:
        home.fine("user", "add", "anna", "--data", home.data)
        account = ("-s", server.url, "-u", "anna")
        for text in ("first", "second"):
            file.write_text(text)
            home.fine("put", *account, file, "anna/")
        listed = home.fine("versions", "list", "anna/letter.txt", "--data", home.data).out.splitlines()
        assert [line.split()[0] for line in listed] == ["2", "1"]
        home.fine("versions", "restore", "anna/letter.txt", "--data", home.data)
        assert (home.data / "files" / "anna" / "letter.txt").read_text() == "first"

        assert home.run("versions", "restore", "anna/letter.txt", "77", "--data", home.data).code == 1
        assert home.run("trash", "restore", "anna/letter.txt", "--data", home.data).code == 1
        assert "empty" in home.fine("trash", "list", "--data", home.data).out


def test_verify_backup_and_restore(home: Home) -> None:
    """A backup made beside the running server brings everything back into an empty folder."""
    file = home.path / "letter.txt"
    file.write_text("dear")
    backup, again = home.path / "backup", home.path / "again"
    home.data.mkdir(mode=0o700, exist_ok=True)
    (home.data / "homestow.toml").write_text("signup = true\n")
    with home.server() as server:
        home.fine("user", "add", "anna", "--data", home.data)
        home.fine("put", "-s", server.url, "-u", "anna", file, "anna/")
        home.fine("verify", "--data", home.data)
        home.fine("backup", backup, "--data", home.data)
        assert "1 older backup removed" in home.fine("backup", backup, "--keep", 1, "--data", home.data).out
    assert "homestow.toml is back." in home.fine("restore", backup, "--data", again).out.splitlines()
    assert "signup = true" in (again / "homestow.toml").read_text()
    assert (again / "files" / "anna" / "letter.txt").read_text() == "dear"
    home.fine("verify", "--data", again)
    ran = home.run("restore", backup, "--data", again)
    assert ran.code != 0
    assert "has data in it" in ran.line
    assert home.run("restore", home.path / "none", "--data", again).code == 2

    (again / "files" / "anna" / "letter.txt").write_text("DEAR")
    assert home.run("verify", "--data", again).code == 1


def test_passwords_are_never_echoed(home: Home) -> None:
    """Neither a message nor the server's log shows the password (S97)."""
    with home.server() as server:
        told = [
            home.run("user", "add", "anna", "--data", home.data),
            home.run("user", "add", "anna", "--data", home.data),
            home.run("ls", "-s", server.url, "-u", "anna"),
            home.run("ls", "-s", server.url, "-u", "nobody"),
        ]
        told.append(stop(server.process))
    assert PASSWORD not in "".join(ran.out + ran.err for ran in told)


def test_a_root_that_was_emptied_on_the_disk_asks_first(home: Home) -> None:
    """P10: exit code 3 and nothing deleted until it is said to be meant; a backup meanwhile names what it lacks, with 1."""
    photos = home.path / "photos"
    photos.mkdir()
    for number in range(30):
        (photos / f"f{number}").write_text(str(number))
    with home.server():
        home.fine("user", "add", "anna", "--data", home.data)
        home.fine("root", "add", "Photos", photos, "--member", "anna", "--data", home.data)
        for number in range(25):
            (photos / f"f{number}").unlink()

        held = home.run("root", "scan", "Photos", "--data", home.data)

        assert held.code == 3
        assert "25 files are missing" in held.out
        assert "30 files" in home.fine("root", "list", "--data", home.data).out
        backup = home.run("backup", home.path / "backup", "--data", home.data)
        assert backup.code == 1
        assert backup.out.count("not in the backup: f") == 25
        assert home.run("root", "scan", "--accept-deletes", "--data", home.data).code == 2
        accepted = home.fine("root", "scan", "Photos", "--accept-deletes", "--data", home.data)
        assert "25 gone" in accepted.out
        home.fine("backup", home.path / "backup", "--data", home.data)
        home.fine("root", "trust", "Photos", "--data", home.data)
