"""The other side of `bench.ditto_speed`: a bare gRPC server, and lean clients, each run in a process of its own.

The clients are the same for both servers, so what they cost falls on both. Orders and answers are lines of JSON.
"""

import asyncio
import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from blake3 import blake3

from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

_LIMITS = (("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1))
_SETTLE_S = 20.0


def md5_of(data: bytes) -> str:
    """MD5 as the protocol writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# -- the bare server -------------------------------------------------------------------------------------------------


class _File:
    """A file that blocks come for: written at their offsets, digested in order while they are in memory."""

    def __init__(self, path: Path, size: int, md5: str) -> None:
        self.path = path
        self.size = size
        self.md5 = md5
        self.fd = os.open(path.with_suffix(".part"), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.got = 0
        self.next = 0
        self.pending: dict[int, bytes] = {}
        self.hashing = False
        self.quiet = threading.Condition()
        self.hashers = hashlib.md5(usedforsecurity=False), blake3()

    def take(self, block: pb.DittoFileBlock) -> None:
        """A block: its digest checked, its bytes where they belong; the last one flushes and names the file."""
        data = block.block
        if md5_of(data) != block.md5:
            raise ValueError("the block does not have the declared md5")
        os.pwrite(self.fd, data, block.block_no * len(data))
        with self.quiet:
            self.pending[block.block_no] = data
            self.got += len(data)
            last = self.got == self.size
        self._digest(last)
        if last:
            if self.hashers[0].hexdigest() != self.md5:
                raise ValueError("the file does not have the declared md5")
            self.hashers[1].digest()
            os.fsync(self.fd)
            os.close(self.fd)
            self.path.with_suffix(".part").rename(self.path)

    def _digest(self, wait: bool) -> None:
        while True:
            with self.quiet:
                while self.hashing and wait:
                    self.quiet.wait()
                data = None if self.hashing else self.pending.pop(self.next, None)
                if data is None:
                    return
                self.next += 1
                self.hashing = True
            for hasher in self.hashers:
                hasher.update(data)
            with self.quiet:
                self.hashing = False
                self.quiet.notify_all()


async def serve(folder: Path) -> None:
    """Take files until terminated; prints the port."""
    files: dict[str, _File] = {}
    numbers = count()
    pool = ThreadPoolExecutor(8)
    loop = asyncio.get_running_loop()

    async def create(request: pb.CreateFileRequest, _: Any) -> pb.DittoFile:
        uuid = str(next(numbers))
        file = request.file
        files[uuid] = await loop.run_in_executor(pool, _File, folder / file.name, file.size, file.md5)
        return pb.DittoFile(uuid=uuid, name=file.name, size=file.size)

    async def upload(request: pb.UploadFileBlockRequest, _: Any) -> pb.DittoFileBlock:
        await loop.run_in_executor(pool, files[request.file_uuid].take, request.block)
        return pb.DittoFileBlock(block_no=request.block.block_no)

    handlers = {
        call.path: grpc.unary_unary_rpc_method_handler(handle, call.read_ask, call.answers.SerializeToString)
        for call, handle in ((calls.CREATE_FILE, create), (calls.UPLOAD_FILE_BLOCK, upload))
    }

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return handlers.get(details.method)

    server = grpc.aio.server(handlers=(Handlers(),), options=_LIMITS)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


# -- clients ---------------------------------------------------------------------------------------------------------


class _Channel:
    """One connection."""

    def __init__(self, address: str, token: str) -> None:
        self.channel = grpc.insecure_channel(address, options=_LIMITS)
        grpc.channel_ready_future(self.channel).result(10)
        self._metadata = ((calls.AUTHORIZATION, f"{calls.BEARER} {token}"),)
        self._methods = {
            call: self.channel.unary_unary(
                call.path, request_serializer=call.asks.SerializeToString, response_deserializer=call.read_answer
            )
            for call in (calls.CREATE_FILE, calls.UPLOAD_FILE_BLOCK)
        }

    def call(self, call: Any, request: Any) -> Any:
        """One call."""
        return self._methods[call](request, metadata=self._metadata)

    def create(self, name: str, size: int, md5: str) -> str:
        """Announce a file; its uuid."""
        file = pb.DittoFile(name=name, size=size, md5=md5, type="bin")
        return str(self.call(calls.CREATE_FILE, pb.CreateFileRequest(file=file)).uuid)

    def send(self, uuid: str, no: int, data: bytes, md5: str) -> None:
        """A block."""
        block = pb.DittoFileBlock(block_no=no, block_size=len(data), md5=md5, block=data)
        self.call(calls.UPLOAD_FILE_BLOCK, pb.UploadFileBlockRequest(file_uuid=uuid, block=block))


def _in_threads(works: Sequence[Callable[[], None]]) -> float:
    """Seconds until all are done."""
    failed: list[grpc.RpcError | OSError] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except (grpc.RpcError, OSError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - began


def send_blocks(order: dict[str, Any]) -> dict[str, Any]:
    """One file in blocks over several connections, one call at a time on each."""
    size, block = order["size"], order["block"]
    data = os.urandom(block)
    md5, whole = md5_of(data), hashlib.md5(usedforsecurity=False)
    for _ in range(size // block):
        whole.update(data)
    channels = [_Channel(order["address"], order["tokens"][0]) for _ in range(order["streams"])]
    uuid = channels[0].create(order["name"], size, whole.hexdigest())
    numbers = iter(range(size // block))

    def send(channel: _Channel) -> None:
        for no in numbers:
            channel.send(uuid, no, data, md5)

    return {"seconds": _in_threads([partial(send, channel) for channel in channels])}


def send_small(order: dict[str, Any]) -> dict[str, Any]:
    """Many files of one block each, `at_once` calls under way over several connections."""
    channels = [
        _Channel(order["address"], order["tokens"][number % len(order["tokens"])]) for number in range(order["streams"])
    ]
    data = os.urandom(order["size"])
    md5 = md5_of(data)
    numbers = iter(range(order["files"]))

    def send(channel: _Channel) -> None:
        for number in numbers:
            channel.send(channel.create(f"{order['name']}-{number}", len(data), md5), 0, data, md5)

    return {"seconds": _in_threads([partial(send, channels[at % len(channels)]) for at in range(order["at_once"])])}


async def watch(order: dict[str, Any]) -> dict[str, Any]:
    """Watchers on several connections, each of a user; and the seconds from each native write's answer to each of them."""
    channels = [grpc.aio.insecure_channel(order["address"], options=_LIMITS) for _ in range(order["channels"])]
    came: dict[int, list[float]] = {}
    ready = [asyncio.Event() for _ in range(order["watchers"])]

    async def one(number: int) -> None:
        token = order["tokens"][number % len(order["tokens"])]
        method = channels[number % len(channels)].stream_stream(
            calls.WATCH.path,
            request_serializer=calls.WATCH.asks.SerializeToString,
            response_deserializer=calls.WATCH.read_answer,
        )
        stream = method(metadata=((calls.AUTHORIZATION, f"{calls.BEARER} {token}"),))
        asked = pb.WatchCreateRequest(
            watch_uuid=f"{order['name']}-{number}", watches=[pb.WatchCreateRequest.FILE_WRITTEN]
        )
        await stream.write(pb.WatchRequest(create_request=asked))
        async for answer in stream:
            now = time.perf_counter()
            if answer.created:
                ready[number].set()
            for event in answer.events:
                came.setdefault(event.file_written_event.file_size, []).append(now)

    tasks = [asyncio.create_task(one(number)) for number in range(order["watchers"])]
    async with asyncio.timeout(_SETTLE_S):
        for event in ready:
            await event.wait()
    await asyncio.sleep(1.0)
    loop = asyncio.get_running_loop()
    answered = await loop.run_in_executor(None, _write, order)
    per_write = order["watchers"] // len(order["tokens"])
    until = time.perf_counter() + _SETTLE_S
    while time.perf_counter() < until and any(len(came.get(size, ())) < per_write for size in answered):
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    late = [at - when for size, when in answered.items() for at in came.get(size, ())]
    return {"seconds": sorted(late), "missing": per_write * len(answered) - len(late)}


def _write(order: dict[str, Any]) -> dict[int, float]:
    """New files of sizes that tell them apart, by the native API; when each was answered."""
    host, port = order["http"]
    socks: dict[int, socket.socket] = {}
    answered: dict[int, float] = {}
    for number in range(order["writes"]):
        top, token = order["places"][number % len(order["places"])]
        sock = socks.get(top) or socks.setdefault(top, socket.create_connection((host, port)))
        size = order["first"] + number
        head = (
            f"PUT /api/v1/nodes/{top}/files?name={order['name']}-{number} HTTP/1.1\r\nHost: b\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {size}\r\n\r\n"
        )
        sock.sendall(head.encode() + bytes(size))
        answer = sock.recv(65536)
        answered[size] = time.perf_counter()
        assert b" 20" in answer[:20], answer[:300]
        time.sleep(order["every"])
    return answered


_ORDERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "blocks": send_blocks,
    "small": send_small,
    "watch": lambda order: asyncio.run(watch(order)),
}


def main() -> int:
    """`serve FOLDER`, or an order as JSON."""
    if sys.argv[1] == "serve":
        asyncio.run(serve(Path(sys.argv[2])))
        return 0
    order = json.loads(sys.stdin.read())
    before = time.process_time()
    answer = _ORDERS[sys.argv[1]](order)
    sys.stdout.write(json.dumps({**answer, "cpu": time.process_time() - before}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
