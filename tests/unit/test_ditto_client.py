"""The Ditto client against a server that does what a test says: failures, cut streams, lost and wrong answers."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from homestow.client.adapters.ditto_client import DittoClient
from homestow.client.adapters.ditto_sending import Known, send_block
from homestow.client.adapters.ditto_values import DittoEvent, EventKind, FileStatus, parse_ditto
from homestow.values.errors import (
    BadSettings,
    Busy,
    CloudError,
    DigestMismatch,
    LoginFailed,
    LoginNeeded,
    NotFound,
    NotHomestow,
    ServerError,
    Stale,
    TooManyTries,
    Unreachable,
)
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

_Code = grpc.StatusCode
Answer = Callable[[Any, grpc.ServicerContext], Any]


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def fail(code: grpc.StatusCode, reason: str = "", retry_s: int | None = None) -> Answer:
    """An answer that refuses, with details as Homestow sends them."""

    def answer(_: Any, context: grpc.ServicerContext) -> Any:
        if reason:
            details = [ErrorInfo(reason=reason, domain="homestow")]
            packed = [AnyMessage() for _ in details]
            packed[0].Pack(details[0])
            if retry_s is not None:
                packed.append(AnyMessage())
                packed[-1].Pack(RetryInfo(retry_delay=Duration(seconds=retry_s)))
            status = Status(code=code.value[0], message="no", details=packed).SerializeToString()
            context.set_trailing_metadata((("grpc-status-details-bin", status),))
        context.abort(code, "no")

    return answer


class Scripted:
    """A server with one file store; `script` holds answers that come before the real ones, by method."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.tokens: list[str] = []
        self.good = "token-1"
        self.files: dict[str, pb.DittoFile] = {}
        self.blocks: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()
        self.streams: list[Callable[[Iterator[pb.WatchRequest]], Iterator[pb.WatchResponse]]] = []
        self.acknowledged: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(None).wait()

    def count(self, method: str) -> int:
        return len([name for name, _ in self.asked if name == method])

    def _handlers(self) -> grpc.GenericRpcHandler:
        made: dict[str, Any] = {}
        for call in calls.CALLS:
            if call.streams:
                made[call.path] = grpc.stream_stream_rpc_method_handler(
                    self._watch,
                    request_deserializer=call.read_ask,
                    response_serializer=call.answers.SerializeToString,
                )
            else:
                made[call.path] = grpc.unary_unary_rpc_method_handler(
                    self._unary(call.method, getattr(self, call.method)),
                    request_deserializer=call.read_ask, response_serializer=call.answers.SerializeToString,
                )  # fmt: skip

        class Handlers(grpc.GenericRpcHandler):
            def service(self, details: grpc.HandlerCallDetails) -> Any:
                return made.get(details.method)

        return Handlers()

    def _unary(self, method: str, answer: Callable[[Any], Any]) -> Answer:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            with self.lock:
                self.asked.append((method, request))
                scripted = self.script.get(method) or []
                first = scripted.pop(0) if scripted else None
            if method != "Authenticate":
                self._check(context)
            if first is not None and (found := first(request, context)) is not None:
                return found
            return answer(request)

        return handle

    def _check(self, context: grpc.ServicerContext) -> None:
        token = dict(context.invocation_metadata()).get("authorization")
        if token != f"Bearer {self.good}":
            fail(_Code.UNAUTHENTICATED, "LOGIN_NEEDED")(None, context)

    def Authenticate(self, request: pb.AuthenticateRequest) -> pb.AuthenticateResponse:
        return pb.AuthenticateResponse(access_token=self.good, expires_in=3600, refresh_token="r", token_type="Bearer")

    def CreateFile(self, request: pb.CreateFileRequest) -> pb.DittoFile:
        file = pb.DittoFile()
        file.CopyFrom(request.file)
        file.uuid = f"uuid-{self.count('CreateFile')}"
        file.status = pb.DittoFile.CREATED if file.size else pb.DittoFile.WRITTEN
        self.files[file.uuid] = file
        self.blocks[file.uuid] = {}
        return file

    def GetFile(self, request: pb.GetFileRequest) -> pb.DittoFile:
        return self.files.get(request.uuid, pb.DittoFile(uuid=request.uuid, size=-1))

    def ListFiles(self, request: pb.ListFilesRequest) -> pb.ListFilesResponse:
        names = list(self.files)
        at = int(request.page_token or 0)
        return pb.ListFilesResponse(
            files=[self.files[name] for name in names[at : at + 2]],
            next_page_token=str(at + 2) if at + 2 < len(names) else "",
        )

    def ListFileBlocks(self, request: pb.ListFileBlocksRequest) -> pb.ListFileBlocksResponse:
        have = self.blocks[request.file_uuid]
        numbers = [no for no in sorted(have) if no >= request.block_no]
        return pb.ListFileBlocksResponse(
            blocks=[
                pb.DittoFileBlock(block_no=no, block_size=len(have[no]), md5=md5_of(have[no]), status=pb.DittoFileBlock.UPLOADED)
                for no in numbers[:2]
            ],
            next_block_no=numbers[2] if len(numbers) > 2 else 0,
        )  # fmt: skip

    def DeleteFile(self, request: pb.DeleteFileRequest) -> Empty:
        self.files.pop(request.uuid, None)
        return Empty()

    def UploadFileBlock(self, request: pb.UploadFileBlockRequest) -> pb.DittoFileBlock:
        with self.lock:
            file, blocks = self.files[request.file_uuid], self.blocks[request.file_uuid]
            blocks[request.block.block_no] = request.block.block
            file.status = pb.DittoFile.UPLOADING
            whole = b"".join(blocks[no] for no in sorted(blocks))
            if len(whole) == file.size and md5_of(whole) == file.md5:
                file.status = pb.DittoFile.WRITTEN
        return pb.DittoFileBlock(block_no=request.block.block_no, status=pb.DittoFileBlock.UPLOADED)

    def _watch(self, requests: Iterator[pb.WatchRequest], context: grpc.ServicerContext) -> Iterator[pb.WatchResponse]:
        self._check(context)
        with self.lock:
            stream = self.streams.pop(0) if self.streams else None
        if stream is None:
            context.abort(_Code.PERMISSION_DENIED, "that was all")
        assert stream is not None
        yield from stream(requests)
        context.abort(_Code.UNAVAILABLE, "cut")


