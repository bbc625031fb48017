"""The parts of the Ditto commands: times as people type them, what is remembered, orders of the owner."""

import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homestow.cli.ditto_entering import Door, Kept, KeptLogins, enter
from homestow.cli.ditto_notes import Notes
from homestow.cli.ditto_transfers import Acting, DittoSending
from homestow.cli.times import read_time
from homestow.cli.troubles import Trouble
from homestow.client.adapters.ditto_client import DittoClient
from homestow.client.adapters.ditto_sending import Known
from homestow.client.adapters.ditto_values import DittoEvent, DittoTokens, EventKind
from homestow.server.bootstrap import DITTO_KEYS, House, open_house
from homestow.server.ditto_keys import open_keys, save_keys
from homestow.server.ports.ditto import EventKind as Told
from homestow.server.rules.access import Principal
from homestow.server.service import admin_ditto
from homestow.server.service.ditto_auth import TooManyUsers
from homestow.server.service.ditto_tokens import Claims, read, rotated, sign
from homestow.server.settings import Settings
from homestow.values.errors import BadRequest, BadSettings, LoginFailed, LoginNeeded, NameTaken, NotFound, StorageFailed
from homestow.wire.api import Order, Outcome

SECOND = 1_000_000_000


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer five and a half hours east of Greenwich."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-01T05:30:00", 0.0),
        ("1970-01-01 05:30:01.5", 1.5),
        ("1970-01-01T00:00:02Z", 2.0),
        ("1970-01-01T01:00:03+01:00", 3.0),
        ("1970-01-02", 66_600.0),
        ("0", 0.0),
        ("1700000000", 1_700_000_000.0),
        ("1700000.25", 1_700_000.25),
    ],
)
@pytest.mark.usefixtures("in_kolkata")
def test_times_as_people_type_them(text: str, seconds: float) -> None:
    """Local without a zone, else as written; seconds too, to the nanosecond."""
    assert read_time(text) == int(seconds * SECOND)


@pytest.mark.usefixtures("in_kolkata")
def test_a_day_ends_with_its_last_moment() -> None:
    """Where an end is asked for, a day is all of it; a time is that time."""
    assert read_time("1970-01-02", end=True) == read_time("1970-01-03") - 1
    assert read_time("1970-01-02T00:00", end=True) == read_time("1970-01-02")
    assert read_time("0.000000001") == 1


@pytest.mark.parametrize("text", ["", "yesterday", "1969-12-31T00:00Z", "-5", "2026-13-01", "9" * 30, "1e9", "²"])
def test_what_is_no_time(text: str) -> None:
    """Is refused, with how one is written."""
    with pytest.raises(Trouble):
        read_time(text)


# --- what is remembered -----------------------------------------------------------------------------------------------

KNOWN = Known("u-1", "camera/a.jpg", 10, 20, 1 << 63, "m" * 32, 1000)


def test_notes_are_found_by_path_and_by_uuid(tmp_path: Path) -> None:
    """Each server and user has their own; names that are no text are kept as they are."""
    odd = tmp_path / os.fsdecode(b"\xff.jpg")
    notes = Notes(tmp_path / "sent.db", "one")
    notes.keep(odd, KNOWN, done=False)
    notes.close()
    notes, others = Notes(tmp_path / "sent.db", "one"), Notes(tmp_path / "sent.db", "two")
    found = notes.find(odd, KNOWN.name)
    assert found == (odd, KNOWN, False)
    assert notes.of_uuid("u-1") == found
    assert notes.find(odd, "other name") is None
    assert others.find(odd, KNOWN.name) is None
    assert others.of_uuid("u-1") is None
    notes.keep(odd, KNOWN._replace(uuid="u-2"), done=True)
    assert notes.of_uuid("u-1") is None
    assert notes.of_uuid("u-2") == (odd, KNOWN._replace(uuid="u-2"), True)
    assert stat.S_IMODE((tmp_path / "sent.db").stat().st_mode) == 0o600
    notes.close()
    others.close()
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageFailed):
        Notes(tmp_path / "broken.db", "one")


