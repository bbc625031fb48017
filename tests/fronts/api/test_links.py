"""Opening links without a login: bytes, ranges, passwords, folders, and what no link shows."""

import base64
import http.client
from typing import Any

import pytest
from tests.fronts.api.rig import Answer, Rig

from homestow.client.adapters.api_client import Client
from homestow.server.rules.access import Rights
from homestow.values.errors import NotFound
from homestow.wire import api
from homestow.wire.api import PREFIX


def opened(rig: Rig, path: str, **headers: str) -> Answer:
    """Ask for a path below `/s` as a stranger."""

    host, _, port = rig.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def link(rig: Rig, node: int, user: str = "anna", **more: Any) -> str:
    """The path of a new link."""
    answer = rig.ask("POST", "/shares", {"node": node, **more}, user=user)
    assert answer.status == 201, answer
    return str(answer.json()["path"])


def basic(password: str) -> str:
    """As a browser sends it."""
    return "Basic " + base64.b64encode(f"x:{password}".encode()).decode()


def test_a_file_with_ranges_and_nothing_for_search_engines(rig: Rig) -> None:
    """S70: whoever has the link gets the bytes, players their ranges, robots a no."""
    path = link(rig, rig.put("film.mp4", b"0123456789").id)
    whole = opened(rig, path)
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, b"0123456789", "video/mp4")
    part = opened(rig, path, Range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert opened(rig, path, If_None_Match=whole.headers["etag"]).status == 304
    for answer in (whole, part, opened(rig, "/s/" + "x" * 32)):
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers


def test_what_could_run_in_our_name_is_only_saved(rig: Rig) -> None:
    """S22: a page somebody uploaded is no page of this server."""
    answer = opened(rig, link(rig, rig.put("page.html", b"<script>").id))
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_password_on_every_way_in(rig: Rig) -> None:
    """S60: file, folder and what is below; without it nothing but the question."""
    folder = rig.folder_node("shared")
    inside = rig.put("in.txt", b"inside", folder.id)
    paths = [link(rig, inside.id, password="correct horse"), link(rig, folder.id, password="correct horse")]
    for path in (*paths, f"{paths[1]}/{inside.id}"):
        asked = opened(rig, path)
        assert (asked.status, asked.code) == (401, "login-needed")
        assert asked.headers["www-authenticate"].startswith("Basic ")
        assert opened(rig, path, Authorization=basic("wrong horse")).code == "login-failed"
        assert opened(rig, path, Authorization="Basic ####").code == "login-needed"
        assert opened(rig, path, Authorization=basic("correct horse")).status == 200


def test_a_folder_is_a_list_and_its_files_are_below(rig: Rig) -> None:
    """S61: everything below by its id, and nothing beside it."""
    folder = rig.folder_node("shared")
    deep = rig.folder_node("deep", folder.id)
    inside, beside = rig.put("in.txt", b"inside", deep.id), rig.put("out.txt", b"out")
    path = link(rig, folder.id)
    listed = opened(rig, path).json()
    assert (listed["name"], [each["name"] for each in listed["nodes"]], listed["next"]) == ("shared", ["deep"], None)
    assert [each["id"] for each in opened(rig, f"{path}/{deep.id}").json()["nodes"]] == [inside.id]
    assert opened(rig, f"{path}/{inside.id}").body == b"inside"
    for other in (beside.id, rig.top, 10**12, 0):
        assert opened(rig, f"{path}/{other}").code == "not-found"
    for strange in ("/../x", "/%2e%2e/x", "/x", f"/{inside.id}/x"):
        assert opened(rig, path + strange).status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "MKCOL"])
def test_a_link_only_reads(rig: Rig, method: str) -> None:
    """S64: no other method is answered."""
    path = link(rig, rig.put("a.txt", b"1").id)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert b" 405 " in rig.wire(head.encode(), until_closed=False).split(b"\r\n")[0]
    assert opened(rig, path).body == b"1"