class Pauses(list[float]):
    """Pauses that are noted, not made."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def client(server: Scripted, pauses: Pauses) -> Iterator[DittoClient]:
    with DittoClient(server.address, "id", "secret", "anna", "password", timeout_s=10, pause=pauses) as made:
        yield made


# --- calls ------------------------------------------------------------------------------------------------------------


def test_what_did_not_work_is_tried_again(server: Scripted, client: DittoClient, pauses: Pauses) -> None:
    """No answer, too busy, too fast: each is waited for, as long as the server says; what is final is not."""
    server.files["a"] = pb.DittoFile(uuid="a", name="a")
    server.script["GetFile"] = [
        fail(_Code.UNAVAILABLE), fail(_Code.UNAVAILABLE, "BUSY"), fail(_Code.RESOURCE_EXHAUSTED, "TOO_MANY_TRIES", 7),
    ]  # fmt: skip
    assert client.get("a").name == "a"
    assert pauses == [0.2, 0.4, 7.0]
    server.script["GetFile"] = [fail(_Code.NOT_FOUND, "NOT_FOUND")]
    with pytest.raises(NotFound):
        client.get("b")


def test_patience_ends(server: Scripted, client: DittoClient, pauses: Pauses) -> None:
    """After a minute of tries the caller is told."""
    server.script["GetFile"] = [fail(_Code.UNAVAILABLE)] * 100
    with pytest.raises(Unreachable):
        client.get("a")
    assert 50 < sum(pauses) <= 60


def test_a_file_is_not_announced_twice(server: Scripted, client: DittoClient) -> None:
    """Where no answer came it may be there; where the server was too busy it is not."""
    server.script["CreateFile"] = [fail(_Code.UNAVAILABLE)]
    with pytest.raises(Unreachable):
        client.create("a", 5)
    assert server.count("CreateFile") == 1
    server.script["CreateFile"] = [fail(_Code.RESOURCE_EXHAUSTED, "TOO_MANY_TRIES", 1)]
    assert client.create("a", 5).uuid == "uuid-3"


def test_a_deletion_whose_answer_was_lost_is_done(server: Scripted, client: DittoClient) -> None:
    """Not being there is the answer to its repetition, and an error the first time."""
    server.script["DeleteFile"] = [fail(_Code.UNAVAILABLE), fail(_Code.NOT_FOUND, "NOT_FOUND")]
    client.delete("a")
    server.script["DeleteFile"] = [fail(_Code.NOT_FOUND, "NOT_FOUND")]
    with pytest.raises(NotFound):
        client.delete("a")


@pytest.mark.parametrize(
    "code, reason, expected",
    [
        (_Code.INVALID_ARGUMENT, "DIGEST_MISMATCH", DigestMismatch),
        (_Code.FAILED_PRECONDITION, "STALE", Stale),
        (_Code.FAILED_PRECONDITION, "", Stale),
        (_Code.FAILED_PRECONDITION, "WHO_KNOWS", Stale),
        (_Code.UNIMPLEMENTED, "", NotHomestow),
        (_Code.INTERNAL, "", ServerError),
        (_Code.UNKNOWN, "", ServerError),
    ],
)
def test_reasons_become_errors(
    server: Scripted, client: DittoClient, code: grpc.StatusCode, reason: str, expected: type[CloudError]
) -> None:
    """The server's reason where it gives one that is known, else what its status says."""
    server.script["GetFile"] = [fail(code, reason)]
    with pytest.raises(expected) as caught:
        client.get("a")
    assert type(caught.value) is expected


