"""What many streams ask for at the same moment is read once, and written once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from homestow.server.border import Border
from homestow.server.fronts.ditto.messages import event_message
from homestow.server.ports.ditto import EventKind
from homestow.server.rules.access import Principal
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import Caller
from homestow.server.service.ditto_events import Batch, Told
from homestow.values.errors import Busy
from homestow.values.ids import AccountId, RootId
from homestow.wire.ditto import ditto_pb2 as pb

T = TypeVar("T")

_Key: TypeAlias = tuple[int, AccountId, int, frozenset[EventKind]]

_AT_ONCE: Final = 6
"""Crossings of all streams together: events never take the workers of calls away."""

_KEPT_S: Final = 0.25
_TRIES: Final = 100
_AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class News:
    """A batch with its events as the transport sends them, and the roots whose changes concern this user.

    Attributes:
        answer: a WatchResponse without its watch_uuid. packed: its bytes, to which others may be appended.
    """

    batch: Batch
    roots: frozenset[RootId]
    answer: pb.WatchResponse = field(repr=False)
    packed: bytes = field(repr=False)


class Shared:
    """Reads and writes of all streams. Made and used on one loop."""

    def __init__(self, ditto: Ditto, border: Border) -> None:
        self._ditto = ditto
        self._border = border
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._turn = 0
        self._reads: dict[_Key, asyncio.Task[News]] = {}
        self._moved: dict[tuple[AccountId, str, str], Told] = {}
        self._saving: asyncio.Task[None] | None = None

    async def cross(self, work: Callable[[], T]) -> T:
        """Do something in a worker, when it is this one's turn; a server that is busy is waited for.

        Raises:
            Busy: it stays so for 10 s.
        """
        async with self._gate:
            for _ in range(_TRIES):
                try:
                    return await self._border.run(work)
                except Busy:
                    await asyncio.sleep(_AGAIN_S)
            return await self._border.run(work)

    async def news(self, who: Principal, after: int, kinds: frozenset[EventKind]) -> News:
        """Events after a position."""
        key = self._turn, who.account, after, kinds
        reading = self._reads.get(key)
        if reading is None:
            reading = self._reads[key] = asyncio.create_task(self.cross(lambda: self._read(who, after, kinds)))
            reading.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(reading)

    def changed(self) -> None:
        """Something happened: whoever asks from now on gets a new answer. On the committer's thread."""
        self._turn += 1

    async def save(self, caller: Caller, watch: str, position: int) -> None:
        """Remember how far a watch was told; durable as events are when it returns."""
        key = caller.who.account, caller.client, watch
        known = self._moved.get(key)
        if known is None or known.position < position:
            self._moved[key] = Told(*key, position)
        if self._saving is None:
            self._saving = asyncio.create_task(self._save())
        await asyncio.shield(self._saving)

    async def _save(self) -> None:
        def save() -> None:
            self._ditto.events.told(found)

        async with self._gate:
            found, self._moved, self._saving = list(self._moved.values()), {}, None
        await self.cross(save)

    def _read(self, who: Principal, after: int, kinds: frozenset[EventKind]) -> News:
        batch = self._ditto.events.read(who, after, kinds)
        answer = pb.WatchResponse(events=map(event_message, batch.events))
        return News(batch, self._ditto.events.roots(who), answer, answer.SerializeToString())

    def _done(self, key: _Key, task: "asyncio.Task[News]") -> None:
        def forget() -> None:
            if self._reads.get(key) is task:
                del self._reads[key]

        if task.cancelled() or task.exception() is not None:
            forget()
        else:
            asyncio.get_running_loop().call_later(_KEPT_S, forget)
