"""`homestow netdrive`: accounts and files on any server of the netdrive protocol."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from homestow.cli.asking import Command, Group
from homestow.cli.fitting import size
from homestow.cli.netdrive_entering import Door, entered, is_alive, keep, known_login, log_in
from homestow.cli.passwords import ask_password, given_password, new_password
from homestow.cli.troubles import USAGE, Trouble, one_line
from homestow.client.adapters.logins import Logins, check_digits
from homestow.client.adapters.netdrive_address import parse_netdrive
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_files import Listing, files_of
from homestow.values.errors import CloudError
from homestow.wire.netdrive import Dialect

DEFAULT_SERVER = "netdrive://localhost:4500"

F = TypeVar("F", bound=Callable[..., Any])

_DIALECTS = {"documented": Dialect.DOCUMENTED, "final": Dialect.FINAL}


def door_options(command: F) -> F:
    """The flags that say which server, and who."""
    options = (
        click.option(
            "-s", "--server", metavar="URL", default=DEFAULT_SERVER, envvar="HOMESTOW_NETDRIVE_SERVER", show_default=True,
            help="netdrive://host:port, or netdrives:// for one that is secured by TLS.",
        ),
        click.option("-u", "--user", metavar="USER", envvar="HOMESTOW_USER", help="Your account's name."),
        click.option("--tls", is_flag=True, help="Secured by TLS, as netdrives:// says."),
        click.option("--allow-plain", is_flag=True, help="Send a password unprotected over the network."),
        click.option(
            "--dialect", type=click.Choice(sorted(_DIALECTS)), help="How the server is spoken to; default: found out."
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def bind_option(command: F) -> F:
    """The flag that says which root."""
    return click.option(
        "--bind", type=click.IntRange(1), metavar="N", help="Which of your roots, by its number; default: your own."
    )(command)


def door(server: str, tls: bool, allow_plain: bool, dialect: str | None, bind: int | None = None) -> Door:
    """What the flags say."""
    return Door(parse_netdrive(server, tls=tls), _DIALECTS[dialect] if dialect else None, bind, allow_plain)


@click.group(cls=Group)
@click.option("--phase0", is_flag=True, help="The server is one of the first phase: upload and download by name only.")
@click.pass_context
def netdrive(ctx: click.Context, phase0: bool) -> None:
    """Accounts and files on any server of the netdrive protocol."""
    ctx.obj = phase0


@netdrive.command(cls=Command, example="homestow netdrive signup -s netdrives://home.example -u anna")
@door_options
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def signup(
    server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, password_stdin: bool
) -> None:
    """Make an account."""
    if not user:
        raise Trouble("what shall the account be called? Say it with -u USER.", USAGE)
    at = door(server, tls, allow_plain, dialect)
    password = new_password(f"Password for {user}", stdin=password_stdin)
    with at.server() as there:
        there.sign_up(user, password)
    print(f"{user} has an account on {at.address.url}.")


@netdrive.command(cls=Command, example="homestow netdrive login -s netdrives://home.example -u anna")
@door_options
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def login(
    server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, password_stdin: bool
) -> None:
    """Log in; this computer keeps the session until `logout`."""
    at = door(server, tls, allow_plain, dialect)
    user, known = known_login(at, user)
    password = given_password(stdin=password_stdin) or ask_password(f"Password of {user} on {at.address.url}")
    if not password:
        raise Trouble("no password: set HOMESTOW_PASSWORD, or run it in a terminal to be asked.", USAGE)
    said = f"{user} is logged in on {at.address.url}."
    if known is not None and known.check == check_digits(known.token, password):
        with at.server(known) as there:
            if is_alive(there):
                print(said)
                return
    log_in(at, user, password).close()
    print(said)


@netdrive.command(cls=Command, example="homestow netdrive changepwd -s netdrives://home.example -u anna")
@door_options
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the new password from standard input; the old one is in HOMESTOW_PASSWORD.",
)
def changepwd(
    server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, password_stdin: bool
) -> None:
    """Change your password. All your other sessions end."""
    at = door(server, tls, allow_plain, dialect)
    user, _ = known_login(at, user)
    old = given_password() or ask_password(f"Present password of {user}")
    if not old:
        raise Trouble("no present password: set HOMESTOW_PASSWORD, or run it in a terminal to be asked.", USAGE)
    new = given_password(stdin=True) if password_stdin else ask_password("New password", twice=True)
    if not new:
        raise Trouble("no new password: write it to standard input with --password-stdin.", USAGE)
    wanted = new

    def change(there: NetdriveServer, name: str) -> None:
        there.change_password(old, wanted)
        keep(there, name, there.session or "", wanted)

    entered(at, user, change)
    print(f"the password of {user} is changed; this computer stays logged in.")


@netdrive.command(cls=Command, example="homestow netdrive logout -s netdrives://home.example -u anna")
@door_options
def logout(server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None) -> None:
    """Log out, and forget the session that this computer keeps."""
    at = door(server, tls, allow_plain, dialect)
    logins = Logins()
    known = logins.find(at.address.url, user) if user else logins.only(at.address.url)
    if known is None:
        raise Trouble(
            f"no login for {at.address.url} is kept here" + ("." if user else "; with several, name one with -u USER.")
        )
    with at.server(known) as there:
        try:
            there.log_out()
            said = "logged out."
        except CloudError as error:
            said = f"forgotten here; the server was not told: {one_line(error.message)}"
    logins.drop(known.server, known.user)
    print(said)


@netdrive.command(cls=Command, example="homestow netdrive dirinfo -s netdrives://home.example -u anna")
@door_options
@bind_option
@click.option("-l", "long", is_flag=True, help="With size and time.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all that the server tells.")
def dirinfo(
    server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, bind: int | None, long: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """List all folders and files."""
    at = door(server, tls, allow_plain, dialect, bind)
    listing = entered(at, user, lambda there, _: files_of(there).listing())
    if as_json:
        print(json.dumps(_as_json(listing), indent=1))
        return
    lines = [("", _joined(path, "")) for path in listing.folders if _joined(path, "") != "/"]
    lines += [
        (f"{size(file.size):>9}  {_when(file.mtime_s):16}  ", _joined(file.path, file.name)) for file in listing.files
    ]
    shown = one_line if sys.stdout.isatty() else str
    for facts, path in sorted(lines, key=lambda line: line[1]):
        print((f"{facts:29}" if long else "") + shown(path))


def _as_json(listing: Listing) -> dict[str, Any]:
    return {"dirs": list(listing.folders), "files": [file._asdict() for file in listing.files]}


def _joined(path: str, name: str) -> str:
    """A path as people write it: "/a/b/" for a folder, "/a/b/name" for a file in it."""
    inside = path.strip("/")
    return (f"/{inside}/" if inside else "/") + name


def _when(mtime_s: int) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(mtime_s))
    return ""


@netdrive.command(
    cls=Command,
    example="homestow netdrive upload -s netdrives://home.example -u anna film.mp4 --to Films\n"
    "homestow netdrive upload -s netdrive://192.168.1.5:4500 --phase0 notes.txt",
)
@door_options
@bind_option
@click.option(
    "--to", metavar="FOLDER", default="", help="The folder on the server; made when missing. Default: the top."
)
@click.option("--phase0", is_flag=True, help="The server is one of the first phase: by name only.")
@click.argument("files", metavar="[FILE...]", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def upload(
    ctx: click.Context, server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, bind: int | None,
    to: str, phase0: bool, files: tuple[Path, ...],
) -> int:  # fmt: skip
    """Send files and folders.

    What was interrupted continues where it was when the same is sent again; without FILE, all that was interrupted does.
    """
    from homestow.cli.netdrive_transfers import phase0_upload, send

    at = door(server, tls, allow_plain, dialect, bind)
    for file in files:
        if not file.exists():
            raise Trouble(f"{file}: there is no such file or folder here.", USAGE)
    if phase0 or ctx.obj:
        return phase0_upload(at, files)
    return send(at, user, [str(file.absolute()) for file in files], [name for name in to.split("/") if name])


@netdrive.command(
    cls=Command,
    example="homestow netdrive download -s netdrives://home.example -u anna Films/film.mp4 -o ~/Videos\n"
    "homestow netdrive download -s netdrive://192.168.1.5:4500 --phase0 notes.txt",
)
@door_options
@bind_option
@click.option(
    "-o", "--output", metavar="DIR", default=".", type=click.Path(path_type=Path), help="Default: this folder."
)
@click.option("-f", "--force", is_flag=True, help="Replace files that are there and differ.")
@click.option("--phase0", is_flag=True, help="The server is one of the first phase: by name only.")
@click.argument("paths", metavar="[FILE...]", nargs=-1)
@click.pass_context
def download(
    ctx: click.Context, server: str, user: str | None, tls: bool, allow_plain: bool, dialect: str | None, bind: int | None,
    output: Path, force: bool, phase0: bool, paths: tuple[str, ...],
) -> int:  # fmt: skip
    """Fetch files and folders, by their paths on the server; "/" is everything.

    What was interrupted continues where it was when the same is fetched again; without FILE, all that was interrupted does.
    """
    from homestow.cli.netdrive_transfers import fetch, phase0_download

    at = door(server, tls, allow_plain, dialect, bind)
    into = output.expanduser().absolute()
    if not into.is_dir():
        raise Trouble(f"{output} is no folder; make it, or name another one.", USAGE)
    if phase0 or ctx.obj:
        return phase0_download(at, paths, into, force=force)
    return fetch(at, user, list(paths), str(into), force=force)
