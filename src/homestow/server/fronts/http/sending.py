"""Content out: whole, in one range or several, conditional, without copying where the kernel can do it."""

import asyncio
import errno
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.disposition import Disposition, content_disposition
from homestow.server.fronts.http.problems import HttpProblem
from homestow.server.fronts.http.ranges import (
    ByteRange,
    EntityTag,
    Framing,
    RangeNotSatisfiable,
    Verdict,
    content_range,
    frame,
    http_date,
    if_range_holds,
    judge,
    parse_range,
)
from homestow.server.fronts.tcp.files import SMALL_BYTES, ContentShort, OpenFile, pump
from homestow.server.fronts.tcp.peers import uses_tls

log = logging.getLogger(__name__)

_DEFAULT_CACHING: Final = "private, no-cache"
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_CONDITIONS: Final = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the headers of an answer say about content.

    `mtime_s`: seconds since 1970. `name` with `disposition`: how a browser should save or show it. `headers` replace the
    defaults, `Cache-Control: private, no-cache` among them (S31).
    """

    size: int
    etag: EntityTag
    mtime_s: int
    content_type: str = "application/octet-stream"
    name: str | None = None
    disposition: Disposition = Disposition.ATTACHMENT
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)


@dataclass(frozen=True, slots=True)
class FileSource:
    """Content in an open file. The answer owns `fd` from here on and closes it in every case.

    `start`: where in the file the content's first byte lies.
    """

    facts: Facts
    fd: int
    start: int = 0


@dataclass(frozen=True, slots=True)
class BlockSource:
    """Content that comes in blocks: `read_at(offset, count)` gives 1 to `count` bytes; b"" means it is shorter than said.

    It is called in a worker thread, one call at a time. `close` is called once, in a worker thread too.
    """

    facts: Facts
    read_at: Callable[[int, int], bytes]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer: its status, and which bytes of the content it carries. `framing` stands for several ranges."""

    status: int
    ranges: tuple[ByteRange, ...]
    framing: Framing | None = None


def plan(method: str, headers: Mapping[str, str], facts: Facts, now_s: int) -> Plan:
    """Decide what a request for content is answered with; `ranges` is empty when no bytes are to be sent.

    Raises:
        HttpProblem: 412, a precondition failed; 416, no byte of the content is asked for.
    """
    if any(name in headers for name in _CONDITIONS):
        match judge(headers, etag=facts.etag, mtime_s=facts.mtime_s, reading=True):
            case Verdict.NOT_MODIFIED:
                return Plan(304, ())
            case Verdict.FAILED:
                raise HttpProblem(412, "precondition-failed", "The content is not the one the request expects.")
            case Verdict.PROCEED:
                pass
    whole = (ByteRange(0, facts.size),) if facts.size else ()
    wanted = headers.get("Range")
    if wanted is None or method != "GET":
        return Plan(200, whole)
    if_range = headers.get("If-Range")
    if if_range is not None and not if_range_holds(if_range, etag=facts.etag, mtime_s=facts.mtime_s, now_s=now_s):
        return Plan(200, whole)
    try:
        ranges = parse_range(wanted, facts.size)
    except RangeNotSatisfiable as error:
        raise HttpProblem(
            416,
            "range-not-satisfiable",
            "The content is shorter than that.",
            {"Content-Range": f"bytes */{error.size}"},
        ) from error
    if ranges is None:
        return Plan(200, whole)
    if len(ranges) == 1:
        return Plan(206, ranges)
    boundary = secrets.token_hex(16)
    return Plan(206, ranges, frame(ranges, size=facts.size, content_type=facts.content_type, boundary=boundary))


def response_headers(facts: Facts, chosen: Plan) -> CIMultiDict[str]:
    """The headers of the answer `chosen` says."""
    headers: CIMultiDict[str] = CIMultiDict()
    headers["Cache-Control"] = _DEFAULT_CACHING
    headers["ETag"] = str(facts.etag)
    headers["Last-Modified"] = http_date(facts.mtime_s)
    if chosen.status != 304:
        headers["Accept-Ranges"] = "bytes"
        if chosen.framing is not None:
            headers["Content-Type"] = chosen.framing.content_type
            headers["Content-Length"] = str(chosen.framing.length)
        else:
            headers["Content-Type"] = facts.content_type
            headers["Content-Length"] = str(sum(item.length for item in chosen.ranges))
            if chosen.status == 206:
                headers["Content-Range"] = content_range(chosen.ranges[0], facts.size)
        if facts.name is not None:
            headers["Content-Disposition"] = content_disposition(facts.disposition, facts.name)
    headers.update(facts.headers)
    return headers


