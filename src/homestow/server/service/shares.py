"""Links: who has one reads one file, or one folder with all below it, without a login.

A link stands for whoever made it, reading only (S64): what that person may not read any more, the link does not show, from
that moment on (S57). It leads to a node, never to a name (S62), and shows nothing around it (S61). While the node is deleted
the link is dead. A key is at least 128 random bits, or derived from a secret of the server that is not in the database; the
database has only its SHA-256 (S59).
"""

import hashlib
import hmac
import logging
import secrets
import threading
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.shares import Share
from homestow.server.ports.shares import Shares as ShareRows
from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.passwords import MAX_PASSWORD
from homestow.server.rules.throttle import address_key
from homestow.server.service.access import Access
from homestow.server.service.hashing import Hashing
from homestow.values.errors import (
    BadRequest,
    CloudError,
    LoginFailed,
    LoginNeeded,
    NotFound,
    TooLarge,
    TooManyTries,
    WeakPassword,
)
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind

_log = logging.getLogger(__name__)

SECOND: Final = 1_000_000_000
ISYNC: Final = "isync"
LINK: Final = "link"
LIFE_S: Final = 1800
MOST: Final = 1000
MOST_LINKS: Final = 10_000
"""So many links an account has at once (S109)."""
MAX_LABEL: Final = 200
MAX_KEY: Final = 256
LEAST_PASSWORD: Final = 6
_WRITE_AFTER_NS: Final = 30 * SECOND
_MOST_PROVEN: Final = 1000


class Opened(NamedTuple):
    """What a key opened: the link, for whom it stands (rights are asked for that one), and the node as it is now."""

    share: Share
    who: Principal
    row: NodeRow


@dataclass(frozen=True, slots=True)
class ShareView:
    """A link as its maker and the owners of the root see it.

    Attributes:
        name: the node's name; None while nothing is to be seen of it for who asks.
        owner: who made it; None when that account is gone.
        opens: whether somebody with the key gets something now.
    """

    share: Share
    name: str | None
    owner: str | None
    opens: bool


