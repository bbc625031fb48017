"""A real `homestow sync` steered from another shell: seen, paused, resumed, looked through, read in its log."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, stop, wait_for

pytestmark = pytest.mark.serial


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Home, Serving]]:
    """A server with an account, and the home of whoever syncs."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    with home.server() as serving:
        yield home, serving


def jobs(home: Home) -> list[dict[str, Any]]:
    """All jobs as `status --json` has them; none while no service answers."""
    ran = home.run("status", "--json")
    return list(json.loads(ran.out)["jobs"]) if ran.code == 0 else []


def is_at(home: Home, state: str) -> bool:
    return [job["state"] for job in jobs(home)] == [state]


def test_a_folder_is_steered_from_another_shell(server: tuple[Home, Serving]) -> None:
    """From the first start to the end: state, pause across edits, resume, log, and nobody left behind."""
    home, serving = server
    assert home.run("status").code == 4
    folder = home.path / "Docs"
    process = home.popen("sync", "-s", serving.url, "-u", "anna", "-d", folder)
    try:
        wait_for(lambda: is_at(home, "synced"), "both sides in step")
        (job,) = jobs(home)
        assert job["config"]["directory"] == str(folder)
        assert re.search(r"^0  Docs +in step", home.fine("status").out, re.MULTILINE)

        assert "paused" in home.fine("pause", "Docs").out
        (folder / "a.txt").write_text("one")
        wait_for(lambda: is_at(home, "paused"), "the pause")
        assert not (home.data / "files" / "anna" / "a.txt").exists()
        home.fine("resume", folder)
        wait_for((home.data / "files" / "anna" / "a.txt").exists, "the file on the server")
        wait_for(lambda: "sent a.txt (3 B)" in home.run("log", "Docs").out, "the log")
        assert home.fine("reload", "0").out.startswith("Docs: ")
        assert home.fine("conflicts").out == "no conflicts.\n"
        assert "Docs: " in home.fine("jobs").out
        assert home.run("pause", "nothing").code == 2
    finally:
        ran = stop(process)
    assert ran.code == 0, ran
    assert home.run("status").code == 4


