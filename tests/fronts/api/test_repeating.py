"""P8: the same key twice has one effect and gives the same answer, whatever happened to the thing in between."""

import socket
import threading

import msgspec
import pytest
from tests.fronts.api.asks import GOOD, begun, filled, fresh, old_version, send, trashed
from tests.fronts.api.rig import Answer, Rig, new, pack

from homestow.values.errors import StorageFull
from homestow.values.faults import arm
from homestow.values.ids import NodeId
from homestow.wire.api import PREFIX, Upload
from homestow.wire.calls import BY_NAME, CALLS

MUTATING = [call.name for call in CALLS if call.mutates]


def state(rig: Rig) -> tuple[int, int]:
    """Changes made so far, and room taken."""
    return rig.services.changes.cursor().number, rig.catalogue.usage([rig.root])[rig.root].total


def same(one: Answer, other: Answer) -> bool:
    return (one.status, one.body) == (other.status, other.body)


@pytest.mark.parametrize("name", MUTATING)
def test_twice_is_once(shared: Rig, name: str) -> None:
    """The second answer is the first one, byte for byte, and nothing happened a second time."""
    if name == "empty_trash":
        trashed(shared)
    asked = GOOD[name](shared, "anna")
    asked.headers["Idempotency-Key"] = fresh("key")
    first = send(shared, BY_NAME[name], asked)
    assert first.status == BY_NAME[name].status, first
    after = state(shared)
    assert same(first, send(shared, BY_NAME[name], asked))
    assert state(shared) == after


@pytest.mark.parametrize("name", MUTATING)
def test_a_key_is_of_one_request(shared: Rig, name: str) -> None:
    """The key with another request is refused, and has no effect."""
    first, other = (GOOD[name](shared, "anna") for _ in "12")
    earlier = BY_NAME[name]
    if (other.path, other.body) == (first.path, first.body):
        earlier, first = BY_NAME["make_folder"], GOOD["make_folder"](shared, "anna")
    first.headers["Idempotency-Key"] = other.headers["Idempotency-Key"] = fresh("key")
    assert send(shared, earlier, first).status == earlier.status
    after = state(shared)
    answer = send(shared, BY_NAME[name], other)
    assert (answer.status, answer.code) == (422, "key-reused")
    assert state(shared) == after


def test_keys_are_ones_own(shared: Rig) -> None:
    """Two people may have the same key: neither sees the other's answer."""
    key = {"Idempotency-Key": "mine"}
    first = shared.ask("POST", f"/nodes/{shared.top}/folders", {"name": fresh()}, headers=key)
    second = shared.ask("POST", f"/nodes/{shared.top}/folders", {"name": fresh()}, headers=key, user="ben")
    assert (first.status, second.status) == (201, 201)
    assert first.node.id != second.node.id


@pytest.mark.parametrize("key", ["", " ", "x" * 65, "schlüssel"])
def test_what_is_no_key(shared: Rig, key: str) -> None:
    """A key is 1 to 64 printable ASCII characters; what is none is refused before anything is done."""
    name = fresh()
    answer = shared.wire(
        f"POST {PREFIX}/nodes/{shared.top}/folders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token('anna')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(name) + 11}\r\nIdempotency-Key: {key}\r\n"
        f'Connection: close\r\n\r\n{{"name":"{name}"}}'.encode(),
        until_closed=False,
    )
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert name not in shared.names()


@pytest.mark.parametrize("size", [5, 300 * 1024, 2 * 1024 * 1024])
def test_other_bytes_of_the_same_length_are_another_request(shared: Rig, size: int) -> None:
    """Content of any size: the key vouches for the bytes, not only for their number; a file that changed since stays."""
    name, key = fresh(), {"Idempotency-Key": fresh("key")}
    path = f"/nodes/{shared.top}/files?name={name}"
    first = shared.ask("PUT", path, b"a" * size, headers=key)
    edited = shared.edit(first.node, b"newer")
    assert same(first, shared.ask("PUT", path, b"a" * size, headers=key))
    answer = shared.ask("PUT", path, b"b" * size, headers=key)
    assert (answer.status, answer.code) == (422, "key-reused")
    assert shared.node(edited.id) == edited


