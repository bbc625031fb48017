"""Watching over real connections, by gRPC and by HTTP."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import grpc
import pytest
from tests.fronts.ditto.rig import PASSWORD, Rig, Stream, md5_of, open_rig

from homestow.wire.ditto import ditto_pb2 as pb

W = pb.WatchCreateRequest


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A house of its own."""
    with open_rig(tmp_path) as rig:
        yield rig


def put_natively(rig: Rig, name: str, data: bytes, user: str = "anna") -> None:
    """A file that comes by another front."""
    services, who = rig.house.services, rig.who(user)
    root = services.roots.own(services.accounts.named(user))
    top = rig.house.core.catalogue.top(root.id)
    assert top is not None
    sink = services.whole.put_file(who, top.id, name)
    sink.write(data)
    sink.finish()


def kinds(events: list[pb.Event]) -> list[str | None]:
    """Which events these are."""
    return [event.WhichOneof("event_union") for event in events]


def test_a_file_of_ditto_is_told_step_by_step(rig: Rig) -> None:
    """Each block, the whole, and that it was written, with uuid, sizes and md5s."""
    phone = rig.anna()
    stream = Stream(phone)
    assert stream.create("w") == pb.WatchResponse(watch_uuid="w", created=True)
    uuid = phone.put("a.bin", b"abcdef", 4)
    events = stream.events(4)
    assert kinds(events) == [
        "fileblock_uploaded_event", "fileblock_uploaded_event", "file_uploaded_event", "file_written_event",
    ]  # fmt: skip
    assert (events[1].fileblock_uploaded_event.block_no, events[1].fileblock_uploaded_event.block_size) == (1, 2)
    assert events[1].fileblock_uploaded_event.md5 == md5_of(b"ef")
    written = events[3].file_written_event
    assert (written.file_uuid, written.file_size, written.md5) == (uuid, 6, md5_of(b"abcdef"))
    assert len({event.event_uuid for event in events}) == 4
    assert all(event.created.seconds for event in events)
    stream.drop()


def test_what_other_fronts_write_is_told(rig: Rig) -> None:
    """To its user alone; the uuid can be asked for."""
    phone, ben = rig.anna(), rig.ben()
    stream, other = Stream(phone), Stream(ben)
    stream.create()
    other.create()
    put_natively(rig, "a.txt", b"hello")
    event = stream.events(1)[0].file_written_event
    assert (event.file_size, event.md5) == (5, md5_of(b"hello"))
    assert phone.get(event.file_uuid).name == "a.txt"
    put_natively(rig, "b.txt", b"ben", "ben")
    assert other.events(1)[0].file_written_event.file_size == 3
    stream.drop()
    other.drop()


def test_several_watches_of_chosen_types(rig: Rig) -> None:
    """On one stream; a cancelled one is told nothing more."""
    phone = rig.anna()
    stream = Stream(phone)
    stream.create("written", [W.FILE_WRITTEN])
    stream.create("commands", [W.FILE_TOUPLOAD_COMMANDED])
    phone.put("a", b"x")
    answer = stream.until(lambda answer: answer.events)[-1]
    assert (answer.watch_uuid, kinds(list(answer.events))) == ("written", ["file_written_event"])
    assert stream.cancel("written") == pb.WatchResponse(watch_uuid="written", cancelled=True)
    phone.put("b", b"x")
    rig.ditto.events.want_files(rig.who().account, 5_000_000_000, 9_000_000_001)
    answer = stream.until(lambda answer: answer.events)[-1]
    assert answer.watch_uuid == "commands"
    told = answer.events[0].file_toupload_commanded_event
    assert (told.start.seconds, told.end.seconds, told.end.nanos) == (5, 9, 1)
    stream.drop()


def test_nothing_is_missed_by_who_comes_back(rig: Rig) -> None:
    """What was acknowledged is not told again, the rest is, under the same names; a new watch gets the whole history."""
    phone = rig.anna()
    stream = Stream(phone)
    stream.create("w", [W.FILE_WRITTEN])
    put_natively(rig, "1", b"1")
    first = stream.events(1)
    for _ in range(2):  # the second says that everything before the answer to the first has arrived
        stream.create("w", [W.FILE_WRITTEN])
    put_natively(rig, "2", b"22")
    second = stream.events(1)
    stream.drop()
    put_natively(rig, "3", b"333")
    stream = Stream(phone)
    stream.create("w", [W.FILE_WRITTEN])
    events = stream.events(2)
    assert events[0] == second[0]
    assert events[1].file_written_event.file_size == 3
    stream.cancel("w")
    stream.create("w", [W.FILE_WRITTEN])
    put_natively(rig, "4", b"4444")
    assert stream.events(1)[0].file_written_event.file_size == 4
    stream.drop()
    stream = Stream(phone)
    stream.create("new", [W.FILE_WRITTEN])
    history = stream.events(4)
    assert [event.file_written_event.file_size for event in history] == [1, 2, 3, 4]
    assert history[:2] == [*first, *second]
    stream.drop()


