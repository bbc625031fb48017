"""The conversation of docs/protocols/isync.md, replayed: what the page says is what goes over the wire, byte for byte."""

from pathlib import Path

from tests.fronts.api.documented import Words, examples
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.wire.isync import Code
from homestow.wire.isync_calls import CALLS

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "isync.md"
TEXT = PAGE.read_text("utf-8")


def test_the_conversation(rig: IsyncRig) -> None:
    """In the page's order on a new server: the request's bytes, and status, shown headers and body of its answer."""
    words = Words()
    seen: set[str] = set()
    for example in examples(TEXT):
        where = f"{PAGE.name}:{example.line}"
        method, target = words.put_in(example.asked.first).split(" ")
        headers = {name: words.put_in(value) for name, value in example.asked.headers.items()}
        body = example.asked.body
        if headers.get("Content-Type", "").startswith("multipart/"):
            body = body.replace("\n", "\r\n") + "\r\n"
        told = Phone(rig).ask(method, target, body.encode() or None, headers)
        assert told.status == int(example.answer.first[:3]), (where, told)
        for name, value in example.answer.headers.items():
            assert words.fits(value, told.headers[name.lower()]), (where, name, told.headers[name.lower()])
        assert words.fits(example.answer.body, told.body.decode()), (where, told.body.decode())
        if "Set-Cookie" not in example.answer.headers:
            assert "set-cookie" not in told.headers, where
        seen.add(target[1:].partition(".")[0])
    assert seen == set(CALLS)


def test_the_tables() -> None:
    """Every call with its needed and optional parameters, and every error, stand in a table."""
    for name, call in CALLS.items():
        line = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))
        for method in call.methods:
            assert method in line.split("|")[2]
    for code in Code:
        assert code is Code.OK or f"| {int(code)} |" in TEXT
