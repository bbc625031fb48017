"""Jobs that do not see all of a root, with real processes: one folder of it, and all but what patterns leave out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, stop, wait_for
from tests.journeys.test_cli_sync import files

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home folder on the first computer."""
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Serving]:
    """A server with the account anna."""
    with home.server() as serving:
        home.fine("user", "add", "anna", "--data", home.data)
        yield serving


def test_one_folder_of_a_root(home: Home, server: Serving, tmp_path: Path) -> None:
    """It alone is brought and kept in step, under whatever name it has there; without it nothing here is touched."""
    docs, other = home.path / "docs", Home(tmp_path / "other computer")
    (docs / "Photos" / "2026").mkdir(parents=True)
    (docs / "a.txt").write_text("a")
    (docs / "Photos" / "2026" / "b.txt").write_text("b")
    everything = ("sync", "-s", server.url, "-u", "anna", "-d", docs, "--once")
    home.fine(*everything)

    photos = other.path / "photos"
    part = ("sync", "-s", server.url, "-u", "anna", "-d", photos, "-r", "Photos/2026", "--once")
    other.fine(*part)
    assert files(photos) == {"b.txt": "b"}
    (photos / "c.txt").write_text("c")
    other.fine(*part)
    home.fine(*everything)
    assert files(docs) == {"a.txt": "a", "Photos/2026/b.txt": "b", "Photos/2026/c.txt": "c"}

    (docs / "Photos" / "2026").rename(docs / "New")
    (docs / "New" / "c.txt").write_text("d")
    (docs / "New" / "b.txt").rename(docs / "b.txt")
    home.fine(*everything)
    other.fine(*part)
    assert files(photos) == {"c.txt": "d"}

    (docs / "New" / "c.txt").unlink()
    (docs / "New").rmdir()
    home.fine(*everything)
    ran = other.run(*part)
    assert ran.code == 4
    assert "Photos/2026" in ran.line
    assert files(photos) == {"c.txt": "d"}


def test_patterns_of_a_job_file(home: Home, server: Serving, tmp_path: Path) -> None:
    """What they leave out is neither sent nor brought, and stays where it is when they change."""
    docs, other = home.path / "docs", Home(tmp_path / "other computer")
    (docs / "build").mkdir(parents=True)
    (docs / "build" / "x.o").write_text("x")
    (docs / "a.txt").write_text("a")
    (docs / "b.tmp").write_text("b")
    home.fine("sync", "-s", server.url, "-u", "anna", "-d", docs, "--once")

    here = other.path / "here"
    jobs, served = other.path / "jobs.json", home.data / "files" / "anna"

    def run(until: Callable[[], bool], *excludes: str) -> None:
        job = {
            "__type__": "JobConfig", "server": server.url, "user": "anna", "workspace": "anna", "directory": str(here),
            "password": PASSWORD,
            "filters": {"includes": ["*"], "excludes": list(excludes)},
        }  # fmt: skip
        jobs.write_text(json.dumps([job]))
        process = other.popen("sync", "-f", jobs)
        try:
            wait_for(until, "what the job does with these patterns")
        finally:
            stop(process)

    here.mkdir()
    (here / "mine.tmp").write_text("mine")
    (here / "z1").write_text("1")
    run(lambda: "z1" in files(served) and "a.txt" in files(here), "*.tmp", "/build/")
    assert files(here) == {"a.txt": "a", "mine.tmp": "mine", "z1": "1"}
    run(lambda: "mine.tmp" in files(served) and "build/x.o" in files(here), "a.txt")
    (here / "a.txt").unlink()
    (here / "z1").unlink()
    run(lambda: "z1" not in files(served), "a.txt")
    assert files(served) == {"a.txt": "a", "b.tmp": "b", "build/x.o": "x", "mine.tmp": "mine"}
    assert files(here) == {"b.tmp": "b", "build/x.o": "x", "mine.tmp": "mine"}
