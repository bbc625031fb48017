"""Calls around uploads: announce a file, ask what is missing, send its parts."""

import asyncio
import time
from typing import Final

from aiohttp import web

from homestow.server.border import Lane
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.receiving import receive
from homestow.server.fronts.isync.binding import Desk, Handler, session_token
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.server.service.parts import Part, Sending
from homestow.values.ids import NodeId
from homestow.wire import isync
from homestow.wire.isync import Code, FileInfo, Refused
from homestow.wire.isync_calls import UPLOAD_FILE, UPLOAD_FILE_INFO, UPLOADING_INFO, NewFile, Nothing
from homestow.wire.isync_params import take
from homestow.wire.multipart import End, Head, MultipartBroken, MultipartReader, Piece, boundary_of

_MOST_BYTES: Final = 1 << 50
_LONG_BYTES: Final = 16 * 1024 * 1024
_LOOK_EACH_S: Final = 60.0
"""So often it is looked whether the login of a long upload still stands (S49), which also keeps it alive."""

_CODES: Final = {
    "not-found": Code.BAD_PARAMETER,
    "wrong-kind": Code.BAD_PARAMETER,
    "content-missing": Code.BAD_PARAMETER,
    "quota-exceeded": Code.BAD_PARAMETER,
    "storage-full": Code.BAD_PARAMETER,
}
_STATUSES: Final = {Code.BAD_PARAMETER: 200}
_TOLD: Final = ("quota-exceeded", "storage-full", "wrong-offset", "too-large")
_PARTS: Final = {part.value: part for part in Part}


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""

    async def send(request: Request) -> web.StreamResponse:
        number = desk.isync.parts.arrived()
        given = await desk.parameters(UPLOAD_FILE, request)
        token = session_token(request)

        def begin() -> Sending:
            who = desk.who(token)
            asked = take(UPLOAD_FILE.takes, given)
            begins = {
                Part.ORIGIN: asked.origin_begin,
                Part.THUMB: asked.thumb_begin,
                Part.SCREEN: asked.screen_begin,
            }
            return desk.isync.parts.send(who, NodeId(asked.id), begins, asked.check, number)

        sending = await desk.border.run(begin)
        body = _Body(desk, token, sending)
        try:
            boundary = _boundary(request)
            if boundary is not None:
                body.reader = MultipartReader(boundary)
                await receive(request, body.take, cap=_MOST_BYTES, executor=desk.border.executor)
            # All of a large content may have to be read for its digests.
            long = (request.content_length or _LONG_BYTES) >= _LONG_BYTES or "cm" in given
            finish = desk.border.apart(Lane.LONG, body.finish) if long else desk.border.run(body.finish)
            return desk.success(await finish)
        finally:
            # What came before a break is kept, and made durable, whatever became of the request.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(desk.border.executor, sending.abort))

    return {
        "uploadFileInfo": desk.plain(UPLOAD_FILE_INFO, _announce, _CODES, _STATUSES, _TOLD),
        "uploadingInfo": desk.plain(UPLOADING_INFO, _waiting),
        "uploadFile": desk.guarded(send, _CODES, _STATUSES, _TOLD),
    }


def _announce(isync_: Isync, who: Principal, new: NewFile) -> FileInfo:
    return isync_.parts.begin(who, new)


def _waiting(isync_: Isync, who: Principal, nothing: Nothing) -> list[FileInfo]:
    return isync_.parts.waiting(who)


def _boundary(request: Request) -> str | None:
    try:
        return boundary_of(request.headers.get("Content-Type", ""))
    except MultipartBroken:
        raise Refused(Code.BAD_PARAMETER) from None


class _Body:
    """A body on its way to the parts it holds; used by one worker at a time."""

    def __init__(self, desk: Desk, token: str | None, sending: Sending) -> None:
        self.reader: MultipartReader | None = None
        self._desk = desk
        self._token = token
        self._sending = sending
        self._part: Part | None = None
        self._empty = True
        self._looked = time.monotonic()

    def take(self, data: memoryview) -> None:
        """The next bytes.

        Raises:
            Refused: the body is malformed, or has a part that nobody knows.
            LoginNeeded: the login ended meanwhile.
            CloudError: a part cannot be taken.
        """
        assert self.reader is not None
        now = time.monotonic()
        if now - self._looked >= _LOOK_EACH_S:
            self._looked = now
            self._desk.who(self._token)
        self._empty = False
        try:
            for event in self.reader.feed(data):
                match event:
                    case Head(filename=None):
                        self._part = None  # a field of a form; nothing here takes one
                    case Head(filename=filename):
                        self._part = _PARTS.get(filename or "")
                        if self._part is None:
                            raise Refused(Code.BAD_PARAMETER)
                        self._sending.begin(self._part)
                    case Piece(data=piece):
                        if self._part is not None:
                            self._sending.write(piece)
                    case End():
                        if self._part is not None:
                            self._sending.end()
        except MultipartBroken:
            raise Refused(Code.BAD_PARAMETER) from None

    def finish(self) -> bytes:
        """The body is over; the answer."""
        try:
            if self.reader is not None and not self._empty:
                self.reader.close()
            self._desk.who(self._token)
            return isync.success(self._sending.finish())
        except MultipartBroken:
            raise Refused(Code.BAD_PARAMETER) from None
