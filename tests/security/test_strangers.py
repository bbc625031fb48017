"""What somebody with an account of his own learns of other people's things: nothing (rows S09, S54, S110)."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from tests.fronts.api.asks import GOOD, NEEDS, UNKNOWN, begun, fresh, send
from tests.fronts.api.rig import PASSWORD, Answer, Rig, new, pack

from homestow.server.rules.access import Principal
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId, RootId, UploadId
from homestow.wire.api import MAX_PACK_BYTES, Body, PackItem
from homestow.wire.calls import BY_NAME, CALLS

A_FEW_CALLS = 16
"""Reading a row that is there and asking for rights in its root; under two microseconds."""


@pytest.fixture
def dans(shared: Rig) -> dict[str, Any]:
    """The root of dan, who has no right in anybody else's."""
    shared.services.roots.of(shared.services.accounts.check(shared.token("dan")))
    root: dict[str, Any] = shared.ask("GET", "/roots", user="dan").json()["roots"][0]
    return root


def told(answer: Answer) -> tuple[object, ...]:
    """What a failure tells: all of it but the number of the request."""
    kept = {name: value for name, value in answer.headers.items() if name != "date"}
    problem = answer.json() if answer.body else {}
    problem.pop("request_id", None)
    return answer.status, kept, problem


