"""Logins of Ditto: what opens, what ends them, and that no forged token is anybody's."""

import base64
import hashlib
import hmac
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core_world import SECOND, Clock

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.ditto import SqlDitto
from homestow.server.ports.accounts import Account
from homestow.server.service.accounts import Accounts
from homestow.server.service.ditto_auth import (
    ACCESS_S,
    REFRESH_S,
    Caller,
    DittoAuth,
    NewClient,
    Tokens,
    TooManyUsers,
    user_uuid,
)
from homestow.server.service.ditto_tokens import MOST_BYTES, Key, new_key, read_keys, write_keys
from homestow.server.service.hashing import Hashing
from homestow.values.errors import (
    BadRequest,
    LoginFailed,
    LoginNeeded,
    NameTaken,
    NotFound,
    StorageFailed,
    TooManyTries,
)

PASSWORD = "correct horse"
ISSUER = "https://cloud.example"
REFUSED = "This login has ended, or never was; log in again."


class World:
    """Accounts anna and ben, and a client."""

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.rows = SqlDitto(database)
        self.accounts = Accounts(SqlAccounts(database), self.clock, Hashing(time=1, memory_kib=8))
        for name in ("anna", "ben", "cora"):
            self.accounts.add(name, PASSWORD)
        self.keys = [new_key()]
        self.auth = self.again()
        self.box = self.auth.add_client("box")

    def again(self) -> DittoAuth:
        """As after a restart."""
        return DittoAuth(self.rows, self.accounts, self.clock, self.keys, ISSUER)

    def login(self, user: str = "anna", client: NewClient | None = None) -> Tokens:
        """Log in."""
        client = client or self.box
        return self.auth.log_in(client.id, client.secret, user, PASSWORD, "192.0.2.1")

    def refresh(self, tokens: Tokens) -> Tokens:
        """The next tokens."""
        return self.auth.refresh(self.box.id, self.box.secret, tokens.refresh)

    def account(self, name: str = "anna") -> Account:
        """One of them."""
        return self.accounts.named(name)

    def ended(self, tokens: Tokens) -> None:
        """Neither token opens anything."""
        with pytest.raises(LoginNeeded, match=REFUSED):
            self.auth.check(tokens.access)
        with pytest.raises(LoginFailed):
            self.refresh(tokens)


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    """A world over a database of its own."""
    database = Database.open(Path(shutil.copy(empty, tmp_path / "homestow.db")))
    yield World(database)
    database.close()


def said(token: str) -> dict[str, Any]:
    """The claims of a token."""
    part = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(found, dict)
    return found


def test_a_login_says_who_it_is(world: World) -> None:
    """The printed claims, the same user each time, and a device that people see."""
    tokens = world.login()
    claims = said(tokens.access)
    assert set(claims) == {"iss", "exp", "sub", "client", "jti"}
    assert (claims["iss"], claims["client"], claims["sub"]) == (ISSUER, world.box.id, user_uuid(world.account()))
    assert claims["exp"] == world.clock.now_ns() // SECOND + ACCESS_S
    assert said(world.login().access)["sub"] == claims["sub"] != said(world.login("ben").access)["sub"]
    caller = world.auth.check(tokens.access)
    assert (caller.who.name, caller.client) == ("anna", world.box.id)
    assert "Ditto: box" in {device.name for device in world.accounts.devices(caller.who)}
    assert PASSWORD not in repr(tokens)
    assert tokens.refresh not in repr(tokens)


def test_which_part_was_wrong_is_not_told(world: World) -> None:
    """One text for all; guesses are counted with those of all fronts (S43)."""
    good = (world.box.id, world.box.secret, "anna", PASSWORD)
    told = set()
    for at, wrong in ((0, "x"), (0, "é"), (0, ""), (1, ""), (1, "x" * 9999), (2, "nobody"), (3, "x"), (3, "")):
        client, secret, user, password = (wrong if each == at else part for each, part in enumerate(good))
        with pytest.raises(LoginFailed) as caught:
            world.auth.log_in(client, secret, user, password, "192.0.2.1")
        told.add(caught.value.message)
    assert len(told) == 1
    kinds = set()
    for _ in range(12):
        with pytest.raises((LoginFailed, TooManyTries)) as refused:
            world.auth.log_in(*good[:3], "wrong", "192.0.2.1")
        kinds.add(refused.type)
    assert kinds == {LoginFailed, TooManyTries}
    with pytest.raises(TooManyTries):
        world.auth.log_in(*good, "192.0.2.1")