def test_a_device_that_is_away_gets_its_commands(rig: Rig) -> None:
    """Also after the server was stopped."""
    rig.ditto.events.want_files(rig.who().account, 1, 2)
    stream = Stream(rig.anna())
    stream.create("", [W.FILE_TOUPLOAD_COMMANDED])
    assert kinds(stream.events(1)) == ["file_toupload_commanded_event"]
    stream.drop()


def test_a_stream_that_is_finished_ends(rig: Rig) -> None:
    """Without watches at once; asking for nothing is refused; a type that is none too."""
    stream = Stream(rig.anna())
    stream.finish()
    assert list(stream.call) == []
    for request in (pb.WatchRequest(), pb.WatchRequest(create_request=W(watches=[9]))):  # type: ignore[list-item]
        stream = Stream(rig.anna())
        stream.send(request)
        with pytest.raises(grpc.RpcError) as caught:
            list(stream.call)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    stream = Stream(rig.phone("nonsense"))
    with pytest.raises(grpc.RpcError) as caught:
        list(stream.call)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


class Http:
    """An HTTP client."""

    def __init__(self, rig: Rig) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(rig.url).netloc, timeout=20)
        rig.closing.append(self.close)
        self.answers: list[http.client.HTTPResponse] = []

    def post(self, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        """One request."""
        self.connection.request("POST", path, body, headers)
        self.answers.append(self.connection.getresponse())
        return self.answers[-1]

    def close(self) -> None:
        """Hang up."""
        for answer in self.answers:
            answer.close()
        self.connection.close()


def test_the_password_grant(rig: Rig) -> None:
    """Parameters as printed, in the query or a form; the same tokens; a refresh token works once."""
    given = {"client_id": rig.client.id, "cient_secret": rig.client.secret, "username": "anna", "password": PASSWORD}
    web = Http(rig)
    for answer in (
        web.post("/v2/oauth?" + urlencode({"grant_type": "password", **given})),
        Http(rig).post(
            "/v2/oauth",
            urlencode({"grant_type": "password", **given}),
            **{"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ):
        told = json.loads(answer.read())
        assert (answer.status, set(told)) == (200, {"access_token", "expires_in", "refresh_token", "token_type"})
        assert rig.phone(told["access_token"]).create("x", b"x").uuid
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    again = {"grant_type": "refresh_token", **given, "refresh_token": told["refresh_token"]}
    fresh = json.loads(Http(rig).post("/v2/oauth", urlencode(again), **form).read())
    assert rig.phone(fresh["access_token"]).create("y", b"x").uuid
    answer = Http(rig).post("/v2/oauth", urlencode(again), **form)
    assert (answer.status, json.loads(answer.read())["error"]) == (400, "invalid_grant")
    with pytest.raises(grpc.RpcError):
        rig.phone(fresh["access_token"]).create("z", b"x")


@pytest.mark.parametrize(
    "change,error",
    [
        ({"password": "nonsense"}, "invalid_grant"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"username": None}, "invalid_request"),
    ],
)
def test_a_grant_that_is_refused(rig: Rig, change: dict[str, str | None], error: str) -> None:
    """In the words of the standard."""
    given = {
        "grant_type": "password", "client_id": rig.client.id, "client_secret": rig.client.secret, "username": "anna",
        "password": PASSWORD, **change,
    }  # fmt: skip
    answer = Http(rig).post("/v2/oauth?" + urlencode({name: value for name, value in given.items() if value}))
    assert (answer.status, json.loads(answer.read())["error"]) == (400, error)


def test_watching_as_lines_of_json(rig: Rig) -> None:
    """One request a line, one answer a line, as events come."""
    token = rig.login().access_token
    answer = Http(rig).post(
        "/v1alpha/watch",
        json.dumps({"create_request": {"watch_uuid": "w", "watches": ["FILE_WRITTEN"]}}) + "\n",
        Authorization=f"Bearer {token}",
    )
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert json.loads(answer.readline()) == {"watch_uuid": "w", "created": True}
    put_natively(rig, "a.txt", b"hello")
    told = json.loads(answer.readline())
    assert told["events"][0]["file_written_event"]["md5"] == md5_of(b"hello")


def test_watching_needs_a_login_and_sense(rig: Rig) -> None:
    """Else it is told what is wrong."""
    assert Http(rig).post("/v1alpha/watch", "{}").status == 401
    token = f"Bearer {rig.login().access_token}"
    for body in ("", "nonsense", "[]", '{"create_request":{"watches":["NONE_SUCH"]}}'):
        assert Http(rig).post("/v1alpha/watch", body, Authorization=token).status == 400


def test_metrics_are_the_owners(rig: Rig) -> None:
    """On the local socket alone."""
    rig.anna().put("a", b"xy", 1)
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(rig.house.folder.socket))
    rig.closing.append(connection.close)
    connection.request("GET", "/metrics")
    told = connection.getresponse().read().decode()
    assert 'homestow_ditto_calls_total{method="UploadFileBlock",status="OK"} 2\n' in told
    assert "homestow_ditto_block_bytes_total 2\n" in told
    web = Http(rig)
    web.connection.request("GET", "/metrics")
    web.answers.append(web.connection.getresponse())
    assert web.answers[0].status == 404
