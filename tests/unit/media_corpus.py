"""Pictures, films and sounds as tests need them, and what is left of them after accidents."""

import functools
import io
import random
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import pillow_heif
from PIL import Image, ImageDraw
from PIL.TiffImagePlugin import IFDRational

pillow_heif.register_heif_opener()

PICTURES = ("jpg", "png", "gif", "webp", "tif", "bmp", "heic", "avif")
FILMS = ("mp4", "mov", "mkv", "webm", "avi")
SOUNDS = ("mp3", "flac", "ogg", "wav", "m4a")
_FORMS = {"jpg": "JPEG", "tif": "TIFF", "heic": "HEIF"}


def drawn(width: int = 300, height: int = 200) -> Image.Image:
    """A red field with a blue upper left quarter: turned or mirrored it looks otherwise."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    ImageDraw.Draw(image).rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=(20, 20, 220))
    return image


def picture(form: str, width: int = 300, height: int = 200, **more: object) -> bytes:
    """That in a format, by its extension."""
    out = io.BytesIO()
    image = drawn(width, height)
    (image.convert("P") if form == "gif" else image).save(out, _FORMS.get(form, form.upper()), **more)
    return out.getvalue()


_UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(orientation: int, width: int = 300, height: int = 200, *, taken: bool = False) -> bytes:
    """A JPEG that looks as `drawn` once it was turned as its EXIF says; with time and place when `taken`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if taken:
        more = exif.get_ifd(0x8769)
        more[0x9003], more[0x9011], more[0x9291] = "2021:05:06 07:08:09", "+02:00", "25"
        place = exif.get_ifd(0x8825)
        place[1], place[3] = "S", "E"
        place[2] = tuple(IFDRational(each, 100) for each in (3300, 3000, 3600))
        place[4] = tuple(IFDRational(each, 1) for each in (151, 12, 0))
    undo = _UNDO[orientation]
    image = drawn(width, height)
    out = io.BytesIO()
    (image if undo is None else image.transpose(undo)).save(out, "JPEG", exif=exif, quality=95)
    return out.getvalue()


def animation(seconds: float = 1.5) -> bytes:
    """A GIF of three frames; the first is as `drawn`."""
    out = io.BytesIO()
    frames = [drawn().convert("P"), Image.new("P", (300, 200), 3), Image.new("P", (300, 200), 5)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=int(seconds * 1000 / 3), loop=0)
    return out.getvalue()


def see_through() -> bytes:
    """A PNG that shines through in the middle."""
    image = drawn().convert("RGBA")
    ImageDraw.Draw(image).rectangle((100, 50, 200, 150), fill=(0, 0, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def huge_png(side: int = 100_000) -> bytes:
    """A PNG of `side` × `side` pixels, one bit each, in a few kilobytes (S95)."""
    row = zlib.compressobj(9)
    line = b"\0" * (1 + side // 8)
    data = b"".join(row.compress(line) for _ in range(side)) + row.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each)) for kind, each in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def raw_file(orientation: int = 6) -> bytes:
    """As cameras write them: a TIFF with a small uncompressed picture, and in a folder inside a JPEG preview."""
    preview = picture("jpg", 1200, 800)
    inside_at = 8 + 2 + 12 * 5 + 4
    preview_at = inside_at + 2 + 12 * 4 + 4
    entries = [(0x100, 4, 16), (0x101, 4, 16), (0x103, 3, 1), (0x112, 3, orientation), (0x14A, 4, inside_at)]
    inside = [(0x100, 4, 4800), (0x101, 4, 3200), (0x201, 4, preview_at), (0x202, 4, len(preview))]

    def folder(rows: list[tuple[int, int, int]]) -> bytes:
        body = b"".join(struct.pack("<HHI" + ("HH" if kind == 3 else "I"), tag, kind, 1, value, *((0,) if kind == 3 else ()))
                        for tag, kind, value in rows)  # fmt: skip
        return struct.pack("<H", len(rows)) + body + struct.pack("<I", 0)

    return b"II*\0" + struct.pack("<I", 8) + folder(entries) + folder(inside) + preview


@functools.cache
def film(extension: str, seconds: float = 2.0, *more: str) -> bytes:
    """A film of 320 × 240 with a tone, or for an extension of sounds the tone alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{extension}"
        picture = ["-f", "lavfi", "-i", f"testsrc=s=320x240:d={seconds}"] if extension in FILMS else []
        sound = ["-f", "lavfi", "-i", f"sine=d={seconds}"]
        tags = ["-metadata", "creation_time=2020-01-02T03:04:05Z", "-metadata", "location=+35.6-139.7/"]
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", *picture, *sound, *tags, *more, str(path)], check=True, timeout=60
        )
        return path.read_bytes()


@functools.cache
def turned_film(degrees: int) -> bytes:
    """An MP4 whose display matrix says `degrees` against the clock."""
    plain = film("mp4")
    at = plain.rfind(b"tkhd", 0, plain.find(b"vmhd"))
    matrix = {
        90: (0, -1, 1, 0),
        180: (-1, 0, 0, -1),
        270: (0, 1, -1, 0),
    }[degrees]
    a, b, c, d = (each << 16 for each in matrix)
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    start = at + 4 + 4 + 20 + 16
    return plain[:start] + packed + plain[start + 36 :]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """What is left after one of the usual accidents: cut off, bits flipped, a stretch of zeros, a piece missing or doubled."""
    if len(data) < 16:
        return data[:-1]
    changed = bytearray(data)
    at = chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            return data[:at]
        case 1:
            for _ in range(chance.randrange(1, 30)):
                changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 2:
            size = chance.randrange(1, 400)
            changed[at : at + size] = bytes(len(changed[at : at + size]))
        case 3:
            del changed[at : at + chance.randrange(1, 200)]
        case _:
            changed[at:at] = data[: chance.randrange(1, 300)]
    return bytes(changed)
