"""The one range of bytes that isync downloads know, and what browsers are told about content."""

import pytest

from homestow.server.fronts.http.content_types import content_type
from homestow.server.fronts.http.disposition import Disposition
from homestow.server.fronts.http.ranges import ByteRange, RangeNotSatisfiable
from homestow.server.fronts.isync.contents import one_range


class TestOneRange:
    @pytest.mark.parametrize(
        "header, expected",
        [
            ("bytes=0-0", (0, 1)), ("bytes=2-5", (2, 6)), ("bytes=2-", (2, 10)), ("bytes=2-99", (2, 10)), ("bytes=-3", (7, 10)),
            ("bytes=-10", (0, 10)), (" Bytes = 1 - 2 ", (1, 3)), ("bytes=9-", (9, 10)),
        ],
    )  # fmt: skip
    def test_one_range_is_honoured(self, header: str, expected: tuple[int, int]) -> None:
        """Both ends included; an end behind the last byte is the last byte."""
        assert one_range(header, 10) == ByteRange(*expected)

    @pytest.mark.parametrize(
        "header", [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4", "bytes=1", "x" * 300, "bytes=1--2"]
    )  # fmt: skip
    def test_several_and_malformed_ones_are_none(self, header: str | None) -> None:
        """Everything is sent."""
        assert one_range(header, 10) is None

    @pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-11", "bytes=-0", "items=0-1"])
    def test_what_is_not_there_is_refused(self, header: str) -> None:
        """Behind the end, more than there is, another unit."""
        with pytest.raises(RangeNotSatisfiable):
            one_range(header, 10)


class TestContentTypes:
    @pytest.mark.parametrize(
        "name, kind",
        [("a.JPG", "image/jpeg"), ("a.mp4", "video/mp4"), ("a.mov", "video/quicktime"), ("a.mp3", "audio/mpeg")],
    )
    def test_media_are_shown(self, name: str, kind: str) -> None:
        """Whatever the case of the extension."""
        assert content_type(name) == (kind, Disposition.INLINE)

    @pytest.mark.parametrize(
        "name", ["a.html", "a.svg", "a.xhtml", "a.xml", "a.js", "a.pdf", "a", ".jpg", "a.", "a.jpg.exe", ""]
    )
    def test_what_could_run_is_saved(self, name: str) -> None:
        """And what nobody knows (S22)."""
        assert content_type(name)[1] is Disposition.ATTACHMENT
