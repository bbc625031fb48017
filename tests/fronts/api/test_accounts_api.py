"""Logging in over the API: tokens and their end, throttling, sign-up, devices."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, Answer, Rig
from tests.fronts.api.rig import rig as open_rig


def login(rig: Rig, user: str, password: str = PASSWORD, **headers: str) -> Answer:
    message = {"user": user, "password": password, "device": "phone"}
    return rig.ask("POST", "/login", message, user=None, headers=headers)


def me(rig: Rig, token: str) -> int:
    return rig.ask("GET", "/me", token=token).status


def test_a_tokens_life(rig: Rig) -> None:
    """A login gives a token of 256 random bits; logging out ends it at once, and only it."""
    first, second = (login(rig, "anna").json() for _ in "12")
    assert first["token"] != second["token"]
    assert len(first["token"]) >= 43
    assert rig.ask("GET", "/me", token=first["token"]).json() == {
        "user": "anna", "admin": False, "device": first["device"], "device_name": "phone", "quota": None, "used": 0,
    }  # fmt: skip
    assert rig.ask("POST", "/logout", token=first["token"]).status == 204
    assert (me(rig, first["token"]), me(rig, second["token"])) == (401, 200)
    database = (rig.place / "data" / "catalogue.db").read_bytes() + (
        rig.place / "data" / "catalogue.db-wal"
    ).read_bytes()
    assert second["token"].encode() not in database


def test_a_password_change_ends_all_other_logins(rig: Rig) -> None:
    """S49: at once, before the answer is even read; the one that changed it goes on, and the old password is none."""
    tokens = [login(rig, "anna").json()["token"] for _ in range(4)]
    assert [me(rig, token) for token in tokens] == [200] * 4
    message = {"old": PASSWORD, "new": "a new good password"}
    assert rig.ask("POST", "/me/password", message, token=tokens[0]).status == 204
    assert [me(rig, token) for token in tokens] == [200, 401, 401, 401]
    assert login(rig, "anna").status == 401
    assert login(rig, "anna", "a new good password").status == 200


def test_removing_a_device(rig: Rig) -> None:
    """One's own devices are listed, the present one marked; removing one ends its token; another's is not there."""
    laptop, phone = (login(rig, "anna").json() for _ in "12")
    devices = rig.ask("GET", "/devices", token=laptop["token"]).json()["devices"]
    assert {(each["id"], each["current"]) for each in devices} == {(laptop["device"], True), (phone["device"], False)}
    assert rig.ask("DELETE", f"/devices/{phone['device']}", user="ben").status == 404
    assert rig.ask("DELETE", f"/devices/{phone['device']}", token=laptop["token"]).status == 204
    assert (me(rig, phone["token"]), me(rig, laptop["token"])) == (401, 200)


def test_guessing_is_slowed_down(rig: Rig) -> None:
    """S43: ten tries in 15 minutes for an account, side by side or one by one; then wait, the right password included."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: login(rig, "anna", f"guess {number}"), range(40)))
    looked_at = [answer for answer in answers if answer.code == "login-failed"]
    assert len(looked_at) <= 10
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) == 40 - len(looked_at)
    assert all(0 < int(answer.headers["retry-after"]) <= 900 for answer in refused)
    assert {answer.code for answer in refused} == {"too-many-tries"}
    assert login(rig, "anna").status == 429
    rig.restart()
    assert login(rig, "anna").status == 429
    rig.clock.ns += 16 * 60 * 1_000_000_000
    assert login(rig, "anna").status == 200


def test_a_spoofed_address_is_the_same_guesser(rig: Rig) -> None:
    """S29: `X-Forwarded-For` of somebody who is no listed proxy changes nothing."""
    for number in range(10):
        assert login(rig, f"nobody-{number}", "guess", **{"X-Forwarded-For": f"8.8.{number}.8"}).status == 401
    assert login(rig, "anna", **{"X-Forwarded-For": "9.9.9.9"}).status == 429


def test_unknown_and_wrong_look_the_same(rig: Rig) -> None:
    """S45: nobody learns from an answer whether an account is there."""
    wrong, unknown = login(rig, "anna", "guess").json(), login(rig, "nobody", "guess").json()
    del wrong["request_id"], unknown["request_id"]
    assert wrong == unknown


@pytest.mark.parametrize("user", ["", "\0", "a" * 100_000, "😀", "anna ", "ANNA\n", "' OR 1=1 --", "../anna"])
def test_absurd_users(rig: Rig, user: str) -> None:
    """S42: whatever stands for a user's name is looked up as text and found or not."""
    assert login(rig, user).status == 401


