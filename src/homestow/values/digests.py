"""Content digests as lower-case hexadecimal text; BLAKE3 (32 bytes, 64 digits) is the one for identity and blocks."""

from typing import NewType

from homestow.values.errors import BadRequest

Digest = NewType("Digest", str)
"""BLAKE3 of whole content: 64 lower-case hexadecimal digits."""

BLOCK_SIZE = 4 * 1024 * 1024
"""Default block of large transfers, in bytes."""

EMPTY = Digest("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
"""Digest of no bytes at all."""

_HEX = frozenset("0123456789abcdef")


def parse_digest(text: str) -> Digest:
    """Check a digest from outside.

    Raises:
        BadRequest: not 64 lower-case hexadecimal digits.
    """
    if len(text) != 64 or not _HEX.issuperset(text):
        raise BadRequest("A digest is 64 lower-case hexadecimal digits (BLAKE3).")
    return Digest(text)
