"""Which requests the express lane takes: one strict form, everything else goes the ordinary way."""

import pytest

from homestow.server.fronts.http.express import MAX_BODY, MAX_HEAD, answer, recognise, recognise_put

SIMPLE = b"GET /api/v1/nodes/7/content HTTP/1.1\r\nHost: home:5000\r\nAuthorization: Bearer abc\r\n\r\n"
PUT = (
    b"PUT /api/v1/nodes/7/files?name=a%20b+c HTTP/1.1\r\nHost: home:5000\r\nAuthorization: Bearer abc\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)


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


def test_a_simple_put_is_recognised() -> None:
    """Path, query as it came, each header by its lower-case name, and all of the body."""
    found = recognise_put(PUT)

    assert found is not None
    assert (found.path, found.query, found.body) == (b"/api/v1/nodes/7/files", b"name=a%20b+c", b"hello")
    assert found.headers[b"content-length"] == b"5"


def test_a_body_may_be_empty_or_look_like_a_request() -> None:
    """Its length alone says where it ends."""
    for body in (b"", PUT, b"x" * MAX_BODY):
        found = recognise_put(PUT.removesuffix(b"hello").replace(b"h: 5", b"h: %d" % len(body)) + body)
        assert found is not None
        assert found.body == body


@pytest.mark.parametrize(
    "data",
    [
        SIMPLE,
        PUT[:-1],
        PUT[:-5],
        PUT[:-7],
        PUT + b"P",
        PUT + b"\r\n",
        PUT + PUT,
        PUT.replace(b"PUT", b"put"),
        PUT.replace(b"PUT", b"POST"),
        PUT.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PUT.replace(b"?name=a%20b+c", b""),
        PUT.replace(b"?name=a%20b+c", b"?"),
        PUT.replace(b"name=a", b"name=a#"),
        PUT.replace(b"name=a", b"name=\xc3\xa4"),
        PUT.replace(b"/nodes/7", b"/nodes/%37"),
        PUT.replace(b"\r\nHost", b"\nHost"),
        PUT.replace(b"home:5000", b"home\0"),
        PUT.replace(b"Host: home:5000\r\n", b""),
        PUT.replace(b"Content-Length: 5\r\n", b""),
        PUT.replace(b"Bearer abc", b"Bearer abc\r\n more"),
        *(
            PUT.replace(b"Content-Length: 5", line)
            for line in (
                b"Content-Length: 05",
                b"Content-Length: +5",
                b"Content-Length: 0x5",
                b"Content-Length: 5, 5",
                b"Content-Length: 4",
                b"Content-Length: 6",
                b"Content-Length: 5_",
                b"Content-Length: -5",
                b"Content-Length : 5",
                b"Content-Length:\t5",
                "Content-Length: \u0665".encode(),
                b"Content-Length: 5\r\nContent-Length: 5",
                b"Content-Length: 5\r\ncontent-length: 4",
                b"Content-Length: 5\r\nTransfer-Encoding: chunked",
                b"Transfer-Encoding: chunked",
                b"Content-Length: 5\r\nExpect: 100-continue",
                b"Content-Length: 5\r\nConnection: close",
                b"Content-Length: 5\r\nUpgrade: h2c",
                b"Content-Length: 5\r\nContent-Encoding: gzip",
                b"Content-Length: 5\r\nContent-Range: bytes 0-4/9",
                b"Content-Length: 5\r\nIf-Match: *",
                b"Content-Length: 5\r\nIdempotency-Key: k",
                b"Content-Length: 5\r\nX-Forwarded-For: 1.2.3.4",
                b"Content-Length: 5\r\nOrigin: http://x",
            )
        ),
        PUT.removesuffix(b"hello").replace(b"h: 5", b"h: %d" % (MAX_BODY + 1)) + b"x" * (MAX_BODY + 1),
        PUT.replace(b"abc", b"a" * MAX_HEAD),
    ],
)
def test_every_other_put_goes_the_ordinary_way(data: bytes) -> None:
    """Any other framing, anything behind it, a condition, a key, or a body that is not all here (S18)."""
    assert recognise_put(data) is None


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
