"""Which handler a method and a path ask for: a tree of path segments, so the cost does not grow with the routes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from aiohttp import web

if TYPE_CHECKING:
    from homestow.server.fronts.http.connection import Request

Handler = Callable[["Request"], Awaitable[web.StreamResponse]]
"""What answers a request; `request.params` holds the path's parameters."""

ANY_METHOD: Final = "*"
_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_MAX_INT_DIGITS: Final = 18


class Kind(Enum):
    """What a parameter in a pattern takes: `{name}`, `{name:int}`, `{name:secret}`, `{name:path}`."""

    TEXT = "text"
    INT = "int"
    SECRET = "secret"  # noqa: S105 - the word that stands in a pattern
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Route:
    """One handler under one pattern; `confidential` keeps the path out of the access log (S33)."""

    pattern: str
    handler: Handler
    names: tuple[str, ...]
    confidential: bool


@dataclass(frozen=True, slots=True)
class Match:
    """The route a path asks for, and the values of its parameters, percent-decoded."""

    route: Route
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrongMethod:
    """The path is known, the method is not; `allowed` is sorted and holds HEAD wherever it holds GET, and OPTIONS."""

    allowed: tuple[str, ...]


@dataclass(slots=True)
class _Node:
    routes: dict[str, Route] = field(default_factory=dict)
    literal: dict[str, "_Node"] = field(default_factory=dict)
    number: "_Node | None" = None
    begins: dict[str, "_Node"] = field(default_factory=dict)
    text: "_Node | None" = None
    rest: dict[str, Route] = field(default_factory=dict)


class Router:
    """Patterns and their handlers.

    Literal segments win over `{x:int}`, that over `begin{x}`, that over `{x}`, and all over `{x:path}`.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._plain: dict[str, dict[str, Route]] = {}

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Let `handler` answer `method` ("*": any other) on paths like `pattern`.

        A pattern is segments such as `/api/v1/nodes/{node}/parts/{number:int}`. `{x}` takes one segment that is not
        empty, `{x:int}` one of up to 18 digits, `{x:secret}` one that no log may show, `begin{x}` what follows that
        beginning of a segment, at least one character, and `{x:path}`, last only, the rest, perhaps empty, with slashes.
        GET answers HEAD too unless HEAD has its own handler.

        Raises:
            ValueError: the pattern is malformed, or method and pattern are taken.
        """
        if not pattern.startswith("/"):
            raise ValueError(f"{pattern} does not begin with a slash")
        node, names, confidential = self._root, list[str](), False
        segments = pattern[1:].split("/")
        table: dict[str, Route] | None = None
        for number, segment in enumerate(segments):
            begin, name, kind = _parameter(segment)
            if name is None:
                node = node.literal.setdefault(segment, _Node())
                continue
            if name in names:
                raise ValueError(f"{pattern} names {name} twice")
            names.append(name)
            confidential = confidential or kind is Kind.SECRET
            if kind is Kind.PATH:
                if number != len(segments) - 1:
                    raise ValueError(f"{pattern} goes on after the rest of the path")
                table = node.rest
            elif kind is Kind.INT:
                node.number = node = node.number or _Node()
            elif begin:
                node = node.begins.setdefault(begin, _Node())
            else:
                node.text = node = node.text or _Node()
        if table is None:
            table = node.routes
            if not names:
                self._plain[pattern] = table
        if method in table:
            raise ValueError(f"{method} {pattern} is taken by {table[method].pattern}")
        table[method] = Route(pattern, handler, tuple(names), confidential)

    def find(self, method: str, raw_path: str) -> Match | WrongMethod | None:
        """The route for a path as it came over the wire, still percent-encoded; None when no pattern fits.

        An encoded slash or NUL, and bytes that are not UTF-8, fit no parameter.
        """
        routes = self._plain.get(raw_path)
        if routes is not None:
            route = _choose(routes, method)
            if route is not None:
                return Match(route, _NO_PARAMS)
        allowed: set[str] = set()
        match = _walk(self._root, raw_path[1:].split("/"), 0, (), method, allowed)
        if match is not None or not allowed:
            return match
        return WrongMethod(tuple(sorted(allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set()))))


def _parameter(segment: str) -> tuple[str, str | None, Kind]:
    begin, brace, rest = segment.partition("{")
    if not (brace and rest.endswith("}")):
        if brace or "}" in segment:
            raise ValueError(f"{segment} mixes text and parameters")
        return "", None, Kind.TEXT
    name, _, kind = rest[:-1].partition(":")
    if not name.isidentifier():
        raise ValueError(f"{name!r} cannot name a parameter")
    if begin and kind:
        raise ValueError(f"{segment}: after a beginning comes plain text")
    return begin, name, Kind(kind or "text")


def _choose(routes: dict[str, Route], method: str) -> Route | None:
    route = routes.get(method)
    if route is None and method == "HEAD":
        route = routes.get("GET")
    return route or routes.get(ANY_METHOD)


def _walk(
    node: _Node, segments: list[str], at: int, values: tuple[str, ...], method: str, allowed: set[str]
) -> Match | None:
    """Depth first, the most literal child first; each node has few children to try for a segment."""
    if at == len(segments):
        found = _matched(node.routes, method, values, allowed)
        if found is not None:
            return found
    else:
        segment = segments[at]
        child = node.literal.get(segment)
        if child is not None:
            found = _walk(child, segments, at + 1, values, method, allowed)
            if found is not None:
                return found
        if node.number is not None and len(segment) <= _MAX_INT_DIGITS and segment.isascii() and segment.isdigit():
            found = _walk(node.number, segments, at + 1, (*values, segment), method, allowed)
            if found is not None:
                return found
        for begin, child in node.begins.items():
            value = _decoded(segment[len(begin) :]) if segment.startswith(begin) else None
            if value:
                found = _walk(child, segments, at + 1, (*values, value), method, allowed)
                if found is not None:
                    return found
        if node.text is not None and segment:
            value = _decoded(segment)
            if value is not None:
                found = _walk(node.text, segments, at + 1, (*values, value), method, allowed)
                if found is not None:
                    return found
    if node.rest:
        parts = [_decoded(segment) for segment in segments[at:]]
        if None not in parts:
            rest = "/".join(part for part in parts if part is not None)
            return _matched(node.rest, method, (*values, rest), allowed)
    return None


def _matched(routes: dict[str, Route], method: str, values: tuple[str, ...], allowed: set[str]) -> Match | None:
    route = _choose(routes, method)
    if route is None:
        allowed.update(routes)
        return None
    return Match(route, dict(zip(route.names, values, strict=True)) if values else _NO_PARAMS)


def _decoded(segment: str) -> str | None:
    if "%" in segment:
        try:
            segment = unquote(segment, errors="strict")
        except UnicodeDecodeError:
            return None
        if "/" in segment or "\0" in segment:
            return None
    return segment if segment.isascii() or segment.isprintable() or _is_text(segment) else None


def _is_text(segment: str) -> bool:
    """Whether `segment` is free of the stand-ins the parser leaves for bytes that are not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in segment)
