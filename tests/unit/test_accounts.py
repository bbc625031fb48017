"""Login, tokens, devices and passwords, over real rows."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.rules.passwords import ARGON_MEMORY_KIB, ARGON_TIME, MAX_HASHES, MAX_HASHES_WAITING
from homestow.server.service.accounts import Accounts
from homestow.server.service.hashing import Hashing
from homestow.values.errors import (
    Busy,
    CloudError,
    LoginFailed,
    LoginNeeded,
    NameTaken,
    NotFound,
    SignupClosed,
    TooManyTries,
    WeakPassword,
)

PASSWORD = "correct horse"
SECOND = 1_000_000_000


class Clock:
    """A clock we move."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000 * SECOND

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


class CountedHashing(Hashing):
    """Cheap hashes, counted."""

    def __init__(self, time: int = 1) -> None:
        super().__init__(time=time, memory_kib=8)
        self.judged: list[str | None] = []

    def matches(self, stored: str | None, password: str) -> bool:
        self.judged.append(stored)
        return super().matches(stored, password)


@dataclass
class World:
    """Accounts with one user, anna."""

    accounts: Accounts
    store: SqlAccounts
    hashing: CountedHashing
    clock: Clock

    def again(self, hashing: Hashing) -> Accounts:
        """The same rows after a restart."""
        return Accounts(self.store, self.clock, hashing)


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    database = Database.open(Path(shutil.copy(empty, tmp_path / "homestow.db")))
    store, hashing, clock = SqlAccounts(database), CountedHashing(), Clock()
    accounts = Accounts(store, clock, hashing)
    accounts.add("anna", PASSWORD)
    yield World(accounts, store, hashing, clock)
    database.close()


def test_a_login_gives_a_token_that_says_who_one_is(world: World) -> None:
    """The token leads to account and device, in this process and after a restart."""
    login = world.accounts.log_in("Anna", PASSWORD, "phone", "10.0.0.1")

    for accounts in (world.accounts, world.accounts, world.again(world.hashing)):
        who = accounts.check(login.token)
        assert (who.name, who.device, who.admin, who.operator) == ("anna", login.principal.device, False, False)
    assert len(login.token) >= 43
    assert [device.name for device in world.accounts.devices(login.principal)] == ["phone"]


def test_no_secret_is_stored_or_shown(world: World) -> None:
    """S46, S50, S97: rows hold Argon2id and SHA-256 only, and printing a login does not give the token away."""
    login = world.accounts.log_in("anna", PASSWORD, "phone", "")
    found = world.store.account_named("anna")

    assert found is not None
    assert found.password.startswith("$argon2id$")
    assert login.token not in repr(login)
    assert all(login.token.encode() not in device.token for device in world.store.devices(found.id))


def test_the_default_hash_is_strong() -> None:
    """S46: Argon2id with at least 19 MiB and two passes."""
    made = Hashing().make(PASSWORD)

    assert made.startswith(f"$argon2id$v=19$m={ARGON_MEMORY_KIB},t={ARGON_TIME},p=1$")
    assert ARGON_MEMORY_KIB >= 19 * 1024
    assert ARGON_TIME >= 2


@pytest.mark.parametrize("token", ["", "x", "é", "\ud800", "x" * 10_000])
def test_other_tokens_open_nothing(world: World, token: str) -> None:
    """Whatever comes as a token, the answer is `LoginNeeded`."""
    with pytest.raises(LoginNeeded):
        world.accounts.check(token)


@pytest.mark.parametrize("user", ["nobody", "", "\ud800", "../anna", "x" * 5000])
def test_an_unknown_user_looks_like_a_wrong_password(world: World, user: str) -> None:
    """S45: same error, same text, and a hash is computed in both cases."""
    with pytest.raises(LoginFailed) as wrong:
        world.accounts.log_in("anna", "wrong password", "phone", "")
    with pytest.raises(LoginFailed) as unknown:
        world.accounts.log_in(user, PASSWORD, "phone", "")

    assert wrong.value.message == unknown.value.message
    assert len(world.hashing.judged) == 2


def test_the_dummy_password_opens_nothing(world: World) -> None:
    """What unknown users are measured against is nobody's password."""
    for password in ("nobody has this password", "", "\ud800", "x" * 5000):
        with pytest.raises(LoginFailed):
            world.accounts.log_in("nobody", password, "phone", "")


