"""`homestow service`: a systemd unit, so that a machine serves after every boot. What the unit says is decided apart from doing."""

import os
import pwd
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from homestow.cli.asking import Group
from homestow.cli.troubles import LEFT, TROUBLE, USAGE, Trouble

NAME = "homestow.service"
SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_DATA = Path("/var/lib/homestow")
RUNNING = Path("/run/systemd/system")
"""Exists exactly where systemd is the running init, see sd_booted(3)."""

# What a server of ordinary files never needs. System paths are read-only; /home, /mnt, /media and /srv stay writable,
# since roots lie there. No MemoryDenyWriteExecute: the foreign function interface of some Pythons needs such memory.
_HARDENED = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
_HARDENED_SYSTEM = """\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=full
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit shall do.

    Attributes:
        command: program and arguments, the program with its absolute path.
        data: the data folder, absolute.
        user: who runs it; None: a unit of the user's own systemd.
        mounts: folders whose disks must be there before it starts, besides the data folder's.
    """

    command: tuple[str, ...]
    data: Path
    user: str | None
    mounts: tuple[Path, ...] = ()


def quoted(word: str) -> str:
    """A word as systemd's unit files need it, so that it is taken literally (systemd.service(5), "Command lines")."""
    if any(ord(letter) < 32 for letter in word):
        raise Trouble(f"{word!r} holds a control character, which a unit cannot say; use another path.", USAGE)
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if plain and not set(plain) & set(" '\";\\") else f'"{plain}"'


def text(unit: Unit) -> str:
    """The unit file."""
    mounts = " ".join(quoted(str(path)).replace("$$", "$") for path in dict.fromkeys((unit.data, *unit.mounts)))
    system = unit.user is not None
    lines = [
        "[Unit]",
        "Description=Homestow, a cloud of ordinary files",
        *(["After=network.target"] if system else []),
        f"RequiresMountsFor={mounts}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(quoted(word) for word in unit.command)}",
        "Restart=always",
        "RestartSec=2",
        "TimeoutStopSec=20",
        "LimitNOFILE=65536",
        "UMask=0077",
    ]
    if system:
        lines.append(f"User={unit.user}")
        if unit.data == SYSTEM_DATA:
            lines += ["StateDirectory=homestow", "StateDirectoryMode=0700"]
    lines += (_HARDENED + (_HARDENED_SYSTEM if system else "")).splitlines()
    lines += ["", "[Install]", f"WantedBy={'multi-user.target' if system else 'default.target'}", ""]
    return "\n".join(lines)


def calling_user() -> str:
    """The person at the keyboard: who called sudo, else who runs this."""
    sudo = os.environ.get("SUDO_USER")
    return sudo if sudo and os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def folder(own: bool, destdir: Path | None) -> Path:
    """Where the unit file goes."""
    if own:
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        place = Path(config) / "systemd" / "user"
    else:
        place = SYSTEM_UNITS
    return destdir / place.relative_to("/") if destdir else place


def systemctl(own: bool, *order: str) -> None:
    """Give systemd an order, shown as it is given.

    Raises:
        Trouble: systemd refused; its own words are above.
    """
    command = ["systemctl", *(["--user"] if own else []), *order]
    print(f"$ {shlex.join(command)}", file=sys.stderr)
    try:
        status = subprocess.run(command, check=False).returncode
    except FileNotFoundError as error:
        raise Trouble("there is no systemctl here; start the unit with your system's own tools.", TROUBLE) from error
    if status:
        raise Trouble(f"`{shlex.join(command)}` failed; see: journalctl {'--user ' if own else ''}-u {NAME}", TROUBLE)


@click.group(cls=Group)
def service() -> None:
    """Let systemd run the server after every boot."""


