"""Begin with the desktop session: an XDG autostart entry, a systemd user unit, or a launch agent of macOS.

What stands in each file is decided apart from writing it, so that all three are tested everywhere. Programs are named by
absolute paths, and only when nobody else may change them (S94). Nothing is started or stopped now: it holds from the next
session on.
"""

import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from homestow.client.private_files import remove, write_whole
from homestow.values.errors import BadSettings, StorageFailed

LABEL: Final = "org.homestow.sync"
_DESKTOP: Final = "homestow-sync.desktop"
_UNIT: Final = "homestow-sync.service"


class Kind(StrEnum):
    """How a session begins programs."""

    XDG = "xdg"
    SYSTEMD = "systemd"
    LAUNCHD = "launchd"


class Autostart(NamedTuple):
    """One way of beginning with the session: which, its file, and whether it is on."""

    kind: Kind
    path: Path
    on: bool


def usual_kind() -> Kind:
    """What this computer's sessions use."""
    return Kind.LAUNCHD if sys.platform == "darwin" else Kind.XDG


def command() -> tuple[str, ...]:
    """The service of the stored jobs, by absolute paths."""
    return (sys.executable, "-m", "homestow", "sync")


def states(home: Path | None = None) -> tuple[Autostart, ...]:
    """All ways that this computer has; usually at most one is on."""
    kinds = (Kind.LAUNCHD,) if sys.platform == "darwin" else (Kind.XDG, Kind.SYSTEMD)
    return tuple(Autostart(kind, path := _path(kind, home), path.exists()) for kind in kinds)


def is_on(home: Path | None = None) -> bool:
    """Whether the service begins with the session, in whichever way."""
    return any(state.on for state in states(home))


def turn_on(kind: Kind | None = None, home: Path | None = None, program: Sequence[str] | None = None) -> Autostart:
    """Begin with the session from the next one on; gives how. The other ways are turned off. May be called twice.

    Raises:
        BadSettings: others may change the program that would be started.
        StorageFailed: the file cannot be written.
    """
    kind = kind or usual_kind()
    program = tuple(program or command())
    if against := _unsafe(Path(program[0])) or _unsafe(_package()):
        raise BadSettings(f"It is not started with the session: {against}")
    for other in states(home):
        if other.on and other.kind is not kind:
            _remove(other.kind, home)
    path = _path(kind, home)
    write_whole(path, text(kind, program).encode())
    if kind is Kind.SYSTEMD:
        _link(_wanted(home), path)
    return Autostart(kind, path, on=True)


def turn_off(home: Path | None = None) -> tuple[Path, ...]:
    """Do not begin with the session any more; gives the files that were removed."""
    on = [state for state in states(home) if state.on]
    for state in on:
        _remove(state.kind, home)
    return tuple(state.path for state in on)


# --- what the files say -----------------------------------------------------------------------------------------------


def text(kind: Kind, program: Sequence[str]) -> str:
    """The file's content for a program and its arguments.

    Raises:
        BadSettings: a path with a line break, which none of the files can name.
    """
    if any(ord(letter) < 32 for word in program for letter in word):
        raise BadSettings("A path with control characters cannot be started with the session; move the program.")
    makers: dict[Kind, Callable[[Sequence[str]], str]] = {
        Kind.XDG: _desktop, Kind.SYSTEMD: _unit, Kind.LAUNCHD: _plist,
    }  # fmt: skip
    return makers[kind](program)


def _desktop(program: Sequence[str]) -> str:
    """Source: Desktop Entry Specification 1.5, "The Exec key"."""
    return (
        "[Desktop Entry]\nType=Application\nName=Homestow\nName[zh_CN]=Homestow\n"
        "Comment=Keeps folders in step with your server\nComment[zh_CN]=让文件夹与您的服务器保持同步\n"
        f"Exec={' '.join(map(_desktop_word, program))}\n"
        "Terminal=false\nNoDisplay=true\nX-GNOME-Autostart-enabled=true\n"
    )


def _desktop_word(word: str) -> str:
    quoted = "".join(f"\\{letter}" if letter in '"`$\\' else letter for letter in word).replace("%", "%%")
    # The value is a string of the file's own, in which a backslash is written twice.
    return '"' + quoted.replace("\\", "\\\\") + '"'


def _unit(program: Sequence[str]) -> str:
    """Source: systemd.service(5), "Command lines"."""
    return (
        "[Unit]\nDescription=Homestow sync service\nDocumentation=man:homestow(1)\n\n"
        f"[Service]\nExecStart={' '.join(map(_unit_word, program))}\n"
        "Restart=on-failure\nRestartSec=30\nTimeoutStopSec=15\nNoNewPrivileges=yes\n\n"
        "[Install]\nWantedBy=default.target\n"
    )


def _unit_word(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'


def _plist(program: Sequence[str]) -> str:
    """Source: launchd.plist(5)."""
    import plistlib

    agent = {
        "Label": LABEL,
        "ProgramArguments": list(program),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Background",
        "ThrottleInterval": 30,
    }
    return plistlib.dumps(agent).decode()


# --- places -----------------------------------------------------------------------------------------------------------


def _config(home: Path | None) -> Path:
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(given) if home is None and given.startswith("/") else (home or Path.home()) / ".config"


def _path(kind: Kind, home: Path | None) -> Path:
    match kind:
        case Kind.XDG:
            return _config(home) / "autostart" / _DESKTOP
        case Kind.SYSTEMD:
            return _config(home) / "systemd" / "user" / _UNIT
        case Kind.LAUNCHD:
            return (home or Path.home()) / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def _wanted(home: Path | None) -> Path:
    """The link by which systemd knows that a unit is enabled."""
    return _config(home) / "systemd" / "user" / "default.target.wants" / _UNIT


def _link(link: Path, to: Path) -> None:
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(to)
    except OSError as error:
        raise StorageFailed(f"{link} cannot be made: {error.strerror}. Correct its rights.") from error


def _remove(kind: Kind, home: Path | None) -> None:
    if kind is Kind.SYSTEMD:
        remove(_wanted(home))
    remove(_path(kind, home))


def _package() -> Path:
    import homestow

    return Path(homestow.__file__ or "").parent


def _unsafe(path: Path) -> str:
    """Who but this user and the system may change what would be started; "" nobody."""
    if not path.is_absolute():
        return f"{path} is no absolute path."
    if os.name != "posix":
        return ""
    real = path.resolve()
    for part in (real, *real.parents):
        try:
            found = part.stat()
        except OSError as error:
            return f"{part} cannot be looked at: {error.strerror}."
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & stat.S_IWOTH and not sticky:
            return f"everybody may change {part}. Take that right away (chmod o-w), and try again."
        if found.st_uid not in (0, os.getuid()):
            return f"{part} belongs to another user, who could change it."
    return ""
