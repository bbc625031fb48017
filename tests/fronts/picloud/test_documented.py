"""The conversations of docs/protocols/picloud.md, replayed: what the page says is what goes over the wire, byte for byte."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.picloud.rig import Peer, PicloudRig, open_rig

from homestow.server.fronts.picloud import front
from homestow.wire import picloud as wire

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "picloud.md"
TEXT = PAGE.read_text("utf-8")
FENCE = re.compile(r"^```picloud ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"([CS]) ((?:[0-9a-f]{2} ){3}[0-9a-f]{2})  (.*)")
SERVERS: dict[str, dict[str, Any]] = {
    "": {},
    "signup": {"signup_open": True},
    "stranger": {},
    "inbox": {"inbox": "tree"},
}


@pytest.mark.parametrize("kind", SERVERS)
def test_the_conversations(tmp_path: Path, kind: str) -> None:
    """In the page's order, each kind of server new; what the server sends is all it sends."""
    with open_rig(tmp_path, **SERVERS[kind]) as rig:
        peer: Peer | None = None
        seen = 0
        for found in FENCE.finditer(TEXT):
            if found[1] == kind:
                seen += 1
                for line in found[2].splitlines():
                    peer = _speak(rig, peer, line)
        assert seen
        assert peer is not None
        assert peer.end() == b""
        peer.close()


def _speak(rig: PicloudRig, peer: Peer | None, line: str) -> Peer:
    """One line of a conversation."""
    if line == "C connects":
        if peer is not None:
            assert peer.end() == b"", line
            peer.close()
        return rig.peer()
    assert peer is not None
    if line == "S closes":
        assert peer.rest() == b""
        peer.close()
        return rig.peer()
    said = LINE.fullmatch(line)
    assert said is not None, line
    data = bytes.fromhex(said[2]) + said[3].replace("\\n", "\n").encode()
    if said[1] == "C":
        peer.send(data)
    else:
        assert peer.exactly(len(data)) == data, line
    return peer


def test_the_notes() -> None:
    """The page has every exact text of the protocol, and its limits are those of the program."""
    for text in (wire.RECEIVED, wire.FAILED, wire.REGISTERED, wire.NOT_REGISTERED, wire.LOGGED_IN, wire.NOT_LOGGED_IN):
        assert f"  {text.decode()}\n" in TEXT
    assert wire.LOGIN_QUESTION.decode().replace("\n", "\\n") in TEXT
    assert (front.HELD, front.ANONYMOUS, front.DRAINED) == (64 << 10, 1 << 20, 1 << 20)
    assert (front.STRANGER_IDLE_S, front.ANSWER_S) == (60, 60)
    assert (wire.MAX_NAME, wire.MAX_EXT, wire.OLD_SLICE, wire.DEFAULT_PORT) == (4096, 255, 1_048_575, 46000)