@contextmanager
def service(home: Home, *flags: object, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """The service of the stored jobs while the block lasts; it ends cleanly."""
    process = home.popen("sync", *flags, env=env)
    try:
        wait_for(lambda: home.run("status").code == 0, "the service")
        yield
    finally:
        ran = stop(process)
    assert ran.code == 0, ran


def test_jobs_come_and_go_while_the_service_runs(server: tuple[Home, Serving]) -> None:
    """Added, changed, disabled, paused across a restart, removed; both sides keep their files, and no file of the client's
    bears the password."""
    home, serving = server
    docs, music = home.path / "Docs", home.path / "Music"
    add = ("jobs", "add", "-s", serving.url, "-u", "anna", "--make", "-d")
    stored = home.path / ".local" / "share" / "homestow" / "client"
    with service(home):
        home.fine(*add, docs, "-r", "Docs", "--exclude", "*.tmp")
        wait_for(lambda: is_at(home, "synced"), "both sides in step")
        (docs / "a.txt").write_text("one")
        (docs / "b.tmp").write_text("not this one")
        wait_for((home.data / "files" / "anna" / "Docs" / "a.txt").exists, "the file on the server")
        home.fine(*add, music, "-r", "Music/Good", "--when", "manual", "--label", "Tunes")
        assert [job["number"] for job in jobs(home)] == [0, 1]
        home.fine("jobs", "disable", "Docs")
        assert jobs(home)[0]["state"] == "off"
        home.fine("jobs", "enable", "Docs")
        home.fine("pause", "Docs")
    with service(home):
        wait_for(lambda: jobs(home)[0]["paused"], "the pause after a restart")
        assert jobs(home)[1]["config"]["label"] == "Tunes"
        home.fine("resume", "Docs")
        home.fine("jobs", "change", "Docs", "--label", "Papers", "--include", "*")
        wait_for(lambda: jobs(home)[0]["state"] == "synced", "the job with its new name")
        home.fine("jobs", "remove", "Papers")
        assert [job["config"]["label"] for job in jobs(home)] == ["Tunes"]
    assert (docs / "a.txt").read_text() == (home.data / "files" / "anna" / "Docs" / "a.txt").read_text() == "one"
    assert not (home.data / "files" / "anna" / "Docs" / "b.tmp").exists()
    kept = [path for path in stored.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


def test_a_conflict_is_settled_from_the_shell(server: tuple[Home, Serving]) -> None:
    """Two computers change one file; the list shows both contents, the choice is taken, and reaches both."""
    home, serving = server
    other = Home(home.path / "other")
    here, there = home.path / "Docs", other.path / "Docs"
    once = ("sync", "-s", serving.url, "-u", "anna", "--once", "-d")
    here.mkdir()
    (here / "plan.txt").write_text("first")
    home.fine(*once, here)
    other.fine(*once, there)
    (there / "plan.txt").write_text("theirs, longer")
    other.fine(*once, there)
    (here / "plan.txt").write_text("ours")
    with service(home, "-s", serving.url, "-u", "anna", "-d", here):
        wait_for(lambda: '"ready":true' in home.run("conflicts", "--json").out, "the conflict")
        (line,) = home.fine("conflicts", "--json").out.splitlines()
        conflict = json.loads(line)
        assert (here / "plan.txt").read_text() == "theirs, longer"
        assert (here / conflict["copy"]["path"]).read_text() == "ours"
        assert "plan.txt is settled" in home.fine("conflicts", "--keep", "copy", conflict["id"]).out
        wait_for(lambda: (here / "plan.txt").read_text() == "ours", "the chosen content")
        assert home.fine("conflicts").out == "no conflicts.\n"
        wait_for(lambda: jobs(home)[0]["state"] == "synced", "both sides in step")
    other.fine(*once, there)
    assert {path.name: path.read_text() for path in there.iterdir() if path.is_file()} == {"plan.txt": "ours"}


def test_the_brake_is_answered_from_the_shell(server: tuple[Home, Serving]) -> None:
    """Nothing is deleted before somebody says that it is meant."""
    home, serving = server
    folder = home.path / "Docs"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text("x")
    with service(home, "-s", serving.url, "-u", "anna", "-d", folder):
        # Fresh files wait until they are quiet, and what is there till then is in step.
        wait_for(lambda: len(list((home.data / "files" / "anna").glob("*.txt"))) == 40, "the files on the server")
        wait_for(lambda: is_at(home, "synced"), "both sides in step")
        home.fine("pause")
        for path in folder.glob("*.txt"):
            path.unlink()
        home.fine("resume")
        wait_for(lambda: is_at(home, "asking"), "the question")
        assert "40 of 40 files would be deleted on the server" in home.fine("status").out
        assert len(list((home.data / "files" / "anna").glob("*.txt"))) == 40
        home.fine("resume", "--accept-deletes")
        wait_for(lambda: is_at(home, "synced"), "both sides in step")
        assert not list((home.data / "files" / "anna").glob("*.txt"))


def test_the_plain_link_of_a_real_service(server: tuple[Home, Serving], unused_tcp_port: int) -> None:
    """`-z`: what old windows can, from the shell."""
    home, serving = server
    port = min(unused_tcp_port, 65_000)
    z = ("-z", port)
    with service(home, "-s", serving.url, "-u", "anna", "-d", home.path / "Docs", *z):
        wait_for(lambda: is_at(home, "synced"), "both sides in step")
        assert home.fine("status", *z).out == f"RUNNING\n0  {home.path / 'Docs'}  {serving.url}\n"
        assert home.fine("pause", "Docs", *z).out == "PAUSED\n"
        wait_for(lambda: is_at(home, "paused"), "the pause")
        assert home.fine("resume", "0", *z).out == "RUNNING\n"
        assert home.fine("reload", *z).out == "RUNNING\n"
