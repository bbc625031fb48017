"""Who is heard: no web page of another origin, by whatever name it comes, nobody without a secret, and nobody too long (S86)."""

import random
import re
import socket
import stat
from pathlib import Path

import pytest
from tests.control_twin import TwinService
from tests.fronts.control_http.rig import Answer, OldWindow, Site, exchange, opened, read_answer

from homestow.client.apps.page import FOLDERS
from homestow.client.control.web.limits import Limits
from homestow.client.control.web.page import WebPage
from homestow.values.errors import BadSettings
from homestow.wire.control import Pause, Start

PATHS = ("/", "/res/index.html", "/jobs", "/cmd/pause-all", "/feedbackinfo", "/control/news", "/nothing")
PAGE = FOLDERS[""]


def steered(site: Site) -> bool:
    """Whether any order came that changes something."""
    return any(isinstance(order, Pause | Start) for order in site.twin.given)


# --- other names, other origins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "[::1]:{port}",
        "",
        "127.0.0.1:{port}.evil.example",
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_S86_only_its_own_name_is_answered(site: Site, path: str, host: str) -> None:
    """A name that was made to lead here (DNS rebinding) gets nothing, not even the page, with all secrets or without."""
    window = site.log_in()
    window.ask("GET", "/jobs")
    window.count += 1
    answer = site.ask("GET", path, {"Host": host.format(port=site.port), "Authorization": window.words("GET", path)})

    assert answer.status == 421
    assert not steered(site)


def test_S86_a_request_has_one_host(site: Site) -> None:
    """Two hosts, or none, are refused: nobody chooses which one counts."""
    ours = f"Host: 127.0.0.1:{site.port}\r\n"

    assert read_answer(exchange(site.port, f"GET / HTTP/1.1\r\n{ours}Host: evil\r\n\r\n".encode())).status == 400
    assert read_answer(exchange(site.port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).status == 421
    assert read_answer(exchange(site.port, b"GET / HTTP/1.0\r\n\r\n")).status == 421


ORIGINS = (
    "http://evil.example",
    "null",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:1",
    "http://localhost:{port}",
    "file://",
)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("path", ["/control", "/control/open", "/jobs", "/general_configs"])
def test_S86_other_origins_change_nothing(site: Site, path: str, origin: str) -> None:
    """A POST that says it comes from elsewhere is refused, though it bears all secrets."""
    given = {"Origin": origin.format(port=site.port)}

    assert site.enter().ask("POST", path, given, {"order": {"order": "pause"}}).status == 403
    assert site.log_in().ask("POST", path, given, {"order": {"order": "pause"}}).status == 403
    assert not steered(site)


@pytest.mark.parametrize("said", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Referer": "http://evil.example/"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Referer": "http://127.0.0.1:1/"}, {"Referer": "http://127.0.0.1:{port}.evil.example/"}, {"Referer": "http://[/"},
])  # fmt: skip
@pytest.mark.parametrize("path", ["/cmd/pause-all", "/jobs", "/control/news", "/share/documents?relative_path=a"])
def test_S86_a_link_or_picture_elsewhere_steers_nothing(site: Site, path: str, said: dict[str, str]) -> None:
    """A GET whose browser would add name and password by itself is told apart by where it says it comes from."""
    given = {name: value.format(port=site.port) for name, value in said.items()}

    assert site.log_in().ask("GET", path, given).status == 403
    assert site.enter().ask("GET", path, given).status == 403
    assert not steered(site)


def test_S86_the_page_itself_may_be_opened_from_anywhere(site: Site) -> None:
    """A link or a file may lead to the page, in a window of its own; nothing else of it may be used elsewhere."""
    opened_there = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    assert site.ask("GET", "/res/index.html", opened_there).status == 200
    assert site.ask("GET", "/res/index.html", {**opened_there, "Sec-Fetch-Dest": "iframe"}).status == 403
    assert (
        site.ask(
            "GET", "/res/main.js", {**opened_there, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
        ).status
        == 403
    )


def test_S86_our_own_page_is_heard(site: Site) -> None:
    """What a browser says of requests of the page itself is all right, by either of the two names."""
    for host in (f"127.0.0.1:{site.port}", f"localhost:{site.port}"):
        given = {
            "Host": host,
            "Origin": f"http://{host}",
            "Sec-Fetch-Site": "same-origin",
            "Referer": f"http://{host}/res/index.html",
        }
        assert site.enter().ask("POST", "/control", given, {"order": {"order": "jobs"}}).status == 200
        assert site.log_in().ask("GET", "/cmd/start-all", {"Host": host, "Sec-Fetch-Site": "none"}).body == b'"success"'


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "", "application/jsonp"],
)
def test_S86_a_form_is_no_order(site: Site, kind: str) -> None:
    """What a form of any page can send is refused by its type."""
    answer = site.enter().ask("POST", "/control", {"Content-Type": kind}, {"order": {"order": "pause"}})

    assert answer.status == 415
    assert not steered(site)


