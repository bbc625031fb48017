"""Who may do what: every call, asked by everybody. Generated from the table, so that no new call is forgotten (S09, S54)."""

import re
import socket
from collections.abc import Iterator

import pytest
from tests.fronts.api.asks import GOOD, NEEDS, UNKNOWN, UPLOADS, begun, send
from tests.fronts.api.rig import PASSWORD, PEOPLE, Answer, Rig, digest_of, is_ours, new, pack
from tests.fronts.api.rig import rig as open_rig

from homestow.server.rules.access import Rights
from homestow.values.ids import DeviceId
from homestow.wire.api import PREFIX
from homestow.wire.calls import CALLS, Call

BY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
ABOUT_A_ROOT = [call for call in CALLS if call.name in NEEDS]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server that is open for sign-up."""
    with open_rig(tmp_path_factory.mktemp("rights"), signup_open=True) as made:
        yield made


@pytest.fixture(autouse=True)
def _later(shared: Rig) -> None:
    shared.clock.ns += 24 * 3600 * 1_000_000_000


def ended(rig: Rig) -> str:
    """The token of a device that its owner removed."""
    entered = rig.services.accounts.log_in("anna", PASSWORD, "lost phone", "")
    assert rig.ask("GET", "/me", token=entered.token).status == 200
    rig.services.accounts.remove_device(entered.principal, DeviceId(entered.principal.device))
    return entered.token


def same(one: Answer, other: Answer) -> bool:
    """Whether two failures look the same from outside."""
    left, right = one.json(), other.json()
    del left["request_id"], right["request_id"]
    kept = ("content-type", "cache-control", "homestow-epoch", "www-authenticate")
    return (one.status, left, [one.headers.get(name) for name in kept]) == (
        other.status, right, [other.headers.get(name) for name in kept],
    )  # fmt: skip


@BY_CALL
@pytest.mark.parametrize("kind", ["none", "bad", "removed"])
def test_nobody(shared: Rig, call: Call, kind: str) -> None:
    """Without a token, with one that never was and with that of a removed device nothing but the open calls is answered."""
    token = {"none": None, "bad": "x" * 43, "removed": ended(shared)}[kind]
    asked = GOOD[call.name](shared, "anna")
    before = shared.services.changes.cursor()
    answer = send(shared, call, asked, user=None, token=token)
    is_ours(answer)
    if call.open:
        assert answer.status == call.status
    else:
        assert (answer.status, answer.code) == (401, "login-needed")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert shared.services.changes.cursor() == before


@pytest.mark.parametrize("header", ["Basic YW5uYTp4", "Bearer", "Bearer ", "bearer a b", "Bearer \xe9", "x" * 5000])
def test_other_credentials(shared: Rig, header: str) -> None:
    """What is no bearer token lets nobody in, and is no failure of the server."""
    answer = shared.ask("GET", "/me", user=None, headers={"Authorization": header})
    assert (answer.status, answer.code) == (401, "login-needed")


@BY_CALL
@pytest.mark.parametrize("user", PEOPLE)
def test_everybody(shared: Rig, call: Call, user: str) -> None:
    """Rights decide: none at all is 404, too few 403; being an administrator gives no right in anybody's root."""
    maker = "anna"
    if call.name == "remove_device":
        maker = user
    asked = GOOD[call.name](shared, maker)
    before = shared.services.changes.cursor()
    token = shared.services.accounts.log_in(user, PASSWORD, "test", "").token
    answer = send(shared, call, asked, user=user, token=token)
    is_ours(answer)
    need, have = NEEDS.get(call.name), PEOPLE[user]
    if call.name in UPLOADS:
        expected = (call.status, None) if user == maker else (410, "upload-gone")
    elif call.name == "remove_share":
        expected = (call.status, None) if user == maker else (404, "not-found")
    elif call.operator:
        expected = (call.status, None) if user == "ada" else (403, "forbidden")
    elif need is None or have >= need:
        expected = (call.status, None)
    else:
        expected = (403, "forbidden") if have >= Rights.READ else (404, "not-found")
    assert (answer.status, answer.code if answer.status >= 400 else None) == expected, answer
    if answer.status >= 400:
        assert shared.services.changes.cursor() == before