def test_details_of_strangers_are_harmless(server: Scripted, client: DittoClient) -> None:
    """Bytes that are no status details leave what the status says."""

    def answer(_: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
        context.abort(_Code.NOT_FOUND, "no")

    server.script["GetFile"] = [answer]
    with pytest.raises(NotFound):
        client.get("a")


def test_nobody_there(pauses: Pauses) -> None:
    """An address where nothing answers is unreachable, not something else."""
    with (
        DittoClient("127.0.0.1:1", "id", "secret", "anna", "password", patience_s=0, pause=pauses) as client,
        pytest.raises(Unreachable),
    ):
        client.log_in()


def test_pages_are_one_list(server: Scripted, client: DittoClient) -> None:
    """Files and blocks come page by page."""
    for number in range(5):
        server.files[str(number)] = pb.DittoFile(uuid=str(number), status=pb.DittoFile.WRITTEN)
    assert [file.uuid for file in client.list(FileStatus.WRITTEN)] == list("01234")
    server.blocks["f"] = dict.fromkeys(range(5), b"x")
    assert [block.no for block in client.list_blocks("f")] == [0, 1, 2, 3, 4]


# --- logins -----------------------------------------------------------------------------------------------------------


def test_an_ended_login_is_renewed_once(server: Scripted, client: DittoClient) -> None:
    """Where the password is known; and not again and again when the server does not take its own tokens."""
    server.files["a"] = pb.DittoFile(uuid="a", name="a")
    client.get("a")
    server.good = "token-2"
    assert client.get("a").name == "a"
    assert server.count("Authenticate") == 2
    server.script["GetFile"] = [fail(_Code.UNAUTHENTICATED, "LOGIN_NEEDED")] * 9
    with pytest.raises(LoginNeeded):
        client.get("a")
    assert server.count("Authenticate") == 3


@pytest.mark.parametrize(
    "answer, expected",
    [
        (fail(_Code.UNAUTHENTICATED, "LOGIN_FAILED"), LoginFailed),
        (fail(_Code.UNAUTHENTICATED), LoginFailed),
        (fail(_Code.RESOURCE_EXHAUSTED, "TOO_MANY_TRIES", 9), TooManyTries),
        (fail(_Code.RESOURCE_EXHAUSTED, "BUSY"), Busy),
    ],
)
def test_a_refused_login_is_not_repeated(
    server: Scripted, client: DittoClient, answer: Answer, expected: type[CloudError]
) -> None:
    """Each try counts against the account."""
    server.script["Authenticate"] = [answer]
    with pytest.raises(expected):
        client.get("a")
    assert server.count("Authenticate") == 1


def test_plain_text_stays_on_this_machine() -> None:
    """Neither calls nor the renewal of tokens go unencrypted to another machine, unless that is allowed."""
    with pytest.raises(BadSettings):
        DittoClient("192.0.2.1:50051", "id", "secret")
    with pytest.raises(BadSettings):
        DittoClient("dittos://192.0.2.1", "id", "secret", http="http://192.0.2.1:5000")
    DittoClient("192.0.2.1:50051", "id", "secret", allow_plain=True).close()
    assert parse_ditto("dittos://Home.example").authority == "home.example:50051"
    assert parse_ditto("[::1]:7", tls=True).url == "dittos://[::1]:7"
    for wrong in ("ftp://a", "a b:1", "host:0", "host:99999", "ditto://", "host:1/x", "u@host:1"):
        with pytest.raises(BadSettings):
            parse_ditto(wrong)


# --- uploads ----------------------------------------------------------------------------------------------------------


def a_file(folder: Path, size: int) -> tuple[Path, bytes]:
    content = os.urandom(size)
    path = folder / "film.mp4"
    path.write_bytes(content)
    return path, content


def stored(server: Scripted, uuid: str) -> bytes:
    return b"".join(server.blocks[uuid][no] for no in sorted(server.blocks[uuid]))


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 25_500])
def test_every_size_arrives(server: Scripted, client: DittoClient, tmp_path: Path, size: int) -> None:
    """In blocks of the asked size, each told with its progress."""
    path, content = a_file(tmp_path, size)
    told: list[int] = []
    made = client.upload(path, block_size=1000, progress=lambda _, count: told.append(count))
    assert (made.status, made.size, made.type) == (FileStatus.WRITTEN, size, "video/mp4")
    assert stored(server, made.uuid) == content
    assert sum(told) == size


