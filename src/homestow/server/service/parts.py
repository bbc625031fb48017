"""Uploads in three parts, as phones send them: a file with a small and a large thumbnail made by the client.

A file is announced first; its id is reserved, and nothing of it is seen until its content is complete. Content comes by
`Appends`; thumbnails have no declared size, and one that is coming in anew is not served meanwhile. What was told of a part's
size is durable.
"""

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import BinaryIO, Protocol

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import Extras, ExtrasRows, PartStatus
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.appends import Appends, Place
from homestow.server.service.contents import Contents
from homestow.server.service.isync_infos import Infos
from homestow.server.service.media import Media
from homestow.server.service.thumbnails import Thumbnails
from homestow.server.service.uploads import Begin, Uploads
from homestow.values.errors import CloudError, NotFound, UploadGone, WrongKind, WrongOffset
from homestow.values.faults import faultpoint
from homestow.values.ids import AccountId, NodeId, RootId, UploadId
from homestow.values.nodes import Kind
from homestow.values.paths import RESERVED
from homestow.wire.isync import FileInfo, Uploaded, node_name
from homestow.wire.isync_calls import NewFile

SECOND = 1_000_000_000
_CHUNK = 1024 * 1024
_LATEST_S = 1 << 33
"""A disk bears modification times up to the year 2242; others are only told."""
_MOST_BROUGHT = 10_000
"""So many parts' latest requests are remembered: one that a worker takes up late must not disturb a later one."""
_OVERTAKEN = "Another connection goes on with this part."
_CHECKS = frozenset({"sha1", "md5"})


class Part(Enum):
    """A part of an upload, by the file name it has in a body."""

    ORIGIN = "origin"
    THUMB = "thumb"
    SCREEN = "screen"

    @property
    def level(self) -> int:
        """Level of a thumbnail."""
        return int(self is Part.SCREEN)


class Hasher(Protocol):
    """A running digest."""

    def update(self, data: bytes | memoryview) -> None:
        """More bytes."""

    def hexdigest(self) -> str:
        """The digest of all bytes so far, in small letters."""


class _Sink(Protocol):
    def write(self, data: memoryview) -> None:
        """The next piece."""

    def finish(self) -> object:
        """All of it is here."""

    def abort(self) -> None:
        """It broke off; may be called after `finish`."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What is sent to: its node once it stands, and what clients said about it."""

    node: NodeId
    root: RootId
    row: NodeRow | None
    extras: Extras


