"""A server whose wire can be cut, and which counts what is asked of it; for tests of `running`."""

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from tests.unit.sync_rig import Computer

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.ports.remote import Limits, Remote
from homestow.values.errors import Unreachable

MUTATIONS = frozenset(
    ("make_folder", "make_folders", "move", "delete", "set_mtime", "put_small", "begin_upload", "put_block", "finish")
)
BLOCK = 64 * 1024


class Wire:
    """A `Remote` that counts calls; `fail` may raise before a call, `lose` after it."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.calls: Counter[str] = Counter()
        self.sent = 0
        self.fail: Callable[[str], None] = lambda name: None
        self.lose: Callable[[str], None] = lambda name: None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._remote, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            self.fail(name)
            if name == "put_block":
                self.sent += len(args[2])
            answer = found(*args, **kwargs)
            self.lose(name)
            return answer

        return call

    def mutations(self) -> int:
        return sum(count for name, count in self.calls.items() if name in MUTATIONS)


def wired(name: str, server: MemoryServer, clock: SimClock, **more: Any) -> tuple[Computer, Wire]:
    made: list[Wire] = []

    def around(remote: Remote) -> Remote:
        made.append(Wire(remote))
        return cast(Remote, made[-1])

    return Computer(name, server, clock, around=around, **more), made[-1]


def small_blocks() -> MemoryServer:
    """A server on which a few hundred KiB already are a large file."""
    return MemoryServer(limits=Limits(1000, 1024 * 1024, 16 * 1024, BLOCK))


def broken(after: int, *, names: frozenset[str] = MUTATIONS) -> Callable[[str], None]:
    """Cuts the connection at the n-th of these calls and at all that follow."""
    left = after

    def fail(name: str) -> None:
        nonlocal left
        if name in names:
            left -= 1
            if left < 0:
                raise Unreachable("cut")

    return fail


def nothing(name: str) -> None:
    """No fault."""