def test_after_the_thing_has_moved_on(shared: Rig) -> None:
    """A repetition after somebody else changed the thing gives the old answer and changes nothing."""
    file = shared.put(fresh())
    key = {"Idempotency-Key": fresh("key")}
    move = {"parent": shared.top, "name": fresh()}
    moved = shared.ask("POST", f"/nodes/{file.id}/move", move, headers=key)
    again = shared.ask("POST", f"/nodes/{file.id}/move", {"parent": shared.top, "name": fresh("elsewhere")})
    assert same(moved, shared.ask("POST", f"/nodes/{file.id}/move", move, headers=key))
    assert shared.node(file.id) == again.node

    key = {"Idempotency-Key": fresh("key")}
    deleted = shared.ask("DELETE", f"/nodes/{file.id}", headers=key)
    back = shared.ask("POST", f"/trash/{file.id}/restore", {}).node
    assert same(deleted, shared.ask("DELETE", f"/nodes/{file.id}", headers=key))
    assert shared.node(file.id) == back

    node = old_version(shared)
    key = {"Idempotency-Key": fresh("key")}
    present = shared.ask("POST", f"/nodes/{node.id}/versions/2/restore", headers=key)
    edited = shared.edit(node, b"newest")
    assert same(present, shared.ask("POST", f"/nodes/{node.id}/versions/2/restore", headers=key))
    assert shared.node(node.id) == edited


def test_an_upload_whose_answers_were_lost(shared: Rig) -> None:
    """Begin, block and finish may each be repeated; an upload that was cancelled meanwhile is told as gone."""
    name, key = fresh(), {"Idempotency-Key": fresh("key")}
    message = {"parent": shared.top, "name": name, "size": 5}
    first, again = (shared.ask("POST", "/uploads", message, headers=key) for _ in "12")
    assert same(first, again)
    upload = first.json()["id"]
    for _ in "12":
        assert shared.ask("PUT", f"/uploads/{upload}/blocks/0", b"bytes").status == 200
    finish = {"Idempotency-Key": fresh("key")}
    made, same_again = (shared.ask("POST", f"/uploads/{upload}/finish", {}, headers=finish) for _ in "12")
    assert same(made, same_again)
    assert shared.ask("POST", f"/uploads/{upload}/finish", {}).node == made.node
    begun_again = msgspec.json.decode(shared.ask("POST", "/uploads", message, headers=key).body, type=Upload)
    assert (begun_again.state, begun_again.done) == ("written", made.node)

    key = {"Idempotency-Key": fresh("key")}
    message["name"] = fresh()
    gone = shared.ask("POST", "/uploads", message, headers=key).json()["id"]
    assert shared.ask("DELETE", f"/uploads/{gone}").status == 204
    answer = shared.ask("POST", "/uploads", message, headers=key)
    assert (answer.status, answer.code) == (410, "upload-gone")


def test_a_pack_is_remembered_with_its_failures(shared: Rig) -> None:
    """Every file of a repeated pack gets the result it got, the refused ones too."""
    taken, gone, good = shared.put(fresh()).name, fresh(), fresh()
    body = pack(
        new(shared.top, taken, b"1"), new(shared.top, "a/b", b"2"), new(shared.top, good, b"3"), new(10**12, gone, b"4")
    )
    headers = {"Content-Type": "application/x-homestow-pack", "Idempotency-Key": fresh("key")}
    path = f"/roots/{shared.root}/pack"
    first = shared.ask("POST", path, body, headers=headers)
    codes = [(each.get("problem") or {}).get("code") for each in first.json()["results"]]
    assert codes == ["path-taken", "bad-name", None, "not-found"]
    again = shared.ask("POST", path, body, headers=headers)
    assert same(first, again)
    other = pack(
        new(shared.top, taken, b"1"), new(shared.top, "a/b", b"2"), new(shared.top, good, b"X"), new(10**12, gone, b"4")
    )
    assert len(other) == len(body)
    answer = shared.ask("POST", path, other, headers=headers)
    assert (answer.status, answer.code) == (422, "key-reused")


