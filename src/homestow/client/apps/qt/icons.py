"""Our pictograms: strokes on a square of 24, painted for any size, colour and density, so that no image files are needed."""

from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

_GRID: Final = 24.0
_STROKE: Final = 1.7

# Strokes: M x y begins, L x y draws on, C x1 y1 x2 y2 x y curves, Z closes; A cx cy r from sweep is an arc (degrees, against the
# clock from three o'clock), O cx cy r a circle, R x y w h r a rounded rectangle, D cx cy r a filled dot.
_SHAPES: Final[dict[str, str]] = {
    "folder": "M 3 7.5 C 3 6.4 3.9 5.5 5 5.5 L 9.2 5.5 L 11.4 8 L 19 8 C 20.1 8 21 8.9 21 10 L 21 17 C 21 18.1 20.1 19 19 19 "
    "L 5 19 C 3.9 19 3 18.1 3 17 Z",
    "folder-open": "M 3 17 L 3 7.5 C 3 6.4 3.9 5.5 5 5.5 L 9.2 5.5 L 11.4 8 L 17.5 8 C 18.6 8 19.5 8.9 19.5 10 L 19.5 11.5 "
    "M 5.2 19 L 18.2 19 C 19 19 19.6 18.5 19.9 17.8 L 21.6 13 C 21.9 12.2 21.4 11.5 20.6 11.5 L 7.9 11.5 C 7.2 11.5 6.6 11.9 "
    "6.3 12.6 L 4 18 C 3.8 18.6 4.4 19 5.2 19",
    "activity": "M 3 12 L 7 12 L 10 4.5 L 14 19.5 L 17 12 L 21 12",
    "problem": "M 10.6 4.8 L 3.2 17.6 C 2.6 18.7 3.4 20 4.6 20 L 19.4 20 C 20.6 20 21.4 18.7 20.8 17.6 L 13.4 4.8 "
    "C 12.8 3.7 11.2 3.7 10.6 4.8 Z M 12 9.5 L 12 13.5 D 12 16.7 1.05",
    "conflict": "R 3.5 4 11 13 2 M 9.5 20 L 18 20 C 19.4 20 20.5 18.9 20.5 17.5 L 20.5 8 M 7 8.5 L 11 8.5 M 7 12 L 11 12",
    "settings": "M 4 7 L 12.5 7 M 17.5 7 L 20 7 O 15 7 2.5 M 4 17 L 6.5 17 M 11.5 17 L 20 17 O 9 17 2.5",
    "pause": "M 9 6 L 9 18 M 15 6 L 15 18",
    "play": "M 8 5.8 L 18 12 L 8 18.2 Z",
    "reload": "A 12 12 7.5 60 280 M 16.2 2.8 L 15.9 5.7 L 18.8 6.4",
    "more": "D 6 12 1.5 D 12 12 1.5 D 18 12 1.5",
    "edit": "M 4.5 19.5 L 5.3 15.6 L 15.6 5.3 C 16.4 4.5 17.6 4.5 18.4 5.3 L 18.7 5.6 C 19.5 6.4 19.5 7.6 18.7 8.4 L 8.4 18.7 Z "
    "M 13.8 7.1 L 16.9 10.2",
    "trash": "M 4.5 7 L 19.5 7 M 9.5 7 L 9.5 5.5 C 9.5 4.7 10.2 4 11 4 L 13 4 C 13.8 4 14.5 4.7 14.5 5.5 L 14.5 7 M 6.5 7 "
    "L 7.3 18.2 C 7.4 19.2 8.2 20 9.3 20 L 14.7 20 C 15.8 20 16.6 19.2 16.7 18.2 L 17.5 7 M 10.3 11 L 10.3 16 M 13.7 11 L 13.7 16",
    "check": "M 5 12.5 L 9.8 17.2 L 19 7.5",
    "clock": "O 12 12 8.5 M 12 7.5 L 12 12 L 15.2 14",
    "question": "A 12 9.2 3.2 190 -235 M 13.9 11.8 C 12.5 12.8 12 13.4 12 14.6 D 12 18 1.05",
    "cross": "M 6.5 6.5 L 17.5 17.5 M 17.5 6.5 L 6.5 17.5",
    "alert": "M 12 5.5 L 12 13.5 D 12 17.8 1.15",
    "share": "O 6 12 2.6 O 17.5 5.8 2.6 O 17.5 18.2 2.6 M 8.3 10.8 L 15.2 7 M 8.3 13.2 L 15.2 17",
    "up": "M 12 19 L 12 5.5 M 6 11.2 L 12 5.2 L 18 11.2",
    "down": "M 12 5 L 12 18.5 M 6 12.8 L 12 18.8 L 18 12.8",
    "move": "M 4.5 12 L 19 12 M 13.5 6.2 L 19.3 12 L 13.5 17.8",
    "plus": "M 12 5 L 12 19 M 5 12 L 19 12",
    "server": "R 3.5 4 17 7 2 R 3.5 13 17 7 2 D 7.3 7.5 1.1 D 7.3 16.5 1.1",
    "key": "O 8 15.5 4 M 11 12.6 L 19.5 4.5 M 16 7.8 L 19 10.8",
    "offline": "M 4 4 L 20 20 M 9.5 18.5 L 7 18.5 C 4.5 18.5 2.8 16.8 2.8 14.6 C 2.8 12.5 4.4 11 6.3 10.8 C 6.5 9.7 6.9 8.8 7.6 8 "
    "M 10.8 5.9 C 14.3 5.1 17.2 7.3 17.6 10.6 C 19.7 10.8 21.2 12.4 21.2 14.5 C 21.2 15.6 20.8 16.6 20.1 17.3",
    "chevron-down": "M 6.5 9.5 L 12 15 L 17.5 9.5",
    "info": "O 12 12 8.5 M 12 11 L 12 16 D 12 8 1.05",
    "power": "M 12 3.8 L 12 11.5 A 12 12.8 7.2 55 -290",
    "window": "R 3.5 4.5 17 15 2 M 3.5 9 L 20.5 9",
    "globe": "O 12 12 8.5 M 3.5 12 L 20.5 12 M 12 3.5 C 7.5 8.5 7.5 15.5 12 20.5 M 12 3.5 C 16.5 8.5 16.5 15.5 12 20.5",
    "file": "M 6 5.5 C 6 4.7 6.7 4 7.5 4 L 13.5 4 L 18 8.5 L 18 18.5 C 18 19.3 17.3 20 16.5 20 L 7.5 20 C 6.7 20 6 19.3 6 18.5 Z "
    "M 13.5 4 L 13.5 8.5 L 18 8.5",
    "picture": "R 3.5 5 17 14 2 O 8.6 9.8 1.6 M 4 17 L 9.5 12.8 L 13 15.5 L 16.2 12.6 L 20.2 16",
    "copy": "R 8.5 8.5 11.5 11.5 2 M 5.5 15.5 C 4.7 15.5 4 14.8 4 14 L 4 5.5 C 4 4.7 4.7 4 5.5 4 L 14 4 C 14.8 4 15.5 4.7 15.5 5.5",
    "eye": "M 2.5 12 C 6.5 4.8 17.5 4.8 21.5 12 C 17.5 19.2 6.5 19.2 2.5 12 Z O 12 12 3",
    "sync": "A 12 12 7.5 150 -110 A 12 12 7.5 -30 -110 M 18.8 4.3 L 18.2 8.1 L 14.5 7.4 M 5.2 19.7 L 5.8 15.9 L 9.5 16.6",
    "house": "M 4 11.2 L 12 4.2 L 20 11.2 L 20 18.4 C 20 19.3 19.3 20 18.4 20 L 5.6 20 C 4.7 20 4 19.3 4 18.4 Z",
}  # fmt: skip
NAMES: Final = frozenset(_SHAPES)

