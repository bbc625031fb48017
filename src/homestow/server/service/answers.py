"""Idempotency keys for changes that the committer does not carry out (P8)."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from homestow.server.ports.catalogue import Catalogue
from homestow.server.rules.access import Principal
from homestow.server.service.committer import Committer
from homestow.server.service.work import Once, RowsWork, answered
from homestow.values.ids import RootId

T = TypeVar("T")


class Answers:
    """What was answered to whose key."""

    def __init__(self, catalogue: Catalogue, committer: Committer) -> None:
        self._catalogue = catalogue
        self._committer = committer

    def once(self, who: Principal, root: RootId, once: Once | None, gives: type[T], act: Callable[[], T]) -> T:
        """The answer that the key got before, or else what `act` gives, remembered under it.

        When the process dies in between, a repetition acts again: `act` must set a state, not add to one.

        Raises:
            KeyReused: the key came with another request.
        """
        told = answered(self._catalogue, who, once)
        if told is not None:
            return msgspec.json.decode(told, type=gives)
        result = act()
        if once is not None:
            self._committer.run(RowsWork(who, root, lambda rows: result, once=once, gives=gives))
        return result