def test_both_at_once(shared: Rig) -> None:
    """A client that gave up waiting and asked again while the first request was still under way: one effect, one answer."""
    names = [fresh("both") for _ in range(12)]
    before = state(shared)[0]
    answers: dict[str, list[Answer]] = {name: [] for name in names}

    def ask(name: str) -> None:
        path = f"/nodes/{shared.top}/files?name={name}"
        answers[name].append(shared.ask("PUT", path, b"once", headers={"Idempotency-Key": f"k-{name}"}))

    def begin(name: str) -> None:
        message = {"parent": shared.top, "name": f"{name}-up", "size": 3}
        answers[name].append(shared.ask("POST", "/uploads", message, headers={"Idempotency-Key": f"u-{name}"}))

    for act in (ask, begin):
        threads = [threading.Thread(target=act, args=(name,)) for name in names for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in names:
            assert {answer.status for answer in answers[name]} == {201}
            assert len({answer.body for answer in answers[name]}) == 1
            answers[name].clear()
    assert state(shared)[0] - before == len(names)
    assert len([name for name in shared.names() if name.startswith("both")]) == len(names)


@pytest.mark.parametrize("name", ["put_file", "move", "delete", "finish_upload", "put_pack", "make_folder", "copy"])
def test_a_lost_reply(rig: Rig, name: str) -> None:
    """The client sends the whole request and goes away without reading; its retry gets the answer and does nothing more."""
    asked = GOOD[name](rig, "anna")
    call = BY_NAME[name]
    body = (
        asked.body if isinstance(asked.body, bytes) else b"" if asked.body is None else msgspec.json.encode(asked.body)
    )
    kind = "application/x-homestow-pack" if name == "put_pack" else "application/json"
    before = state(rig)[0]
    with socket.create_connection((rig.host, rig.port)) as sock:
        sock.sendall(
            f"{call.method} {PREFIX}{asked.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token('anna')}\r\n"
            f"Idempotency-Key: lost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    asked.headers["Idempotency-Key"] = "lost"
    answer = send(rig, call, asked)
    assert answer.status == call.status, answer
    assert state(rig)[0] - before == 1
    rig.restart()
    assert same(answer, send(rig, call, asked))
    assert state(rig)[0] - before == 1


def test_a_version_that_was_purged(shared: Rig) -> None:
    """Removing for good twice with one key is fine; without a key the second finds nothing."""
    node = trashed(shared)
    key = {"Idempotency-Key": fresh("key")}
    assert shared.ask("DELETE", f"/trash/{node.id}", headers=key).status == 204
    assert shared.ask("DELETE", f"/trash/{node.id}", headers=key).status == 204
    assert shared.ask("DELETE", f"/trash/{node.id}").status == 404
    assert shared.catalogue.node(NodeId(node.id)) is None or shared.catalogue.node(NodeId(node.id)).gone  # type: ignore[union-attr]


def test_half_a_copy_is_never_told_as_a_whole_one(rig: Rig) -> None:
    """A folder's copy that failed in the middle leaves no answer under its key, and is filled up when it is asked for again."""
    folder = rig.folder_node("d")
    for number in range(3):
        rig.put(f"f{number}", parent=folder.id)
    seen: list[str] = []

    def act(point: str) -> None:
        seen.append(point)
        if point == "committer.staged_durable" and seen.count(point) == 2:
            raise StorageFull("The disk is full.")

    key = {"Idempotency-Key": "copy"}
    message = {"parent": rig.top, "name": "copy"}
    arm(act)
    try:
        assert rig.ask("POST", f"/nodes/{folder.id}/copy", message, headers=key).code == "storage-full"
    finally:
        arm(None)
    whole = rig.ask("POST", f"/nodes/{folder.id}/copy", message, headers=key)
    assert whole.status == 201
    assert len(rig.names(whole.node.id)) == 3
    message["name"] = "another"
    key["Idempotency-Key"] = "other"
    first, again = (rig.ask("POST", f"/nodes/{folder.id}/copy", message, headers=key) for _ in "12")
    assert first.status == 201
    assert same(first, again)
    assert len(rig.names(first.node.id)) == 3
    rig.nothing_left_over()


def test_uploads_of_two_keys_are_two(shared: Rig) -> None:
    """Without a key each begin is an upload of its own."""
    assert begun(shared, "anna") != begun(shared, "anna")
    assert filled(shared, "anna") != filled(shared, "anna")
