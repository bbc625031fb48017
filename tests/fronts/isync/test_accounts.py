"""Login, logout, sessions, and what clients keep for themselves."""

import http.client
import time
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.isync.rig import IsyncRig, Phone
from tests.fronts.isync.rig import rig as open_rig

from homestow.server.rules.throttle import LIMIT
from homestow.values.ids import DeviceId

LOGIN_NEEDED = b'{"code": -10001, "msg": "Log in first."}'
WRONG = b'{"code": -10000, "msg": "Wrong user name or password."}'


def roots(phone: Phone) -> int:
    """Whether the phone is let in: 0 or the error."""
    return phone.get("catalogs", pids=-1).code


# --- login --------------------------------------------------------------------------------------------------------------


def test_login_tells_the_login_before(rig: IsyncRig) -> None:
    """The user with its times; the first time there was none before."""
    phone = rig.phone(None)
    first = phone.post("login", userName="anna", password=PASSWORD).data
    assert first == {
        "id": rig.account("anna"), "name": "anna", "createTime": 1900000000, "lastModifyTime": 1900000000,
    }  # fmt: skip
    rig.clock.ns += 5 * SECOND
    assert phone.post("login", userName="ANNA", password=PASSWORD).data["lastLoginDate"] == 1900000000
    assert phone.get("login", userName="anna", password=PASSWORD).data["lastLoginDate"] == 1900000005


@pytest.mark.parametrize(
    "user, password", [("anna", "Correct horse battery"), ("nobody", PASSWORD), ("", ""), ("anna", "")]
)
def test_wrong_ones_look_alike(rig: IsyncRig, user: str, password: str) -> None:
    """One answer for an unknown user and a wrong password, and no cookie."""
    phone = rig.phone(None)
    answer = phone.post("login", userName=user, password=password)
    assert (answer.status, answer.body, phone.cookie) == (200, WRONG, None)


def test_a_login_needs_both(rig: IsyncRig) -> None:
    """A missing one is a wrong parameter; one in another place is found."""
    phone = rig.phone(None)
    assert phone.post("login", userName="anna").code == phone.post("login", password=PASSWORD).code == -10003
    assert phone.post_json("login", {"userName": "anna", "password": PASSWORD}).code == 0
    assert phone.ask("POST", "/login.icc?userName=anna&password=correct+horse+battery").code == 0


def test_short_passwords_of_a_scan_log_in(rig: IsyncRig) -> None:
    """As they stand in a configuration, also as a JSON number; who has none can never log in."""
    rig.services.accounts.add("terry", "123", strict=False)
    rig.services.accounts.add("silent", None, strict=False)
    phone = rig.phone(None)
    assert phone.post("login", userName="terry", password="123").code == 0
    assert phone.post_json("login", {"userName": "terry", "password": 123}).code == 0
    for guess in ("", "None", "null", "nobody has this password", "!"):
        assert phone.post("login", userName="silent", password=guess).body == WRONG


def test_tries_are_counted_with_all_fronts(rig: IsyncRig) -> None:
    """Ten wrong ones, here and by the native login, block the right one on both; later it works again."""
    phone = rig.phone(None)
    for number in range(LIMIT):
        if number % 2:
            assert phone.post("login", userName="anna", password="wrong").body == WRONG
        else:
            wrong = {"user": "anna", "password": "wrong", "device": "x"}
            assert rig.ask("POST", "/login", wrong, user=None).status == 401
    blocked = phone.post("login", userName="anna", password=PASSWORD)
    assert (blocked.status, blocked.body) == (200, WRONG)
    assert int(blocked.headers["retry-after"]) > 0
    right = {"user": "anna", "password": PASSWORD, "device": "x"}
    assert rig.ask("POST", "/login", right, user=None).status == 429
    rig.clock.ns += 3600 * SECOND
    assert phone.post("login", userName="anna", password=PASSWORD).code == 0


