"""The client's view of a server that lies, breaks off or is no Homestow at all."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scripted_server import Answer, Asked, ScriptedServer

from homestow.client.adapters.api_client import Client, login, target_of
from homestow.client.adapters.remote_api import ApiRemote, check_node
from homestow.client.ports.remote import SmallFile
from homestow.values import errors
from homestow.values.digests import Digest
from homestow.values.errors import CloudError, NotHomestow, Unreachable
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.wire.api import PackHeader, PackItem, Problem
from homestow.wire.api_status import STATUS
from homestow.wire.calls import BY_NAME
from homestow.wire.packs import PackReader, part

EPOCH = "0123456789abcdef" * 2
CURSOR = f"{EPOCH}-7"
ROOT = RootId(3)


def reply(
    body: object, status: int = 200, kind: str = "application/json", headers: str = "", epoch: str | None = EPOCH
) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    life = f"Homestow-Epoch: {epoch}\r\n" if epoch is not None else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{life}{headers}\r\n"
    return head.encode() + data


def node(**changes: object) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": 5,
        "root": 3,
        "parent": 1,
        "name": "f",
        "kind": "file",
        "rev": 1,
        "change": 7,
        "below": 7,
        "size": 2,
        "mtime_ns": 0,
        "digest": None,
        "gone": False,
    }
    return told | changes


class World:
    """A remote and the server it talks to, which answers `answer`, whatever was asked."""

    def __init__(self) -> None:
        self.answer: Answer | Callable[[Asked], Answer] = None
        self.refused: list[int] = []
        self.server = ScriptedServer(lambda asked: self.answer(asked) if callable(self.answer) else self.answer)

    def open(self) -> None:
        self.server.__enter__()
        self.remote = ApiRemote(
            self.server.url + "/pre",
            "secret",
            ROOT,
            timeout_s=5,
            refused=lambda node, why: self.refused.append(node.id),
        )

    @property
    def last(self) -> Asked:
        return self.server.asked[-1]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.open()
    yield made
    made.remote.close()
    made.server.__exit__()


# --- is it Homestow at all --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer,kind",
    [
        (reply([node()], epoch=None), NotHomestow),
        (reply([node()], epoch="x"), NotHomestow),
        (reply(node(), epoch="A" * 32), NotHomestow),
        (reply(b"<html>log in to the hotel's network</html>", kind="text/html", epoch=None), NotHomestow),
        (reply(node(), kind="text/html"), NotHomestow),
        (reply(node(), kind="application/jsonx"), NotHomestow),
        (reply(b"", 302, headers="Location: http://login.hotel/\r\n", epoch=None), NotHomestow),
        (reply(b"", 301, headers="Location: https://elsewhere/\r\n"), NotHomestow),
        (reply(b"<html>not found</html>", 404, kind="text/html", epoch=None), NotHomestow),
        (reply({"code": "not-found", "message": "x"}, 404, epoch=None), NotHomestow),
        (reply(b"<html>bad gateway</html>", 502, kind="text/html", epoch=None), Unreachable),
        (reply(b"<html>maintenance</html>", 503, kind="text/html", epoch=None), Unreachable),
        (reply(b"<html>too large</html>", 413, kind="text/html", epoch=None), errors.TooLarge),
        (reply(b"{"), NotHomestow),
        (reply(b""), NotHomestow),
        (reply(b"\xff"), NotHomestow),
        (reply(b"[" * 100_000), NotHomestow),
        (reply({}), NotHomestow),
        (reply(node(id="5")), NotHomestow),
        (reply(node(size=1.5)), NotHomestow),
        (reply(node(kind="device")), NotHomestow),
        (reply(b"nothing", 500, kind="text/plain"), NotHomestow),
        (None, Unreachable),
    ],
)
def test_what_is_no_answer_of_ours_changes_nothing(world: World, answer: bytes, kind: type[CloudError]) -> None:
    """SC-171, R17: login pages, proxies, other servers and garbage are each told apart from an answer."""
    world.answer = answer
    with pytest.raises(kind):
        world.remote.node(NodeId(5))


def test_a_redirect_gets_no_credentials(world: World) -> None:
    """S89: the token goes to the address the user gave and nowhere else; the error names the other one."""
    world.answer = reply(b"", 307, headers=f"Location: {world.server.url}/elsewhere\r\n", epoch=None)
    with pytest.raises(NotHomestow, match="elsewhere"):
        world.remote.node(NodeId(5))
    assert len(world.server.asked) == 1


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_code_becomes_its_error(world: World, code: str) -> None:
    """What the server says went wrong arrives as the same error with its message and facts."""
    told = {"code": code, "message": "why", "facts": {"node": 9, "message": "x", "self": None}, "request_id": "r1"}
    world.answer = reply(told, STATUS[code], headers="Retry-After: 3\r\n")
    with pytest.raises(CloudError) as caught:
        world.remote.node(NodeId(5))
    assert caught.value.code == code
    assert caught.value.message.startswith("why")
    assert caught.value.facts == {"node": 9, "message": "x", "self": None, "retry_after_s": 3}


def test_an_unknown_code_is_the_servers_failure(world: World) -> None:
    """A newer server's error is no reason to fail in another way; its request id is shown."""
    world.answer = reply({"code": "brand-new", "message": "m" * 5000, "facts": {}, "request_id": "r1"}, 418)
    with pytest.raises(errors.ServerError, match=r"\(request r1\)") as caught:
        world.remote.node(NodeId(5))
    assert len(caught.value.message) < 1200


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_requests_bear_token_and_key(world: World) -> None:
    """The bearer token always; an idempotency key when something changes, another one each time (P8)."""
    world.answer = reply(node())
    world.remote.node(NodeId(5))
    assert (world.last.method, world.last.target) == ("GET", "/pre/api/v1/nodes/5")
    assert world.last.headers["authorization"] == "Bearer secret"
    assert "idempotency-key" not in world.last.headers
    world.remote.make_folder(NodeId(1), "ö\n")
    world.remote.move(NodeId(5), NodeId(1), "x", 7)
    keys = [asked.headers["idempotency-key"] for asked in world.server.asked[1:]]
    assert len(set(keys)) == 2
    assert json.loads(world.server.asked[1].body) == {"name": "ö\n"}
    assert json.loads(world.last.body) == {"parent": 1, "name": "x", "base": 7}
    assert world.last.headers["content-type"] == "application/json"