class Shares:
    """Use cases around links. All methods may be called from any thread.

    Args:
        secret: at least 32 random bytes that are not in the database; keys of isync links are derived from it.
        isync_most, isync_life_s: how many isync links live at once, and how long one lives unused.
    """

    def __init__(
        self, rows: ShareRows, accounts: AccountRows, catalogue: Catalogue, access: Access, clock: Clock,
        hashing: Hashing, secret: bytes, *, isync_most: int = MOST, isync_life_s: int = LIFE_S,
    ) -> None:  # fmt: skip
        self._rows = rows
        self._accounts = accounts
        self._catalogue = catalogue
        self._access = access
        self._clock = clock
        self._hashing = hashing
        self._secret = secret
        self._isync_most = isync_most
        self._isync_life_ns = isync_life_s * SECOND
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._uses: dict[int, tuple[int, int]] = {}
        self._written: dict[int, int] = {}
        self._proven: dict[bytes, None] = {}
        self._proof_key = secrets.token_bytes(32)

    # --- isync ----------------------------------------------------------------------------------------------------

    def isync_key(self, who: Principal, node: NodeId) -> str:
        """A key of 32 hexadecimal digits for a file; the same one while a link that this account asked for lives.

        Asking is a use: the link lives on from now.

        Raises:
            NotFound, WrongKind: no file that `who` may read.
        """
        row = self._access.node(who, node, Rights.READ, Kind.FILE)
        now = self._clock.now_ns()
        with self._making:
            own = [share for share in self._rows.of_node(node) if (share.owner, share.kind) == (who.account, ISYNC)]
            for share in map(self._current, own):
                key = self._isync_key(share)
                if share.lives(now) and hmac.compare_digest(_hash(key), share.key):
                    self._note_use(share, now, uses=0)
                    return key
            made = Share(
                key=b"", node=node, root=row.root, owner=who.account, kind=ISYNC, created_ns=now,
                life_ns=self._isync_life_ns, used_ns=now,
            )  # fmt: skip
            while any(share.created_ns == made.created_ns for share in own):
                made = replace(made, created_ns=made.created_ns + 1)
            key = self._isync_key(made)
            self._rows.add(replace(made, key=_hash(key)), self._isync_most, now)
        return key

    def open_isync(self, key: str, address: str | None = None) -> Opened:
        """What an isync key leads to; a use.

        Args:
            address: who asks; misses are counted for it. None: nobody counts.

        Raises:
            NotFound: no such key, not in time, or its file is not there for who asked for the key.
            TooManyTries: too many wrong keys from this address.
        """
        return self._open(key, ISYNC, None, address)

    def _isync_key(self, share: Share) -> str:
        said = f"isync {share.owner} {share.node} {share.created_ns}".encode()
        return hmac.digest(self._secret, said, "sha256")[:16].hex()

    # --- links ----------------------------------------------------------------------------------------------------

    def add(
        self, who: Principal, node: NodeId, *, password: str | None = None, expires_ns: int | None = None,
        label: str | None = None, seed: bytes | None = None,
    ) -> tuple[ShareView, str]:  # fmt: skip
        """A new link to a file or folder, and its key, told this once.

        Args:
            password: asked of whoever opens it, 6 to 1,024 characters.
            expires_ns: dead from then on, by this server's clock; perhaps already.
            seed: which request this is; made twice, the same link is given (see `again`).

        Raises:
            NotFound: nothing there that `who` may read. BadRequest: a label of over 200 characters.
            WeakPassword, TooLarge: as they say.
        """
        key = secrets.token_urlsafe(24) if seed is None else self._seeded(who, seed)
        if seed is not None and (told := self._rows.by_key(_hash(key))) is not None:
            return self._view(who, told), key
        row = self._access.node(who, node, Rights.READ)
        now = self._clock.now_ns()
        if row.kind == Kind.LINK:
            raise NotFound("Nothing is there.")
        if label is not None and len(label) > MAX_LABEL:
            raise BadRequest(f"A label has at most {MAX_LABEL} characters.")
        if len(self._rows.of_owner(who.account)) >= MOST_LINKS:
            raise TooLarge(f"You have {MOST_LINKS:,} links; remove some.", limit=MOST_LINKS)
        hashed = None
        if password is not None:
            if not LEAST_PASSWORD <= len(password) <= MAX_PASSWORD:
                raise WeakPassword(f"A link's password has {LEAST_PASSWORD} to {MAX_PASSWORD} characters.")
            with self._hashing.slot():
                hashed = self._hashing.make(password)
        made = Share(
            key=_hash(key), node=node, root=row.root, owner=who.account, kind=LINK, password=hashed, created_ns=now,
            expires_ns=expires_ns, used_ns=now, label=label,
        )  # fmt: skip
        share = self._rows.add(made, None, now)
        _log.info("link made", extra={"account": who.account, "node": node, "share": share.id})
        return self._view(who, share), key

    def again(self, who: Principal, seed: bytes) -> tuple[ShareView, str]:
        """The link that was made with this `seed`, and its key.

        Raises:
            NotFound: it was removed since; it does not come back.
        """
        key = self._seeded(who, seed)
        told = self._rows.by_key(_hash(key))
        if told is None:
            raise NotFound("This link was removed.")
        return self._view(who, told), key

    def list(self, who: Principal, root: RootId | None = None) -> list[ShareView]:
        """Links that `who` made, newest first; with `root` all into that root, for its owners (S63).

        Raises:
            NotFound, Forbidden: the root is not one's own.
        """
        self.flush()
        if root is None:
            found = self._rows.of_owner(who.account)
        else:
            self._access.root(who, root, Rights.OWN)
            found = self._rows.of_root(root)
        return [self._view(who, share) for share in found]

    def remove(self, who: Principal, share: int) -> None:
        """End a link: one's own, or one into a root that one owns.

        Raises:
            NotFound: there is none that `who` may end.
        """
        found = self._rows.share(share)
        if found is None or not (found.owner == who.account or self._owns(who, found)):
            raise NotFound("There is no such link.")
        self._rows.remove([share])
        _log.info("link removed", extra={"account": who.account, "share": share})

    def open(
        self, key: str, password: str | None = None, address: str | None = None, below: NodeId | None = None
    ) -> Opened:
        """What a link leads to, or something below the folder it leads to; a use.

        Args:
            password: what who asks gave, None: nothing.
            address: who asks; wrong keys and passwords are counted for it.
            below: a node below a folder's link; the very node of the link passes too.

        Raises:
            NotFound: no such key, not in time, its node is not there for who made it, or `below` is not below it.
            LoginNeeded: it has a password and none was given.
            LoginFailed: a wrong one. TooManyTries: too many wrong keys or passwords (S69).
        """
        opened = self._open(key, LINK, password, address)
        if below is None or below == opened.row.id:
            return opened
        row = self._access.node(opened.who, below, Rights.READ)
        folder = None if row.parent is None else self._catalogue.folder(row.parent)
        if folder is None or opened.row.id not in folder.chain or row.kind == Kind.LINK:
            raise NotFound("Nothing is there.")
        return opened._replace(row=row)

    # --- upkeep ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write down uses that are only in memory."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if uses:
            self._rows.note_used([(share, at_ns, count) for share, (at_ns, count) in uses.items()])

    def sweep(self) -> int:
        """Remove links that can never be opened again; how many."""
        self.flush()
        with self._lock:
            self._written.clear()
        return self._rows.remove_dead(self._clock.now_ns())

    def _seeded(self, who: Principal, seed: bytes) -> str:
        return hmac.digest(self._secret, f"link {who.account} ".encode() + seed, "sha256")[:24].hex()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _open(self, key: str, kind: str, password: str | None, address: str | None) -> Opened:
        share = self._rows.by_key(_hash(key)) if len(key) <= MAX_KEY else None
        now = self._clock.now_ns()
        if share is not None and share.kind == kind and self._current(share).lives(now):
            who = self._sharer(share.owner)
            try:
                row = self._access.node(who, share.node, Rights.READ)
            except CloudError as error:
                # Whether it is gone or no longer the sharer's is nothing to tell.
                raise NotFound("There is no such link.") from error
            if share.password is not None:
                self._prove(share, share.password, password, address)
            self._note_use(share, now, uses=1)
            return Opened(share, who, row)
        if address is not None:
            wait_s = self._accounts.count_try((f"share {address_key(address)}",), now)
            if wait_s is not None:
                raise TooManyTries("Too many wrong links from here; try again later.", retry_after_s=wait_s)
        raise NotFound("There is no such link.")

    def _prove(self, share: Share, stored: str, password: str | None, address: str | None) -> None:
        """Let the right password pass; one that was right is not computed anew for each range of a film."""
        if password is None:
            raise LoginNeeded("This link has a password.")
        said = f"{share.id}\0{stored}\0{password}".encode(errors="surrogatepass")
        proof = hmac.digest(self._proof_key, said, "sha256")
        if proof in self._proven:
            return
        keys = (f"share-password {share.id}", f"share-password {address_key(address or '')}")
        self._refuse(self._accounts.wait_s(keys, self._clock.now_ns()))
        with self._hashing.slot():
            self._refuse(self._accounts.count_try(keys, self._clock.now_ns()))
            if not self._hashing.matches(stored, password):
                _log.warning("wrong password of a link", extra={"share": share.id, "address": address})
                raise LoginFailed("Wrong password.")
        self._accounts.forgive(*keys, self._clock.now_ns())
        with self._lock:
            if len(self._proven) >= _MOST_PROVEN:
                self._proven.clear()
            self._proven[proof] = None

    @staticmethod
    def _refuse(wait_s: int | None) -> None:
        if wait_s is not None:
            raise TooManyTries("Too many wrong passwords; try again later.", retry_after_s=wait_s)

    def _sharer(self, owner: AccountId) -> Principal:
        """Who made a link; without a device and never as an administrator."""
        account = self._accounts.account(owner)
        if account is None:
            raise NotFound("There is no such link.")
        return Principal(account.id, account.name)

    def _owns(self, who: Principal, share: Share) -> bool:
        row = self._catalogue.node(share.node)
        return self._access.rights(who, share.root if row is None else row.root) >= Rights.OWN

    def _current(self, share: Share) -> Share:
        """With uses that are not written down yet."""
        use = self._uses.get(share.id)
        return share if use is None else replace(share, used_ns=max(share.used_ns, use[0]))

    def _note_use(self, share: Share, now_ns: int, uses: int) -> None:
        """Count a use; written down when the last time is half a minute ago, or a tenth of the link's life."""
        after = _WRITE_AFTER_NS if share.life_ns is None else min(_WRITE_AFTER_NS, share.life_ns // 10)
        with self._lock:
            _, count = self._uses.get(share.id, (0, 0))
            self._uses[share.id] = now_ns, count + uses
            due = now_ns - self._written.get(share.id, share.used_ns) >= after
            if due:
                self._written[share.id] = now_ns
        if due:
            self.flush()

    def _view(self, who: Principal, share: Share) -> ShareView:
        now = self._clock.now_ns()
        try:
            name: str | None = self._access.node(who, share.node, Rights.READ).name
        except CloudError:
            name = None
        account = self._accounts.account(share.owner)
        opens = False
        if account is not None and share.lives(now):
            try:
                self._access.node(Principal(account.id, account.name), share.node, Rights.READ)
                opens = True
            except CloudError:
                pass
        return ShareView(share, name, None if account is None else account.name, opens)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
