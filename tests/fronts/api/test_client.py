"""The typed client against the real server where the line is busy: refusals before the body was sent, and kept connections."""

import threading

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import Rig

from homestow.client.adapters.remote_api import ApiRemote
from homestow.client.ports.remote import SmallFile
from homestow.values.errors import CloudError, Forbidden, PathTaken, QuotaExceeded, Stale, UploadGone, WrongOffset

LARGE = b"x" * (24 * 1024 * 1024)


def test_a_refusal_arrives_though_the_body_was_not_read(rig: Rig) -> None:
    """The server refuses a long body at its beginning; the client tells that reason, not that the line broke, and goes on."""
    client = rig.client()
    taken = rig.put("taken")
    for _ in range(5):
        with pytest.raises(PathTaken):
            client.put_file(rig.top, "taken", LARGE)
        with pytest.raises(Stale):
            client.put_content(taken.id, 7, LARGE)
        assert client.node(taken.id) == taken
    with pytest.raises(Forbidden):
        rig.client("cora").put_file(rig.top, "new", LARGE)


def test_refused_blocks_and_packs(rig: Rig) -> None:
    """The same for blocks of an upload that is gone or shorter, and for packs of one who may only read."""
    remote = ApiRemote(rig.url, rig.token("anna"), rig.root, timeout_s=20)
    reader = ApiRemote(rig.url, rig.token("cora"), rig.root, timeout_s=20)
    try:
        for _ in range(3):
            with pytest.raises(UploadGone):
                remote.put_block("0" * 32, 0, LARGE)
            state = remote.begin_upload(size=5, mtime_ns=0, block_size=5, parent=rig.top, name=fresh())
            with pytest.raises(WrongOffset):
                remote.put_block(state.id, 0, LARGE)
            with pytest.raises(Forbidden):
                reader.put_small(
                    [SmallFile(b"x" * 1024 * 1024, 0, parent=rig.top, name=f"f{number}") for number in range(20)]
                )
        assert rig.names() == []
    finally:
        remote.close()
        reader.close()


def test_one_client_in_many_threads(rig: Rig) -> None:
    """Threads share a client; every answer belongs to its question."""
    client = rig.client()
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(10):
            name = f"{number}-{turn}"
            node = client.put_file(rig.top, name, name.encode())
            with client.content(node.id) as answer:
                if answer.read(100) != name.encode():
                    wrong.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(rig.names()) == 80


def test_the_server_restarts_between_two_calls(rig: Rig) -> None:
    """A kept connection that died is replaced without a word; a mutating call still has one effect."""
    client = rig.client()
    port = rig.port
    client.put_file(rig.top, "a", b"1")
    rig.restart(port=port)
    client.put_file(rig.top, "b", b"2")
    assert rig.names() == ["a", "b"]


def test_no_room(rig: Rig) -> None:
    """The facts of a refusal reach the program."""
    rig.roots.set_quota("tree", 10)
    with pytest.raises(QuotaExceeded) as caught:
        rig.client().put_file(rig.top, "f", b"x" * 11)
    assert isinstance(caught.value, CloudError)
    assert caught.value.facts == {"free": 10}
