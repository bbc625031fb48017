"""The isync front under the same list of names and the same limits on guessing (rows S01, S43, S45)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import SECOND
from tests.fronts.isync.rig import IsyncRig
from tests.fronts.isync.rig import rig as open_rig
from tests.security.vectors import legal, names

from homestow.wire.isync import Code, node_name

NAMES = names()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[IsyncRig]:
    """A server with both fronts."""
    with open_rig(tmp_path) as made:
        yield made


def test_S01_every_display_name_becomes_one_that_may_stand() -> None:
    """Clients of isync show any text; what its file is called is always one name of at most 255 bytes, with any extension."""
    for at, name in enumerate(NAMES):
        for ext in ("", "jpg", NAMES[-1 - at]):
            assert legal(node_name(name, ext)), (ascii(name), ascii(ext))


def test_S01_display_names_lead_nowhere(both: IsyncRig) -> None:
    """A sample of the vectors as catalogs: each is refused, or shown as it was given and lies in its folder; nothing appears
    anywhere else, and no answer is a failure of ours."""
    phone, folder = both.phone(), both.folder_node(fresh())
    outside = {path: set(os.listdir(path)) for path in (both.place, both.place / "data", both.place.parent)}
    shown = []
    for name in NAMES[::12]:
        answer = phone.post_json("createCatalog", {"parentId": folder.id, "name": name})
        assert answer.status < 500
        assert answer.code in (Code.OK, Code.BAD_PARAMETER), (ascii(name), answer)
        if answer.code == Code.OK:
            assert answer.data["name"] == name
            shown.append(name)
    assert len(shown) > 300
    assert len(os.listdir(both.folder / folder.name)) == len(shown)
    assert set(both.names()) == {folder.name}
    assert {path: set(os.listdir(path)) for path in outside} == outside


def test_S43_guesses_on_one_front_count_on_the_other(both: IsyncRig) -> None:
    """Ten tries in all, wherever they are made: who guessed at one front has no new ten at the next."""
    for number in range(5):
        assert both.phone(None).post("login", userName="anna", password=f"wrong {number}").code == Code.WRONG_LOGIN
        assert both.ask("POST", "/login", {"user": "anna", "password": f"wrong {number}"}, user=None).status == 401
    assert both.ask("POST", "/login", {"user": "anna", "password": "wrong"}, user=None).status == 429
    refused = both.phone(None).post("login", userName="anna", password="wrong")
    assert refused.code != Code.OK
    assert "retry-after" in refused.headers


def test_S45_isync_tells_no_user(both: IsyncRig) -> None:
    """Unknown users and wrong passwords get the same bytes, also once they are slowed down."""
    told = []
    for user in ("anna", "nobody"):
        both.clock.ns += 24 * 3600 * SECOND
        answers = [both.phone(None).post("login", userName=user, password="wrong password") for _ in range(13)]
        told.append(
            [
                (each.status, each.body, each.headers.get("retry-after"), "set-cookie" in each.headers)
                for each in answers
            ]
        )
    assert told[0] == told[1]
