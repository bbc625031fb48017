"""The calls of the final dialect, as the programs of the project shipped them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from homestow.server.border import Lane
from homestow.server.fronts.netdrive.accounts import log_in, log_out, sign_up
from homestow.server.fronts.netdrive.conversation import Conversation, Ended, Handler, Part, lane_for
from homestow.server.fronts.netdrive.listed import files_of
from homestow.server.rules.access import Principal
from homestow.server.service.netdrive_facts import Announced, Begun, ChunkSink, NoFolder
from homestow.values.errors import CloudError, NotFound
from homestow.values.ids import RootId
from homestow.wire.netdrive import Dialect, Error, ListedFile, Request, Say, answer_to


async def _log_out(talk: Conversation, asked: Request) -> None:
    """Nothing is said, and whoever says this is about to leave, known or not."""
    try:
        await log_out(talk, asked)
    except CloudError as error:
        raise Ended from error


async def _set_bind(talk: Conversation, asked: Request) -> bytes:
    number = asked.integer("bindid")
    if await talk.use(asked, lambda who: talk.drive.tree.set_bind(who, number)):
        return answer_to(asked, Error.OK, Say.BOUND)
    return answer_to(asked, Error.FAILED, Say.BIND_FAILED)


async def _unbind(talk: Conversation, asked: Request) -> bytes:
    await talk.use(asked, talk.drive.tree.unbind)
    return answer_to(asked, Error.OK, Say.UNBOUND)


async def _bind(talk: Conversation, asked: Request) -> bytes:
    number = await talk.use(asked, talk.drive.tree.bind)
    error, said = (Error.OK, Say.BOUND) if number > 0 else (Error.FAILED, Say.NO_BIND)
    if asked.fields.get("roots") is not True:
        return answer_to(asked, error, said, bindid=number)
    # Our own sync client asks which numbers there are; others never do.
    found = await talk.use(asked, talk.drive.tree.numbered)
    roots = [{"bindid": bind, "name": name, "writable": writable} for bind, name, writable in found]
    return answer_to(asked, error, said, bindid=number, roots=roots)


async def _list(talk: Conversation, asked: Request) -> bytes:
    def work(who: Principal, root: RootId) -> bytes:
        rows = [
            ListedFile(file.name, file.path, file.md5, file.size, file.mtime_s).as_fields()
            for file in files_of(talk.drive.tree.listing(who, root))
        ]
        return answer_to(asked, Error.OK, "getdir success", dir_list=rows or None)

    return await talk.use_root(asked, work, Lane.LONG)


async def _announce(talk: Conversation, asked: Request) -> bytes:
    def work(who: Principal, root: RootId) -> Begun:
        announced = Announced(
            asked.text("path"), asked.text("filename"), asked.text("md5"), asked.integer("size"), asked.integer("mtime")
        )
        return talk.drive.uploads.begin(who, root, announced)

    begun = await talk.use_root(asked, work, lane_for(asked.integer("size")))
    error, said = (Error.OK, Say.INSTANT) if begun.instant else (Error.NEED_UPLOAD, Say.NEED_UPLOAD)
    return answer_to(asked, error, said, vfile_id=begun.vfile)


async def _take_chunk(talk: Conversation, asked: Request) -> bytes:
    def work(who: Principal, root: RootId) -> ChunkSink | None:
        return talk.drive.uploads.chunk(
            who, asked.integer("vfile_id"), asked.integer("offset"), asked.integer("chunksize")
        )

    sink = await talk.use_root(asked, work)
    if sink is None:
        return answer_to(asked, Error.OK, Say.CHUNK_KNOWN)
    await talk.receive(asked, sink, sink.finish, lane_for(asked.integer("chunksize")))
    return answer_to(asked, Error.OK, Say.UPLOADED)


async def _send(talk: Conversation, asked: Request) -> None:
    def work(who: Principal, root: RootId) -> Part:
        content = talk.drive.downloads.by_md5(who, root, asked.text("md5"))
        return Part(content, asked.integer("offset"), asked.integer("chunksize"))

    part = await talk.use_root(asked, work)
    await talk.send(Dialect.FINAL, answer_to(asked, Error.OK, Say.DOWNLOADED), part)


async def _drop_file(talk: Conversation, asked: Request) -> bytes:
    def work(who: Principal, root: RootId) -> Say | None:
        try:
            talk.drive.tree.drop_file(who, root, asked.text("path"), asked.text("filename"))
        except NoFolder:
            return Say.NO_PARENT
        except NotFound:
            return Say.FILE_GONE
        return None

    trouble = await talk.use_root(asked, work)
    if trouble is not None:
        return answer_to(asked, Error.FAILED, trouble)
    return answer_to(asked, Error.OK, Say.FILE_DELETED)


async def _make_dir(talk: Conversation, asked: Request) -> bytes:
    path = asked.text("prefix") + asked.text("dirname")
    made = await talk.use_root(asked, lambda who, root: talk.drive.tree.make_dir(who, root, path))
    return answer_to(asked, Error.OK, Say.DIR_MADE if made else Say.DIR_THERE)


async def _drop_dir(talk: Conversation, asked: Request) -> bytes:
    path = asked.text("prefix") + asked.text("dirname")
    dropped = await talk.use_root(asked, lambda who, root: talk.drive.tree.drop_dir(who, root, path))
    return answer_to(asked, Error.OK, Say.DIR_DELETED if dropped else Say.DIR_GONE)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "signup": sign_up,
        "login": log_in,
        "logout": _log_out,
        "setbind": _set_bind,
        "disbind": _unbind,
        "getbindid": _bind,
        "getdir": _list,
        "uploadFile": _announce,
        "uploadChunk": _take_chunk,
        "downloadFile": _send,
        "deleteFile": _drop_file,
        "createDir": _make_dir,
        "deleteDir": _drop_dir,
    }
)
