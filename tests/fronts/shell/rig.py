"""The shell's commands in this process, against hubs over services in memory."""

import secrets
from pathlib import Path

import pytest
from tests.control_twin import TwinService

from homestow.cli.entry import main
from homestow.client.control import places
from homestow.client.control.hub import Hub
from homestow.values.errors import BadSettings


class Shell:
    """A person's shell; the services that run in its home end with it."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys
        self._ends: list[tuple[Hub, places.Held]] = []
        for name in ("XDG_RUNTIME_DIR", "HOMESTOW_PASSWORD", "COLUMNS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(home))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        monkeypatch.setenv("HOME", str(home))

    def serve(self, twin: TwinService | None = None, name: str = places.SERVICE, *, plain: bool = False) -> "Served":
        """Have a service run."""
        twin = twin or TwinService()
        held = places.take(name)
        hub = Hub(twin, held, port_file=self.home / "port_config")
        hub.open()
        self._ends.append((hub, held))
        return Served(twin, _open_plain(hub) if plain else 0)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `homestow WORDS`."""
        self._capsys.readouterr()
        code = main(list(words))
        ran = self._capsys.readouterr()
        return code, ran.out, ran.err

    def fine(self, *words: str) -> str:
        """What it prints; it must go well."""
        code, out, err = self.run(*words)
        assert (code, err) == (0, ""), (code, out, err)
        return out

    def refused(self, code: int, *words: str) -> str:
        """The one line of an error with this exit code."""
        got, out, err = self.run(*words)
        assert (got, out) == (code, ""), (got, out, err)
        (line,) = err.splitlines()
        assert line.startswith("homestow: ")
        return line

    def close(self) -> None:
        """End all services."""
        for hub, held in self._ends:
            hub.close()
            held.release()
        self._ends.clear()


def _open_plain(hub: Hub) -> int:
    """Open the plain words at three ports in a row, as a person does who names one; gives the first."""
    for _ in range(50):
        port = 20_000 + secrets.randbelow(40_000)
        try:
            return hub.open_plain(port).pub
        except BadSettings:
            continue  # somebody has one of them
    raise AssertionError("no three free ports in a row")


class Served:
    """A service that runs; `port` of its plain words, 0: closed."""

    def __init__(self, twin: TwinService, port: int) -> None:
        self.twin, self.port = twin, port
