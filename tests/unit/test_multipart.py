"""Multipart bodies as a stream."""

import random
from collections.abc import Iterable

import pytest

from homestow.wire.multipart import (
    MAX_AROUND_BYTES,
    MAX_HEAD_BYTES,
    MAX_PARTS,
    End,
    Head,
    MultipartBroken,
    MultipartReader,
    Piece,
    boundary_of,
)

Parts = list[tuple[Head, bytes, bool]]
"""What came of a body: each part's head, its bytes, and whether it was complete."""


def read(boundary: str, chunks: Iterable[bytes]) -> tuple[Parts, MultipartReader, str | None]:
    """All parts of a body that comes in these chunks; the reader; what it complained of."""
    reader = MultipartReader(boundary)
    parts: Parts = []
    try:
        for chunk in chunks:
            for event in reader.feed(memoryview(chunk)):
                match event:
                    case Head():
                        parts.append((event, b"", False))
                    case Piece():
                        head, data, _ = parts[-1]
                        assert len(event.data) > 0
                        parts[-1] = (head, data + bytes(event.data), False)
                    case End():
                        head, data, done = parts[-1]
                        assert not done
                        parts[-1] = (head, data, True)
    except MultipartBroken as error:
        return parts, reader, str(error)
    return parts, reader, None


def part(data: bytes, filename: str = "origin") -> bytes:
    return f'Content-Disposition: form-data; name="f"; filename="{filename}"\r\n\r\n'.encode() + data


def body(boundary: str, *parts: bytes) -> bytes:
    return b"".join(f"--{boundary}\r\n".encode() + one + b"\r\n" for one in parts) + f"--{boundary}--\r\n".encode()