def test_no_folder_for_a_user(rig: IsyncRig) -> None:
    """Where an own root cannot be made the login fails, and nothing is left of it; later it works."""
    files = rig.place / "data" / "files"
    files.rmdir()
    phone = rig.phone(None)
    answer = phone.post("login", userName="dan", password=PASSWORD)
    assert (answer.status, answer.code, phone.cookie) == (500, -100, None)
    assert rig.isync.sessions._store.count("isync") == 0
    files.mkdir()
    assert len(rig.phone("dan").get("catalogs", pids=-1).data) == 1


# --- the cookie ---------------------------------------------------------------------------------------------------------


def test_the_cookie(rig: IsyncRig) -> None:
    """Named `session`, out of reach for scripts, not sent along by other sites, another one each time (S27)."""
    phone = rig.phone(None)
    answer = phone.post("login", userName="anna", password=PASSWORD)
    token = phone.cookie
    assert answer.headers["set-cookie"] == f"session={token}; HttpOnly; Path=/; SameSite=Lax"
    assert token is not None
    assert len(token) >= 43
    old = Phone(rig)
    old.cookie = token
    assert phone.post("login", userName="anna", password=PASSWORD).code == 0
    assert phone.cookie != token
    assert (roots(phone), roots(old)) == (0, -10001)


def test_the_cookie_opens_nothing_else(rig: IsyncRig) -> None:
    """Not the native calls; and their token opens none here."""
    phone = rig.phone()
    assert phone.cookie is not None
    assert rig.ask("GET", "/roots", token=phone.cookie).status == 401
    phone.cookie = rig.token("anna")
    assert roots(phone) == -10001


@pytest.mark.parametrize(
    "header", ["", "session=", "session=x", "session=" + "a" * 43, "other=1; session=\xff\xfe", "session"]
)
def test_other_cookies_are_no_login(rig: IsyncRig, header: str) -> None:
    """The answer is always the same one."""
    answer = rig.phone(None).ask("GET", "/catalogs.icc?pids=-1", headers={"Cookie": header})
    assert (answer.status, answer.body) == (200, LOGIN_NEEDED)


def test_a_good_cookie_is_found_among_others(rig: IsyncRig) -> None:
    """Whatever else a client sends, quoted or not."""
    phone = rig.phone()
    for header in (f'a=b; session="{phone.cookie}"', f"session=; x=y;session={phone.cookie}"):
        assert phone.ask("GET", "/catalogs.icc?pids=-1", headers={"Cookie": header}).code == 0


# --- the life of a session ----------------------------------------------------------------------------------------------


def test_logout_ends_this_session_only(rig: IsyncRig) -> None:
    """The other phone stays; again, and without a login, it is fine too."""
    one, two = rig.phone(), rig.phone()
    token = one.cookie
    answer = one.post("logout")
    assert answer.body == b'{"code": 0, "data": ""}'
    assert one.cookie is None
    assert (roots(one), roots(two)) == (-10001, 0)
    one.cookie = token
    assert roots(one) == -10001
    assert one.post("logout").code == rig.phone(None).post("logout").code == 0


def test_it_ends_when_nobody_uses_it(rig: IsyncRig) -> None:
    """Each call puts the end off; after an hour without one it is over, and its device is gone."""
    used, unused = rig.phone(), rig.phone()
    for _ in range(4):
        rig.clock.ns += 1800 * SECOND
        assert roots(used) == 0
    assert roots(unused) == -10001
    rig.clock.ns += 3601 * SECOND
    assert roots(used) == -10001
    assert [device.name for device in _devices(rig) if "isync" in device.name] == []


def test_it_survives_a_restart(rig: IsyncRig) -> None:
    """With the time it was last used; what outlived its time meanwhile is over."""
    one, two = rig.phone(), rig.phone()
    rig.clock.ns += 3000 * SECOND
    assert roots(one) == 0
    rig.restart()
    rig.clock.ns += 1000 * SECOND
    assert (roots(one), roots(two)) == (0, -10001)


