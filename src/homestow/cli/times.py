"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta

from homestow.cli.troubles import USAGE, Trouble

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 253_402_300_800 * 1_000_000_000 - 1
"""The end of year 9999, which is as far as calendars here go."""


def read_time(text: str, *, end: bool = False) -> int:
    """Nanoseconds since 1970 of "2026-11-21T08:00:00+01:00", "2026-11-21 08:00" (local time), "2026-11-21" or seconds.

    Args:
        end: a day alone means its last moment, not its first.
    Raises:
        Trouble: none of these, or a time before 1970.
    """
    seconds, _, fraction = text.strip().partition(".")
    if seconds.isascii() and seconds.isdigit() and (fraction or "0").isascii() and (fraction or "0").isdigit():
        at = int(seconds[:12]) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
    else:
        at = _of_calendar(text.strip(), end)
    if not 0 <= at <= _LAST_NS:
        raise Trouble(f"{text!r} is not a time from 1970 to 9999.", USAGE)
    return at


def _of_calendar(text: str, end: bool) -> int:
    try:
        at = datetime.fromisoformat(text)
        if end and len(text) == len("2026-11-21") and ":" not in text:
            at += timedelta(days=1)
        else:
            end = False
        since = at.astimezone(UTC) - _ZERO
    except (ValueError, OverflowError, OSError) as error:
        raise Trouble(
            f"{text!r} is no time; write 2026-11-21T08:00, with a zone (+01:00, Z) if it is not this computer's, or seconds "
            "since 1970.",
            USAGE,
        ) from error
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000 - end
