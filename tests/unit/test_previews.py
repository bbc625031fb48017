"""A look into any file is bounded, and never waits on what is no ordinary file."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("PySide6", reason="the extra qt is not installed")

from homestow.client.apps.qt.comparing import Page
from homestow.client.apps.qt.previews import MAX_PIXELS, SHOWN_SIDE, Nothing, Picture, compare, look, picture_of


def pixels(kind: str, size: tuple[int, int], **more: object) -> bytes:
    """A picture's bytes."""
    made = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(made, kind, **more)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_pictures_are_shown_as_pictures(tmp_path: Path, kind: str) -> None:
    """Whatever the name says: the content decides."""
    file = tmp_path / "picture.txt"
    file.write_bytes(pixels(kind, (40, 20)))

    seen = look(str(file))

    assert isinstance(seen, Picture)
    assert (seen.width, seen.height) == (40, 20)
    assert seen.image.pixelColor(20, 10).red() > 150


def test_large_pictures_are_scaled_while_they_are_read() -> None:
    """What is kept is no larger than the screen needs; its own size is told."""
    seen = picture_of(pixels("JPEG", (8000, 6000)))

    assert seen is not None
    assert (seen.width, seen.height) == (8000, 6000)
    assert max(seen.image.width(), seen.image.height()) == SHOWN_SIDE


def test_a_camera_held_upright(tmp_path: Path) -> None:
    """A picture is turned as its camera says, and so is the size that is told."""
    exif = Image.Exif()
    exif[274] = 6
    seen = picture_of(pixels("JPEG", (60, 30), exif=exif))

    assert seen is not None
    assert (seen.width, seen.height) == (30, 60)
    assert (seen.image.width(), seen.image.height()) == (30, 60)


def test_a_bomb_is_not_unpacked() -> None:
    """A small file that claims more pixels than we look at is left alone."""
    side = int(MAX_PIXELS**0.5) + 200

    assert picture_of(pixels("PNG", (side, side))) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0 no more",
        b"GIF89a",
        b"BM" + b"\xff" * 60,
        b"RIFF\xff\xff\xff\x7fWEBP",
    ],
)
def test_damaged_pictures_give_none(content: bytes) -> None:
    """A beginning alone is no picture; nothing is raised."""
    assert picture_of(content) is None


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4\n1 0 obj"])
def test_what_draws_is_not_run(tmp_path: Path, content: bytes) -> None:
    """Drawings that could link or run are shown as the text they are, or not at all."""
    file = tmp_path / "drawing.png"
    file.write_bytes(content)

    assert not isinstance(look(str(file)), Picture)
    assert picture_of(content) is None


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a folder, a link and a name that is gone are not there."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")

    for name in ("pipe", "link", "gone", "."):
        assert look(str(tmp_path / name)) == Nothing(missing=True)
    assert look(None) == Nothing(missing=True)


def test_two_texts_are_compared(tmp_path: Path) -> None:
    """Rows come only when both are texts."""
    one, two, other = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    one.write_text("x\n")
    two.write_text("y\n")
    other.write_bytes(bytes(range(256)))

    assert len(compare(str(one), str(two)).rows) == 1
    assert compare(str(one), str(other)).rows == ()
    assert isinstance(compare(str(one), str(other)).left, Page)
