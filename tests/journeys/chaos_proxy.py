"""A TCP proxy that fails as networks do: cuts after so many bytes, loses replies, swallows everything, crawls, closes one half.

It forwards bytes and understands nothing but where a request begins, so it stands before any server. All faults are asked
for by the test, byte-exact, so a seed gives the same cuts again.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

_PIECE = 64 * 1024


class Cut(Enum):
    """How a connection ends."""

    FIN = "both halves are closed"
    RST = "it is reset"
    HALF = "the client hears the end, while what it sends still arrives"


class Hole(Enum):
    """From where on nothing comes any more, on a connection that stays open."""

    ACCEPTED = "nothing is read"
    ASKED = "the request arrives, no answer comes"
    ANSWERED = "the first bytes of the answer come, and then none"


@dataclass(slots=True)
class Weather:
    """What the network does from now on.

    Attributes:
        cut_up, cut_down: after so many more bytes to the server, or from it, all connections end by `how`; then it is over.
        lose: told the head of each request: True and its reply is lost, once.
        hole: see `Hole`.
        piece: most bytes passed on at once, with a breath after each; 0: as they come.
    """

    cut_up: int | None = None
    cut_down: int | None = None
    how: Cut = Cut.FIN
    lose: Callable[[bytes], bool] | None = None
    hole: Hole | None = None
    piece: int = 0


@dataclass(slots=True)
class Counts:
    """What passed: bytes to the server and from it, cuts made, replies lost."""

    up: int = 0
    down: int = 0
    cuts: int = 0
    lost: int = 0


@dataclass(slots=True, eq=False)
class _Line:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    answering: bool = True
    """Whether the server spoke last, so that what the client sends next begins a request."""
    losing: bool = False
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


class ChaosProxy:
    """A proxy before one server, on a thread of its own. `weather` may be changed at any time."""

    def __init__(self, server_url: str) -> None:
        host, _, port = server_url.removeprefix("http://").partition(":")
        self._upstream = (host, int(port))
        self.weather = Weather()
        self.counts = Counts()
        self.url = ""
        self._lines: set[_Line] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(ready),), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def close(self) -> None:
        """End it and all connections."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _run(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self._stop.wait()
        server.close()
        for line in list(self._lines):
            self._end(line, Cut.FIN)
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if rest:
            await asyncio.wait(rest, timeout=5)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.hole is Hole.ACCEPTED:
            await self._silence(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.close()
            return
        line = _Line(writer, to_server)
        self._lines.add(line)
        line.tasks = [
            asyncio.create_task(self._pump_up(line, reader)),
            asyncio.create_task(self._pump_down(line, from_server)),
        ]
        await asyncio.gather(*line.tasks, return_exceptions=True)
        self._end(line, Cut.FIN)

    async def _silence(self, writer: asyncio.StreamWriter) -> None:
        await self._stop.wait()
        writer.close()

    async def _pump_up(self, line: _Line, reader: asyncio.StreamReader) -> None:
        while data := await self._read(reader):
            if line.answering:
                line.answering = False
                lose = self.weather.lose
                if lose is not None and lose(data):
                    self.weather.lose = None
                    line.losing = True
            data, cut = self._until_cut(data, "cut_up")
            self.counts.up += len(data)
            line.server.write(data)
            if cut:
                self._cut_all()
                return
            if not await self._drained(line.server):
                break
        if line.server.can_write_eof() and not line.server.is_closing():
            line.server.write_eof()

    async def _pump_down(self, line: _Line, reader: asyncio.StreamReader) -> None:
        while data := await self._read(reader):
            line.answering = True
            if line.losing:
                self.counts.lost += 1
                break
            hole = self.weather.hole
            if hole is Hole.ANSWERED:
                line.client.write(data[: len(data) // 2])
            if hole is not None:
                await self._stop.wait()
                break
            data, cut = self._until_cut(data, "cut_down")
            self.counts.down += len(data)
            line.client.write(data)
            if cut:
                self._cut_all()
                return
            if not await self._drained(line.client):
                break
        self._end(line, Cut.FIN)

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next bytes; b"" at an end of any kind."""
        try:
            return await reader.read(self.weather.piece or _PIECE)
        except OSError:
            return b""

    async def _drained(self, writer: asyncio.StreamWriter) -> bool:
        """Let the other side take what was written; False when it is gone."""
        try:
            await writer.drain()
        except OSError:
            return False
        if self.weather.piece:
            await asyncio.sleep(0.0005)
        return True

    def _until_cut(self, data: bytes, which: str) -> tuple[bytes, bool]:
        left: int | None = getattr(self.weather, which)
        if left is None:
            return data, False
        if len(data) < left:
            setattr(self.weather, which, left - len(data))
            return data, False
        setattr(self.weather, which, None)
        return data[:left], True

    def _cut_all(self) -> None:
        self.counts.cuts += 1
        for line in list(self._lines):
            self._end(line, self.weather.how)

    def _end(self, line: _Line, how: Cut) -> None:
        if how is Cut.HALF:
            if line.client.can_write_eof() and not line.client.is_closing():
                line.client.write_eof()
            return
        self._lines.discard(line)
        for writer in (line.client, line.server):
            if how is Cut.RST:
                sock: socket.socket | None = writer.get_extra_info("socket")
                if sock is not None and not writer.is_closing():
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        current = asyncio.current_task()
        for task in line.tasks:
            if task is not current:
                task.cancel()
