"""Sets of byte ranges as flat tuples: start, stop, start, stop …; sorted, apart from one another, stop excluded. Pure."""

Ranges = tuple[int, ...]


def add(ranges: Ranges, start: int, stop: int) -> Ranges:
    """With [start, stop) in it."""
    if start >= stop:
        return ranges
    if ranges and ranges[-1] == start:  # the usual case: blocks come in order
        return (*ranges[:-1], stop)
    out: list[int] = []
    for first, last in pairs(ranges):
        if last < start or first > stop:
            out += (first, last)
        else:
            start, stop = min(start, first), max(stop, last)
    out += (start, stop)
    spans = sorted(zip(out[::2], out[1::2], strict=True))
    return tuple(edge for span in spans for edge in span)


def remove(ranges: Ranges, start: int, stop: int) -> Ranges:
    """Without [start, stop)."""
    if start >= stop:
        return ranges
    out: list[int] = []
    for first, last in pairs(ranges):
        if first < min(last, start):
            out += (first, min(last, start))
        if max(first, stop) < last:
            out += (max(first, stop), last)
    return tuple(out)


def pairs(ranges: Ranges) -> list[tuple[int, int]]:
    """As (start, stop)."""
    return list(zip(ranges[::2], ranges[1::2], strict=True))


def covers(ranges: Ranges, start: int, stop: int) -> bool:
    """Whether all of [start, stop) is in it."""
    return start >= stop or any(first <= start and stop <= last for first, last in pairs(ranges))


def covered(ranges: Ranges, start: int) -> int:
    """How far the bytes from `start` on are in it without a gap: an offset, `start` itself when that byte is not."""
    return next((last for first, last in pairs(ranges) if first <= start < last), start)


def count(ranges: Ranges) -> int:
    """Bytes in it."""
    return sum(ranges[1::2]) - sum(ranges[::2])


def prefix(ranges: Ranges) -> int:
    """Bytes from 0 on without a gap."""
    return ranges[1] if ranges and ranges[0] == 0 else 0
