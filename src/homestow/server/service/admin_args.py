"""What administration orders are given, and what they give back."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from homestow.values.errors import BadRequest
from homestow.wire.api import Order, Outcome


class Args:
    """An order's arguments, each read once with its type."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def text(self, name: str) -> str:
        """Text that must be there."""
        value = self._order.args.get(name)
        if not isinstance(value, str) or not value:
            raise BadRequest(f"{self._order.name} needs {name!r} as text.")
        return value

    def maybe_text(self, name: str) -> str | None:
        """Text or nothing."""
        return self.text(name) if self._order.args.get(name) is not None else None

    def flag(self, name: str) -> bool:
        """Yes or no; no when it is left out."""
        value = self._order.args.get(name, False)
        if not isinstance(value, bool):
            raise BadRequest(f"{self._order.name} takes {name!r} as true or false.")
        return value

    def number(self, name: str) -> int:
        """A whole number, 0 or more."""
        value = self.maybe_number(name)
        if value is None:
            raise BadRequest(f"{self._order.name} needs {name!r} as a whole number.")
        return value

    def maybe_number(self, name: str) -> int | None:
        """A whole number, 0 or more, or nothing."""
        value = self._order.args.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62):
            raise BadRequest(f"{self._order.name} takes {name!r} as a whole number, 0 or more.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty when it is left out."""
        value = self._order.args.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadRequest(f"{self._order.name} takes {name!r} as a list of texts.")
        return value


Orders = Mapping[str, Callable[[Args], Outcome]]
"""What carries out each order, by its name."""


def outcome(lines: Sequence[str], data: object) -> Outcome:
    """What came of an order: lines for people, and values that JSON can say for programs."""
    return Outcome(lines=list(lines), data=msgspec.Raw(msgspec.json.encode(data)))