@service.command(
    example="sudo homestow service install --http 0.0.0.0:5000 --allow-plain --mount /mnt/disk\n"
    "homestow service install --user"
)
@click.option("--user", "own", is_flag=True, help="A unit of your own, without root; it runs while you may linger.")
@click.option("--as", "run_as", metavar="USER", help="Who runs it; default: you, not root, under sudo.")
@click.option("--data", metavar="DIR", help=f"The data folder; default: {SYSTEM_DATA}, with --user your own.")
@click.option("--http", metavar="H:P", help="Address of the HTTP front; default 127.0.0.1:5000.")
@click.option("--public-url", metavar="URL", help="How the server is reached from outside.")
@click.option("--tls-cert", metavar="FILE", help="Certificate, PEM.")
@click.option("--tls-key", metavar="FILE", help="Its key, PEM, readable for its owner only.")
@click.option("--allow-plain", is_flag=True, help="Serve plain http beyond this machine.")
@click.option("--mount", "mounts", multiple=True, metavar="DIR", help="Start only when the disk of DIR is mounted.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit; change nothing.")
@click.option("--destdir", type=click.Path(path_type=Path), help="Write below this folder, for a system image.")
def install(
    own: bool,
    run_as: str | None,
    data: str | None,
    http: str | None,
    public_url: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    allow_plain: bool,
    mounts: tuple[str, ...],
    only_print: bool,
    destdir: Path | None,
) -> None:
    """Write a hardened unit, and start it now and after every boot."""
    from homestow.cli.asking import default_data

    if own and run_as:
        raise Trouble("--user makes a unit of your own, so --as does not fit; leave one of them out.", USAGE)
    user = None if own else run_as or calling_user()
    where = _absolute(data) if data else default_data() if own else SYSTEM_DATA
    command = [sys.executable, "-m", "homestow", "serve", "--data", str(where)]
    for flag, value in (("--http", http), ("--public-url", public_url)):
        command += [flag, value] if value else []
    for flag, value in (("--tls-cert", tls_cert), ("--tls-key", tls_key)):
        command += [flag, str(_absolute(value))] if value else []
    command += ["--allow-plain"] if allow_plain else []
    written = text(Unit(tuple(command), where, user, tuple(_absolute(path) for path in mounts)))
    if only_print:
        print(written, end="")
        return
    if user is not None and destdir is None:
        _check_user(user)
    path = folder(own, destdir) / NAME
    _write(path, written, own)
    print(f"wrote {path}")
    if destdir is not None:
        wants = path.parent / ("default.target.wants" if own else "multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        (wants / NAME).unlink(missing_ok=True)
        (wants / NAME).symlink_to(f"../{NAME}")
        print("enabled for the next boot of that system.")
        return
    _make_data(where, user)
    _switch_on(own, where)


def _switch_on(own: bool, data: Path) -> None:
    flag = "--user " if own else ""
    if not RUNNING.exists():
        print("systemd does not run here. Where it does, this starts the server now and after every boot:")
        print(f"  systemctl {flag}daemon-reload && systemctl {flag}enable --now {NAME}")
        return
    systemctl(own, "daemon-reload")
    systemctl(own, "enable", NAME)
    systemctl(own, "restart", NAME)
    print(f"running, now and after every boot. Its log: journalctl {flag}-u {NAME}")
    if own:
        print(f"to run it while nobody is logged in: loginctl enable-linger {calling_user()}")
    print(f"first account: homestow user add NAME --admin --data {shlex.quote(str(data))}")


@service.command(example="sudo homestow service remove")
@click.option("--user", "own", is_flag=True, help="The unit of your own.")
@click.option("--destdir", type=click.Path(path_type=Path), help="Below this folder, for a system image.")
def remove(own: bool, destdir: Path | None) -> None:
    """Stop the server and remove its unit; the data stays."""
    path = folder(own, destdir) / NAME
    if not path.exists():
        raise Trouble(f"there is no {path}; nothing to remove" + ("." if own else " (yours alone: --user)."), LEFT)
    live = destdir is None and RUNNING.exists()
    if live:
        systemctl(own, "disable", "--now", NAME)
    try:
        for target in ("default.target.wants", "multi-user.target.wants"):
            (path.parent / target / NAME).unlink(missing_ok=True)
        path.unlink()
    except PermissionError as error:
        raise _needs_root(path, own) from error
    if live:
        systemctl(own, "daemon-reload")
    print(f"removed {path}; the data folder and the files are untouched.")


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def _check_user(user: str) -> None:
    try:
        pwd.getpwnam(user)
    except KeyError as error:
        raise Trouble(f"there is no user {user!r} on this machine; name one with --as.", USAGE) from error
    if user == "root":
        print("homestow: the server will run as root; --as USER names somebody with fewer rights.", file=sys.stderr)


def _write(path: Path, written: str, own: bool) -> None:
    staged = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(written, "utf-8")
        staged.chmod(0o644)
        staged.replace(path)
    except PermissionError as error:
        raise _needs_root(path, own) from error


def _needs_root(path: Path, own: bool) -> Trouble:
    if own:
        return Trouble(f"{path} cannot be changed; correct the rights of its folder.", TROUBLE)
    return Trouble(f"{path} needs root: use sudo, or --user for a unit of your own.", TROUBLE)


def _make_data(where: Path, user: str | None) -> None:
    """The data folder, its owner's alone; systemd makes the one under /var/lib itself."""
    if user is None or where.exists() or where == SYSTEM_DATA:
        return
    where.mkdir(mode=0o700, parents=True)
    owner = pwd.getpwnam(user)
    if os.getuid() == 0:
        os.chown(where, owner.pw_uid, owner.pw_gid)
