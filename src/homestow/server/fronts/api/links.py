"""Opening a link: `/s/KEY` gives a file's bytes or a folder's list, `/s/KEY/ID` the same of something below the folder.

No login, no cookie, no page. A password, where the link has one, is asked by HTTP Basic authentication; the user name may be
anything. Search engines are told to stay away and browsers not to tell where they came from (S70).
"""

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from aiohttp import web

from homestow.server.border import Lane
from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.content_types import SAFE, content_type
from homestow.server.fronts.http.problems import problem_response
from homestow.server.fronts.http.ranges import EntityTag
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.sending import BlockSource, Facts, FileSource, send_blocks, send_file
from homestow.server.service.contents import OpenContent
from homestow.values.errors import Busy, CloudError, LoginFailed, LoginNeeded, TooManyTries
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind
from homestow.wire import api
from homestow.wire.api_status import status_of

_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {**SAFE, "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
)
_LONGEST_LOGIN: Final = 8192
_encode = msgspec.json.Encoder().encode


class Links:
    """Handlers of links."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._services = bench.services
        self._border = bench.border

    def add_routes(self, router: Router) -> None:
        """Put both forms of a link on a router."""
        router.add("GET", "/s/{key:secret}", self._answer)
        router.add("GET", "/s/{key:secret}/{node:int}", self._answer)

    async def _answer(self, request: Request) -> web.StreamResponse:
        try:
            password = _password(request.headers.get("Authorization"))
            found = await self._found(request, password)
            return await self._send(request, found)
        except CloudError as error:
            return _problem(request, error)

    async def _found(self, request: Request, password: str | None) -> OpenContent | bytes:
        key, below = request.params["key"], request.params.get("node")
        after = request.query.get("after", "")
        address = "" if request.operator else request.client_host

        def work() -> OpenContent | bytes:
            node = None if below is None else NodeId(int(below))
            opened = self._services.shares.open(key, password, address, node)
            if opened.row.kind != Kind.FOLDER:
                return self._services.downloads.content(opened.who, opened.row.id)
            nodes, following = self._services.files.children(opened.who, opened.row.id, after, 1000)
            listed = [
                api.SharedNode(id=each.id, name=each.name, kind=each.kind, size=each.size, mtime_ns=each.mtime_ns)
                for each in nodes
                if each.kind is not Kind.LINK
            ]
            return _encode(api.SharedFolder(name=opened.row.name, nodes=listed, next=following))

        if password is not None:
            return await self._border.apart(Lane.LOGIN, work)
        return await self._border.short(work)

    async def _send(self, request: Request, found: OpenContent | bytes) -> web.StreamResponse:
        if isinstance(found, bytes):
            headers = {**_HEADERS, "Cache-Control": "private, no-store", "Content-Type": "application/json"}
            return web.Response(headers=headers, body=found)
        kind, disposition = content_type(found.name)
        facts = Facts(
            size=found.size,
            etag=EntityTag(found.etag.strip('"')),
            mtime_s=max(0, found.mtime_ns // 1_000_000_000),
            content_type=kind,
            name=found.name,
            disposition=disposition,
            headers=_HEADERS,
        )
        if found.opened.fd is None:
            source = BlockSource(facts, found.opened.read_at, found.close)
            return await send_blocks(request, source, executor=self._border.executor)
        return await send_file(request, FileSource(facts, found.opened.detach()), executor=self._border.executor)


def _password(header: str | None) -> str | None:
    """The password of Basic authentication; None where there is none to be read."""
    scheme, _, said = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(said) > _LONGEST_LOGIN:
        return None
    try:
        return base64.b64decode(said.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def _problem(request: Request, error: CloudError) -> web.Response:
    headers = dict(_HEADERS)
    if isinstance(error, Busy | TooManyTries):
        headers["Retry-After"] = str(error.facts.get("retry_after_s", 1))
    if isinstance(error, LoginNeeded | LoginFailed):
        headers["WWW-Authenticate"] = 'Basic realm="Homestow", charset="UTF-8"'
    return problem_response(
        status_of(error.code), error.code, error.message, request.request_id, headers, facts=error.facts
    )
