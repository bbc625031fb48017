"""One connection of a netdrive client: requests read one after the other, answered in their order, bodies never out of step."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from homestow.server.border import Border, Lane
from homestow.server.fronts.netdrive.errors import is_ours, number_of, text_of
from homestow.server.fronts.netdrive.replies import Gate, Replies
from homestow.server.fronts.tcp.files import SMALL_BYTES
from homestow.server.fronts.tcp.stream import Gone, Stream
from homestow.server.rules.access import Principal
from homestow.server.service.contents import OpenContent
from homestow.server.service.netdrive import Netdrive
from homestow.server.service.netdrive_facts import NotBound
from homestow.values.errors import BadRequest, Busy, CloudError, ContentMissing, WrongOffset, with_reason
from homestow.values.ids import AccountId, RootId
from homestow.wire.netdrive import (
    TAIL,
    Data,
    Dialect,
    End,
    Error,
    FrameError,
    Malformed,
    Request,
    Requests,
    Say,
    answer,
    answer_to,
    short_chunk,
)

LOGIN_S: Final = 60.0
"""Who is not logged in must say something sensible so often (S72)."""
LONG_BYTES: Final = 16 * 1024 * 1024
"""Whatever may read so much has workers apart."""
_STRANGERS_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read from somebody who is not logged in, so that the next request is found."""
_REFUSED_BYTES: Final = 1 << 32
"""The same for somebody who is; clients of the final dialect send all of a file, of up to 4 GiB, as its first block."""
_LOOK_EACH_S: Final = 60.0
"""So often it is looked whether the login of a long upload still stands, which also keeps it alive (S49)."""
_LOOK_AT_END_S: Final = 0.5
"""And at its end, when it took at least so long: nothing is published for a login that has ended."""
_TOO_MANY: Final = "this user has too many connections at once, close some"
_TOO_PLAIN: Final = "this server takes encrypted connections only, use TLS; what was sent has been readable on its way"

T = TypeVar("T")
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes a body; see `netdrive_facts.Sink`."""

    def write(self, data: memoryview) -> None:
        """The next piece."""

    def abort(self) -> None:
        """It broke off."""


class Ended(Exception):
    """Nothing more is read; the connection is closed when what was written is out."""


Handler = Callable[["Conversation", Request], Awaitable[bytes | None]]
"""Does what a request asks for; the answer, or None when it was sent, is still worked on, or there is none."""


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls. `side_by_side`: whether a request may be worked on together with those before it."""

    handlers: Mapping[Dialect, Mapping[str, Handler]]
    side_by_side: Callable[[Request], bool]


