"""Guessing is slowed down (S43) and a family behind one address is not."""

from hypothesis import given
from hypothesis import strategies as st

from homestow.server.rules.throttle import (
    LIMIT,
    MAX_WAIT_NS,
    SECOND,
    WINDOW_NS,
    Counter,
    account_key,
    address_key,
    count_try,
    give_back,
    is_blocked,
    is_stale,
)

START = 1_700_000_000 * SECOND


def guess(counter: Counter, now_ns: int, times: int) -> tuple[Counter, int]:
    """The counter after `times` wrong tries at one moment, and how many of them passed."""
    passed = 0
    for _ in range(times):
        verdict = count_try(counter, now_ns)
        counter = verdict.counter
        passed += verdict.wait_s is None
    return counter, passed


def test_ten_pass_and_the_eleventh_waits() -> None:
    """Of a thousand tries side by side ten reach the hash."""
    counter, passed = guess(Counter(), START, 1000)

    assert passed == LIMIT
    assert is_blocked(counter, START) == WINDOW_NS // SECOND


def test_waits_grow_and_end_at_an_hour() -> None:
    """After the first ten one try passes per wait: 15, 15, 30, 60, 60 … minutes."""
    counter, _ = guess(Counter(), START, LIMIT)
    now, waits = START, []
    for _ in range(5):
        wait = is_blocked(counter, now)
        assert wait is not None
        waits.append(wait // 60)
        now += wait * SECOND
        counter, passed = guess(counter, now, 100)
        assert passed == 1

    assert waits == [15, 15, 30, 60, 60]


def test_quiet_is_forgiven() -> None:
    """A window with few tries begins anew after 15 minutes, a full one after four times its wait."""
    few, _ = guess(Counter(), START, LIMIT - 1)
    assert guess(few, START + WINDOW_NS, 100)[1] == LIMIT
    full, _ = guess(Counter(), START, LIMIT)
    assert guess(full, START + WINDOW_NS, 100)[1] == 1
    assert guess(full, START + WINDOW_NS * 5, 100)[1] == LIMIT


def test_right_passwords_cost_nothing() -> None:
    """A household logs in forty times in a minute from one address."""
    counter = Counter()
    for minute in range(40):
        verdict = count_try(counter, START + minute * SECOND)
        assert verdict.wait_s is None
        counter = give_back(verdict.counter, START + minute * SECOND)


def test_an_own_account_does_not_wash_an_address_clean() -> None:
    """Someone who fails ten times and then logs in rightly once has no new ten tries."""
    counter, _ = guess(Counter(), START, LIMIT)
    later = START + WINDOW_NS
    counter = give_back(count_try(counter, later).counter, later)

    assert guess(counter, later, 100)[1] == 1


def test_a_clock_set_back_never_locks_out_for_long() -> None:
    """A block from the future is not believed when it is longer than the longest wait."""
    counter, _ = guess(Counter(), START, LIMIT)

    assert is_blocked(counter, START - 30 * 24 * 3600 * SECOND) is None


@given(st.lists(st.tuples(st.integers(0, 2 * 3600), st.booleans()), max_size=200))
def test_no_fifteen_minutes_see_two_full_windows(steps: list[tuple[int, bool]]) -> None:
    """However tries are spread over two windows, fewer than twenty wrong ones pass in any 15 minutes."""
    counter, now = Counter(), START
    failed: list[int] = []
    for pause, right in steps:
        now += pause * SECOND // 10
        verdict = count_try(counter, now)
        counter = verdict.counter
        assert verdict.wait_s is None or 0 < verdict.wait_s <= MAX_WAIT_NS // SECOND
        if verdict.wait_s is None:
            if right:
                counter = give_back(counter, now)
            else:
                failed.append(now)

    for first in failed:
        assert sum(first <= at < first + WINDOW_NS for at in failed) <= 2 * LIMIT - 1


def test_stale_rows_may_go() -> None:
    """A row is only removed when it would not change an answer."""
    counter, _ = guess(Counter(), START, 3)

    assert not is_stale(counter, START)
    assert is_stale(counter, START + WINDOW_NS)


def test_addresses_share_a_counter_only_when_public() -> None:
    """Public addresses count by /24 and /64, private and local ones one by one, mapped ones as what they map."""
    assert address_key("8.8.8.8") == address_key("8.8.8.200") == address_key("::ffff:8.8.8.9")
    assert address_key("8.8.8.8") != address_key("8.8.9.8")
    assert address_key("2a00:1450:4001:81b::1") == address_key("2a00:1450:4001:81b:ffff::2")
    assert address_key("2a00:1450:4001:81b::1") != address_key("2a00:1450:4001:81c::1")
    assert address_key("192.168.1.2") != address_key("192.168.1.3")
    assert address_key("fd00::1") != address_key("fd00::2")
    assert address_key("fe80::1%eth0") == address_key("fe80::1")
    assert address_key("") == address_key("no address") == "address:local"


def test_spellings_of_one_name_share_a_counter() -> None:
    """Capitals do not give ten more tries."""
    assert account_key("Anna") == account_key("ANNA") != account_key("anne")
