"""The gRPC server: all calls under their full and their bare names, health, reflection, limits."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from homestow.server.fronts.ditto.binding import (
    STRANGER_S,
    Context,
    DittoDesk,
    address_of,
    decoded,
    received,
    send,
    token_of,
)
from homestow.server.fronts.ditto.limits import Strangers
from homestow.server.fronts.ditto.services import unary_handlers
from homestow.server.fronts.ditto.sharing import News, Shared
from homestow.server.fronts.ditto.watching import Wakes, WatchStream
from homestow.server.fronts.tcp.listening import Address, ListenFailed, shown
from homestow.server.service.ditto_auth import Caller
from homestow.values.errors import BadRequest
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

MOST_CALLS: Final = 4096
"""Calls and streams that are under way at once, all clients together."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", calls.MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", calls.MAX_METADATA_BYTES),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: what bursts when it is unpacked is not unpacked
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.server_handshake_timeout_ms", 20_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 3),
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 20_000),  # of a flood the others are not told to go away, but wait a moment
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
)
_STOP_S: Final = 4.0
_HEALTH_WATCHES: Final = 8
_HEALTH: Final = "grpc.health.v1.Health"
_CHECK_HEALTH: Final = calls.Call(_HEALTH, "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)
_WATCH_HEALTH: Final = _CHECK_HEALTH._replace(method="Watch", streams=True)

log = logging.getLogger(__name__)


class _Handlers(grpc.GenericRpcHandler):
    """Finds handlers by path; there is no other way in, so nothing is open by oversight (S80)."""

    def __init__(self, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]) -> None:
        self._handlers = handlers

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a path, None for unknown ones."""
        return self._handlers.get(details.method)


class DittoFront:
    """All calls. Made, used and closed on one running loop.

    Args:
        reflection: whether anybody may ask what there is; else those with a login.
        subscribe: has a listener called after each commit; gives a function that ends it.
    """

    def __init__(
        self,
        desk: DittoDesk,
        subscribe: Callable[[Callable[[frozenset[Any], int], None]], Callable[[], None]],
        *,
        reflect: bool = False,
    ) -> None:
        self.desk = desk
        self.wakes = Wakes(asyncio.get_running_loop(), Shared(desk.ditto, desk.border))
        self._unsubscribe = subscribe(self.wakes.changed)
        self._reflect = reflect
        self._server: grpc.aio.Server | None = None
        self._health = HealthServicer()

    async def listen(self, host: str, port: int, pem: tuple[Path, Path] | None = None) -> Address:
        """Answer on `host`:`port`, over TLS if given a certificate and its key; port 0 picks a free one.

        Raises:
            ListenFailed: the address cannot be had.
        """
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)
        server = self._server = grpc.aio.server(
            handlers=(self._handlers(),), options=_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS
        )
        where = shown(host, port)
        try:
            if pem is None:
                bound = server.add_insecure_port(where)
            else:
                bound = server.add_secure_port(where, _credentials(*pem))
        except RuntimeError as error:
            raise ListenFailed(where, "it is taken, or not this machine's; choose another one") from error
        await server.start()
        for name in ("", *{f"{calls.PACKAGE}.{call.service}" for call in calls.CALLS}):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return Address(host, bound, f"{'http' if pem is None else 'https'}://{shown(host, bound)}")

    async def close(self) -> None:
        """Let calls end for a few seconds, then end them."""
        self._unsubscribe()
        self.wakes.stop()
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(_STOP_S)

    def _handlers(self) -> _Handlers:
        made = dict(unary_handlers(self.desk))
        made[f"{calls.WATCH.service}/{calls.WATCH.method}"] = self._watch_handler()
        found = {f"/{calls.PACKAGE}.{name}": handler for name, handler in made.items()}
        found |= {f"/{name}": handler for name, handler in made.items()}
        return _Handlers({**found, **self._reflection(), **self._health_calls()})

    def _health_calls(self) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
        """Whether all is well, for everybody; an address has few streams of it."""
        watchers = Strangers(_HEALTH_WATCHES)

        async def check(request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
            return await self._health.Check(request, context)

        async def watch(requests: AsyncIterator[bytes], context: Context) -> None:
            async def run() -> None:
                with watchers.place(address_of(context.peer())):
                    raw = await received(requests, STRANGER_S)
                    await self._health.Watch(decoded(_WATCH_HEALTH, raw), context)

            await self.desk.guarded(_WATCH_HEALTH.method, context, run)

        return {
            f"/{_CHECK_HEALTH.service}/Check": self.desk.open(_CHECK_HEALTH, check),
            f"/{_CHECK_HEALTH.service}/Watch": grpc.stream_stream_rpc_method_handler(
                watch, response_serializer=health_pb2.HealthCheckResponse.SerializeToString
            ),
        }

    def _reflection(self) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
        """What there is, for those with a login."""
        services = [f"{calls.PACKAGE}.{name}" for name in pb.DESCRIPTOR.services_by_name]
        servicer = reflection.aio.ReflectionServicer([*services, "grpc.health.v1.Health", reflection.SERVICE_NAME])

        async def tell(requests: AsyncIterator[bytes], context: Context) -> None:
            async def run() -> None:
                self.desk.admit(context)
                if not self._reflect:
                    self.desk.ditto.auth.signed_for(token_of(context))
                    await self.desk.border.run(self.desk.caller, context)
                asked = (_reflected(raw) async for raw in requests)
                async for answer in servicer.ServerReflectionInfo(asked, context):  # type: ignore[attr-defined]  # it is a generator
                    await send(context, answer)

            await self.desk.guarded("ServerReflectionInfo", context, run)

        handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            tell, response_serializer=ServerReflectionResponse.SerializeToString
        )
        return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": handler}

    def _watch_handler(self) -> "grpc.RpcMethodHandler[Any, Any]":
        async def watch(requests: AsyncIterator[bytes], context: Context) -> None:
            async def run() -> None:
                self.desk.admit(context)
                await self._watch(requests, context)

            await self.desk.guarded(calls.WATCH.method, context, run)

        return grpc.stream_stream_rpc_method_handler(watch)

    async def _watch(self, requests: AsyncIterator[bytes], context: Context) -> None:
        self.desk.ditto.auth.signed_for(token_of(context))
        caller = await self.wakes.shared.cross(lambda: self.desk.caller(context))

        def still() -> Caller:
            return self.desk.ditto.auth.check(token_of(context))

        async def say(answer: pb.WatchResponse) -> None:
            await send(context, answer.SerializeToString())

        async def tell(watch: str, news: News) -> None:
            await send(context, pb.WatchResponse(watch_uuid=watch).SerializeToString() + news.packed)

        stream = WatchStream(self.desk, self.wakes, caller, still, say, tell)

        async def read() -> None:
            async for raw in requests:
                await stream.ask(decoded(calls.WATCH, raw))
            stream.close()
            await running

        running = asyncio.create_task(stream.run())
        reading = asyncio.create_task(read())
        try:
            done, _ = await asyncio.wait({reading, running}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reading, running):
                task.cancel()
            await asyncio.wait({reading, running})


def _is_news(record: logging.LogRecord) -> bool:
    """Clients that leave before their answer came are none; nobody fills the log with them (S35)."""
    return not record.getMessage().startswith("ExecuteBatchError")


def _reflected(raw: bytes) -> ServerReflectionRequest:
    try:
        return ServerReflectionRequest.FromString(raw)
    except DecodeError:
        raise BadRequest("These bytes are no ServerReflectionRequest.") from None


def _credentials(cert: Path, key: Path) -> grpc.ServerCredentials:
    """The certificate, read anew for connections to come when its file changes (S101)."""
    seen: list[int] = []

    def current() -> grpc.ServerCertificateConfiguration | None:
        try:
            stamp = cert.stat().st_mtime_ns
            if seen and seen[-1] == stamp:
                return None
            made = grpc.ssl_server_certificate_configuration([(key.read_bytes(), cert.read_bytes())])
        except OSError as error:
            log.error("keeping the old TLS certificate: %s", error)
            return None
        seen[:] = [stamp]
        return made

    first = current()
    if first is None:
        raise ListenFailed(str(cert), "the certificate or its key cannot be read")
    # None means what it was before; the stubs do not know.
    return grpc.dynamic_ssl_server_credentials(first, current)  # type: ignore[arg-type]
