"""The Ditto services as attackers use them: no token, forged ones, floods, messages that are none (rows S48, S49, S77 to S82)."""

import base64
import json
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from tests.fronts.ditto import http2
from tests.fronts.ditto.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, RESET, SETTINGS, Http2, frame, message
from tests.fronts.ditto.rig import PASSWORD, Phone, Rig, Stream, open_rig

from homestow.server.fronts.ditto.binding import FAILED
from homestow.server.fronts.ditto.errors import CODES, details_of, status_of
from homestow.server.fronts.ditto.limits import CONNECTION_CALLS, STRANGER_CALLS, Rates, Rooms, Strangers
from homestow.server.service.ditto_auth import TooManyUsers
from homestow.values.errors import Busy, CloudError, NotFound, ServerError, StorageFailed, TooManyTries, all_errors
from homestow.values.ids import AccountId
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

Code = grpc.StatusCode
UNARY = [call for call in calls.CALLS if not call.streams]
CLOSED = [call for call in UNARY if not call.open]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One house for all."""
    with open_rig(tmp_path_factory.mktemp("ditto")) as rig:
        yield rig


def refused(use: Callable[[], object]) -> grpc.RpcError:
    """The error of a call."""
    with pytest.raises(grpc.RpcError) as caught:
        use()
    return caught.value


def asked(rig: Rig, path: str, token: str | None, raw: bytes = b"") -> grpc.RpcError:
    """A call by its path alone."""
    phone = rig.phone(token)
    return refused(lambda: phone.raw(path, raw))


def served(phone: Phone) -> None:
    """Others are."""
    began = time.monotonic()
    phone.call(calls.LIST_FILES, pb.ListFilesRequest())
    assert time.monotonic() - began < 5


def b64(data: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


def test_S48_forged_tokens_open_no_call(rig: Rig) -> None:
    """Whatever the call and the token: the same status and words. Many more tokens are in tests/unit/test_ditto_auth.py."""
    good = rig.login().access_token
    head, body, signature = good.split(".")
    tokens = [
        f"{b64({'alg': alg, 'typ': 'JWT'})}.{body}.{end}"
        for alg in ("none", "None", "NONE", "nOnE", "HS384", "RS256", "")
        for end in ("", signature)
    ]
    tokens += [f"{head}.{body}.", f"{head}.{body}", good[:-2], f"{body}.{head}.{signature}", "x" * 5000, "..", "x"]
    told = {
        (error.code(), error.details())
        for token in tokens
        for call in CLOSED[:2]
        for error in [asked(rig, call.path, token)]
    }
    assert told == {(Code.UNAUTHENTICATED, "This login has ended, or never was; log in again.")}


def test_S49_a_stream_ends_with_its_login(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch is told so when its login is looked at next, and a call at once."""
    monkeypatch.setattr("homestow.server.fronts.ditto.watching.CHECK_S", 0.0)
    phone = rig.phone(rig.login("ben").access_token)
    stream = Stream(phone)
    stream.create("w")
    rig.house.services.accounts.set_password("ben", PASSWORD)
    assert refused(lambda: phone.call(calls.LIST_FILES, pb.ListFilesRequest())).code() is Code.UNAUTHENTICATED
    stream.send(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_uuid="x")))
    assert refused(lambda: list(stream.call)).code() is Code.UNAUTHENTICATED


def test_S77_a_flood_of_resets(rig: Rig) -> None:
    """Streams that are begun and broken off by the ten thousand: others are served."""
    phone, ended = rig.anna(), threading.Event()

    def read(line: Http2) -> None:
        try:
            for _ in line.frames():
                continue
        except OSError:
            ended.set()

    block = http2.headers(CLOSED[0].path, [("authorization", f"Bearer {phone.token}")])
    with Http2(rig.address) as line:
        threading.Thread(target=read, args=(line,), daemon=True).start()
        try:
            for _ in range(100):
                many = b""
                for _ in range(100):
                    many += frame(HEADERS, END_HEADERS, line.next, block)
                    many += frame(RESET, 0, line.next, struct.pack(">I", 8))
                    line.next += 2
                line.sock.sendall(many)
        except OSError:
            ended.set()  # so may the server say that it is enough
        served(phone)
    served(phone)


def test_S77_limits_of_messages_and_metadata(rig: Rig) -> None:
    """A message above 8 MiB and metadata above 16 KiB are refused; the connection goes on."""
    phone = rig.anna()
    for call in UNARY:
        assert asked(rig, call.path, phone.token, bytes(9 << 20)).code() is Code.RESOURCE_EXHAUSTED
        served(phone)
    big = refused(lambda: phone.raw(calls.LIST_FILES.path, b"", [("x", "a" * 40_000)]))
    assert big.code() is Code.RESOURCE_EXHAUSTED
    served(phone)


