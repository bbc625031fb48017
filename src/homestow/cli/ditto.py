"""`homestow ditto`: the owner's upload commands, and files over the Ditto services of any server."""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from homestow.cli.asking import Group, data_option
from homestow.cli.orders import obey, shown
from homestow.cli.passwords import given_password
from homestow.cli.times import read_time
from homestow.cli.troubles import FINE, LEFT, USAGE, Trouble, one_line
from homestow.client.adapters.this_computer import client_folder

if TYPE_CHECKING:
    from homestow.cli.ditto_entering import Door

DEFAULT_SERVER = "127.0.0.1:50051"

F = TypeVar("F", bound=Callable[..., Any])

_SHORT_S: Final = 5.0
_LONG_S: Final = 120.0
"""So long a server that does not answer is asked again: by what somebody waits for, and by what works by itself."""

_DOOR: Final = ("server", "user", "client_id", "client_secret", "tls", "ca", "http", "allow_plain")
_STATUSES: Final = ("created", "uploading", "uploaded", "written")
_TYPES: Final = (
    "file_written", "file_uploaded", "fileblock_uploaded", "file_toupload_commanded", "fileblock_toupload_commanded",
)  # fmt: skip


@click.group(cls=Group)
def ditto() -> None:
    """Files by the Ditto services: send them, and have devices send theirs."""


@ditto.command(
    "request",
    example="homestow ditto request --user anna --from 2026-11-20 --to 2026-11-21T18:00\n"
    "homestow ditto request --file 0c5f7e1e-9a3b-4d0c-8a53-64c2b9a0b6d1 --block 3",
)
@click.option("--user", metavar="USER", help="Whose devices are asked.")
@click.option(
    "--from", "start", metavar="TIME", help="Files from then on: ISO 8601 (local without a zone), or seconds."
)
@click.option("--to", "end", metavar="TIME", help="Files until then; a day alone is meant with all its hours.")
@click.option("--file", metavar="UUID", help="A file that a device announced.")
@click.option("--block", type=click.IntRange(0), metavar="N", help="Its block, counted from 0 on.")
@data_option
def request(
    user: str | None, start: str | None, end: str | None, file: str | None, block: int | None, data: Path
) -> int:
    """Ask devices to upload the files of a time, or one block of a file again.

    A device that is away gets to know when it comes back.
    """
    if (file is None) != (block is None) or (start is None) != (end is None) or (file is None) == (start is None):
        raise Trouble("say either --user, --from and --to, or --file and --block.", USAGE)
    if file is not None:
        return obey(data, "ditto.request", {"user": user, "file": file, "block": block})
    if user is None:
        raise Trouble("whose devices? Name the account with --user USER.", USAGE)
    first, last = read_time(start or ""), read_time(end or "", end=True)
    return obey(data, "ditto.request", {"user": user, "start_ns": first, "end_ns": last})


def door_options(command: F) -> F:
    """The flags that say which server, which client, and who."""
    options = (
        click.option(
            "-s", "--server", metavar="HOST:PORT", default=DEFAULT_SERVER, envvar="HOMESTOW_DITTO_SERVER",
            show_default=True, help="The Ditto server; dittos://HOST:PORT is secured by TLS.",
        ),
        click.option("-u", "--user", metavar="USER", envvar="HOMESTOW_USER", help="Your account's name."),
        click.option(
            "--client-id", metavar="ID", envvar="HOMESTOW_DITTO_CLIENT_ID", help="As `homestow client add` gave it."
        ),
        click.option(
            "--client-secret", metavar="SECRET", envvar="HOMESTOW_DITTO_CLIENT_SECRET",
            help="The same; better in HOMESTOW_DITTO_CLIENT_SECRET, where nobody else sees it.",
        ),
        click.option("--tls", is_flag=True, help="Secured by TLS, as dittos:// says."),
        click.option("--ca", metavar="FILE", help="Trust these authorities (PEM) instead of the computer's."),
        click.option(
            "--http", metavar="URL", envvar="HOMESTOW_DITTO_HTTP",
            help="The server's HTTP address: the login goes on by itself there; else it asks for the password every hour.",
        ),
        click.option("--allow-plain", is_flag=True, help="Send a password unprotected over the network."),
    )  # fmt: skip

    @functools.wraps(command)
    def with_door(**given: Any) -> Any:
        from homestow.cli.ditto_entering import Door

        return command(door=Door(**{name: given.pop(name) for name in _DOOR}), **given)

    decorated: Any = with_door
    for option in reversed(options):
        decorated = option(decorated)
    return cast(F, decorated)


@ditto.command("login", example="homestow ditto login -s dittos://home.example -u anna")
@door_options
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def login(door: "Door", password_stdin: bool) -> None:
    """Log in; this computer keeps the login, for its owner only."""
    from homestow.cli.ditto_entering import enter

    password = given_password(stdin=True) if password_stdin else None
    entered = enter(door, patience_s=_SHORT_S, password=password, anew=True)
    with entered.client as client:
        client.log_in()
    print(f"{entered.login.user} is logged in on {entered.login.server}.")


