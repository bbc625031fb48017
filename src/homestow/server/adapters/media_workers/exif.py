"""Orientation, time and place from EXIF. Whatever is not as the standard has it counts as not told."""

import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from PIL import Image

_ORIENTATION: Final = 0x0112
_CHANGED: Final = 0x0132
_EXIF: Final = 0x8769
_GPS: Final = 0x8825
_TAKEN: Final = 0x9003
_DIGITISED: Final = 0x9004
_TAKEN_ZONE: Final = 0x9011
_TAKEN_PART: Final = 0x9291
NONSENSE: Final = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError, SyntaxError, OSError,
    struct.error,
)  # fmt: skip
"""What Pillow's readers raise on data that is not what it claims."""


class Told(NamedTuple):
    """What EXIF tells; see `ports.media.Facts`."""

    orientation: int | None = None
    taken_ns: int | None = None
    latitude: float | None = None
    longitude: float | None = None


def told(exif: "Image.Exif") -> Told:
    """Everything we use of it."""
    try:
        orientation = exif.get(_ORIENTATION)
        orientation = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else None
    except NONSENSE:
        return Told()
    try:
        taken = _taken(exif)
    except NONSENSE:
        taken = None
    try:
        place = _place(exif.get_ifd(_GPS))
    except NONSENSE:
        place = None
    return Told(orientation, taken, *(place or (None, None)))


def _taken(exif: "Image.Exif") -> int | None:
    more = exif.get_ifd(_EXIF)
    for text, zone, part in (
        (more.get(_TAKEN), more.get(_TAKEN_ZONE), more.get(_TAKEN_PART)),
        (more.get(_DIGITISED), None, None),
        (exif.get(_CHANGED), None, None),
    ):
        found = moment(text, zone, part)
        if found is not None:
            return found
    return None


def moment(text: object, zone: object = None, part: object = None) -> int | None:
    """Nanoseconds since 1970 of "YYYY:MM:DD hh:mm:ss" with a zone like "+02:00" (UTC without) and decimals of the second."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.strptime(text.strip().strip("\0")[:19].replace("-", ":", 2), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    ns = int(when.replace(tzinfo=_zone(zone)).timestamp()) * 1_000_000_000
    if isinstance(part, str) and (digits := part.strip().strip("\0")).isdecimal() and digits.isascii():
        ns += int(f"{digits:0<9}"[:9])
    return ns


def _zone(text: object) -> timezone:
    if isinstance(text, str) and len(text) >= 6 and text[0] in "+-" and text[3] == ":":
        hours, minutes = text[1:3], text[4:6]
        if hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            return timezone(-offset if text[0] == "-" else offset)
    return UTC


def _place(gps: dict[int, Any]) -> tuple[float, float] | None:
    latitude, longitude = _degrees(gps.get(2), gps.get(1), "S"), _degrees(gps.get(4), gps.get(3), "W")
    if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return latitude, longitude


def _degrees(parts: Any, side: object, negative: str) -> float | None:
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3 or not isinstance(side, str):
        return None
    value: float = sum(float(part) / 60**at for at, part in enumerate(parts))
    return -value if side.upper().startswith(negative) else value