def test_a_thousand_guesses_reach_ten_hashes(world: World) -> None:
    """S43: however parallel, ten passwords are looked at, then everybody waits."""
    errors: list[CloudError] = []

    def guess() -> None:
        for number in range(60):
            try:
                world.accounts.log_in("anna", f"wrong {number}", "phone", f"10.0.{number}.1")
            except CloudError as error:
                errors.append(error)

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(world.hashing.judged) == 10
    assert {type(error) for error in errors} == {LoginFailed, TooManyTries}
    with pytest.raises(TooManyTries) as refused:
        world.accounts.log_in("anna", PASSWORD, "phone", "10.1.1.1")
    assert refused.value.facts["retry_after_s"] == 15 * 60
    world.clock.ns += 15 * 60 * SECOND
    world.accounts.log_in("anna", PASSWORD, "phone", "10.1.1.1")


def test_one_address_guesses_ten_times_over_all_names(world: World) -> None:
    """S43: trying one password on many names is guessing too; another address is not slowed."""
    world.accounts.add("bert", PASSWORD)
    for number in range(10):
        with pytest.raises(LoginFailed):
            world.accounts.log_in(f"user{number}", "password1!", "phone", "8.8.8.8")
    with pytest.raises(TooManyTries):
        world.accounts.log_in("bert", PASSWORD, "phone", "8.8.8.9")
    world.accounts.log_in("bert", PASSWORD, "phone", "10.0.0.9")