def test_a_lost_answer_is_asked_for_again_with_the_same_key(world: World) -> None:
    """R22: the repetition of a change is known as one by its key."""
    world.answer = reply(node())
    world.remote.node(NodeId(5))
    answers: list[Answer] = [None, reply(node())]
    world.answer = lambda asked: answers.pop(0)
    world.remote.make_folder(NodeId(1), "d")
    first, second = (asked.headers["idempotency-key"] for asked in world.server.asked[1:])
    assert first == second


def test_targets_are_encoded() -> None:
    """Whatever stands in a parameter stays in it."""
    assert target_of(BY_NAME["resolve"], {"root": 3, "path": "a/b c&d=é?#%/.."}) == (
        "/api/v1/roots/3/path?path=a%2Fb%20c%26d%3D%C3%A9%3F%23%25%2F.."
    )
    assert target_of(BY_NAME["upload"], {"upload": "../x"}) == "/api/v1/uploads/..%2Fx"
    wrongs: list[dict[str, int | str | None]] = [{}, {"upload": "x", "other": 1}]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            target_of(BY_NAME["upload"], wrong)


def test_login_gives_a_token() -> None:
    """The one place where a password is sent: the body of `login`, without any token."""
    with ScriptedServer(lambda asked: reply({"token": "t", "user": "anna", "device": 4})) as server:
        given = login(server.url, "anna", "secret", "laptop")
        assert (given.token, given.device) == ("t", 4)
        [asked] = server.asked
        assert json.loads(asked.body) == {"user": "anna", "password": "secret", "device": "laptop"}
        assert "authorization" not in asked.headers
        client = Client(server.url, "old")
        client.login("anna", "secret", "laptop")
        assert client.token == "t"
        client.close()


# --- nodes, listings, feeds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *({"name": name} for name in ("..", ".", "", "a/b", "/etc/passwd", "../../x", "a\0b", "x" * 256, "e\u0301")),
        *({"id": 0}, {"id": -1}, {"id": 2**63}, {"root": 4}, {"parent": 5}, {"parent": 2**64}, {"size": -1}),
        *({"size": 2**63}, {"mtime_ns": 2**63}, {"rev": -1}, {"change": 2**70}, {"digest": "../x"}),
        *({"parent": None}, {"parent": None, "name": "", "kind": "file"}),
    ],
)
def test_an_impossible_node_is_left_out_and_told(world: World, change: dict[str, object]) -> None:
    """S04, S92: a hostile name or number refuses its item; the others of the page come (R16)."""
    page = [node(id=8, name="good"), node(**change), node(id=9, name="also good")]
    world.answer = reply({"nodes": page, "next": None, "cursor": CURSOR})
    assert [told.id for told in world.remote.tree().nodes] == [8, 9]
    assert world.refused == [change.get("id", 5)]
    world.answer = reply({"nodes": page, "cursor": CURSOR, "more": False})
    assert [told.id for told in world.remote.changes(CURSOR, 0).nodes] == [8, 9]
    world.answer = reply(node(**change))
    with pytest.raises(CloudError):
        world.remote.node(NodeId(5))