def test_lost_answers_do_no_harm(server: Scripted, client: DittoClient, tmp_path: Path) -> None:
    """A block that was taken and not answered for is sent again."""

    def taken(request: pb.UploadFileBlockRequest, context: grpc.ServicerContext) -> None:
        server.UploadFileBlock(request)
        context.abort(_Code.UNAVAILABLE, "cut")

    path, content = a_file(tmp_path, 9_500)
    server.script["UploadFileBlock"] = [taken, fail(_Code.UNAVAILABLE), taken, fail(_Code.DEADLINE_EXCEEDED)]
    made = client.upload(path, block_size=1000)
    assert stored(server, made.uuid) == content


def test_an_upload_goes_on(server: Scripted, client: DittoClient, tmp_path: Path) -> None:
    """With what was kept of the first try, only missing blocks are sent; a changed file begins anew."""
    path, content = a_file(tmp_path, 9_500)
    kept: list[Known] = []
    server.script["UploadFileBlock"] = [*[lambda *_: None] * 4, *[fail(_Code.PERMISSION_DENIED)] * 20]
    with pytest.raises(CloudError):
        client.upload(path, block_size=1000, streams=1, announced=kept.append)
    server.script.clear()
    there = len(server.blocks[kept[0].uuid])
    assert there == 4
    before = server.count("UploadFileBlock")
    made = client.upload(path, known=kept[0], block_size=77)
    assert made.uuid == kept[0].uuid
    assert stored(server, made.uuid) == content
    assert server.count("UploadFileBlock") - before == 6

    path.write_bytes(content[::-1])
    os.utime(path, ns=(1, 1))
    anew = client.upload(path, known=kept[0], block_size=1000)
    assert anew.uuid != made.uuid
    assert stored(server, anew.uuid) == content[::-1]
    assert made.uuid in server.files, "what is written stays"