@pytest.mark.parametrize("call", ABOUT_A_ROOT, ids=lambda call: call.name)
@pytest.mark.parametrize("user", ["dan", "ada"])
def test_what_is_not_for_you_is_like_nothing(shared: Rig, call: Call, user: str) -> None:
    """S09: the answer about other people's things is byte for byte that about things that are not there."""
    asked = GOOD[call.name](shared, "anna")
    theirs = send(shared, call, asked, user=user)
    asked.path = re.sub(r"/(nodes|roots|trash)/\d+", rf"/\1/{UNKNOWN}", asked.path)
    if call.name == "begin_upload":
        asked.body = {"parent": UNKNOWN, "name": "x", "size": 1}
    elif call.name == "add_share":
        asked.body = {"node": UNKNOWN}
    assert theirs.status == 404
    assert same(theirs, send(shared, call, asked, user=user))


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_is_its_makers(shared: Rig, name: str) -> None:
    """Not even the root's owner sees the upload of another: it is like one that never was."""
    call = next(call for call in CALLS if call.name == name)
    asked = GOOD[name](shared, "ben")
    theirs = send(shared, call, asked, user="anna")
    asked.path = re.sub(r"/uploads/[0-9a-f]{32}", "/uploads/" + "0" * 32, asked.path)
    assert same(theirs, send(shared, call, asked, user="anna"))


def test_ids_of_another_root_in_a_body(shared: Rig) -> None:
    """A node of somebody else's root is nothing as a target, as a parent, in packs up and down, and as a base."""
    shared.services.roots.of(shared.services.accounts.check(shared.token("dan")))  # dan's own root is made
    dans = shared.ask("GET", "/roots", user="dan").json()["roots"][0]
    secret = shared.put("secret", b"dan's", parent=dans["top"], user="dan")
    mine = shared.put("mine-there")
    unknown = UNKNOWN
    for foreign in (dans["top"], unknown):
        for verb in ("move", "copy"):
            answer = shared.ask("POST", f"/nodes/{mine.id}/{verb}", {"parent": foreign, "name": "x"})
            assert (answer.status, answer.code) == (404, "not-found")
        results = shared.ask("POST", f"/roots/{shared.root}/folders", {"folders": [[foreign, "x"]]})
        assert "not-found" in results.body.decode()
    down = [
        shared.ask("POST", f"/roots/{shared.root}/wanted", {"files": [[node, 1]]}).body.replace(
            f'"node":{node}'.encode(), b""
        )[4:]
        for node in (secret.id, unknown)
    ]
    assert down[0] == down[1]
    assert b"dan's" not in down[0]
    answer = shared.ask("GET", f"/roots/{shared.root}/tree?under={dans['top']}")
    assert (answer.status, answer.code) == (404, "not-found")
    assert shared.ask("GET", f"/nodes/{secret.id}/content", user="dan").body == b"dan's"


def test_content_known_to_others_is_not_known_to_you(shared: Rig) -> None:
    """S110: an upload is finished at once only when its sender can read that content anyway."""
    content = b"only anna has this" * 4096  # small content is sent sooner than it is looked up
    shared.put("only-annas", content)
    message = {"name": "copy", "size": len(content), "digest": digest_of(content)}
    dans = shared.ask("GET", "/roots", user="dan").json()["roots"][0]
    theirs = shared.ask("POST", "/uploads", {**message, "parent": dans["top"]}, user="dan").json()
    assert (theirs["state"], theirs["have"], theirs["done"]) == ("created", [], None)
    mine = shared.ask("POST", "/uploads", {**message, "parent": shared.top}, user="ben").json()
    assert mine["state"] == "written"
    assert shared.read(mine["done"]["id"]) == content


def test_trash_is_for_those_who_may_write(shared: Rig) -> None:
    """S111: readers see an empty trash, strangers none; only owners remove for good."""
    node = shared.put("deleted-by-anna")
    assert shared.ask("DELETE", f"/nodes/{node.id}").status == 204
    path = f"/roots/{shared.root}/trash"
    assert node.id in [item["node"]["id"] for item in shared.ask("GET", path, user="ben").json()["items"]]
    assert shared.ask("GET", path, user="cora").json() == {"items": [], "next": None}
    assert shared.ask("GET", path, user="dan").status == 404
    for method, target in (("POST", f"/trash/{node.id}/restore"), ("DELETE", f"/trash/{node.id}")):
        body: dict[str, str] | None = {} if method == "POST" else None
        assert shared.ask(method, target, body, user="cora").status == 403
        assert shared.ask(method, target, body, user="dan").status == 404