Decide = Callable[[str, Mapping[str, str], Facts, int], Plan]
"""Decides as `plan` does."""


async def send_file(
    request: Request, source: FileSource, *, executor: Executor | None = None, decide: Decide = plan
) -> web.StreamResponse:
    """Answer GET or HEAD with the content of an open file. `executor` reads what is not in memory yet.

    A client that leaves midway ends the answer quietly.

    Args:
        decide: what the request is answered with, where that is not as HTTP has it.
    Raises:
        HttpProblem: see `plan`; and whatever `decide` raises.
    """
    try:
        chosen = decide(request.method, request.headers, source.facts, int(time.time()))
        headers = response_headers(source.facts, chosen)
        if not chosen.ranges or request.method == "HEAD":
            return _Bare(status=chosen.status, headers=headers)
        file = OpenFile(source.fd, source.start, executor)
        if chosen.framing is None and chosen.ranges[0].length <= SMALL_BYTES:
            item = chosen.ranges[0]
            body = await file.read(item.start, item.length)
            if len(body) == item.length:
                return web.Response(status=chosen.status, headers=headers, body=body)
            return _cut_short(request, web.StreamResponse(status=chosen.status, headers=headers))

        async def send(request: Request, response: web.StreamResponse, item: ByteRange) -> None:
            def count(sent: int) -> None:
                request.writer.output_size += sent

            transport = request.transport
            if transport is None or uses_tls(transport):
                await file.send_encrypted(response.write, item.start, item.stop)
            else:
                await file.send_by_kernel(transport, response.write, item.start, item.stop, count)

        return await _send(request, chosen, headers, send)
    finally:
        os.close(source.fd)


async def send_blocks(
    request: Request, source: BlockSource, *, executor: Executor | None = None, decide: Decide = plan
) -> web.StreamResponse:
    """Answer GET or HEAD with content that comes in blocks from a worker; the next is fetched while one is sent.

    Args:
        decide: see `send_file`.
    Raises:
        HttpProblem: see `plan`; and whatever `decide` raises.
    """
    loop = asyncio.get_running_loop()

    async def read(offset: int, count: int) -> bytes:
        return await loop.run_in_executor(executor, source.read_at, offset, count)

    async def send(request: Request, response: web.StreamResponse, item: ByteRange) -> None:
        await pump(response.write, item.start, item.length, read)

    try:
        chosen = decide(request.method, request.headers, source.facts, int(time.time()))
        headers = response_headers(source.facts, chosen)
        if not chosen.ranges or request.method == "HEAD":
            return _Bare(status=chosen.status, headers=headers)
        return await _send(request, chosen, headers, send)
    finally:
        await asyncio.shield(loop.run_in_executor(executor, source.close))


class _Bare(web.StreamResponse):
    """Headers alone, the body's length among them: what HEAD, 304 and empty content get, in one segment."""

    _send_headers_immediately = False


_Send = Callable[[Request, web.StreamResponse, ByteRange], Awaitable[None]]


async def _send(request: Request, chosen: Plan, headers: CIMultiDict[str], send: _Send) -> web.StreamResponse:
    response = web.StreamResponse(status=chosen.status, headers=headers)
    try:
        await response.prepare(request)
        if chosen.framing is None:
            await send(request, response, chosen.ranges[0])
        else:
            for head, item in chosen.framing.parts:
                await response.write(head)
                await send(request, response, item)
            await response.write(chosen.framing.tail)
        await response.write_eof()
    except ConnectionError:
        # The client has left. That is its right, and nothing to log.
        _abort(request, response)
    except ContentShort:
        return _cut_short(request, response)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
            log.error("request %s: reading the content failed: %s", request.request_id, error)
        _abort(request, response)
    except asyncio.CancelledError:
        _abort(request, response)
        raise
    return response


def _cut_short(request: Request, response: web.StreamResponse) -> web.StreamResponse:
    """Never pass half a content off as all of it: break the connection instead."""
    log.warning("request %s: the content became shorter while it was sent", request.request_id)
    _abort(request, response)
    return response


def _abort(request: Request, response: web.StreamResponse) -> None:
    response.force_close()
    if request.transport is not None:
        request.transport.abort()
