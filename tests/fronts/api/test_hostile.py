"""Requests that nobody means well with: absurd names, numbers, paths, bodies, headers. Refused in one form, never a 5xx."""

import gzip
import json
import re
from urllib.parse import quote

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import Rig, is_ours

from homestow.values.errors import ServerError
from homestow.values.faults import arm
from homestow.wire.api import MAX_JSON_BYTES, PREFIX

NO_NAMES = ["", ".", "..", "a/b", "/", "a\0b", "x" * 256, "é" * 128, "../../etc/passwd", "\ud800"]
ODD_NAMES = [
    "-rf", " ", "a\nb", "CON", "con.txt", "a:b", "trailing.", "trailing ", "\u202e", "😀", "a\\b", "..\\..\\x", "%2e%2e",
    "%2F", "..%2f", "'; DROP TABLE nodes; --", "<img src=x onerror=alert(1)>", "\x01\x7f", "x" * 255, "...", "~", "*", "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_what_is_no_name(shared: Rig, name: str) -> None:
    """S01, S14: refused wherever a name is taken, as a bad name, with nothing made."""
    file = shared.put(fresh())
    encoded = quote(name, safe="", errors="surrogatepass")
    body = json.dumps({"name": name}).encode()
    move = json.dumps({"name": name, "parent": shared.top}).encode()
    upload = json.dumps({"name": name, "parent": shared.top, "size": 1}).encode()
    kind = {"Content-Type": "application/json"}
    before = shared.services.changes.cursor()
    for answer in (
        shared.ask("POST", f"/nodes/{shared.top}/folders", body, headers=kind),
        shared.ask("PUT", f"/nodes/{shared.top}/files?name={encoded}", b"x"),
        shared.ask("POST", f"/nodes/{file.id}/move", move, headers=kind),
        shared.ask("POST", f"/nodes/{file.id}/copy", move, headers=kind),
        shared.ask("POST", "/uploads", upload, headers=kind),
    ):
        assert (answer.status, answer.code) in ((400, "bad-name"), (400, "bad-request")), answer
        is_ours(answer)
    assert shared.services.changes.cursor() == before


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_odd_names_are_names(shared: Rig, name: str) -> None:
    """SC-124: everything else is a name: it lies in its folder, is found by its path, and leads nowhere else."""
    folder = shared.folder_node(fresh())
    node = shared.put(name, b"content", parent=folder.id)
    assert shared.names(folder.id) == [name]
    assert [path.name for path in (shared.folder / folder.name).iterdir()] == [name]
    assert shared.ask("GET", f"/roots/{shared.root}/path?path={quote(f'{folder.name}/{name}', safe='')}").node == node
    moved = shared.ask("POST", f"/nodes/{node.id}/move", {"parent": folder.id, "name": f"{name[:200]}~2"})
    assert moved.status == 200


PATHS = [
    "..", "../", "../../etc/passwd", "a/../b", "a/./b", "a//b", "///", "/../", "%2e%2e/%2e%2e", "a\0b", "..\\..\\etc", "/etc/passwd",
    "a/" * 300, "x" * 5000, "./x", "\ud800", ".homestow", ".homestow/staging",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_paths_lead_nowhere(shared: Rig, path: str) -> None:
    """S01, S02: a path is names, read once; what is none is refused, and no path leaves the root or sees our own folder."""
    answer = shared.ask("GET", f"/roots/{shared.root}/path?path={quote(path, safe='', errors='surrogatepass')}")
    assert answer.status in (400, 404)
    is_ours(answer)


@pytest.mark.parametrize(
    "target",
    [
        "/nodes/../../../etc/passwd",
        "/nodes/%2e%2e/%2e%2e/etc/passwd",
        "/nodes/1%2fcontent",
        "/nodes/1/content/..",
        "//nodes/1",
        "/nodes//content",
        "/nodes/1%00",
        "/nodes/%ff",
        "/../v1/me",
        "/%6de",
        "/nodes/" + "1" * 5000,
        "/nodes/1;x=y",
        "/nowhere",
        "",
    ],
)
def test_absurd_targets(shared: Rig, target: str) -> None:
    """What is no address of ours is told so, whatever it looks like."""
    answer = shared.ask("GET", target)
    assert answer.status in (400, 404)
    assert "Traceback" not in answer.body.decode()


@pytest.mark.parametrize(
    "number",
    [
        "-1",
        "x",
        "",
        "1.0",
        "1e3",
        "9" * 19,
        "9" * 5000,
        "0x1",
        "+1",
        "%2B1",
        "١",
        "--1",
        "-",
        "1%20",
        "%201",
        "NaN",
        "1_0",
    ],
)
def test_absurd_numbers(shared: Rig, number: str) -> None:
    """A number is digits of a 64-bit integer in its range; all else is refused, in paths and queries."""
    for path in (
        f"/nodes/{quote(number, safe='%')}",
        f"/nodes/{shared.top}/children?limit={quote(number, safe='%')}",
        f"/roots/{shared.root}/tree?after={quote(number, safe='%')}",
        f"/nodes/{shared.top}/content?rev={quote(number, safe='%')}",
    ):
        answer = shared.ask("GET", path)
        assert answer.status in (400, 404), (path, answer)


def test_limits_of_pages(shared: Rig) -> None:
    """A page has 1 to 10,000 entries."""
    for limit, status in ((0, 400), (1, 200), (10_000, 200), (10_001, 400)):
        assert shared.ask("GET", f"/nodes/{shared.top}/children?limit={limit}").status == status


def test_a_misspelt_condition_is_not_none(shared: Rig) -> None:
    """What a call does not know is refused, so that no `base` is overlooked."""
    node = shared.put(fresh())
    answer = shared.ask("DELETE", f"/nodes/{node.id}?bse=1")
    assert (answer.status, answer.code) == (400, "bad-request")
    assert shared.node(node.id) == node


def test_a_parameter_twice(shared: Rig) -> None:
    """Two values for one parameter are refused: nobody shall read the other one."""
    answer = shared.ask("GET", f"/nodes/{shared.top}/children?limit=1&limit=2")
    assert (answer.status, answer.code) == (400, "bad-request")
    assert shared.ask("GET", f"/nodes/{shared.top}/children?limit=1&%6cimit=2").status == 400


@pytest.mark.parametrize("query", ["%ff", "name=%ff", "name=%ed%a0%80", "&&&=&=", "name", "=x", "%"])
def test_absurd_queries(shared: Rig, query: str) -> None:
    """Bytes that are no UTF-8, and shapes that are no query, are refused or passed over."""
    answer = shared.ask("PUT", f"/nodes/{shared.top}/files?{query}", b"x")
    assert (answer.status, answer.code) in ((400, "bad-request"), (400, "bad-name"))


BODIES = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"1",
    b"{",
    b"{}",
    b'{"name": 1}',
    b'{"name": null}',
    b'{"name": ["x"]}',
    b"[" * 100_000,
    b'{"name":' * 50_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b'{"name": "\\ud800"}',
    b'{"name": NaN}',
    b'\xef\xbb\xbf{"name": "x"}',
    b'{"name": "x"} trailing',
    b'{"name": "x", "name": 7}',
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_absurd_bodies(shared: Rig, body: bytes) -> None:
    """S73: not JSON, not of its form, endlessly deep, or not text: 400, in our form, at once."""
    headers = {"Content-Type": "application/json"}
    answer = shared.ask("POST", f"/nodes/{shared.top}/folders", body, headers=headers)
    assert answer.status == 400, answer
    is_ours(answer)
    assert len(answer.body) < 2000


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "9" * 400, "1.5", "1e3", "-1", str(2**63), str(2**64), '"1"', "true"]
)
def test_absurd_numbers_in_bodies(shared: Rig, number: str) -> None:
    """Numbers that no 64-bit integer holds never reach the database."""
    body = f'{{"parent": {number}, "name": "x", "size": 1}}'.encode()
    answer = shared.ask("POST", "/uploads", body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (400, "bad-request")
    body = f'{{"folders": [[{number}, "x"]]}}'.encode()
    answer = shared.ask("POST", f"/roots/{shared.root}/folders", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400 or "not-found" in answer.body.decode() or "bad-request" in answer.body.decode()


def test_a_body_that_is_too_long(shared: Rig) -> None:
    """A message has at most 1 MiB, said by the length or found on the way."""
    body = b'{"name": "' + b"x" * MAX_JSON_BYTES + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = shared.ask("POST", f"/nodes/{shared.top}/folders", body, headers=headers)
    assert (answer.status, answer.code) == (413, "too-large")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:700_000], body[700_000:])) + b"0\r\n\r\n"
    raw = shared.wire(
        f"POST {PREFIX}/nodes/{shared.top}/folders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token('anna')}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + chunks,
        until_closed=False,
    )
    assert raw.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
