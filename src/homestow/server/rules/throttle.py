"""How often somebody may guess passwords: ten tries in 15 minutes, then waits that grow (S43). Pure.

One counter per account name and one per address; both must let a try pass. A try is counted before the password is
looked at, so that tries made side by side count as well; when the password was right, the account's counter is forgotten
and the address gets its try back.
"""

import ipaddress
from dataclasses import dataclass, replace

from homestow.server.rules.passwords import name_key

SECOND = 1_000_000_000
LIMIT = 10
WINDOW_NS = 15 * 60 * SECOND
MAX_WAIT_NS = 60 * 60 * SECOND
FORGIVEN_AFTER = 4
"""A blocked counter begins anew when it was quiet for this many times its last wait."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Tries since `since_ns`; until `until_ns` none passes (0: it never was full)."""

    tries: int = 0
    since_ns: int = 0
    until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `count_try` decided: the counter to store, and how many seconds to wait; None lets the try pass."""

    counter: Counter
    wait_s: int | None


def count_try(counter: Counter, now_ns: int) -> Verdict:
    """Count one try, or refuse it: ten in 15 minutes pass, then one after 15 minutes, one after 30, one an hour.

    Args:
        counter: as stored; `Counter()` where nothing is stored.
        now_ns: wall time. A clock that was set back never blocks for longer than an hour.
    """
    if now_ns < counter.until_ns <= now_ns + MAX_WAIT_NS:
        return Verdict(counter, _seconds(counter.until_ns - now_ns))
    if _forgiven(counter, now_ns):
        counter = Counter(0, now_ns, 0)
    tries = counter.tries + 1
    if tries < LIMIT:
        return Verdict(Counter(tries, counter.since_ns, 0), None)
    if tries == LIMIT:
        return Verdict(Counter(tries, counter.since_ns, max(counter.since_ns + WINDOW_NS, now_ns + SECOND)), None)
    return Verdict(Counter(tries, counter.since_ns, now_ns + _wait_ns(tries)), None)


def is_blocked(counter: Counter, now_ns: int) -> int | None:
    """Seconds to wait when a try would be refused now, without counting one; None when it would pass."""
    return count_try(counter, now_ns).wait_s


def give_back(counter: Counter, now_ns: int) -> Counter:
    """The counter without one try: the password was right, so it was no guess and the next may follow at once."""
    return replace(counter, tries=max(counter.tries - 1, 0), until_ns=min(counter.until_ns, now_ns))


def is_stale(counter: Counter, now_ns: int) -> bool:
    """Whether the row says nothing any more and may be removed."""
    return now_ns >= counter.until_ns and _forgiven(counter, now_ns)


def address_key(address: str) -> str:
    """The counter of an address: public ones by their /24 or /64, private ones one by one (a family shares a LAN).

    Args:
        address: text of an IPv4 or IPv6 address, with or without a zone; anything else ("", a socket path) is one counter
            for all of its kind.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "address:local"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if not found.is_global:
        return f"address:{found}"
    bits = 24 if found.version == 4 else 64
    return f"address:{ipaddress.ip_network((found, bits), strict=False)}"


def account_key(name: str) -> str:
    """The counter of an account, known or not: unknown names are slowed down alike (S45)."""
    return f"account:{name_key(name)[:80]}"


def _wait_ns(tries: int) -> int:
    doublings = min(max(tries - LIMIT - 1, 0), 8)
    return min(WINDOW_NS << doublings, MAX_WAIT_NS)


def _forgiven(counter: Counter, now_ns: int) -> bool:
    if now_ns < counter.since_ns:  # the clock was set back
        return True
    if counter.tries < LIMIT:
        return now_ns >= counter.since_ns + WINDOW_NS
    return now_ns >= counter.until_ns + FORGIVEN_AFTER * _wait_ns(counter.tries)


def _seconds(wait_ns: int) -> int:
    return max(-(-wait_ns // SECOND), 1)
