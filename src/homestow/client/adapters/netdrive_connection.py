"""One connection to a netdrive server: many calls written without waiting, their answers read in order.

Every wait has a deadline (P12): the other side must take or give a byte within `timeout_s`, and an answer must come faster
than 1 KiB a second after the time that any answer has.
"""

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homestow.client.adapters.dialing import Dialer
from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.throttle import Flow, Throttle
from homestow.values.errors import NotHomestow, Stale, Unreachable
from homestow.wire import netdrive
from homestow.wire.netdrive import TAIL, Answer, Data, Dialect, End

MAX_OPEN_CALLS: Final = 64
"""Calls written before an answer is waited for; their answers fit into what the system holds for a connection."""
MAX_OPEN_BYTES: Final = 1024 * 1024
"""Bytes of bodies written before an answer is waited for, unless a single call has more."""

_SEND: Final = 256 * 1024
_RECEIVE: Final = 256 * 1024
_SLOWEST: Final = 1024
_MORE: Final = getattr(socket, "MSG_MORE", 0)

Sink = Callable[[memoryview], object]
"""Takes the next bytes of an answer's body; they are valid during the call only."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request.

    Attributes:
        type, fields: see `netdrive.REQUESTS`.
        body: what follows the header, exactly as long as the header says; None: this type has none.
        sink: takes the body of the answer, where there is one.
        gives: most bytes of the answer's body.
        wait_s: seconds that the answer may take longer than usual.
        repeatable: asking twice has one effect.
        silent: the server closes the connection in place of an answer.
        about: whatever the caller wants to find again beside the answer.
    """

    type: str
    fields: Mapping[str, Any] = field(repr=False)
    body: bytes | FileSlice | None = None
    sink: Sink | None = None
    gives: int = 0
    wait_s: float = 0.0
    repeatable: bool = True
    silent: bool = False
    about: Any = field(default=None, repr=False)

    @property
    def body_bytes(self) -> int:
        """Length of the body."""
        if self.body is None:
            return 0
        return self.body.size if isinstance(self.body, FileSlice) else len(self.body)


