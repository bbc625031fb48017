"""The end of a file that was announced by netdrive: verified, and put over whatever stands at its place."""

import logging

from homestow.server.ports.catalogue import Catalogue, NodeRow, UploadRow
from homestow.server.ports.netdrive import Md5Row, NetdriveRows, Sent
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import Principal
from homestow.server.service.access import Access
from homestow.server.service.arrivals import Arrivals
from homestow.server.service.contents import Contents
from homestow.server.service.files import Files
from homestow.server.service.md5s import Md5s
from homestow.server.service.netdrive_places import Places, path_of
from homestow.server.service.receiving import Arriving
from homestow.server.service.uploads import Uploads
from homestow.values.errors import Busy, DigestMismatch, Incomplete, NotFound, PathTaken, Stale, UploadGone
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind

SECOND = 1_000_000_000
_TRIES = 16

log = logging.getLogger(__name__)


class Finishing:
    """Holds uploads open and completes them. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, access: Access, files: Files, contents: Contents, uploads: Uploads, arrivals: Arrivals,
        rows: NetdriveRows, places: Places, md5s: Md5s,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._files = files
        self._contents = contents
        self._uploads = uploads
        self._arrivals = arrivals
        self._rows = rows
        self._places = places
        self._md5s = md5s

    def set_time(self, who: Principal, row: NodeRow, mtime_ns: int | None) -> None:
        """A file that has the announced content bears the announced time too."""
        if mtime_ns is not None and mtime_ns // SECOND != row.mtime_ns // SECOND:
            try:
                self._files.set_facts(who, row.id, mtime_ns)
            except Stale:
                log.info("a file changed while its time was set", extra={"node": row.id})

    def hold(self, who: Principal, sent: Sent) -> tuple[UploadRow, Arriving] | None:
        """An upload's bytes, held open; None when it came to its end."""
        row = self._uploads.shared(who, sent.upload)
        if row.state == "written":
            return None
        arriving = self._arrivals.hold(row)
        try:
            arriving.want_md5()
            now = self._uploads.shared(who, sent.upload)
        except BaseException:
            self._arrivals.let_go(arriving)
            raise
        if now.state != "written":
            return now, arriving
        self._arrivals.let_go(arriving)
        self._arrivals.forget(row.id)
        return None

    def complete_if(self, who: Principal, sent: Sent) -> bool:
        """Put a file into its place when all of it is there; whether it was."""
        row = self._uploads.shared(who, sent.upload)
        if row.state != "written":
            if spans.count(self._arrivals.received(row)) < row.size:
                return False
            self.complete(who, sent)
        return True

    def complete(self, who: Principal, sent: Sent) -> NodeId:
        """Verify a file and put it into its place; its id, again when that was done before."""
        held = None if sent.done is not None else self.hold(who, sent)
        if held is None:
            return self._done(sent)
        row, arriving = held
        try:
            with arriving.finishing:
                row = self._uploads.shared(who, sent.upload)
                if row.state == "written":
                    return self._done(sent)
                arriving.take_over()
                missing = row.size - spans.count(arriving.received)
                if missing:
                    raise Incomplete(f"{missing} bytes have not arrived.", missing=missing)
                digest, md5 = arriving.digests()
                if sent.md5 not in (None, md5):
                    arriving.cut(0)
                    self._arrivals.progress(row, arriving)
                    raise DigestMismatch("The file that arrived is not the announced one; send it again.")
                faultpoint("upload.verified")
                self._arrivals.flush(row, arriving)
                node, rev, there = self._publish(who, sent, row, arriving, digest)
        finally:
            self._arrivals.let_go(arriving)
        self._rows.sent_done(sent.vfile, node)
        said = self._places.file_name(who, sent.root, sent.vfile, sent.name)
        self._places.spell_file(who, sent.root, node, said, sent.name)
        if md5 is not None:
            self._md5s.note([Md5Row(node, rev, md5, row.size)])
        if there is not None:
            self._uploads.drop(row)
            self.set_time(who, there, row.mtime_ns)
        else:
            self._arrivals.forget(row.id)
        return node

    def _publish(
        self, who: Principal, sent: Sent, row: UploadRow, arriving: Arriving, digest: bytes
    ) -> tuple[NodeId, int, NodeRow | None]:
        """Over whatever is there; the node, its rev, and the file that had this content already: then nothing was published."""
        for _ in range(_TRIES):
            folder = self._folder(who, sent)
            there = self._catalogue.child(folder, sent.name)
            placed = row._replace(parent=folder, name=sent.name)
            if there is not None:
                if there.kind != Kind.FILE:
                    raise in_the_way(there)
                if (there.digest, there.size) == (digest, row.size) and self._is_there(there):
                    return there.id, there.rev, there
                placed = row._replace(node=there.id, base=there.rev, parent=None, name=None)
            try:
                made = self._uploads.put_in_place(who, placed, arriving, digest, None)
            except (Stale, NotFound, PathTaken):
                continue  # somebody was quicker; what he wrote becomes a version
            return made.id, made.rev, None
        raise Busy("The place changes faster than the file can be put there; try again.", retry_after_s=2)

    def _is_there(self, row: NodeRow) -> bool:
        """Whether the disk shows what the row says."""
        content = self._contents.at_hand(row)
        if content is not None:
            content.close()
        return content is not None

    def _folder(self, who: Principal, sent: Sent) -> NodeId:
        """Where it shall be: the folder it was announced for, or one made anew at its path when that one went meanwhile."""
        if self._access.stands_in(sent.folder):
            return sent.folder
        return self._places.make(who, sent.root, path_of(tuple(sent.path.split("/")) if sent.path else ()))[0]

    def _done(self, sent: Sent) -> NodeId:
        """The file that an upload became."""
        now = self._rows.sent(sent.vfile, sent.account)
        if now is not None and now.done is not None:
            return now.done
        there = self._catalogue.child(sent.folder, sent.name)
        if there is None or there.kind != Kind.FILE:
            raise UploadGone("This upload is finished, and its file was removed since.")
        self._rows.sent_done(sent.vfile, there.id)
        return there.id


def in_the_way(row: NodeRow) -> PathTaken:
    """What is said of something that is no file at the place of one."""
    return PathTaken(f"A {row.kind} {row.name!r} is in its place.", node=row.id)
