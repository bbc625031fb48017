"""The sync service's end of the control protocol over ZeroMQ.

Two sockets at the service's place carry everything, for this user alone. Where `open_plain` was called, three ports of the
loopback carry the plain words that the windows of the first generations speak: publications on a port, orders on the next one, the
watch on the one after.
"""

import atexit
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq

from homestow.client.control import plain
from homestow.client.control.desk import Desk, PlainDesk
from homestow.client.control.guard import Guard
from homestow.client.control.loop import Loop, Socket
from homestow.client.control.places import Held, Place
from homestow.client.control.pool import Pool
from homestow.client.control.service import SyncService
from homestow.client.control.sockets import Gate, bind_file, bind_port, context, make
from homestow.client.control.telling import Inbox, Outlet, Told
from homestow.client.private_files import remove_own, write_whole
from homestow.values.errors import BadRequest, CloudError, StorageFailed
from homestow.wire import pydio
from homestow.wire.control import MAX_MESSAGE_BYTES, AnyNews, Ended, Hello
from homestow.wire.pydio import Ports

PING_S: Final = 10.0
"""Old windows give a service up of which they heard nothing for 25 s."""

_WAITING_ORDERS: Final = 1000
_WAITING_NEWS: Final = 500
_WAITING_LINES: Final = 5000
_LONGEST_TOPIC: Final = 1024


