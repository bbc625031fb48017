"""Servers that the sync service in memory can reach: accounts, roots, folders, and what a wizard asks of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homestow.values.errors import LoginFailed, LoginNeeded, NotFound, Unreachable
from homestow.wire.control import (
    CheckFolder,
    CheckServer,
    Discover,
    FolderSeen,
    Found,
    ListFolders,
    ListWorkspaces,
    LogIn,
    MakeFolder,
    ServerSeen,
    Workspace,
)  # fmt: skip


@dataclass(slots=True)
class TwinServer:
    """A server that the twin can reach.

    Attributes:
        accounts: password by user; a user in `known` has a token.
        spaces: what everybody there sees.
        folders: paths below each root, by its name.
        away: nothing answers.
    """

    url: str
    name: str = "homestow"
    accounts: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    spaces: tuple[Workspace, ...] = ()
    folders: dict[str, set[str]] = field(default_factory=dict)
    announced: bool = True
    away: bool = False


def family_server(url: str = "https://home.example.org") -> TwinServer:
    """A server of a family: users anna and ben, three roots with folders."""
    return TwinServer(
        url,
        "Family server",
        {"anna": "correct horse battery", "ben": "staple staple staple"},
        {"anna"},
        (
            Workspace(id=1, name="anna", rights="own"),
            Workspace(id=2, name="Photos", rights="write"),
            Workspace(id=3, name="Manuals", rights="read"),
        ),
        {
            "anna": {"Documents", "Documents/Taxes", "Music"},
            "Photos": {"2025", "2026", "2026/Sommer"},
            "Manuals": set(),
        },
    )


class TwinServers:
    """All servers; the orders of a wizard are obeyed here.

    Args:
        taken: whether a folder of this computer belongs to a job.
    """

    def __init__(self, taken: Callable[[str], bool]) -> None:
        self.all: list[TwinServer] = [family_server()]
        self._taken = taken

    def do(
        self, order: Discover | CheckServer | LogIn | ListWorkspaces | ListFolders | MakeFolder | CheckFolder
    ) -> Any:
        """Obey an order of the wizard's."""
        match order:
            case Discover():
                return tuple(Found(name=each.name, url=each.url) for each in self.all if each.announced)
            case CheckServer():
                server = self.named(order.url)
                return ServerSeen(url=server.url, version="0.1.0", user=min(server.known, default=""))
            case LogIn():
                server = self.named(order.url)
                if server.accounts.get(order.user) != order.password:
                    raise LoginFailed(f"{server.url} does not know this user name and password.")
                server.known.add(order.user)
                return server.spaces
            case ListWorkspaces():
                return self.entered(order.url, order.user).spaces
            case ListFolders():
                return self._below(self.entered(order.url, order.user), order.workspace, order.path)
            case MakeFolder():
                server = self.entered(order.url, order.user)
                parent = order.path.rpartition("/")[0]
                if parent:
                    self._below(server, order.workspace, parent)
                server.folders.setdefault(order.workspace, set()).add(order.path)
                return self._below(server, order.workspace, parent)
            case CheckFolder():
                taken = self._taken(order.directory)
                folder = Path(order.directory)
                files = [each for each in folder.rglob("*") if each.is_file()] if folder.is_dir() else []
                against = ""
                if taken:
                    against = "This folder is already kept in step by another job."
                elif not order.directory.startswith("/"):
                    against = "Give the whole path of the folder."
                return FolderSeen(
                    directory=order.directory,
                    exists=folder.is_dir(),
                    files=len(files),
                    size_bytes=sum(each.stat().st_size for each in files),
                    more=False,
                    free_bytes=250_000_000_000,
                    against=against,
                )

    def named(self, url: str) -> TwinServer:
        """The server at an address, with or without its scheme."""
        wanted = url.partition("://")[2] or url
        for server in self.all:
            if server.url.partition("://")[2] == wanted.rstrip("/"):
                if server.away:
                    break
                return server
        raise Unreachable(f"{url} does not answer. Check the address, and that the server is on.")

    def entered(self, url: str, user: str) -> TwinServer:
        """The server, when a token of the user is kept."""
        server = self.named(url)
        if user not in server.known:
            raise LoginNeeded(f"Give the password of {user} on {server.url}.")
        return server

    def _below(self, server: TwinServer, workspace: str, path: str) -> tuple[str, ...]:
        names = {space.name: space.name for space in server.spaces} | {
            str(space.id): space.name for space in server.spaces
        }
        if workspace not in names:
            raise NotFound(f"{server.url} has no workspace {workspace}.")
        known = server.folders.get(names[workspace], set())
        if path and path not in known:
            raise NotFound(f"There is no folder {path}.")
        below = f"{path}/" if path else ""
        inside = (each.removeprefix(below) for each in known if each.startswith(below))
        return tuple(sorted(name for name in inside if name and "/" not in name))
