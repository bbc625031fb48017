"""Whose files a message is about: logins by connection and by address."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.picloud.rig import PicloudRig, open_rig

from homestow.server.service.picloud_logins import FRONT, Entry, Login
from homestow.values.errors import NotFound, StorageFailed

HOME = "192.168.1.5"
WRONG = "wrong password"


def enter(rig: PicloudRig, user: str = "anna", address: str = HOME) -> Login:
    """A login that works."""
    entry, login = rig.picloud.logins.enter(user, PASSWORD, address)
    assert entry is Entry.LOGGED_IN
    assert login is not None
    return login


def name_of(rig: PicloudRig, address: str = HOME) -> str | None:
    """Who counts for an address."""
    login = rig.picloud.logins.of(address)
    return None if login is None else login.principal.name


def devices(rig: PicloudRig, user: str = "anna") -> list[str]:
    """What is logged in of PiCloud."""
    found = rig.services.accounts._store.devices(rig.account(user))
    return [device.name for device in found if device.name.startswith("PiCloud")]


def test_an_address_stays_logged_in(rig: PicloudRig) -> None:
    """For connections that come after the one that logged in, from there only; people see it among their devices."""
    logins = rig.picloud.logins
    logins.let_go(enter(rig))
    assert name_of(rig) == "anna"
    assert name_of(rig, "192.168.1.6") is None
    assert devices(rig) == [f"PiCloud at {HOME}"]


def test_it_ends_when_nobody_comes(rig: PicloudRig) -> None:
    """After 15 minutes without a message, counted from the last one; with its device."""
    rig.picloud.logins.let_go(enter(rig))
    for _ in range(3):
        rig.clock.ns += 900 * SECOND
        assert name_of(rig) == "anna"
    rig.clock.ns += 901 * SECOND
    assert name_of(rig) is None
    assert devices(rig) == []


def test_it_outlives_the_server(rig: PicloudRig) -> None:
    """An address that was logged in still is after a restart, and when it was last used counts."""
    rig.picloud.logins.let_go(enter(rig))
    rig.clock.ns += 800 * SECOND
    assert name_of(rig) == "anna"
    rig.restart()
    rig.clock.ns += 800 * SECOND
    assert name_of(rig) == "anna"
    rig.clock.ns += 901 * SECOND
    assert name_of(rig) is None


@pytest.mark.parametrize("ending", ["password", "device", "account", "own password"])
@pytest.mark.parametrize("restarted", [False, True])
def test_it_ends_with_its_device(rig: PicloudRig, ending: str, restarted: bool) -> None:
    """At once, for the address and for the connection (S49)."""
    login = enter(rig)
    who, accounts = login.principal, rig.services.accounts
    if restarted:
        rig.restart()
        accounts = rig.services.accounts
    assert name_of(rig) == "anna"
    match ending:
        case "password":
            accounts.set_password("anna", "another password")
        case "device":
            accounts.remove_device(who, who.device)
        case "own password":
            other = accounts.log_in("anna", PASSWORD, "phone", "").principal
            accounts.change_password(other, PASSWORD, "another password", "")
        case _:
            accounts.remove("anna")
    assert name_of(rig) is None
    assert rig.picloud.logins.check(login) is None


def test_the_latest_login_of_an_address_counts(rig: PicloudRig) -> None:
    """For connections that did not log in themselves; who did stays himself until he leaves."""
    logins = rig.picloud.logins
    anna = enter(rig)
    by_address = logins.of(HOME)
    assert by_address is not None
    ben = enter(rig, "ben")
    assert name_of(rig) == "ben"
    assert logins.check(anna) == anna.principal
    assert logins.check(ben) == ben.principal
    assert logins.check(by_address) is None
    logins.let_go(anna)
    assert logins.check(anna) is None
    assert (devices(rig), devices(rig, "ben")) == ([], [f"PiCloud at {HOME}"])
    logins.let_go(ben)
    assert name_of(rig) == "ben"


def test_nobody_comes_back_when_the_latest_login_ends(rig: PicloudRig) -> None:
    """The address then counts as nobody's, not as that of who was there before."""
    anna, ben = enter(rig), enter(rig, "ben")
    rig.services.accounts.set_password("ben", "another password")
    assert name_of(rig) is None
    assert rig.picloud.logins.check(anna) == anna.principal
    assert rig.picloud.logins.check(ben) is None


def test_one_device_for_each_address(rig: PicloudRig) -> None:
    """However often somebody logs in from there; a login on a connection that is open stays good."""
    first = enter(rig)
    for _ in range(5):
        rig.picloud.logins.let_go(enter(rig))
    assert devices(rig) == [f"PiCloud at {HOME}"] * 2
    assert rig.picloud.logins.check(first) == first.principal
    rig.picloud.logins.let_go(first)
    assert devices(rig) == [f"PiCloud at {HOME}"]
    assert rig.picloud.logins._store.count(FRONT) == 1