def test_a_household_logs_in_as_often_as_it_likes(world: World) -> None:
    """Right passwords cost nothing, fifty at a time from one address included."""
    failed: list[CloudError] = []

    def log_in() -> None:
        try:
            world.accounts.log_in("anna", PASSWORD, "phone", "127.0.0.1")
        except CloudError as error:
            failed.append(error)

    threads = [threading.Thread(target=log_in) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert len(world.accounts.devices(world.accounts.log_in("anna", PASSWORD, "pc", "").principal)) == 51


def test_a_crowd_is_told_to_come_back() -> None:
    """S47: four hash and fifty wait; the next one gets `Busy` with a time, and later finds the way free."""
    hashing, leave, inside = Hashing(time=1, memory_kib=8), threading.Event(), threading.Semaphore(0)

    def stay() -> None:
        with hashing.slot():
            inside.release()
            leave.wait(30)

    threads = [threading.Thread(target=stay) for _ in range(MAX_HASHES + MAX_HASHES_WAITING)]
    for thread in threads:
        thread.start()
    for _ in range(MAX_HASHES):
        assert inside.acquire(timeout=10)
    assert not inside.acquire(blocking=False)
    deadline = time.monotonic() + 10
    while hashing.inside < MAX_HASHES + MAX_HASHES_WAITING and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    with pytest.raises(Busy) as refused, hashing.slot():
        pass
    assert refused.value.facts["retry_after_s"]
    leave.set()
    for thread in threads:
        thread.join()
    with hashing.slot():
        pass


def test_a_weak_hash_is_made_anew_at_login(world: World) -> None:
    """S46: after the settings grew, the next login stores a stronger hash, and the login stands."""
    before = world.store.account_named("anna")
    login = world.again(CountedHashing(time=2)).log_in("anna", PASSWORD, "phone", "")
    after = world.store.account_named("anna")

    assert before is not None
    assert after is not None
    assert ",t=1," in before.password
    assert ",t=2," in after.password
    assert world.accounts.check(login.token).name == "anna"


Ending = Callable[[World], None]
ENDINGS: dict[str, Ending] = {
    "password set": lambda world: world.accounts.set_password("anna", "another password"),
    "removed": lambda world: (world.accounts.remove("anna"), None)[1],
    "unseen": lambda world: (world.accounts.end_unseen(world.clock.ns + 1), None)[1],
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_a_login_ends_it_at_once(world: World, ending: str) -> None:
    """S49: the very next check refuses the token, cached or not."""
    token = world.accounts.log_in("anna", PASSWORD, "phone", "").token
    world.accounts.check(token)
    ENDINGS[ending](world)

    with pytest.raises(LoginNeeded):
        world.accounts.check(token)


def test_logging_out_ends_this_device_only(world: World) -> None:
    """The other devices stay; logging out again is harmless."""
    phone, laptop = (world.accounts.log_in("anna", PASSWORD, name, "") for name in ("phone", "laptop"))
    who = world.accounts.check(phone.token)
    world.accounts.log_out(who)
    world.accounts.log_out(who)

    with pytest.raises(LoginNeeded):
        world.accounts.check(phone.token)
    assert world.accounts.check(laptop.token) == laptop.principal


def test_only_own_devices_can_be_removed(world: World) -> None:
    """S54: another account's device is not there for me."""
    world.accounts.add("bert", PASSWORD)
    anna, bert = (world.accounts.log_in(name, PASSWORD, "phone", "") for name in ("anna", "bert"))
    world.accounts.check(anna.token)
    with pytest.raises(NotFound):
        world.accounts.remove_device(bert.principal, anna.principal.device)
    world.accounts.remove_device(anna.principal, anna.principal.device)
    with pytest.raises(LoginNeeded):
        world.accounts.check(anna.token)


def test_a_password_change_logs_the_others_out(world: World) -> None:
    """The device that changed it stays; the old password opens nothing."""
    phone, laptop = (world.accounts.log_in("anna", PASSWORD, name, "") for name in ("phone", "laptop"))
    world.accounts.check(laptop.token)
    with pytest.raises(LoginFailed):
        world.accounts.change_password(phone.principal, "not my password", "new password", "")
    with pytest.raises(WeakPassword):
        world.accounts.change_password(phone.principal, PASSWORD, "short", "")
    world.accounts.change_password(phone.principal, PASSWORD, "new password", "")

    assert world.accounts.check(phone.token).name == "anna"
    with pytest.raises(LoginNeeded):
        world.accounts.check(laptop.token)
    with pytest.raises(LoginFailed):
        world.accounts.log_in("anna", PASSWORD, "phone", "")
    world.accounts.log_in("anna", "new password", "phone", "")


def test_a_check_under_way_does_not_outlive_the_revocation(world: World) -> None:
    """A token read from the rows just before they were deleted is not remembered as good."""
    login = world.accounts.log_in("anna", PASSWORD, "phone", "")
    read = world.store.device_of

    def read_then_revoke(token: bytes) -> object:
        found = read(token)
        world.store.device_of = read  # type: ignore[method-assign]
        world.accounts.log_out(login.principal)
        return found

    world.store.device_of = read_then_revoke  # type: ignore[method-assign, assignment]
    world.accounts.check(login.token)
    with pytest.raises(LoginNeeded):
        world.accounts.check(login.token)


def test_sign_up_is_closed_unless_opened(world: World) -> None:
    """A stranger gets an account only where the owner said so, and no more than ten in 15 minutes."""
    with pytest.raises(SignupClosed):
        world.accounts.sign_up("bert", PASSWORD, "phone", "8.8.8.8")
    world.accounts.signup_open = True
    login = world.accounts.sign_up("bert", PASSWORD, "phone", "8.8.8.8")
    assert world.accounts.check(login.token).name == "bert"
    with pytest.raises(NameTaken):
        world.accounts.sign_up("Bert", PASSWORD, "phone", "8.8.8.8")
    with pytest.raises(WeakPassword):
        world.accounts.sign_up("carl", "short", "phone", "8.8.8.8")
    for number in range(8):
        world.accounts.sign_up(f"user{number}", PASSWORD, "phone", "8.8.8.8")
    with pytest.raises(TooManyTries):
        world.accounts.sign_up("dora", PASSWORD, "phone", "8.8.8.8")


def test_the_operator_manages_accounts(world: World) -> None:
    """Short passwords are refused unless a configuration brings them; unknown names are told."""
    with pytest.raises(WeakPassword):
        world.accounts.add("bert", "short")
    world.accounts.add("bert", "short", admin=True, strict=False)
    assert world.accounts.check(world.accounts.log_in("bert", "short", "x", "").token).admin
    world.accounts.set_quota("bert", 17)
    assert [(account.name, account.quota) for account in world.accounts.all()] == [("anna", None), ("bert", 17)]
    for use in (world.accounts.named, world.accounts.remove):
        with pytest.raises(NotFound, match="There is no user 'carl'"):
            use("carl")


def test_devices_show_when_they_were_last_seen(world: World) -> None:
    """Use is noted in memory and written when asked, so that checking stays cheap."""
    login = world.accounts.log_in("anna", PASSWORD, "phone", "")
    world.clock.ns += 5 * SECOND
    who = world.accounts.check(login.token)
    world.clock.ns += 5 * SECOND
    world.accounts.check(login.token)

    assert [device.seen_ns for device in world.accounts.devices(who)] == [world.clock.ns]


def test_checking_a_token_costs_microseconds(world: World) -> None:
    """The hot path is a hash and a look into memory: at most 20 microseconds, the best of several rounds."""
    token = world.accounts.log_in("anna", PASSWORD, "phone", "").token
    world.accounts.check(token)
    best = min(_seconds_for(world.accounts, token, 1000) for _ in range(20))

    assert best / 1000 < 20e-6


def _seconds_for(accounts: Accounts, token: str, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        accounts.check(token)
    return time.perf_counter() - start