class Connection:
    """A connection in one dialect; used by one thread at a time.

    Attributes:
        unanswered: calls that were begun and have no answer yet, in order.
        heard: answers read since it was made.
    """

    def __init__(
        self,
        dialer: Dialer,
        sock: socket.socket,
        dialect: Dialect,
        timeout_s: float,
        *,
        tls: bool,
        throttle: Throttle | None = None,
    ) -> None:
        self.dialect = dialect
        self._up: Flow | None = None if throttle is None else throttle.up
        self._down: Flow | None = None if throttle is None else throttle.down
        self._shut = False
        self.unanswered: deque[Call] = deque()
        self.heard = 0
        self.idle_since = 0.0
        self._dialer, self._sock, self._timeout_s, self._tls = dialer, sock, timeout_s, tls
        self._answers = netdrive.Answers(dialect)
        self._open_bytes = 0
        self._out = bytearray()
        self._cut: OSError | None = None
        self._buffer: memoryview | None = None
        self._patience = _Patience(timeout_s, 0.0)

    def run(self, more: Callable[[], Call | None], ahead: int = MAX_OPEN_CALLS) -> Iterator[tuple[Call, Answer]]:
        """Make calls, at most `ahead` of them on their way at once, and give the answers in order.

        Args:
            more: the next call, asked for when there is room for it; None: none now, and none at all once every call has
                its answer. So an answer may lead to further calls.
        Raises:
            Unreachable: it broke or came too slowly; whether the calls in `unanswered` had an effect is unknown.
            NotHomestow: something answered that is no netdrive.
            Stale: a file became shorter while it was sent.

        After an exception, and when it is not read to its end, the connection is good for nothing.
        """
        while True:
            wanting = False
            while self._cut is None and self._has_room(ahead):
                call = more()
                if call is None:
                    wanting = True
                    break
                self._write(call)
            self._flush()
            if not self.unanswered:
                if self._cut is not None:
                    raise self._ended()
                return
            # Down to half of what may be on its way, so that the server is never without work.
            least = len(self.unanswered) - 1 if wanting else len(self.unanswered) // 2
            while len(self.unanswered) > least:
                answer = self._answer(self.unanswered[0])
                self.heard += 1
                call = self.unanswered.popleft()
                self._open_bytes -= call.body_bytes
                yield call, answer

    def is_quiet(self) -> bool:
        """Whether it can be used again: a server that closed or spoke unasked makes it readable."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLHUP)
        unread = self._answers.buffered or self._answers.in_body
        return not self.unanswered and not unread and self._cut is None and not poll.poll(0)

    def interrupt(self) -> None:
        """End what another thread does with it; that gets `Unreachable`."""
        self._shut = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """Let go of it."""
        self.interrupt()
        self._sock.close()

    # --- writing -------------------------------------------------------------------------------------------------------

    def _has_room(self, ahead: int) -> bool:
        return len(self.unanswered) < ahead and (self._open_bytes < MAX_OPEN_BYTES or not self.unanswered)

    def _write(self, call: Call) -> None:
        self.unanswered.append(call)
        self._open_bytes += call.body_bytes
        self._out += netdrive.request(self.dialect, call.type, call.fields)
        if not call.silent:
            self._answers.expect(call.type, call.gives)
        body = call.body
        if body is None:
            return
        if isinstance(body, FileSlice):
            self._flush(more=True)
            self._guarded(lambda: self._send_file(body))
        elif len(body) > _SEND:
            self._flush(more=True)
            self._guarded(lambda: self._send_all(body))
        else:
            self._out += body
        self._out += TAIL[self.dialect]
        if len(self._out) >= _SEND:
            self._flush()

    def _flush(self, *, more: bool = False) -> None:
        if self._out:
            out, self._out = self._out, bytearray()
            self._guarded(lambda: self._send_all(out, 0 if self._tls or not more else _MORE))

    def _guarded(self, send: Callable[[], None]) -> None:
        """Send; a server that has closed may have said why, so what it answered is read before the connection is given up."""
        if self._cut is not None:
            return
        try:
            self._sock.settimeout(self._timeout_s)
            send()
        except TimeoutError as error:
            raise self._dialer.broken(error) from error
        except OSError as error:
            self._cut = error

    def _send_all(self, data: bytes | bytearray, flags: int = 0) -> None:
        """Send everything; each piece has its own deadline, so that a large body on a slow line is no failure."""
        with memoryview(data) as view:
            at = 0
            while at < len(view):
                sent = self._sock.send(view[at : at + self._at_once(_SEND)], flags)
                at += sent
                self._spend(sent)

    def _at_once(self, most: int) -> int:
        return most if self._up is None or not self._up.limited else min(most, self._up.piece)

    def _spend(self, size: int) -> None:
        if self._up is not None:
            self._up.spend(size, self._is_shut)

    def _is_shut(self) -> bool:
        return self._shut

    def _send_file(self, part: FileSlice) -> None:
        """Send a slice of a file, by the kernel alone where the connection is plain."""
        offset, stop = part.offset, part.offset + part.size
        while offset < stop:
            if self._tls:
                data = os.pread(part.fd, min(_SEND, stop - offset), offset)
                self._send_all(data)
                sent = len(data)
            else:
                sent = self._send_by_kernel(part.fd, offset, self._at_once(min(stop - offset, 2**30)))
                self._spend(sent)
            if sent == 0:
                raise Stale("A file became shorter while it was sent; run it again.")
            offset += sent

    def _send_by_kernel(self, fd: int, offset: int, size: int) -> int:
        while True:
            try:
                return os.sendfile(self._sock.fileno(), fd, offset, size)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                if not poll.poll(self._timeout_s * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None

    # --- reading -------------------------------------------------------------------------------------------------------

    def _answer(self, call: Call) -> Answer:
        """The answer to the oldest call, its body given to the sink of that call.

        Raises:
            Unreachable, NotHomestow: see `run`. And whatever the sink raises.
        """
        self._patience = _Patience(self._timeout_s, call.wait_s)
        try:
            if call.silent:
                return self._farewell(call)
            while True:
                event = self._answers.next()
                if event is None:
                    self._more()
                elif isinstance(event, Answer):
                    if event.body is not None:
                        self._take_body(call.sink or _drop)
                    return event
                else:
                    raise AssertionError("a body without its answer")
        except netdrive.FrameError as error:
            raise NotHomestow(f"{self._dialer.authority} answers what is no netdrive: {error.message}.") from error

    def _farewell(self, call: Call) -> Answer:
        """Wait until the server has closed; what it says before is why it refuses."""
        if self.dialect is Dialect.PHASE0:
            self._say_end()
        said = b""
        while data := self._receive(_RECEIVE):
            said += data
            if len(said) > netdrive.MAX_ANSWER:
                raise NotHomestow(f"{self._dialer.authority} answers what is no netdrive.")
        if said:
            self._answers.expect(call.type)
            self._answers.feed(said)
            answer = self._answers.next()
            if isinstance(answer, Answer):
                return answer
        if self._cut is not None:
            raise self._ended()
        return Answer(call.type, {"error": 0}, None, self.dialect)

    def _say_end(self) -> None:
        """Tell the server that nothing more comes, while its answers can still be read."""
        try:
            if self._tls:
                # There is no half-closed TLS.
                self._sock = self._sock.unwrap()  # type: ignore[attr-defined]  # with TLS it is an SSLSocket
            else:
                self._sock.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass  # it has closed: what is to be read tells

    def _take_body(self, sink: Sink) -> None:
        answers = self._answers
        while True:
            event = answers.next()
            match event:
                case Data():
                    sink(event.data)
                case End():
                    return
                case _ if answers.body_left:
                    view = self._into(answers.body_left)
                    answers.passed(len(view))
                    sink(view)
                case _:
                    self._more()

    def _more(self) -> None:
        data = self._receive(_RECEIVE)
        if not data:
            raise self._ended()
        self._answers.feed(data)

    def _receive(self, most: int) -> bytes:
        """Up to so many bytes; b"" when the server has closed."""
        try:
            self._sock.settimeout(self._patience.left())
            data = self._sock.recv(self._wanted(most))
        except ConnectionResetError:
            data = b""
        except OSError as error:
            raise self._dialer.broken(error) from error
        self._came(len(data))
        return data

    def _wanted(self, most: int) -> int:
        return most if self._down is None or not self._down.limited else min(most, self._down.piece)

    def _came(self, count: int) -> None:
        self._patience.received(count)
        if self._down is not None:
            self._patience.waited(self._down.spend(count, self._is_shut))

    def _into(self, most: int) -> memoryview:
        """At least one byte, at most so many; valid until the next call."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_RECEIVE))
        try:
            self._sock.settimeout(self._patience.left())
            count = self._sock.recv_into(self._buffer[: self._wanted(min(most, _RECEIVE))])
        except ConnectionResetError:
            count = 0
        except OSError as error:
            raise self._dialer.broken(error) from error
        if not count:
            raise self._ended()
        self._came(count)
        return self._buffer[:count]

    def _ended(self) -> Unreachable:
        if self._answers.buffered or self._answers.in_body:
            return Unreachable(f"{self._dialer.authority} broke off in the middle of an answer.")
        return HungUp(f"{self._dialer.authority} closed the connection without an answer.")


class HungUp(Unreachable):
    """The server closed the connection where an answer should have begun."""


class _Patience:
    """How long one answer may take."""

    def __init__(self, timeout_s: float, more_s: float) -> None:
        self._each = timeout_s + more_s
        self._until = time.monotonic() + self._each

    def left(self) -> float:
        """Seconds until the next byte must be there.

        Raises:
            TimeoutError: it is too late.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "too slow")
        return min(left, self._each)

    def received(self, count: int) -> None:
        """Bytes that came buy time."""
        self._until += count / _SLOWEST

    def waited(self, seconds: float) -> None:
        """So long we did not want any."""
        self._until += seconds


def _drop(_: memoryview) -> None:
    """Nobody wants these bytes."""