def test_compressed_bodies_are_refused(shared: Rig, encoding: str) -> None:
    """S20: no body is unpacked, so none can burst."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    for method, path in (
        ("POST", f"/nodes/{shared.top}/folders"),
        ("PUT", f"/nodes/{shared.top}/files?name={fresh()}"),
    ):
        answer = shared.ask(method, path, bomb, headers=headers)
        assert (answer.status, answer.code) == (415, "bad-request")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"]
)
def test_messages_are_json(shared: Rig, kind: str) -> None:
    """S26: what a form of another site can send is no message."""
    headers = {"Content-Type": kind}
    answer = shared.ask("POST", f"/nodes/{shared.top}/folders", b'{"name": "x"}', headers=headers)
    assert (answer.status, answer.code) == (415, "bad-request")


def test_another_origin_gets_nothing(shared: Rig) -> None:
    """S28: no answer allows another site to read it, and a preflight is not granted."""
    for origin in ("https://evil.example", "null"):
        answer = shared.ask("GET", "/me", headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        preflight = shared.ask("OPTIONS", "/me", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
        assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_a_failure_inside_says_nothing_of_our_inside(shared: Rig) -> None:
    """S34: whatever breaks, the answer is a code, a sentence and the number that the log has."""
    secret = "/srv/secret/place.py"
    kinds: list[Exception] = [
        RuntimeError(secret),
        ServerError("x"),
        KeyError(secret),
        ValueError(secret),
        OSError(5, secret),
    ]
    for kind in kinds:

        def act(point: str, kind: Exception = kind) -> None:
            if point == "committer.prepared":
                raise kind

        arm(act)
        try:
            answer = shared.ask("POST", f"/nodes/{shared.top}/folders", {"name": fresh()})
        finally:
            arm(None)
        assert (answer.status, answer.code) == (500, "internal")
        assert secret not in answer.body.decode()
        is_ours(answer)
    assert shared.folder_node(fresh()).rev == 0


def test_a_failure_in_front_says_nothing_either(shared: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for what breaks outside of the use cases."""

    def broken(*_: object) -> None:
        raise RuntimeError("/srv/secret/place.py")

    monkeypatch.setattr(shared.services.files, "node", broken)
    answer = shared.ask("GET", f"/nodes/{shared.top}")
    assert answer.status == 500
    assert re.fullmatch(r"[\w .{}\":,-]+", answer.body.decode())
    assert "secret" not in answer.body.decode()