def test_a_refresh_token_works_once(world: World) -> None:
    """The next tokens count; the token before ends the login, whoever has it."""
    first = world.login()
    second = world.refresh(first)
    assert world.auth.check(first.access) == world.auth.check(second.access)
    third = world.refresh(second)
    with pytest.raises(LoginNeeded):
        world.auth.check(first.access)  # two turns ago
    world.auth.check(third.access)
    with pytest.raises(LoginFailed):
        world.refresh(second)
    world.ended(second)
    world.ended(third)


@pytest.mark.parametrize("token", ["", ".", "x", "x.y", "é.é", "0" * 32 + ".x", "." * 5000, "a" * 100_000])
def test_what_is_no_refresh_token(world: World, token: str) -> None:
    """Opens nothing, and ends nothing."""
    tokens = world.login()
    with pytest.raises(LoginFailed):
        world.auth.refresh(world.box.id, world.box.secret, token)
    world.auth.check(tokens.access)


def test_a_refresh_token_is_its_clients(world: World) -> None:
    """Another client can neither use nor revoke it."""
    other, tokens = world.auth.add_client("other"), world.login()
    with pytest.raises(LoginFailed):
        world.auth.refresh(other.id, other.secret, tokens.refresh)
    world.auth.revoke(other.id, other.secret, tokens.refresh)
    world.refresh(tokens)


def test_time_ends_tokens(world: World) -> None:
    """An access token after an hour, a refresh token after thirty days."""
    tokens = world.login()
    world.clock.ns += (ACCESS_S - 1) * SECOND
    world.auth.check(tokens.access)
    world.clock.ns += SECOND
    with pytest.raises(LoginNeeded, match=REFUSED):
        world.auth.check(tokens.access)
    tokens = world.refresh(tokens)
    world.clock.ns += (REFRESH_S + 1) * SECOND
    world.ended(tokens)