_paths: dict[str, tuple[QPainterPath, QPainterPath]] = {}
_icons: dict[tuple[str, str, str], QIcon] = {}


def strokes(name: str) -> tuple[QPainterPath, QPainterPath]:
    """What to draw and what to fill of a pictogram, on the square of 24.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in _paths:
        _paths[name] = _read(_SHAPES[name].split())
    return _paths[name]


def _read(words: list[str]) -> tuple[QPainterPath, QPainterPath]:
    drawn, filled = QPainterPath(), QPainterPath()
    takes = {"M": 2, "L": 2, "C": 6, "Z": 0, "A": 5, "O": 3, "R": 5, "D": 3}
    at = 0
    while at < len(words):
        word, many = words[at], takes[words[at]]
        n = [float(number) for number in words[at + 1 : at + 1 + many]]
        at += 1 + many
        match word:
            case "M":
                drawn.moveTo(n[0], n[1])
            case "L":
                drawn.lineTo(n[0], n[1])
            case "C":
                drawn.cubicTo(*n)
            case "Z":
                drawn.closeSubpath()
            case "A":
                box = QRectF(n[0] - n[2], n[1] - n[2], 2 * n[2], 2 * n[2])
                drawn.arcMoveTo(box, n[3])
                drawn.arcTo(box, n[3], n[4])
            case "O":
                drawn.addEllipse(QRectF(n[0] - n[2], n[1] - n[2], 2 * n[2], 2 * n[2]))
            case "R":
                drawn.addRoundedRect(QRectF(n[0], n[1], n[2], n[3]), n[4], n[4])
            case _:
                filled.addEllipse(QRectF(n[0] - n[2], n[1] - n[2], 2 * n[2], 2 * n[2]))
    return drawn, filled


def paint(painter: QPainter, name: str, box: QRectF, color: QColor | str, stroke: float = _STROKE) -> None:
    """Paint a pictogram into a square; `stroke` is its line's width on the square of 24."""
    drawn, filled = strokes(name)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(box.topLeft())
    painter.scale(box.width() / _GRID, box.height() / _GRID)
    pen = QPen(QColor(color), stroke)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(QColor(color) if name == "play" else Qt.BrushStyle.NoBrush)
    painter.drawPath(drawn)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawPath(filled)
    painter.restore()


