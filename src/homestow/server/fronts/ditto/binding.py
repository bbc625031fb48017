"""What all Ditto calls have in common: who asks, how often, the crossing, and errors as statuses."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar
from urllib.parse import unquote

import grpc.aio
from google.protobuf.message import Message

from homestow.server.border import Border, Lane
from homestow.server.fronts.ditto.errors import details_of, status_of
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import Caller
from homestow.values.errors import CloudError, Forbidden, LoginNeeded, TooManyTries, with_reason
from homestow.values.ids import AccountId
from homestow.wire.ditto.calls import AUTHORIZATION, BEARER, Call

AskT = TypeVar("AskT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)
T = TypeVar("T")

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext
"""A call as gRPC tells of it."""

CALLS_PER_S: Final = 200.0
"""Calls that one user may make a second in the long run; a block counts as one."""

BURST: Final = 2000.0
"""Calls that one user may make at once after a rest."""

_MOST_USERS: Final = 10_000

log = logging.getLogger(__name__)


class Rates:
    """How many calls each user may still make: a bucket that fills evenly (S82)."""

    def __init__(self, now: Callable[[], float], per_s: float = CALLS_PER_S, burst: float = BURST) -> None:
        self._now = now
        self._per_s = per_s
        self._burst = burst
        self._left: OrderedDict[AccountId, tuple[float, float]] = OrderedDict()

    def take(self, account: AccountId) -> None:
        """One call more. Raises `TooManyTries`."""
        now = self._now()
        left, at = self._left.get(account, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        if left < 1:
            raise TooManyTries("Too many calls at once; go slower.", retry_after_s=1)
        self._left[account] = left - 1, now
        self._left.move_to_end(account)
        if len(self._left) > _MOST_USERS:
            self._left.popitem(last=False)


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
        self.closing = False
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
        lane: Lane | None = None,
        room: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> "grpc.RpcMethodHandler[AskT, AnswerT]":
        """The handler of a call that needs a login: one crossing. `lane`: workers apart, for what may take long."""

        async def handle(request: AskT, context: Context) -> AnswerT:
            def work() -> AnswerT:
                return use(self.ditto, self.caller(context), request)

            with room():
                return await (self.border.run(work) if lane is None else self.border.apart(lane, work))

        return self.handler(call, handle)

    def handler(
        self, call: Call[AskT, AnswerT], handle: Callable[[AskT, Context], Awaitable[AnswerT]]
    ) -> "grpc.RpcMethodHandler[AskT, AnswerT]":
        """A handler whose errors become statuses."""

        async def answer(request: AskT, context: Context) -> AnswerT:
            try:
                self.admit(context)
                found = await handle(request, context)
            except CloudError as error:
                await self.abort(call.method, context, error)
            self.counts.answered(call.method, "OK")
            return found

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=call.read_ask, response_serializer=call.answers.SerializeToString
        )

    async def abort(self, method: str, context: Context, error: CloudError) -> NoReturn:
        """End a call with an error."""
        status = status_of(error)
        self.counts.answered(method, status.name)
        if status is grpc.StatusCode.INTERNAL:
            log.warning("a Ditto call failed: %s", with_reason(error), extra={"method": method})
        await context.abort(status, error.message, details_of(error))


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