def test_a_connection_that_is_used_keeps_its_login(rig: PicloudRig) -> None:
    """Also when the address was quiet for long; one message of an hour is no silence."""
    logins = rig.picloud.logins
    login = enter(rig)
    for _ in range(6):
        rig.clock.ns += 600 * SECOND
        logins.touch(login)
    enter(rig, "ben", "192.168.1.6")
    assert logins.check(login) == login.principal
    rig.clock.ns += 5000 * SECOND
    assert name_of(rig) is None
    assert logins.check(login) == login.principal


def test_many_at_once_from_one_address(rig: PicloudRig) -> None:
    """Each is himself, and one of them counts for the address."""
    made: list[Login] = []

    def come(user: str) -> None:
        made.append(enter(rig, user))

    threads = [threading.Thread(target=come, args=(user,)) for user in ("anna", "ben", "cora", "anna", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 5
    for login in made:
        assert rig.picloud.logins.check(login) == login.principal
    for login in made:
        rig.picloud.logins.let_go(login)
    assert sum(len(devices(rig, user)) for user in ("anna", "ben", "cora")) == 1
    assert name_of(rig) in ("anna", "ben", "cora")


def test_wrong_names_and_passwords(rig: PicloudRig) -> None:
    """Are told apart by nobody, counted with the tries of all fronts, and after ten of them no password is looked at."""
    logins = rig.picloud.logins
    assert [logins.enter(user, WRONG, HOME) for user in ("anna", "nobody", "", "../anna", "\ud800", "x" * 5000)] == [
        (Entry.WRONG, None)
    ] * 6
    for _ in range(4):
        rig.ask("POST", "/login", {"user": "dan", "password": WRONG, "device": "x"}, user=None)
    for user in ("anna", "nobody"):
        for _ in range(12):
            last = logins.enter(user, WRONG, "192.168.1.7")
        assert last == (Entry.REFUSED, None)
    assert logins.enter("anna", PASSWORD, "192.168.1.8") == (Entry.REFUSED, None)


class TestSignUp:
    """Where the owner has opened it."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[PicloudRig]:
        """A server that takes sign-ups."""
        with open_rig(tmp_path, signup_open=True) as made:
            yield made

    def test_an_unknown_name_registers(self, rig: PicloudRig) -> None:
        """And is logged in; its own root is there; the second time it is a login."""
        entry, login = rig.picloud.logins.enter("paul", PASSWORD, HOME)
        assert entry is Entry.REGISTERED
        assert login is not None
        assert name_of(rig) == "paul"
        assert (rig.place / "data" / "files" / "paul").is_dir()
        assert rig.picloud.logins.enter("paul", PASSWORD, HOME)[0] is Entry.LOGGED_IN
        assert rig.picloud.logins.enter("Paul", WRONG, HOME)[0] is Entry.WRONG

    @pytest.mark.parametrize(
        "user, password",
        [("paul", "hello"), ("paul", ""), ("paul", "x" * 2000), ("", PASSWORD), ("../paul", PASSWORD), ("a\0b", PASSWORD),
         ("\ud800", PASSWORD), ("paul", "\udc80" * 20), ("x" * 100, PASSWORD)],
    )  # fmt: skip
    def test_what_does_not_register(self, rig: PicloudRig, user: str, password: str) -> None:
        """Passwords that are too short or too long, and names that nobody may have; no account is made."""
        before = len(rig.services.accounts.all())
        assert rig.picloud.logins.enter(user, password, HOME) == (Entry.NOT_REGISTERED, None)
        assert len(rig.services.accounts.all()) == before

    def test_a_root_that_cannot_be_made_now(self, rig: PicloudRig, monkeypatch: pytest.MonkeyPatch) -> None:
        """The account stands, and the root is made when it is needed."""
        with monkeypatch.context() as patch:

            def fail(account: object) -> None:
                raise StorageFailed("The disk is away.")

            patch.setattr(rig.roots, "own", fail)
            assert rig.picloud.logins.enter("paul", PASSWORD, HOME)[0] is Entry.REGISTERED
        login = rig.picloud.logins.of(HOME)
        assert login is not None
        with pytest.raises(NotFound):
            rig.picloud.files.open(login.principal, ("x",))
        assert (rig.place / "data" / "files" / "paul").is_dir()


class TestCurrentUser:
    """The setting of the first servers: whoever logged in last, from wherever."""

    def test_off(self, rig: PicloudRig) -> None:
        """Nobody is somebody else."""
        enter(rig)
        assert name_of(rig, "192.168.1.6") is None

    def test_on(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The last login counts everywhere until it ends, a login of the address itself before it; the owner is warned."""
        with open_rig(tmp_path, current_user=True) as rig:
            assert "picloud_current_user is on" in caplog.text
            assert name_of(rig) is None
            enter(rig)
            assert name_of(rig, "192.168.1.6") == "anna"
            enter(rig, "ben", "192.168.1.7")
            assert (name_of(rig), name_of(rig, "192.168.1.6")) == ("anna", "ben")
            rig.services.accounts.set_password("ben", "another password")
            assert name_of(rig, "192.168.1.6") is None
