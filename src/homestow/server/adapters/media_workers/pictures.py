"""Facts and thumbnails of pictures by Pillow, from an open file, for a fixed list of formats (S95)."""

import io
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from homestow.server.adapters.media_workers import exif, raw
from homestow.server.ports.media import Facts
from homestow.server.rules.media_kinds import RAW_EXTENSIONS, MediaKind, extension_of

MOST_PIXELS: Final = 50_000_000
"""Pixels that are decoded at most. A JPEG that is larger is decoded at a half, a quarter or an eighth (S95)."""
MOST_JPEG_PIXELS: Final = 400_000_000
QUALITY: Final = 80
_MOST_PROFILE: Final = 16 * 1024
_MOST_FRAMES: Final = 100_000

_PLUGINS: Final = (
    JpegImagePlugin, MpoImagePlugin, PngImagePlugin, GifImagePlugin, WebPImagePlugin, AvifImagePlugin, TiffImagePlugin,
    BmpImagePlugin,
)  # fmt: skip
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "DIB")
_CODECS: Final = {
    "JPEG": "mjpeg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "AVIF": "av1", "HEIF": "hevc", "TIFF": "tiff", "BMP": "bmp",
}  # fmt: skip
_NAMES: Final = {"MPO": "JPEG", "DIB": "BMP"}
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """The file is no picture that can be shown; says why."""


def prepare() -> None:
    """Load everything that reading may take, since nothing can be loaded later."""
    Image._initialized = 2  # the plugins above are all there shall be
    Image.MAX_IMAGE_PIXELS = None  # counted here instead, before anything is decoded
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False)
    pillow_heif.options.DECODE_THREADS = 1
    exif.moment("2000:01:01 00:00:00")
    for form in ("JPEG", "PNG"):
        Image.new("RGB", (8, 8)).save(io.BytesIO(), form)


def facts(file: BinaryIO, name: str) -> Facts:
    """Facts of a picture.

    Raises:
        Unreadable: it is none.
    """
    if extension_of(name) in RAW_EXTENSIONS:
        return _raw_facts(file, name)
    image = _open(file)
    form = _NAMES.get(image.format or "", image.format or "")
    about = exif.told(_exif(image))
    orientation = about.orientation
    width, height = image.size
    if form == "HEIF":
        orientation = None  # is applied by the reader already
    if orientation is not None and orientation >= 5:
        width, height = height, width
    kind = MediaKind.GIF if form == "GIF" else MediaKind.IMAGE
    duration = _gif_seconds(file) if form == "GIF" else None
    return Facts(
        kind, "HEIC" if form == "HEIF" else form, width, height, orientation, duration, about.taken_ns, about.latitude,
        about.longitude, _CODECS.get(form),
    )  # fmt: skip


def thumbnails(file: BinaryIO, name: str, sizes: Sequence[int]) -> dict[int, bytes]:
    """Thumbnails of a picture by size, all from one decode.

    Raises:
        Unreadable: it is none, or too large.
    """
    orientation = None
    if extension_of(name) in RAW_EXTENSIONS:
        preview = raw.preview(file)
        if preview is None:
            raise Unreadable("There is no preview in this raw file that can be shown.")
        file, orientation = preview.file, preview.orientation
    image = _open(file)
    if orientation is None and image.format != "HEIF":
        orientation = exif.told(_exif(image)).orientation
    return reduced(image, sizes, orientation)


def reduced(image: Image.Image, sizes: Sequence[int], orientation: int | None) -> dict[int, bytes]:
    """An opened picture in several sizes, upright, as files."""
    largest = max(sizes)
    if image.format in ("JPEG", "MPO"):
        if image.width * image.height > MOST_JPEG_PIXELS:
            raise Unreadable("The picture has too many pixels.")
        # Decoding at a fraction costs a fraction; kept in the colours of the file, there and back is saved too.
        scale = max(1.0, max(image.size) / largest)
        wanted = int(image.width / scale), int(image.height / scale)
        image.draft("YCbCr" if image.mode == "RGB" else image.mode, wanted)
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable("The picture has too many pixels.")
    profile = image.info.get("icc_profile")
    picture: Any = _plain(image)
    made: dict[int, bytes] = {}
    for size in sorted(sizes, reverse=True):
        picture = _fitted(picture, size)
        if size == largest:
            turn = _UPRIGHT.get(orientation or 1)
            picture = picture if turn is None else picture.transpose(turn)
        made[size] = _saved(picture, profile)
    return made


def _open(file: BinaryIO) -> Image.Image:
    try:
        image = Image.open(file, formats=FORMATS)
        if min(image.size) < 1:
            raise Unreadable("The picture is empty.")
        return image
    except exif.NONSENSE as error:
        raise Unreadable("The file is no picture of a known format, or is damaged.") from error


def _exif(image: Image.Image) -> "Image.Exif":
    """Its EXIF. PNG's own way would decode the whole picture first, to find what stands behind it."""
    return Image.Image.getexif(image)


def _plain(image: Image.Image) -> Image.Image:
    """The first frame, decoded, in a mode that can be scaled and saved."""
    try:
        image.seek(0)
        image.load()
        if image.mode in ("RGB", "RGBA", "L", "YCbCr"):
            return image.convert("RGBA") if image.mode == "RGB" and "transparency" in image.info else image
        if image.mode.startswith("I;16"):
            return image.point(lambda value: value / 256).convert("L")
        if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
            return image.convert("RGBA")
        return image.convert("L" if image.mode in ("1", "I", "F") else "RGB")
    except (*exif.NONSENSE, EOFError) as error:
        raise Unreadable("The picture is damaged.") from error


def _fitted(image: Image.Image, size: int) -> Image.Image:
    """At most `size` on the longest side."""
    width, height = image.size
    longest = max(width, height)
    if longest <= size:
        return image
    wanted = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    return image.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _saved(image: Image.Image, profile: object) -> bytes:
    out = io.BytesIO()
    keep = {"icc_profile": profile} if isinstance(profile, bytes) and len(profile) <= _MOST_PROFILE else {}
    if image.mode == "RGBA":
        low, _ = image.getchannel("A").getextrema()
        if isinstance(low, int | float) and low < 255:
            image.save(out, "PNG", compress_level=6, **keep)
            return out.getvalue()
        image = image.convert("RGB")
    image.save(out, "JPEG", quality=QUALITY, subsampling="4:2:0", **keep)
    return out.getvalue()


def _raw_facts(file: BinaryIO, name: str) -> Facts:
    preview = raw.preview(file)
    if preview is None:
        raise Unreadable("The file is no raw picture of a known format, or is damaged.")
    about = preview.told
    width, height = preview.size
    if preview.orientation is not None and preview.orientation >= 5:
        width, height = height, width
    return Facts(
        MediaKind.IMAGE, extension_of(name).upper(), width, height, preview.orientation, None, about.taken_ns,
        about.latitude, about.longitude, "raw",
    )  # fmt: skip


def _gif_seconds(file: BinaryIO) -> float | None:
    """How long a GIF's frames last together, None for a single one. Reads block heads only.

    Source: GIF89a, sections 18 to 26.
    """
    file.seek(0)
    data = file.read(8 * 1024 * 1024)
    if len(data) < 13:
        return None
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    frames = hundredths = 0
    while at + 10 < len(data) and frames < _MOST_FRAMES:
        if data[at] == 0x2C:
            frames += 1
            at += 11 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
        elif data[at] == 0x21:
            if data[at + 1] == 0xF9:
                hundredths += struct.unpack_from("<H", data, at + 4)[0]
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return hundredths / 100 if frames > 1 else None