def test_S86_no_other_origin_is_ever_permitted(site: Site) -> None:
    """No answer has a word of CORS, a question before a request is refused, and no answer can be framed, sniffed or kept."""
    answers = [
        *(site.log_in().ask("GET", path) for path in PATHS if path != "/control/news"),
        site.ask("GET", "/jobs"), site.ask("GET", "/jobs", {"Host": "evil"}), site.ask("PUT", "/jobs"),
        site.ask("OPTIONS", "/control", {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}),
    ]  # fmt: skip
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answers[-1].status == 405


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_S86_both_secrets_are_needed(site: Site) -> None:
    """A cookie may be sent to another server of this computer, so it opens nothing alone; nor do secrets of two sessions."""
    one, other = site.enter().secrets, site.enter().secrets
    for secrets in (
        {"Cookie": one["Cookie"]}, {"Cookie": one["Cookie"], "X-Homestow-Proof": ""},
        {"X-Homestow-Proof": one["X-Homestow-Proof"]}, {**one, "Cookie": other["Cookie"]}, {**one, "Cookie": "homestow-1=x; =;"},
    ):  # fmt: skip
        assert site.ask("GET", "/control/news", secrets).status in (401, 403)
        assert site.ask("POST", "/control", secrets, {"order": {"order": "pause"}}).status in (401, 403)
    assert not steered(site)


def test_S86_the_cookie_is_for_the_browser_alone(site: Site) -> None:
    """It is kept from scripts, from requests of other sites, and from all but the paths that need it; each secret has 256 bits."""
    answer = site.ask("POST", "/control/open", body={"key": site.key()})
    cookie, *words = answer.headers["set-cookie"].split("; ")

    assert set(words) == {"HttpOnly", "SameSite=Strict", "Path=/control"}
    for secret in (cookie.partition("=")[2], answer.json()["token"]):
        assert re.fullmatch(r"[\w-]{43}", secret)


def test_S86_a_key_works_once_and_a_second_use_ends_it(site: Site) -> None:
    """Whoever saw the address is too late; if it was the thief who came first, the thief's session ends too."""
    key = site.key()
    first = site.ask("POST", "/control/open", body={"key": key})
    secrets = {"Cookie": first.headers["set-cookie"].partition(";")[0], "X-Homestow-Proof": first.json()["token"]}
    assert site.ask("POST", "/control", secrets, {"order": {"order": "jobs"}}).status == 200

    assert site.ask("POST", "/control/open", body={"key": key}).status == 403
    assert site.ask("POST", "/control", secrets, {"order": {"order": "jobs"}}).status == 403


def test_a_key_lives_ten_minutes(site: Site) -> None:
    """An address that was not used opens nothing later; a guessed one never did."""
    early, late = site.key(), site.key()
    site.clock.advance(599)
    assert site.ask("POST", "/control/open", body={"key": early}).status == 200
    site.clock.advance(2)
    assert site.ask("POST", "/control/open", body={"key": late}).status == 403
    assert site.ask("POST", "/control/open", body={"key": "x"}).status == 403
    assert site.ask("POST", "/control/open", body=b"[").status == 400


def test_S86_old_orders_want_name_and_password(site: Site) -> None:
    """What changes something by GET is no way for the page's session."""
    visitor = site.enter()
    for path in (
        "/cmd/pause-all",
        "/cmd/exit",
        "/ws/documents",
        "/folders/documents",
        "/share/documents?relative_path=a",
        "/%2Fcmd/pause-all",
    ):
        assert visitor.ask("GET", path).status == 403, path
    assert not steered(site)


def test_nobody_reads_without_a_secret(site: Site) -> None:
    """All routes but the page's own files ask who is there."""
    for path in (
        "/jobs",
        "/jobs-status",
        "/jobs/documents/logs",
        "/stat",
        "/general_configs",
        "/url/x",
        "/control/preview",
        "/streamlifesign",
    ):
        answer = site.ask("GET", path)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith('Digest realm="PydioSyncAuthRealm", nonce="')
    assert site.ask("POST", "/control", body={"order": {"order": "jobs"}}).status == 401
    assert site.ask("DELETE", "/jobs/documents").status == 401


def test_the_login_is_new_each_time_and_for_its_owner_only(tmp_path: Path) -> None:
    """The ports file has mode 600, one line of the known shape, and is gone with the page."""
    lines = set()
    for _ in range(2):
        with opened(tmp_path) as site:
            assert stat.S_IMODE(site.ports_file.stat().st_mode) == 0o600
            line = site.ports_file.read_text()
            assert re.fullmatch(rf"pydio:{site.port}:[A-Za-z0-9]{{16}}:[A-Za-z0-9]{{16}}", line)
            lines.add(line.partition(f":{site.port}:")[2])
        assert not site.ports_file.exists()
    assert len(lines) == 2


