"""Accounts without a network: the twin of `accounts_api` for tests, and for windows that are looked at without a server."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from homestow.client.adapters.server_address import address_of, candidates_of, is_plain
from homestow.client.ports.accounts import Announced, Made, Seen, Space
from homestow.values.errors import LoginFailed, LoginNeeded, NotFound, PathTaken, Unreachable, WrongKind


@dataclass(slots=True)
class MemorySpace:
    """A root: who may do what there, and what it holds; `folders` and `files` are paths with "/" between."""

    id: int
    name: str
    rights: dict[str, str]
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


@dataclass(slots=True)
class MemoryServer:
    """A server; `users` are accounts and their passwords, `links` those that open something: number to root and path."""

    users: dict[str, str] = field(repr=False, default_factory=dict)
    spaces: list[MemorySpace] = field(default_factory=list)
    version: str = "0.1.0"
    name: str = ""
    links: dict[int, tuple[int, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(repr=False, default_factory=dict)
    away: bool = False
    made: int = 0


class MemoryAccounts:
    """`ports.accounts.Accounts` over servers that are only objects; `servers` by address, as `address_of` spells it."""

    def __init__(self, servers: dict[str, MemoryServer]) -> None:
        self._servers = servers
        self._logins: dict[tuple[str, str], str] = {}
        self._lock = threading.RLock()

    def check(self, url: str) -> Seen:
        """See the port."""
        for each in candidates_of(url):
            if (server := self._servers.get(each)) is not None and not server.away:
                known = [user for at, user in self._logins if at == each]
                return Seen(each, server.version, known[0] if len(known) == 1 else "", is_plain(each))
        raise Unreachable(f"Nothing answers at {url}. Check the address, and that the server runs.")

    def log_in(self, url: str, user: str, password: str) -> None:
        """See the port."""
        with self._lock:
            server = self._server(url)
            if server.users.get(user) != password:
                raise LoginFailed("Unknown user or wrong password.")
            kept = self._logins.get((address_of(url), user))
            if kept not in server.tokens:
                server.made += 1
                token = f"token {server.made} of {user}"
                server.tokens[token] = user
                self._logins[address_of(url), user] = token

    def token(self, url: str, user: str) -> tuple[str, str]:
        """See the port."""
        url = address_of(url)
        known = {who: token for (at, who), token in self._logins.items() if at == url and who == (user or who)}
        if len(known) != 1:
            raise LoginNeeded(f"This computer keeps no login of {url}: log in with the password.")
        return next(iter(known.items()))

    def forget(self, url: str, user: str) -> None:
        """The server takes the tokens of an account back."""
        tokens = self._servers[address_of(url)].tokens
        for token in [token for token, who in tokens.items() if who == user]:
            del tokens[token]

    def spaces(self, url: str, user: str) -> Sequence[Space]:
        """See the port."""
        server, who = self._entered(url, user)
        found = [Space(each.id, each.name, each.rights[who]) for each in server.spaces if who in each.rights]
        return sorted(found, key=lambda space: (space.name != who, space.id))

    def folders(self, url: str, user: str, space: str, path: str) -> Sequence[str]:
        """See the port."""
        root, inner = self._space(url, user, space), path.strip("/")
        self._is_folder(root, inner)
        return sorted(each.rpartition("/")[2] for each in root.folders if each.rpartition("/")[0] == inner)

    def make_folder(self, url: str, user: str, space: str, path: str) -> None:
        """See the port."""
        root, inner = self._space(url, user, space), path.strip("/")
        self._is_folder(root, inner.rpartition("/")[0])
        if inner in root.folders | root.files:
            raise PathTaken(f"{inner} already exists.")
        root.folders.add(inner)

    def share(self, url: str, user: str, space: str, path: str, days: int | None, password: str | None) -> Made:
        """See the port."""
        root, inner = self._space(url, user, space), path.strip("/")
        if inner and inner not in root.folders | root.files:
            raise NotFound("There is nothing in this place.")
        with self._lock:
            server = self._server(url)
            server.made += 1
            server.links[server.made] = (root.id, inner)
            return Made(f"{address_of(url)}/s/key{server.made}", server.made)

    def unshare(self, url: str, user: str, link: int) -> None:
        """See the port."""
        server, _ = self._entered(url, user)
        if server.links.pop(link, None) is None:
            raise NotFound("There is no such link.")

    def discover(self, seconds: float) -> Sequence[Announced]:
        """See the port."""
        return [Announced(server.name, url) for url, server in self._servers.items() if server.name and not server.away]

    def _server(self, url: str) -> MemoryServer:
        server = self._servers.get(address_of(url))
        if server is None or server.away:
            raise Unreachable(f"{url} cannot be reached.")
        return server

    def _entered(self, url: str, user: str) -> tuple[MemoryServer, str]:
        who, token = self.token(url, user)
        server = self._server(url)
        if token not in server.tokens:
            raise LoginNeeded(f"This computer was logged out of {url}: log in as {who} again.")
        return server, who

    def _space(self, url: str, user: str, space: str) -> MemorySpace:
        server, who = self._entered(url, user)
        wanted = space or self.spaces(url, user)[0].name
        for root in server.spaces:
            if who in root.rights and wanted.casefold() in (root.name.casefold(), str(root.id)):
                return root
        raise NotFound(f"The account sees no root {space!r}; check the name and the rights.")

    def _is_folder(self, root: MemorySpace, path: str) -> None:
        if path in root.files:
            raise WrongKind(f"{path} is a file, not a folder.")
        if path and path not in root.folders:
            raise NotFound("There is nothing in this place.")
