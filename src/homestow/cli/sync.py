"""`homestow sync`: keep one folder in step with one root, once or until stopped.

This module is the hot one: a start imports neither click nor anything of the server (see `entry`).
"""

from pathlib import Path

from homestow.cli.syncflags import Flag, Given
from homestow.cli.troubles import USAGE, Trouble
from homestow.cli.wishes import Jobs, Ports, Wish
from homestow.values.errors import CloudError

DEFAULT_SERVER = "http://localhost:5000"

ABOUT = """Keep a folder in step with a root on a server.

Without -d the stored jobs are kept in step, as many as there are; windows and other commands steer them.

Both sides follow each other, or with -dir one follows the other. Nothing is lost when both changed the same file: both are
kept. Runs until stopped; with --once until both sides are settled, and then exits with 0 when all is in step, 1 when items
are left (with reasons), 2 on bad usage, 3 when so much would be deleted that it asks first, 4 when the server, the login or
the root is the trouble.

The password is needed once; a token of this computer is kept instead. It is read from HOMESTOW_PASSWORD, the keyring or the
terminal; -p works, but others may see it for a moment."""

EXAMPLE = """\
HOMESTOW_PASSWORD=… homestow sync -s https://home.example:5000 -u anna -d ~/Documents
homestow sync -s https://home.example:5000 -u anna -d ~/Photos -w Photos -dir down --once
homestow sync -s netdrives://home.example:4500 -u anna -d ~/Documents
homestow sync -f jobs.json -z 5556"""

FLAGS = (
    Flag(
        ("-s", "--server"),
        "The server, also with a path prefix; netdrive://host:4500 speaks that protocol.",
        "URL",
        DEFAULT_SERVER,
    ),
    Flag(("-d", "--directory"), "The folder on this computer.", "DIR"),
    Flag(("-w", "--workspace", "--root"), "The root on the server, by name or number; default: your own.", "ROOT"),
    Flag(("-u", "--user"), "Your account's name.", "USER"),
    Flag(("-p", "--password"), "Your password; better in HOMESTOW_PASSWORD.", "PASSWORD"),
    Flag(
        ("-dir", "--direction"),
        "bi: both ways; up: the server follows; down: the folder follows.",
        "WAY",
        "bi",
        ("bi", "up", "down"),
    ),
    Flag(("-r", "--remote_folder", "--remote-folder"), "A folder of the root; default: all of it.", "FOLDER"),
    Flag(
        ("-f", "--file"),
        "Keep the jobs of a JSON file in step, with -d also that folder; . is the stored jobs.",
        "FILE",
    ),
    Flag(
        ("-z", "--zmq_port", "--zmq"),
        "Be steered also by other programs over ZeroMQ at this port and the next two; 0: any.",
        "PORT",
    ),
    Flag(("--api_port", "--api-port"), "Answer browsers and other programs over HTTP at this port; 0: any.", "PORT"),
    Flag(("--once",), "Stop when both sides are settled."),
    Flag(("--accept-deletes",), "The brake asked, and the deletions are meant."),
    Flag(("--allow-plain",), "Send the password also to a netdrive:// server on another machine, unprotected."),
)


def wish(given: Given) -> Wish | Jobs:
    """What the flags say.

    Raises:
        Trouble: flags contradict each other, or a value cannot be meant; exit code 2.
    """
    ports = _port(given, "zmq", "-z", 65_533), _port(given, "api_port", "--api-port", 65_535)
    directory = _text(given, "directory")
    if not directory:
        return _jobs(given, ports)
    if given["once"] and ports != (None, None):
        raise Trouble("--once is over too soon to be steered: leave -z and --api-port out.", USAGE)
    folder = Wish(
        server=server_url(_text(given, "server") or DEFAULT_SERVER),
        directory=Path(directory).expanduser().absolute(),
        root=_text(given, "root"),
        user=_text(given, "user"),
        password=_text(given, "password"),
        direction=_text(given, "direction") or "bi",
        once=bool(given["once"]),
        accept_deletes=bool(given["accept_deletes"]),
        allow_plain=bool(given["allow_plain"]),
        remote_folder=(_text(given, "remote_folder") or "").strip("/"),
        ports=ports,
    )
    if (file := _text(given, "file")) is None:
        return folder
    if folder.once or folder.accept_deletes or folder.allow_plain:
        raise Trouble(
            "--once, --accept-deletes and --allow-plain are about one folder of the command line: leave -f out.", USAGE
        )
    return Jobs(_file(file), ports, folder)


def _file(text: str) -> Path | None:
    return None if text == "." else Path(text).expanduser().absolute()


_OF_A_FOLDER = (
    *(("server", "-s"), ("root", "-w"), ("remote_folder", "-r"), ("user", "-u"), ("password", "-p")),
    *(
        ("direction", "-dir"),
        ("once", "--once"),
        ("accept_deletes", "--accept-deletes"),
        ("allow_plain", "--allow-plain"),
    ),
)


def _jobs(given: Given, ports: Ports) -> Jobs:
    usual = {flag.key: flag.default for flag in FLAGS}
    lone = [name for key, name in _OF_A_FOLDER if given[key] and given[key] != usual[key]]
    if lone:
        raise Trouble(f"{', '.join(lone)}: of which folder? Name it with -d DIR.", USAGE)
    path = _file(_text(given, "file") or ".")
    if path is not None and not path.exists():
        raise Trouble(f"there is no job file {path}; write it, or leave -f out for the stored jobs.", USAGE)
    return Jobs(path, ports)


def _port(given: Given, key: str, flag: str, most: int) -> int | None:
    value = given[key]
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most):
        raise Trouble(f"{flag} {text!r}: a port is a number from 1 to {most:,}; 0: any that is free.", USAGE)
    return int(text)


def _text(given: Given, key: str) -> str | None:
    value = given[key]
    return value if isinstance(value, str) and value else None


def server_url(text: str) -> str:
    """A server's address without a slash at its end; http:// is put before a bare host.

    Raises:
        Trouble: it is no address of http, https, netdrive or netdrives.
    """
    if text.startswith(("netdrive://", "netdrives://")):
        from homestow.client.adapters.netdrive_address import parse_netdrive

        try:
            return parse_netdrive(text).url
        except CloudError as error:
            raise Trouble(error.message, USAGE) from error
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("http", "https") or not host or host.startswith(":") or "@" in host or set(url) & set(" ?#"):
        raise Trouble(f"{text!r} is no server's address; it looks like https://home.example:5000.", USAGE)
    return url


def run(given: Given) -> int:
    """Do what the flags say; the exit code."""
    match wish(given):
        case Wish() as wanted:
            from homestow.cli.keeping import keep

            return keep(wanted)
        case Jobs() as jobs:
            from homestow.cli.servicing import keep_jobs

            return keep_jobs(jobs)
