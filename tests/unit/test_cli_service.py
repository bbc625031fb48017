"""The systemd unit: what it says, and where it is put."""

import shutil
import subprocess
from pathlib import Path

import pytest

from homestow.cli import main
from homestow.cli.unit import Unit, quoted, text

UNIT = Unit(
    ("/opt/homestow/bin/python", "-m", "homestow", "serve", "--data", "/mnt/my disk/100%"), Path("/mnt/my disk"), "pi"
)


@pytest.mark.parametrize(
    "word,written",
    [
        ("/plain/path", "/plain/path"),
        ("with space", '"with space"'),
        ("50%", "50%%"),
        ("$HOME", "$$HOME"),
        ('say "x"', '"say \\"x\\""'),
        ("", '""'),
    ],
)
def test_words_are_taken_literally_by_systemd(word: str, written: str) -> None:
    """No path can be read as a specifier, a variable or two words."""
    assert quoted(word) == written


def test_a_unit_restarts_waits_for_its_disk_and_is_hardened() -> None:
    """What a Raspberry Pi needs to serve after every boot, and nothing more than that."""
    lines = text(UNIT).splitlines()

    assert 'ExecStart=/opt/homestow/bin/python -m homestow serve --data "/mnt/my disk/100%%"' in lines
    assert 'RequiresMountsFor="/mnt/my disk"' in lines
    assert {"User=pi", "Restart=always", "NoNewPrivileges=yes", "CapabilityBoundingSet="} <= set(lines)
    assert "WantedBy=multi-user.target" in lines


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("user", ["root", None])
def test_systemd_finds_nothing_to_say(tmp_path: Path, user: str | None) -> None:
    """systemd's own checker takes the unit, of the system and of a user."""
    path = tmp_path / "homestow.service"
    path.write_text(text(Unit(("/bin/true", "a b", "100%"), Path("/mnt/my disk"), user, (Path("/srv"),))))
    checked = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_installing_into_an_image_writes_and_enables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--destdir touches nothing outside; remove takes away what install wrote, and only that."""
    other = tmp_path / "etc/systemd/system/other.service"
    other.parent.mkdir(parents=True)
    other.write_text("")
    assert main(["service", "install", "--destdir", str(tmp_path), "--as", "pi", "--http", "0.0.0.0:5000"]) == 0
    unit = tmp_path / "etc/systemd/system/homestow.service"
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants/homestow.service"

    assert "--http 0.0.0.0:5000" in unit.read_text()
    assert wants.resolve() == unit

    assert main(["service", "remove", "--destdir", str(tmp_path)]) == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()] == [other]
    assert main(["service", "remove", "--destdir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("homestow: there is no ")


def test_print_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--print shows the unit of the system or of the user."""
    assert main(["service", "install", "--print", "--user"]) == 0

    shown = capsys.readouterr().out
    assert "User=" not in shown
    assert "WantedBy=default.target" in shown


def test_without_systemd_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The unit is written where systemd will look for it, and nothing is claimed to run."""
    monkeypatch.setattr("homestow.cli.unit.RUNNING", tmp_path / "absent")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    assert main(["service", "install", "--user", "--data", str(tmp_path / "data")]) == 0
    assert "systemctl --user daemon-reload" in capsys.readouterr().out
    unit = tmp_path / "config" / "systemd" / "user" / "homestow.service"
    assert f"--data {tmp_path / 'data'}" in unit.read_text()


@pytest.mark.parametrize(
    "words,said",
    [
        (["--user", "--as", "pi"], "--as does not fit"),
        (["--as", "nobody-of-that-name"], "no user 'nobody-of-that-name'"),
        (["--print", "--data", "a\nb"], "control character"),
    ],
)
def test_what_cannot_be_meant(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and one line says why."""
    assert main(["service", "install", *words]) == 2
    assert said in capsys.readouterr().err
