"""A server process that announces itself, found by who looks, and gone when it is stopped."""

import json
from pathlib import Path

import pytest
from tests.journeys.cli_processes import Home, read_line, stop, wait_for

from homestow.client.adapters.discovery import discover
from homestow.wire.announcing import INTERFACES

pytestmark = pytest.mark.serial


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine."""
    monkeypatch.setenv(INTERFACES, "127.0.0.1")


def found() -> list[str]:
    return [server.url for server in discover(0.6)]


def test_a_server_is_found_until_it_is_stopped(tmp_path: Path) -> None:
    """`--announce` and the setting alike; SIGTERM ends it as cleanly as ever, and it says goodbye."""
    home = Home(tmp_path)
    home.data.mkdir()
    process = home.popen(
        "serve",
        "--data",
        home.data,
        "--http",
        "127.0.0.1:0",
        env={INTERFACES: "127.0.0.1", "HOMESTOW_ANNOUNCE": "true"},
    )
    try:
        url = json.loads(read_line(process))["http"]
        wait_for(lambda: url in found(), "the server on the network")
    finally:
        ran = stop(process)
    assert ran.code == 0, ran
    assert url not in found()


def test_a_server_for_this_machine_only_is_not_announced(tmp_path: Path) -> None:
    """Whatever the setting says; the log tells why."""
    home = Home(tmp_path)
    with home.server("--announce") as server:
        assert server.url not in found()
        ran = stop(server.process)
    assert "not announced: nothing but this machine itself" in ran.err
