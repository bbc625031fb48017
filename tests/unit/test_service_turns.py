"""Turns keep threads from getting in each other's way, and never stop anybody."""

import threading

import pytest

from homestow.server.service import turns as module
from homestow.server.service.turns import Turns


def test_one_at_a_time() -> None:
    """Two threads that take turns are never inside together."""
    turns, inside, most = Turns(), [0], [0]

    def run() -> None:
        for _ in range(200):
            with turns.mine():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_stalled_one_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited long enough goes on without a turn, and leaves the other's turn alone."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.01)
    turns, went_on = Turns(), threading.Event()

    def other() -> None:
        with turns.mine():
            went_on.set()

    with turns.mine():
        thread = threading.Thread(target=other)
        thread.start()
        assert went_on.wait(10)
        thread.join()
        assert not turns._lock.acquire(blocking=False)
    assert turns._lock.acquire(blocking=False)


def test_an_error_ends_the_turn() -> None:
    """What is raised inside goes out, and the next gets in."""
    turns = Turns()
    with pytest.raises(ValueError, match="inside"), turns.mine():
        raise ValueError("inside")
    assert turns._lock.acquire(blocking=False)