class Parts:
    """Uploads in parts. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, access: Access, contents: Contents, uploads: Uploads, appends: Appends, rows: ExtrasRows,
        thumbnails: Thumbnails, media: Media, infos: Infos, clock: Clock,
    ) -> None:  # fmt: skip
        self.catalogue = catalogue
        self.access = access
        self.contents = contents
        self.uploads = uploads
        self.appends = appends
        self.rows = rows
        self.thumbnails = thumbnails
        self.media = media
        self._infos = infos
        self._clock = clock
        self._numbers = itertools.count()
        self._live: dict[NodeId, list[Sending]] = {}
        self._brought: OrderedDict[tuple[NodeId, Part], int] = OrderedDict()
        self._lock = threading.Lock()
        uploads.dropped = self.dropped

    def begin(self, who: Principal, new: NewFile) -> FileInfo:
        """Announce a file; its id and room are reserved from now on.

        Raises:
            NotFound, WrongKind, Forbidden: the catalog is none to put files into.
            QuotaExceeded, TooLarge, BadName, Busy: it cannot be taken.
        """
        folder = self.access.node(who, NodeId(new.catalog), Rights.WRITE, Kind.FOLDER)
        now = self.now_s()
        begun = self.uploads.begin_upload(
            who,
            Begin(size=new.size, parent=folder.id, name=name_on_disk(new.name, new.ext), numbered=True),
        )
        row = Extras(
            node=begun.node, root=folder.root, folder=folder.id, shown=new.name, upload=begun.id, uploader=who.account,
            created_s=now if new.created_s is None else new.created_s, uploaded_s=now,
            imported_s=now if new.imported_s is None else new.imported_s,
            modified_s=now if new.modified_s is None else new.modified_s,
            ext=new.ext, size=new.size, kind=new.kind, duration_s=new.duration_s, width=new.width, height=new.height,
            orientation=new.orientation, latitude=new.latitude, longitude=new.longitude, memo=new.memo,
            help_int=new.help_int, help_text=new.help_text, thumb=PartStatus(new.thumb or 0),
            screen=PartStatus(new.screen or 0),
        )  # fmt: skip
        return self._infos.unfinished(self.rows.change(row.node, row.root, lambda _: row))

    def waiting(self, who: Principal) -> list[FileInfo]:
        """Files of which this account still has to send something, by id."""
        found: list[FileInfo] = []
        for waiting in self.rows.waiting(who.account):
            try:
                target = self.target(who, waiting.node)
            except CloudError:
                continue  # it was deleted, or the right to write there was taken away
            if PartStatus.UPLOADING in (target.extras.thumb, target.extras.screen) or target.extras.upload is not None:
                found.append(self.info(target))
        return found

    def sizes(self, row: Extras) -> tuple[int, int, int]:
        """Durable bytes of content, small and large thumbnail; 0 for a part that is not awaited."""
        origin = 0
        if row.upload is not None:
            try:
                origin = self.appends.appended(OUTSIDE, row.upload)
            except UploadGone:
                origin = 0
        thumb, screen = (
            self.thumbnails.sent_size(row.node, level) if status is PartStatus.UPLOADING else 0
            for level, status in enumerate((row.thumb, row.screen))
        )
        return origin, thumb, screen

    def arrived(self) -> int:
        """A number for a request that has just come, higher than all before."""
        return next(self._numbers)

    def send(
        self, who: Principal, node: NodeId, begins: Mapping[Part, int], check: str | None, number: int
    ) -> "Sending":
        """One request that brings parts of a file; `Sending.abort` ends it in every case.

        Args:
            begins: where each part begins, in bytes.
            check: sha1 or md5 in any letters: digests of the parts it brings are wanted.
            number: of `arrived`, from when the request came.
        Raises:
            NotFound, WrongKind, Forbidden: no file to send to.
        """
        wanted = check.lower() if check is not None else ""
        target = self.target(who, node)
        sending = Sending(self, who, target, begins, wanted if wanted in _CHECKS else None, number)
        with self._lock:
            self._live.setdefault(node, []).append(sending)
        return sending

    def take_from_older(self, sending: "Sending", node: NodeId, part: Part) -> None:
        """A request brings a part: older ones that still hang about bring it no more.

        Raises:
            WrongOffset: a later one has brought it.
        """
        with self._lock:
            if self._brought.get((node, part), -1) > sending.number:
                raise WrongOffset(_OVERTAKEN)
            self._brought[node, part] = sending.number
            self._brought.move_to_end((node, part))
            if len(self._brought) > _MOST_BROUGHT:
                self._brought.popitem(last=False)
            older = [each for each in self._live.get(node, []) if each.number < sending.number]
        for each in older:
            each.give_up(part)

    def over(self, sending: "Sending", node: NodeId) -> None:
        """A request has ended. May be called twice."""
        with self._lock:
            live = self._live.get(node, [])
            if sending in live:
                live.remove(sending)
            if not live:
                self._live.pop(node, None)

    def dropped(self, node: NodeId) -> None:
        """An upload to this file is no more: its row says so too."""
        for row in self.rows.extras([node]).values():
            self.settled(row)

    def settle(self, accounts: Iterable[AccountId]) -> None:
        """Take down what a crash left between the end of an upload and the word of it, of all people."""
        for account in accounts:
            for row in self.rows.waiting(account):
                self.settled(row)

    # --- for one request ----------------------------------------------------------------------------------------------

    def now_s(self) -> int:
        """Now, in seconds since 1970."""
        return self._clock.now_ns() // SECOND

    def target(self, who: Principal, node: NodeId) -> _Target:
        """A file that somebody may send to, standing or announced.

        Raises:
            NotFound, WrongKind, Forbidden: there is none.
        """
        row = self.catalogue.node(node)
        extras = self.rows.extras([node]).get(node)
        settled = None if extras is None else self.settled(extras)
        if row is not None or settled is None or settled.upload is None:
            row = self.access.node(who, node, Rights.WRITE, Kind.FILE)
            return _Target(node, row.root, row, settled or Extras(node=node, root=row.root))
        self.access.root(who, settled.root, Rights.WRITE)
        if not self.access.stands_in(settled.folder):
            raise NotFound("Nothing is there.")
        return _Target(node, settled.root, None, settled)

    def settled(self, row: Extras) -> Extras | None:
        """A row whose upload is true; None when nothing is left of what it stood for."""
        if row.upload is None:
            return row
        upload = self.catalogue.upload(row.upload)
        if upload is not None and upload.state != "written":
            return row
        node = self.catalogue.node(row.node)
        if node is None:
            self.rows.drop([row.node])
            return None
        if upload is None:  # cancelled, or it outlived its time: the content is what it was
            return self.rows.change(
                row.node, row.root, lambda now: replace(now, upload=None) if now.upload == row.upload else now
            )
        return self.rows.change(row.node, row.root, lambda now: ended(now, node, row.upload))

    def info(self, target: _Target) -> FileInfo:
        """What is told about a file now."""
        row = self.catalogue.node(target.node)
        if row is not None:
            return self._infos.file(row)
        extras = self.rows.extras([target.node]).get(target.node)
        return self._infos.unfinished(target.extras if extras is None else extras)


class Sending:
    """One request's parts, one after the other: `begin`, `write` …, `end`; then `finish`; `abort` in every case at last.

    A phone that lost its connection comes again before the server has noticed. Of two requests that bring the same part the
    later one counts; the earlier one, whose bytes may still wait to be written, is over with it.
    """

    def __init__(
        self, parts: Parts, who: Principal, target: _Target, begins: Mapping[Part, int], check: str | None, number: int
    ) -> None:
        self.number = number
        self._parts = parts
        self._who = who
        self._target = target
        self._begins = begins
        self._check = check
        self._part: Part | None = None
        self._sink: _Sink | None = None
        self._hasher: Hasher | None = None
        self._upload: UploadId | None = target.extras.upload
        self._ended: dict[Part, Hasher | None] = {}
        self._lost: set[Part] = set()
        self._undone = False
        self._lock = threading.Lock()

    def begin(self, part: Part) -> None:
        """A part begins.

        Raises:
            WrongOffset: above what is there, or a later request brings this part; nothing has changed.
            CloudError: it cannot be taken.
        """
        with self._lock:
            self._check_lost(part)
            self._parts.take_from_older(self, self._target.node, part)
            begin = self._begins.get(part, 0)
            if part is Part.ORIGIN:
                self._begin_origin(begin)
            else:
                self._begin_thumb(part, begin)
            self._part = part
            self._hasher = hashlib.new(self._check, usedforsecurity=False) if self._check and begin == 0 else None

    def write(self, data: memoryview) -> None:
        """The next bytes of the part."""
        with self._lock:
            sink = self._going_on()
            if sink is None:
                sink = self._sink = self._over(self._begins.get(Part.ORIGIN, 0))
            sink.write(data)
            if self._hasher is not None:
                self._hasher.update(data)

    def end(self) -> None:
        """The part is complete, and durable when this returns."""
        with self._lock:
            sink, row, part = self._going_on(), self._target.row, self._part
            assert part is not None
            if sink is None and row is not None and self._begins.get(Part.ORIGIN, 0) < row.size:
                sink = self._sink = self._over(self._begins.get(Part.ORIGIN, 0))
            if sink is not None:
                sink.finish()
            self._ended[part] = self._hasher
            self._sink = self._part = None

    def abort(self) -> None:
        """The request is over; what came of a part that it broke off in is kept."""
        with self._lock:
            self._break_off()
        self._parts.over(self, self._target.node)

    def give_up(self, part: Part) -> None:
        """A later request brings this part: not a byte of it is written here once this returns."""
        with self._lock:
            self._lost.add(part)
            if part in self._ended:
                del self._ended[part]
                self._undone = True
            if self._part is part:
                self._break_off()

    def _break_off(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abort()

    def _check_lost(self, part: Part) -> None:
        if part in self._lost:
            raise WrongOffset(_OVERTAKEN)

    def _going_on(self) -> _Sink | None:
        assert self._part is not None
        self._check_lost(self._part)
        return self._sink

    def finish(self) -> Uploaded:
        """All parts of the request are here: they count, and content that is complete is put into its place.

        Raises:
            NotFound, QuotaExceeded: it does not fit (any more); what came is kept.
            WrongOffset: a later request brings a part that was complete here; the others count.
        """
        with self._lock:
            check = None if self._check is None else {part.value: self._digest(part) for part in self._ended}
            if self._ended:
                self._count(self._place() if self._is_complete() else None)
            if self._undone:
                raise WrongOffset(_OVERTAKEN)
        return Uploaded(file_info=self._parts.info(self._target), check=check)

    # --- content ------------------------------------------------------------------------------------------------------

    def _begin_origin(self, begin: int) -> None:
        row = self._target.row
        if self._upload is None and row is not None:
            if not 0 <= begin <= row.size:
                raise WrongOffset(f"{row.size} bytes are there.", expected=row.size)
            self._sink = None  # a finished file is touched when there is something new
            return
        assert self._upload is not None
        self._sink = self._parts.appends.append(self._who, self._upload, begin, grows=True)

    def _over(self, begin: int) -> _Sink:
        """Begin new content of a finished file that begins with some of its bytes."""
        parts, row = self._parts, self._target.row
        assert row is not None
        begun = parts.uploads.begin_upload(self._who, Begin(size=begin, node=row.id, base=row.rev))
        if begin:
            parts.appends.begin_with(self._who, begun.id, begin)

        def claim(now: Extras) -> Extras:
            if now.upload is not None:
                return now
            uploaded_s = parts.now_s() if now.uploaded_s is None else now.uploaded_s
            return replace(now, upload=begun.id, uploader=self._who.account, uploaded_s=uploaded_s)

        self._upload = parts.rows.change(row.id, row.root, claim).upload
        assert self._upload is not None
        if self._upload != begun.id:  # somebody was quicker
            parts.uploads.cancel_upload(self._who, begun.id)
        faultpoint("parts.claimed")
        return parts.appends.append(self._who, self._upload, begin, grows=True)

    def _is_complete(self) -> bool:
        if self._upload is None:
            return False
        if self._target.row is not None:
            return Part.ORIGIN in self._ended
        declared = self._parts.rows.extras([self._target.node])[self._target.node].size or 0
        have = self._parts.appends.appended(self._who, self._upload)
        return have >= declared and (declared > 0 or Part.ORIGIN in self._ended)

    def _place(self) -> NodeRow:
        """Put complete content into its place; the node."""
        assert self._upload is not None
        parts = self._parts
        place = None
        if self._target.row is None:
            now = parts.rows.extras([self._target.node])[self._target.node]
            folder = now.folder or NodeId(0)
            known = parts.catalogue.folder(folder)
            if known is not None and known.root != self._target.root:
                raise WrongKind("A file on its way stays in its root.")
            mtime_ns = _mtime_ns(now)
            place = Place(folder, name_on_disk(now.shown or "", now.ext or ""), mtime_ns)
        node = parts.appends.finish(self._who, self._upload, place)
        faultpoint("parts.published")
        row = parts.catalogue.node(node.id)
        if row is None:
            raise NotFound("It is not there any more.")
        return row

    # --- thumbnails ---------------------------------------------------------------------------------------------------

    def _begin_thumb(self, part: Part, begin: int) -> None:
        node, root, thumbnails = self._target.node, self._target.root, self._parts.thumbnails
        have = thumbnails.sent_size(node, part.level)
        if not 0 <= begin <= have:
            raise WrongOffset(f"{have} bytes are there.", expected=have)

        def awaited(now: Extras) -> Extras:
            uploader = self._who.account if now.uploader is None else now.uploader
            return _with_status(replace(now, uploader=uploader), part, PartStatus.UPLOADING)

        self._parts.rows.change(node, root, awaited)
        self._sink = thumbnails.append(node, part.level, begin)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _count(self, placed: NodeRow | None) -> None:
        thumbs = [part for part in self._ended if part is not Part.ORIGIN]

        def done(now: Extras) -> Extras:
            if placed is not None:
                now = ended(now, placed, self._upload)
            for part in thumbs:
                now = _with_status(now, part, PartStatus.UPLOADED)
            return now

        row = placed or self._target.row
        if thumbs and row is not None and row.rev > 1:
            # Facts of a new content, once read, end what was sent for the old one; these are for the new one.
            self._parts.media.read_nodes([row])
        if thumbs or placed is not None:
            self._parts.rows.change(self._target.node, self._target.root, done)

    def _digest(self, part: Part) -> str:
        """The digest of all of a part that is there."""
        assert self._check is not None
        hasher = self._ended[part]
        if hasher is not None:
            return hasher.hexdigest()
        found = hashlib.new(self._check, usedforsecurity=False)
        if part is not Part.ORIGIN:
            file = self._parts.thumbnails.sent(self._target.node, part.level)
            if file is not None:
                with file:
                    _feed_file(found, file)
        elif self._upload is not None:
            self._parts.appends.read(self._who, self._upload, found.update)
        elif self._target.row is not None:
            content = self._parts.contents.open(self._target.row)
            try:
                _feed(found.update, content.opened.read_at, content.size)
            finally:
                content.close()
        return found.hexdigest()


def ended(now: Extras, node: NodeRow, upload: UploadId | None) -> Extras:
    """What clients said about a file, once its content is in its place; as it is when another upload is under way by then."""
    if now.upload is None or now.upload != upload:
        return now
    fresh = now.folder is not None
    told = now.modified_s if fresh and _mtime_ns(now) is None else None
    return replace(
        now, upload=None, folder=None, size=None, modified_s=told, shown_for=node.name if fresh else now.shown_for,
        thumb=PartStatus.LOCAL if now.thumb is PartStatus.BROKEN else now.thumb,
        screen=PartStatus.LOCAL if now.screen is PartStatus.BROKEN else now.screen,
    )  # fmt: skip


def name_on_disk(shown: str, ext: str) -> str:
    """What a file of this display name is called."""
    name = node_name(shown, ext)
    return f"_{name}" if name == RESERVED else name


def _with_status(row: Extras, part: Part, status: PartStatus) -> Extras:
    return replace(row, screen=status) if part is Part.SCREEN else replace(row, thumb=status)


def _mtime_ns(row: Extras) -> int | None:
    seconds = row.modified_s
    return int(seconds * SECOND) if seconds is not None and 0 <= seconds < _LATEST_S else None


def _feed(update: Callable[[bytes], None], read_at: Callable[[int, int], bytes], size: int) -> None:
    at = 0
    while at < size and (data := read_at(at, min(_CHUNK, size - at))):
        update(data)
        at += len(data)


def _feed_file(found: Hasher, file: BinaryIO) -> None:
    while data := file.read(_CHUNK):
        found.update(data)
