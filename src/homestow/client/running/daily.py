"""When a job of a daily time is due, by the computer's own time of day."""

from datetime import datetime, timedelta, tzinfo


def next_at_ns(now_ns: int, hour: int, minute: int, zone: tzinfo | None = None) -> int:
    """The first moment after `now_ns` at which clocks show hour and minute (nanoseconds since 1970 UTC).

    A time that daylight saving leaves out comes as much later as clocks were set forward; one that comes twice counts once.
    `zone` None: the computer's.
    """
    day = _local(now_ns, zone)
    return next(at for extra in range(3) if (at := _at(day, extra, hour, minute, zone)) > now_ns)


def last_at_ns(now_ns: int, hour: int, minute: int, zone: tzinfo | None = None) -> int:
    """The last moment at or before `now_ns` at which clocks showed hour and minute."""
    day = _local(now_ns, zone)
    return next(at for extra in range(0, -3, -1) if (at := _at(day, extra, hour, minute, zone)) <= now_ns)


def _local(now_ns: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(now_ns // 1_000_000_000, zone)


def _at(day: datetime, extra: int, hour: int, minute: int, zone: tzinfo | None) -> int:
    date = day.date() + timedelta(days=extra)
    moment = datetime(date.year, date.month, date.day, hour, minute, tzinfo=zone)
    return int(moment.timestamp()) * 1_000_000_000