class Conversation:
    """A connection to its end.

    Attributes:
        drive: the use cases.
        gate: what all connections share.
        user: whose connection it is, once a good session was seen.
        seat: session and bind of the last small upload, and the root that they meant.
        by_id: whether the last small upload named its folder by id.
    """

    def __init__(self, drive: Netdrive, border: Border, stream: Stream, calls: Calls, gate: Gate) -> None:
        self.gate = gate
        self.drive = drive
        self.border = border
        self.stream = stream
        self.replies = Replies(stream.write)
        self.reader = Requests()
        self.user: AccountId | None = None
        self.by_id = False
        self.seat: tuple[tuple[str, int | None], RootId] | None = None
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + LOGIN_S

    async def run(self) -> None:
        """Answer until the peer leaves or is to be left."""
        try:
            while (event := await self._next()) is not None:
                match event:
                    case Request():
                        await self._take(event)
                    case Malformed():
                        await self._tell_malformed(event)
                    case Data() | End():
                        continue
            await self.replies.settle()
        except Ended:
            return
        except FrameError as broken:
            await self._tell_broken(broken)
        finally:
            await self.replies.close()

    # --- requests -------------------------------------------------------------------------------------------------

    async def _next(self) -> Request | Malformed | Data | End | None:
        while (event := self.reader.next()) is None:
            within = None if self.user is not None else max(0.0, self._due - self._loop.time())
            data = await self.stream.read(within, begun=self.reader.head_begun)
            if not data:
                return None
            self.reader.feed(data)
        return event

    async def _take(self, asked: Request) -> None:
        if self.stream.too_plain:
            await self.stream.write(answer_to(asked, Error.FAILED, _TOO_PLAIN))
            raise Ended
        self._due = self._loop.time() + LOGIN_S
        if not self._calls.side_by_side(asked):
            await self.replies.settle()
        told = await self._outcome(asked, self._calls.handlers[asked.dialect][asked.type](self, asked))
        if told is not None:
            # Said before what is left of a refused body is read: whoever listens may stop sending.
            await self.stream.write(told)
            if not await self._step_over():
                raise Ended

    async def _outcome(self, asked: Request, work: Awaitable[bytes | None]) -> bytes | None:
        try:
            return await work
        except CloudError as error:
            await self.replies.settle()
            return self.failure(asked, error)
        except Gone as gone:
            if asked.dialect is not Dialect.FINAL or asked.body is None or not self.stream.ended:
                raise
            # Whoever only stopped sending may still be told.
            await self.stream.write(answer_to(asked, Error.FAILED, short_chunk(gone.received, asked.body)))
            raise Ended from None

    def failure(self, asked: Request, error: CloudError) -> bytes:
        """The answer that says what went wrong."""
        if is_ours(error):
            log.warning("a netdrive request failed", extra={"type": asked.type, "reason": with_reason(error)})
        if isinstance(error, NotBound):
            return answer_to(asked, Error.NO_BIND, Say.NO_BIND)
        return answer_to(asked, number_of(error), text_of(error), **_UNDONE.get((asked.dialect, asked.type), {}))

    async def _tell_malformed(self, event: Malformed) -> None:
        """In phase 0 and the final dialect nobody expects a word; strangers get none."""
        if event.dialect is Dialect.DOCUMENTED and self.user is not None:
            await self.replies.settle()
            await self.stream.write(answer(event.dialect, "error", {"error": Error.FAILED, "msg": event.message}))

    async def _tell_broken(self, broken: FrameError) -> None:
        """Only what began as an object is told why this is the end."""
        log.debug("a netdrive connection is out of step", extra={"peer": self.stream.peer, "why": broken.reason.value})
        if broken.dialect in (Dialect.DOCUMENTED, Dialect.PHASE0) and not self.stream.ended:
            await self.replies.settle()
            fields = {"error": Error.FAILED, "msg": broken.message}
            await self.stream.write(answer(broken.dialect, broken.type or "error", fields))

    # --- who asks ---------------------------------------------------------------------------------------------------

    def seated(self, who: Principal) -> None:
        """The connection is this one's from now on: it may be silent.

        Raises:
            Busy: this one has too many.
        """
        if not self.stream.logged_in(who.account):
            raise Busy(_TOO_MANY, retry_after_s=60)
        self.user = who.account

    async def use(self, asked: Request, work: Callable[[Principal], T], lane: Lane | None = None) -> T:
        """Do something for whom the session stands for, in one crossing.

        Raises:
            LoginNeeded: nobody. Then whatever `work` raises.
        """
        session = asked.text("session")

        def do() -> tuple[Principal, T | CloudError]:
            who = self.drive.sessions.check(session)
            try:
                _check(asked)
                return who, work(who)
            except CloudError as error:
                return who, error

        who, done = await self.cross(do, lane)
        self.seated(who)
        if isinstance(done, CloudError):
            raise done
        return done

    async def use_root(self, asked: Request, work: Callable[[Principal, RootId], T], lane: Lane | None = None) -> T:
        """The same in the root that the request means.

        Raises:
            LoginNeeded, NotBound: in this order; then what is wrong with a value, then whatever `work` raises.
        """

        def do(who: Principal) -> T:
            root = self.root(who, asked)
            _check(asked)
            return work(who, root)

        return await self.use(Request(asked.type, asked.fields, asked.body, asked.dialect), do, lane)

    def root(self, who: Principal, asked: Request) -> RootId:
        """The root a request means: the one it names, else the bound one; in the documented list the own one. In a worker.

        Raises:
            NotBound: none.
        """
        named = asked.fields.get("bindid")
        number = named if isinstance(named, int) else None
        if number is None and asked.dialect is Dialect.FINAL:
            number = self.drive.tree.bind(who)
        return self.drive.tree.root(who, number)

    async def cross(self, work: Callable[[], T], lane: Lane | None = None) -> T:
        """Do something in a worker.

        Raises:
            Busy: too much waits already.
        """
        return await (self.border.run(work) if lane is None else self.border.apart(lane, work))

    # --- bodies in --------------------------------------------------------------------------------------------------

    async def receive(self, asked: Request, sink: Sink, finish: Callable[[], T], lane: Lane | None = None) -> T:
        """Hand the request's body to a sink and finish it; what came counts in every case.

        Raises:
            Gone, TooSlow: the sink was aborted; so with whatever it raises. What is left of the body then is still to be read.
        """
        try:
            here = self.reader.take_body()
            if here is not None:
                # It was here together with its head: one crossing.
                whole: memoryview = here

                def both() -> T:
                    sink.write(whole)
                    return finish()

                return await self.cross(both, lane)
            if "session" not in asked.fields:
                await self._pour(sink.write)
                return await self.cross(finish, lane)
            watched = _Watched(self, asked.text("session"), sink)
            await self._pour(watched.write)

            def end() -> T:
                watched.look(_LOOK_AT_END_S)
                return finish()

            return await self.cross(end, lane)
        except BaseException:
            # Whatever became of the connection: what came is made durable, or let go of.
            await asyncio.shield(self._loop.run_in_executor(self.border.executor, sink.abort))
            raise

    async def _pour(self, write: Callable[[memoryview], None]) -> None:
        """All of the body past our own memory."""
        reader = self.reader
        if reader.buffered:
            event = reader.next()
            if isinstance(event, Data):
                self.stream.unread(event.data)
                count = len(event.data) + reader.body_left
            else:
                count = 0  # an empty body; `End` was read
        else:
            count = reader.body_left
        if reader.body_left:
            reader.passed(reader.body_left)
        await self.stream.receive(count, write, self.border.executor)

    async def whole(self, count: int) -> bytes | bytearray | memoryview:
        """All of a body that is small enough for memory.

        Raises:
            Gone, TooSlow.
        """
        reader = self.reader
        found = reader.take_body()
        if found is not None:
            return bytes(found)
        before = b""
        if reader.buffered:
            event = reader.next()
            if isinstance(event, Data):
                before = bytes(event.data)
        rest = reader.body_left
        if not rest:
            return before
        reader.passed(rest)
        return before + await self.stream.exactly(rest)

    async def _step_over(self) -> bool:
        """Read what is left of a body that nobody wanted; False when that is too much, and only closing helps."""
        if self.stream.left:
            left = self.stream.left  # a sink stopped in the middle
        elif self.reader.in_body:
            while self.reader.body_left and self.reader.buffered:
                self.reader.next()
            left = self.reader.body_left
        else:
            return True
        if left > (_STRANGERS_BYTES if self.user is None else _REFUSED_BYTES):
            return False
        if self.reader.body_left:
            self.reader.passed(self.reader.body_left)
        if left:
            await self.stream.discard(left)
        return True

    # --- bodies out -------------------------------------------------------------------------------------------------

    async def send(self, dialect: Dialect, head: bytes, part: "Part", *, pause_s: float = 0.0) -> None:
        """An answer with bytes.

        Args:
            pause_s: between head and bytes, for clients that would take both for the head.
        Raises:
            Gone: the peer has left.
        """
        try:
            if pause_s:
                await self.stream.write(head)
                await asyncio.sleep(pause_s)
                head = b""
            if part.content is None:
                await self.stream.write(head + part.data + TAIL[dialect])
                return
            await self.stream.write(head)
            opened, executor = part.content.opened, self.border.executor
            if opened.fd is not None:
                await self.stream.send_file(opened.fd, part.start, part.count, executor)
            else:
                await self.stream.send_blocks(opened.read_at, part.start, part.count, executor)
            if TAIL[dialect]:
                await self.stream.write(TAIL[dialect])
        finally:
            if part.content is not None:
                part.content.close()