@ditto.command(
    "upload",
    example="homestow ditto upload -s 127.0.0.1:50051 -u anna film.mp4\nhomestow ditto upload ~/Pictures/2026 --streams 2",
)
@door_options
@click.option(
    "--streams", type=click.IntRange(1, 32), default=4, show_default=True, help="Blocks on their way at once."
)
@click.option(
    "--block-size", type=click.IntRange(1), metavar="BYTES", default=1024 * 1024, show_default=True,
    help="Of each block but the last; 8384512 at most.",
)  # fmt: skip
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def upload(door: "Door", streams: int, block_size: int, files: tuple[Path, ...]) -> int:
    """Send files and folders into the folder `Ditto` of your root.

    What was interrupted goes on where it was when the same is sent again; what is there already is not sent twice.
    """
    from homestow.cli.ditto_entering import enter
    from homestow.cli.ditto_notes import Notes
    from homestow.cli.ditto_transfers import DittoSending
    from homestow.cli.transfers import Counter, report
    from homestow.wire.ditto.calls import MAX_BLOCK_BYTES

    for file in files:
        if not file.exists():
            raise Trouble(f"{file}: there is no such file or folder here.", USAGE)
    if block_size > MAX_BLOCK_BYTES:
        raise Trouble(f"a block has {MAX_BLOCK_BYTES} bytes at most.", USAGE)
    entered = enter(door, patience_s=_LONG_S)
    counter = Counter()
    notes = Notes(client_folder() / "ditto" / "sent.db", entered.owner)
    try:
        with entered.client as client:
            sending = DittoSending(client, notes, counter.moved, streams=streams, block_size=block_size)
            sending.send(item for file in files for item in sending.items(file))
    finally:
        counter.clear()
        notes.close()
    return report(sending.carried, "sent")


@ditto.command("ls", example="homestow ditto ls -s 127.0.0.1:50051 -u anna")
@door_options
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Those alone.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per file, with all that the server tells.")
def ls(door: "Door", status: str | None, as_json: bool) -> None:
    """List the files that were announced, with their uuids."""
    from homestow.cli.ditto_entering import enter
    from homestow.cli.fitting import size
    from homestow.client.adapters.ditto_values import FileStatus

    with enter(door, patience_s=_SHORT_S).client as client:
        for file in client.list(None if status is None else FileStatus[status.upper()]):
            if as_json:
                print(json.dumps({**asdict(file), "status": file.status.name}))
            else:
                print(shown(f"{file.uuid}  {file.status.name:9}  {size(file.size):>9}  {file.name}"))


@ditto.command("rm", example="homestow ditto rm 0c5f7e1e-9a3b-4d0c-8a53-64c2b9a0b6d1")
@door_options
@click.argument("uuids", metavar="UUID...", nargs=-1, required=True)
def rm(door: "Door", uuids: tuple[str, ...]) -> int:
    """Delete files by their uuids; what was written goes to the trash."""
    from homestow.cli.ditto_entering import enter
    from homestow.values.errors import NotFound

    code = FINE
    with enter(door, patience_s=_SHORT_S).client as client:
        for uuid in uuids:
            try:
                client.delete(uuid)
            except NotFound as error:
                print(f"homestow: {one_line(uuid)}: {one_line(error.message)}", file=sys.stderr)
                code = LEFT
    return code


@ditto.command(
    "watch",
    example="homestow ditto watch --json --types file_written\nhomestow ditto watch --act-on ~/Pictures",
)
@door_options
@click.option(
    "--types", metavar="TYPE,...", help=f"Of {', '.join(_TYPES)}; default: all, with --act-on the upload commands."
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per event.")
@click.option(
    "--act-on", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Obey upload commands with the files of this folder.",
)  # fmt: skip
@click.option(
    "--watch-uuid", metavar="NAME", help="Which reader this is; default: one for this computer, folder and types."
)
def watch(door: "Door", types: str | None, as_json: bool, act_on: Path | None, watch_uuid: str | None) -> None:
    """Show what happens, and with --act-on upload what the server asks for. Runs until it is ended.

    The first time it shows all there is; later it goes on where it ended. An event counts as done when it was shown and acted
    on.
    """
    from homestow.cli.ditto_following import follow

    kinds = _kinds(types, acting=act_on is not None)
    if act_on is not None and not act_on.is_dir():
        raise Trouble(f"{act_on}: there is no such folder here.", USAGE)
    follow(door, kinds, act_on, watch_uuid, as_json=as_json)


def _kinds(types: str | None, *, acting: bool) -> frozenset[str]:
    """The wanted kinds by name; none: all."""
    kinds = frozenset(word.strip().upper() for word in (types or "").split(",") if word.strip())
    if wrong := kinds - {kind.upper() for kind in _TYPES}:
        raise Trouble(f"{', '.join(sorted(wrong)).lower()}: no such type; there are {', '.join(_TYPES)}.", USAGE)
    return kinds | {kind.upper() for kind in _TYPES if "toupload" in kind} if acting else kinds
