"""Watches: several on one stream, each a reader of the same rows, none with a queue of its own.

What was told is remembered when it surely arrived. The protocol has no acknowledgement, so that is: when the client ends the
watch, and when the connection has stayed alive for so long that the keep-alive of the transport must have noticed a peer that is
gone. A client that breaks off sooner is told again; the event_uuid is the same.

A client that begins an open watch again acknowledges: it says that it is done with everything that came before the `created`
answer before this one (what came since may have crossed its request on the way). From then on only that counts in this watch, so
that a client which dies in the middle of acting on an event is told of it again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from homestow.server.fronts.ditto.binding import DittoDesk
from homestow.server.fronts.ditto.messages import kinds_of
from homestow.server.fronts.ditto.sharing import News, Shared
from homestow.server.ports.ditto import EventKind
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import Caller
from homestow.values.errors import BadRequest, Busy, TooLarge, TooManyTries
from homestow.values.ids import RootId
from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import MAX_WATCHES

ARRIVED_S: Final = 40.0
"""After so long on a living connection what was written has arrived: pings every 20 s end one whose peer is gone in 10 s."""

CHECK_S: Final = 20.0
"""So often the login of an open stream is looked at (S49)."""

Say = Callable[[pb.WatchResponse], Awaitable[None]]
"""Hands an answer to the transport; waits while the client is slow."""

Tell = Callable[[str, News], Awaitable[None]]
"""The same for the events of a watch."""

_MOST_ASKED: Final = 4 * MAX_WATCHES
_SLOWER_S: Final = 0.1


class Wakes:
    """Wakes the streams that a change may concern; made and used on the loop, told from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, shared: Shared) -> None:
        self.shared = shared
        self._loop = loop
        self._streams: set[WatchStream] = set()

    def changed(self, roots: Collection[RootId], number: int) -> None:
        """A listener of the committer."""
        self.shared.changed()
        if self._streams:
            self._loop.call_soon_threadsafe(self._wake, frozenset(roots))

    def add(self, stream: "WatchStream") -> None:
        """One more stream."""
        self._streams.add(stream)

    def drop(self, stream: "WatchStream") -> None:
        """One that ended."""
        self._streams.discard(stream)

    def stop(self) -> None:
        """End all streams: the server stops."""
        for stream in self._streams:
            stream.end()

    def _wake(self, roots: frozenset[RootId]) -> None:
        for stream in self._streams:
            if RootId(0) in roots or not roots.isdisjoint(stream.roots):
                stream.wake.set()


@dataclass(slots=True)
class _Watch:
    """One watch.

    Attributes:
        position: up to which events were written.
        answered: `position` as `created` was last answered.
        acknowledges: the client says itself what it is done with.
        written: what has not surely arrived: (when, position).
    """

    name: str
    kinds: frozenset[EventKind]
    position: int
    answered: int
    acknowledges: bool = False
    written: deque[tuple[float, int]] = field(default_factory=deque)
    more: bool = True