def test_S77_packed_messages_are_not_unpacked(rig: Rig) -> None:
    """What would burst is refused as it is."""
    phone = rig.anna()
    packed = zlib.compress(bytes(64 << 20), 9)
    for kind in ("gzip", "deflate"):
        with Http2(rig.address) as line:
            more = [("authorization", f"Bearer {phone.token}"), ("grpc-encoding", kind)]
            stream = line.call(CLOSED[0].path, more)
            for at in range(0, len(packed) + 5, 16_000):
                line.sock.sendall(frame(DATA, 0, stream, message(packed, 1)[at : at + 16_000]))
            line.sock.sendall(frame(DATA, END_STREAM, stream))
            assert b"grpc-status\x0212" in line.ended(stream)
    served(phone)


def test_S77_half_open_calls(rig: Rig) -> None:
    """Calls whose message never comes: a connection, an address, a user that has many of them leave others alone."""
    phone, other = rig.anna(), rig.ben()
    with Http2(rig.address) as line, Http2(rig.address) as stranger:
        for _ in range(90):
            line.call(calls.UPLOAD_FILE_BLOCK.path, [("authorization", f"Bearer {phone.token}")])
            stranger.call(calls.AUTHENTICATE.path)
            stranger.call("/grpc.health.v1.Health/Watch")
        served(other)
        served(phone)  # the same user over another connection
    served(phone)


def test_S77_a_peer_that_never_reads(rig: Rig) -> None:
    """A watcher whose window is shut holds up nobody."""
    phone = rig.anna()
    with Http2(rig.address) as line:
        line.sock.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
        stream = line.call(calls.WATCH.path, [("authorization", f"Bearer {phone.token}")])
        create = pb.WatchRequest(create_request=pb.WatchCreateRequest(watch_uuid="shut"))
        line.sock.sendall(frame(DATA, 0, stream, message(create.SerializeToString()) * 100))
        reader = Stream(phone)
        reader.create("open")
        for number in range(50):
            phone.put(f"file {number}", b"x")
        assert len(reader.events(150)) >= 150
        reader.drop()
    served(phone)


def test_S77_rates_are_each_users(rig: Rig) -> None:
    """Who asks too much is told when to come back; others are not concerned; time makes it good."""
    now = [0.0]
    rates = Rates(lambda: now[0], 10, 20)
    anna, ben = AccountId(1), AccountId(2)
    for _ in range(20):
        rates.take(anna)
    with pytest.raises(TooManyTries) as caught:
        rates.take(anna)
    assert status_of(caught.value) is Code.RESOURCE_EXHAUSTED
    assert caught.value.facts["retry_after_s"] == 1
    rates.take(ben)
    now[0] = 0.5
    for _ in range(5):
        rates.take(anna)
    with pytest.raises(TooManyTries):
        rates.take(anna)


async def test_S77_places_come_back() -> None:
    """Also from calls that failed; nothing is kept of who is gone."""
    strangers, rooms = Strangers(), Rooms()
    for _ in range(STRANGER_CALLS + 5):
        with pytest.raises(NotFound), strangers.place("a"):
            raise NotFound("x")
    with strangers.place("a"):
        for _ in range(3):
            async with rooms.place("anna", "one"), rooms.place("anna", "one"):
                continue
    small = Strangers(1)
    with small.place("a"), small.place("b"), pytest.raises(Busy), small.place("a"):
        pass
    assert CONNECTION_CALLS >= 4


@pytest.mark.parametrize("call", UNARY, ids=lambda call: call.method)
def test_S78_deep_and_broken_messages(rig: Rig, call: calls.Call[Any, Any]) -> None:
    """Ten thousand groups in one another, lengths that lie, numbers without end: a bad request each time."""
    token = rig.login().access_token
    for raw in (
        b"\x0b" * 10_000 + b"\x0c" * 10_000,
        b"\x0b" * 4_000_000,
        b"\x0a\xff\xff\xff\x7f",
        b"\xff" * 20,
        b"\x0a\x02\xff\xfe",
    ):
        error = asked(rig, call.path, token, raw)
        assert error.code() is Code.INVALID_ARGUMENT, (raw[:9], error.code(), error.details())
    assert asked(rig, "/grpc.health.v1.Health/Check", None, b"\xff").code() is Code.INVALID_ARGUMENT