class Hub:
    """Serves one service at one place; everything public is thread-safe.

    Args:
        service: what obeys.
        held: where.
        ports: use ports of the loopback with keys instead of socket files; None: where the system has no such files.
        port_file: where the ports of the plain words are written while they are open; None: nowhere.
        clock: seconds that only grow; tests move it, and call `poke`.
    """

    def __init__(
        self,
        service: SyncService,
        held: Held,
        *,
        ports: bool | None = None,
        port_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._held = held
        self._clock = clock
        self._by_port = not held.has_sockets if ports is None else ports
        self._port_file = port_file
        self._told_ports = b""
        self._context = context()
        self._loop = Loop(self._turn)
        self._pool = Pool()
        self._lock = threading.Lock()
        self._inbox = Inbox()
        self._hush: Callable[[], None] = _nothing
        self._ended = False
        self._out: Outlet | None = None
        self._gate = Gate(self._context, self._judge)
        self._link: _PlainLink | None = None
        self._ends: list[Callable[[], None]] = []
        self._guards: list[Guard] = []

    def open(self) -> Place:
        """Begin to answer and to publish; gives where. A hub that cannot is closed."""
        try:
            place = self._bind()
            self._hush = self._service.listen(self._hear)
        except BaseException:
            self.close()
            raise
        self._loop.start()
        # A process that ends without having closed it would wait for ever for sockets that are still open.
        atexit.register(self.close)
        return place

    def open_plain(self, port: int) -> Ports:
        """Open the plain words: publications at `port`, orders at the next, the watch at the one after; 0: three that are free.

        The port file is written. Where they are open already, they move.

        Raises:
            BadSettings, StorageFailed: one of the ports cannot be had, or the port file not written; none is open then.
            BadRequest: there are no three ports from there.
        """
        if not 0 <= port <= 65_533:
            raise BadRequest(f"{port} is no port for the link: three in a row are needed, from 1 to 65,533; 0: any.")
        return self._loop.call(lambda: self._open_plain(port))

    def close_plain(self) -> None:
        """Close the ports of the plain words, and remove the port file; nothing when they are closed."""
        self._loop.call(self._close_plain)

    def close(self) -> None:
        """Say goodbye and end: sockets and their files are gone then. May be called twice, but not while obeying an order."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        atexit.unregister(self.close)
        self._hush()
        self._loop.end()
        try:
            self._say_goodbye()
        finally:
            self._pool.close()
            self._context.destroy(linger=None)
        for name in ("orders", "news"):
            with suppress(OSError):
                (self._held.folder / name).unlink()

    def poke(self) -> None:
        """Look at the clock anew."""
        self._loop.wake()

    def _hear(self, news: AnyNews) -> None:
        with self._lock:
            self._inbox.put(news)
        self._loop.wake()

    # --- in the loop's thread, or while it does not run -----------------------------------------------------------

    def _bind(self) -> Place:
        about = self._service.do(Hello())
        news = make(self._context, zmq.XPUB, longest=_LONGEST_TOPIC, waiting=_WAITING_NEWS)
        orders = make(self._context, zmq.ROUTER, longest=MAX_MESSAGE_BYTES, waiting=_WAITING_ORDERS)
        self._loop.watch(self._gate.socket, self._gate.answer)
        if self._by_port:
            at = [self._bind_guarded(socket) for socket in (news, orders)]
        else:
            at = [bind_file(socket, self._held.folder / name) for socket, name in ((news, "news"), (orders, "orders"))]
        self._out = Outlet(self._loop, news, Told(self._service.current))
        desk = Desk(self._loop, orders, self._service, self._pool, self._plainly)
        self._ends += [self._out.end, desk.end]
        return self._held.tell(
            Place(
                name=self._held.name,
                folder=self._held.folder,
                pid=about.pid,
                begun_ns=about.begun_ns,
                jobs_file=about.jobs_file,
                orders=at[1],
                news=at[0],
                version=about.version,
                keys=self._gate.keys if self._by_port else None,
            )
        )

    def _bind_guarded(self, socket: Socket) -> str:
        self._gate.keyed(socket)
        guard = Guard(self._loop, socket)
        self._guards.append(guard)
        self._ends.append(guard.end)
        guard.port = bind_port(socket, 0)
        return f"tcp://127.0.0.1:{guard.port}"

    def _judge(self) -> None:
        """Cut the connections that may not be."""
        for guard in (*self._guards, *(self._link.guards if self._link is not None else ())):
            guard.look()

    def _open_plain(self, port: int) -> Ports:
        self._close_plain()
        self._publish()
        link = _PlainLink(self._loop, self._context, self._gate, self._service)
        ports = link.open(port, self._plainly)
        self._link = link
        link.ping_at = self._clock() + PING_S
        if self._port_file is not None:
            self._told_ports = pydio.encode_port_file(ports).encode()
            try:
                write_whole(self._port_file, self._told_ports)
            except StorageFailed:
                self._close_plain()
                raise
        return ports

    def _close_plain(self) -> None:
        if self._link is None:
            return
        self._link.close()
        self._link = None
        if self._port_file is not None:
            remove_own(self._port_file, self._told_ports)

    def _plainly(self, frame: bytes) -> tuple[bytes, Callable[[], None]]:
        """Obey a plain order; what happened before it is published before it."""
        self._publish()
        answer, running = plain.obey(self._service, frame)
        if running is None or (link := self._link) is None:
            return answer, _nothing
        return answer, lambda: link.obeyed(running=running)

    def _turn(self) -> float | None:
        now = self._publish()
        moments = [self._out.next()] if self._out is not None else []
        if self._link is not None:
            self._link.ping(now)
            moments += [self._link.ping_at, self._link.out.next()]
        return min((moment - now for moment in moments if moment is not None), default=None)

    def _publish(self) -> float:
        """Publish what came, and what is due; gives the present moment."""
        with self._lock:
            news = list(self._inbox.take())
        now = self._clock()
        for out in self._outlets():
            for each in news:
                out.tell(each, now)
            out.due(now)
        return now

    def _outlets(self) -> list[Outlet]:
        link = [self._link.out] if self._link is not None else []
        return [self._out, *link] if self._out is not None else link

    def _say_goodbye(self) -> None:
        """The loop is over: publish the last words, and let go of the sockets."""
        if self._out is not None:
            with suppress(CloudError):
                self._publish()
            self._out.tell(Ended(), self._clock())
        self._close_plain()
        for end in reversed(self._ends):
            end()


class _PlainLink:
    """The three ports of the plain words."""

    def __init__(self, loop: Loop, made_in: "zmq.Context[Socket]", gate: Gate, service: SyncService) -> None:
        self._loop = loop
        self._gate = gate
        self._context = made_in
        self._service = service
        self._teller = plain.Plain()
        self._sockets: list[Socket] = []
        self._ends: list[Callable[[], None]] = []
        self.ping_at = 0.0
        self.out: Outlet
        self.guards: list[Guard] = []

    def open(self, port: int, obey: Callable[[bytes], tuple[bytes, Callable[[], None]]]) -> Ports:
        """Bind the publications first, then the orders, then the watch: who is answered hears already."""
        try:
            news, pub = self._bound(zmq.XPUB, port)
            self._teller.begin(self._service.current())
            self.out = Outlet(self._loop, news, self._teller)
            self._ends.append(self.out.end)
            orders, command = self._bound(zmq.ROUTER, port and port + 1)
            self._ends.append(PlainDesk(self._loop, orders, obey, command.refuses).end)
            watching, watch = self._bound(zmq.ROUTER, port and port + 2)
            self._ends.append(PlainDesk(self._loop, watching, self._watched, watch.refuses).end)
        except BaseException:
            self.close()
            raise
        return Ports(pub.port, command.port, watch.port)

    def close(self) -> None:
        """Close the ports."""
        for end in reversed(self._ends):
            end()
        self._ends.clear()
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()

    def obeyed(self, *, running: bool) -> None:
        """An order was answered: publish the status that follows it; the news of it tell it no second time."""
        self.out.send([pydio.encode(pydio.Status(running))])
        self._teller.obeyed(self._service.jobs(), running=running)

    def ping(self, now: float) -> None:
        """Publish a sign of life when its moment came."""
        if now >= self.ping_at:
            self.ping_at = now + PING_S
            self.out.send([pydio.encode(pydio.Ping())])

    def _bound(self, kind: int, port: int) -> tuple[Socket, Guard]:
        longest, waiting = (
            (_LONGEST_TOPIC, _WAITING_LINES) if kind == zmq.XPUB else (pydio.MAX_ORDER_BYTES, _WAITING_ORDERS)
        )
        socket = make(self._context, kind, longest=longest, waiting=waiting)
        self._sockets.append(socket)
        self._gate.plain(socket)
        guard = Guard(self._loop, socket)
        self.guards.append(guard)
        self._ends.append(guard.end)
        guard.port = bind_port(socket, port)
        return socket, guard

    def _watched(self, _: bytes) -> tuple[bytes, Callable[[], None]]:
        return pydio.state_reply(running=plain.runs(self._service.jobs())), _nothing


def _nothing() -> None:
    pass
