"""Accounts on servers over the native API; on netdrive servers what that protocol can."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from homestow.client.adapters.api_client import Client
from homestow.client.adapters.logins import Login, Logins, check_digits
from homestow.client.adapters.server_address import address_of, candidates_of, is_netdrive, is_plain
from homestow.client.ports.accounts import Announced, Made, Seen, Space
from homestow.values.errors import (
    BadRequest,
    CloudError,
    LoginNeeded,
    NotFound,
    NotHomestow,
    Unreachable,
    WrongKind,
)
from homestow.values.nodes import Kind
from homestow.wire import api

if TYPE_CHECKING:
    from homestow.client.adapters.netdrive_client import NetdriveServer

TIMEOUT_S: Final = 20.0
_PROBE_S: Final = 6.0
_MAX_PAGES: Final = 100
_DAY_NS: Final = 24 * 3600 * 1_000_000_000


class ApiAccounts:
    """What `ports.accounts.Accounts` promises, over real servers. Only http, https, netdrive and netdrives are dialled (S88).

    Args:
        logins: where tokens are kept.
        device: what this computer is called on servers.
        discover: looks for servers on the local network; None: `discovery.discover`.
        timeout_s: longest wait for an answer (P12).
    """

    def __init__(
        self,
        logins: Logins,
        device: str,
        discover: Callable[[float], Sequence[Announced]] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._logins, self._device, self._discover, self._timeout_s = logins, device, discover, timeout_s

    # --- servers ------------------------------------------------------------------------------------------------------

    def check(self, url: str) -> Seen:
        """See the port."""
        candidates = candidates_of(url)
        failed: CloudError | None = None
        for each in candidates:
            try:
                version = self._version(each)
            except (Unreachable, NotHomestow) as error:
                if _is_bad_certificate(error):
                    # Going on without TLS would be what somebody in between wants (S89).
                    raise
                # What answers, but otherwise, says more than what does not answer.
                failed = error if failed is None or isinstance(error, NotHomestow) else failed
                continue
            known = self._logins.only(each)
            return Seen(each, version, known.user if known else "", is_plain(each))
        assert failed is not None
        if len(candidates) == 1:
            raise failed
        tried = ", ".join(candidates)
        raise type(failed)(f"{failed.message} Tried: {tried}. Check the address, and that the server runs.")

    def _version(self, url: str) -> str:
        if is_netdrive(url):
            with self._netdrive(url, "", _PROBE_S) as server, suppress(LoginNeeded):
                server.roots()
            return ""
        client = Client(url, timeout_s=min(_PROBE_S, self._timeout_s))
        try:
            return client.server().version[:100]
        finally:
            client.close()

    def discover(self, seconds: float) -> Sequence[Announced]:
        """See the port."""
        if self._discover is not None:
            return self._discover(seconds)
        from homestow.client.adapters.discovery import discover

        return discover(seconds)

    # --- logins -------------------------------------------------------------------------------------------------------

    def log_in(self, url: str, user: str, password: str) -> None:
        """See the port. A token that still serves is kept, so that this computer stays one device."""
        url = address_of(url)
        if is_netdrive(url):
            with self._netdrive(url, None, self._timeout_s) as server:
                session = server.log_in(user, password)
                dialect = server.dialect.value
            self._logins.keep(Login(url, user, session, check_digits(session, password), dialect))
            return
        fresh = Client(url, timeout_s=self._timeout_s)
        try:
            token = fresh.login(user, password, self._device).token
            known = self._logins.find(url, user)
            if known is not None and self._serves(known):
                with suppress(CloudError):  # else it stays in the list of devices, where its owner can remove it
                    fresh.logout()
                token = known.token
        finally:
            fresh.close()
        self._logins.keep(Login(url, user, token, check_digits(token, password)))

    def _serves(self, known: Login) -> bool:
        client = Client(known.server, known.token, self._timeout_s)
        try:
            client.me()
        except LoginNeeded:
            return False
        finally:
            client.close()
        return True

    def token(self, url: str, user: str) -> tuple[str, str]:
        """See the port."""
        login = self.login(url, user)
        return login.user, login.token

    def login(self, url: str, user: str) -> Login:
        """The kept login of the account, "" the only one known there.

        Raises:
            LoginNeeded: none is kept.
        """
        url = address_of(url)
        login = self._logins.find(url, user) if user else self._logins.only(url)
        if login is None:
            who = f"the account {user!r} on " if user else ""
            raise LoginNeeded(
                f"This computer keeps no login of {who}{url}, or it lies in a keyring that is locked: log in with the password, "
                f"in the window or with `homestow ls -s {url} -u {user or 'USER'}`."
            )
        return login

    # --- what an account may choose from ------------------------------------------------------------------------------

    def spaces(self, url: str, user: str) -> Sequence[Space]:
        """See the port."""
        url = address_of(url)
        if not is_netdrive(url):
            with self._entered(url, user) as client:
                return [Space(root.id, root.name, root.rights) for root in client.roots()]
        login = self.login(url, user)
        with self._netdrive(url, login.token, self._timeout_s) as server:
            bound, told = server.roots()
        if not told:
            return [Space(bound or 1, "", "own")]
        own = bound or 1
        found = [Space(number, name, "write" if writable else "read") for number, name, writable in told]
        return sorted(found, key=lambda space: space.id != own)

    def folders(self, url: str, user: str, space: str, path: str) -> Sequence[str]:
        """See the port."""
        with self._native(url, user, "Folders of a root can be chosen") as client:
            top = _root(client, space)
            return _folders(client, _folder(client, top, path))

    def make_folder(self, url: str, user: str, space: str, path: str) -> None:
        """See the port."""
        with self._native(url, user, "Folders of a root can be made") as client:
            top = _root(client, space)
            above, _, name = path.strip("/").rpartition("/")
            client.make_folder(_folder(client, top, above), name)

    def share(self, url: str, user: str, space: str, path: str, days: int | None, password: str | None) -> Made:
        """See the port. The address is made of the one the server is reached by here."""
        with self._native(url, user, "Links can be made") as client:
            root = _root(client, space)
            inner = path.strip("/")
            node = client.resolve(root.id, inner).id if inner else root.top
            # By the server's clock, which decides.
            expires = None if days is None else client.server().now_ns + days * _DAY_NS
            made = client.add_share(api.NewShare(node=node, password=password, expires_ns=expires))
        return Made(address_of(url) + made.path, made.share.id)

    def unshare(self, url: str, user: str, link: int) -> None:
        """See the port."""
        with self._native(url, user, "Links can be ended") as client:
            client.remove_share(link)

    # --- connections --------------------------------------------------------------------------------------------------

    @contextmanager
    def _native(self, url: str, user: str, what: str) -> Iterator[Client]:
        url = address_of(url)
        if is_netdrive(url):
            raise BadRequest(
                f"{what} only over the server's http:// or https:// address; {url} speaks netdrive, which cannot do it."
            )
        with self._entered(url, user) as client:
            yield client

    @contextmanager
    def _entered(self, url: str, user: str) -> Iterator[Client]:
        login = self.login(url, user)
        client = Client(url, login.token, self._timeout_s)
        try:
            yield client
        except LoginNeeded as error:
            raise LoginNeeded(
                f"This computer was logged out of {url} (a new password, or the device was removed): log in as {login.user} again."
            ) from error
        finally:
            client.close()

    def _netdrive(self, url: str, session: str | None, timeout_s: float) -> "NetdriveServer":
        from homestow.client.adapters.netdrive_client import NetdriveServer

        return NetdriveServer(url, session=session, timeout_s=timeout_s)


def _is_bad_certificate(error: CloudError) -> bool:
    if not isinstance(error, NotHomestow) or error.__cause__ is None:
        return False
    import ssl

    return isinstance(error.__cause__, ssl.SSLCertVerificationError)


# --- places -----------------------------------------------------------------------------------------------------------


def _root(client: Client, space: str) -> api.Root:
    """The root of that name, in whatever capitals, or number; "" the account's own, else the first it sees.

    Raises:
        NotFound: the account sees none.
    """
    roots = client.roots()
    if not space and roots:
        return next((root for root in roots if root.rights == "own"), roots[0])
    for fits in (
        lambda root: root.name == space,
        lambda root: root.name.casefold() == space.casefold(),
        lambda root: str(root.id) == space,
    ):
        if found := next(filter(fits, roots), None):
            return found
    names = ", ".join(root.name for root in roots[:10]) or "none"
    raise NotFound(f"The account sees no root {space!r}; check the name and the rights. There is: {names}.")


def _folder(client: Client, root: api.Root, path: str) -> int:
    inner = path.strip("/")
    if not inner:
        return root.top
    node = client.resolve(root.id, inner)
    if node.kind is not Kind.FOLDER:
        raise WrongKind(f"{inner} is a file, not a folder; choose the folder it lies in.")
    return node.id


def _folders(client: Client, node: int) -> list[str]:
    names: set[str] = set()
    after = ""
    deadline = time.monotonic() + 60
    for _ in range(_MAX_PAGES):
        page = client.children(node, after)
        names.update(each.name for each in page.nodes if each.kind is Kind.FOLDER)
        if page.next is None:
            return sorted(names)
        after = page.next
        if time.monotonic() > deadline:
            break
    raise NotHomestow("The server's list of a folder does not end.")
