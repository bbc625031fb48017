"""The change feed: what it tells, how it waits, how it is woken, and when a reader has to list anew."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import PASSWORD, Answer, Rig

from homestow.client.adapters.remote_api import ApiRemote
from homestow.values.errors import CursorGone
from homestow.values.ids import DeviceId


def cursor(rig: Rig) -> str:
    return str(rig.services.changes.cursor())


def changes(rig: Rig, since: str, query: str = "", **more: Any) -> Answer:
    return rig.ask("GET", f"/roots/{rig.root}/changes?cursor={since}{query}", **more)


def waiting(rig: Rig, pool: ThreadPoolExecutor, since: str, wait: int = 20, **more: Any) -> "Future[Answer]":
    """A reader that surely waits already."""
    readers = len(rig.waiting())
    answer = pool.submit(changes, rig, since, f"&wait={wait}", **more)
    give_up = time.monotonic() + 20
    while len(rig.waiting()) <= readers and not answer.done():
        assert time.monotonic() < give_up
        threading.Event().wait(0.002)
    return answer


def test_latest_states_in_pages(shared: Rig) -> None:
    """Each changed node once, in its last state, oldest change first; `more` says that there is another page."""
    since = cursor(shared)
    nodes = [shared.put(fresh()) for _ in range(5)]
    nodes[0] = shared.edit(nodes[0], b"2")
    seen: list[int] = []
    while True:
        page = changes(shared, since, "&limit=2").json()
        assert len(page["nodes"]) <= 2
        seen += [each["id"] for each in page["nodes"] if each["kind"] == "file"]
        since = page["cursor"]
        if not page["more"]:
            break
    assert seen == [*(node.id for node in nodes[1:]), nodes[0].id]
    assert changes(shared, since).json() == {"nodes": [], "cursor": since, "more": False}


def test_a_waiting_reader_is_woken(shared: Rig) -> None:
    """A change wakes every reader of its root at once; one that waits for another root sleeps on."""
    with ThreadPoolExecutor(4) as pool:
        since = cursor(shared)
        readers = [waiting(shared, pool, since) for _ in range(3)]
        began = time.monotonic()
        node = shared.put(fresh())
        for reader in readers:
            told = reader.result(15).json()
            assert node.id in [each["id"] for each in told["nodes"]]
            assert told["cursor"] != since
        assert time.monotonic() - began < 10
    assert shared.waiting() == []


def test_another_roots_change_wakes_nobody(rig: Rig) -> None:
    """Who waits for one root is not disturbed by another."""
    (own,) = rig.ask("GET", "/roots", user="dan").json()["roots"]
    with ThreadPoolExecutor(1) as pool:
        reader = waiting(rig, pool, cursor(rig), wait=1)
        rig.put("f", parent=own["top"], user="dan")
        answer = reader.result(15).json()
    assert answer["nodes"] == []


def test_the_wait_ends(shared: Rig) -> None:
    """After the time asked for an answer without changes comes; without a wait it comes at once."""
    since = cursor(shared)
    began = time.monotonic()
    assert changes(shared, since).json()["nodes"] == []
    assert changes(shared, since, "&wait=1").json()["nodes"] == []
    assert 0.9 < time.monotonic() - began < 10
    for wrong in ("61", "-1", "1.5", "x", ""):
        assert changes(shared, since, f"&wait={wrong}").status == 400


def test_a_reader_that_hangs_up_is_forgotten(rig: Rig) -> None:
    """A client that leaves while it waits costs nothing any more."""
    import socket

    with socket.create_connection((rig.host, rig.port)) as sock:
        path = f"/api/v1/roots/{rig.root}/changes?cursor={cursor(rig)}&wait=60"
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token('anna')}\r\n\r\n".encode())
        give_up = time.monotonic() + 20
        while not rig.waiting():
            assert time.monotonic() < give_up
            threading.Event().wait(0.002)
    rig.quiet()
    assert rig.waiting() == []


def test_closing_ends_the_wait(rig: Rig) -> None:
    """A server that stops does not wait for its readers."""
    with ThreadPoolExecutor(1) as pool:
        reader = waiting(rig, pool, cursor(rig), wait=60)
        began = time.monotonic()
        rig.restart()
        assert reader.result(20).status == 200
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("how", ["device removed", "password changed", "member removed"])
def test_what_is_taken_away_ends_the_wait(rig: Rig, how: str) -> None:
    """S49: the next look of a waiting reader, at the latest after half a minute, finds that it may not look any more."""
    entered = rig.services.accounts.log_in("ben", PASSWORD, "phone", "")
    other = rig.services.accounts.log_in("ben", PASSWORD, "laptop", "")
    with ThreadPoolExecutor(1) as pool:
        reader = waiting(rig, pool, cursor(rig), wait=60, user=None, token=entered.token)
        match how:
            case "device removed":
                rig.services.accounts.remove_device(other.principal, DeviceId(entered.principal.device))
            case "password changed":
                rig.services.accounts.change_password(other.principal, PASSWORD, "another good password", "")
            case _:
                rig.ask("PUT", f"/roots/{rig.root}/members", {"user": "ben", "rights": "none"})
        rig.put("news")
        answer = reader.result(20)
    assert answer.status == (404 if how == "member removed" else 401)


@pytest.mark.parametrize(
    "wrong", ["x", "", "1", "0" * 32, "0" * 32 + "-", "0" * 32 + "-x", "G" * 32 + "-1", "0" * 32 + "-" + "9" * 19]
)
def test_what_is_no_cursor(shared: Rig, wrong: str) -> None:
    """Other text than a cursor is a mistake of the client, told as such."""
    for call in ("changes", "journal", "tree"):
        answer = shared.ask("GET", f"/roots/{shared.root}/{call}?cursor={wrong}")
        assert (answer.status, answer.code) == (400, "bad-request")


def test_cursors_that_are_gone(rig: Rig) -> None:
    """R17, R23: ahead of the journal, older than what is kept, or of another life: list anew, and nothing was deleted."""
    for _ in range(3):
        rig.put(fresh())
    epoch, number = cursor(rig).split("-")
    assert changes(rig, f"{epoch}-{int(number) + 1}").code == "cursor-gone"
    assert changes(rig, f"{'0' * 32}-{number}").code == "cursor-gone"
    rig.core.changes.compact(int(number) - 1)
    assert changes(rig, f"{epoch}-1").code == "cursor-gone"
    assert changes(rig, f"{epoch}-{int(number) - 1}").status == 200
    rig.core.changes.renew_epoch()
    answer = changes(rig, f"{epoch}-{number}")
    assert (answer.status, answer.code) == (410, "cursor-gone")
    assert answer.headers["homestow-epoch"] != epoch
    fresh_listing = rig.ask("GET", f"/roots/{rig.root}/tree").json()
    assert len(fresh_listing["nodes"]) == 4
    assert changes(rig, fresh_listing["cursor"]).status == 200


def test_the_client_means_one_life(rig: Rig) -> None:
    """R23: after a restore no call of the sync client has an effect before it looked at the root again; then all go on."""
    remote = ApiRemote(rig.url, rig.token("anna"), rig.root, timeout_s=20)
    try:
        root = remote.root()
        node = rig.put("f")
        rig.core.changes.renew_epoch()
        number = rig.services.changes.cursor().number
        for act in (
            lambda: remote.node(node.id),
            lambda: remote.delete(node.id, node.change),
            lambda: remote.move(node.id, root.top, "g", node.change),
            lambda: remote.make_folder(root.top, "d"),
            remote.tree,
            lambda: remote.begin_upload(size=1, mtime_ns=0, block_size=1, parent=root.top, name="h"),
            lambda: list(remote.get_small([(node.id, 1)])),
            lambda: list(remote.read(node.id, 1, 0, 1)),
        ):
            with pytest.raises(CursorGone):
                act()
        assert rig.services.changes.cursor().number == number
        assert remote.root().epoch != root.epoch
        assert remote.node(node.id) == node
        remote.delete(node.id, node.change)
    finally:
        remote.close()


def test_the_journal_tells_every_entry(shared: Rig) -> None:
    """Raw entries: each change once, by whom and when, in order; the cursor goes on behind them."""
    since = cursor(shared)
    node = shared.put(fresh())
    shared.edit(node, b"2")
    shared.ask("POST", f"/nodes/{node.id}/facts", {"mtime_ns": 7})
    shared.ask("POST", f"/nodes/{node.id}/move", {"parent": shared.top, "name": fresh()}, user="ben")
    shared.ask("DELETE", f"/nodes/{node.id}")
    shared.ask("POST", f"/trash/{node.id}/restore", {})
    page = shared.ask("GET", f"/roots/{shared.root}/journal?cursor={since}").json()
    kinds = ["created", "content", "facts", "moved", "trashed", "restored"]
    assert [entry["kind"] for entry in page["entries"]] == kinds
    assert [entry["user"] for entry in page["entries"]] == ["anna", "anna", "anna", "ben", "anna", "anna"]
    assert {entry["node"] for entry in page["entries"]} == {node.id}
    numbers = [entry["number"] for entry in page["entries"]]
    assert numbers == sorted(set(numbers))
    assert shared.ask("GET", f"/roots/{shared.root}/journal?cursor={page['cursor']}").json()["entries"] == []
    first = shared.ask("GET", f"/roots/{shared.root}/journal?cursor={since}&limit=2").json()
    rest = shared.ask("GET", f"/roots/{shared.root}/journal?cursor={first['cursor']}").json()
    assert [*first["entries"], *rest["entries"]] == page["entries"]