class WatchStream:
    """One stream of one login. `ask` for each request, `run` to its end; on the loop."""

    def __init__(
        self,
        desk: DittoDesk,
        wakes: Wakes,
        caller: Caller,
        still: Callable[[], Caller],
        say: Say,
        tell: Tell,
        arrived_s: float = ARRIVED_S,
    ) -> None:
        """Make it.

        Args:
            still: gives the caller again, or raises when the login has ended; called in a worker.
            arrived_s: after so long on a living connection what was written has arrived.
        """
        self._arrived_s = arrived_s
        self.wake = asyncio.Event()
        self.roots: frozenset[RootId] = frozenset()
        self._desk = desk
        self._ditto: Ditto = desk.ditto
        self._wakes = wakes
        self._caller = caller
        self._still = still
        self._say = say
        self._told = tell
        self._shared = wakes.shared
        self._loop = asyncio.get_running_loop()
        self._watches: dict[str, _Watch] = {}
        self._asked: deque[pb.WatchRequest] = deque()
        self._room = asyncio.Event()
        self._closed = False
        self._ended = False

    async def ask(self, request: pb.WatchRequest) -> None:
        """A request that came; waits while many are there that were not answered yet."""
        while len(self._asked) >= _MOST_ASKED:
            self._room.clear()
            await self._room.wait()
        self._asked.append(request)
        self.wake.set()

    def close(self) -> None:
        """The client sends no more: what it was told it has."""
        self._closed = True
        self.wake.set()

    def end(self) -> None:
        """The stream is to end."""
        self._ended = True
        self.wake.set()

    async def run(self) -> None:
        """Tell events as long as there are watches or may be some.

        Raises:
            LoginNeeded: the login ended. BadRequest: a request makes no sense. Busy: the server stops.
        """
        self._wakes.add(self)
        self._desk.counts.watches += 1
        try:
            await self._run()
        finally:
            self._wakes.drop(self)
            self._desk.counts.watches -= 1

    async def _run(self) -> None:
        checked = self._loop.time()
        while not self._ended:
            self.wake.clear()
            if self._loop.time() - checked >= CHECK_S:
                checked = self._loop.time()
                self._caller = await self._shared.cross(self._still)
            while self._asked and not self._ended:
                await self._slowly()
                await self._answer(self._asked.popleft())
                self._room.set()
            if self._closed:
                for watch in self._watches.values():
                    if not watch.acknowledges:
                        await self._settle(watch, watch.position)
                if not self._watches:
                    return
            told = False
            for watch in list(self._watches.values()):
                told |= await self._tell(watch)
            if not told and not self._asked:
                await self._rest()
        raise Busy("The server stops; come back in a moment.", retry_after_s=1)

    async def _slowly(self) -> None:
        """Requests count as calls do; who sends too many is read more slowly."""
        while not self._ended:
            try:
                self._desk.rates.take(self._caller.who.account)
            except TooManyTries:
                await asyncio.sleep(_SLOWER_S)
            else:
                return

    async def _rest(self) -> None:
        """Wait for a change, a request, or that something has surely arrived."""
        due = [watch.written[0][0] for watch in self._watches.values() if watch.written]
        until = min([when + self._arrived_s - self._loop.time() for when in due], default=CHECK_S)
        try:
            async with asyncio.timeout(max(min(until, CHECK_S), 0.01)):
                await self.wake.wait()
        except TimeoutError:
            await self._arrived()
        else:
            for watch in self._watches.values():
                watch.more = True

    async def _arrived(self) -> None:
        before = self._loop.time() - self._arrived_s
        for watch in self._watches.values():
            position = None
            while watch.written and watch.written[0][0] <= before:
                position = watch.written.popleft()[1]
            if position is not None:
                await self._remember(watch, position)

    async def _answer(self, request: pb.WatchRequest) -> None:
        match request.WhichOneof("request_union"):
            case "create_request":
                await self._create(request.create_request)
            case "cancel_request":
                watch = self._watches.pop(request.cancel_request.watch_uuid, None)
                if watch is not None:
                    await self._settle(watch, watch.position)
                await self._say(pb.WatchResponse(watch_uuid=request.cancel_request.watch_uuid, cancelled=True))
            case _:
                raise BadRequest("A WatchRequest creates or cancels a watch.")

    async def _create(self, asked: pb.WatchCreateRequest) -> None:
        kinds = kinds_of(asked.watches)
        known = self._watches.get(asked.watch_uuid)
        if known is not None:
            known.kinds = kinds
            known.acknowledges = True
            known.written.clear()
            await self._remember(known, known.answered)
            known.answered = known.position
            await self._say(pb.WatchResponse(watch_uuid=known.name, created=True))
            return
        if len(self._watches) >= MAX_WATCHES:
            raise TooLarge(f"A stream has at most {MAX_WATCHES} watches.", limit=MAX_WATCHES)

        def begin() -> tuple[str, int, frozenset[RootId]]:
            name, position = self._ditto.events.begin(self._caller, asked.watch_uuid)
            return name, position, self._ditto.events.roots(self._caller.who)

        name, position, self.roots = await self._shared.cross(begin)
        self._watches[name] = _Watch(name, kinds, position, answered=position)
        await self._say(pb.WatchResponse(watch_uuid=name, created=True))

    async def _tell(self, watch: _Watch) -> bool:
        """The next events of a watch; whether there may be more at once."""
        if not watch.more:
            return False

        news = await self._shared.news(self._caller.who, watch.position, watch.kinds)
        batch, self.roots = news.batch, news.roots
        watch.more = batch.more
        if batch.events:
            await self._told(watch.name, news)
            self._desk.counts.events += len(batch.events)
        if batch.position > watch.position:
            watch.position = batch.position
            if watch.acknowledges:
                return batch.more
            if batch.events or not watch.written:
                watch.written.append((self._loop.time(), batch.position))
        return batch.more

    async def _settle(self, watch: _Watch, position: int) -> None:
        watch.written.clear()
        await self._remember(watch, position)

    async def _remember(self, watch: _Watch, position: int) -> None:
        await self._shared.save(self._caller, watch.name, position)