def test_a_link_is_no_login(rig: Rig) -> None:
    """Its key opens nothing of the API, and a login is nothing to it."""
    key = link(rig, rig.put("a.txt", b"1").id).removeprefix("/s/")
    assert rig.ask("GET", "/me", token=key).status == 401
    assert rig.ask("GET", f"/nodes/{rig.top}", token=key).status == 401


def test_it_dies_with_the_rights_of_who_made_it(rig: Rig) -> None:
    """S57: the same answer as for a link that never was."""
    path = link(rig, rig.put("a.txt", b"1").id, user="ben")
    assert opened(rig, path).status == 200
    rig.roots.give(rig.root, rig.account("ben"), Rights.NONE)
    gone, never = opened(rig, path), opened(rig, "/s/" + "x" * 32)
    left, right = gone.json(), never.json()
    del left["request_id"], right["request_id"]
    assert (gone.status, left) == (never.status, right) == (404, right)


def test_guesses_are_slowed_down(rig: Rig) -> None:
    """S59: after ten wrong links 429 with the time to wait; right ones still open."""
    path = link(rig, rig.put("a.txt", b"1").id)
    answers = [opened(rig, f"/s/{number:032}") for number in range(12)]
    assert [answer.status for answer in answers] == [404] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert opened(rig, path).status == 200


def test_expiry_is_the_servers(rig: Rig) -> None:
    """S66: the clock of whoever asks says nothing."""
    path = link(rig, rig.put("a.txt", b"1").id, expires_ns=rig.clock.ns + 10**9)
    assert (
        opened(
            rig, path, If_Modified_Since="Mon, 01 Jan 2001 00:00:00 GMT", Date="Mon, 01 Jan 2001 00:00:00 GMT"
        ).status
        == 200
    )
    rig.clock.ns += 10**9
    assert opened(rig, path).status == 404


def test_the_typed_client(rig: Rig) -> None:
    """Make, list and end a link; the list has no key."""
    client: Client = rig.client("anna")
    node = rig.put("a.txt", b"1").id
    made = client.add_share(api.NewShare(node=node, label="for granny"))
    assert opened(rig, made.path).body == b"1"
    (seen,) = client.shares()
    assert (seen.id, seen.name, seen.label, seen.user, seen.uses, seen.password, seen.opens) == (
        made.share.id, "a.txt", "for granny", "anna", 1, False, True,
    )  # fmt: skip
    assert client.shares(rig.root) == [seen]
    assert made.path.removeprefix("/s/") not in rig.ask("GET", "/shares").body.decode()
    client.remove_share(seen.id)
    assert client.shares() == []
    assert opened(rig, made.path).status == 404
    with pytest.raises(NotFound):
        client.remove_share(seen.id)


def test_a_repeated_request_makes_one_link_and_a_removed_one_stays_removed(rig: Rig) -> None:
    """P8, S59: the same key of the link without its being stored; what was revoked never comes back."""
    message, headers = {"node": rig.top}, {"Idempotency-Key": "mine"}
    first, second = (rig.ask("POST", "/shares", message, headers=headers) for _ in "12")
    assert (first.status, first.json()) == (second.status, second.json())
    assert len(rig.ask("GET", "/shares").json()["shares"]) == 1
    assert rig.ask("DELETE", f"/shares/{first.json()['share']['id']}").status == 204
    assert rig.ask("POST", "/shares", message, headers=headers).code == "not-found"
    assert rig.ask("GET", "/shares").json()["shares"] == []
    assert PREFIX not in first.json()["path"]


def test_only_what_one_may_read_can_be_shared(rig: Rig) -> None:
    """A stranger's link to something is refused as if it were not there."""
    node = rig.put("a.txt", b"1").id
    assert rig.ask("POST", "/shares", {"node": node}, user="dan").code == "not-found"
    made = rig.ask("POST", "/shares", {"node": node}, user="ben").json()["share"]["id"]
    assert rig.ask("DELETE", f"/shares/{made}", user="cora").code == "not-found"
    assert rig.ask("DELETE", f"/shares/{made}", user="anna").status == 204