def work(act: Callable[[], object]) -> tuple[int, int, str]:
    """Calls of functions and statements of the database that `act` costs once all is warm, and how it failed."""
    calls = statements = 0
    code = ""

    def count(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal calls, statements
        calls += event in ("call", "c_call")
        statements += event == "c_call" and arg.__name__.startswith("execute")

    for _ in range(3):
        calls = statements = 0
        gc.disable()  # what other tests left to be collected is no work of this one
        sys.setprofile(count)
        try:
            act()
        except CloudError as error:
            code = error.code
        finally:
            sys.setprofile(None)
            gc.enable()
    return calls, statements, code


def asks_about_nodes(rig: Rig, who: Principal) -> dict[str, Callable[[NodeId], object]]:
    """Use cases that begin with a node's id."""
    services = rig.services
    return {
        "node": lambda node: services.files.node(who, node),
        "children": lambda node: services.files.children(who, node),
        "make": lambda node: services.files.make_folder(who, node, "x"),
        "move": lambda node: services.files.move(who, node, node, "x"),
        "copy": lambda node: services.files.copy(who, node, node, "x"),
        "delete": lambda node: services.files.delete(who, node),
        "content": lambda node: services.downloads.content(who, node),
        "at hand": lambda node: services.downloads.content_at_hand(who, node),
        "blocks": lambda node: services.downloads.block_digests(who, node),
        "put file": lambda node: services.whole.put_file(who, node, "x"),
        "put content": lambda node: services.whole.put_content(who, node, 1),
        "versions": lambda node: services.trashcan.versions(who, node),
        "restore": lambda node: services.trashcan.restore(who, node),
        "purge": lambda node: services.trashcan.purge(who, node),
    }


@pytest.mark.usefixtures("dans")
def test_S09_the_work_is_the_same(shared: Rig) -> None:
    """Other people's things cost the questions to the database that things which are not there cost, however deep they lie;
    so no clock tells them apart. Work is counted, not timed."""
    who = shared.services.accounts.check(shared.token("dan"))
    deep = shared.put(fresh(), b"secret", parent=shared.folder_node(fresh(), shared.folder_node(fresh()).id).id)
    shared.edit(deep, b"other")
    for name, ask in asks_about_nodes(shared, who).items():
        theirs, nobodys = work(lambda ask=ask: ask(deep.id)), work(lambda ask=ask: ask(NodeId(UNKNOWN)))  # type: ignore[misc]
        assert theirs[1:] == nobodys[1:], (name, theirs, nobodys)
        assert theirs[2] == "not-found"
        assert abs(theirs[0] - nobodys[0]) <= A_FEW_CALLS, (name, theirs, nobodys)
    upload = UploadId(begun(shared, "anna"))
    theirs, nobodys = (
        work(lambda upload=upload: shared.services.uploads.upload(who, upload))  # type: ignore[misc]
        for upload in (upload, UploadId("0" * 32))
    )
    assert theirs[1:] == nobodys[1:]
    assert abs(theirs[0] - nobodys[0]) <= A_FEW_CALLS


@pytest.mark.usefixtures("dans")
def test_S09_a_root_costs_what_no_root_costs(shared: Rig) -> None:
    """The same for roots: not one call differs."""
    who, services = shared.services.accounts.check(shared.token("dan")), shared.services
    asks: dict[str, Callable[[RootId], object]] = {
        "tree": lambda root: services.files.tree(who, root),
        "path": lambda root: services.files.resolve(who, root, ["x"]),
        "members": lambda root: services.roots.members(who, root),
        "trash": lambda root: services.trashcan.trash(who, root),
        "pack": lambda root: services.whole.begin_pack(who, root),
    }
    for name, ask in asks.items():
        theirs, nobodys = work(lambda ask=ask: ask(shared.root)), work(lambda ask=ask: ask(RootId(UNKNOWN)))  # type: ignore[misc]
        assert theirs == nobodys, name


@pytest.mark.usefixtures("dans")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_S09_conditions_are_no_oracle(shared: Rig, method: str) -> None:
    """Whatever condition or range comes with the question, the answer about other people's content is that about none."""
    node = shared.put(fresh(), b"secret content")
    etag = shared.ask("GET", f"/nodes/{node.id}/content").headers["etag"]
    for headers in (
        {"If-None-Match": etag}, {"If-None-Match": "*"}, {"If-Match": etag}, {"If-Match": "*"}, {"If-Match": '"x"'},
        {"Range": "bytes=0-3"}, {"Range": "bytes=99999-"}, {"Range": "bytes=0-3", "If-Range": etag},
        {"If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"}, {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"Homestow-Epoch": shared.services.epoch()}, {"Expect": "100-continue"}, {"Accept-Encoding": "gzip"},
    ):  # fmt: skip
        for query in ("", "?rev=1", "?rev=2"):
            theirs = shared.ask(method, f"/nodes/{node.id}/content{query}", user="dan", headers=headers)
            nobodys = shared.ask(method, f"/nodes/{UNKNOWN}/content{query}", user="dan", headers=headers)
            assert theirs.status == 404
            assert told(theirs) == told(nobodys), (headers, query)


def test_S09_a_pack_of_foreign_files_weighs_nothing(shared: Rig, dans: dict[str, Any]) -> None:
    """Files of another root do not count against the size of a pack that is asked for: its refusal would tell their size."""
    theirs = shared.put(fresh(), b"x" * (1024 * 1024))
    mine = shared.put(fresh(), b"mine", parent=dans["top"], user="dan")
    many = MAX_PACK_BYTES // theirs.size + 4
    path = f"/roots/{dans['id']}/wanted"
    answers = [
        shared.ask("POST", path, {"files": [[node, rev]] * many + [[mine.id, 1]]}, user="dan")
        for node, rev in ((theirs.id, 1), (theirs.id, 2), (UNKNOWN, 1))
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    sizes = {
        len(answer.body) - many * len(str(node))
        for answer, node in zip(answers, (theirs.id, theirs.id, UNKNOWN), strict=True)
    }
    assert len(sizes) == 1


def test_S54_every_number_is_tried(shared: Rig, dans: dict[str, Any]) -> None:
    """Somebody who counts through all ids, in every call that takes one, gets his own things and 404 for all others."""
    shared.put(fresh())
    highest = shared.put(fresh(), user="dan", parent=dans["top"]).id
    own = {int(node["id"]) for node in shared.ask("GET", f"/roots/{dans['id']}/tree", user="dan").json()["nodes"]}
    assert own < set(range(1, highest + 1))
    get = [call for call in CALLS if call.method == "GET" and "{node}" in call.path]
    assert get
    for node in range(1, highest + 1):
        for call in get:
            answer = shared.ask("GET", call.path.format(node=node), user="dan")
            assert answer.status in ((200, 409) if node in own else (404,)), (call.name, node, answer)
    roots = [call for call in CALLS if call.method == "GET" and "{root}" in call.path and call.name in NEEDS]
    cursor = shared.services.changes.cursor()
    for root in range(1, dans["id"] + 3):
        for call in roots:
            needed = "".join(
                f"?{param.name}={cursor}" for param in call.params if param.required and param.where == "query"
            )
            asked = call.path.format(root=root) + needed
            answer = shared.ask("GET", asked, user="dan")
            assert answer.status == (200 if root == dans["id"] else 404), (call.name, root, answer)


def test_S54_uploads_cannot_be_taken_over(shared: Rig, dans: dict[str, Any]) -> None:
    """An upload id that was overheard gives nobody else a byte, a state, a finish or a cancellation; the upload goes on."""
    upload = begun(shared, "anna", b"bytes")
    gone = told(shared.ask("GET", f"/uploads/{'0' * 32}", user="dan"))
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/blocks/0", b"BYTES"),
        ("POST", "/have", {"digests": []}),
        ("POST", "/finish", {}),
        ("DELETE", "", None),
    ):
        for user in ("dan", "ben", "cora", "ada"):
            assert told(shared.ask(method, f"/uploads/{upload}{path}", body, user=user)) == gone, (method, path, user)
    assert shared.ask("PUT", f"/uploads/{upload}/blocks/0", b"bytes").json()["state"] == "uploaded"
    done = shared.ask("POST", f"/uploads/{upload}/finish", {})
    assert shared.read(done.node.id) == b"bytes"


def test_S54_devices_of_others_stay(shared: Rig) -> None:
    """Nobody logs another one's device out; that it exists is not told either."""
    entered = shared.services.accounts.log_in("anna", PASSWORD, "phone", "")
    theirs = shared.ask("DELETE", f"/devices/{entered.principal.device}", user="dan")
    assert told(theirs) == told(shared.ask("DELETE", f"/devices/{UNKNOWN}", user="dan"))
    assert theirs.status == 404
    assert shared.ask("GET", "/me", token=entered.token).json()["user"] == "anna"


def test_S54_keys_of_others_answer_nothing(shared: Rig, dans: dict[str, Any]) -> None:
    """The idempotency key of another, with that one's very request, gives the answer it would have without it."""
    key = {"Idempotency-Key": "overheard"}
    name = fresh()
    for call, path, body in (
        ("make_folder", f"/nodes/{shared.top}/folders", {"name": name}),
        ("put_file", f"/nodes/{shared.top}/files?name={name}.txt", b"secret"),
        ("begin_upload", "/uploads", {"parent": shared.top, "name": f"{name}.bin", "size": 5}),
        ("put_pack", f"/roots/{shared.root}/pack", pack(new(shared.top, f"{name}.p", b"x"))),
        ("set_member", f"/roots/{shared.root}/members", {"user": "cora", "rights": "read"}),
    ):
        headers = {"Idempotency-Key": f"overheard-{call}"}
        if call == "put_pack":
            headers["Content-Type"] = Body.PACK.value
        mine = shared.ask(BY_NAME[call].method, path, body, headers=headers)
        assert mine.status == BY_NAME[call].status, mine
        theirs = shared.ask(BY_NAME[call].method, path, body, headers=headers, user="dan")
        assert (theirs.status, theirs.code) == (404, "not-found"), (call, theirs)
    assert shared.ask("POST", f"/nodes/{dans['top']}/folders", {"name": name}, headers=key, user="dan").status == 201


def test_S54_a_pack_reaches_no_foreign_folder(shared: Rig, dans: dict[str, Any]) -> None:
    """Entries of a pack, and folders of a call, that name another root's folder or file are nothing, each for itself."""
    file = shared.put(fresh(), b"theirs")
    before = shared.names()
    body = pack(
        new(shared.top, "foreign-parent", b"1"),
        new(UNKNOWN, "no-parent", b"1"),
        new(file.id, "file-as-parent", b"1"),
        (PackItem(size=3, mtime_ns=0, node=file.id, base=1), b"bad"),
        new(dans["top"], "mine", b"1"),
    )
    answer = shared.ask(
        "POST", f"/roots/{dans['id']}/pack", body, headers={"Content-Type": Body.PACK.value}, user="dan"
    )
    codes = [each["problem"]["code"] if each.get("problem") else "" for each in answer.json()["results"]]
    assert codes == ["not-found", "not-found", "not-found", "not-found", ""]
    folders = [[shared.top, "a"], [-1, "b"], [UNKNOWN, "a"], [file.id, "a"], [dans["top"], "c"], [-5, "d"]]
    made = shared.ask("POST", f"/roots/{dans['id']}/folders", {"folders": folders}, user="dan").json()["results"]
    assert [bool(each.get("node")) for each in made] == [False, False, False, False, True, True]
    assert shared.names() == before
    assert shared.read(file.id) == b"theirs"


def test_S54_every_call_is_in_the_table_of_rights(shared: Rig) -> None:
    """A new call without an entry in the table of requests and rights fails here, so that none is left open by mistake."""
    assert set(GOOD) == {call.name for call in CALLS}
    assert {call.name for call in CALLS if call.open} == {"server", "openapi", "login", "signup"}
    assert {call.name for call in CALLS if call.operator} == {"order"}
    about_things = {call.name for call in CALLS if "{root}" in call.path or "{node}" in call.path}
    assert about_things <= set(NEEDS)
    assert send(shared, BY_NAME["me"], GOOD["me"](shared, "anna"), user="anna").status == 200
