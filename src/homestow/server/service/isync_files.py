"""Files as the isync calls see them: listed in pages, changed, deleted."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import Extras, ExtrasRows, PartStatus
from homestow.server.ports.listing import Sort, Wanted
from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.media_kinds import MediaKind, kind_of
from homestow.server.service.access import Access
from homestow.server.service.files import Files
from homestow.server.service.isync_catalogs import Catalogs
from homestow.server.service.isync_infos import SECOND, Infos, with_help
from homestow.server.service.listing import ListingService
from homestow.server.service.roots import Roots
from homestow.server.service.uploads import Uploads
from homestow.values.errors import BadRequest, NotFound, UploadGone
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.wire.isync import FileInfo, FileList, HelpInfo, PageInfo, extension, node_name
from homestow.wire.isync_calls import AskFiles, ChangeFile, SetHelp

_TIMED: Final = (MediaKind.GIF, MediaKind.VIDEO)


class MediaFiles:
    """Use cases around files that stand, and those that are on their way."""

    def __init__(
        self, catalogue: Catalogue, access: Access, roots: Roots, files: Files, uploads: Uploads, catalogs: Catalogs,
        rows: ExtrasRows, infos: Infos, listing: ListingService, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._roots = roots
        self._files = files
        self._uploads = uploads
        self._catalogs = catalogs
        self._rows = rows
        self._infos = infos
        self._listing = listing
        self._clock = clock

    # --- looking ------------------------------------------------------------------------------------------------------

    def page(self, who: Principal, asked: AskFiles) -> FileList:
        """One page. A root that is not the caller's makes `roots` count as not given; an unknown sort lists nothing."""
        if abs(asked.sort) > max(Sort):
            return FileList([], None)
        tops = self._tops(who)
        roots = list(tops.values())
        if asked.roots is not None and all(NodeId(top) in tops for top in asked.roots):
            roots = [tops[NodeId(top)] for top in asked.roots]
        wanted = Wanted(
            roots=roots,
            folders=None if asked.parents is None else [NodeId(parent) for parent in asked.parents],
            kinds=asked.kinds,
            uploader=who.account if asked.only_own else None,
            sort=Sort(abs(asked.sort)),
            descending=asked.sort < 0,
        )
        start = min(asked.page * asked.per_page, 1 << 62)
        ids, total = self._listing.page(who, wanted, start, asked.per_page)
        found = self._catalogue.nodes(ids)
        rows = [found[node] for node in ids if node in found]
        infos = self._infos.files([row for row in rows if row.root in roots and not row.gone])
        pages = -(-total // asked.per_page)
        return FileList(infos, PageInfo(page_index=asked.page, max_per_page=asked.per_page, page_count=pages))

    def find(self, who: Principal, node: NodeId, need: Rights) -> tuple[NodeRow | None, Extras]:
        """A file that stands, or one that is on its way (then without a row), with what clients gave about it.

        Raises:
            NotFound: unknown, deleted, a folder, or not for this one to know.
            Forbidden: it may be seen, but this needs more rights.
        """
        known = self._rows.extras([node]).get(node)
        row = self._catalogue.node(node)
        if row is not None:
            if row.kind == Kind.FOLDER:
                raise NotFound("There is no such file.")
            row = self._access.node(who, node, need)
            return row, known or Extras(node=node, root=row.root)
        if known is None or known.upload is None:
            raise NotFound("There is no such file.")
        self._access.root(who, known.root, need)
        return None, known

    def info(self, who: Principal, node: NodeId) -> FileInfo:
        """About one file. Raises `NotFound`."""
        row, known = self.find(who, node, Rights.READ)
        return self._infos.unfinished(known) if row is None else self._infos.file(row)

    def help(self, who: Principal, node: NodeId) -> HelpInfo:
        """What a client keeps with a file. Raises `NotFound`."""
        info = self.info(who, node)
        return HelpInfo(help_int=info.help_int, help_text=info.help_text, last_modify_time=info.last_modify_time)

    # --- changing -----------------------------------------------------------------------------------------------------

    def set_help(self, who: Principal, asked: SetHelp) -> None:
        """Keep something with a file. Raises `NotFound`, `Forbidden`."""
        _, known = self.find(who, NodeId(asked.id), Rights.WRITE)
        self._rows.change(known.node, known.root, with_help(asked, self._clock.now_ns() // SECOND))

    def change(self, who: Principal, asked: ChangeFile) -> FileInfo:
        """Show a file elsewhere or under another name, or tell facts about it; where it lies stays as it is.

        Its size is that of its content, whatever is told; of one on its way, how long it shall be. Nothing moves to another root. What is on its way gets its place
        when it is published: folder and name are those of its extras then.

        Raises:
            NotFound, WrongKind, Forbidden: no such file or catalog, or no right in it.
            BadRequest: nothing is to be changed, or it cannot go there.
        """
        row, known = self.find(who, NodeId(asked.id), Rights.WRITE)
        here = known.folder if row is None else row.parent
        folder = here
        if asked.catalog is not None:
            target = self._access.node(who, NodeId(asked.catalog), Rights.WRITE, Kind.FOLDER)
            if target.root != known.root:
                raise BadRequest("A file moves within its root.")
            folder = target.id
        if folder == here and all(getattr(asked, name) is None for name in _GIVEN):
            raise BadRequest("Nothing is to be changed.")
        before = None if row is None else row.name
        if row is None:
            known = replace(known, folder=folder, shown=asked.name or known.shown)
        elif folder is not None and (folder != here or asked.name is not None):
            known = self._moved(who, row, known, folder, asked)
        kind = _kind(row, known, asked)
        now_s = self._clock.now_ns() // SECOND

        def fill(now: Extras) -> Extras:
            if row is not None and now.shown_for in (None, before):
                now = replace(now, shown=known.shown, shown_for=known.shown_for)
            elif row is None and now.upload == known.upload:
                size = now.size if asked.size is None else asked.size
                now = replace(now, shown=known.shown, folder=known.folder, size=size)
            return _with_facts(now, asked, kind, now_s)

        self._rows.change(known.node, known.root, fill)
        if row is None and self._catalogue.node(known.node) is not None:
            return self.change(who, asked)  # it was published meanwhile, perhaps at the place of before
        return self.info(who, known.node)

    def _moved(self, who: Principal, row: NodeRow, known: Extras, folder: NodeId, asked: ChangeFile) -> Extras:
        """Another place for a file that stands; what it is called by then."""
        shown = known.shown if known.shown_for == row.name else None
        ending = extension(row.name) if asked.ext is None else asked.ext
        if asked.name is not None:
            shown = asked.name
        wanted = row.name if shown is None else node_name(shown, ending)
        return replace(known, shown=shown, shown_for=self._catalogs.move(who, row, folder, wanted))

    def delete(self, who: Principal, ids: Sequence[int]) -> None:
        """Files into the trash; those on their way, if the caller sends them, are cancelled. Unknown ones are left out.

        Raises:
            Forbidden: one of them may be seen, but not deleted; then none is.
        """
        found: list[tuple[NodeRow | None, Extras]] = []
        for each in ids:
            try:
                found.append(self.find(who, NodeId(each), Rights.WRITE))
            except NotFound:
                continue
        for row, known in found:
            try:
                if known.upload is not None:
                    self._uploads.cancel_upload(who, known.upload)
                if row is not None:
                    self._files.delete(who, row.id)
                else:
                    self._rows.drop([known.node])
            except (NotFound, UploadGone):
                continue

    def _tops(self, who: Principal) -> dict[NodeId, RootId]:
        """The caller's roots by their catalogs."""
        tops = ((self._catalogue.top(root), root) for root in self._roots.readable(who.account))
        return {top.id: root for top, root in tops if top is not None}


_GIVEN: Final = tuple(field.name for field in fields(ChangeFile) if field.name not in ("id", "catalog"))
_AS_GIVEN: Final = (
    "created_s", "imported_s", "longitude", "latitude", "width", "height", "orientation", "memo", "help_int", "help_text",
    "kind", "ext",
)  # fmt: skip


def _kind(row: NodeRow | None, known: Extras, asked: ChangeFile) -> int:
    if asked.kind is not None:
        return asked.kind
    if known.kind is not None:
        return known.kind
    return kind_of((known.shown or "") if row is None else row.name)


def _with_facts(extras: Extras, asked: ChangeFile, kind: int, now_s: int) -> Extras:
    """Facts as a client gave them; a duration only where there can be one."""
    given: dict[str, Any] = {name: value for name in _AS_GIVEN if (value := getattr(asked, name)) is not None}
    if asked.duration_s is not None and kind in _TIMED:
        given["duration_s"] = asked.duration_s
    if asked.thumb is not None:
        given["thumb"] = PartStatus(asked.thumb)
    if asked.screen is not None:
        given["screen"] = PartStatus(asked.screen)
    modified_s = now_s if asked.modified_s is None else asked.modified_s
    return replace(extras, **given, modified_s=modified_s)
