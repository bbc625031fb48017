"""PiCloud's messages: read one, find out who asks, cross the border, answer.

A connection is a row of frames. Clients of 2015 send one message on each and read until a free text comes or the connection
ends; others send many. What a peer sends that asks for nothing is passed over.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from homestow.server.border import Border, Lane
from homestow.server.fronts.picloud.errors import (
    DROPPED,
    ENCRYPTED,
    GIVEN,
    REASONS,
    STORED,
    TOO_LONG,
    TOO_MANY,
    TOO_PLAIN,
    TOO_SLOW,
    text_of,
)
from homestow.server.fronts.tcp.files import ContentShort
from homestow.server.fronts.tcp.stream import Stream, TooSlow
from homestow.server.rules.access import Principal
from homestow.server.service.contents import OpenContent
from homestow.server.service.picloud import Picloud
from homestow.server.service.picloud_files import Receiving, path_of
from homestow.server.service.picloud_logins import Entry, Login
from homestow.values.errors import (
    BadName,
    Busy,
    CloudError,
    ContentMissing,
    LoginNeeded,
    NotFound,
    TooLarge,
    with_reason,
)
from homestow.wire import picloud as wire
from homestow.wire.picloud import Broken, Ending, File, Received, Wanted

HELD: Final = 64 * 1024
"""Payloads up to this are held in memory as they are; longer ones go to staging while they come."""
ANONYMOUS: Final = wire.MAX_HELD
"""Longer payloads are not taken from who is not logged in, unless there is an inbox (S71)."""
DRAINED: Final = 1024 * 1024
"""Up to so much of a refused payload is read to keep the connection."""
FIRST: Final = 256 * 1024
"""So much of a content is read with opening it; most files are no longer."""
STRANGER_IDLE_S: Final = 60.0
ANSWER_S: Final = 60.0
"""How long a question waits for its answer."""
MOST_IDLE: Final = 1000
"""After so many messages that ask for nothing the connection is closed."""
_TOLD_IDLE: Final = 3

log = logging.getLogger(__name__)


class PicloudFront:
    """Serves connections; `handle` is given to a `TcpServer`.

    Args:
        idle_s: how long a connection that logged in may be silent.
    """

    def __init__(self, picloud: Picloud, border: Border, idle_s: float = 900.0) -> None:
        self.picloud = picloud
        self.border = border
        self.idle_s = idle_s

    async def handle(self, stream: Stream) -> None:
        """One connection from its first byte to its last."""
        if stream.too_plain:
            log.info("refused: not encrypted", extra={"peer": stream.peer})
            await stream.write(wire.frame(wire.FAILED))
            await stream.write(wire.frame(TOO_PLAIN.encode()))
            return
        talk = _Talk(self, stream)
        try:
            await talk.run()
        finally:
            await talk.end()


@dataclass(frozen=True, slots=True)
class _Found:
    """A content to send: what stands before and behind it, and its first bytes; `content` when there are more."""

    ending: bytes
    size: int
    first: bytes
    content: OpenContent | None


class _Talk:
    """One connection. Its methods give False when it is to be closed."""

    def __init__(self, front: PicloudFront, stream: Stream) -> None:
        self._front = front
        self._border = front.border
        self._logins = front.picloud.logins
        self._files = front.picloud.files
        self._stream = stream
        self._login: Login | None = None
        self._strange = False
        self._idle = 0
        self._given = False

    async def run(self) -> None:
        """All messages of the connection."""
        while True:
            try:
                length = await self._head(STRANGER_IDLE_S if self._login is None else self._front.idle_s)
                if length is None or not await self._message(length):
                    return
            except TooSlow:
                return

    async def end(self) -> None:
        """The connection is over: so is what it held."""
        if self._login is not None:
            login, self._login = self._login, None
            await self._quietly(lambda: self._logins.let_go(login))

    async def _head(self, within: float) -> int | None:
        """The length of the next payload; None when no more comes. Raises `TooSlow`."""
        head = await self._stream.read(within)
        while 0 < len(head) < wire.HEAD_BYTES:
            more = await self._stream.read(within, begun=True)
            if not more:
                return None
            head += more
        if not head:
            return None
        if len(head) > wire.HEAD_BYTES:
            self._stream.unread(head[wire.HEAD_BYTES :])
        return int.from_bytes(head[: wire.HEAD_BYTES], "big")

    async def _message(self, length: int) -> bool:
        if length > HELD:
            return await self._long(length)
        if length == 0:
            return self._pass_over("nothing", 0)
        try:
            payload = wire.classify(bytes(await self._stream.exactly(length)))
        except TooSlow:
            await self._fail(TOO_SLOW)
            return False
        match payload:
            case File():
                return await self._file(payload)
            case Wanted():
                return await self._answer(payload)
            case Broken(reason):
                await self._fail(REASONS[reason])
                return True
            case Received() if self._given:
                self._given = False
                await self._say(GIVEN.encode())
                return True
            case _:
                return self._pass_over(type(payload).__name__.lower(), length)

    def _pass_over(self, kind: str, size: int) -> bool:
        """A message that asks for nothing. What it says is not told: it may be a password in the wrong place (S97)."""
        self._idle += 1
        if self._idle <= _TOLD_IDLE:
            log.info("passed over", extra={"peer": self._stream.peer, "kind": kind, "bytes": size})
        return self._idle < MOST_IDLE

    # --- files that come ----------------------------------------------------------------------------------------------

    async def _file(self, file: File) -> bool:
        if file.is_key:
            log.info("refused: the encrypted variant", extra={"peer": self._stream.peer})
            await self._say(ENCRYPTED.encode())
            return False
        if file.is_account:
            await self._say(wire.RECEIVED)
            return await self._account(file)
        if file.ext == wire.CERT_EXT:
            await self._received(DROPPED)
            return True
        return await self._told(lambda: self._store(file))

    def _store(self, file: File) -> str:
        """In a worker."""
        names = path_of(file.name, file.ext)
        who = self._who()
        receiving = self._files.begin(self._files.place(who), len(file.content))
        try:
            receiving.write(file.content)
            receiving.finish(names, who or receiving.place.who)
        finally:
            receiving.abort()
        return STORED

    async def _told(self, work: Callable[[], str]) -> bool:
        """Do something in a worker, and tell how it went."""
        try:
            text = await self._border.run(work)
        except CloudError as error:
            await self._refuse(error)
        else:
            await self._received(text)
        return True

    async def _long(self, length: int) -> bool:
        """A payload that is not held: its content goes to staging while it comes, its name stands at its end."""
        receiving: Receiving | None = None
        login: Login | None = None
        try:
            login, receiving = await self._border.run(self._begin, length)
        except LoginNeeded as error:
            if length > ANONYMOUS:
                return await self._refuse_long(error, length)
        except CloudError as error:
            return await self._refuse_long(error, length)
        tail = wire.Tail(length)

        def take(piece: memoryview) -> None:
            for content in tail.feed(piece):
                if receiving is not None:
                    receiving.write(content)
            if login is not None:
                self._logins.touch(login)

        try:
            try:
                await self._stream.receive(length, take, self._border.executor)
            except CloudError as error:
                return await self._refuse_long(error, self._stream.left)
            except TooSlow:
                await self._fail(TOO_SLOW)
                return False
            return await self._ended(tail.finish(), receiving)
        finally:
            if receiving is not None:
                await self._quietly(receiving.abort)

    def _begin(self, length: int) -> tuple[Login | None, Receiving]:
        """In a worker: room for a long payload. Raises `LoginNeeded`, and whatever is in the way."""
        login = self._now()
        place = self._files.place(None if login is None else login.principal)
        # What its name takes of it is not known yet; what really does not fit is refused at the end.
        return login, self._files.begin(place, max(length - wire.MAX_TAIL, 0))

    async def _ended(self, ending: Ending | Broken, receiving: Receiving | None) -> bool:
        """A long payload is complete."""
        if isinstance(ending, Broken):
            await self._fail(REASONS[ending.reason])
            return True
        if ending.ext == wire.ACCOUNT_EXT:
            # No password is so long, whoever it belongs to.
            await self._say(wire.RECEIVED)
            await self._say(wire.NOT_LOGGED_IN)
            return True
        if ending.ext == wire.CERT_EXT:
            await self._received(DROPPED)
            return True

        def finish() -> str:
            names = path_of(ending.name, ending.ext)
            if receiving is None:
                raise LoginNeeded("Log in first.")
            place = receiving.place
            who = place.who if place.shared else self._who()
            if who is None or who.account != place.who.account:
                raise LoginNeeded("This login has ended; log in again.")
            receiving.write(ending.rest)
            receiving.finish(names, who)
            return STORED

        return await self._told(finish)

    # --- accounts -----------------------------------------------------------------------------------------------------

    async def _account(self, file: File) -> bool:
        """Register or log in; `FileReceived` was said."""
        password = file.content.decode("utf-8", "surrogateescape")
        peer = self._stream.peer
        try:
            entry, login = await self._border.apart(Lane.LOGIN, lambda: self._logins.enter(file.name, password, peer))
        except Busy:
            entry, login = Entry.REFUSED, None
        except CloudError as error:
            log.warning("a login failed: %s", with_reason(error), extra={"peer": peer})
            entry, login = Entry.REFUSED, None
        # Whoever did not get in is not taken for somebody else who did at this address.
        self._strange = login is None
        if login is not None:
            await self.end()
            self._login = login
            if not self._stream.logged_in(login.principal.account):
                await self._say(TOO_MANY.encode())
                return False
        match entry:
            case Entry.REGISTERED:
                await self._say(wire.REGISTERED)
            case Entry.NOT_REGISTERED:
                await self._say(wire.NOT_REGISTERED)
            case Entry.LOGGED_IN:
                await self._say(wire.LOGGED_IN)
            case Entry.REFUSED:
                await self._say(wire.NOT_LOGGED_IN)
            case Entry.WRONG:
                return await self._question()
        return True

    async def _question(self) -> bool:
        """Wrong name or password: the question of the first servers. Whatever is answered, the login failed: registering
        under a name that somebody has cannot work, and nobody is told whether somebody has it (S45)."""
        await self._say(wire.LOGIN_QUESTION)
        length = await self._head(ANSWER_S)
        if length is None:
            return False
        if length > DRAINED:
            await self._say(wire.NOT_LOGGED_IN)
            return False
        await self._stream.discard(length)
        await self._say(wire.NOT_LOGGED_IN)
        return True

    # --- files that go ------------------------------------------------------------------------------------------------

    async def _answer(self, wanted: Wanted) -> bool:
        try:
            found = await self._border.run(self._open, wanted)
        except (NotFound, BadName, LoginNeeded):
            await self._say(wire.FAILED)
            return True
        except CloudError as error:
            await self._refuse(error)
            return True
        self._given = True
        length = found.size + len(found.ending)
        head = wire.frame_head(length) + found.first
        if found.content is None:
            await self._stream.write(head + found.ending)
            return True
        content, start = found.content, len(found.first)
        try:
            await self._stream.write(head)
            if content.opened.fd is not None:
                await self._stream.send_file(content.opened.fd, start, found.size - start, self._border.executor)
            else:
                await self._stream.send_blocks(content.opened.read_at, start, found.size - start, self._border.executor)
        except ContentShort:
            log.warning("a content ended while it was sent", extra={"node": content.node})
            return False
        finally:
            await self._quietly(content.close)
        await self._stream.write(found.ending)
        return True

    def _open(self, wanted: Wanted) -> _Found:
        """In a worker: what was asked for."""
        names = path_of(wanted.name, wanted.ext)
        try:
            ending = wire.file_ending(wanted.name, wanted.ext)
        except ValueError as error:
            raise BadName("This name cannot be sent.") from error
        content = self._files.open(self._who(), names)
        kept = False
        try:
            if content.size + len(ending) > wire.MAX_PAYLOAD:
                raise TooLarge(TOO_LONG, limit=wire.MAX_PAYLOAD)
            first = content.opened.read_at(0, min(FIRST, content.size))
            if len(first) < min(FIRST, content.size):
                raise ContentMissing("The content ended while it was read.")
            kept = content.size > len(first)
            return _Found(ending, content.size, first, content if kept else None)
        finally:
            if not kept:
                content.close()

    # --- who and how --------------------------------------------------------------------------------------------------

    def _now(self) -> Login | None:
        """In a worker: who logged in on this connection, as long as that is good; else who the address counts as."""
        if self._login is not None:
            return self._login if self._logins.check(self._login) is not None else None
        return None if self._strange else self._logins.of(self._stream.peer)

    def _who(self) -> Principal | None:
        login = self._now()
        return None if login is None else login.principal

    async def _quietly(self, work: Callable[[], object]) -> None:
        """Let go of something in a worker, however busy it is, and to the end when this task is cancelled."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._border.executor, work)
        except CloudError as error:
            log.warning("letting go failed: %s", with_reason(error), extra={"peer": self._stream.peer})

    async def _say(self, payload: bytes) -> None:
        """One frame in one write."""
        await self._stream.write(wire.frame(payload))

    async def _received(self, text: str) -> None:
        await self._say(wire.RECEIVED)
        await self._say(text.encode())

    async def _fail(self, text: str) -> None:
        await self._say(wire.FAILED)
        await self._say(text.encode())

    async def _refuse(self, error: CloudError) -> None:
        log.info("refused: %s", with_reason(error), extra={"peer": self._stream.peer, "code": error.code})
        await self._fail(text_of(error.code))

    async def _refuse_long(self, error: CloudError, left: int) -> bool:
        """Refuse a payload of which `left` bytes were not read; they are read when they are few."""
        await self._refuse(error)
        if left > DRAINED:
            return False
        await self._stream.discard(left)
        return True
