"""The computer's own threads keep their bounds."""

import threading
from collections.abc import Iterator

from homestow.client.adapters.clock_system import SystemChance, SystemClock, ThreadWorkers


def test_every_item_has_its_outcome() -> None:
    """Results and exceptions come with their items, in any order, each once."""
    workers = ThreadWorkers(3)

    def half(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    outcomes = dict(workers.run(half, range(50)))
    assert {item: outcome for item, outcome in outcomes.items() if isinstance(outcome, int)} == {
        number: number // 2 for number in range(0, 50, 2)
    }
    assert all(isinstance(outcomes[number], ValueError) for number in range(1, 50, 2))
    workers.close()


def test_items_are_taken_only_a_few_ahead() -> None:
    """However many items there are, only threads plus `ahead` of them are taken before an outcome is read (P11)."""
    workers = ThreadWorkers(2, ahead=3)
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    outcomes = iter(workers.run(lambda item: item, items()))
    for read in range(1, 20):
        next(outcomes)
        assert taken <= read + 5
    workers.close()


def test_at_most_so_many_at_once_and_stopping_early_waits() -> None:
    """Never more threads work than were asked for; who stops reading finds nothing under way afterwards."""
    workers = ThreadWorkers(2, ahead=5)
    lock = threading.Lock()
    at_once = [0, 0]
    begun = threading.Event()

    def work(item: int) -> int:
        with lock:
            at_once[0] += 1
            at_once[1] = max(at_once)
        begun.set()
        with lock:
            at_once[0] -= 1
        return item

    outcomes = workers.run(work, range(100))
    next(outcomes)
    outcomes.close()
    assert begun.is_set()
    assert at_once[0] == 0
    assert at_once[1] <= 2
    workers.close()


def test_clock_and_chance() -> None:
    """Time goes forward, keys are 32 hexadecimal digits and fractions below 1."""
    clock, chance = SystemClock(), SystemChance()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.now_ns() > 1_700_000_000_000_000_000
    assert len({chance.key() for _ in range(10)}) == 10
    assert all(len(chance.key()) == 32 and 0 <= chance.fraction() < 1 for _ in range(10))