@given(st.text(max_size=20))
def test_names_that_pass_are_names(name: str) -> None:
    """S04: whatever passes is one segment and nothing but it."""
    told = Node(NodeId(5), ROOT, NodeId(1), name, Kind.FILE, 1, 1, 1, 0, 0, None)
    try:
        check_node(told, ROOT)
    except CloudError:
        return
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\0" not in name
    name.encode()


@pytest.mark.parametrize(
    "page",
    [
        {"nodes": [node()], "next": 4, "cursor": CURSOR},
        {"nodes": [node()], "next": 3, "cursor": CURSOR},
        {"nodes": [], "next": 9, "cursor": CURSOR},
        {"nodes": [], "next": None, "cursor": "nonsense"},
    ],
)
def test_a_listing_that_does_not_get_on_is_refused(world: World, page: object) -> None:
    """S92: an endless listing ends."""
    world.answer = reply(page)
    with pytest.raises(NotHomestow):
        world.remote.tree(after=4, cursor=CURSOR)
    assert world.last.target == f"/pre/api/v1/roots/3/tree?after=4&cursor={CURSOR}&limit=10000"


@pytest.mark.parametrize("number,more", [(6, False), (7, True)])
def test_a_feed_that_does_not_get_on_is_refused(world: World, number: int, more: bool) -> None:
    """S92: a feed never goes back, and does not promise more without a step."""
    world.answer = reply({"nodes": [], "cursor": f"{EPOCH}-{number}", "more": more})
    with pytest.raises(NotHomestow):
        world.remote.changes(CURSOR, 0)


def test_the_root_and_its_epoch(world: World) -> None:
    """The root is found by its id, with the life of the store; a root that is not told is not ours."""
    told = {"id": 3, "name": "Family", "top": 1, "rights": "write", "change": 7, "used": 0, "quota": None}
    world.answer = reply({"roots": [told | {"id": 2}, told]})
    root = world.remote.root()
    assert (root.id, root.top, root.writable, root.epoch, root.change) == (3, 1, True, EPOCH, 7)
    world.answer = reply({"roots": [told | {"rights": "read"}]})
    assert not world.remote.root().writable
    world.answer = reply({"roots": []})
    with pytest.raises(errors.NotFound):
        world.remote.root()


def test_calls_mean_the_life_that_the_root_was_seen_in(world: World) -> None:
    """R23: after `root` every call bears its epoch; `root` itself takes any, and what another life answers is not taken."""
    told = {"id": 3, "name": "Family", "top": 1, "rights": "write", "change": 7, "used": 0, "quota": None}
    world.answer = reply(node())
    world.remote.node(NodeId(5))
    assert "homestow-epoch" not in world.last.headers
    for epoch in (EPOCH, "f" * 32):
        world.answer = reply({"roots": [told]}, epoch=epoch)
        assert world.remote.root().epoch == epoch
        assert "homestow-epoch" not in world.last.headers
        world.answer = reply(node(), epoch=epoch)
        world.remote.node(NodeId(5))
        assert world.last.headers["homestow-epoch"] == epoch
    for answer in (
        reply(node(), epoch="e" * 32),
        reply({"code": "cursor-gone", "message": "restored"}, 410, epoch="e" * 32),
    ):
        world.answer = answer
        with pytest.raises(errors.CursorGone):
            world.remote.node(NodeId(5))


def test_limits_are_never_more_than_ours(world: World) -> None:
    """S92: a server cannot make the client hold more than it means to, nor nothing."""
    told = {"version": "1", "epoch": EPOCH, "now_ns": 0, "signup_open": False}
    world.answer = reply(told | {"max_pack_bytes": 2**50, "max_pack_files": 10})
    assert (world.remote.limits.pack_bytes, world.remote.limits.pack_files) == (16 * 1024 * 1024, 10)
    other = ApiRemote(world.server.url, "t", ROOT)
    world.answer = reply(told | {"max_pack_files": 0})
    with pytest.raises(NotHomestow):
        _ = other.limits
    other.close()


