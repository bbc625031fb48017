"""The conversations of docs/protocols/netdrive.md, replayed: what the page says is what goes over the wire, byte for byte."""

import re
from pathlib import Path

from tests.fronts.api.documented import Words
from tests.fronts.netdrive.rig import Peer, open_rig

from homestow.wire.netdrive import REQUESTS, Dialect, Error

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "netdrive.md"
TEXT = PAGE.read_text("utf-8")
FENCE = re.compile(r"^```netdrive\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASKED = re.compile(r'(?:^|\\0)(\w+)\\n|^{"type": "(\w+)"')


def test_the_conversations(tmp_path: Path) -> None:
    """In the page's order on a new server: each answer, and that nothing else comes."""
    words = Words()
    seen: set[str] = set()
    with open_rig(tmp_path, open_root="tree") as rig:
        peer: Peer | None = None
        for fence in FENCE.finditer(TEXT):
            line = TEXT[: fence.start()].count("\n") + 1
            for text in fence[1].splitlines():
                line += 1
                who, said = text[0], text[2:]
                if text == "C connects":
                    if peer is not None:
                        peer.close()
                    peer = Peer(rig.tcp_port)
                    continue
                assert peer is not None
                if text == "S closes":
                    assert peer.is_closed(), line
                elif who == "C":
                    seen.update(name for found in ASKED.findall(said) for name in found)
                    peer.send(bytes_of(words.put_in(said)))
                else:
                    heard(peer, said, words, line)
        assert peer is not None
        peer.close()
    assert {*REQUESTS[Dialect.FINAL], *REQUESTS[Dialect.DOCUMENTED]} <= seen


def bytes_of(text: str) -> bytes:
    """What a line stands for."""
    return text.replace("\\0", "\0").replace("\\n", "\n").encode()


def heard(peer: Peer, said: str, words: Words, line: int) -> None:
    """An answer: parts that end with NUL, then bytes."""
    *parts, rest = said.split("\\0")
    for part in parts:
        got = peer.until_nul().decode("ascii").replace("\n", "\\n")
        assert words.fits(part, got), (line, got)
    assert peer.exactly(len(rest)) == rest.encode(), line


def test_the_tables() -> None:
    """Every message, and every number of an error, stands in a table."""
    for number in Error:
        assert f"| {int(number)} |" in TEXT
    for dialect in (Dialect.DOCUMENTED, Dialect.FINAL):
        for kind in REQUESTS[dialect]:
            assert re.search(rf"^\| (`\w+`, )?`{kind}`", TEXT, re.MULTILINE), kind