def test_an_unfinished_one_is_given_up_when_the_file_changed(
    server: Scripted, client: DittoClient, tmp_path: Path
) -> None:
    """Its blocks are of no use to anybody."""
    path, content = a_file(tmp_path, 100)
    old = client.create("film.mp4", 100, md5=md5_of(content))
    known = Known(old.uuid, "film.mp4", 100, 5, 5, md5_of(content), 1000)
    made = client.upload(path, known=known)
    assert old.uuid not in server.files
    assert made.status is FileStatus.WRITTEN


def test_wrong_blocks_are_sent_again(server: Scripted, client: DittoClient, tmp_path: Path) -> None:
    """The whole file did not have its md5: those that differ go once more, no others."""
    path, content = a_file(tmp_path, 9_500)
    seen = path.stat()
    old = client.create("film.mp4", 9_500, md5=md5_of(content))
    known = Known(old.uuid, "film.mp4", 9_500, seen.st_mtime_ns, seen.st_ino, md5_of(content), 1000)
    server.blocks[old.uuid] = {no: content[no * 1000 : no * 1000 + 1000] for no in range(9)}
    server.blocks[old.uuid][3] = b"x" * 1000
    server.files[old.uuid].status = pb.DittoFile.UPLOADING
    take = server.UploadFileBlock

    def verified(request: pb.UploadFileBlockRequest, context: grpc.ServicerContext) -> Any:
        answer = take(request)
        if server.files[old.uuid].status != pb.DittoFile.WRITTEN:
            fail(_Code.INVALID_ARGUMENT, "DIGEST_MISMATCH")(request, context)
        return answer

    server.script["UploadFileBlock"] = [verified, verified]
    assert client.upload(path, known=known).status is FileStatus.WRITTEN
    sent = [request.block.block_no for name, request in server.asked if name == "UploadFileBlock"]
    assert sent == [9, 3]


def test_a_file_that_changes_meanwhile_is_not_sent(server: Scripted, client: DittoClient, tmp_path: Path) -> None:
    """It says so, and nothing is written there."""
    path, _ = a_file(tmp_path, 9_500)

    def change(request: pb.CreateFileRequest, _: grpc.ServicerContext) -> None:
        path.write_bytes(b"other")

    server.script["CreateFile"] = [change]
    with pytest.raises(Stale):
        client.upload(path, block_size=1000)
    assert server.files["uuid-1"].status != pb.DittoFile.WRITTEN


def test_one_block_again(server: Scripted, client: DittoClient, tmp_path: Path) -> None:
    """As the server asks for it; never of another content."""
    path, content = a_file(tmp_path, 2_500)
    kept: list[Known] = []
    client.upload(path, block_size=1000, announced=kept.append)
    server.blocks[kept[0].uuid].clear()
    send_block(client, path, kept[0], 2)
    assert server.blocks[kept[0].uuid] == {2: content[2000:]}
    path.write_bytes(b"other")
    with pytest.raises(Stale):
        send_block(client, path, kept[0], 2)


# --- events -----------------------------------------------------------------------------------------------------------


def batch(*names: str) -> pb.WatchResponse:
    events = [pb.Event(event_uuid=name, file_written_event=pb.FileWrittenEvent(file_uuid=name)) for name in names]
    return pb.WatchResponse(watch_uuid="w", events=events)


