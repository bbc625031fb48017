"""Byte ranges and preconditions read from headers, and several ranges framed as one body."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.server.fronts.http.ranges import (
    MAX_RANGES,
    ByteRange,
    EntityTag,
    RangeNotSatisfiable,
    Verdict,
    frame,
    http_date,
    if_range_holds,
    judge,
    parse_etags,
    parse_http_date,
    parse_range,
)

TAG = EntityTag("v1")


@pytest.mark.parametrize(
    "header, expected",
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=0-1000", [(0, 100)]),
        ("bytes=10-", [(10, 100)]),
        ("bytes=-1", [(99, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("BYTES = 0-1", [(0, 2)]),
        ("bytes=0-1, 10-11", [(0, 2), (10, 12)]),
        ("bytes=10-11,0-1", [(10, 12), (0, 2)]),
        ("bytes=,,0-1,,", [(0, 2)]),
        ("bytes=0-10,5-20", [(0, 21)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        ("bytes=50-60,0-10,5-20", [(0, 21), (50, 61)]),
        ("bytes=0-1,200-300", [(0, 2)]),
    ],
)
def test_ranges_are_read_cut_and_merged(header: str, expected: list[tuple[int, int]]) -> None:
    """A well-formed value gives the bytes it names, none of them twice."""
    found = parse_range(header, 100)

    assert found is not None
    assert [(item.start, item.stop) for item in found] == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=--1",
        "items=0-1",
        "bytes=١-٢",
        "bytes=" + "9" * 5000 + "-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MAX_RANGES + 2, 2)),
    ],
)
def test_what_is_not_a_range_means_the_whole_body(header: str) -> None:
    """Malformed values, other units and too many ranges are as if the header were not there."""
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(
    "header, size", [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=200-300,-0", 9)]
)
def test_ranges_without_a_byte_are_told(header: str, size: int) -> None:
    """A well-formed value of which nothing can be sent is an error of its own."""
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(header, size)

    assert caught.value.size == size


def test_a_suffix_of_an_empty_body_is_all_of_it() -> None:
    """No Content-Range can name no bytes, so the empty body is sent whole."""
    assert parse_range("bytes=-5", 0) is None


@pytest.mark.parametrize("count", [10_000, 100_000, 1_000_000])
def test_absurdly_many_ranges_cost_nothing(count: int) -> None:
    """S15: the cost of refusing ranges does not grow with their work."""
    header = "bytes=" + "0-," * count
    best = 1.0
    for _ in range(5):
        began = time.process_time()
        assert parse_range(header, 10**9) is None
        best = min(best, time.process_time() - began)

    assert best < 0.02


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=MAX_RANGES),
    st.integers(0, 200),
)
def test_ranges_cover_exactly_what_was_asked(pairs: list[tuple[int, int]], size: int) -> None:
    """The ranges hold the bytes asked for, each once, whatever the order and overlap."""
    pairs = [(min(pair), max(pair)) for pair in pairs]
    wanted = {at for first, last in pairs for at in range(first, last + 1) if at < size}
    try:
        found = parse_range("bytes=" + ",".join(f"{first}-{last}" for first, last in pairs), size)
    except RangeNotSatisfiable:
        assert not wanted
        return

    assert found is not None
    sent = [at for item in found for at in range(item.start, item.stop)]
    assert set(sent) == wanted
    assert len(sent) == len(wanted)


@pytest.mark.parametrize(
    "headers, verdict",
    [
        ({}, Verdict.PROCEED),
        ({"If-Match": '"v1"'}, Verdict.PROCEED),
        ({"If-Match": "*"}, Verdict.PROCEED),
        ({"If-Match": '"v0", "v1"'}, Verdict.PROCEED),
        ({"If-Match": '"v0"'}, Verdict.FAILED),
        ({"If-Match": 'W/"v1"'}, Verdict.FAILED),
        ({"If-Match": "v1"}, Verdict.FAILED),
        ({"If-Match": '"v1"', "If-Unmodified-Since": http_date(0)}, Verdict.PROCEED),
        ({"If-Unmodified-Since": http_date(1000)}, Verdict.PROCEED),
        ({"If-Unmodified-Since": http_date(999)}, Verdict.FAILED),
        ({"If-Unmodified-Since": "yesterday"}, Verdict.PROCEED),
        ({"If-None-Match": '"v1"'}, Verdict.NOT_MODIFIED),
        ({"If-None-Match": 'W/"v1"'}, Verdict.NOT_MODIFIED),
        ({"If-None-Match": "*"}, Verdict.NOT_MODIFIED),
        ({"If-None-Match": '"v0",W/"v2"'}, Verdict.PROCEED),
        ({"If-None-Match": '"v0"', "If-Modified-Since": http_date(2000)}, Verdict.PROCEED),
        ({"If-None-Match": "v1"}, Verdict.PROCEED),
        ({"If-Modified-Since": http_date(1000)}, Verdict.NOT_MODIFIED),
        ({"If-Modified-Since": http_date(999)}, Verdict.PROCEED),
        ({"If-Match": '"v0"', "If-None-Match": '"v1"'}, Verdict.FAILED),
    ],
)
def test_conditions_are_weighed_in_the_order_of_the_rfc(headers: dict[str, str], verdict: Verdict) -> None:
    """RFC 9110, 13.2.2: tags before dates, If-Match before If-None-Match."""
    assert judge(headers, etag=TAG, mtime_s=1000, reading=True) is verdict


@pytest.mark.parametrize(
    "headers, etag, verdict",
    [
        ({"If-None-Match": "*"}, None, Verdict.PROCEED),
        ({"If-None-Match": "*"}, TAG, Verdict.FAILED),
        ({"If-None-Match": '"v1"'}, TAG, Verdict.FAILED),
        ({"If-Match": "*"}, None, Verdict.FAILED),
        ({"If-Match": '"v1"'}, TAG, Verdict.PROCEED),
        ({"If-Match": '"v1"'}, EntityTag("v1", weak=True), Verdict.FAILED),
        ({"If-Modified-Since": http_date(5000)}, TAG, Verdict.PROCEED),
    ],
)
def test_conditions_of_a_write_refuse_it(headers: dict[str, str], etag: EntityTag | None, verdict: Verdict) -> None:
    """A write whose condition does not hold fails; "not modified" is for reading."""
    assert judge(headers, etag=etag, mtime_s=None if etag is None else 1000, reading=False) is verdict


@pytest.mark.parametrize(
    "header, holds",
    [
        ('"v1"', True),
        ('W/"v1"', False),
        ('"v2"', False),
        (http_date(1000), True),
        (http_date(1001), False),
        (http_date(999), False),
        ("nonsense", False),
    ],
)
def test_if_range_holds_only_for_the_same_bytes(header: str, holds: bool) -> None:
    """A part is continued only when it surely belongs to the same content."""
    assert if_range_holds(header, etag=TAG, mtime_s=1000, now_s=5000) is holds


def test_if_range_trusts_no_date_of_this_moment() -> None:
    """A file may change twice within a second, so a date that young proves nothing."""
    assert not if_range_holds(http_date(1000), etag=TAG, mtime_s=1000, now_s=1001)


def test_lists_of_tags_keep_commas_inside_tags() -> None:
    """A tag may hold a comma; empty elements are skipped; anything else makes the list malformed."""
    assert parse_etags(', "a,b" ,, W/"c",') == (EntityTag("a,b"), EntityTag("c", weak=True))
    assert parse_etags('"a" "b"') is None
    assert parse_etags('"a') is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Sun, 06 Nov 99999999 08:49:37 GMT", None),
        ("Sun, 99 Nov 1994 99:99:99 GMT" * 10, None),
        ("", None),
        ("()", None),
    ],
)
def test_dates_in_all_three_forms(text: str, expected: int | None) -> None:
    """RFC 9110, 5.6.7; anything else is no date, and no error."""
    assert parse_http_date(text) == expected


@given(st.text(max_size=64))
def test_no_header_text_breaks_the_parsers(text: str) -> None:
    """Headers come from anybody."""
    parse_http_date(text)
    parse_etags(text)
    try:
        parse_range("bytes=" + text, 100)
    except RangeNotSatisfiable:
        pass


def test_framing_knows_its_length_before_a_byte_is_sent() -> None:
    """The announced length is that of the body, byte for byte."""
    content = bytes(range(100))
    ranges = (ByteRange(0, 10), ByteRange(90, 100))

    framing = frame(ranges, size=100, content_type="image/png", boundary="xyz")

    body = b"".join(head + content[item.start : item.stop] for head, item in framing.parts) + framing.tail
    assert len(body) == framing.length
    assert framing.content_type == "multipart/byteranges; boundary=xyz"
    assert body == (
        b"--xyz\r\nContent-Type: image/png\r\nContent-Range: bytes 0-9/100\r\n\r\n"
        + content[:10]
        + b"\r\n--xyz\r\nContent-Type: image/png\r\nContent-Range: bytes 90-99/100\r\n\r\n"
        + content[90:]
        + b"\r\n--xyz--\r\n"
    )
