"""`homestow ls | get | put`: one-off transfers from a shell."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from homestow.cli.asking import Command, server_options
from homestow.cli.carrying import Carried
from homestow.cli.entering import Entered, enter
from homestow.cli.fitting import fitted, size
from homestow.cli.passwords import given_password
from homestow.cli.troubles import FINE, LEFT, USAGE, Trouble, one_line
from homestow.values.errors import NotFound
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.words import counted

_WORKERS = 4


class Counter:
    """What is carried, on one line of the terminal that is redrawn; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._began = time.monotonic()
        self._next = self._began + 0.3
        self._drawn = False
        self._terminal = sys.stderr.isatty()

    def moved(self, name: str, number: int) -> None:
        """So many more bytes of `name`."""
        with self._lock:
            self._bytes += number
            now = time.monotonic()
            if not self._terminal or now < self._next:
                return
            self._next = now + 0.2
            rate = self._bytes / max(now - self._began, 0.001)
            text = fitted(f"{size(self._bytes)}, {size(rate)}/s, {name}", 78)
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()
            self._drawn = True

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def place(text: str) -> tuple[str, str]:
    """Root and path of ROOT/PATH; the path is "" for the root itself."""
    root, _, path = text.strip("/").partition("/")
    if not root:
        raise Trouble(f"{text!r} names no root; write ROOT/PATH. `homestow ls` lists the roots.", USAGE)
    return root, path


def find(entered: Entered, text: str) -> tuple[RootId, Node]:
    """Root and node of ROOT/PATH.

    Raises:
        Trouble: there is no such root. NotFound: nothing is at the path.
    """
    name, path = place(text)
    root = entered.root(name)
    try:
        return RootId(root.id), entered.client.resolve(root.id, path)
    except NotFound as error:
        raise NotFound(
            f"{one_line(text)}: there is nothing of that name on the server; `homestow ls` lists what is."
        ) from error


def children(entered: Entered, node: NodeId) -> Iterator[Node]:
    """What a folder holds, by name, page by page."""
    after: str | None = ""
    while after is not None:
        page = entered.client.children(node, after)
        yield from page.nodes
        after = page.next


@click.command(cls=Command, example="homestow ls -s https://home.example:5000 -u anna -l Photos/2026")
@server_options
@click.option("-l", "long", is_flag=True, help="With size and time.")
@click.argument("path", metavar="[ROOT/PATH]", required=False)
def ls(server: str, user: str | None, long: bool, path: str | None) -> None:
    """List a folder on the server, or your roots."""
    with enter(server, user, given_password()) as entered:
        if not path or not path.strip("/"):
            for root in entered.roots:
                print((f"{root.rights:5}  {size(root.used):>9}  " if long else "") + _shown(root.name + "/"))
            return
        _, node = find(entered, path)
        for entry in children(entered, node.id) if node.kind is Kind.FOLDER else [node]:
            print((_facts(entry) if long else "") + _shown(entry.name + ("/" if entry.kind is Kind.FOLDER else "")))