CREATED = pb.WatchResponse(watch_uuid="w", created=True)


def take(events: Iterator[DittoEvent], count: int) -> list[str]:
    return [next(events).uuid for _ in range(count)]


def test_events_go_on_over_cuts(server: Scripted, client: DittoClient) -> None:
    """What was told before is not handed out again, whatever the server repeats; unknown kinds are left out."""

    def one(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        assert next(requests).create_request.watch_uuid == "w"
        yield CREATED
        yield batch("a", "b")
        yield pb.WatchResponse(watch_uuid="w", events=[pb.Event(event_uuid="?")])

    def two(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        request = next(requests).create_request
        assert list(request.watches) == [2, 5]
        yield CREATED
        yield batch("b", "c")
        yield batch("a", "c", "d")

    server.streams = [one, two]
    events = client.watch([EventKind.FILE_TOUPLOAD_COMMANDED, EventKind.FILE_WRITTEN], "w")
    assert take(events, 4) == ["a", "b", "c", "d"]
    with pytest.raises(CloudError, match="that was all"):
        next(events)


def test_what_was_processed_is_acknowledged(server: Scripted, client: DittoClient) -> None:
    """An event counts once the next one is asked for, and only events before the last `created` that was told."""
    asked: list[int] = []
    settled = threading.Event()
    processed: list[str] = []

    def stream(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        for _ in range(2):  # the watch, and that this client acknowledges
            next(requests)
            yield CREATED
        yield batch("a", "b")
        next(requests)
        asked.append(len(processed))
        yield CREATED
        next(requests)
        asked.append(len(processed))
        yield CREATED
        settled.set()
        yield batch("c")

    server.streams = [stream]
    events = client.watch(watch_uuid="w")
    for event in events:
        if event.uuid == "c":
            break
        assert not asked
        processed.append(event.uuid)
    assert asked == [2, 2]
    assert settled.is_set()


def test_what_crosses_an_acknowledgement_is_not_meant(server: Scripted, client: DittoClient) -> None:
    """Nothing is acknowledged between an event and its processing, also when another answer is under way."""
    count = [0]
    processed: list[str] = []
    wrong: list[object] = []

    def stream(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        next(requests)
        next(requests)
        yield CREATED
        yield CREATED
        yield batch("a")
        next(requests)
        yield batch("b")  # crosses the request that was just read
        yield CREATED
        next(requests)  # done with what came before the last answer: a and b
        if processed != ["a", "b"]:
            wrong.append(list(processed))
        count[0] += 1
        yield CREATED
        yield batch("c")

    server.streams = [stream]
    for event in client.watch(watch_uuid="w"):
        if event.uuid == "c":
            break
        processed.append(event.uuid)
    assert count == [1]
    assert not wrong


def test_a_login_that_ended_is_renewed_by_a_watch(server: Scripted, client: DittoClient) -> None:
    """Whoever watches for long outlives tokens; without a way to new ones it says so."""

    def one(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        yield CREATED
        yield batch("a")

    server.streams = [one, one]
    events = client.watch(watch_uuid="w")
    assert take(events, 1) == ["a"]
    server.good = "token-2"
    server.streams = [lambda _: iter([CREATED, batch("b")])]
    assert take(events, 1) == ["b"]
    assert server.count("Authenticate") == 2


def test_closing_ends_a_watch(server: Scripted, client: DittoClient) -> None:
    """From another thread, and without an error."""
    begun, go = threading.Event(), threading.Event()

    def one(requests: Iterator[pb.WatchRequest]) -> Iterator[pb.WatchResponse]:
        yield CREATED
        begun.set()
        go.wait(20)

    server.streams = [one]

    def close() -> None:
        begun.wait(20)
        client.close()

    closer = threading.Thread(target=close)
    closer.start()
    assert list(client.watch(watch_uuid="w")) == []
    go.set()
    closer.join()
