"""A house with its Ditto front on real sockets, and a client that knows the definitions only."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from homestow.server.bootstrap import House, ditto_front, open_house
from homestow.server.border import Border
from homestow.server.fronts.ditto.front import DittoFront
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.serving import HttpServer
from homestow.server.rules.access import Principal
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import NewClient
from homestow.server.settings import Settings
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import Call

PASSWORD = "correct horse"
AskT = TypeVar("AskT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)


def md5_of(data: bytes) -> str:
    """MD5 as the protocol writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Phone:
    """A client with a login (or none)."""

    def __init__(self, address: str, token: str | None = None, *, bare: bool = False) -> None:
        self.channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self.token = token
        self.bare = bare

    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What goes with a call."""
        return () if self.token is None else ((calls.AUTHORIZATION, f"{calls.BEARER} {self.token}"),)

    def call(self, call: Call[AskT, AnswerT], request: AskT, timeout: float = 20.0) -> AnswerT:
        """One call."""
        path = f"/{call.service}/{call.method}" if self.bare else call.path
        method = self.channel.unary_unary(
            path, request_serializer=call.asks.SerializeToString, response_deserializer=call.read_answer
        )
        found: AnswerT = method(request, timeout=timeout, metadata=self.metadata())
        return found

    def raw(self, path: str, data: bytes, more: Sequence[tuple[str, str]] = (), timeout: float = 20.0) -> bytes:
        """A call by its path alone, with whatever bytes."""
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
        return method(data, timeout=timeout, metadata=(*self.metadata(), *more))

    def raw_stream(self, path: str, messages: Sequence[bytes], timeout: float = 20.0) -> Iterator[bytes]:
        """A stream likewise."""
        method: grpc.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(path)
        return method(iter(messages), timeout=timeout, metadata=self.metadata())

    def create(self, name: str, data: bytes, md5: str | None = None) -> pb.DittoFile:
        """Announce a file."""
        file = pb.DittoFile(name=name, size=len(data), md5=md5_of(data) if md5 is None else md5, type="bin")
        return self.call(calls.CREATE_FILE, pb.CreateFileRequest(file=file))

    def get(self, uuid: str) -> pb.DittoFile:
        """The file now."""
        return self.call(calls.GET_FILE, pb.GetFileRequest(uuid=uuid))

    def send(self, uuid: str, no: int, data: bytes, md5: str | None = None) -> pb.DittoFileBlock:
        """One block."""
        block = pb.DittoFileBlock(
            block_no=no, block_size=len(data), md5=md5_of(data) if md5 is None else md5, block=data
        )
        return self.call(calls.UPLOAD_FILE_BLOCK, pb.UploadFileBlockRequest(file_uuid=uuid, block=block))

    def put(self, name: str, data: bytes, size: int = 1 << 20) -> str:
        """A whole file; its uuid."""
        uuid = self.create(name, data).uuid
        for no in range(-(-len(data) // size)):
            self.send(uuid, no, data[no * size : (no + 1) * size])
        return uuid

    def close(self) -> None:
        """Hang up."""
        self.channel.close()


class Stream:
    """A Watch stream."""

    def __init__(self, phone: Phone, timeout: float = 20.0) -> None:
        self._asks: Any = _Queue()
        method = phone.channel.stream_stream(
            calls.WATCH.path,
            request_serializer=calls.WATCH.asks.SerializeToString,
            response_deserializer=calls.WATCH.read_answer,
        )
        self.call = method(self._asks, timeout=timeout, metadata=phone.metadata())

    def create(self, watch: str = "", watches: Sequence[int] = ()) -> pb.WatchResponse:
        """Begin a watch, or acknowledge one; the answer that says so."""
        asked = pb.WatchCreateRequest(watch_uuid=watch)
        asked.watches.extend(watches)  # type: ignore[arg-type]  # numbers that are no type are sent on purpose
        self._asks.put(pb.WatchRequest(create_request=asked))
        return self.until(lambda answer: answer.created)[-1]

    def cancel(self, watch: str) -> pb.WatchResponse:
        """End a watch."""
        self._asks.put(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_uuid=watch)))
        return self.until(lambda answer: answer.cancelled)[-1]

    def send(self, request: pb.WatchRequest) -> None:
        """Any request."""
        self._asks.put(request)

    def until(self, enough: Any) -> list[pb.WatchResponse]:
        """Answers up to the first that is enough."""
        found: list[pb.WatchResponse] = []
        for answer in self.call:
            found.append(answer)
            if enough(answer):
                return found
        raise AssertionError("the stream ended")

    def events(self, count: int) -> list[pb.Event]:
        """So many events."""
        found: list[pb.Event] = []
        while len(found) < count:
            found += next(self.call).events
        return found

    def finish(self) -> None:
        """Say that nothing more is asked."""
        self._asks.put(None)

    def drop(self) -> None:
        """Break off."""
        self.call.cancel()
        self._asks.put(None)


class _Queue:
    """Requests for gRPC's reader thread; None ends them."""

    def __init__(self) -> None:
        import queue

        self._queue: Any = queue.SimpleQueue()

    def put(self, request: pb.WatchRequest | None) -> None:
        """One more."""
        self._queue.put(request)

    def __iter__(self) -> "_Queue":
        return self

    def __next__(self) -> pb.WatchRequest:
        found = self._queue.get()
        if found is None:
            raise StopIteration
        assert isinstance(found, pb.WatchRequest)
        return found


