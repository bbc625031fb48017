"""The examples of docs/protocols/native-api.md, replayed: what the page says is what happens."""

import re
from pathlib import Path

import pytest
from tests.fronts.api.documented import Words, examples, read_json
from tests.fronts.api.rig import Rig, digest_of, new, pack

from homestow.values import errors
from homestow.wire.api import PREFIX
from homestow.wire.api_status import STATUS

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "native-api.md"
TEXT = PAGE.read_text("utf-8")


def test_every_example(rig: Rig) -> None:
    """In the page's order on a new server: status, the headers shown, and the body, byte for byte where it is bytes."""
    words = Words()
    seen = 0
    for example in examples(TEXT):
        where = f"{PAGE.name}:{example.line}"
        method, target = words.put_in(example.asked.first).split(" ")
        body = example.asked.raw if example.asked.raw is not None else words.put_in(example.asked.body).encode()
        headers = {name: words.put_in(value) for name, value in example.asked.headers.items()}
        answer = rig.ask(method, target.removeprefix(PREFIX), body or None, user=None, headers=headers)
        assert answer.status == int(example.answer.first[:3]), (where, answer)
        for name, value in example.answer.headers.items():
            assert words.fits(value, answer.headers[name.lower()]), (where, name, answer.headers[name.lower()])
        if example.answer.raw is not None:
            assert answer.body == example.answer.raw, (where, answer.body)
        elif answer.headers.get("content-type") == "application/json":
            assert words.agrees(read_json(example.answer.body), answer.json()), (where, answer.body.decode())
        else:
            assert answer.body.decode() == example.answer.body, where
        seen += 1
    assert seen > 20
    assert rig.names() == ["Grüße.txt", "Photos", "a.txt"]
    rig.nothing_left_over()


def test_the_worked_pack(rig: Rig) -> None:
    """The bytes of the pack on the page are those that the client's own code makes."""
    (example,) = [each for each in examples(TEXT) if each.asked.first.endswith("/pack")]
    made = pack(new(1, "a.txt", b"first"), new(1, "Photos", b"no"))
    assert example.asked.raw == re.sub(rb"1900000000000000000", b"1700000003000000000", made)


def test_the_worked_digest() -> None:
    """The digest on the page is that of the ten bytes of its upload."""
    assert digest_of(b"0123456789") in TEXT


@pytest.mark.parametrize("code", STATUS)
def test_the_table_of_errors(code: str) -> None:
    """Each code that a server tells stands in the line of its status."""
    only_clients = {"not-homestow", "unreachable", "store-locked", "newer-store", "bad-settings", "roots-overlap"}
    if code in only_clients:
        return
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {STATUS[code]} |")]
    assert f"`{code}`" in line
    assert code in {kind.code for kind in errors.all_errors()}