def test_text_of_headers_is_never_echoed(shared: Rig) -> None:
    """S21: nothing that a client sends comes back as a header."""
    marker = "marker-7f"
    answer = shared.ask(
        "GET",
        f"/nodes/{shared.top}/children?after={marker}",
        headers={"X-Test": marker, "User-Agent": marker, "Cookie": marker},
    )
    assert marker not in str(answer.headers)


def test_deep_trees(rig: Rig) -> None:
    """S14: folders nest 256 levels deep and no more, in one call and one by one, and nothing breaks at the edge."""
    answer = rig.ask(
        "POST", f"/roots/{rig.root}/folders", {"folders": [[rig.top, "d"], *([-k, "d"] for k in range(1, 300))]}
    )
    results = answer.json()["results"]
    made = [each["node"]["id"] for each in results if each.get("node")]
    assert len(made) == 256
    assert {each["problem"]["code"] for each in results if not each.get("node")} <= {"bad-name", "not-found"}
    answer = rig.ask("POST", f"/nodes/{made[-1]}/folders", {"name": "x"})
    assert answer.code == "bad-name"
    assert rig.ask("DELETE", f"/nodes/{made[0]}").status == 204
    assert rig.ask("POST", f"/trash/{made[0]}/restore", {}).status == 200
    rig.nothing_left_over()
