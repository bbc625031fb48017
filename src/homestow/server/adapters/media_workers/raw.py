"""The embedded preview of cameras' raw files: by rawpy where it is installed, else from the TIFF structure most of them have,
else the largest JPEG that lies in the file.

Source: TIFF 6.0, sections 2 and 8; EXIF 2.32, section 4.6.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from PIL import Image

from homestow.server.adapters.media_workers import exif

try:
    import rawpy
except ImportError:
    rawpy = None

_MOST_FOLDERS: Final = 64
_MOST_ENTRIES: Final = 512
_MOST_PREVIEW: Final = 64 * 1024 * 1024
_LOOKED_AT: Final = 32 * 1024 * 1024
_SHORT, _LONG, _SUB = 3, 4, 13
_SIZES: Final = {_SHORT: (2, "H"), _LONG: (4, "I"), _SUB: (4, "I")}
_WIDTH, _HEIGHT, _COMPRESSION, _STRIPS, _LENGTHS = 0x100, 0x101, 0x103, 0x111, 0x117
_INSIDE, _JPEG_AT, _JPEG_SIZE, _RW2_JPEG = 0x14A, 0x201, 0x202, 0x2E
_JPEG_CODES: Final = (6, 7)


class Preview(NamedTuple):
    """A preview: a JPEG file, how it is to be turned, pixels of the whole picture (before turning), what EXIF tells."""

    file: BinaryIO
    orientation: int | None
    size: tuple[int, int]
    told: exif.Told


class _Folder(NamedTuple):
    """One directory of a TIFF file: whole numbers by tag."""

    values: dict[int, tuple[int, ...]]

    def first(self, tag: int) -> int:
        found = self.values.get(tag)
        return found[0] if found else 0


def preview(file: BinaryIO) -> Preview | None:
    """The best preview of a raw file, None when it has none."""
    folders = list(_folders(file))
    about = _about(file) if folders else exif.Told()
    best: tuple[int, bytes, tuple[int, int]] | None = None
    for data in _candidates(file, folders):
        size = _jpeg_size(data)
        if size is not None and (best is None or size[0] * size[1] > best[0]):
            best = size[0] * size[1], data, size
    if best is None:
        return None
    _, data, size = best
    whole = max(
        [size, *((folder.first(_WIDTH), folder.first(_HEIGHT)) for folder in folders)],
        key=lambda each: each[0] * each[1],
    )
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    inner = exif.told(image.getexif())
    if about == exif.Told():
        about = inner
    return Preview(io.BytesIO(data), about.orientation or inner.orientation, whole, about)


def _candidates(file: BinaryIO, folders: list[_Folder]) -> Iterator[bytes]:
    found = False
    for data in (*_by_rawpy(file), *_by_folders(file, folders)):
        found = True
        yield data
    if not found:
        yield from _by_looking(file)


def _by_rawpy(file: BinaryIO) -> Iterator[bytes]:
    if rawpy is None:
        return
    file.seek(0)
    try:
        with rawpy.imread(file) as opened:
            thumb = opened.extract_thumb()
            if thumb.format == rawpy.ThumbFormat.JPEG:
                yield bytes(thumb.data)
    except (rawpy.LibRawError, *exif.NONSENSE):
        return


def _by_folders(file: BinaryIO, folders: list[_Folder]) -> Iterator[bytes]:
    for folder in folders:
        for at, size in (
            (folder.first(_JPEG_AT), folder.first(_JPEG_SIZE)),
            (folder.first(_STRIPS), folder.first(_LENGTHS)) if folder.first(_COMPRESSION) in _JPEG_CODES else (0, 0),
        ):
            if at and 0 < size <= _MOST_PREVIEW and len(folder.values.get(_STRIPS, (0,))) == 1:
                file.seek(at)
                yield file.read(size)


def _by_looking(file: BinaryIO) -> Iterator[bytes]:
    """Every JPEG that begins in the first 32 MiB."""
    file.seek(0)
    data = file.read(_LOOKED_AT + _MOST_PREVIEW)
    at = data.find(b"\xff\xd8\xff")
    tried = 0
    while 0 <= at < _LOOKED_AT and tried < 16:
        yield data[at:]
        tried += 1
        at = data.find(b"\xff\xd8\xff", at + 3)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        # Sensors' own data is often lossless JPEG, which is no picture to show.
        return image.size if image.mode in ("RGB", "L", "CMYK") and not _is_lossless(data) else None
    except exif.NONSENSE:
        return None


def _is_lossless(data: bytes) -> bool:
    at = 2
    while at + 4 < len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return mark in (0xC3, 0xC7, 0xCB, 0xCF)
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return False


def _about(file: BinaryIO) -> exif.Told:
    found = Image.Exif()
    try:
        file.seek(0)
        head = file.read(8)
        # Some makers have a magic number of their own where TIFF has 42.
        order = "<" if head[:2] == b"II" else ">"
        plain = head[:2] + struct.pack(order + "H", 42) + head[4:]
        found.load_from_fp(_Patched(file, plain))
        return exif.told(found)
    except exif.NONSENSE:
        return exif.Told()


class _Patched(io.BytesIO):
    """A file whose first bytes read otherwise."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        super().__init__()
        self._file = file
        self._head = head
        self._at = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(-1 if size is None else size)
        if self._at < len(self._head):
            data = self._head[self._at : self._at + len(data)] + data[max(0, len(self._head) - self._at) :]
        self._at += len(data)
        return data

    def seek(self, at: int, whence: int = 0, /) -> int:
        self._at = at if whence == 0 else self._at + at if whence == 1 else self._file.seek(0, 2) + at
        return self._at

    def tell(self) -> int:
        return self._at


def _folders(file: BinaryIO) -> Iterator[_Folder]:
    """All directories of a TIFF-like file, those inside of others too; none when it is no such file."""
    file.seek(0)
    head = file.read(8)
    if len(head) < 8 or head[:2] not in (b"II", b"MM"):
        return
    order = "<" if head[:2] == b"II" else ">"
    waiting: list[int] = [int(struct.unpack_from(order + "I", head, 4)[0])]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_FOLDERS:
        at = waiting.pop(0)
        if at in seen or at < 8:
            continue
        seen.add(at)
        try:
            values, following = _folder(file, order, at)
        except (struct.error, OSError):
            continue
        yield _Folder(values)
        waiting += [*values.get(_INSIDE, ()), following]


def _folder(file: BinaryIO, order: str, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
    file.seek(at)
    (count,) = struct.unpack(order + "H", file.read(2))
    body = file.read(12 * min(count, _MOST_ENTRIES) + 4)
    values: dict[int, tuple[int, ...]] = {}
    for each in range(min(count, _MOST_ENTRIES)):
        tag, kind, many = struct.unpack_from(order + "HHI", body, 12 * each)
        if kind not in _SIZES or not 0 < many <= 4096:
            if tag == _RW2_JPEG:
                values[_JPEG_AT] = struct.unpack_from(order + "I", body, 12 * each + 8)
                values[_JPEG_SIZE] = (many,)
            continue
        size, form = _SIZES[kind]
        data: Any = body[12 * each + 8 : 12 * each + 12]
        if size * many > 4:
            file.seek(struct.unpack(order + "I", data)[0])
            data = file.read(size * many)
        values[tag] = struct.unpack_from(f"{order}{many}{form}", data)
    following = struct.unpack_from(order + "I", body, 12 * count)[0] if count <= _MOST_ENTRIES else 0
    return values, int(following)