# --- digest -----------------------------------------------------------------------------------------------------------


def test_S86_an_answer_to_a_challenge_works_once(site: Site) -> None:
    """The same words again, for another path or by another method, open nothing."""
    window = site.log_in()
    assert window.ask("GET", "/jobs").status == 200
    words = window.words("GET", "/jobs")
    assert site.ask("GET", "/jobs", {"Authorization": words}).status == 200

    again = site.ask("GET", "/jobs", {"Authorization": words})
    assert again.status == 401
    assert again.headers["www-authenticate"].endswith("stale=true")
    assert site.ask("GET", "/stat", {"Authorization": window.words("GET", "/jobs")}).status == 401
    assert (
        site.ask("DELETE", "/jobs/documents", {"Authorization": window.words("GET", "/jobs/documents")}).status == 401
    )


def test_only_our_own_nonces_are_taken(site: Site) -> None:
    """A nonce that somebody made up is stale, also with the right password; one of half an hour is old."""
    window = site.log_in()
    for nonce in ("x", "0.0.0", "1.a." + "0" * 32):
        window.nonce = nonce
        answer = site.ask("GET", "/jobs", {"Authorization": window.words("GET", "/jobs")})
        assert answer.status == 401
    assert window.ask("GET", "/jobs").status == 200
    site.clock.advance(1801)
    answer = site.ask("GET", "/jobs", {"Authorization": window.words("GET", "/jobs")})
    assert answer.headers["www-authenticate"].endswith("stale=true")
    assert window.ask("GET", "/jobs").status == 200


@pytest.mark.parametrize(
    "change", [("username", "x"), ("realm", "x"), ("response", "0" * 32), ("qop", "auth-int"), ("nc", "zz")]
)
def test_a_wrong_answer_is_refused_and_not_stale(site: Site, change: tuple[str, str]) -> None:
    """One wrong part is enough, and the window asks for the password instead of trying on."""
    window = site.log_in()
    window.ask("GET", "/jobs")
    name, value = change
    words = re.sub(rf'{name}=("[^"]*"|[^,]*)', f'{name}="{value}"', window.words("GET", "/jobs"))
    answer = site.ask("GET", "/jobs", {"Authorization": words})

    assert answer.status == 401
    assert "stale" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Digest",
        "Digest ,,,",
        "Basic YTpi",
        'Digest username="a',
        'Digest a="b" c',
        "Digest " + "x" * 5000,
        'Digest uri="/jobs", uri="/jobs"',
    ],
)
def test_odd_words_are_refused(site: Site, words: str) -> None:
    """Whatever stands there is no reason to fail."""
    assert site.ask("GET", "/jobs", {"Authorization": words}).status == 401


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_it_listens_on_loopback_only(site: Site) -> None:
    """Nothing outside of this computer reaches it."""
    lines = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
    bound = {
        line.split()[1] for line in lines if line.split()[1].endswith(f":{site.port:04X}") and line.split()[3] == "0A"
    }

    assert bound == {f"0100007F:{site.port:04X}"}


def test_a_port_in_use_is_said(site: Site) -> None:
    """The trouble names the port and what to do."""
    other = WebPage(site.twin, folders=FOLDERS, ports_file=None, monotonic=site.clock.monotonic)

    with pytest.raises(BadSettings, match=rf"port {site.port}: another program uses it; give another port"):
        other.start(site.port)
    with pytest.raises(BadSettings):
        other.open()
    assert site.page.start(0) == site.port


