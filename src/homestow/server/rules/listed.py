"""Facts of a file as lists show and sort them."""

NS = 1_000_000_000


def created_s(given_s: float | None, taken_ns: int | None, birth_ns: int, mtime_ns: int, ctime_ns: int) -> float:
    """When a file was made, in seconds since 1970: as a client told, else as its camera told, else the earliest of the disk's times.

    Args:
        birth_ns, mtime_ns, ctime_ns: 0 where the disk does not tell. 0.0 when it tells none.
    """
    if given_s is not None:
        return given_s
    if taken_ns is not None:
        return taken_ns / NS
    return min((time for time in (birth_ns, mtime_ns, ctime_ns) if time), default=0) / NS
