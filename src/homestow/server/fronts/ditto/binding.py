"""What all Ditto calls have in common: who asks, how often, the crossing, and errors as statuses."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar
from urllib.parse import unquote

import grpc.aio
from google.protobuf.message import DecodeError, Message

from homestow.server.border import Border
from homestow.server.fronts.ditto.errors import details_of, status_of
from homestow.server.fronts.ditto.limits import Rates, Rooms, Strangers
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import Caller
from homestow.values.errors import BadRequest, Busy, CloudError, Forbidden, LoginNeeded, TooLarge, with_reason
from homestow.wire.ditto.calls import AUTHORIZATION, BEARER, Call

AskT = TypeVar("AskT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)
T = TypeVar("T")

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext
"""A call as gRPC tells of it."""

RECEIVE_S: Final = 120.0
"""A message has arrived so long after it may come; from somebody without a login after `STRANGER_S`."""

STRANGER_S: Final = 20.0
STRANGER_BYTES: Final = 64 * 1024
FAILED: Final = "The server failed at this call; its log says more."

log = logging.getLogger(__name__)


class Counts:
    """What was answered since the start: calls by method and status, bytes of blocks, open watches."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.block_bytes = 0
        self.watches = 0
        self.events = 0

    def answered(self, method: str, status: str) -> None:
        """One call more."""
        self.calls[method, status] = self.calls.get((method, status), 0) + 1

    def text(self) -> str:
        """All of them as Prometheus reads it."""
        lines = ["# TYPE homestow_ditto_calls_total counter"]
        lines += [
            f'homestow_ditto_calls_total{{method="{method}",status="{status}"}} {count}'
            for (method, status), count in sorted(self.calls.items())
        ]
        for name, kind, value in (
            ("block_bytes_total", "counter", self.block_bytes),
            ("events_total", "counter", self.events),
            ("watches", "gauge", self.watches),
        ):
            lines += [f"# TYPE homestow_ditto_{name} {kind}", f"homestow_ditto_{name} {value}"]
        return "\n".join(lines) + "\n"


