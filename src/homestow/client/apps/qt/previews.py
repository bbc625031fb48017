"""A look into files for people: pictures as pictures, texts as texts, everything else by its facts. Made off the window's thread.

What is looked at may be anything that ever came into the folder, so each look is bounded: in bytes read, in pixels decoded, in
kinds of pictures tried, and it never waits on something that is no ordinary file.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QBuffer, QIODevice, QObject, QRunnable, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader
from shiboken6 import isValid

from homestow.client.apps.qt.comparing import MAX_TEXT_BYTES, Page, Row, side_by_side, text_of

MAX_PICTURE_BYTES: Final = 64 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
MAX_PIXELS_JPEG: Final = 250_000_000
"""More, since these are scaled while they are decoded and never whole in memory."""
MAX_SIDE: Final = 30_000
SHOWN_SIDE: Final = 1600
"""Pictures are scaled to fit a square of so many pixels while they are read."""

_KINDS: Final = frozenset({b"jpeg", b"png", b"gif", b"webp", b"bmp", b"tiff"})
"""Kinds of pictures that are tried; none that draws, links or runs (svg, pdf)."""

_MEGABYTES: Final = 256
"""Most memory that one picture may need while it is read."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to show, scaled and turned as its camera says, and its own width and height."""

    image: QImage
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to show but facts; `missing`: the file is not there, or cannot be read."""

    missing: bool


Preview = Picture | Page | Nothing


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both files; `rows` when both are texts."""

    left: Preview
    right: Preview
    rows: tuple[Row, ...] = ()


def look(file: str | None) -> Preview:
    """A look into one file; None: it is not on this computer."""
    if file is None:
        return Nothing(missing=True)
    try:
        # Without waiting: what has the name may be a pipe.
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return Nothing(missing=True)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            return Nothing(missing=True)
        with open(handle, "rb", closefd=False) as opened:
            head = opened.read(MAX_TEXT_BYTES)
            if facts.st_size <= MAX_PICTURE_BYTES and _may_be_picture(head):
                picture = picture_of(head + opened.read(MAX_PICTURE_BYTES - len(head)))
                if picture is not None:
                    return picture
    except OSError:
        return Nothing(missing=True)
    finally:
        os.close(handle)
    return text_of(head, facts.st_size) or Nothing(missing=False)


def _may_be_picture(head: bytes) -> bool:
    """Whether the first bytes are those of a picture of a kind that we show."""
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    return head.startswith(starts) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def picture_of(content: bytes) -> Picture | None:
    """The picture in a file's bytes; None when it is none, is damaged, or is larger than we look at."""
    buffer = QBuffer()
    buffer.setData(content)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    # In a function of its own: the reader has to be gone before the buffer that it reads from, or Qt crashes.
    return _read(buffer)


def _read(buffer: QBuffer) -> Picture | None:
    QImageReader.setAllocationLimit(_MEGABYTES)
    reader = QImageReader(buffer)
    reader.setDecideFormatFromContent(True)
    reader.setAutoTransform(True)
    kind = bytes(reader.format().data())
    if kind not in _KINDS:
        return None
    size = reader.size()
    wide, high = size.width(), size.height()
    most = MAX_PIXELS_JPEG if kind == b"jpeg" else MAX_PIXELS
    if not size.isValid() or max(wide, high) > MAX_SIDE or wide * high > most:
        return None
    if max(wide, high) > SHOWN_SIDE:
        reader.setScaledSize(size.scaled(QSize(SHOWN_SIDE, SHOWN_SIDE), Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    if image.isNull():
        return None
    turned = (image.width() > image.height()) != (wide > high) and wide != high
    return Picture(image, high if turned else wide, wide if turned else high)


def compare(left: str | None, right: str | None) -> Comparison:
    """A look into both."""
    seen = look(left), look(right)
    if isinstance(seen[0], Page) and isinstance(seen[1], Page):
        return Comparison(*seen, tuple(side_by_side(seen[0].lines, seen[1].lines)))
    return Comparison(*seen)


class _Work(QRunnable):
    def __init__(self, make: Callable[[], Comparison], done: Callable[[Comparison], None]) -> None:
        super().__init__()
        self._make = make
        self._done = done

    def run(self) -> None:
        """Of Qt."""
        self._done(self._make())


class Looker(QObject):
    """Looks into files in one thread of its own; only the last question is answered."""

    seen = Signal(object)
    """A `Comparison`, in the thread of this object."""
    _made = Signal(int, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._asked = 0
        self._made.connect(self._answered, Qt.ConnectionType.QueuedConnection)

    def ask(self, left: str | None, right: str | None) -> None:
        """Compare two files; `seen` tells later."""
        self.forget()
        number = self._asked

        def done(comparison: Comparison) -> None:
            if isValid(self):
                self._made.emit(number, comparison)

        self._pool.start(_Work(lambda: compare(left, right), done))

    def forget(self) -> None:
        """No answer is wanted any more."""
        self._asked += 1
        self._pool.clear()

    def _answered(self, number: int, comparison: Comparison) -> None:
        if number == self._asked:
            self.seen.emit(comparison)
