"""What the sync client remembers between runs: the three trees, the feed's cursor, transfers under way, and problems.

Nothing here is the only copy of anything: lost state is rebuilt from both sides by union, deleting nothing (R24). So a
store need not flush at every step, but each `save` is whole or not at all.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from homestow.client.engine.seen import Stamp
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import LocalItem, Passed, RemoteItem, SyncedItem, TreeChanges
from homestow.values.digests import Digest


class Life(NamedTuple):
    """Which root of which life of which store the trees are about; `top` is the root's top folder node."""

    epoch: str
    root: int
    top: int


class Saved(NamedTuple):
    """All that a run starts from; `life` and `cursor` are None in a new store. In overlays None means gone on that side."""

    life: Life | None
    cursor: str | None
    synced: dict[int, SyncedItem]
    local: dict[int, LocalItem | None]
    remote: dict[int, RemoteItem | None]
    passed: dict[int, Passed]
    earlier: dict[int, RemoteItem | None]


class OpenUpload(NamedTuple):
    """An upload under way: for which state of which local file, over which content (None: a new file)."""

    item: int
    upload: str
    stamp: Stamp
    base_rev: int | None
    block_size: int


class OpenDownload(NamedTuple):
    """A download under way: which content, under which staging key, and the ranges [start, stop) that are durable."""

    item: int
    rev: int
    key: str
    have: tuple[tuple[int, int], ...]


class Sent(NamedTuple):
    """Content we offered for a node without having heard the answer: if the server shows it, it was ours (SC-141)."""

    item: int
    base_rev: int
    digest: Digest


class State(Protocol):
    """One job's memory; may be called from several threads, each call is whole."""

    def load(self) -> Saved:
        """Everything about the trees."""

    def save(self, changes: TreeChanges, cursor: str | None = None) -> None:
        """Remember tree changes, and with them how far the feed was read, in one transaction."""

    def begin_life(self, life: Life, changes: TreeChanges) -> None:
        """Another life of the store, or a first one: drop trees, cursor and transfers, then save `changes` (R23, R24)."""

    def open_uploads(self) -> Sequence[OpenUpload]:
        """Uploads begun and not finished."""

    def put_upload(self, upload: OpenUpload) -> None:
        """Remember an upload before its first block is sent; one per item."""

    def drop_upload(self, item: int) -> None:
        """It is finished or cancelled; nothing when unknown."""

    def open_downloads(self) -> Sequence[OpenDownload]:
        """Downloads begun and not finished."""

    def put_download(self, download: OpenDownload) -> None:
        """Remember what of a download is durable; one per item."""

    def drop_download(self, item: int) -> None:
        """It is finished or given up; nothing when unknown."""

    def sent(self) -> Sequence[Sent]:
        """Contents offered without an answer."""

    def put_sent(self, sent: Iterable[Sent]) -> None:
        """Remember what is about to be offered; one per item."""

    def drop_sent(self, items: Iterable[int]) -> None:
        """The answers came."""

    def problems(self) -> Sequence[Held]:
        """What the last pass could not settle, with reasons."""

    def put_problems(self, problems: Sequence[Held]) -> None:
        """Replace the list."""

    def deletes_accepted(self) -> bool:
        """Whether the user answered the brake and what was asked is not yet done (SC-193)."""

    def accept_deletes(self, accepted: bool) -> None:
        """Remember the answer, or that it is used up."""

    def filters(self) -> str:
        """Digest of the patterns that the trees were made with; "" when nothing was left out, and in a new life."""

    def put_filters(self, digest: str) -> None:
        """Remember it."""

    def close(self) -> None:
        """Let go of the store."""