def test_names_do_not_care_for_case(rig: Rig) -> None:
    """People write their name as they like."""
    assert login(rig, "ANNA").json()["user"] == "anna"


@pytest.mark.parametrize("device", ["", "x" * 10_000, "<img src=x onerror=alert(1)>", "a\r\nb", "\u202eabc", "\0"])
def test_absurd_devices(rig: Rig, device: str) -> None:
    """S24: a device's name is made fit to be shown, or refused; it never spoils a listing."""
    message = {"user": "anna", "password": PASSWORD, "device": device}
    answer = rig.ask("POST", "/login", message, user=None)
    assert answer.status in (200, 400)
    if answer.status == 200:
        (told,) = rig.ask("GET", "/devices", token=answer.json()["token"]).json()["devices"]
        assert len(told["name"]) <= 64
        assert "\n" not in told["name"]
        assert "\0" not in told["name"]


class TestSignup:
    def test_closed(self, rig: Rig) -> None:
        """Unless the owner opened it there is no sign-up, whatever name is asked for."""
        for user in ("new", "anna"):
            answer = rig.ask("POST", "/signup", {"user": user, "password": PASSWORD}, user=None)
            assert (answer.status, answer.code) == (403, "signup-closed")
        assert rig.ask("GET", "/server", user=None).json()["signup_open"] is False

    def test_open(self, tmp_path: Path) -> None:
        """A new account is logged in, and has a root of its own that nobody else sees."""
        with open_rig(tmp_path, signup_open=True) as rig:
            assert rig.ask("GET", "/server", user=None).json()["signup_open"] is True
            answer = rig.ask("POST", "/signup", {"user": "Eve", "password": PASSWORD}, user=None)
            assert answer.status == 201
            token = answer.json()["token"]
            (root,) = rig.ask("GET", "/roots", token=token).json()["roots"]
            assert (root["name"], root["rights"]) == ("Eve", "own")
            assert rig.ask("GET", f"/nodes/{root['top']}").status == 404
            again = rig.ask("POST", "/signup", {"user": "eve", "password": PASSWORD}, user=None)
            assert (again.status, again.code) == (409, "name-taken")


def test_the_local_socket_is_for_administration(rig: Rig) -> None:
    """The owner-only socket gives orders without a token; it is nobody's account."""
    from homestow.client.adapters.api_client import Client
    from homestow.values.errors import Forbidden

    client = Client(f"unix:{rig.place / 'socket'}", timeout_s=20)
    try:
        assert client.order("user list", {}).lines == ["user list"]
        with pytest.raises(Forbidden):
            client.me()
    finally:
        client.close()


def test_the_typed_client(rig: Rig) -> None:
    """Log in, look, write, read, delete, bring back, log out, by the client that the command line uses."""
    from homestow.client.adapters.api_client import Client
    from homestow.values.errors import LoginNeeded

    client = Client(rig.url, timeout_s=20)
    try:
        client.login("anna", PASSWORD, "laptop")
        (root,) = client.roots()
        folder = client.make_folder(root.top, "d")
        node = client.put_file(folder.id, "f", b"first", mtime_ns=5)
        node = client.put_content(node.id, node.rev, b"second")
        with client.content(node.id) as answer:
            assert answer.read(100) == b"second"
        assert [each.rev for each in client.versions(node.id)] == [2, 1]
        node = client.restore_version(node.id, 1, base=2)
        node = client.move(node.id, root.top, "g", base=node.change)
        node = client.set_facts(node.id, 7, base=node.change)
        copy = client.copy(node.id, folder.id, "copy")
        assert client.resolve(root.id, "d/copy") == copy
        assert [each.name for each in client.children(root.top).nodes] == ["d", "g"]
        client.delete(node.id, base=node.change)
        assert [item.path for item in client.trash(root.id).items] == ["g"]
        back = client.restore(node.id)
        assert (back.name, client.node(back.id).mtime_ns) == ("g", 7)
        client.delete(folder.id, base=client.node(folder.id).below)
        client.purge(folder.id)
        assert client.empty_trash(root.id) == 0
        assert [member.user for member in client.root_members(root.id)] == ["anna", "ben", "cora"]
        assert [device.current for device in client.devices()] == [True]
        assert client.me().user == "anna"
        client.logout()
        with pytest.raises(LoginNeeded):
            client.me()
    finally:
        client.close()
    rig.nothing_left_over()