def test_only_so_many_at_once(tmp_path: Path) -> None:
    """One more ends those that outlived their time, then the one that was not used for longest."""

    class Small(IsyncRig):
        most, idle_s = 3, 100

    rig = Small(tmp_path)
    try:
        phones = []
        for number in range(3):
            rig.clock.ns += SECOND
            phones.append(rig.phone("ben" if number else "anna"))
        rig.clock.ns += SECOND
        assert roots(phones[0]) == 0
        newest = rig.phone("anna")
        assert [roots(phone) for phone in (*phones, newest)] == [0, -10001, 0, 0]
        rig.clock.ns += 101 * SECOND
        other = rig.phone("cora")
        assert rig.isync.sessions._store.count("isync") == 1
        assert roots(other) == 0
    finally:
        rig.close()


@pytest.mark.parametrize("ending", ["device", "password", "set password", "account"])
def test_what_ends_it_at_once(rig: IsyncRig, ending: str) -> None:
    """Removing the device, another password, the operator's, the end of the account (S49)."""
    phone, other = rig.phone(), rig.phone("ben")
    assert roots(phone) == 0
    match ending:
        case "device":
            (device,) = [device for device in _devices(rig) if "isync" in device.name]
            assert rig.ask("DELETE", f"/devices/{device.id}").status == 204
        case "password":
            rig.services.accounts.change_password(
                rig.services.accounts.check(rig.token("anna")), PASSWORD, "another long one", ""
            )
        case "set password":
            rig.services.accounts.set_password("anna", "another long one")
        case _:
            rig.services.accounts.remove("anna")
    assert (roots(phone), roots(other)) == (-10001, 0)


def _devices(rig: IsyncRig) -> list["DeviceLike"]:
    return [
        DeviceLike(each.id, each.name)
        for each in rig.services.accounts.devices(rig.services.accounts.check(rig.token("anna")))
    ]


class DeviceLike:
    """A device as a test looks at it."""

    def __init__(self, device: DeviceId, name: str) -> None:
        self.id, self.name = device, name


def test_devices_show_it(rig: IsyncRig) -> None:
    """With the program's name, and when it was last used."""
    phone = rig.phone(None)
    agent = {"User-Agent": "iPrivate/3.1 (iPhone; iOS 10.3)", "Content-Type": "application/json"}
    body = b'{"userName": "anna", "password": "correct horse battery"}'
    assert phone.ask("POST", "/login.icc", body, agent).code == 0
    assert "iPrivate (isync)" in [device.name for device in _devices(rig)]


def test_secrets_are_stored_nowhere(rig: IsyncRig) -> None:
    """Neither the token nor the password stands in the database (S50)."""
    phone = rig.phone()
    stored = b"".join(path.read_bytes() for path in (rig.place / "data").glob("catalogue.db*"))
    assert phone.cookie is not None
    assert phone.cookie.encode() not in stored
    assert PASSWORD.encode() not in stored


def test_checking_a_session_is_quick(rig: IsyncRig) -> None:
    """Far below a millisecond, so that it costs nothing beside the call."""
    phone = rig.phone()
    assert phone.cookie is not None
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(200):
            rig.isync.sessions.check(phone.cookie)
        best = min(best, (time.perf_counter() - began) / 200)
    assert best < 0.001


# --- other sites --------------------------------------------------------------------------------------------------------


def test_other_sites_are_refused_on_every_call(rig: IsyncRig) -> None:
    """A foreign `Origin` gets the same answer everywhere, logged in or not, and changes nothing (S26)."""
    from homestow.wire.isync_calls import CALLS

    phone, stranger = rig.phone(), rig.phone(None)
    mounted = [call for name, call in CALLS.items() if rig_knows(rig, call.path)]
    assert len(mounted) >= 10
    for call in mounted:
        for origin in (
            "http://evil.example",
            "null",
            f"http://127.0.0.1:{rig.port + 1}",
            f"ftp://127.0.0.1:{rig.port}",
            "x",
        ):
            for client in (phone, stranger):
                for method in call.methods:
                    answer = client.ask(method, call.path.replace("{tail}", "c"), headers={"Origin": origin})
                    assert answer.code == -10002, (call.path, origin)
    assert roots(phone) == 0


