"""Contents for netdrive clients, by md5 or by id; and files of those who have no login, where the owner opened a root for them."""

from collections.abc import Callable

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.netdrive import NetdriveRows
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.contents import OpenContent
from homestow.server.service.downloads import Downloads
from homestow.server.service.md5s import Md5s, parse_md5
from homestow.server.service.netdrive_facts import Announced, WholeSink
from homestow.server.service.netdrive_uploads import NetdriveUploads
from homestow.server.service.roots import Roots
from homestow.values.errors import Forbidden, NotFound
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import check_name

_CLOSED = "This server takes no files without login; log in, or ask its owner to open a root (netdrive_open_root)."


class NetdriveDownloads:
    """Opening contents. All methods may be called from any thread."""

    def __init__(self, access: Access, roots: Roots, downloads: Downloads, rows: NetdriveRows, md5s: Md5s) -> None:
        self._access = access
        self._roots = roots
        self._downloads = downloads
        self._rows = rows
        self._md5s = md5s

    def by_md5(self, who: Principal, root: RootId, md5: str) -> OpenContent:
        """A content of this md5 that the user may read, in this root first, then in any other of his (S110).

        A content that was replaced since is found as long as it is kept, so that a download in pieces comes to its end.

        Raises:
            NotFound: there is none.
            BadRequest: this is no md5.
        """
        self._access.root(who, root, Rights.READ)
        digest = parse_md5(md5)
        content = self._md5s.open(who, _here_first(root, lambda: self._roots.readable(who.account)), digest)
        if content is None:
            raise NotFound("There is no such content.")
        return content

    def by_id(self, who: Principal, vfile: int) -> OpenContent:
        """The present content of a file. Raises as `Downloads.content`."""
        sent = self._rows.sent(NodeId(vfile), who.account)
        node = NodeId(vfile) if sent is None or sent.done is None else sent.done
        return self._downloads.content(who, node)


class Doorway:
    """Files of those without login: the top folder of one root, when the owner opened one.

    Args:
        open_root: the name of that root; None: there is none.
    """

    def __init__(
        self, catalogue: Catalogue, roots: Roots, downloads: Downloads, uploads: NetdriveUploads, open_root: str | None
    ) -> None:
        self._catalogue = catalogue
        self._roots = roots
        self._downloads = downloads
        self._uploads = uploads
        self._open_root = open_root

    def open_put(self, name: str, size: int) -> WholeSink:
        """A sink for a file at the top, over what is there.

        Raises:
            Forbidden: no root is open.
            BadName, PathTaken, QuotaExceeded, TooLarge: it cannot be.
        """
        root, top = self._top()
        return self._uploads.whole(OUTSIDE, root, Announced(int(top), name, None, size))

    def open_get(self, name: str) -> OpenContent:
        """The content of a file at the top.

        Raises:
            Forbidden: no root is open.
            NotFound: there is no such file.
        """
        _, top = self._top()
        row = self._catalogue.child(top, check_name(name))
        if row is None or row.kind != Kind.FILE:
            raise NotFound("There is no such file.")
        return self._downloads.content(OUTSIDE, row.id)

    def _top(self) -> tuple[RootId, NodeId]:
        if self._open_root is None:
            raise Forbidden(_CLOSED)
        try:
            root = self._roots.named(self._open_root).id
        except NotFound as error:
            raise Forbidden(_CLOSED) from error
        top = self._catalogue.top(root)
        if top is None:
            raise Forbidden(_CLOSED)
        return root, top.id


def _here_first(root: RootId, others: Callable[[], list[RootId]]) -> "list[list[RootId]]":
    return [[root], [other for other in others() if other != root]]