# --- packs ------------------------------------------------------------------------------------------------------------


def test_a_pack_up(world: World) -> None:
    """Files go in one body with their headers; each has its own answer."""
    problem = {"code": "path-taken", "message": "taken", "facts": {"node": 9}, "request_id": ""}
    world.answer = reply({"results": [{"node": node()}, {"problem": problem}, {"node": node(name="..")}, {}]})
    files = [SmallFile(b"hi", 1, parent=NodeId(1), name="f"), *[SmallFile(b"", 2, node=NodeId(5), base=1)] * 3]

    results = world.remote.put_small(files)

    assert isinstance(results[0], Node)
    assert isinstance(results[1], errors.PathTaken)
    assert results[1].facts["node"] == 9
    assert isinstance(results[2], errors.BadName)
    assert isinstance(results[3], errors.ServerError)
    sent = list(PackReader(PackItem).feed(world.last.body))
    assert sent[0] == (PackItem(size=2, mtime_ns=1, parent=1, name="f"), b"hi")
    assert sent[1] == (PackItem(size=0, mtime_ns=2, node=5, base=1), b"")
    assert world.last.headers["content-type"] == "application/x-homestow-pack"
    assert world.remote.put_small([]) == []
    world.answer = reply({"results": []})
    with pytest.raises(NotHomestow):
        world.remote.put_small(files)


WANTED = [(NodeId(5), 1), (NodeId(6), 2), (NodeId(7), 1)]
PARTS = [
    part(PackHeader(node=5, rev=1, size=2), b"hi"),
    part(PackHeader(node=6, rev=2, problem=Problem(code="stale", message="moved on")), b""),
    part(PackHeader(node=7, rev=1), b""),
]


def pack(body: bytes) -> bytes:
    return reply(body, kind="application/x-homestow-pack")


def test_a_pack_down(world: World) -> None:
    """Contents come in the order asked for, a problem in place of what moved on."""
    world.answer = pack(b"".join(PARTS))
    first, second, third = world.remote.get_small(WANTED)
    assert first == (5, b"hi")
    assert isinstance(second[1], errors.Stale)
    assert third == (7, b"")
    assert json.loads(world.last.body) == {"files": [[5, 1], [6, 2], [7, 1]]}
    assert list(world.remote.get_small([])) == []


@pytest.mark.parametrize(
    "body,kind",
    [
        (b"".join(PARTS[:2]), Unreachable),
        (b"".join(PARTS)[:-1], Unreachable),
        (b"".join(reversed(PARTS)), NotHomestow),
        (b"".join([*PARTS, PARTS[0]]), NotHomestow),
        (part(PackHeader(node=5, rev=2, size=2), b"hi"), NotHomestow),
        (b"\xff\xff\xff\xff", NotHomestow),
        (b"\x00\x00\x00\x02{}", NotHomestow),
    ],
)
def test_a_pack_that_is_not_what_was_asked_for(world: World, body: bytes, kind: type[CloudError]) -> None:
    """A short, mixed or foreign pack is an error, never a file's content (R17)."""
    world.answer = pack(body)
    with pytest.raises(kind):
        list(world.remote.get_small(WANTED))


def test_folders_in_several_calls(world: World) -> None:
    """However many folders: parents of an earlier call go by their id, of the same call by their place, lost ones not at all."""
    made: list[tuple[int, str]] = []

    def make(asked: Asked) -> Answer:
        results: list[dict[str, object]] = []
        for parent, name in json.loads(asked.body)["folders"]:
            above = parent if parent > 0 else results[-parent - 1]["node"]["id"]
            made.append((above, name))
            if name == "bad":
                results.append({"problem": {"code": "bad-name", "message": "no", "facts": {}, "request_id": ""}})
            else:
                results.append({"node": node(id=1000 + len(made), name=name, kind="folder", parent=above)})
        return reply({"results": results})

    world.answer = make
    folders: list[tuple[int, str]] = [(1, "top")]
    folders += [(-number, f"d{number}") for number in range(1, 9000)]
    results = world.remote.make_folders(folders)
    ids = [told.id for told in results if isinstance(told, Node)]
    assert ids == list(range(1001, 10001))
    assert [above for above, _ in made] == [1, *ids[:-1]]
    assert 1 < len(world.server.asked) < 10

    world.answer = reply(
        {"results": [{"problem": {"code": "forbidden", "message": "", "facts": {}, "request_id": ""}}]}
    )
    [one] = world.remote.make_folders([(1, "x")])
    assert isinstance(one, errors.Forbidden)
    assert world.remote.make_folders([]) == []


