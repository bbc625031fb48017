"""How much a root or an account may hold. Pure: usage comes in, a decision goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homestow.values.errors import QuotaExceeded
from homestow.values.ids import RootId


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` bytes, or entries, in these roots together (one root's own quota, or all roots of an account)."""

    limit: int
    roots: tuple[RootId, ...]


def room(quotas: Sequence[Quota], used: Mapping[RootId, int]) -> int | None:
    """Bytes that may still be added under every quota, never below 0; None when nothing limits.

    Args:
        used: bytes taken per root, reservations included; every root of every quota.
    """
    if not quotas:
        return None
    return max(0, min(quota.limit - sum(used[root] for root in quota.roots) for quota in quotas))


def check_growth(quotas: Sequence[Quota], used: Mapping[RootId, int], growth: int) -> None:
    """Let `growth` more bytes pass, or not (S108).

    Raises:
        QuotaExceeded: a quota would be passed; fact `free`.
    """
    free = room(quotas, used)
    if free is not None and growth > free:
        raise QuotaExceeded(
            f"Only {free:,} bytes are free under the quota; {growth:,} are needed. "
            "Emptying the trash and removing old versions makes room.",
            free=free,
        )


def entries_left(most: Quota, used: Mapping[RootId, int], coming: int, more: int) -> int:
    """Let `more` more entries pass, or not (S109); how many fit besides them.

    Args:
        used: entries per root, every root of the quota.
        coming: entries let pass before that `used` does not show yet.

    Raises:
        QuotaExceeded: there would be too many; fact `entries`.
    """
    left = most.limit - coming - sum(used[root] for root in most.roots)
    if more > left:
        raise QuotaExceeded(
            f"At most {most.limit:,} files, folders and older versions may be kept, those in the trash included, and "
            f"{max(0, left):,} more fit. Emptying the trash and removing old versions makes room; the server's operator can "
            "raise the setting `entries`.",
            entries=max(0, left),
        )
    return left - more
