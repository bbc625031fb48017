"""Media facts and thumbnails over the native API."""

import io
import os

from PIL import Image
from tests.fronts.api.rig import Rig
from tests.unit import media_corpus as corpus


def test_facts_of_a_picture(shared: Rig) -> None:
    """Everything it tells, and null for what it does not."""
    node = shared.put("facts.jpg", corpus.turned(6, taken=True))
    answer = shared.ask("GET", f"/nodes/{node.id}/media")

    told = answer.json()
    assert (told["kind"], told["format"], told["width"], told["height"]) == ("image", "JPEG", 300, 200)
    assert (told["orientation"], told["duration_s"]) == (6, None)
    assert told["taken_ns"] == 1_620_277_689_250_000_000


def test_facts_of_what_is_no_media(shared: Rig) -> None:
    """Its kind is other."""
    node = shared.put("text.txt", b"text")

    assert shared.ask("GET", f"/nodes/{node.id}/media").json()["kind"] == "other"


def test_both_sizes(shared: Rig) -> None:
    """100 unless it is said; shown, not saved, and kept by nobody but the one who asked."""
    node = shared.put("sizes.jpg", corpus.picture("jpg", 1200, 900))
    for query, size in (("", (100, 75)), ("?size=100", (100, 75)), ("?size=800", (800, 600))):
        answer = shared.ask("GET", f"/nodes/{node.id}/thumbnail{query}")
        assert answer.status == 200
        assert Image.open(io.BytesIO(answer.body)).size == size
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"].startswith("private")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert shared.ask("GET", f"/nodes/{node.id}/thumbnail?size=500").status == 400


def test_who_has_it_is_told_so(shared: Rig) -> None:
    """304 by its tag; other content has another tag."""
    node = shared.put("tag.jpg", corpus.picture("jpg"))
    path = f"/nodes/{node.id}/thumbnail"
    first = shared.ask("GET", path)
    tag = first.headers["etag"]

    again = shared.ask("GET", path, headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert shared.ask("GET", f"{path}?size=800").headers["etag"] != tag
    shared.edit(node, corpus.picture("jpg", 50, 40))
    changed = shared.ask("GET", path, headers={"If-None-Match": tag})
    assert changed.status == 200
    assert Image.open(io.BytesIO(changed.body)).size == (50, 40)


def test_ranges_and_head(shared: Rig) -> None:
    """As content has them."""
    node = shared.put("range.jpg", corpus.picture("jpg"))
    path = f"/nodes/{node.id}/thumbnail"
    whole = shared.ask("GET", path)
    part = shared.ask("GET", path, headers={"Range": "bytes=2-5"})
    head = shared.ask("HEAD", path)

    assert (part.status, part.body) == (206, whole.body[2:6])
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))


def test_the_express_lane_gives_the_same(shared: Rig) -> None:
    """Whatever way a cached thumbnail goes, its answer is the same but for the date."""
    node = shared.put("express.jpg", corpus.picture("jpg"))
    path = f"/nodes/{node.id}/thumbnail"
    shared.ask("GET", path)
    ordinary = shared.ask("GET", path, headers={"X-Other": "1"})
    express = [shared.ask("GET", path) for _ in range(3)]

    def plain(headers: object) -> dict[str, str]:
        assert isinstance(headers, dict)
        return {name: value for name, value in headers.items() if name not in ("date", "x-request-id")}

    for answer in express:
        assert answer.body == ordinary.body
        assert plain(dict(answer.headers)) == plain(dict(ordinary.headers))


def test_an_edit_on_the_servers_disk(shared: Rig) -> None:
    """Shows in the thumbnail once it was noticed."""
    node = shared.put("outside.png", corpus.picture("png", 60, 40))
    path = f"/nodes/{node.id}/thumbnail"
    assert Image.open(io.BytesIO(shared.ask("GET", path).body)).size == (60, 40)
    place = shared.folder / "outside.png"
    place.write_bytes(corpus.picture("png", 40, 60))
    os.utime(place, ns=(1, 1_000_000_000_000_000_000))
    shared.ask("GET", f"/nodes/{node.id}/content")

    assert Image.open(io.BytesIO(shared.ask("GET", path).body)).size == (40, 60)


def test_nothing_is_left_to_those_whose_right_ended(shared: Rig) -> None:
    """S09, S54: also what lies in the cache answers as if it were not there."""
    node = shared.put("secret.jpg", corpus.picture("jpg"))
    for what in ("thumbnail", "media"):
        assert shared.ask("GET", f"/nodes/{node.id}/{what}").status == 200
        refused = shared.ask("GET", f"/nodes/{node.id}/{what}", user="dan")
        unknown = shared.ask("GET", f"/nodes/{10**12}/{what}", user="dan")
        assert (refused.status, refused.code) == (unknown.status, unknown.code) == (404, "not-found")