def test_S78_broken_messages_on_a_stream(rig: Rig) -> None:
    """End it as a bad request."""
    phone = rig.anna()
    for path in (calls.WATCH.path, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"):
        answers = phone.raw_stream(path, [b"\x0b" * 9999])
        assert refused(lambda answers=answers: list(answers)).code() is Code.INVALID_ARGUMENT  # type: ignore[misc]


def test_S79_never_more_than_was_declared(rig: Rig) -> None:
    """Blocks beyond the size, of absurd numbers, or other than they say are refused, and what is right still arrives."""
    phone = rig.anna()
    uuid = phone.create("ten", b"0123456789").uuid
    for no, data in (
        (0, bytes(11)),
        (1, bytes(10)),
        (10, b"x"),
        (2**31 - 1, b"x"),
        (-1, b"x"),
        (-(2**31), b"x"),
        (0, b""),
    ):
        error = refused(lambda no=no, data=data: phone.send(uuid, no, data))  # type: ignore[misc]
        assert error.code() is Code.INVALID_ARGUMENT
    phone.send(uuid, 0, b"01234")
    assert phone.send(uuid, 1, b"56789").status == pb.DittoFileBlock.WRITTEN
    for size in (-1, (1 << 63) - 1, -(1 << 63), (1 << 50) + 1):
        request = pb.CreateFileRequest(file=pb.DittoFile(name="x", size=size))
        assert refused(lambda request=request: phone.call(calls.CREATE_FILE, request)).code() is Code.INVALID_ARGUMENT  # type: ignore[misc]


def test_S79_a_deadline_is_kept(rig: Rig) -> None:
    """A wait ends for who gave up; the server goes on as before."""
    phone = rig.anna()
    stream = Stream(phone, timeout=0.05)
    assert refused(lambda: [stream.create("w", [6]), *stream.call]).code() is Code.DEADLINE_EXCEEDED
    uuid = phone.create("late", bytes(4 << 20)).uuid
    block = pb.UploadFileBlockRequest(file_uuid=uuid, block=pb.DittoFileBlock(block=bytes(4 << 20)))
    late = refused(lambda: phone.call(calls.UPLOAD_FILE_BLOCK, block, timeout=0.001))
    assert late.code() is Code.DEADLINE_EXCEEDED
    assert phone.call(calls.UPLOAD_FILE_BLOCK, block).status == pb.DittoFileBlock.WRITTEN


PATHS = [
    f"/{name}/{call.method}" for call in calls.CALLS if not call.open for name in (f"{calls.PACKAGE}.{call.service}", call.service)
] + ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_S80_no_method_without_a_login(rig: Rig, path: str) -> None:
    """Under its full and its bare name, also for messages that are none."""
    for raw in (b"", b"\xff"):
        assert asked(rig, path, None, raw).code() is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "path", ["/", "/x", "//", "/a/b/c", "/DittoFileService/", "/dittofileservice/GetFile", "/DittoFileService/../x", "/grpc.channelz.v1.Channelz/GetServers"]
)  # fmt: skip
def test_S80_other_paths_are_no_methods(rig: Rig, path: str) -> None:
    """Whoever asks."""
    for token in (None, rig.login().access_token):
        assert asked(rig, path, token).code() is Code.UNIMPLEMENTED


def test_S81_the_table_of_errors_is_complete() -> None:
    """Every error that can happen has a status, and no other has."""
    assert set(CODES) == {kind.code for kind in all_errors() if kind.__module__ == "homestow.values.errors"}
    assert Code.OK not in CODES.values()
    assert Code.UNKNOWN not in CODES.values()
    assert status_of(TooManyUsers("x")) is Code.RESOURCE_EXHAUSTED
    assert len(details_of(NotFound("x"))) == 1


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("/secret/path"), OSError(5, "/secret/path"), ServerError("/secret/path"), KeyError("/secret/path")],
    ids=lambda failure: type(failure).__name__,
)
def test_S81_a_failure_inside_says_nothing_of_our_inside(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """One text for all of them, on calls and on streams."""

    def fail(*args: object) -> None:
        raise failure

    phone, stream = rig.anna(), Stream(rig.anna())
    stream.create("w")
    with monkeypatch.context() as patch:
        patch.setattr("homestow.server.service.ditto_files.DittoFiles.page", fail)
        patch.setattr("homestow.server.service.ditto_events.DittoEvents.told", fail)
        error = refused(lambda: phone.call(calls.LIST_FILES, pb.ListFilesRequest()))
        assert (error.code(), error.details()) == (Code.INTERNAL, FAILED)
        error = refused(lambda: stream.cancel("w"))
        assert (error.code(), error.details()) == (Code.INTERNAL, FAILED)
    served(phone)


def test_S81_the_reason_of_a_failing_disk_is_for_the_owner(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client learns that it is the disk, and no path."""

    def fail(*args: object) -> None:
        raise StorageFailed("The disk failed.").because("/secret/path: EIO")

    phone = rig.anna()
    monkeypatch.setattr("homestow.server.service.ditto_files.DittoFiles.page", fail)
    error = refused(lambda: phone.call(calls.LIST_FILES, pb.ListFilesRequest()))
    assert (error.code(), error.details()) == (Code.UNAVAILABLE, "The disk failed.")
    assert "secret" not in repr(error.trailing_metadata())


def test_S82_one_quota_for_all_fronts(rig: Rig) -> None:
    """What is announced here counts like what comes elsewhere; the refusal tells so."""
    accounts = rig.house.services.accounts
    accounts.set_quota("ben", 1000)
    try:
        phone = rig.ben()
        error = refused(lambda: phone.create("large", bytes(1001)))
        assert (error.code(), isinstance(error, CloudError)) == (Code.RESOURCE_EXHAUSTED, False)
        phone.put("small", bytes(900))
        assert refused(lambda: phone.create("more", bytes(200))).code() is Code.RESOURCE_EXHAUSTED
    finally:
        accounts.set_quota("ben", None)