def test_rights_that_are_taken_end_at_once(shared: Rig) -> None:
    """What a member could see a moment ago is not there for one who is no member any more; uploads under way stop."""
    node = shared.put("for-ben-too")
    upload = begun(shared, "ben")
    assert shared.ask("GET", f"/nodes/{node.id}/content", user="ben").status == 200
    assert shared.ask("PUT", f"/roots/{shared.root}/members", {"user": "ben", "rights": "none"}).status == 200
    try:
        assert shared.ask("GET", f"/nodes/{node.id}/content", user="ben").status == 404
        assert shared.ask("PUT", f"/uploads/{upload}/blocks/0", b"bytes", user="ben").status == 404
    finally:
        shared.ask("PUT", f"/roots/{shared.root}/members", {"user": "ben", "rights": "write"})
    assert shared.ask("PUT", f"/uploads/{upload}/blocks/0", b"bytes", user="ben").status == 200


def test_the_last_owner_stays(shared: Rig) -> None:
    """A root is never left without an owner."""
    answer = shared.ask("PUT", f"/roots/{shared.root}/members", {"user": "anna", "rights": "read"})
    assert (answer.status, answer.code) == (403, "forbidden")


def test_fields_that_are_not_yours_are_no_fields(shared: Rig) -> None:
    """S53: what a call does not take is passed over; nobody makes an administrator of himself by a field."""
    body = {"user": "eve", "password": PASSWORD, "admin": True, "quota": 0, "rights": "own", "id": 1}
    token = shared.ask("POST", "/signup", body, user=None).json()["token"]
    me = shared.ask("GET", "/me", token=token).json()
    assert (me["user"], me["admin"]) == ("eve", False)
    assert shared.ask("POST", "/admin", {"name": "user list"}, token=token).status == 403


@pytest.mark.parametrize("taken", ["login", "right"])
@pytest.mark.parametrize("kind", ["file", "content", "pack", "block"])
def test_what_is_taken_away_while_bytes_come_in(rig: Rig, kind: str, taken: str) -> None:
    """S49: a body under way is published only when its sender still may at its end; nothing of it is left otherwise."""
    size = 1024 * 1024
    entered = rig.services.accounts.log_in("ben", PASSWORD, "phone", "")
    file = rig.put("file")
    body = b"x" * size
    if kind == "pack":
        body = pack(*(new(rig.top, f"p{number}", b"x" * (size // 4)) for number in range(4)))
    upload = begun(rig, "ben", body) if kind == "block" else ""
    path = {
        "file": f"PUT {PREFIX}/nodes/{rig.top}/files?name=late",
        "content": f"PUT {PREFIX}/nodes/{file.id}/content?base=1",
        "pack": f"POST {PREFIX}/roots/{rig.root}/pack",
        "block": f"PUT {PREFIX}/uploads/{upload}/blocks/0",
    }[kind]
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
        sock.sendall(
            f"{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {entered.token}\r\nExpect: 100-continue\r\n"
            f"Content-Type: application/x-homestow-pack\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body[: size // 2])
        if taken == "login":
            rig.services.accounts.log_out(entered.principal)
        else:
            rig.roots.give(rig.root, rig.account("ben"), Rights.READ)
        sock.sendall(body[size // 2 :])
        status = int(sock.recv(4096).split(b" ", 2)[1])
    assert status == (401 if taken == "login" else 403)
    rig.quiet()
    assert rig.names() == ["file"]
    assert rig.read(file.id) == b"1"
    if kind != "block":
        rig.nothing_left_over()


def test_a_pack_is_refused_before_its_bytes(rig: Rig) -> None:
    """Who may not write learns it before sending a pack."""
    for user, status in (("cora", b"403"), ("dan", b"404")):
        with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
            sock.sendall(
                f"POST {PREFIX}/roots/{rig.root}/pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token(user)}\r\n"
                f"Expect: 100-continue\r\nContent-Type: application/x-homestow-pack\r\nContent-Length: 5000\r\n\r\n".encode()
            )
            assert sock.recv(4096).split(b" ", 2)[1] == status
