"""How long versions, trash, uploads and the journal are kept. Pure: times come in, what has had its time goes out."""

from collections.abc import Iterable
from dataclasses import dataclass

HOUR_NS = 3600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, all in nanoseconds.

    Attributes:
        all_versions_ns: every version is kept this long after it was replaced.
        daily_versions_ns: after that the last of each UTC day, until it is this old.
        trash_ns: how long the trash keeps what was deleted.
        upload_ns: an upload nobody touched for this long is dropped.
        journal_ns, journal_min: entries older than this may be compacted, but the newest `journal_min` stay.
        keys_ns: how long an idempotency key is remembered.
        seen_tokens_ns: a login that was not used for this long ends.
    """

    all_versions_ns: int = DAY_NS
    daily_versions_ns: int = 30 * DAY_NS
    trash_ns: int = 30 * DAY_NS
    upload_ns: int = 7 * DAY_NS
    journal_ns: int = 90 * DAY_NS
    journal_min: int = 100_000
    keys_ns: int = 48 * HOUR_NS
    seen_tokens_ns: int = 365 * DAY_NS


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept content of a file: its rev and when it stopped being the present one."""

    rev: int
    replaced_ns: int


def versions_to_drop(kept: Iterable[Kept], policy: Retention, now_ns: int) -> list[int]:
    """Revs whose time is over: all stay for `all_versions_ns`, then one a day, and none after `daily_versions_ns`.

    Of a UTC day the newest rev stays, so the choice is the same at whatever hour upkeep runs. Times in the future (a clock
    that was wrong) are kept.

    Args:
        kept: the older contents of one file, in any order, the present one not among them.
    Returns:
        revs in ascending order.
    """
    dropped: list[int] = []
    days: set[int] = set()
    for version in sorted(kept, key=lambda one: one.rev, reverse=True):
        age = now_ns - version.replaced_ns
        day = version.replaced_ns // DAY_NS
        if age < policy.all_versions_ns:
            days.add(day)
        elif age >= policy.daily_versions_ns or day in days:
            dropped.append(version.rev)
        else:
            days.add(day)
    return sorted(dropped)


def older_than(keep_ns: int, now_ns: int) -> int:
    """The time before which something kept for `keep_ns` has had its time, never negative."""
    return max(now_ns - keep_ns, 0)
