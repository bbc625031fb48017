"""The calls of the documented list: `type` inside of the object, `session` in each, no bind."""

import unicodedata
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any, Final

from homestow.server.border import Lane
from homestow.server.fronts.netdrive.accounts import change_password, log_in, log_out, sign_up
from homestow.server.fronts.netdrive.conversation import Conversation, Handler, Part, lane_for
from homestow.server.fronts.netdrive.listed import files_of
from homestow.server.rules.access import Principal
from homestow.server.service.netdrive_facts import SMALL, TOP, Announced, Begun, Chunk, ChunkSink, WholeSink
from homestow.values.errors import BadRequest, CloudError, NotFound
from homestow.values.ids import RootId
from homestow.wire.netdrive import Chunk as ChunkRow
from homestow.wire.netdrive import Dialect, DirRow, Error, FileRow, Request, Say, answer_to

MOST_ROWS: Final = 1000
"""Rows of progress in one answer; of a larger file blocks beside each other are told as one."""


def side_by_side(asked: Request) -> bool:
    """Whether this is a small whole file, of which many are stored together."""
    return (
        asked.dialect is Dialect.DOCUMENTED and asked.type == "upload" and asked.trouble is None
        and asked.body is not None and asked.body <= SMALL and "offset" not in asked.fields and "vfile_id" not in asked.fields
    )  # fmt: skip


async def _list(talk: Conversation, asked: Request) -> bytes:
    def work(who: Principal, root: RootId) -> bytes:
        listing = talk.drive.tree.listing(who, root)
        dirs = [DirRow(number, path).as_fields() for number, path in listing.dirs]
        files = [
            FileRow(file.vfile, file.dir, file.name, file.size, file.md5, file.mtime_s).as_fields()
            for file in files_of(listing)
        ]
        # Our own sync client asks which life of the store it sees (R23); others never do.
        more = {"epoch": talk.drive.tree.epoch()} if asked.fields.get("epoch") is True else {}
        return answer_to(asked, Error.OK, "dirinfo success", dirs=dirs, files=files, **more)

    return await talk.use_root(asked, work, Lane.LONG)


# --- uploads ------------------------------------------------------------------------------------------------------------


async def _upload(talk: Conversation, asked: Request) -> bytes | None:
    if side_by_side(asked):
        await _take_small(talk, asked)
        return None
    if asked.fields.get("complete") is True:
        return await _complete(talk, asked)
    if "offset" not in asked.fields:
        return await _take_whole(talk, asked)
    if "vfile_id" in asked.fields:
        return await _progress(talk, asked) if not asked.body else await _take_piece(talk, asked)
    return await _announce(talk, asked)


def _announced(asked: Request) -> Announced:
    folder: int | str | None = asked.maybe_integer("vfile_dir_id")
    if folder is None:
        folder = asked.text("path", TOP)
    return Announced(
        folder, asked.text("filename"), asked.maybe_text("md5"), asked.integer("size"), asked.maybe_integer("mtime")
    )


async def _take_small(talk: Conversation, asked: Request) -> None:
    """Stored together with what comes from others at the same moment; the next request is read meanwhile."""
    who, root = await _seat(talk, asked)
    announced = _announced(asked)
    by_id = isinstance(announced.folder, int)
    if by_id is not talk.by_id:
        # One folder may be meant in both ways, and of two files for one place the later one must win.
        await talk.replies.settle()
        talk.by_id = by_id
    body = bytes(await talk.whole(announced.size))

    async def store() -> bytes:
        try:
            vfile: int = await talk.border.together(talk.drive.uploads.whole_many, (who, root, announced, body))
        except NotFound as error:
            talk.seat = None  # the root may be gone
            return talk.failure(asked, error)
        except CloudError as error:
            return talk.failure(asked, error)
        finally:
            talk.gate.leave(len(body))
        return answer_to(asked, Error.OK, Say.UPLOADED, vfile_id=vfile)

    place = _place(root, announced)
    await talk.replies.room_for(place)
    await talk.gate.enter(len(body))
    talk.replies.begin(place, store())


async def _seat(talk: Conversation, asked: Request) -> tuple[Principal, RootId]:
    """Who asks for which root: as a moment ago on this connection, if the session surely stands."""
    named = asked.text("session"), asked.maybe_integer("bindid")
    if talk.seat is not None and talk.seat[0] == named:
        known = talk.drive.sessions.known(named[0])
        if known is not None:
            return known, talk.seat[1]
    who, root = await talk.use_root(asked, lambda who, root: (who, root))
    talk.seat = named, root
    return who, root


