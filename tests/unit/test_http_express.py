"""Which requests the express lane takes: one strict form, everything else goes the ordinary way."""

import pytest

from homestow.server.fronts.http.express import MAX_HEAD, answer, recognise

SIMPLE = b"GET /api/v1/nodes/7/content HTTP/1.1\r\nHost: home:5000\r\nAuthorization: Bearer abc\r\n\r\n"


def test_a_simple_request_is_recognised() -> None:
    """Path without query, and each header by its lower-case name."""
    found = recognise(SIMPLE)

    assert found is not None
    assert found.path == b"/api/v1/nodes/7/content"
    assert found.headers == {b"host": b"home:5000", b"authorization": b"Bearer abc"}


def test_a_plain_query_is_recognised() -> None:
    """Whoever answers looks at it, as at a cookie."""
    found = recognise(SIMPLE.replace(b"/content", b"/content?rev=1&x=y-2").replace(b"Authorization", b"Cookie"))

    assert found is not None
    assert (found.path, found.query) == (b"/api/v1/nodes/7/content", b"rev=1&x=y-2")
    assert found.headers[b"cookie"] == b"Bearer abc"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        SIMPLE[:-1],
        SIMPLE[:-2],
        SIMPLE + b"G",
        SIMPLE + SIMPLE,
        SIMPLE.replace(b"GET", b"HEAD"),
        SIMPLE.replace(b"GET", b"get"),
        SIMPLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        SIMPLE.replace(b"HTTP/1.1", b"HTTP/1.1 "),
        SIMPLE.replace(b"/content", b"/content?rev=%31"),
        SIMPLE.replace(b"/content", b"/content?"),
        SIMPLE.replace(b"/content", b"/content?a=1?b=2"),
        SIMPLE.replace(b"/content", b"/content.txt"),
        SIMPLE.replace(b"/content", b"/%63ontent"),
        SIMPLE.replace(b"/content", b"/../content"),
        SIMPLE.replace(b"/api", b"http://home/api"),
        SIMPLE.replace(b"\r\nHost", b"\nHost"),
        SIMPLE.replace(b"\r\nHost", b"\rHost"),
        SIMPLE.replace(b"home:5000", b"home\n:5000"),
        SIMPLE.replace(b"home:5000", b"home\0"),
        SIMPLE.replace(b"home:5000", b"home\xff"),
        SIMPLE.replace(b"Host: home:5000\r\n", b""),
        SIMPLE.replace(b"Host:", b"Host :"),
        SIMPLE.replace(b"Host:", b" Host:"),
        SIMPLE.replace(b"Authorization", b"host"),
        SIMPLE.replace(b"Bearer abc", b"Bearer abc\r\n more"),
        SIMPLE.replace(b"Bearer abc", b""),
        *(
            SIMPLE.replace(b"Bearer abc", b"Bearer abc\r\n" + line)
            for line in (
                b"Content-Length: 0",
                b"Content-Length: 5",
                b"Transfer-Encoding: chunked",
                b"Connection: close",
                b"Connection: keep-alive",
                b"Upgrade: h2c",
                b"Expect: 100-continue",
                b"Range: bytes=0-1",
                b"If-None-Match: *",
                b"If-Range: x",
                b"Cookie: session=1\r\nCookie: session=2",
                b"X-Forwarded-For: 1.2.3.4",
                b"Idempotency-Key: k",
            )
        ),
        SIMPLE.replace(b"abc", b"a" * MAX_HEAD),
    ],
)
def test_everything_else_goes_the_ordinary_way(data: bytes) -> None:
    """A body, a range, a condition, a second request, or anything malformed is not for this lane (S18)."""
    assert recognise(data) is None


def test_an_answer_is_one_http_response() -> None:
    """Status line, the content's fields, what every answer bears, an empty line, the body."""
    whole = answer("Content-Length: 2\r\n", b"hi", 0, secure=True)

    head, _, body = whole.partition(b"\r\n\r\n")
    assert body == b"hi"
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Length: 2",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Server: homestow",
        b"X-Content-Type-Options: nosniff",
        b"Referrer-Policy: no-referrer",
        b"Strict-Transport-Security: max-age=31536000",
    ]
