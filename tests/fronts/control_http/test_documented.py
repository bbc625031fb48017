"""The exchanges of docs/protocols/control-http.md, replayed: what the page says is what goes over the wire."""

import json
import re
from pathlib import Path
from typing import Any

from tests.fronts.control_http.rig import Site

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "control-http.md"
FENCE = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY = "…"


def fits(said: Any, got: Any) -> bool:
    """Whether an answer is the one of the page, where "…" stands for anything of that place."""
    if said == ANY:
        return True
    if isinstance(said, dict):
        return isinstance(got, dict) and said.keys() == got.keys() and all(fits(said[key], got[key]) for key in said)
    if isinstance(said, list):
        return isinstance(got, list) and len(said) == len(got) and all(map(fits, said, got))
    return bool(said == got)


def test_the_exchanges(site: Site) -> None:
    """In the page's order, by somebody with name and password: status and body of each."""
    window = site.log_in()
    asked = 0
    for fence in FENCE.findall(PAGE.read_text("utf-8")):
        lines = fence.splitlines()
        for ask, answer in zip(lines[::2], lines[1::2], strict=True):
            method, target, *body = ask.removeprefix("> ").split(" ", 2)
            status, _, said = answer.removeprefix("< ").partition(" ")
            got = window.ask(method, target, body=json.loads(body[0]) if body else None)
            assert got.status == int(status), ask
            assert fits(json.loads(re.sub(rf"(?<!\"){ANY}(?!\")", f'"{ANY}"', said)), got.json()), (ask, got.body)
            asked += 1
    assert asked == 14
