"""The token ledger (P3): every content a simulated person writes is told apart by a token, and no token may vanish unseen.

A token is let go only by somebody who had it before their eyes when they replaced or deleted it. The ledger also knows
every content that ever stood complete at a name, so that half a file is recognised wherever it shows (P2).
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_TOKEN = re.compile(rb"<[^<>:]+:\d+:[0-9a-f]{8}>")

Token = bytes


def tokens_of(content: bytes) -> set[Token]:
    """All tokens in some content."""
    return set(_TOKEN.findall(content))


@dataclass
class Ledger:
    """Who wrote what, and what may be gone."""

    dice: random.Random
    needed: dict[Token, str] = field(default_factory=dict)
    whole: set[bytes] = field(default_factory=set)
    aside: set[Token] = field(default_factory=set)
    _count: int = 0

    def write(self, device: str, size: int, why: str, keep: bytes = b"") -> bytes:
        """New content after `keep`: a fresh token and filling up to about `size` bytes."""
        self._count += 1
        token = f"<{device}:{self._count}:{self.dice.getrandbits(32):08x}>".encode()
        filling = bytes(self.dice.choice(b"abcdefgh") for _ in range(8)) * (max(0, size - len(token)) // 8)
        content = keep + token + filling
        self.needed[token] = why
        self.whole.add(content)
        return content

    def stands(self, content: bytes) -> None:
        """Somebody left this content as it is, an empty or cut file too."""
        self.whole.add(content)

    def let_go(self, content: bytes, but: Iterable[Token] = ()) -> None:
        """Somebody who saw `content` replaced or deleted it; tokens in `but` they did not mean."""
        for token in tokens_of(content) - set(but):
            self.needed.pop(token, None)

    def put_aside(self, tokens: Iterable[Token]) -> None:
        """Somebody wrote over these unseen, on a disk: an older version on the server is all that can be left of them."""
        self.aside.update(tokens)

    def forget(self, lost: Iterable[Token]) -> None:
        """What a disk lost before anything else could know it (power loss)."""
        for token in lost:
            self.needed.pop(token, None)

    def missing(self, found: set[Token], but: Iterable[Token] = ()) -> list[str]:
        """Needed tokens, without those in `but`, that are nowhere in `found`, with their story."""
        excused = set(but)
        return sorted(
            f"{token.decode()} ({story})"
            for token, story in self.needed.items()
            if token not in found and token not in excused
        )
