"""Real processes with marked secrets: where they end up, who could read them, and what listens (rows S12, S83, S97, S98, S102)."""

import json
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import Home, Serving, read_line, stop, wait_for

from homestow.cli.serving import Lines

MARK = "marked-password-58c1"
LISTEN = "0A"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home."""
    return Home(tmp_path / "home")


def secret(**more: str) -> dict[str, str]:
    """The environment of a command that has the marked password and tells all it can."""
    return {"HOMESTOW_PASSWORD": MARK, "HOMESTOW_LOG_LEVEL": "debug", "HOMESTOW_ACCESS_LOG": "true", **more}


def holding(folder: Path, secrets: list[str]) -> dict[str, set[str]]:
    """Which of the secrets stand in which files below a folder, names of files included."""
    found: dict[str, set[str]] = {text: set() for text in secrets}
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for text in secrets:
            if text.encode() in data or text in path.name:
                found[text].add(str(path.relative_to(folder)))
    return found


def listening(pid: int) -> set[str]:
    """Addresses of the TCP sockets on which a process listens, as the kernel writes them."""
    mine = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)]", os.readlink(fd))
        mine |= {found[1]} if found else set()
    told = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN and words[9] in mine:
                told.add(words[1].partition(":")[0])
    return told


@pytest.mark.serial
def test_S97_secrets_are_nowhere_they_could_be_read(home: Home) -> None:
    """A server at its most talkative and everything a person does: the password stands in no log, answer or file, and the
    token of the login in one file only, for its owner's eyes, beside the sync that needs it."""
    said: list[str] = []
    folder = home.path / "here"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    env = secret()
    process = home.popen("serve", "--data", home.data, "--http", "127.0.0.1:0", env=env)
    server = Serving(process, read_line(process))
    try:
        for words in (
            ("user", "add", "anna", "--admin", "--data", home.data),
            ("user", "add", "anna", "--data", home.data),
            ("sync", "-s", server.url, "-u", "anna", "-w", "anna", "-d", folder, "--once"),
            ("ls", "-s", server.url, "-u", "anna", "anna"),
            ("ls", "-s", server.url, "-u", "nobody"),
            ("user", "list", "--data", home.data),
            ("backup", home.path / "backup", "--data", home.data),
            ("user", "passwd", "nobody", "--data", home.data),
        ):
            ran = home.run(*words, env={**env, "HOMESTOW_DEBUG": "1"})
            said += [ran.out, ran.err]
        said.append(Path(f"/proc/{process.pid}/cmdline").read_text())
    finally:
        ended = stop(process)
    said += [ended.out, ended.err]
    logins = [path for path in home.path.rglob("*") if path.is_file() and b'"token"' in path.read_bytes()]
    assert len(logins) == 1, logins
    token = re.search(r'"token":\s*"([^"]+)"', logins[0].read_text())
    assert token is not None
    assert "logged in" in ended.err  # the log was on
    assert MARK not in "".join(said)
    assert token[1] not in "".join(said)
    found = holding(home.path, [MARK, token[1]])
    assert found[MARK] == set()
    beside = {path for path in found[token[1]] if path != str(logins[0].relative_to(home.path))}
    assert not [path for path in beside if path.startswith(("data", "backup", "here"))], beside
    for path in found[token[1]]:
        assert stat.S_IMODE((home.path / path).stat().st_mode) & 0o077 == 0, path


@pytest.fixture
def careless() -> Iterator[None]:
    """A person whose umask takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.serial
@pytest.mark.usefixtures("careless")
def test_S12_S83_S102_nothing_is_open_to_others(home: Home) -> None:
    """Even under a umask of 0: everything in the data folder, in a backup and of the client is its owner's alone; the server
    listens on this machine only, and a sync listens nowhere."""
    folder = home.path / "here"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    with home.server() as server:
        assert listening(server.process.pid) == {"0100007F"}
        home.fine("user", "add", "anna", "--data", home.data)
        process = home.popen("sync", "-s", server.url, "-u", "anna", "-w", "anna", "-d", folder)
        try:
            wait_for(lambda: "in step" in read_line(process), "both sides in step")
            assert listening(process.pid) == set()
        finally:
            stop(process)
        home.fine("put", "-s", server.url, "-u", "anna", folder / "a.txt", "anna/b.txt")
        home.fine("backup", home.path / "backup", "--data", home.data)
        for place in (home.data, home.path / "backup"):
            everything = [path for path in (place, *place.rglob("*")) if not path.is_symlink()]
            assert [path for path in everything if is_open(path) and not is_shielded(path, place / "files")] == []
    for path in home.path.rglob("*"):
        if path.is_file() and b'"token"' in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
            assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0, path


def is_open(path: Path) -> bool:
    """Whether others may do anything with it."""
    return stat.S_IMODE(path.lstat().st_mode) & 0o077 != 0


def is_shielded(path: Path, files: Path) -> bool:
    """Whether it is a published file (those have their folder's mode) below a folder that lets nobody else through."""
    return any(above != files and files in above.parents and not is_open(above) for above in path.parents)


EVIL = "x\nERROR root: all is lost\r\x1b[2J\x1b]0;owned\x07\u202e\u2028\x85y"


@pytest.mark.parametrize("place", ["message", "field", "error", "cause"])
def test_S98_no_name_makes_a_line_or_steers_a_terminal(place: str) -> None:
    """A name in a log's message, fields or traceback stays inside of its line, without a control character."""
    record = logging.makeLogRecord({"msg": "told", "levelname": "INFO", "name": "n"})
    try:
        try:
            if place == "cause":
                raise ValueError(EVIL)
            raise KeyError("quiet")
        except (ValueError, KeyError) as error:
            raise RuntimeError(EVIL if place == "error" else "quiet") from error
    except RuntimeError:
        failure = sys.exc_info()
    if place == "message":
        record.msg = EVIL
    elif place == "field":
        record.__dict__["user"] = EVIL
    else:
        record.exc_info = failure
    text = Lines().format(record)
    first, *others = text.split("\n")
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert "INFO" in first
    assert all(line.startswith("| ") for line in others)
    assert bool(others) is (place in ("error", "cause"))


@pytest.mark.serial
def test_S97_what_a_server_says_of_itself_is_no_secret(tmp_path: Path) -> None:
    """The line that a script reads when a server is ready holds addresses and nothing else."""
    home = Home(tmp_path / "home")
    with home.server() as server:
        ready = json.loads(server.line)
    assert ready["ready"] is True
    assert all(value is True or isinstance(value, str | type(None)) for value in ready.values())
    assert set(ready) <= {"ready", "http", "netdrive", "picloud", "grpc"}