def rig_knows(rig: IsyncRig, path: str) -> bool:
    """Whether a call is answered at all."""
    return rig.phone(None).ask("OPTIONS", path.replace("{tail}", "c")).status == 204


def test_no_other_site_logs_somebody_in(rig: IsyncRig) -> None:
    """A picture that points to a login brings no `Origin`, but browsers say where it comes from (S27)."""
    target = "/login.icc?userName=anna&password=correct+horse+battery"
    answer = rig.phone(None).ask("GET", target, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
    assert (answer.code, "set-cookie" in answer.headers) == (-10002, False)
    assert rig.phone(None).ask("GET", target, headers={"Sec-Fetch-Site": "none"}).code == 0


def test_its_own_pages_are_not_foreign(tmp_path: Path) -> None:
    """The address it was asked at, and the one its owner told."""

    class Public(IsyncRig):
        public_url = "https://photos.example/cloud"

    with open_rig(tmp_path / "one") as rig:
        phone = rig.phone()
        own = {"Origin": rig.url}
        assert phone.ask("GET", "/catalogs.icc?pids=-1", headers=own).code == 0
        assert phone.ask("GET", "/catalogs.icc?pids=-1", headers={"Origin": "https://photos.example"}).code == -10002
    public = Public(tmp_path / "two")
    try:
        phone = public.phone()
        assert phone.ask("GET", "/catalogs.icc?pids=-1", headers={"Origin": "https://photos.example"}).code == 0
        target = "/login.icc?userName=anna&password=correct+horse+battery"
        for host, secure in (("photos.example", True), ("127.0.0.1", False), ("evil.example", False)):
            cookie = public.phone(None).ask("POST", target, headers={"Host": host}).headers["set-cookie"]
            assert cookie.endswith("; Secure") == secure, host
    finally:
        public.close()


# --- what clients keep --------------------------------------------------------------------------------------------------


def test_help_of_the_user(rig: IsyncRig) -> None:
    """Kept for each user alone, whatever id is told; one of both may be set; login tells it too."""
    phone, other = rig.phone(), rig.phone("ben")
    assert phone.get("helpInfo", type=0).data == {"lastModifyTime": 1900000000}
    rig.clock.ns += 9 * SECOND
    assert phone.post("updateHelpInfo", type=0, id=rig.account("ben"), helpInt=7).body == b'{"code": 0}'
    assert phone.post("updateHelpInfo", type=0, helpText="Grüße").body == b'{"code": 0}'
    assert phone.get("helpInfo", type="0", id="x").data == {
        "helpInt": 7, "helpText": "Grüße", "lastModifyTime": 1900000009,
    }  # fmt: skip
    assert other.get("helpInfo", type=0).data == {"lastModifyTime": 1900000000}
    assert phone.post("login", userName="anna", password=PASSWORD).data["helpText"] == "Grüße"


def test_help_of_catalogs_and_files(rig: IsyncRig) -> None:
    """Kept with them for everybody who sees them, in every root; a catalog is no file."""
    phone, node = rig.phone(), rig.put("a.jpg")
    for kind, number in ((1, int(rig.top)), (2, int(node.id))):
        rig.clock.ns += SECOND
        assert phone.post("updateHelpInfo", type=kind, id=number, helpInt=kind).body == b'{"code": 0}'
        assert phone.post("updateHelpInfo", type=kind, id=number, helpText="").body == b'{"code": 0}'
        found = rig.phone("cora").get("helpInfo", type=kind, id=number).data
        assert found == {"helpInt": kind, "helpText": "", "lastModifyTime": rig.clock.ns // SECOND}
    assert phone.get("files", pageIndex=0).data["list"][0]["helpInt"] == 2
    for kind, number in ((1, int(node.id)), (2, int(rig.top)), (1, 99999), (2, 99999)):
        assert phone.get("helpInfo", type=kind, id=number).body == b'{"code": 0, "data": {}}'
        assert phone.post("updateHelpInfo", type=kind, id=number, helpInt=1).body == b'{"code": 0}'
        assert phone.get("helpInfo", type=kind, id=number).data == {}


def test_wrong_help_parameters(rig: IsyncRig) -> None:
    """An unknown type, no id where one is needed, nothing to keep."""
    phone = rig.phone()
    for params in ({}, {"type": 3}, {"type": -1}, {"type": 1}, {"type": 2, "id": 0}, {"type": 1, "id": "x"}):
        assert phone.get("helpInfo", **params).code == -10003, params
        assert phone.post("updateHelpInfo", **params, helpInt=1).code == -10003, params
    assert phone.post("updateHelpInfo", type=0).code == -10003
    assert phone.post("updateHelpInfo", type=0, helpInt="x").code == -10003


# --- HTTP ---------------------------------------------------------------------------------------------------------------


def test_hello(rig: IsyncRig) -> None:
    """Where nothing else is, somebody is at home."""
    phone = rig.phone(None)
    for method in ("GET", "POST"):
        answer = phone.ask(method, "/")
        assert (answer.status, answer.body) == (200, b"hello world")
        assert answer.headers["content-type"].startswith("text/html")


def test_methods(rig: IsyncRig) -> None:
    """The wrong one is 405, HEAD goes where GET goes, OPTIONS tells; names are exact."""
    phone = rig.phone()
    assert phone.ask("POST", "/catalogs.icc?pids=-1").status == 405
    assert phone.ask("GET", "/createCatalog.icc").status == 405
    assert phone.ask("GET", "/logout.icc").status == 405
    head = phone.ask("HEAD", "/catalogs.icc?pids=-1")
    assert (head.status, head.body, int(head.headers["content-length"]) > 20) == (200, b"", True)
    assert phone.ask("OPTIONS", "/catalogs.icc").headers["allow"] == "GET, HEAD, OPTIONS"
    assert phone.ask("OPTIONS", "/login.icc").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    for path in ("/catalogs", "/catalogs.icc.mp4", "/Catalogs.icc", "/catalogs.icc/"):
        assert phone.ask("GET", path).status == 404, path


def test_every_answer_is_json_in_ascii_and_private(rig: IsyncRig) -> None:
    """Also the failures; what is too long is one of them, and breaks nothing."""
    phone = rig.phone()
    rig.folder_node("Grüße 🐈")
    answer = phone.get("catalogs", pids=rig.top)
    assert answer.body.isascii()
    assert answer.json["data"][0]["name"] == "Grüße 🐈"
    for each in (answer, phone.get("catalogs"), rig.phone(None).get("catalogs")):
        assert each.headers["content-type"] == "application/json"
        assert each.headers["cache-control"] == "private, no-store"
    long = phone.post_json("createCatalog", b" " * (1024 * 1024 + 1))
    assert (long.status, long.code) == (413, -10003)
    with_gzip = phone.ask("POST", "/createCatalog.icc", b"x", {"Content-Encoding": "gzip"})
    assert with_gzip.code == -10003
    assert roots(phone) == 0


def test_a_get_with_a_body(rig: IsyncRig) -> None:
    """JSON counts for GET too, and then alone."""
    phone = rig.phone()
    asked = phone.ask("GET", "/catalogs.icc", b'{"pids": "-1"}', {"Content-Type": "application/json"})
    assert len(asked.data) == 1
    alone = phone.ask("GET", "/catalogs.icc?pids=-1", b"{}", {"Content-Type": "application/vnd.x+json"})
    assert alone.code == -10003
    connection = http.client.HTTPConnection(rig.host, rig.port, timeout=20)
    try:
        for _ in range(2):  # on one connection, so that nothing of a body is left over
            connection.request(
                "GET", "/catalogs.icc", b"pids=-1", {"Content-Type": "application/x-www-form-urlencoded"}
            )
            assert connection.getresponse().read() == LOGIN_NEEDED
    finally:
        connection.close()
