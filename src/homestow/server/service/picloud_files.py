"""Files of PiCloud's clients: stored as they come, in the sender's own root or in the inbox, and given back by name.

A file's name comes after its content, so contents are staged first and get their place at the end. Nothing of a file can be
sent again later in this protocol, so what broke off is dropped at once.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Final

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import CatalogueReads, NodeRow
from homestow.server.rules.access import OUTSIDE, Principal
from homestow.server.rules.passwords import name_key
from homestow.server.rules.quotas import check_growth
from homestow.server.service.contents import OpenContent
from homestow.server.service.downloads import Downloads
from homestow.server.service.files import Files
from homestow.server.service.isync_places import free_name
from homestow.server.service.publish import UNNUMBERED, File
from homestow.server.service.roots import Roots
from homestow.server.service.whole import FileSink, WholeFiles
from homestow.values.errors import BadName, Busy, Forbidden, LoginNeeded, NotFound, PathTaken, Stale
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import split_path, with_suffix

_MOST_TRIES: Final = 100
_MOST_NUMBERS: Final = 1000

log = logging.getLogger(__name__)


def path_of(name: str, ext: str) -> tuple[str, ...]:
    """Names from a root's top to the file that a message calls `name` and `ext`.

    A name may have folders; empty ones and "." are left out. Without an extension the name stands alone, without a name the
    dot begins it.

    Raises:
        BadName: absolute, with "..", too long, or no name at all (S01, S14).
    """
    text = f"{name}.{ext}" if ext else name
    if text.startswith("/"):
        raise BadName("A name begins in your own folder, not with a slash.")
    *folders, last = text.split("/")
    if last in ("", "."):
        raise BadName("A file needs a name of its own.")
    return split_path("/".join([*(folder for folder in folders if folder not in ("", ".")), last]))


@dataclass(frozen=True, slots=True)
class Place:
    """Where files of a sender go: `top` of a root. `shared`: others send there too, so nothing is replaced."""

    who: Principal
    root: RootId
    top: NodeId
    shared: bool


class Receiving:
    """One file on its way: `write` its pieces in order, then `finish`; `abort` when it broke off. Nothing is left then."""

    def __init__(self, files: "PicloudFiles", place: Place, reserved: int) -> None:
        self.place = place
        self.sink = files.sink(place)
        self._files = files
        self._reserved = reserved

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """The next piece. Raises `StorageFull`, `StorageFailed`; nothing is left behind then."""
        self.sink.write(piece)

    def finish(self, names: tuple[str, ...], who: Principal) -> Node:
        """Publish it at its place; folders on the way are made.

        Args:
            who: who sent it, as he is now: whose login ended meanwhile does not come here.
        Raises:
            PathTaken: a file stands where a folder is needed.
            BadName, QuotaExceeded, StorageFull, StorageFailed, Busy, NotFound, Forbidden: it does not fit.
        """
        try:
            return self._files.publish(self.place, self.sink, names, who)
        finally:
            self.abort()

    def abort(self) -> None:
        """Let go; what was not published is removed. May be called at any time and twice."""
        reserved, self._reserved = self._reserved, 0
        self._files.give_back(self.place.root, reserved)
        self.sink.end()


class PicloudFiles:
    """Use cases around files. All methods may be called from any thread.

    Args:
        inbox: name of the root that takes files of those who are not logged in; None: none does.
    """

    def __init__(
        self, catalogue: CatalogueReads, accounts: AccountRows, roots: Roots, files: Files, whole: WholeFiles,
        downloads: Downloads, inbox: str | None = None,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._accounts = accounts
        self._roots = roots
        self._files = files
        self._whole = whole
        self._downloads = downloads
        self._inbox = inbox
        self._coming: defaultdict[RootId, int] = defaultdict(int)
        self._lock = threading.Lock()

    # --- coming in ----------------------------------------------------------------------------------------------------

    def place(self, who: Principal | None) -> Place:
        """Where files of somebody go; None is somebody who is not logged in.

        Raises:
            LoginNeeded: nobody's files are taken here.
            Forbidden: the inbox that the settings name is not there.
            StorageFailed: the own root cannot be made.
        """
        if who is not None:
            root = self._own(who)
            return Place(who, root, self._top(root), False)
        if self._inbox is None:
            raise LoginNeeded("Log in first: send your <name>.id with your password.")
        try:
            root = self._roots.named(self._inbox).id
        except NotFound as error:
            log.error("the inbox of picloud is no root", extra={"root_name": self._inbox})
            raise Forbidden("The inbox of this server is not there; tell its owner.") from error
        return Place(OUTSIDE, root, self._top(root), True)

    def begin(self, place: Place, size: int) -> Receiving:
        """Take a file of `size` bytes or somewhat more; room is kept for so many while it comes.

        Raises:
            QuotaExceeded: there is no room for it beside what is coming already (S108).
        """
        quotas = self._roots.quotas(place.root)
        with self._lock:
            if quotas and size:
                roots = {root for quota in quotas for root in quota.roots}
                used = {
                    root: usage.total + self._coming.get(root, 0)
                    for root, usage in self._catalogue.usage(roots).items()
                }
                check_growth(quotas, used, size)
            self._coming[place.root] += size
        return Receiving(self, place, size)

    def give_back(self, root: RootId, size: int) -> None:
        """Room that is not kept any more."""
        with self._lock:
            self._coming[root] -= size
            if not self._coming[root]:
                del self._coming[root]

    def sink(self, place: Place) -> FileSink:
        """Staging for one file; its place is told at the end."""
        return FileSink(self._whole, place.who, place.root, File("", place.top, "", 0, b"", 0), None, None, None)

    def publish(self, place: Place, sink: FileSink, names: tuple[str, ...], who: Principal) -> Node:
        """Put a staged file into place, over what is there: that becomes a version. The same bytes again are no new content."""
        *folders, last = names
        folder = self._folder(place, who, folders)
        sink.who = who
        sink.file.parent, sink.file.name = folder, last
        sink.ready()
        for _ in range(_MOST_TRIES):
            name, there = self._free(place, folder, last)
            if there is not None and self._is_same(who, there, sink.file):
                return there.node()
            file = sink.file
            file.parent, file.name, file.disk_name, file.error, file.on_disk_taken = folder, name, None, None, False
            file.node, file.base = (UNNUMBERED, 0) if there is None else (there.id, there.rev)
            try:
                return self._whole.publish(who, place.root, file, None)
            except (PathTaken, Stale):
                continue  # somebody was quicker; what he wrote becomes a version
        raise Busy("It changes faster than it can be replaced; try again.", retry_after_s=2)

    def _free(self, place: Place, folder: NodeId, name: str) -> tuple[str, NodeRow | None]:
        """The name a file gets, and the file it replaces.

        Where others send too, a name that nobody has; else the name itself, or with a number where a folder has it.
        """
        if place.shared:
            return free_name(self._catalogue, folder, name), None
        for candidate in _numbered(name):
            there = self._catalogue.child(folder, candidate)
            if there is None or there.kind == Kind.FILE:
                return candidate, there
        raise PathTaken(f"{name!r} is a folder.")

    def _is_same(self, who: Principal, there: NodeRow, file: File) -> bool:
        """Whether the disk really has these bytes there."""
        if (there.digest, there.size) != (file.digest, file.size):
            return False
        try:
            content = self._downloads.content_at_hand(who, there.id)
        except NotFound:
            return False
        if content is None:
            return False
        content.close()
        return (content.digest, content.size) == (file.digest, file.size)

    def _folder(self, place: Place, who: Principal, names: Sequence[str]) -> NodeId:
        """The folder at a path from the top, made with all above it in one step where it is not there."""
        folder = place.top
        for at, name in enumerate(names):
            there = self._catalogue.child(folder, name)
            if there is None:
                first, *others = names[at:]
                wanted = [(int(folder), first), *((-number, other) for number, other in enumerate(others, 1))]
                made = self._files.make_folders(who, place.root, wanted)
                return [outcome.result().id for outcome in made][-1]
            if there.kind != Kind.FOLDER:
                raise PathTaken(f"{name!r} is no folder.", node=there.id)
            folder = there.id
        return folder

    # --- going out ----------------------------------------------------------------------------------------------------

    def open(self, who: Principal | None, names: tuple[str, ...]) -> OpenContent:
        """A file of somebody's own root; the caller closes it.

        People used to ask for what they had sent with their name before it, as it lay on the first servers: where there is
        no such folder, the name is left out.

        Raises:
            NotFound: nothing is there; everything is as if nothing was there for who is not logged in.
            ContentMissing, Busy, StorageFailed: the disk does not give it.
        """
        if who is None:
            raise NotFound("Nothing is there.")
        top = self._top(self._own(who))
        found = self._find(top, names)
        if found is None and len(names) > 1 and name_key(names[0]) == name_key(who.name):
            found = self._find(top, names[1:])
        if found is None:
            raise NotFound("Nothing is there.")
        return self._downloads.content(who, found.id)

    def _find(self, folder: NodeId, names: tuple[str, ...]) -> NodeRow | None:
        *folders, last = names
        for name in folders:
            there = self._catalogue.child(folder, name)
            if there is None or there.kind != Kind.FOLDER:
                return None
            folder = there.id
        for candidate in _numbered(last):
            there = self._catalogue.child(folder, candidate)
            if there is None or there.kind == Kind.FILE:
                return there
        return None

    # --- inside -------------------------------------------------------------------------------------------------------

    def _own(self, who: Principal) -> RootId:
        account = self._accounts.account(who.account)
        if account is None:
            raise LoginNeeded("This account is gone.")
        return self._roots.own(account).id

    def _top(self, root: RootId) -> NodeId:
        top = self._catalogue.top(root)
        if top is None:
            raise NotFound("Nothing is there.")
        return top.id


def _numbered(name: str) -> Iterator[str]:
    """The name, then the same with a number: for what wants to stand where a folder stands."""
    yield name
    for number in islice(count(2), _MOST_NUMBERS):
        yield with_suffix(name, f" ({number})")