def _place(root: RootId, announced: Announced) -> Hashable:
    """What one file is stored at, told alike however it is spelled."""
    folder: Hashable = announced.folder
    if isinstance(folder, str):
        folder = tuple(_folded(name) for name in folder.split("/") if name not in ("", "."))
    return root, folder, _folded(announced.name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


async def _take_whole(talk: Conversation, asked: Request) -> bytes:
    def begin(who: Principal, root: RootId) -> WholeSink:
        return talk.drive.uploads.whole(who, root, _announced(asked))

    lane = lane_for(asked.body or 0)
    sink = await talk.use_root(asked, begin, lane)
    vfile = await talk.receive(asked, sink, sink.finish, lane)
    return answer_to(asked, Error.OK, Say.UPLOADED, vfile_id=vfile)


async def _announce(talk: Conversation, asked: Request) -> bytes:
    """A file is announced, perhaps together with its first piece."""
    uploads = talk.drive.uploads

    def begin(who: Principal, root: RootId) -> tuple[Begun, ChunkSink | None, list[Chunk]]:
        begun = uploads.begin(who, root, _announced(asked))
        if begun.instant:
            return begun, None, []
        if asked.body:
            return begun, uploads.chunk(who, begun.vfile, asked.integer("offset"), asked.body), []
        return begun, None, uploads.chunks(who, begun.vfile)

    begun, sink, chunks = await talk.use_root(asked, begin, lane_for(asked.integer("size")))
    if begun.instant:
        return answer_to(asked, Error.OK, Say.INSTANT, vfile_id=begun.vfile)
    if asked.body:
        return await _piece(talk, asked, begun.vfile, sink)
    return answer_to(asked, Error.NEED_UPLOAD, Say.NEED_UPLOAD, vfile_id=begun.vfile, done=progress(chunks))


async def _take_piece(talk: Conversation, asked: Request) -> bytes:
    vfile, size = asked.integer("vfile_id"), asked.body or 0

    def begin(who: Principal, root: RootId) -> ChunkSink | None:
        return talk.drive.uploads.chunk(who, vfile, asked.integer("offset"), size)

    return await _piece(talk, asked, vfile, await talk.use_root(asked, begin))


async def _piece(talk: Conversation, asked: Request, vfile: int, sink: ChunkSink | None) -> bytes:
    if sink is None:
        return answer_to(asked, Error.OK, Say.CHUNK_KNOWN, vfile_id=vfile)
    await talk.receive(asked, sink, sink.finish, lane_for(asked.body or 0))
    return answer_to(asked, Error.OK, Say.UPLOADED, vfile_id=vfile)


async def _progress(talk: Conversation, asked: Request) -> bytes:
    """How far an upload is."""
    vfile = asked.integer("vfile_id")
    chunks = await talk.use_root(asked, lambda who, root: talk.drive.uploads.chunks(who, vfile))
    if all(chunk.done for chunk in chunks):
        return answer_to(asked, Error.OK, Say.UPLOADED, vfile_id=vfile, done=progress(chunks))
    return answer_to(asked, Error.NEED_UPLOAD, Say.NEED_UPLOAD, vfile_id=vfile, done=progress(chunks))


async def _complete(talk: Conversation, asked: Request) -> bytes:
    """The notice of the document that all was sent."""
    vfile = asked.integer("vfile_id")
    done = await talk.use_root(asked, lambda who, root: talk.drive.uploads.complete(who, vfile))
    return answer_to(asked, Error.OK, Say.UPLOADED, vfile_id=done)


def progress(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """Rows of progress: the blocks as they are; where that would be too many, runs of blocks, and of these the first ones."""
    if len(chunks) > MOST_ROWS:
        joined: list[Chunk] = []
        for chunk in chunks:
            if joined and joined[-1].done == chunk.done:
                last = joined.pop()
                joined.append(Chunk(last.offset, last.size + chunk.size, chunk.done))
            else:
                joined.append(chunk)
        chunks = joined[:MOST_ROWS]
    return [ChunkRow(chunk.offset, chunk.size, chunk.done).as_fields() for chunk in chunks]


# --- downloads ----------------------------------------------------------------------------------------------------------


async def _send(talk: Conversation, asked: Request) -> None:
    """By content where an md5 is given, since that stays the same whatever happens to the file; else by file."""
    md5, vfile = asked.maybe_text("md5"), asked.maybe_integer("vfile_id")

    def work(who: Principal, root: RootId) -> Part:
        if md5 is None and vfile is None:
            raise BadRequest("vfile_id or md5 is missing")
        downloads = talk.drive.downloads
        content = downloads.by_md5(who, root, md5) if md5 is not None else downloads.by_id(who, vfile or 0)
        start = asked.integer("offset")
        rest = content.size - start
        wanted = asked.maybe_integer("size")
        return Part(content, start, rest if wanted is None else min(wanted, rest))

    part = await talk.use_root(asked, work)
    await talk.send(Dialect.DOCUMENTED, answer_to(asked, Error.OK, Say.DOWNLOADED, size=part.count), part)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "signup": sign_up,
        "login": log_in,
        "changepwd": change_password,
        "logout": log_out,
        "dirinfo": _list,
        "upload": _upload,
        "download": _send,
    }
)