def pixmap(name: str, color: QColor | str, size: int, ratio: float, gap: int = 0) -> QPixmap:
    """A pictogram of `size` points a side for a screen of `ratio` pixels per point, and so much room at its right."""
    pixels = round(size * ratio)
    picture = QPixmap(round((size + gap) * ratio), pixels)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    paint(painter, name, QRectF(0, 0, pixels, pixels), color)
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def icon(name: str, color: QColor | str, disabled: QColor | str | None = None, size: int = 18, gap: int = 0) -> QIcon:
    """A pictogram as an icon for buttons and menus, sharp on screens of up to three pixels per point.

    `gap`: points at its right, for buttons whose text would stand too near.
    """
    key = (name, f"{QColor(color).rgba()}/{size}/{gap}", str(QColor(disabled).rgba()) if disabled else "")
    if key not in _icons:
        made = QIcon()
        for ratio in (1.0, 1.5, 2.0, 3.0):
            made.addPixmap(pixmap(name, color, size, ratio, gap))
            if disabled:
                made.addPixmap(pixmap(name, disabled, size, ratio, gap), QIcon.Mode.Disabled)
        _icons[key] = made
    return _icons[key]


# --- the mark of Homestow, and what it says in the tray -----------------------------------------------------------------

BADGES: Final[dict[str, tuple[str, str]]] = {
    "synced": ("check", "#1E9E5A"),
    "syncing": ("sync", "#2F7BEA"),
    "starting": ("sync", "#2F7BEA"),
    "paused": ("pause", "#66736D"),
    "waiting": ("clock", "#B7791F"),
    "left": ("alert", "#B7791F"),
    "asking": ("question", "#B7791F"),
    "failed": ("cross", "#D03A30"),
    "gone": ("cross", "#66736D"),
}
"""State in one word (`GeneralText`, or "gone" without a service): pictogram and colour of the badge."""

TRAY_SIZES: Final = (16, 22, 24, 32, 48, 64)


def paint_mark(painter: QPainter, box: QRectF, *, pale: bool = False) -> None:
    """The mark: a house on a tile, with a drawer in it where things are stowed."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(box.topLeft())
    painter.scale(box.width() / 32, box.height() / 32)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#6B7672" if pale else "#0E7A69"))
    painter.drawRoundedRect(QRectF(0.5, 0.5, 31, 31), 8, 8)
    house = QPainterPath()
    house.moveTo(16, 6)
    house.lineTo(26.2, 14.6)
    house.lineTo(26.2, 24)
    house.cubicTo(26.2, 25.2, 25.2, 26.2, 24, 26.2)
    house.lineTo(8, 26.2)
    house.cubicTo(6.8, 26.2, 5.8, 25.2, 5.8, 24)
    house.lineTo(5.8, 14.6)
    house.closeSubpath()
    painter.setBrush(QColor("#FFFFFF"))
    painter.drawPath(house)
    painter.setBrush(QColor("#6B7672" if pale else "#0E7A69"))
    painter.drawRoundedRect(QRectF(10, 15.4, 12, 2.5), 1.25, 1.25)
    painter.drawRoundedRect(QRectF(10, 20, 12, 2.5), 1.25, 1.25)
    painter.restore()


def tray_pixmap(state: str, size: int) -> QPixmap:
    """The mark with the badge of a state, `size` pixels a side."""
    picture = QPixmap(size, size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    paint_mark(painter, QRectF(0, 0, size, size), pale=state in ("gone", "paused"))
    if state in BADGES:
        name, color = BADGES[state]
        wide = size * 0.62
        box = QRectF(size - wide, size - wide, wide, wide)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#FFFFFF"))
        painter.drawEllipse(box)
        painter.setBrush(QColor(color))
        rim = max(1.0, size / 24)
        painter.drawEllipse(box.adjusted(rim, rim, -rim, -rim))
        inner = wide * 0.17
        paint(painter, name, box.adjusted(inner, inner, -inner, -inner), "#FFFFFF", 3.4)
    painter.end()
    return picture


def tray_icon(state: str) -> QIcon:
    """The tray's icon for a state: a word of `GeneralText`, or "gone" without a service."""
    made = QIcon()
    for size in TRAY_SIZES:
        made.addPixmap(tray_pixmap(state, size))
    return made


def app_icon() -> QIcon:
    """The window's icon."""
    made = QIcon()
    for size in (16, 24, 32, 48, 64, 128, 256):
        picture = QPixmap(size, size)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        paint_mark(painter, QRectF(0, 0, size, size))
        painter.end()
        made.addPixmap(picture)
    return made


SMALL: Final = QSize(18, 18)
GAP: Final = 4
BESIDE: Final = QSize(18 + GAP, 18)
"""Size of an icon that stands beside a text."""
