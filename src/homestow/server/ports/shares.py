"""Links to nodes as rows: by node id, never by path (S07, S62); the key is stored as its SHA-256 only (S59)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from homestow.server.rules.access import Rights
from homestow.values.ids import AccountId, NodeId, RootId


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link.

    Attributes:
        id: 0 until it is stored.
        kind: "isync" or "link", by the calls that made it.
        password: Argon2id string, None: none is asked; kept out of `repr` (S97).
        expires_ns: dead from then on, None: no such time.
        life_ns: dead when unused for so long, None: no such rule.
        used_ns, uses: last use (at first its making) and how many.
    """

    id: int = 0
    key: bytes = field(repr=False)
    node: NodeId
    root: RootId
    owner: AccountId
    kind: str
    rights: Rights = Rights.READ
    password: str | None = field(default=None, repr=False)
    created_ns: int
    expires_ns: int | None = None
    life_ns: int | None = None
    used_ns: int
    uses: int = 0
    label: str | None = None

    def lives(self, now_ns: int) -> bool:
        """Whether it is alive by its times, by the server's clock (S66)."""
        if self.expires_ns is not None and now_ns >= self.expires_ns:
            return False
        return self.life_ns is None or now_ns < self.used_ns + self.life_ns


class Shares(Protocol):
    """Links as rows. Each writing method is one durable transaction."""

    def add(self, share: Share, most: int | None, now_ns: int) -> Share:
        """Store a new link; where its kind has more than `most` by then, dead ones and then the longest unused are removed.

        Whoever has the most of them loses one first, so that nobody ends those of others by making more and more.
        """

    def share(self, share: int) -> Share | None:
        """The link of an id, dead or not."""

    def by_key(self, key: bytes) -> Share | None:
        """The link of a key's hash, dead or not."""

    def of_owner(self, owner: AccountId) -> list[Share]:
        """All links an account made, newest first (S63)."""

    def of_root(self, root: RootId) -> list[Share]:
        """All links into a root, by whomever, newest first (S63)."""

    def of_node(self, node: NodeId) -> list[Share]:
        """All links to a node, newest first."""

    def note_used(self, uses: Collection[tuple[int, int, int]]) -> None:
        """Remember (id, when in ns, how often since) of links; the only one that a power cut may undo."""

    def remove(self, ids: Collection[int]) -> None:
        """Remove links."""

    def remove_dead(self, now_ns: int) -> int:
        """Remove links that are dead by their times, and those to nodes of which nothing is left; how many."""