@pytest.mark.parametrize("sent, status", [
    (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
    (b"POST /control HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
    (b"POST /control HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /control HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /control HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET //evil.example/ HTTP/1.1\r\n\r\n", 421), (b"GET http://evil.example/ HTTP/1.1\r\n\r\n", 400),
    (b"GET /%ff HTTP/1.1\r\n\r\n", 400), (b"GET /%00 HTTP/1.1\r\n\r\n", 400), (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
    (b"BREW / HTTP/1.1\r\n\r\n", 405), (b"GET / HTTP/9.9\r\n\r\n", 505), (b"\0\1\2\r\n\r\n", 400), (b"a b c d e\r\n\r\n", 400),
])  # fmt: skip
def test_what_is_no_request_is_refused(site: Site, sent: bytes, status: int) -> None:
    """Too long, without a length, of two minds, or no HTTP at all: a refusal without a word of it, and the connection ends."""
    answer = read_answer(exchange(site.port, sent))

    assert answer.status == status
    assert b"evil" not in answer.body


def test_random_bytes_end_nothing(site: Site) -> None:
    """Requests with a few bytes changed, cut or doubled are answered or closed, and nothing comes of them but answers."""
    dice = random.Random(86)
    window = site.log_in()
    window.ask("GET", "/jobs")
    for _ in range(600):
        target = dice.choice(("/jobs", "/jobs-status", "/control", "/res/main.js", "/stat/documents/a", "/jobs/x/logs"))
        method = dice.choice(("GET", "POST"))
        body = b'{"order": {"order": "jobs"}}' if method == "POST" else b""
        sent = bytearray(
            f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAuthorization: {window.words(method, target)}\r\n\r\n".encode()
            + body
        )
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(sent))
            match dice.randrange(3):
                case 0:
                    sent[at] = dice.randrange(256)
                case 1:
                    del sent[at : at + dice.randrange(1, 9)]
                case _:
                    sent[at:at] = sent[at : at + dice.randrange(1, 30)]
        heard = exchange(site.port, bytes(sent), end=True)
        assert not heard or heard.startswith(b"HTTP/1.1 ")
        assert not heard.startswith(b"HTTP/1.1 500"), sent
    assert window.ask("GET", "/jobs").status == 200
    assert not steered(site)


def test_a_slow_peer_is_let_go(tmp_path: Path) -> None:
    """Who sends a request byte by byte, or never ends it, does not hold its place for long."""
    with opened(tmp_path, limits=Limits(head_s=0.3, body_s=0.3)) as site:
        assert exchange(site.port, b"GET / HT") == b""
        assert (
            exchange(
                site.port,
                f"POST /control HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Length: 9\r\n\r\n{{".encode(),
            )
            == b""
        )


def test_connections_are_counted(tmp_path: Path) -> None:
    """More than so many at once are turned away at once, and places that are left can be had again."""
    with opened(tmp_path, limits=Limits(connections=3)) as site:
        held = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(3)]
        for each in held:
            each.sendall(b"GET /")
        ends: Answer | None = None
        while ends is None or ends.status != 503:
            ends = site.ask("GET", "/")
        for each in held:
            each.close()
        while site.ask("GET", "/").status != 302:
            pass


def test_followers_are_counted(tmp_path: Path) -> None:
    """So many pages follow the news and no more; one that is closed makes room."""
    with opened(tmp_path, limits=Limits(streams=1, beat_s=0.05)) as site:
        visitor = site.enter()
        lines = "".join(f"{name}: {value}\r\n" for name, value in visitor.secrets.items())
        with socket.create_connection(("127.0.0.1", site.port)) as follower:
            follower.sendall(f"GET /control/news HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{lines}\r\n".encode())
            assert follower.recv(1 << 16).startswith(b"HTTP/1.1 200")
            assert visitor.ask("GET", "/control/news").status == 503
        window = OldWindow(site, *site.page.credentials)
        while window.ask("HEAD", "/control/news").status == 503:
            pass


# --- the page's own sources -------------------------------------------------------------------------------------------

READS_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML|\beval\b|new Function"
    r"|setTimeout\(\s*[\"'`]|javascript:|\.href = [^\"`v]"
)


def test_S24_no_text_of_the_page_is_read_as_html() -> None:
    """Names of files and devices are text wherever they are shown; the browser itself refuses anything else (trusted types)."""
    seen = 0
    for path in PAGE.glob("*.js"):
        seen += 1
        assert not READS_HTML.search(path.read_text("utf-8")), path
    assert seen > 10


def test_the_page_needs_nothing_from_elsewhere(site: Site) -> None:
    """No script, style, picture or font of another host; no script or style in the page itself."""
    for path in [*PAGE.glob("*.js"), *PAGE.glob("*.css"), *PAGE.glob("*.html")]:
        text = path.read_text("utf-8")
        assert not re.search(r"(?:src|href|import|from|url\(|fetch\()\s*=?\s*[\"'`(]?(?:https?:)?//", text), path
    html = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=", html)
    policy = site.ask("GET", "/res/index.html").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_no_request_names_a_file_of_the_disk(site: Site) -> None:
    """Files of the page were read at the start; whatever path is asked for, it is one of those names or nothing."""
    for path in (
        "/res/../page.py",
        "/res/%2e%2e/page.py",
        "/res/__init__.py",
        "/res//etc/passwd",
        "/res/texts/catalogue.py",
        "/res/",
        "/res/texts",
    ):
        assert site.ask("GET", path).status == 404, path
    assert site.ask("GET", "/res/texts/zh.json").status == 200
    assert site.ask("POST", "/res/main.js", body={}).status == 405


def test_a_service_without_jobs_has_a_page(tmp_path: Path) -> None:
    """Nothing to show is no trouble."""
    with opened(tmp_path, TwinService(jobs=False)) as site:
        assert site.log_in().ask("GET", "/jobs-status").json() == {"is_connected_to_internet": True, "jobs": []}