class Rig:
    """The house, its Ditto front and its HTTP address; `anna` and `ben` have accounts."""

    def __init__(self, house: House, ditto: Ditto, front: DittoFront, address: str, url: str, border: Border) -> None:
        self.house = house
        self.ditto = ditto
        self.front = front
        self.address = address
        self.url = url
        self.border = border
        self.client: NewClient = ditto.auth.add_client(f"box {len(ditto.auth.clients())}")
        self.closing: list[Callable[[], None]] = []

    def login(self, user: str = "anna", client: NewClient | None = None) -> pb.AuthenticateResponse:
        """Log in."""
        client = client or self.client
        request = pb.AuthenticateRequest(
            client_id=client.id, client_secret=client.secret, username=user, password=PASSWORD
        )
        return self.phone(None).call(calls.AUTHENTICATE, request)

    def phone(self, token: str | None, *, bare: bool = False) -> Phone:
        """A client with a token."""
        made = Phone(self.address, token, bare=bare)
        self.closing.append(made.close)
        return made

    def anna(self) -> Phone:
        """Anna's phone, logged in."""
        return self.phone(self.login().access_token)

    def ben(self) -> Phone:
        """Ben's phone, logged in."""
        return self.phone(self.login("ben").access_token)

    def who(self, name: str = "anna") -> Principal:
        """Somebody as the use cases know him."""
        account = self.house.services.accounts.named(name)
        return Principal(account.id, account.name)

    def on_disk(self, name: str, *path: str) -> Path:
        """Where a file of somebody's own root lies."""
        return self.house.folder.files.joinpath(name, *path)

    def hang_up(self) -> None:
        """Close all phones."""
        for close in self.closing:
            close()


@contextmanager
def open_rig(place: Path, settings: Settings | None = None) -> Iterator[Rig]:
    """A rig over a data folder, which it may have been before."""
    settings = settings or Settings()
    with open_house(place / "data", settings) as house:
        accounts, roots = house.services.accounts, house.services.roots
        if not accounts.all():
            for name in ("anna", "ben"):
                roots.own(accounts.add(name, PASSWORD))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="loop")
        thread.start()
        border = Border()

        async def start() -> tuple[Any, str, str, HttpServer]:
            router = Router()
            served = ditto_front(house, border, router, secure=False)
            http = HttpServer(router)
            url = (await http.listen_tcp("127.0.0.1", 0)).url
            await http.listen_unix(house.folder.socket)
            address = await served.front.listen("127.0.0.1", 0)
            return served, address.shown, url, http

        async def stop() -> None:
            await asyncio.gather(served.front.close(), http.close())

        served, address, url, http = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
        rig = Rig(house, served.use, served.front, address, url, border)
        try:
            yield rig
        finally:
            rig.hang_up()
            asyncio.run_coroutine_threadsafe(stop(), loop).result(20)
            border.close()
            served.use.close()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