_UNDONE: Final[Mapping[tuple[Dialect, str], Mapping[str, Any]]] = {(Dialect.FINAL, "getbindid"): {"bindid": -1}}
"""What an answer that tells of failure has beside what it echoes."""


def lane_for(size: int) -> Lane | None:
    """Workers apart for what may read so many bytes."""
    return Lane.LONG if size >= LONG_BYTES else None


def _check(asked: Request) -> None:
    if asked.trouble is not None:
        raise BadRequest(asked.trouble)


class Part:
    """Bytes to be sent: in memory when they are few, else of an open content, which is closed with them."""

    def __init__(self, content: OpenContent, start: int, count: int) -> None:
        """In a worker; the content is this one's from now on, also when it cannot be.

        Raises:
            WrongOffset: the content is shorter.
            ContentMissing: it is shorter than it should be.
        """
        self.start, self.count = start, count
        self.data = b""
        self.content: OpenContent | None = content
        keep = False
        try:
            if start + count > content.size:
                raise WrongOffset("offset and size reach beyond the end of the file", expected=content.size)
            if count <= SMALL_BYTES:
                self.data = content.opened.read_at(start, count) if count else b""
                if len(self.data) < count:
                    raise ContentMissing("The content ended before its size.")
                self.content = None
            else:
                keep = True
        finally:
            if not keep:
                content.close()


class _Watched:
    """A sink of a body that may take long: the login is looked at now and then."""

    def __init__(self, talk: Conversation, session: str, sink: Sink) -> None:
        self._check = talk.drive.sessions.check
        self._session = session
        self._sink = sink
        self._looked = time.monotonic()

    def write(self, data: memoryview) -> None:
        self.look(_LOOK_EACH_S)
        self._sink.write(data)

    def look(self, each_s: float) -> None:
        """Unless that was done less than so many seconds ago. Raises `LoginNeeded` when the login has ended."""
        now = time.monotonic()
        if now - self._looked >= each_s:
            self._looked = now
            self._check(self._session)
