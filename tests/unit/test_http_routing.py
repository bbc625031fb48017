"""Which handler a path asks for."""

import time

import pytest
from aiohttp import web

from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.routing import Handler, Match, Router, WrongMethod


def handler() -> Handler:
    async def answer(request: Request) -> web.StreamResponse:
        raise AssertionError("nobody calls it")

    return answer


def router(*patterns: str) -> Router:
    made = Router()
    for text in patterns:
        method, pattern = text.split(" ")
        made.add(method, pattern, handler())
    return made


def found(made: Router, method: str, path: str) -> tuple[str, dict[str, str]]:
    match = made.find(method, path)
    assert isinstance(match, Match), match
    return match.route.pattern, dict(match.params)


def test_the_most_literal_pattern_wins() -> None:
    """Literal before number before text before the rest, and back when the literal turns out wrong."""
    made = router("GET /a/b", "GET /a/{n:int}", "GET /a/{x}", "GET /a/{x}/c", "GET /a/b/d", "GET /{rest:path}")

    assert found(made, "GET", "/a/b") == ("/a/b", {})
    assert found(made, "GET", "/a/17") == ("/a/{n:int}", {"n": "17"})
    assert found(made, "GET", "/a/x") == ("/a/{x}", {"x": "x"})
    assert found(made, "GET", "/a/b/c") == ("/a/{x}/c", {"x": "b"})
    assert found(made, "GET", "/a/b/e") == ("/{rest:path}", {"rest": "a/b/e"})
    assert found(made, "GET", "/") == ("/{rest:path}", {"rest": ""})


def test_parameters_are_decoded_once_and_hold_no_slash() -> None:
    """What a handler gets is text; an encoded slash, NUL or broken UTF-8 reaches none."""
    made = router("GET /f/{name}", "GET /d/{rest:path}")

    assert found(made, "GET", "/f/a%20b%2525")[1] == {"name": "a b%25"}
    assert found(made, "GET", "/f/%F0%9F%90%88")[1] == {"name": "🐈"}
    assert found(made, "GET", "/d/a/%C3%BC/") == ("/d/{rest:path}", {"rest": "a/ü/"})
    for path in ("/f/a%2Fb", "/f/a%00", "/f/%FF", "/f/\udcff", "/f/", "/f", "/d/a%2Fb", "/d/x/%FF"):
        assert made.find("GET", path) is None, path


def test_integers_are_plain_digits() -> None:
    """No sign, no other script's digits, no number too long to be one of ours."""
    made = router("GET /n/{n:int}")

    assert found(made, "GET", "/n/007")[1] == {"n": "007"}
    for path in ("/n/-1", "/n/+1", "/n/1.0", "/n/", "/n/%31x", "/n/" + "9" * 19, "/n/١"):
        assert made.find("GET", path) is None, path


def test_methods_are_told_apart() -> None:
    """HEAD goes where GET goes; a wrong method is told the right ones; any-method takes the rest."""
    made = router("GET /a", "PUT /a", "POST /b/{x}", "* /dav/{rest:path}", "GET /dav/{rest:path}")

    assert found(made, "HEAD", "/a")[0] == "/a"
    assert made.find("DELETE", "/a") == WrongMethod(("GET", "HEAD", "OPTIONS", "PUT"))
    assert made.find("GET", "/b/1") == WrongMethod(("OPTIONS", "POST"))
    assert found(made, "PROPFIND", "/dav/x")[0] == "/dav/{rest:path}"
    assert made.find("GET", "/c") is None


def test_secret_parameters_make_the_route_confidential() -> None:
    """A log must be able to tell that it may not show the path."""
    made = router("GET /s/{token:secret}", "GET /p/{x}")

    secret, plain = made.find("GET", "/s/abc"), made.find("GET", "/p/abc")
    assert isinstance(secret, Match)
    assert isinstance(plain, Match)
    assert secret.route.confidential
    assert not plain.route.confidential


@pytest.mark.parametrize("pattern", ["a", "/{x}/{x}", "/{rest:path}/more", "/{x}a", "/a{x:int}", "/{x:float}", "/{1}"])
def test_malformed_patterns_are_refused(pattern: str) -> None:
    """A pattern that cannot work is an error when the server is put together, not when somebody calls."""
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do
        Router().add("GET", pattern, handler())


def test_a_taken_place_is_refused() -> None:
    """Two fronts cannot answer the same call."""
    made = router("GET /a/{x}")

    with pytest.raises(ValueError, match="taken"):
        made.add("GET", "/a/{y}", handler())


def test_finding_does_not_slow_down_with_routes() -> None:
    """A lookup among 500 routes costs about what it costs among five."""
    few = router(*(f"GET /api/v1/things{n}/{{x}}/parts/{{y:int}}" for n in range(5)))
    many = router(*(f"GET /api/v1/things{n}/{{x}}/parts/{{y:int}}" for n in range(500)))

    def cost(made: Router) -> float:
        best = 1.0
        for _ in range(5):
            began = time.process_time()
            for _ in range(500):
                made.find("GET", "/api/v1/things4/abc/parts/5")
            best = min(best, time.process_time() - began)
        return best

    assert cost(many) < 3 * cost(few)


def test_a_deep_path_is_no_deep_trouble() -> None:
    """A path of thousands of segments is answered or not, without an error."""
    made = router("GET /a/{x}", "GET /d/{rest:path}")

    assert made.find("GET", "/a" * 4000) is None
    assert found(made, "GET", "/d" + "/x" * 4000)[0] == "/d/{rest:path}"