def test_logins_are_kept_for_their_owner(tmp_path: Path) -> None:
    """One per server and user, 0600, without the password; damage is told."""
    logins = KeptLogins(tmp_path)
    anna = Kept("ditto://a:1", "anna", "id", "secret", access="t", until_s=5.0, refresh="r")
    logins.keep(anna)
    assert logins.find("ditto://a:1", "Anna") == anna
    assert logins.find("ditto://a:1", None) == anna
    assert logins.find("ditto://b:1", "anna") is None
    logins.keep(Kept("ditto://a:1", "ben", "id", "secret"))
    assert logins.find("ditto://a:1", None) is None, "which of the two?"
    files = list(tmp_path.glob("login-*.json"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert "secret" not in repr(anna)
    files[0].write_text("{")
    files[1].write_text('{"server": 1}')
    for user in ("anna", "ben"):
        with pytest.raises(BadSettings):
            logins.find("ditto://a:1", user)
    assert logins.machine() == KeptLogins(tmp_path).machine()


def test_a_kept_login_serves_beside_its_password_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another password, secret or client is proved by a login; without any there is nothing to go on."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("HOMESTOW_PASSWORD", raising=False)
    door = Door("127.0.0.1:9", "anna", "id", "secret", tls=False, ca=None, http=None, allow_plain=False)
    with pytest.raises(Trouble, match="no password"):
        enter(door, patience_s=0)
    entered = enter(door, patience_s=0, password="the right password")
    entered.client.close()
    kept = replace(entered.login, access="t", until_s=time.time() + 3600)
    KeptLogins().keep(kept)

    def tokens(password: str | None, **given: str) -> DittoTokens | None:
        found = enter(replace(door, **given), patience_s=0, password=password)  # type: ignore[arg-type]  # its own fields
        found.client.close()
        return found.login.tokens

    right = "the right password"
    assert tokens(None) == tokens(right) == kept.tokens
    assert tokens("another password") is None
    assert tokens(right, client_secret="other") is None
    assert tokens(right, client_id="other") is None


# --- acting -----------------------------------------------------------------------------------------------------------


def test_only_files_of_the_folder_are_given(tmp_path: Path) -> None:
    """A block of a file that lies elsewhere is not sent, whatever the server asks for; other events are no commands."""
    folder, elsewhere = tmp_path / "camera", tmp_path / "letters"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"private")
    notes = Notes(tmp_path / "sent.db", "one")
    notes.keep(elsewhere / "a", KNOWN._replace(uuid="u-2"), done=True)
    told: list[str] = []
    with DittoClient("127.0.0.1:1", "id", "secret", patience_s=0) as client:
        acting = Acting(client, notes, folder, told.append, lambda _: None)
        for uuid in ("u-2", "unknown"):
            acting.act(DittoEvent("e", EventKind.FILEBLOCK_TOUPLOAD_COMMANDED, 0, uuid))
        acting.act(DittoEvent("e", EventKind.FILE_WRITTEN, 0, "u-2"))
        sending = DittoSending(client, notes, lambda *_: None)
        assert [item.path for item in sending.items(folder / ".." / "letters")] == [elsewhere / "a"]
    assert told == [f"{uuid}: no file of {folder}" for uuid in ("u-2", "unknown")]
    notes.close()


# --- orders -----------------------------------------------------------------------------------------------------------


def test_keys_are_kept_and_replaced_whole(tmp_path: Path) -> None:
    """Made when missing, for the owner only; a rotated key signs, the two before verify; damage is told."""
    path = tmp_path / "ditto.keys"
    keys = open_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keys(path) == keys
    claims = Claims("homestow", 2_000_000_000, "sub", "client", "jti.0")
    token = sign(claims, keys)
    for _ in range(2):
        save_keys(path, rotated(open_keys(path)))
        assert read(token, open_keys(path), "homestow", 1.0) == claims
    save_keys(path, rotated(open_keys(path)))
    with pytest.raises(LoginNeeded):
        read(token, open_keys(path), "homestow", 1.0)
    assert [each.name for each in tmp_path.iterdir()] == ["ditto.keys"]
    path.write_text("damaged")
    with pytest.raises(StorageFailed):
        open_keys(path)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A data folder with anna."""
    with open_house(tmp_path / "data", Settings()) as found:
        found.services.admin.run(Order(name="user.add", args={"name": "anna", "password": "correct horse"}))
        found.services.admin.run(Order(name="user.add", args={"name": "ben", "password": "correct horse"}))
        yield found


def order(house: House, name: str, /, **args: str | int) -> Outcome:
    return house.services.admin.run(Order(name=name, args=dict(args)))


def test_a_client_is_shown_once(house: House) -> None:
    """As one line of JSON; with it users log in, until it is removed. A rotated key counts at once."""
    (line,) = order(house, "client.add", name="box", max_users=1).lines
    made = json.loads(line)
    assert list(made) == ["client_id", "client_secret"]
    auth = house.ditto.get().auth
    tokens = auth.log_in(made["client_id"], made["client_secret"], "anna", "correct horse", "")
    with pytest.raises(TooManyUsers):
        auth.log_in(made["client_id"], made["client_secret"], "ben", "correct horse", "")
    with pytest.raises(NameTaken):
        order(house, "client.add", name="box")
    (listed,) = order(house, "client.list").lines
    assert listed.startswith(f"box  {made['client_id']}  1 user at most")
    assert made["client_secret"] not in listed

    key = house.folder.path / DITTO_KEYS
    before = key.read_text()
    order(house, "client.rotate-key")
    assert key.read_text().startswith(before)
    assert auth.check(tokens.access).who.name == "anna"
    fresh = auth.log_in(made["client_id"], made["client_secret"], "anna", "correct horse", "")
    assert read(fresh.access, open_keys(key)[-1:], "homestow", 0.0).client == made["client_id"]
    for _ in range(2):
        order(house, "client.rotate-key")
    with pytest.raises(LoginNeeded):
        auth.check(tokens.access)

    order(house, "client.remove", name="box")
    with pytest.raises(LoginFailed):
        auth.log_in(made["client_id"], made["client_secret"], "anna", "correct horse", "")
    with pytest.raises(NotFound):
        order(house, "client.remove", name="box")


def test_what_is_asked_for_is_told(house: House) -> None:
    """To the devices of that user alone; whose file it is need not be said."""
    ditto = house.ditto.get()
    anna, ben = (Principal(account.id, account.name) for account in house.services.accounts.all())
    file = ditto.files.create(anna, "a.bin", 10, None, "")
    ditto.files.upload(anna, str(file.uuid), 0, b"12345", None)
    start = house.core.catalogue.last()
    order(house, "ditto.request", user="anna", start_ns=5, end_ns=9)
    order(house, "ditto.request", file=str(file.uuid), block=1)
    order(house, "ditto.request", user="anna", file=str(file.uuid), block=0)
    kinds = (Told.WANTED, Told.BLOCK_WANTED)
    told = ditto.events.read(anna, start, kinds).events
    assert [(one.kind, one.start_ns, one.end_ns, one.block_no, one.size) for one in told] == [
        (Told.WANTED, 5, 9, 0, 0), (Told.BLOCK_WANTED, 0, 0, 1, 5), (Told.BLOCK_WANTED, 0, 0, 0, 5),
    ]  # fmt: skip
    assert not ditto.events.read(ben, start, kinds).events
    uuid = str(file.uuid)
    strangers: list[dict[str, str | int]] = [
        {"user": "ben", "file": uuid, "block": 0},
        {"file": "0c5f7e1e-9a3b-4d0c-8a53-64c2b9a0b6d1", "block": 0},
        {"file": "no uuid", "block": 0},
        {"user": "nobody", "start_ns": 1, "end_ns": 2},
    ]
    for wrong in strangers:
        with pytest.raises(NotFound):
            order(house, "ditto.request", **wrong)
    senseless: list[dict[str, str | int]] = [
        {"user": "anna", "start_ns": 2, "end_ns": 1},
        {"user": "anna"},
        {"file": uuid, "block": 2},
        {"file": uuid},
    ]
    for wrong in senseless:
        with pytest.raises(BadRequest):
            order(house, "ditto.request", **wrong)


def test_every_order_is_described(house: House) -> None:
    """The list in the module is the list of orders."""
    assert admin_ditto.__doc__ is not None
    for name in admin_ditto.DittoOrders(house.ditto.get, house.services.accounts, lambda _: None).orders():
        assert f"    {name} {{" in admin_ditto.__doc__, name