def _facts(node: Node) -> str:
    when = ""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(node.mtime_ns // 1_000_000_000))
    if node.kind is Kind.FOLDER:
        return f"{'-':>9}  {'':16}  "
    return f"{size(node.size):>9}  {when:16}  "


def _shown(name: str) -> str:
    """As it is for programs, without control characters for people."""
    return one_line(name) if sys.stdout.isatty() else name


@click.command(
    cls=Command,
    example="homestow get -s https://home.example:5000 -u anna Photos/2026/a.jpg .\n"
    "homestow get -s https://home.example:5000 -u anna Photos/2026 Photos/2025 ~/Pictures",
)
@server_options
@click.option("-f", "--force", is_flag=True, help="Replace files that are there and differ.")
@click.argument("words", metavar="ROOT/PATH... [DEST]", nargs=-1, required=True)
def get(server: str, user: str | None, force: bool, words: tuple[str, ...]) -> int:
    """Fetch files and folders from the server.

    DEST is an existing folder, or for a single thing its new name; default: this folder. A large file that was interrupted
    continues where it was.
    """
    from homestow.cli.fetching import Fetching
    from homestow.client.adapters.clock_system import ThreadWorkers
    from homestow.client.adapters.remote_api import ApiRemote

    paths, target = (words[:-1], Path(words[-1]).expanduser()) if len(words) > 1 else (words, Path())
    into = target.is_dir()
    if not into and (len(paths) > 1 or words[-1].endswith("/") or not target.parent.is_dir()):
        raise Trouble(f"{target} is no folder; make it, or name another one.", USAGE)
    counter, total = Counter(), Carried()
    workers = ThreadWorkers(_WORKERS)
    try:
        with enter(server, user, given_password()) as entered:
            for path in paths:
                root, node = find(entered, path)
                remote = ApiRemote(entered.login.server, entered.login.token, root)
                fetching = Fetching(remote, workers, force, counter.moved)
                try:
                    fetching.fetch(node, target / (node.name or place(path)[0]) if into else target)
                finally:
                    remote.close()
                    total.add(fetching.carried)
    finally:
        workers.close()
        counter.clear()
    return report(total, "fetched")


@click.command(
    cls=Command,
    example="homestow put -s https://home.example:5000 -u anna report.pdf anna/Documents/\n"
    "homestow put -s https://home.example:5000 -u anna ~/Pictures/2026 Photos/",
)
@server_options
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("target", metavar="ROOT/PATH")
def put(server: str, user: str | None, files: tuple[Path, ...], target: str) -> int:
    """Send files and folders to the server.

    ROOT/PATH is a folder, or for a single thing its new name; with a slash at its end it is a folder and made when missing. A
    file of the same name gets the new content, and keeps the old one as a version. A large file that was interrupted
    continues where it was.
    """
    from homestow.cli.sending import Sending
    from homestow.client.adapters.clock_system import ThreadWorkers
    from homestow.client.adapters.remote_api import ApiRemote
    from homestow.client.adapters.this_computer import client_folder

    for file in files:
        if not file.exists():
            raise Trouble(f"{file}: there is no such file or folder here.", USAGE)
    counter = Counter()
    workers = ThreadWorkers(_WORKERS)
    try:
        with enter(server, user, given_password()) as entered:
            root = entered.root(place(target)[0])
            into, name = _target(entered, NodeId(root.top), root.id, target, several=len(files) > 1)
            remote = ApiRemote(entered.login.server, entered.login.token, RootId(root.id))
            try:
                sending = Sending(
                    remote, lambda node: children(entered, node), workers, client_folder() / "puts", counter.moved
                )
                there = {child.name: child for child in children(entered, into)}
                for file in files:
                    its_name = name or file.resolve().name
                    sending.send(file.absolute(), into, its_name, there.get(its_name))
            finally:
                remote.close()
    finally:
        workers.close()
        counter.clear()
    return report(sending.carried, "sent")


def _target(entered: Entered, top: NodeId, root: int, text: str, *, several: bool) -> tuple[NodeId, str | None]:
    """The folder that things go into, and the new name of a single one (None: its own)."""
    path = place(text)[1]
    if not path:
        return top, None
    try:
        node = entered.client.resolve(root, path)
    except NotFound:
        if not text.endswith("/") and not several:
            above, _, name = path.rpartition("/")
            try:
                parent = entered.client.resolve(root, above)
            except NotFound as error:
                raise NotFound(
                    f"{one_line(text)}: the folder above is not there; put a slash at the end to make it."
                ) from error
            return parent.id, name
        if not text.endswith("/"):
            raise Trouble(f"{one_line(text)} is no folder; put a slash at its end to make it.", USAGE) from None
        at = top
        for name in path.split("/"):
            made = next((child for child in children(entered, at) if child.name == name), None)
            at = (made or entered.client.make_folder(at, name)).id
        return at, None
    if node.kind is Kind.FOLDER:
        return node.id, None
    if several or text.endswith("/") or node.parent is None:
        raise Trouble(f"{one_line(text)} is a file on the server, not a folder.", USAGE)
    return node.parent, node.name


def report(carried: Carried, did: str) -> int:
    """Say what was done, and what was not on stderr; the exit code."""
    same = (
        f"; {counted(carried.same, 'other')} {'was' if carried.same == 1 else 'were'} there already"
        if carried.same
        else ""
    )
    print(f"{did} {counted(carried.files, 'file')} ({size(carried.bytes)}){same}.")
    for path, reason in carried.problems:
        print(f"homestow: {one_line(path)}: {one_line(reason)}", file=sys.stderr)
    return LEFT if carried.problems else FINE
