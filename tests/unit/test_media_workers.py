"""Facts and thumbnails as the real worker processes make them."""

import io
import os
import tempfile
from collections.abc import Iterator

import pytest
from PIL import Image
from tests.unit import media_corpus as corpus

from homestow.server.adapters.media_workers.films import understood
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.ports.media import Facts, MediaKind
from homestow.values.errors import MediaBroken

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Workers for all tests of this file."""
    made = WorkerPool(2)
    yield made
    made.close()


def facts_of(pool: WorkerPool, data: bytes, name: str) -> Facts:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return pool.facts(file.fileno(), name)


def thumbs_of(pool: WorkerPool, data: bytes, name: str) -> dict[int, Image.Image]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        facts = pool.facts(file.fileno(), name)
        made = pool.thumbnail(file.fileno(), facts, (100, 800))
    return {size: Image.open(io.BytesIO(body)) for size, body in made.items()}


def looks_as_drawn(image: Image.Image) -> None:
    """Blue in the upper left quarter, red elsewhere."""
    image = image.convert("RGB")
    width, height = image.size
    for x, y, blue in ((1, 1, True), (3, 1, False), (1, 3, False), (3, 3, False)):
        pixel = image.getpixel((width * x // 4, height * y // 4))
        assert isinstance(pixel, tuple)
        assert (pixel[2] > 150) is blue, (x, y, pixel)
        assert (pixel[0] > 150) is not blue, (x, y, pixel)


@pytest.mark.parametrize("form", corpus.PICTURES)
def test_each_format_is_read(pool: WorkerPool, form: str) -> None:
    """Kind, name of the format, sides; and thumbnails, proportional, as JPEG, the first never larger than 100."""
    data = corpus.picture(form, 1200, 600)
    facts = facts_of(pool, data, f"a.{form}")

    names = {"jpg": "JPEG", "tif": "TIFF"}
    assert (facts.format, facts.width, facts.height) == (names.get(form, form.upper()), 1200, 600)
    assert facts.kind is (MediaKind.GIF if form == "gif" else MediaKind.IMAGE)
    thumbs = thumbs_of(pool, data, f"a.{form}")
    assert {size: image.size for size, image in thumbs.items()} == {100: (100, 50), 800: (800, 400)}
    for image in thumbs.values():
        assert image.format == "JPEG"
        looks_as_drawn(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(pool: WorkerPool, orientation: int) -> None:
    """All eight: the thumbnail looks as the picture is meant, and the facts have the sides that are seen."""
    data = corpus.turned(orientation)
    facts = facts_of(pool, data, "a.jpg")

    assert (facts.width, facts.height, facts.orientation) == (300, 200, orientation)
    for size, image in thumbs_of(pool, data, "a.jpg").items():
        assert image.size == ((100, 67) if size == 100 else (300, 200))
        looks_as_drawn(image)


def test_time_and_place_are_read(pool: WorkerPool) -> None:
    """With zone and parts of a second; south is negative."""
    facts = facts_of(pool, corpus.turned(1, taken=True), "a.jpg")

    assert facts.taken_ns == 1_620_277_689 * SECOND + 250_000_000
    assert facts.latitude == pytest.approx(-33.51)
    assert facts.longitude == pytest.approx(151.2)


def test_nothing_is_enlarged(pool: WorkerPool) -> None:
    """A picture smaller than a thumbnail stays as small."""
    thumbs = thumbs_of(pool, corpus.picture("png", 60, 40), "a.png")

    assert {image.size for image in thumbs.values()} == {(60, 40)}


def test_a_line_keeps_a_pixel(pool: WorkerPool) -> None:
    """The shorter side is never nothing."""
    thumbs = thumbs_of(pool, corpus.picture("png", 5000, 2), "a.png")

    assert thumbs[100].size == (100, 1)


def test_an_animation_shows_its_first_frame(pool: WorkerPool) -> None:
    """And tells how long it runs."""
    data = corpus.animation(1.5)

    assert facts_of(pool, data, "a.gif").duration_s == pytest.approx(1.5)
    looks_as_drawn(thumbs_of(pool, data, "a.gif")[800])


def test_what_shines_through_stays_so(pool: WorkerPool) -> None:
    """As PNG; a picture whose transparency is nowhere used becomes JPEG."""
    through = thumbs_of(pool, corpus.see_through(), "a.png")[100]
    out = io.BytesIO()
    corpus.drawn().convert("RGBA").save(out, "PNG")
    solid = thumbs_of(pool, out.getvalue(), "a.png")[100]

    assert (through.format, solid.format) == ("PNG", "JPEG")
    assert through.convert("RGBA").getpixel((50, 33)) == (0, 0, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_colours_of_every_kind_are_shown(pool: WorkerPool, mode: str) -> None:
    """Black and white, greys of 8 to 32 bits, palettes, printing colours."""
    form = "TIFF" if mode in ("CMYK", "I;16", "I", "F") else "PNG"
    out = io.BytesIO()
    (Image.new("I;16", (300, 200), 40_000) if mode == "I;16" else corpus.drawn().convert(mode)).save(out, form)

    assert thumbs_of(pool, out.getvalue(), "a.png")[100].size == (100, 67)


def test_a_wrong_extension_does_not_matter(pool: WorkerPool) -> None:
    """Among pictures the content decides."""
    assert facts_of(pool, corpus.picture("png"), "a.jpg").format == "PNG"


def test_a_raw_file_shows_its_preview(pool: WorkerPool) -> None:
    """The sides are those of the sensor, turned as the camera says."""
    data = corpus.raw_file(orientation=6)
    facts = facts_of(pool, data, "a.nef")

    assert (facts.kind, facts.format, facts.width, facts.height) == (MediaKind.IMAGE, "NEF", 3200, 4800)
    thumb = thumbs_of(pool, data, "a.nef")[800]
    assert thumb.size == (533, 800)
    looks_as_drawn(thumb.transpose(Image.Transpose.ROTATE_90))


def test_a_raw_file_of_no_known_structure_shows_the_jpeg_in_it(pool: WorkerPool) -> None:
    """The largest one that lies in it."""
    data = b"FUJIFILM" + bytes(500) + corpus.picture("jpg", 160, 120) + bytes(900) + corpus.picture("jpg", 900, 600)

    assert thumbs_of(pool, data, "a.raf")[800].size == (800, 533)


@pytest.mark.parametrize("form", corpus.FILMS)
def test_each_kind_of_film_is_read(pool: WorkerPool, form: str) -> None:
    """Sides, duration, codec, and the frame at one second as its picture."""
    data = corpus.film(form)
    facts = facts_of(pool, data, f"a.{form}")

    assert (facts.kind, facts.format, facts.width, facts.height) == (MediaKind.VIDEO, form.upper(), 320, 240)
    assert facts.duration_s == pytest.approx(2, abs=0.2)
    assert facts.codec
    thumbs = thumbs_of(pool, data, f"a.{form}")
    assert {size: image.size for size, image in thumbs.items()} == {100: (100, 75), 800: (320, 240)}


@pytest.mark.parametrize("form", corpus.SOUNDS)
def test_each_kind_of_sound_is_read(pool: WorkerPool, form: str) -> None:
    """Duration and codec; there is nothing to see."""
    data = corpus.film(form)
    facts = facts_of(pool, data, f"a.{form}")

    assert (facts.kind, facts.format, facts.width) == (MediaKind.AUDIO, form.upper(), None)
    assert facts.duration_s == pytest.approx(2, abs=0.2)
    assert facts.codec


def test_a_film_tells_when_and_where(pool: WorkerPool) -> None:
    """As phones write it."""
    facts = facts_of(pool, corpus.film("mp4"), "a.mp4")

    assert facts.taken_ns == 1_577_934_245 * SECOND
    assert (facts.latitude, facts.longitude) == (35.6, -139.7)


@pytest.mark.parametrize(
    "degrees, orientation, sides", [(90, 8, (240, 320)), (180, 3, (320, 240)), (270, 6, (240, 320))]
)
def test_a_turned_film(pool: WorkerPool, degrees: int, orientation: int, sides: tuple[int, int]) -> None:
    """Rotation becomes an orientation; sides and picture are as it is seen."""
    data = corpus.turned_film(degrees)
    facts = facts_of(pool, data, "a.mp4")

    assert (facts.orientation, (facts.width, facts.height)) == (orientation, sides)
    assert thumbs_of(pool, data, "a.mp4")[800].size == sides


def test_a_film_of_less_than_a_second_shows_its_first_frame(pool: WorkerPool) -> None:
    """Half a second of it."""
    assert thumbs_of(pool, corpus.film("mp4", 0.5), "a.mp4")[800].size == (320, 240)


def test_a_sound_with_a_cover_is_a_sound() -> None:
    """The picture of an album does not make it a film."""
    said = (
        "Input #0, mp3, from 'fd:':\n  Duration: 00:01:02.50, start: 0.0, bitrate: 1 kb/s\n"
        "  Stream #0:0: Audio: mp3, 44100 Hz, stereo, fltp, 128 kb/s\n"
        "  Stream #0:1: Video: mjpeg (Baseline), yuvj420p(pc), 500x500 [SAR 1:1 DAR 1:1], 90k tbr (attached pic)\n"
    )

    assert understood(said, "a.mp3") == Facts(MediaKind.AUDIO, "MP3", duration_s=62.5, codec="mp3")


def test_pixels_that_are_not_square() -> None:
    """The width is the one that is seen."""
    said = (
        "Input #0, mpeg, from 'fd:':\n  Duration: N/A, start: 0.0, bitrate: 1 kb/s\n"
        "  Stream #0:0[0x1e0]: Video: mpeg2video (Main), yuv420p(tv), 720x576 [SAR 64:45 DAR 16:9], 25 fps\n"
    )

    facts = understood(said, "a.mpg")
    assert (facts.width, facts.height, facts.duration_s) == (1024, 576, None)


def test_the_file_is_only_read(pool: WorkerPool) -> None:
    """Its descriptor stays the caller's, open and as it was."""
    with tempfile.TemporaryFile() as file:
        file.write(corpus.picture("jpg"))
        file.flush()
        pool.facts(file.fileno(), "a.jpg")
        assert os.fstat(file.fileno()).st_size == len(corpus.picture("jpg"))


def test_what_is_nothing_is_broken(pool: WorkerPool) -> None:
    """Nothing at all, text, a picture's head alone."""
    for data in (b"", b"no picture", corpus.picture("jpg")[:40]):
        for name in ("a.jpg", "a.mp4", "a.nef", "a.heic", "a.mp3"):
            with pytest.raises(MediaBroken):
                facts_of(pool, data, name)
