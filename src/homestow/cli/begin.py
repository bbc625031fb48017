"""`homestow start`: a server for this machine and a folder kept in step with it, in one go; what ./start runs."""

import getpass
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from homestow.cli.asking import Command, data_option
from homestow.cli.control import Args, ask_server
from homestow.cli.first import PORT, account_name, check_apart, free_port, new_password, read_account, write_account
from homestow.cli.housekeeping import ServerChild
from homestow.cli.troubles import TROUBLE, Trouble, one_line
from homestow.wire.api import Order

ACCOUNT_FILE = "first-account.txt"
LOG_FILE = "server.log"
PORT_FILE = "port"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose folder is kept in step; the password is None when we do not know it, `fresh` when it was made just now."""

    name: str
    password: str | None
    fresh: bool


@click.command(cls=Command, example="homestow start ~/Documents")
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option("--accept-deletes", is_flag=True, help="The brake asked, and the deletions are meant.")
@data_option
def start(folder: str | None, accept_deletes: bool, data: Path) -> int:
    """Serve this machine and keep FOLDER (default: ~/Homestow) in step, until Ctrl-C.

    The first time it makes an account with a generated password. Run again, it continues.
    """
    from homestow.server.settings import DataFolder

    here = Path(folder).expanduser().absolute() if folder else Path.home() / "Homestow"
    check_apart(here, data)
    _check_folder(here)
    DataFolder(data).make()
    child: ServerChild | None = None
    try:
        child = ServerChild(data, _address(data), data / LOG_FILE)
        url = child.ready()
        _remember_port(data, url)
        person = _person(data)
        here.mkdir(exist_ok=True)
        return _keep(child, data, url, person, here, accept_deletes)
    finally:
        if child is not None:
            child.stop()
            print("Stopped.", flush=True)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise Trouble(f"{folder} is not a folder; name another one.", TROUBLE)
    if not folder.parent.is_dir():
        raise Trouble(f"{folder.parent} is not there; make it, or name another folder.", TROUBLE)


def _address(data: Path) -> list[str]:
    """The flag that gives the server its port: that of last time, else 5000, else any; none where a setting says it."""
    from homestow.server.settings import Settings, load

    if load(data, os.environ, {}).http != Settings().http:
        return []
    try:
        wanted = int((data / PORT_FILE).read_text())
    except (OSError, ValueError):
        wanted = PORT
    port = free_port(wanted) or free_port(PORT)
    if port != wanted:
        print(f"Port {wanted} is taken by another program; taking {port or 'a free one'}.", flush=True)
    return ["--http", f"127.0.0.1:{port}"]


def _remember_port(data: Path, url: str) -> None:
    """What the client knows of a server is kept by its address, so the port should stay."""
    port = url.rpartition(":")[2]
    if port.isdigit():
        (data / PORT_FILE).write_text(port)


def _person(data: Path) -> Person:
    """The first account, made when there is none."""
    users = [str(user["name"]) for user in _order(data, "user.list", {})]
    kept = read_account(data / ACCOUNT_FILE)
    if not users:
        name, password = kept or (account_name(getpass.getuser()), new_password())
        # Written first: a password lost between the two steps would lock the owner out.
        write_account(data / ACCOUNT_FILE, name, password)
        _order(data, "user.add", {"name": name, "password": password, "admin": True})
        return Person(name, password, fresh=True)
    if kept is not None and kept[0] in users:
        return Person(*kept, fresh=False)
    wanted = account_name(getpass.getuser())
    return Person(wanted if wanted in users else users[0], None, fresh=False)


def _order(data: Path, name: str, args: Args) -> list[dict[str, object]]:
    """What an order gave; a single thing as a list of one."""
    from homestow.server.settings import DataFolder

    outcome = ask_server(DataFolder(data).socket, Order(name=name, args=dict(args)))
    if outcome is None:
        raise Trouble(f"the server ended; its log is {data / LOG_FILE}.", TROUBLE)
    found = msgspec.json.decode(outcome.data)
    return found if isinstance(found, list) else [found]


def _keep(child: ServerChild, data: Path, url: str, person: Person, folder: Path, accept_deletes: bool) -> int:
    """Keep the folder in step until a signal comes or the server ends."""
    from homestow.cli.entering import enter
    from homestow.cli.keeping import job_settings
    from homestow.cli.passwords import given_password
    from homestow.cli.servicing import keep_known
    from homestow.cli.wishes import Wish
    from homestow.client.adapters.this_computer import client_folder
    from homestow.values.errors import LoginFailed

    wish = Wish(url, folder, None, person.name, None, "bi", once=False, accept_deletes=accept_deletes)
    try:
        entered = enter(url, person.name, otherwise=lambda: person.password or given_password())
    except LoginFailed as error:
        raise Trouble(
            f"the password of {person.name} in {data / ACCOUNT_FILE} is not the present one; write that into it, and start again.",
            TROUBLE,
        ) from error
    with entered:
        settings = job_settings(wish, entered, client_folder() / "jobs")
    lies_in = {str(root["name"]): str(root["folder"]) for root in _order(data, "root.list", {})}
    _tell(url, person, folder, lies_in.get(str(settings.root), ""), data)
    ended = threading.Event()

    def watch(stop_job: Callable[[], None]) -> None:
        def wait() -> None:
            child.wait()
            if not child.stopping:
                ended.set()
                stop_job()

        threading.Thread(target=wait, name="server-watch", daemon=True).start()

    code = keep_known(wish, settings, f"{folder} and the server", watch)
    if ended.is_set():
        raise Trouble(f"the server ended by itself: {child.last_words()}", TROUBLE)
    return code


def _tell(url: str, person: Person, folder: Path, lies_in: str, data: Path) -> None:
    name, us = one_line(person.name), _program()
    secret = [
        f"  Its password          {person.password}",
        f"                        shown this once; kept for your eyes only in {data / ACCOUNT_FILE}",
    ]
    lines = [
        "",
        f"  Homestow answers at   {url}",
        f"  Your account          {name}",
        *(secret if person.fresh else []),
        f"  This folder           {folder}",
        f"  is kept in step with  {lies_in}",
        "                        ordinary files in ordinary folders; change them here or there",
        "",
        "  Try next",
        f"    put a file into {folder}, and find it on the server a moment later:",
        f"    {us} ls -s {url} -u {shlex.quote(name)} {shlex.quote(name)}",
        f"    delete it, and see it in the trash:  {us} trash list --data {shlex.quote(str(data))}",
        f"    keep it on another computer too, once this one lets others in ({us} serve --help):",
        f"    homestow sync -s http://THIS-COMPUTER:5000 -u {shlex.quote(name)} -d FOLDER",
        "",
        "  Ctrl-C stops it; run again, it continues.",
        "",
    ]
    print("\n".join(lines), flush=True)


def _program() -> str:
    """How this very program is called from here."""
    ours = Path(sys.executable).with_name("homestow")
    found = shutil.which("homestow")
    if found and Path(found).resolve() == ours.resolve():
        return "homestow"
    try:
        return shlex.quote(str(ours.relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(ours))