# --- uploads and downloads --------------------------------------------------------------------------------------------


def test_an_upload(world: World) -> None:
    """Begin with the caller's key, send views, finish; cancelling what is gone is done."""
    told = {
        "id": "u",
        "node": 5,
        "state": "uploading",
        "size": 10,
        "block_size": 4,
        "have": [[0, 4]],
        "expires_ns": 0,
        "done": None,
    }
    world.answer = reply(told, 201)
    state = world.remote.begin_upload(size=10, mtime_ns=1, block_size=4, parent=NodeId(1), name="f", key="k1")
    assert (state.id, list(state.have), state.done) == ("u", [(0, 4)], None)
    assert world.last.headers["idempotency-key"] == "k1"
    world.remote.put_block("u", 4, memoryview(b"4567"))
    assert (world.last.method, world.last.target, world.last.body) == ("PUT", "/pre/api/v1/uploads/u/blocks/4", b"4567")
    world.answer = reply(told | {"state": "written", "done": node()})
    done = world.remote.upload("u").done
    assert done is not None
    world.answer = reply(node())
    assert world.remote.finish("u", Digest("0" * 64)) == done
    gone = {"code": "upload-gone", "message": "gone", "facts": {}, "request_id": ""}
    world.answer = reply(gone, 410)
    world.remote.cancel("u")
    with pytest.raises(errors.UploadGone):
        world.remote.upload("u")
    for have in ([[0, 11]], [[5, 4]], [[-1, 4]]):
        world.answer = reply(told | {"have": have})
        with pytest.raises(NotHomestow):
            world.remote.upload("u")


CONTENT = b"0123456789"


def content(asked: Asked, tag: str = '"a"') -> bytes:
    start, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
    data = CONTENT[int(start) : int(last) + 1]
    ranged = f"Content-Range: bytes {start}-{last}/{len(CONTENT)}\r\nETag: {tag}\r\n"
    return reply(data, 206, "application/octet-stream", ranged)


def test_bytes_of_one_content(world: World) -> None:
    """Just the bytes asked for; later calls ask for the same content as the first (SC-158)."""
    world.answer = content
    assert b"".join(world.remote.read(NodeId(5), 2, 3, 7)) == b"3456"
    assert world.last.target == "/pre/api/v1/nodes/5/content?rev=2"
    assert "if-range" not in world.last.headers
    assert b"".join(world.remote.read(NodeId(5), 2, 7, 10)) == b"789"
    assert world.last.headers["if-range"] == '"a"'
    assert list(world.remote.read(NodeId(5), 2, 5, 5)) == []
    world.answer = reply(CONTENT, kind="application/octet-stream")
    assert b"".join(world.remote.read(NodeId(6), 1, 0, 10)) == CONTENT


def test_another_content_is_never_mixed_in(world: World) -> None:
    """SC-159: other bytes under the same revision are noticed, and the next try begins without the old tag."""
    world.answer = content
    assert b"".join(world.remote.read(NodeId(5), 2, 0, 3)) == b"012"
    world.answer = lambda asked: content(asked, '"b"')
    with pytest.raises(errors.Stale):
        list(world.remote.read(NodeId(5), 2, 3, 10))
    assert b"".join(world.remote.read(NodeId(5), 2, 0, 3)) == b"012"


@pytest.mark.parametrize(
    "answer,kind",
    [
        (reply(CONTENT, kind="application/octet-stream"), NotHomestow),
        (reply(b"345", 206, "x/y", "Content-Range: bytes 0-2/10\r\n"), NotHomestow),
        (reply(b"345", 206, "x/y"), NotHomestow),
        (reply(b"345", 206, "x/y", "Content-Range: bytes 3-6/10\r\n"), Unreachable),
        (reply(b"34567", 206, "x/y", "Content-Range: bytes 3-6/10\r\n"), NotHomestow),
        (reply(b"3456", 206, "x/y", "Content-Range: bytes 3-6/10\r\n", epoch=None), NotHomestow),
    ],
)
def test_other_bytes_than_asked_for_are_no_content(world: World, answer: bytes, kind: type[CloudError]) -> None:
    """A shifted, short or overlong answer never becomes part of a file."""
    world.answer = answer
    with pytest.raises(kind):
        list(world.remote.read(NodeId(5), 2, 3, 7))