def cuts(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes in random pieces, some empty."""
    at = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(12)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


class TestReading:
    def test_the_example_of_the_protocol_is_read(self) -> None:
        """Byte for byte as the protocol's page has it."""
        data = (
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="origin"\r\nContent-Type: video/mp4\r\n\r\n'
            b"HELLO\r\n--B--\r\n"
        )
        parts, reader, trouble = read("B", [data])

        assert (parts, reader.complete, trouble) == ([(Head("f", "origin"), b"HELLO", True)], True, None)
        reader.close()

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_pieces_of_any_size_give_the_same(self, size: int) -> None:
        """Delimiters may be cut anywhere; what looks like the beginning of one is content when it goes on otherwise."""
        tricky = b"\r\n--Bx\r\n--\r\n-\r\r\n--\r\n--b\r\n"
        data = b"preamble\r\n" + body("By", part(tricky), part(b"", "thumb"), part(b"\r\n", "screen"))
        parts, reader, trouble = read("By", (data[at : at + size] for at in range(0, len(data), size)))

        assert trouble is None
        assert reader.complete
        assert [(head.filename, content, done) for head, content, done in parts] == [
            ("origin", tricky, True), ("thumb", b"", True), ("screen", b"\r\n", True),
        ]  # fmt: skip

    def test_a_part_may_have_no_content_and_no_head(self) -> None:
        """An empty line at once, or a delimiter right behind the head."""
        data = b"--B\r\n\r\nabc\r\n--B \t\r\nContent-Disposition: form-data; filename=thumb\r\n\r\n--B--"
        parts, reader, trouble = read("B", [data])

        assert (parts, trouble) == ([(Head(None, None), b"abc", True), (Head(None, "thumb"), b"", True)], None)
        reader.close()

    @pytest.mark.parametrize(
        "line, filename",
        [
            ('form-data; name="f"; filename="origin"', "origin"),
            ("form-data; filename=origin; name=f", "origin"),
            ('form-data;FileName="a \\"b\\" c;d"; ', 'a "b" c;d'),
            ("form-data; name=f", None),
            ("form-data", None),
            ('attachment; filename="\xe4\xf6"', "\xe4\xf6"),
        ],
    )
    def test_file_names_are_attributes_in_any_spelling(self, line: str, filename: str | None) -> None:
        """Quoted or not, in any order, with escapes."""
        data = f"--B\r\ncontent-disposition: {line}\r\n\r\nx\r\n--B--".encode()

        parts, _, trouble = read("B", [data])

        assert trouble is None
        assert parts[0][0].filename == filename

    @pytest.mark.parametrize("at", range(0, 118, 3))
    def test_whoever_breaks_off_has_sent_a_prefix(self, at: int) -> None:
        """Never a byte that does not belong to the part; closing says that the end is missing."""
        content = b"12345\r\n--678\r"
        data = body("BB", part(content))
        parts, reader, trouble = read("BB", [data[:at]])

        assert trouble is None
        assert all(content.startswith(found) for _, found, _ in parts)
        if at < len(data) - 2:
            assert not reader.complete
            with pytest.raises(MultipartBroken):
                reader.close()


class TestRefusing:
    @pytest.mark.parametrize(
        "data",
        [
            b"--B\r\nno header\r\n\r\nx\r\n--B--",
            b"--B\r\nContent-Disposition: form-data; filename=a; filename=b\r\n\r\nx\r\n--B--",
            b"--B\r\nContent-Disposition: form-data\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--",
            b"--B\r\nContent-Disposition: form-data; filename=\"a\r\n\r\nx\r\n--B--",
            b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--B--",
            b"--Bx\r\n\r\n",
            b"--B-x",
            b"--B" + b" " * 300,
            b"x" * (MAX_AROUND_BYTES + 1),
            b"--B--" + b"x" * (MAX_AROUND_BYTES + 1),
            b"--B\r\nX: " + b"y" * MAX_HEAD_BYTES,
            b"--B\r\n" + b"X: y\r\n" * 17 + b"\r\n",
            b"--B\r\n\r\nx\r\n" * (MAX_PARTS + 1),
            b"--B\r\nX: a\x00b\r\n\r\n",
        ],
    )  # fmt: skip
    def test_malformed_bodies_are_refused(self, data: bytes) -> None:
        """In one piece and byte by byte."""
        assert read("B", [data])[2] is not None
        assert read("B", (data[at : at + 1] for at in range(len(data))))[2] is not None

    @pytest.mark.parametrize(
        "header, boundary",
        [
            ("multipart/form-data; boundary=B", "B"),
            ('Multipart/Form-Data ;charset=x; Boundary="a b"', "a b"),
            ("multipart/mixed; boundary=B", None),
            ("application/json", None),
            ("", None),
        ],
    )
    def test_boundaries_are_read(self, header: str, boundary: str | None) -> None:
        """Of this type alone."""
        assert boundary_of(header) == boundary

    @pytest.mark.parametrize(
        "rest",
        [
            "",
            ";",
            "; boundary=",
            '; boundary="a\\\r"',
            "; boundary=" + "b" * 71,
            '; boundary="b "',
            '; boundary="\xe4"',
            "; x",
        ],
    )
    def test_types_without_a_boundary_are_refused(self, rest: str) -> None:
        """There is nothing to look for in the body."""
        with pytest.raises(MultipartBroken):
            boundary_of("multipart/form-data" + rest)


class TestRandom:
    def test_random_bodies_come_out_as_they_went_in(self) -> None:
        """5,000 bodies with contents made of pieces of delimiters, cut anywhere; a cut-off one gives prefixes."""
        for seed in range(5000):
            rng = random.Random(seed)
            boundary = "".join(rng.choice("aB-") for _ in range(rng.randrange(1, 5)))
            atoms = [b"\r\n", b"\r", b"\n", b"-", b"--", b"a", b"B", boundary.encode(), b"\r\n--", rng.randbytes(3)]
            contents = []
            for _ in range(rng.randrange(4)):
                content = b"".join(rng.choice(atoms) for _ in range(rng.randrange(20)))
                # A content that has the delimiter in it is none: the sender must choose another boundary.
                delimiter = b"\r\n--" + boundary.encode()
                while delimiter in b"\r\n" + content + delimiter[:-1]:
                    content = content.replace(b"--", b"")
                    if delimiter in b"\r\n" + content + delimiter[:-1]:
                        content = b""
                contents.append(content)
            data = body(boundary, *(part(content) for content in contents))
            parts, reader, trouble = read(boundary, cuts(rng, data))
            assert (trouble, reader.complete) == (None, True), seed
            assert [content for _, content, _ in parts] == contents, seed
            short, _, trouble = read(boundary, cuts(rng, data[: rng.randrange(len(data))]))
            assert trouble is None, seed
            for (_, content, _), whole in zip(short, contents, strict=False):
                assert whole.startswith(content), seed

    def test_random_garbage_never_does_worse_than_be_refused(self) -> None:
        """5,000 bodies of lines that may mean something; the cuts make no difference to what comes of them."""
        atoms = [
            b"--B", b"--B--", b"\r\n", b"\r\n", b"Content-Disposition: form-data; filename=origin", b"\r", b"\n", b"\x00", b" ",
            b"X: y", b"--", b"\xff", b'filename="', b";", b"--B\r\n\r\n",
        ]  # fmt: skip
        for seed in range(5000):
            rng = random.Random(seed)
            data = b"".join(rng.choice(atoms) for _ in range(rng.randrange(30)))
            whole, first, trouble = read("B", [data])
            again, second, other = read("B", cuts(rng, data))
            assert (trouble is None, first.complete) == (other is None, second.complete), seed
            if trouble is None:
                assert whole == again, seed
