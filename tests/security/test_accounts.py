"""Logins and what they cost an attacker (rows S43 to S58)."""

import logging
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND, Clock, Rig
from tests.fronts.api.rig import rig as open_rig

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.service.accounts import Accounts
from homestow.server.service.hashing import Hashing
from homestow.server.service.sessions import Sessions
from homestow.values.errors import CloudError, LoginNeeded

DAY = 24 * 3600 * SECOND
GUESSES = [
    ("anna", "wrong password"), ("ANNA", "wrong password"), ("nobody", "wrong password"), ("", "x"), ("../anna", "wrong password"),
    ("anna", ""), ("anna", "x" * 5000), ("nobody", "x" * 5000), ("n" * 5000, "wrong password"), ("gone", PASSWORD), ("\0", "\0"),
    ("anna ", PASSWORD), ("operator", PASSWORD), ("0", PASSWORD), ("1", PASSWORD),
]  # fmt: skip


@pytest.fixture
def open_for_all(tmp_path: Path) -> Iterator[Rig]:
    """A server that takes sign-ups."""
    with open_rig(tmp_path, signup_open=True) as made:
        yield made


def test_S45_every_wrong_login_does_the_same_work(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown users, removed ones and wrong passwords: one Argon2 of the same settings, the same questions to the database,
    the same answer. Counted, not timed: what does the same work takes the same time."""
    done: Counter[str] = Counter()
    hashing = rig.services.accounts._hashing._argon
    settings: set[tuple[str, ...]] = set()
    verify = type(hashing).verify

    def counted(self: object, stored: str, password: str) -> object:
        done["verify"] += 1
        settings.add(tuple(stored.split("$")[1:4]))
        return verify(hashing, stored, password)

    monkeypatch.setattr(type(hashing), "verify", counted)
    for name in (
        "account_named",
        "account",
        "device_of",
        "wait_s",
        "count_try",
        "forgive",
        "add_device",
        "set_password",
    ):
        real = getattr(SqlAccounts, name)

        def watched(self: object, *args: object, name: str = name, real: object = real) -> object:
            done[name] += 1
            assert callable(real)
            return real(self, *args)

        monkeypatch.setattr(SqlAccounts, name, watched)
    rig.services.accounts.add("gone", PASSWORD)
    rig.services.accounts.remove("gone")
    seen = []
    for user, password in GUESSES:
        rig.clock.ns += DAY
        done.clear()
        answer = rig.ask("POST", "/login", {"user": user, "password": password}, user=None)
        problem = answer.json()
        del problem["request_id"]
        seen.append(
            (answer.status, sorted(answer.headers.items() - {("date", answer.headers["date"])}), problem, dict(done))
        )
    assert seen[0][0] == 401
    assert seen[0][3]["verify"] == 1
    for guess, each in zip(GUESSES, seen, strict=True):
        assert each == seen[0], guess
    assert len(settings) == 1


def test_S45_slowing_down_tells_no_user(rig: Rig) -> None:
    """Names that exist are slowed down after as many tries, for as long, as names that do not."""
    answers = []
    for user in ("anna", "nobody"):
        rig.clock.ns += DAY
        told = []
        for _ in range(14):
            answer = rig.ask("POST", "/login", {"user": user, "password": "wrong password"}, user=None)
            told.append((answer.status, answer.headers.get("retry-after"), answer.json()["message"]))
        answers.append(told)
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]].count(401) == 10
    assert answers[0][-1][0] == 429


def test_S50_tokens_are_random(rig: Rig) -> None:
    """256 bits each, no two alike, every letter about as often as any other, nothing of user, time or device in them."""
    made = []
    for number in range(400):
        rig.clock.ns += 3600 * SECOND
        made.append(
            rig.services.accounts.log_in("anna", PASSWORD, "same", f"10.0.{number // 250}.{number % 250}").token
        )
    assert len(set(made)) == 400
    assert {len(token) for token in made} == {43}  # 32 bytes in base 64
    letters = Counter("".join(token[:42] for token in made))
    total = sum(letters.values())
    entropy = -sum(count / total * math.log2(count / total) for count in letters.values())
    assert entropy > 5.97, entropy  # 6 bits a letter at most
    columns = [Counter(token[at] for token in made) for at in range(42)]
    assert max(max(column.values()) for column in columns) < 30  # 6.25 each on average


def test_S109_logins_are_counted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account has so many logins and no more: one over the limit ends the one not used for longest; others keep theirs."""
    monkeypatch.setattr("homestow.server.service.accounts.MOST_DEVICES", 5)
    accounts = rig.services.accounts
    bens = accounts.log_in("ben", PASSWORD, "phone", "").token
    tokens = []
    for number in range(5):
        rig.clock.ns += 3600 * SECOND
        tokens.append(accounts.log_in("anna", PASSWORD, str(number), "").token)
    rig.clock.ns += 3600 * SECOND
    assert rig.ask("GET", "/me", token=tokens[0]).status == 200  # used just now
    for number in range(3):
        rig.clock.ns += 3600 * SECOND
        tokens.append(accounts.log_in("anna", PASSWORD, f"more {number}", "").token)
    good = [number for number, token in enumerate(tokens) if rig.ask("GET", "/me", token=token).status == 200]
    assert good == [0, 4, 5, 6, 7]
    assert rig.ask("GET", "/me", token=bens).json()["user"] == "ben"
    assert len(rig.ask("GET", "/devices", token=tokens[-1]).json()["devices"]) == 5


def test_S53_no_field_makes_anybody_more(open_for_all: Rig) -> None:
    """Every field of an account, sent by a low user in every call that takes a message, changes nothing of the account."""
    rig = open_for_all
    more = {
        "admin": True, "operator": True, "quota": 0, "rights": "own", "owner": 1, "account": 1, "id": 1, "user_id": 1,
        "is_admin": True, "role": "admin", "state": "written", "gone": 0, "change": 1, "root": rig.root, "token": "x",
    }  # fmt: skip
    rig.ask("POST", "/signup", {"user": "eve", "password": PASSWORD, **more}, user=None)
    token = rig.ask("POST", "/login", {"user": "eve", "password": PASSWORD, **more}, user=None).json()["token"]
    new = "another good password"
    assert rig.ask("POST", "/me/password", {"old": PASSWORD, "new": new, **more}, token=token).status == 204
    root = rig.ask("GET", "/roots", token=token).json()["roots"][0]
    rig.ask("POST", f"/nodes/{root['top']}/folders", {"name": "x", **more}, token=token)
    rig.ask("PUT", f"/roots/{rig.root}/members", {"user": "eve", **more}, token=token)
    me = rig.ask("GET", "/me", token=token).json()
    assert (me["user"], me["admin"], me["quota"]) == ("eve", False, None)
    assert rig.ask("POST", "/admin", {"name": "user.list"}, token=token).status == 403
    assert [each["name"] for each in rig.ask("GET", "/roots", token=token).json()["roots"]] == ["eve"]
    assert rig.ask("GET", f"/roots/{rig.root}/members", token=token).status == 404


def test_S58_what_matters_is_logged(open_for_all: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Logins, refused ones, sign-ups, password changes, rights and removals leave a line with who and, where known, from where."""
    caplog.set_level(logging.INFO)
    rig = open_for_all
    rig.ask("POST", "/login", {"user": "anna", "password": "wrong password"}, user=None)
    rig.ask("POST", "/signup", {"user": "eve", "password": PASSWORD}, user=None)
    token = rig.ask("POST", "/login", {"user": "anna", "password": PASSWORD}, user=None).json()["token"]
    rig.ask("PUT", f"/roots/{rig.root}/members", {"user": "eve", "rights": "read"}, token=token)
    rig.ask("POST", "/me/password", {"old": PASSWORD, "new": "another good password"}, token=token)
    rig.services.accounts.remove("eve")
    lines = [
        (record.getMessage(), record.__dict__.get("user"), record.__dict__.get("address")) for record in caplog.records
    ]
    here = "127.0.0.1"
    for line in (
        ("login refused", "anna", here), ("account made by sign-up", "eve", here), ("password changed", "anna", here),
        ("account removed", "eve", None),
    ):  # fmt: skip
        assert line in lines
    assert {"logged in", "rights set"} <= {message for message, _, _ in lines}
    assert PASSWORD not in caplog.text
    assert token not in caplog.text


def test_S58_an_absurd_user_name_is_no_long_line(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """What a stranger types as a name is in the log, but not a mebibyte of it (S35)."""
    rig.ask("POST", "/login", {"user": "x" * 500_000, "password": "wrong password"}, user=None)
    (record,) = (record for record in caplog.records if record.getMessage() == "login refused")
    assert len(str(record.__dict__["user"])) <= 64


def test_S46_settings_that_are_weaker_are_never_used(tmp_path: Path) -> None:
    """What a server hashes with by default is Argon2id of 19 MiB and two passes at least, also for the user nobody is."""
    hashing = Hashing()
    for stored in (hashing.make(PASSWORD), hashing._nobody):
        _, kind, _, costs, _, _ = stored.split("$")
        values = dict(cost.split("=") for cost in costs.split(","))
        assert kind == "argon2id"
        assert int(values["m"]) >= 19 * 1024
        assert int(values["t"]) >= 2


def test_S49_a_removed_persons_name_opens_nothing_old(rig: Rig) -> None:
    """A new account of the same name as a removed one has none of its logins, rights, uploads or answers."""
    accounts: Accounts = rig.services.accounts
    old = accounts.log_in("ben", PASSWORD, "phone", "").token
    upload = rig.ask("POST", "/uploads", {"parent": rig.top, "name": "x", "size": 1}, token=old).json()["id"]
    key = {"Idempotency-Key": "bens"}
    assert rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": "bens"}, token=old, headers=key).status == 201
    accounts.remove("ben")
    rig.services.roots.forget_cached()
    accounts.add("ben", PASSWORD)
    new = accounts.log_in("ben", PASSWORD, "phone", "").token
    assert rig.ask("GET", "/me", token=old).status == 401
    assert rig.ask("GET", f"/uploads/{upload}", token=new).status == 410
    assert rig.ask("GET", f"/nodes/{rig.top}", token=new).status == 404
    assert rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": "bens"}, token=new, headers=key).status == 404
    with pytest.raises(CloudError):
        accounts.check(old)


def test_S109_logging_in_again_and_again_ends_nobody_elses_login(tmp_path: Path) -> None:
    """Of the few sessions that a front has, those of whoever has the most end first: others keep theirs, even unused ones."""
    database = Database.open(tmp_path / "catalogue.db", in_process=True)
    try:
        rows, clock = SqlAccounts(database), Clock()
        accounts = Accounts(rows, clock, Hashing(time=1, memory_kib=8, lanes=1))
        sessions = Sessions(SqlSessions(database), accounts, clock, most=6)
        for name in ("anna", "ben", "eve"):
            accounts.add(name, PASSWORD)
        kept = [sessions.log_in(name, PASSWORD, "phone", "").token for name in ("anna", "ben", "ben")]
        tokens = []
        for _ in range(20):
            clock.ns += SECOND
            tokens.append(sessions.log_in("eve", PASSWORD, "loop", "").token)
        for token in (*kept, tokens[-1]):
            sessions.check(token)
        good = [token for token in tokens if _opens(sessions, token)]
        assert good == tokens[-3:]
        clock.ns += SECOND
        newest = sessions.log_in("anna", PASSWORD, "tablet", "").token
        assert [_opens(sessions, token) for token in (*kept, newest)] == [True] * 4
        assert sum(_opens(sessions, token) for token in tokens) == 2
    finally:
        database.close()


def _opens(sessions: Sessions, token: str) -> bool:
    try:
        sessions.check(token)
    except LoginNeeded:
        return False
    return True
