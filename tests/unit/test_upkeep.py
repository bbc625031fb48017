"""What has had its time goes by itself, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.unit.keeping_world import House, open_house

from homestow.server.ports.catalogue import Answer
from homestow.server.rules.retention import DAY_NS, HOUR_NS
from homestow.server.service.admin import OPERATOR
from homestow.server.service.publish import Planned, PublishPlan
from homestow.values.errors import CursorGone, LoginNeeded
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId


@pytest.fixture
def house(empty: Path, tmp_path: Path) -> Iterator[House]:
    with open_house(empty, tmp_path) as house:
        house.clock.ns = house.clock.ns // DAY_NS * DAY_NS
        yield house


def kept(house: House) -> int:
    return sum(1 for _ in house.roots.get(house.root).kept_keys())


def test_versions_thin_out_with_time(house: House) -> None:
    """All for a day, then one a day, after a month none; the present content stays for ever."""
    for number in range(12):
        house.put("a", f"content {number}".encode())
        house.clock.ns += 4 * HOUR_NS
    node = house.tree()["a"].id
    assert house.keeping.upkeep.run().versions == 5
    assert kept(house) == len(house.catalogue.versions(node)) == 6
    house.clock.ns += 2 * DAY_NS
    house.keeping.upkeep.run()
    assert len(house.catalogue.versions(node)) == 2
    house.clock.ns += 30 * DAY_NS
    house.keeping.upkeep.run()
    assert house.catalogue.versions(node) == []
    assert kept(house) == 0
    assert (house.folder / "a").read_bytes() == b"content 11"
    assert house.keeping.verify.run().problems == []


def test_the_trash_empties_itself_after_a_month(house: House) -> None:
    """A file and a folder, with their versions; what was deleted later stays."""
    house.put("a", b"1")
    house.put("a", b"2")
    house.put("d/b", b"3")
    house.delete("a")
    house.delete("d")
    house.clock.ns += 29 * DAY_NS
    house.put("c", b"4")
    house.delete("c")
    assert house.keeping.upkeep.run().trash == 0
    house.clock.ns += 2 * DAY_NS
    swept = house.keeping.upkeep.run()

    assert [item.path for item in house.core.trashcan.trash(OPERATOR, house.root)[0]] == [("c",)]
    assert (swept.trash >= 2, kept(house)) == (True, 1)
    assert house.keeping.verify.run().problems == []


def test_an_away_root_keeps_everything(house: House) -> None:
    """Its disk is not there: nothing of it is removed from rows either, and other roots go on."""
    house.put("a", b"1")
    house.put("a", b"2")
    house.put("b", b"3")
    house.delete("b")
    house.rescan()
    house.folder.rename(house.folder.with_name("moved"))
    assert house.rescan().away
    house.clock.ns += 60 * DAY_NS
    swept = house.keeping.upkeep.run()

    assert (swept.versions, swept.trash) == (0, 0)


def test_the_journal_is_compacted_by_age_and_number(house: House) -> None:
    """Old entries go, the newest stay whatever their age; an older cursor is told to list anew."""
    cursor = house.core.changes.cursor()
    for number in range(10):
        house.put(f"file {number}", b"x")
    house.clock.ns += 91 * DAY_NS
    house.keeping.upkeep.policy = replace(house.keeping.upkeep.policy, journal_min=4)
    last = house.catalogue.last()

    assert house.keeping.upkeep.run().journal == last - 4
    assert len(house.catalogue.entries(house.root, 0, 100)) == 4
    with pytest.raises(CursorGone):
        house.core.changes.changes(OPERATOR, house.root, cursor)
    assert house.keeping.upkeep.run().journal == 0


def test_young_entries_are_not_compacted(house: House) -> None:
    """However few are to be kept, what is younger than the setting stays."""
    house.put("old", b"x")
    house.clock.ns += 91 * DAY_NS
    house.put("new", b"x")
    house.keeping.upkeep.policy = replace(house.keeping.upkeep.policy, journal_min=0)
    house.keeping.upkeep.run()

    assert len(house.catalogue.entries(house.root, 0, 100)) == 1


def test_logins_and_answers_end(house: House) -> None:
    """A login that was not used for a year, and an idempotency key after two days."""
    idle = house.accounts.log_in("anna", "correct horse", "idle", "").token
    used = house.accounts.log_in("anna", "correct horse", "used", "").token
    account = house.accounts.named("anna").id
    with house.catalogue.write() as rows:
        rows.save_answer(account, "key", Answer(b"r", b"a"), house.clock.ns)
    house.clock.ns += 364 * DAY_NS
    house.accounts.check(used)
    assert house.keeping.upkeep.run().logins == 0
    assert house.catalogue.answer(account, "key") is None
    house.clock.ns += 2 * DAY_NS
    assert house.keeping.upkeep.run().logins == 1

    assert house.accounts.check(used).name == "anna"
    with pytest.raises(LoginNeeded):
        house.accounts.check(idle)


def test_leftovers_of_uploads_go(house: House) -> None:
    """A staging file that belongs to nothing, once nobody wrote to it for a day."""
    store = house.roots.get(house.root)
    store.stage_small("leftover", b"x")
    assert house.keeping.upkeep.run().leftovers == 0
    house.clock.ns += 3 * DAY_NS  # the clock began at midnight, the disk has its own time of day

    assert house.keeping.upkeep.run().leftovers == 1
    assert list(store.staged_keys()) == []


def test_what_an_intent_names_stays_however_old(house: House) -> None:
    """Displaced content under an open intent may be its only copy: a root may have been away for days."""
    store = house.roots.get(house.root)
    store.stage_small("displaced", b"the only copy")
    top = house.core.catalogue.top(house.root)
    assert top is not None
    file = Planned("displaced", NodeId(0), top.id, "a", 0, 13, None, b"x" * 32, 0, ("a",), None, None)
    plan = PublishPlan(root=house.root, account=SYSTEM, device=NO_DEVICE, files=[file])
    with house.core.catalogue.write() as rows:
        rows.add_intents([(house.root, msgspec.json.encode(plan))])
    house.clock.ns += 40 * DAY_NS

    assert house.keeping.upkeep.run().leftovers == 0
    assert list(store.staged_keys()) == ["displaced"]
