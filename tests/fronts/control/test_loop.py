"""The thread that owns the sockets of the control link: whoever asks it for something hears what came of it."""

import threading
from concurrent.futures import Future

import pytest

from homestow.client.control.loop import Loop


def test_whatever_goes_wrong_in_a_call_is_heard_by_who_asked() -> None:
    """Also what nobody thought of: somebody waits for it, and may hold others up meanwhile."""
    loop = Loop(lambda: None)
    loop.start()
    heard: Future[None] = Future()

    def fail() -> None:
        raise ZeroDivisionError

    def ask() -> None:
        try:
            heard.set_result(loop.call(fail))
        except ZeroDivisionError as error:
            heard.set_exception(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        with pytest.raises(ZeroDivisionError):
            heard.result(10)
        assert loop.call(lambda: 5) == 5
    finally:
        loop.end()
