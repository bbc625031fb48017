"""What the isync calls tell about users, catalogs and files, put together from nodes, media facts and what clients gave.

What a client gave counts before what the content says, and that before what the disk says.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from homestow.server.ports.accounts import Account
from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.extras import Extras, ExtrasRows, Folders, PartStatus, Person
from homestow.server.ports.media import Facts, MediaRow
from homestow.server.ports.roots import Root
from homestow.server.rules.listed import created_s
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.listing import ListingService
from homestow.values.ids import NodeId, RootId
from homestow.wire import isync
from homestow.wire.isync_calls import SetHelp

SECOND = 1_000_000_000


class FactsOf(Protocol):
    """Media facts of nodes, as `ports.media.MediaRows` has them."""

    def media(self, nodes: Collection[NodeId]) -> dict[NodeId, MediaRow]:
        """Rows of nodes; those never read are left out."""


class PartSizes(Protocol):
    """How far the three parts of an upload are."""

    def sizes(self, row: Extras) -> tuple[int, int, int]:
        """Bytes that are there for certain of content, small and large thumbnail; 0 for a part that is not awaited."""


class _NoParts:
    def sizes(self, row: Extras) -> tuple[int, int, int]:
        """Nothing is under way."""
        return 0, 0, 0


class Infos:
    """Makes infos; whoever asks has checked the rights. Safe to call from any thread.

    `parts` is set once the uploads are put together.
    """

    parts: PartSizes = _NoParts()

    def __init__(
        self, catalogue: Catalogue, roots: Callable[[], Iterable[Root]], rows: ExtrasRows, folders: Folders, media: FactsOf,
        listing: ListingService,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._roots = roots
        self._rows = rows
        self._folders = folders
        self._media = media
        self._listing = listing

    # --- users ------------------------------------------------------------------------------------------------------

    def user(self, account: Account, person: Person) -> isync.UserInfo:
        """About an account."""
        created_s = account.created_ns // SECOND
        return isync.UserInfo(
            id=account.id,
            name=account.name,
            create_time=created_s,
            last_login_date=isync.number(person.login_s),
            last_modify_time=isync.number(person.modified_s) or created_s,
            help_int=person.help_int,
            help_text=person.help_text,
        )

    # --- catalogs ---------------------------------------------------------------------------------------------------

    def catalogs(self, rows: Sequence[NodeRow]) -> list[isync.CatalogInfo]:
        """About folders, in the order given."""
        ids = [row.id for row in rows]
        extras = self._rows.extras(ids)
        below = self._folders.count_folders_in(ids)
        files = self._listing.folder_counts(ids)
        coming = self._rows.unfinished_in(ids)
        tops = {root: self._catalogue.top(root) for root in {row.root for row in rows}}
        roots = {root.id: root for root in self._roots()} if any(row.parent is None for row in rows) else {}
        found: list[isync.CatalogInfo] = []
        for row in rows:
            known = extras.get(row.id)
            top, root = tops[row.root], roots.get(row.root)
            created_s, modified_s = _folder_times(row, known, root)
            found.append(
                isync.CatalogInfo(
                    id=row.id,
                    root_id=row.id if top is None else top.id,
                    parent_id=isync.NO_PARENT if row.parent is None else row.parent,
                    name=shown_name(row, known, "" if root is None else root.name),
                    create_time=created_s,
                    last_modify_time=isync.number(modified_s),
                    memo=known.memo if known else None,
                    sub_catalog_count=below.get(row.id, 0),
                    file_count=files.get(row.id, 0) + coming.get(row.id, 0),
                    help_int=known.help_int if known else None,
                    help_text=known.help_text if known else None,
                )
            )
        return found

    # --- files ------------------------------------------------------------------------------------------------------

    def files(self, rows: Sequence[NodeRow]) -> list[isync.FileInfo]:
        """About files that stand, in the order given."""
        ids = [row.id for row in rows]
        extras, media = self._rows.extras(ids), self._media.media(ids)
        came = {root.id: root.created_ns for root in self._roots()}
        return [self._file(row, extras.get(row.id), media.get(row.id), came) for row in rows]

    def file(self, row: NodeRow) -> isync.FileInfo:
        """About one file that stands."""
        return self.files([row])[0]

    def unfinished(self, row: Extras) -> isync.FileInfo:
        """About a file that has no node yet."""
        return _told(row, None, row.folder or NodeId(0), row.size, {}, *self._sizes(row))

    def _file(
        self, row: NodeRow, known: Extras | None, media: MediaRow | None, came: dict[RootId, int]
    ) -> isync.FileInfo:
        facts = media.facts if media is not None and media.rev == row.rev else None
        taken_ns = None if facts is None else facts.taken_ns
        imported_ns = max(came.get(row.root, 0), row.birth_ns or row.ctime_ns)
        defaults: dict[str, float] = {
            "created": created_s(None, taken_ns, row.birth_ns, row.mtime_ns, row.ctime_ns),
            "imported": imported_ns // SECOND,
            "modified": row.mtime_ns / SECOND,
        }
        told = known or Extras(node=row.id, root=row.root)
        return _told(
            told, facts, row.parent or NodeId(0), row.size, defaults, *self._sizes(told), name=row.name,
            shown=shown_name(row, known, row.name),
        )  # fmt: skip

    def _sizes(self, row: Extras) -> tuple[int | None, int | None, int | None]:
        waits = (row.upload is not None, row.thumb is PartStatus.UPLOADING, row.screen is PartStatus.UPLOADING)
        if not any(waits):
            return None, None, None
        origin, thumb, screen = (
            size if wait else None for size, wait in zip(self.parts.sizes(row), waits, strict=True)
        )
        return origin, thumb, screen


def with_help(asked: SetHelp, now_s: int) -> Callable[[Extras], Extras]:
    """Change of a row to what a client wants kept; None leaves what is there."""

    def change(row: Extras) -> Extras:
        return replace(
            row,
            modified_s=now_s,
            help_s=now_s,
            help_int=row.help_int if asked.help_int is None else asked.help_int,
            help_text=row.help_text if asked.help_text is None else asked.help_text,
        )

    return change


def shown_name(row: NodeRow, known: Extras | None, otherwise: str) -> str:
    """The display name a client gave, as long as the node is called as it was then; a root's top is called `otherwise`."""
    if known is not None and known.shown is not None and known.shown_for == row.name:
        return known.shown
    return row.name or otherwise


