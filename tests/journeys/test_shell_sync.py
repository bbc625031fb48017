"""A real `homestow sync` steered from another shell: seen, paused, resumed, looked through, read in its log."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_processes import Home, Serving, stop, wait_for

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
