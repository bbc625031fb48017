"""An event loop whose clock stands still until a test moves it, so that no deadline is waited for."""

import asyncio
from collections.abc import Iterable


class MovedLoop(asyncio.SelectorEventLoop):
    """Real sockets, real workers, and a clock that only `move` moves.

    For a folder's conftest: `def pytest_asyncio_loop_factories() -> dict[str, type[MovedLoop]]: return {"moved": MovedLoop}`.
    """

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__()

    def time(self) -> float:
        """What the clock shows, in seconds."""
        return self._now

    async def move(self, seconds: float, steps: int = 1) -> None:
        """Let the clock go on, and whatever is due then happen; in several steps where one thing leads to the next."""
        for _ in range(steps):
            self._now += seconds / steps
            await turns()


async def turns(count: int = 20) -> None:
    """Let everything that can go on without waiting do so: some turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def the_loop() -> MovedLoop:
    """The running loop of a test that asked for one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MovedLoop)
    return loop


async def all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for tasks, and raise what one of them raised."""
    await asyncio.gather(*tasks)