class DittoDesk:
    """Where handlers work: the use cases, the border, how often each may ask, and what is counted."""

    def __init__(
        self, ditto: Ditto, border: Border, rates: Rates, *, secure: bool = False, plain: bool = False
    ) -> None:
        """Make it.

        Args:
            secure: connections are encrypted.
            plain: unencrypted ones from elsewhere than this machine are taken too (S75).
        """
        self.ditto = ditto
        self.border = border
        self.rates = rates
        self.counts = Counts()
        self._rooms = Rooms()
        self._strangers = Strangers()
        self._everywhere = secure or plain

    def admit(self, context: Context) -> None:
        """Refuse passwords and tokens that crossed the network readable. Raises `Forbidden`."""
        if not self._everywhere and not is_local(context.peer()):
            raise Forbidden("Unencrypted from another machine: connect with TLS, or ask the owner for --allow-plain.")

    def caller(self, context: Context) -> Caller:
        """Who asks; in a worker, since a login is looked up.

        Raises:
            LoginNeeded: nobody that we know. TooManyTries: too often.
        """
        caller = self.ditto.auth.check(token_of(context))
        self.rates.take(caller.who.account)
        return caller

    def unary(
        self,
        call: Call[AskT, AnswerT],
        use: Callable[[Ditto, Caller, AskT], AnswerT],
    ) -> "grpc.RpcMethodHandler[bytes, AnswerT]":
        """The handler of a call that needs a login: one crossing.

        Whose token was not signed here is refused before its message is taken.
        """

        async def handle(requests: AsyncIterator[bytes], context: Context) -> AnswerT:
            async with self._rooms.place(self.ditto.auth.signed_for(token_of(context)), context.peer()):
                raw = await received(requests, RECEIVE_S)

                def work() -> AnswerT:
                    return use(self.ditto, self.caller(context), decoded(call, raw))

                return await self.border.run(work)

        return self._handler(call, handle)

    def open(
        self, call: Call[AskT, AnswerT], use: Callable[[AskT, Context], Awaitable[AnswerT]]
    ) -> "grpc.RpcMethodHandler[bytes, AnswerT]":
        """The handler of a call that needs none."""

        async def handle(requests: AsyncIterator[bytes], context: Context) -> AnswerT:
            with self._strangers.place(address_of(context.peer())):
                raw = await received(requests, STRANGER_S)
                if len(raw) > STRANGER_BYTES:
                    raise TooLarge(f"This message has at most {STRANGER_BYTES} bytes.", limit=STRANGER_BYTES)
                return await use(decoded(call, raw), context)

        return self._handler(call, handle)

    def _handler(
        self, call: Call[AskT, AnswerT], handle: Callable[[AsyncIterator[bytes], Context], Awaitable[AnswerT]]
    ) -> "grpc.RpcMethodHandler[bytes, AnswerT]":
        """A handler that gets its message itself, as bytes, and whose errors become statuses."""

        async def answer(requests: AsyncIterator[bytes], context: Context) -> AnswerT:
            found: list[AnswerT] = []

            async def run() -> None:
                self.admit(context)
                found.append(await handle(requests, context))

            await self.guarded(call.method, context, run)
            return found[0]

        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=call.answers.SerializeToString)

    async def guarded(self, method: str, context: Context, run: Callable[[], Awaitable[None]]) -> None:
        """Do what a call asks for; errors become statuses, and nothing else of them is told (S81)."""
        try:
            await run()
        except CloudError as error:
            await self.abort(method, context, error)
        except Exception:  # the outer loop of every call
            log.exception("a Ditto call failed", extra={"method": method})
            self.counts.answered(method, grpc.StatusCode.INTERNAL.name)
            await end(context, grpc.StatusCode.INTERNAL, FAILED)
        self.counts.answered(method, "OK")

    async def abort(self, method: str, context: Context, error: CloudError) -> NoReturn:
        """End a call with an error."""
        status = status_of(error)
        self.counts.answered(method, status.name)
        if status is grpc.StatusCode.INTERNAL:
            log.warning("a Ditto call failed: %s", with_reason(error), extra={"method": method})
            await end(context, status, FAILED)
        await end(context, status, error.message, details_of(error))


async def end(
    context: Context, status: grpc.StatusCode, text: str, more: tuple[tuple[str, bytes], ...] = ()
) -> NoReturn:
    """End a call with a status, which a client that is gone or does not read will not get."""
    try:
        await context.abort(status, text, more)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None


async def send(context: Context, message: bytes | Message) -> None:
    """Hand a message of a stream to the transport; waits while the client is slow. A client that is gone ends the call."""
    try:
        await context.write(message)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None


async def received(requests: AsyncIterator[bytes], most_s: float) -> bytes:
    """The one message of a call. Raises `BadRequest`: there is none. `Busy`: it does not come."""
    try:
        async with asyncio.timeout(most_s):
            return await anext(requests)
    except StopAsyncIteration:
        raise BadRequest("A call has one message, and this one had none.") from None
    except TimeoutError:
        raise Busy("The message did not arrive in time; send it again.", retry_after_s=1) from None


def decoded(call: Call[AskT, AnswerT], raw: bytes) -> AskT:
    """The message of its bytes. Raises `BadRequest`."""
    try:
        return call.read_ask(raw)
    except DecodeError:
        raise BadRequest(f"These bytes are no {call.asks.DESCRIPTOR.name}.") from None


def token_of(context: Context) -> str:
    """The access token of a call. Raises `LoginNeeded`."""
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION and isinstance(value, str):
            kind, _, token = value.partition(" ")
            if kind.lower() == BEARER.lower() and token:
                return token.strip()
    raise LoginNeeded("Log in first: Authenticate gives a token, sent as metadata `authorization: Bearer TOKEN`.")


def address_of(peer: str) -> str:
    """The address in what gRPC calls a peer: "ipv4:1.2.3.4:5", "ipv6:[::1]:5"; "" for others."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")


def is_local(peer: str) -> bool:
    """Whether a peer is on this machine."""
    from ipaddress import ip_address

    try:
        found = ip_address(address_of(peer).partition("%")[0])
    except ValueError:
        return peer.startswith("unix:")
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