ENDS: Mapping[str, Callable[[World, Tokens, Caller], object]] = {
    "revoked": lambda world, tokens, caller: world.auth.revoke(world.box.id, world.box.secret, tokens.refresh),
    "logged out": lambda world, tokens, caller: world.auth.log_out(caller),
    "device removed": lambda world, tokens, caller: world.accounts.remove_device(caller.who, caller.who.device),
    "password changed": lambda world, tokens, caller: world.accounts.change_password(
        caller.who, PASSWORD, "another horse", "192.0.2.1"
    ),
    "password set": lambda world, tokens, caller: world.accounts.set_password("anna", "another horse"),
    "account removed": lambda world, tokens, caller: world.accounts.remove("anna"),
    "account made anew": lambda world, tokens, caller: (
        world.accounts.remove("anna"),
        world.accounts.add("anna", PASSWORD),
    ),
    "client removed": lambda world, tokens, caller: world.auth.remove_client("box"),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_ends_a_login_ends_it_at_once(world: World, how: str) -> None:
    """Both tokens, and those of a restarted server; other people stay (S49)."""
    tokens, ben = world.login(), world.login("ben")
    caller = world.auth.check(tokens.access)
    # A password changed by its owner keeps the device it is changed from, so that is another one here.
    elsewhere = world.auth.check(world.login().access) if how == "password changed" else caller
    ENDS[how](world, tokens, elsewhere)
    world.ended(tokens)
    with pytest.raises(LoginNeeded):
        world.again().check(tokens.access)
    if how != "client removed":
        assert world.auth.check(ben.access).who.name == "ben"


def test_as_many_users_as_a_client_may_have(world: World) -> None:
    """Accounts are counted, not logins; one that left makes room, by logging out or by time."""
    two = world.auth.add_client("two", 2)
    anna = world.login("anna", two)
    for _ in range(3):
        world.login("anna", two)
    world.login("ben", two)
    before = len(world.accounts.devices(world.auth.check(world.login("cora").access).who))
    with pytest.raises(TooManyUsers):
        world.login("cora", two)
    assert len(world.accounts.devices(world.auth.check(world.login("cora").access).who)) == before + 1
    world.accounts.remove("ben")
    cora = world.login("cora", two)
    world.accounts.add("dan", PASSWORD)
    with pytest.raises(TooManyUsers):
        world.login("dan", two)
    world.auth.log_out(world.auth.check(cora.access))
    world.login("dan", two)
    with pytest.raises(TooManyUsers):
        world.login("cora", two)
    world.clock.ns += (REFRESH_S + 1) * SECOND
    world.login("cora", two)
    world.ended(anna)


def test_keys_take_turns(world: World) -> None:
    """A new one signs, the ones before verify for two more turns; what is saved is what counts."""
    saved: list[Key] = []

    def save(keys: Any) -> None:
        saved[:] = keys

    tokens = [world.login()]
    for _ in range(2):
        key = world.auth.rotate(save)
        tokens.append(world.login())
        assert saved[-1] == key
        assert all(world.auth.check(each.access) for each in tokens)
    world.auth.rotate(save)
    with pytest.raises(LoginNeeded, match=REFUSED):
        world.auth.check(tokens[0].access)
    assert all(world.auth.check(each.access) for each in tokens[1:])
    world.keys = read_keys(write_keys(saved))
    assert world.keys == saved
    assert all(world.again().check(each.access) for each in tokens[1:])

    def fail(keys: Any) -> None:
        raise StorageFailed("full")

    with pytest.raises(StorageFailed):
        world.auth.rotate(fail)
    world.again().check(world.login().access)


@pytest.mark.parametrize("text", ["", "x", "\n", "0" * 8 + " " + "0" * 63 + "\n", "0" * 8 + " " + "0" * 64 + "\nx\n"])
def test_a_damaged_key_file_is_told(text: str) -> None:
    """Not guessed at."""
    with pytest.raises(StorageFailed):
        read_keys(text)


def test_clients(world: World) -> None:
    """Names are one of a kind; the secret is stored hashed; what is no name is refused."""
    made = world.auth.add_client("kitchen")
    stored = next(client for client in world.auth.clients() if client.id == made.id)
    assert stored.secret == hashlib.sha256(made.secret.encode()).digest()
    assert made.secret not in repr(made)
    assert len(made.secret) >= 43
    with pytest.raises(NameTaken):
        world.auth.add_client("kitchen")
    for bad in ("", " x", "x" * 65, "a\nb", "a\x1b"):
        with pytest.raises(BadRequest):
            world.auth.add_client(bad)
    for number in (-1, 1 << 31):
        with pytest.raises(BadRequest):
            world.auth.add_client("more", number)
    world.auth.remove_client("kitchen")
    with pytest.raises(NotFound):
        world.auth.remove_client("kitchen")


# --- forged tokens ----------------------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    """As in a token."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Forger:
    """Somebody with a good token of his own, who knows everything but the key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.good = world.login().access
        self.header, self.body, self.signature = self.good.split(".")
        self.claims = said(self.good)
        self.key = world.keys[-1]

    def signed(
        self, header: object = None, claims: object = None, secret: bytes | None = None, digest: str = "sha256"
    ) -> str:
        """Signed by the real key, unless it is told otherwise: what only the server could make, and does not take."""
        head = {"alg": "HS256", "typ": "JWT", "kid": self.key.id} if header is None else header
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(self.claims if claims is None else claims).encode())}"
        return f"{text}.{b64(hmac.new(secret or self.key.secret, text.encode(), digest).digest())}"

    def unsigned(self, alg: str, signature: str = "") -> str:
        """Says that it is signed by that."""
        head = b64(json.dumps({"alg": alg, "typ": "JWT", "kid": self.key.id}).encode())
        return f"{head}.{self.body}.{signature}"

    def changed(self, **claims: object) -> str:
        """Other claims, well signed; None takes one away."""
        found = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        return self.signed(claims=found)


def forged(forger: Forger) -> dict[str, str]:
    """Tokens by what is wrong with them."""
    head, body, signature = forger.header, forger.body, forger.signature
    key, claims = forger.key, forger.claims
    other = said(forger.world.login("ben").access)
    found = {
        "empty": "",
        "a word": "nonsense",
        "dots": "..",
        "many dots": "." * 1000,
        "no signature": f"{head}.{body}",
        "stripped": f"{head}.{body}.",
        "cut": forger.good[:-1],
        "longer": forger.good + "A",
        "a part more": f"{forger.good}.{signature}",
        "a part twice": f"{head}.{head}.{signature}",
        "body twice": f"{body}.{body}.{signature}",
        "huge": f"{head}.{body * 100}.{signature}",
        "just too long": forger.good + "=" * (MOST_BYTES + 1 - len(forger.good)),
        "not ASCII": "é" + forger.good,
        "not ASCII inside": f"{head}.{body}é.{signature}",
        "NUL": forger.good + "\0",
        "lone surrogate": forger.good + "\ud800",
        "a space inside": f"{head}. {body}.{signature}",
        "no header": f".{body}.{signature}",
        "no body": f"{head}..{signature}",
        "another key": forger.signed(secret=b"x" * 32),
        "an empty key": forger.signed(secret=b"\0"),
        "the key's name as key": forger.signed(secret=key.id.encode()),
        "the key as text": forger.signed(secret=key.secret.hex().encode()),
        "HS384": forger.signed({"alg": "HS384", "kid": key.id}, digest="sha384"),
        "HS512": forger.signed({"alg": "HS512", "kid": key.id}, digest="sha512"),
        "hs256 in small letters": forger.signed({"alg": "hs256", "kid": key.id}),
        "no alg": forger.signed({"kid": key.id}),
        "alg null": forger.signed({"alg": None, "kid": key.id}),
        "alg a list": forger.signed({"alg": ["HS256"], "kid": key.id}),
        "no kid": forger.signed({"alg": "HS256"}),
        "unknown kid": forger.signed({"alg": "HS256", "kid": "00000000"}),
        "kid a number": forger.signed({"alg": "HS256", "kid": 1}),
        "kid a path": forger.signed({"alg": "HS256", "kid": "../../dev/null"}, secret=b"\0"),
        "kid not ASCII": forger.signed({"alg": "HS256", "kid": "é"}),
        "its own key": forger.signed({"alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"x")}}, secret=b"x"),
        "an address for keys": forger.signed({"alg": "HS256", "jku": "http://127.0.0.1/"}, secret=b"x"),
        "crit": forger.signed({"alg": "HS256", "kid": key.id, "crit": ["x"], "x": 1}),
        "b64 false": forger.signed({"alg": "HS256", "kid": key.id, "crit": ["b64"], "b64": False}),
        "header a list": forger.signed([]),
        "header a number": forger.signed(1),
        "claims a list": forger.signed(claims=[]),
        "claims a text": forger.signed(claims="x"),
        "another server's": forger.changed(iss="homestow"),
        "another client": forger.changed(client="0" * 16),
        "another user": forger.changed(sub=other["sub"]),
        "another login of another user": forger.changed(jti=other["jti"]),
        "no login": forger.changed(jti="0" * 32 + ".0"),
        "a login without a turn": forger.changed(jti=claims["jti"].partition(".")[0]),
        "a turn to come": forger.changed(jti=claims["jti"].partition(".")[0] + ".1"),
        "a turn below 0": forger.changed(jti=claims["jti"].partition(".")[0] + ".-1"),
        "a turn of other digits": forger.changed(jti=claims["jti"].partition(".")[0] + ".²"),
        "a huge turn": forger.changed(jti=claims["jti"].partition(".")[0] + "." + "9" * 2000),
        "a NUL in the login": forger.changed(jti="\0.0"),
        "expired": forger.changed(exp=claims["exp"] - ACCESS_S),
        "exp 0": forger.changed(exp=0),
        "exp a text": forger.changed(exp=str(claims["exp"])),
        "exp true": forger.changed(exp=True),
        "exp a fraction": forger.changed(exp=claims["exp"] + 0.5),
        "exp infinite": forger.changed(exp=float("inf")),
        "not yet": forger.changed(nbf=2**53),
        "nbf a text": forger.changed(nbf="x"),
        "deep": f"{head}.{b64(b'[' * 900)}.{signature}",
    }
    for name in claims:
        found[f"no {name}"] = forger.changed(**{name: None})
        odd: tuple[object, ...] = (1 if name != "exp" else "1", [], {}, 1.5)
        for value in odd:
            found[f"{name} {value!r}"] = forger.changed(**{name: value})
    for alg in ("none", "None", "NONE", "nOnE", "none ", "", "null"):
        found[f"alg {alg!r}"] = forger.unsigned(alg)
        found[f"alg {alg!r} with a signature"] = forger.unsigned(alg, signature)
    for alg in ("RS256", "ES256", "PS256", "EdDSA", "HS1", "dir"):
        found[f"alg {alg}"] = forger.unsigned(alg, signature)
    return found


def test_no_forged_token_is_anybodys(world: World) -> None:
    """A hundred kinds of them; all are refused with the same words, and the good one goes on counting (S48)."""
    forger = Forger(world)
    found = forged(forger)
    assert len(found) >= 100
    for name, token in found.items():
        with pytest.raises(LoginNeeded) as caught:
            world.auth.check(token)
        assert caught.value.message == REFUSED, name
    assert world.auth.check(forger.good).who.name == "anna"
    assert world.auth.check(forger.signed()).who.name == "anna"  # the forger's hand is steady


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_a_changed_letter_is_noticed(world: World, at: int) -> None:
    """Wherever it is, but for the bits that no byte has."""
    good = world.login().access
    at = min(at, len(good) - 2)
    wrong = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    with pytest.raises(LoginNeeded, match=REFUSED):
        world.auth.check(wrong)
