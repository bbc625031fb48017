"""Named points at which tests make this process die or its disk fail; in normal runs each is one comparison.

`faultpoint("committer.synced")` stands at every step of persistence. Who wants faults installs an action with `arm`
(see `homestow.cli.faults`); the list of all names is gathered from the source by the tests, so a point that no test
reaches is noticed.
"""

from collections.abc import Callable

_action: Callable[[str], None] | None = None


def faultpoint(name: str) -> None:
    """A place where something may be made to happen."""
    if _action is not None:
        _action(name)


def arm(action: Callable[[str], None] | None) -> None:
    """Call `action` with the name of every point reached from now on; None for peace again."""
    global _action
    _action = action
