"""Beginning with the desktop session: what each file says, where it lies, on, off, and what is refused."""

import os
import plistlib
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from homestow.client.adapters import autostart
from homestow.client.adapters.autostart import Kind, text, turn_off, turn_on
from homestow.values.errors import BadSettings

PROGRAM = ("/opt/a b/py\"th'on$`%\\", "-m", "homestow", "sync")


def test_the_desktop_entry_names_the_program_as_the_specification_says() -> None:
    """Read back by its rules, in both layers, the words are those that were meant."""
    lines = text(Kind.XDG, PROGRAM).splitlines()
    assert lines[0] == "[Desktop Entry]"
    value = next(line for line in lines if line.startswith("Exec=")).removeprefix("Exec=")

    # The layer of the file: \\ is one backslash. The layer of Exec: quotes, with \ before " ` $ \, and %% for %.
    quoted = re.findall(r'"((?:\\.|[^"\\])*)"', value.replace("\\\\", "\\"))
    words = [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in quoted]
    assert words == list(PROGRAM)


def test_the_unit_names_the_program_as_systemd_reads_it() -> None:
    """Quotes, backslashes, specifiers and variables are escaped; nothing of it means something to systemd."""
    unit = text(Kind.SYSTEMD, PROGRAM)
    (line,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))

    assert line == 'ExecStart="/opt/a b/py\\"th\'on$$`%%\\\\" "-m" "homestow" "sync"'
    assert "WantedBy=default.target" in unit
    assert "Restart=on-failure" in unit


def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    """Where systemd is, it is asked."""
    unit = tmp_path / "homestow-sync.service"
    unit.write_text(text(Kind.SYSTEMD, (sys.executable, "-m", "homestow", "sync")))
    try:
        ran = subprocess.run(
            ["systemd-analyze", "--user", "verify", str(unit)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return
    assert "homestow-sync" not in ran.stderr, ran.stderr


def test_the_launch_agent_is_a_property_list() -> None:
    """The words stand there one by one, and it begins when the session does."""
    agent = plistlib.loads(text(Kind.LAUNCHD, PROGRAM).encode())

    assert agent["ProgramArguments"] == list(PROGRAM)
    assert agent["RunAtLoad"] is True
    assert agent["Label"] == autostart.LABEL


@pytest.mark.parametrize("kind", list(Kind))
def test_no_path_can_add_a_line(kind: Kind) -> None:
    """A line break in a path would be a line of the file."""
    with pytest.raises(BadSettings):
        text(kind, ("/opt/a\nExec=evil", "sync"))


def test_on_twice_other_way_and_off(tmp_path: Path) -> None:
    """One way is on at a time, its file is of this user alone, and off leaves nothing behind."""
    assert not autostart.is_on(tmp_path)
    first = turn_on(Kind.XDG, tmp_path)
    assert turn_on(Kind.XDG, tmp_path) == first
    assert first.path == tmp_path / ".config/autostart/homestow-sync.desktop"
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert autostart.command()[0] in first.path.read_text()

    second = turn_on(Kind.SYSTEMD, tmp_path)
    assert [(state.kind, state.on) for state in autostart.states(tmp_path)] == [
        (Kind.XDG, False),
        (Kind.SYSTEMD, True),
    ]
    wanted = tmp_path / ".config/systemd/user/default.target.wants/homestow-sync.service"
    assert wanted.resolve() == second.path

    assert turn_off(tmp_path) == (second.path,)
    assert not autostart.is_on(tmp_path)
    assert not wanted.is_symlink()
    assert turn_off(tmp_path) == ()


def test_a_program_that_others_may_change_is_not_started(tmp_path: Path) -> None:
    """Everybody could have this user run anything at the next login (S94)."""
    loose = tmp_path / "bin"
    loose.mkdir()
    program = loose / "homestow"
    program.write_text("")
    os.chmod(loose, 0o777)

    with pytest.raises(BadSettings, match="everybody may change"):
        turn_on(Kind.XDG, tmp_path, (str(program), "sync"))
    with pytest.raises(BadSettings, match="absolute"):
        turn_on(Kind.XDG, tmp_path, ("homestow", "sync"))
    assert not autostart.is_on(tmp_path)
