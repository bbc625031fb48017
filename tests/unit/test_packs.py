"""Packs are read as they were written, however they arrive, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.values.errors import BadRequest, TooLarge
from homestow.wire.api import MAX_PACK_FILE_BYTES, PackHeader, PackItem, Problem
from homestow.wire.packs import MAX_HEADER_BYTES, PackReader, head, part

contents = st.lists(st.binary(max_size=300), max_size=8)


def read(data: bytes, step: int, max_files: int = 4096) -> list[tuple[PackItem, bytes]]:
    reader = PackReader(PackItem, max_files)
    found = [got for at in range(0, len(data), step) for got in reader.feed(data[at : at + step])]
    reader.close()
    return found


def test_worked_bytes() -> None:
    """The bytes of the module's description, by hand."""
    header = b'{"size":2,"mtime_ns":0,"parent":1,"name":"a"}'
    data = b"\x00\x00\x00\x2d" + header + b"hi"
    assert len(header) == 0x2D
    item = PackItem(size=2, mtime_ns=0, parent=1, name="a")
    assert part(item, b"hi") == head(item) + b"hi" == data
    assert read(data, len(data)) == [(item, b"hi")]


@given(contents, st.integers(1, 400))
def test_any_cut_reads_the_same(files: list[bytes], step: int) -> None:
    """Files come in order, whole and once, whatever the size of the pieces that arrive."""
    items = [PackItem(size=len(file), mtime_ns=-k, node=k, base=1) for k, file in enumerate(files)]
    data = b"".join(part(item, file) for item, file in zip(items, files, strict=True))
    assert read(data, step) == list(zip(items, files, strict=True))


def test_a_problem_has_no_bytes() -> None:
    """A file that cannot be given comes as a header alone, between others."""
    gone = PackHeader(node=1, rev=2, problem=Problem(code="not-found", message="gone"))
    there = PackHeader(node=2, rev=1, size=1)
    reader = PackReader(PackHeader)
    assert list(reader.feed(memoryview(part(gone, b"") + part(there, b"x")))) == [(gone, b""), (there, b"x")]
    reader.close()


@given(contents, st.integers(1, 200))
def test_a_pack_that_ends_early_is_no_pack(files: list[bytes], cut: int) -> None:
    """Every cut inside a file is noticed at the end; files before it are given."""
    parts = [part(PackItem(size=len(file), mtime_ns=0), file) for file in files]
    data = b"".join(parts)
    ends = {sum(map(len, parts[:k])) for k in range(len(parts) + 1)}
    cut = min(cut, len(data))
    reader = PackReader(PackItem)
    assert len(list(reader.feed(data[:cut]))) == max(
        k for k in range(len(parts) + 1) if sum(map(len, parts[:k])) <= cut
    )
    if cut in ends:
        reader.close()
    else:
        with pytest.raises(BadRequest):
            reader.close()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xff",
        b'{"size":"2","mtime_ns":0}',
        b'{"size":-1,"mtime_ns":0}',
        b'{"size":1.5,"mtime_ns":0}',
        b'{"mtime_ns":0}',
        b'{"size":9223372036854775808,"mtime_ns":0}',
    ],
)
def test_a_header_not_of_its_form_is_refused(header: bytes) -> None:
    """A wrong header is the sender's mistake, told before any content is waited for."""
    with pytest.raises(BadRequest):
        list(PackReader(PackItem).feed(len(header).to_bytes(4, "big") + header))


def test_limits() -> None:
    """A header, a file and a number of files over the limit are refused before they are held (P11)."""
    with pytest.raises(BadRequest):
        list(PackReader(PackItem).feed((MAX_HEADER_BYTES + 1).to_bytes(4, "big")))
    large = json.dumps({"size": MAX_PACK_FILE_BYTES + 1, "mtime_ns": 0}).encode()
    with pytest.raises(TooLarge) as refused:
        list(PackReader(PackItem).feed(len(large).to_bytes(4, "big") + large))
    assert refused.value.facts["limit"] == MAX_PACK_FILE_BYTES
    one = part(PackItem(size=0, mtime_ns=0), b"")
    assert len(read(one * 3, 5, max_files=3)) == 3
    with pytest.raises(TooLarge):
        read(one * 4, 5, max_files=3)


def test_a_file_in_crumbs_costs_its_size() -> None:
    """A megabyte that comes byte by byte is read without reading its header a million times (S17)."""
    item = PackItem(size=200_000, mtime_ns=0, name="x" * 200)
    data = part(item, bytes(200_000))
    assert read(data, 1) == [(item, bytes(200_000))]
