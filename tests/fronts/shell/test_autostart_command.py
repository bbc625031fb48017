"""`homestow autostart` in a home of its own."""

import json

import pytest
from tests.control_twin import TwinService
from tests.fronts.shell.rig import Shell

from homestow.client.adapters import autostart


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be started lies in a checkout that others may own; that is looked at elsewhere."""
    monkeypatch.setattr(autostart, "_unsafe", lambda path: "")
    monkeypatch.setattr("sys.platform", "linux")


def test_on_show_off(shell: Shell) -> None:
    """By either way; nothing is left behind."""
    assert "off:" in shell.fine("autostart", "show")
    assert "XDG autostart" in shell.fine("autostart", "on")
    entry = shell.home / "config" / "autostart" / "homestow-sync.desktop"
    assert "homestow" in entry.read_text()
    assert str(entry) in shell.fine("autostart", "show")
    assert "by systemd" in shell.fine("autostart", "on", "--by", "systemd")
    assert not entry.exists()
    shell.fine("autostart", "off")
    assert not [path for path in (shell.home / "config").rglob("*") if not path.is_dir()]
    assert "did not begin" in shell.fine("autostart", "off")


def test_the_settings_say_the_same(shell: Shell) -> None:
    """Those that are stored where no service runs, else those of the one that runs."""
    stored = shell.home / "homestow" / "client" / "settings.json"
    shell.fine("autostart", "on")
    assert json.loads(stored.read_text())["autostart"] is True
    twin = shell.serve(TwinService(jobs=False)).twin
    shell.fine("autostart", "on")
    assert twin.settings.autostart
    shell.fine("autostart", "off")
    assert not twin.settings.autostart
