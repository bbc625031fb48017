"""`homestow scan`: read the scan configuration of the isync article, give it to the server, and show how far it is."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from homestow.cli.asking import Command, data_option
from homestow.cli.control import ask_server
from homestow.cli.fitting import duration, fitted
from homestow.cli.troubles import USAGE, Trouble, one_line
from homestow.server.settings import DataFolder, load
from homestow.values.errors import StoreLocked
from homestow.wire.api import Order, Outcome

FILES = ("scanConfig.json", "scanDiskConfig.json")
_STARTING_S = 15.0
_WIDTH = 30
_PLAIN_EVERY_S = 5.0
_KEYS = frozenset({"paths", "users", "mergeRootPaths", "merge"})


@click.command("scan", cls=Command, example="homestow scan -i family.json\nhomestow scan -p ~/Pictures/2026")
@click.option("-i", "config", metavar="FILE", type=click.Path(path_type=Path), help="The configuration, a JSON file.")
@click.option(
    "-p", "path", metavar="PATH", type=click.Path(path_type=Path), help="Only this folder, which was scanned before."
)
@data_option
def scan(config: Path | None, path: Path | None, data: Path) -> int:
    """Share folders with users as a JSON file says, and bring what is known of them up to date.

    Without -i and -p the file is scanConfig.json in the data folder or here: a list of {"paths": [...], "users": [{"name":
    ..., "password": ...}], "mergeRootPaths": 1}. Run it again whenever you like. Beside a running server it is done by that.
    """
    if config is not None and path is not None:
        raise Trouble("Give -i or -p, not both.", USAGE)
    if path is not None:
        items = [{"paths": [_absolute(str(path), Path.cwd())], "known_only": True}]
    else:
        items = read_config(config if config is not None else _find_config(data))
    with _asking(data) as ask:
        ask("scan.start", {"items": json.dumps(items)})
        try:
            result = _follow(ask)
        except KeyboardInterrupt:
            ask("scan.stop", {})
            raise
    return _tell(result)


def read_config(path: Path) -> list[dict[str, object]]:
    """The items of a configuration file as the order takes them.

    Raises:
        Trouble: it is none; nothing was done.
    """
    try:
        given = json.loads(path.expanduser().read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is not UTF-8 text"
        raise Trouble(f"{path} cannot be read: {why}.", USAGE) from error
    except json.JSONDecodeError as error:
        raise Trouble(f"{path}:{error.lineno}: {error.msg} (column {error.colno}).", USAGE) from error
    except RecursionError as error:
        raise Trouble(f"{path} is nested too deeply.", USAGE) from error
    if not isinstance(given, list):
        raise Trouble(f'{path} is no list; it holds [{{"paths": [...], "users": [...]}}].', USAGE)
    return [_item(item, f"{path}: item {number}", path) for number, item in enumerate(given, 1)]


def _item(item: object, where: str, path: Path) -> dict[str, object]:
    if not isinstance(item, dict):
        raise Trouble(f'{where} is no object with "paths" and "users".', USAGE)
    if unknown := item.keys() - _KEYS:
        raise Trouble(f"{where} has {min(unknown)!r}; there are paths, users and mergeRootPaths.", USAGE)
    paths = item.get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(one, str) and one for one in paths):
        raise Trouble(f'{where}: "paths" is a list of folders.', USAGE)
    users = item.get("users", [])
    if isinstance(users, dict):
        users = [users]
    if not isinstance(users, list):
        raise Trouble(f'{where}: "users" is a list of {{"name": ..., "password": ...}}.', USAGE)
    merge = item.get("mergeRootPaths", item.get("merge", 1))
    if merge not in (0, 1, "0", "1"):
        raise Trouble(f'{where}: "mergeRootPaths" is 0 or 1.', USAGE)
    return {
        "paths": [_absolute(one, path.expanduser().absolute().parent) for one in paths],
        "people": [_person(user, where) for user in users],
        "merge": merge in (1, "1"),
    }


def _person(user: object, where: str) -> dict[str, object]:
    if not isinstance(user, dict) or not isinstance(user.get("name"), str) or not user["name"]:
        raise Trouble(f'{where}: a user is {{"name": ..., "password": ...}}, the password left out or text.', USAGE)
    password = user.get("password")
    if (password is not None and not isinstance(password, str)) or user.keys() - {"name", "password"}:
        raise Trouble(f"{where}: user {user['name']!r} has a name and a password as text, nothing else.", USAGE)
    return {"name": user["name"], "password": password or None}


def _absolute(path: str, base: Path) -> str:
    return os.path.abspath(base / os.path.expanduser(path))


def _find_config(data: Path) -> Path:
    for folder in (data, Path.cwd()):
        for name in FILES:
            if (folder / name).exists():
                return folder / name
    raise Trouble(f"There is no {FILES[0]} in {data} or here; name the configuration with -i FILE.", USAGE)


class _Asking:
    """Gives orders to the running server, or to the data folder that we hold open meanwhile."""

    def __init__(self, socket: Path, admin: Any) -> None:
        self._socket = socket
        self._admin = admin

    def __call__(self, name: str, args: dict[str, str]) -> Any:
        """The data of what an order gave."""
        order = Order(name=name, args=dict(args))
        answer: Outcome | None = ask_server(self._socket, order) if self._admin is None else self._admin.run(order)
        if answer is None:
            raise Trouble("The server stopped; run the scan again, it does the rest.", 1)
        return msgspec.json.decode(answer.data)


@contextmanager
def _asking(data: Path) -> Iterator[_Asking]:
    folder = DataFolder(data).make()
    give_up = time.monotonic() + _STARTING_S
    while True:
        if ask_server(folder.socket, Order(name="status")) is not None:
            yield _Asking(folder.socket, None)
            return
        from homestow.server.bootstrap import open_house

        try:
            with open_house(folder.path, load(folder.path, os.environ, {})) as house:
                yield _Asking(folder.socket, house.services.admin)
                return
        except StoreLocked:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def _follow(ask: _Asking) -> dict[str, Any]:
    """Show how far it is until it ended; its result."""
    live = sys.stderr.isatty()
    next_line = time.monotonic() + _PLAIN_EVERY_S
    try:
        while True:
            state = ask("scan.state", {})
            if state["ended"]:
                result = state["result"]
                assert isinstance(result, dict)
                return result
            if live:
                print(f"\r\x1b[K{progress(state['step'], _columns())}", end="", file=sys.stderr, flush=True)
            elif time.monotonic() >= next_line:
                next_line = time.monotonic() + _PLAIN_EVERY_S
                print(progress(state["step"], 200), file=sys.stderr, flush=True)
    finally:
        if live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def progress(step: dict[str, Any], width: int) -> str:
    """One line: a bar when the end is known, how many, how fast, how long still, and where."""
    done, count, seconds = step["done"], step["all"], step["seconds"]
    rate = done / seconds if seconds > 0.2 else 0.0
    words = [f"{step['what']}: {done:,} of {count:,}" if count else f"{step['what']}: {done:,}"]
    if rate:
        words.append(f"{rate:,.0f} /s")
    if count:
        share = min(done / count, 1.0)
        full = round(share * _WIDTH)
        words.insert(0, f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}")
        if rate and done < count:
            words.append(f"{duration((count - done) / rate)} left")
    return fitted("  ".join([*words, step["at"]]), width - 1)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _tell(result: dict[str, Any]) -> int:
    for line in result["lines"]:
        print(one_line(line))
    print(
        f"{result['seen']:,} seen, {result['new']:,} new, {result['edited']:,} edited, {result['moved']:,} moved, "
        f"{result['gone']:,} gone; facts of {result['media']:,} files read."
    )
    for line in result["problems"]:
        print(f"homestow: {one_line(line)}", file=sys.stderr)
    return 1 if result["problems"] else 0