def _told(
    row: Extras, facts: Facts | None, folder: NodeId, size: int | None, defaults: dict[str, float], origin: int | None,
    thumb: int | None, screen: int | None, *, name: str = "", shown: str | None = None,
) -> isync.FileInfo:  # fmt: skip
    def told(given: float | None, default: str) -> isync.Number | None:
        return isync.number(given if given is not None else defaults.get(default))

    if row.ext is not None:
        ext = row.ext
    else:
        ext = (facts.format if facts is not None else None) or isync.extension(name)
    kind = row.kind if row.kind is not None else facts.kind if facts is not None else kind_of(name)
    facts = facts or Facts(kind_of(name), "")
    return isync.FileInfo(
        id=row.node,
        upload_user_id=row.uploader,
        catalog_id=folder,
        name=shown if shown is not None else row.shown or "",
        ext=ext or None,
        create_time=told(row.created_s, "created"),
        upload_time=isync.number(row.uploaded_s),
        import_time=told(row.imported_s, "imported"),
        last_modify_time=told(row.modified_s, "modified"),
        size=size,
        type=int(kind),
        duration=row.duration_s if row.duration_s is not None else facts.duration_s,
        width=row.width if row.width is not None else facts.width,
        height=row.height if row.height is not None else facts.height,
        orientation=row.orientation if row.orientation is not None else facts.orientation,
        memo=row.memo,
        help_int=row.help_int,
        help_text=row.help_text,
        uploading_origin_size=origin,
        uploading_thumb_size=thumb,
        uploading_screen_size=screen,
    )


def _folder_times(row: NodeRow, known: Extras | None, root: Root | None) -> tuple[isync.Number | None, float | None]:
    """When a folder was made, in whole seconds, and changed; None where nobody knows."""
    found = [ns for ns in (row.birth_ns, row.disk_mtime_ns, row.ctime_ns) if ns] or ([root.created_ns] if root else [])
    made_s: float | None = known.created_s if known is not None else None
    modified_s: float | None = known.modified_s if known is not None else None
    if found:
        made_s = made_s if made_s is not None else min(found) // SECOND
        modified_s = modified_s if modified_s is not None else (row.disk_mtime_ns or min(found)) // SECOND
    return isync.number(made_s), modified_s
