"""Calls whose bodies are bytes: content down and up, blocks, packs, and the OpenAPI document."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec
from aiohttp import web

from homestow.server.fronts.api.asking import Ask, read_ask, read_message
from homestow.server.fronts.api.binding import Bench, Handler
from homestow.server.fronts.api.files import (
    digest_in,
    node_of,
    problem_of,
    results_of,
    root_of,
    upload_of,
    upload_state,
)
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.ranges import EntityTag
from homestow.server.fronts.http.receiving import read_body, receive
from homestow.server.fronts.http.sending import BlockSource, Facts, FileSource, send_blocks, send_file
from homestow.server.service.contents import OpenContent
from homestow.server.service.whole import FileSink, ToldSink
from homestow.server.service.work import Once
from homestow.values.errors import BadRequest, CloudError, TooLarge
from homestow.values.ids import NodeId
from homestow.wire import api
from homestow.wire.api import EPOCH_HEADER, MAX_BLOCK_BYTES, MAX_JSON_BYTES, MAX_PACK_BYTES
from homestow.wire.calls import BY_NAME, Call
from homestow.wire.openapi import document
from homestow.wire.packs import PackReader, part

_MAX_FILE: Final = 1 << 50
_MAX_PACK_BODY: Final = MAX_PACK_BYTES + api.MAX_PACK_FILES * 1024
_PACK_FLUSH: Final = 1024 * 1024
_SMALL_BODY: Final = 256 * 1024
_encode = msgspec.json.Encoder().encode


class _Sink(Protocol):
    """What takes a body: an upload's block, or a whole file."""

    def write(self, data: memoryview) -> None:
        """The next piece, in order."""

    def abort(self) -> None:
        """It broke off."""


class Bodies:
    """Handlers of these calls."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._services = bench.services
        self._border = bench.border

    def handlers(self) -> dict[str, Handler]:
        """Handler by the call's name."""
        return {
            "openapi": self._openapi,
            "content": self._content,
            "put_file": self._put_file,
            "put_content": self._put_content,
            "put_block": self._put_block,
            "put_pack": self._put_pack,
            "get_pack": self._get_pack,
        }

    # --- down -----------------------------------------------------------------------------------------------------

    async def _openapi(self, request: Request) -> web.StreamResponse:
        body = await self._border.run(lambda: _encode(document()))
        return self._bench.json(BY_NAME["openapi"], body)

    async def _content(self, request: Request) -> web.StreamResponse:
        ask = read_ask(BY_NAME["content"], request, None)

        def work() -> OpenContent:
            who = self._bench.who(ask)
            return self._services.downloads.content(who, node_of(ask), ask.maybe_number("rev"))

        def at_hand() -> OpenContent | None:
            who = self._bench.who(ask)
            return self._services.downloads.content_at_hand(who, node_of(ask), ask.maybe_number("rev"))

        content = await self._border.short(work, at_hand)
        facts = Facts(
            size=content.size,
            etag=EntityTag(content.etag.strip('"')),
            mtime_s=max(0, content.mtime_ns // 1_000_000_000),
            name=content.name,
            headers={EPOCH_HEADER: self._services.epoch(), "Homestow-Rev": str(content.rev)},
        )
        if content.opened.fd is None:
            source = BlockSource(facts, content.opened.read_at, content.close)
            return await send_blocks(request, source, executor=self._border.executor)
        return await send_file(request, FileSource(facts, content.opened.detach()), executor=self._border.executor)

    async def _get_pack(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["get_pack"]
        body = await read_body(request, cap=MAX_JSON_BYTES)
        ask = read_ask(call, request, body)

        def begin() -> Iterator[tuple[NodeId, int, bytes | CloudError]]:
            wanted = read_message(api.PackWanted, body)
            assert isinstance(wanted, api.PackWanted)
            who = self._bench.who(ask)
            return self._services.downloads.get_pack(
                who, root_of(ask), [(NodeId(node), rev) for node, rev in wanted.files]
            )

        contents = await self._border.run(begin)
        first = await self._border.run(_next_piece, contents)
        response = web.StreamResponse(headers={**self._bench.headers(), "Content-Type": api.Body.PACK.value})
        await response.prepare(request)
        piece = first
        while piece:
            await response.write(piece)
            piece = await self._border.run(_next_piece, contents)
        await response.write_eof()
        return response

    # --- up -------------------------------------------------------------------------------------------------------

    async def _put_file(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["put_file"]
        ask = read_ask(call, request, None)
        return await self._put_whole(request, call, ask, lambda size: self._services.whole.put_file(
            self._bench.who(ask), node_of(ask), ask.text("name"), mtime_ns=ask.maybe_number("mtime_ns"),
            digest=digest_in(ask.maybe_text("digest")), base=ask.maybe_number("base"), size=size, once=ask.once,
        ))  # fmt: skip

    async def _put_content(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["put_content"]
        ask = read_ask(call, request, None)
        return await self._put_whole(request, call, ask, lambda size: self._services.whole.put_content(
            self._bench.who(ask), node_of(ask), ask.number("base"), mtime_ns=ask.maybe_number("mtime_ns"),
            digest=digest_in(ask.maybe_text("digest")), size=size, once=ask.once,
        ))  # fmt: skip

    async def _put_whole(self, request: Request, call: Call, ask: Ask, open_sink: "_OpenSink") -> web.StreamResponse:
        size = request.content_length
        if size is not None and size <= _SMALL_BODY:
            # A small body is here already or nearly: what came at the same time crosses and is published together.
            body = await read_body(request, cap=_SMALL_BODY)
            node: bytes = await self._border.together(self._put_all, (open_sink, body))
            return self._bench.json(call, node)
        sink = await self._border.run(open_sink, size)
        await self._receive(request, sink, _MAX_FILE)

        def finish() -> bytes:
            try:
                self._bench.who(ask)  # a long body may outlive the login that sent it (S49)
                return _encode(sink.finish())
            finally:
                sink.abort()

        return self._bench.json(call, await self._border.run(finish))

    def _put_all(self, items: "list[tuple[_OpenSink, bytes]]") -> list[bytes | CloudError]:
        """Small files that arrived at the same time: the encoded node of each, or its error."""
        results: list[bytes | CloudError] = [b""] * len(items)
        sinks: list[tuple[int, _WholeSink]] = []
        for at, (open_sink, body) in enumerate(items):
            try:
                sink = open_sink(len(body))
                sink.write(memoryview(body))
                sinks.append((at, sink))
            except CloudError as error:
                results[at] = error
        finished = self._services.whole.finish_all([sink for _, sink in sinks])
        for (at, _), result in zip(sinks, finished, strict=True):
            results[at] = result if isinstance(result, CloudError) else _encode(result)
        return results

    async def _put_block(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["put_block"]
        ask = read_ask(call, request, None)

        def begin() -> "_BlockSink":
            who = self._bench.who(ask)
            digest = digest_in(ask.maybe_text("digest"))
            return self._services.uploads.put_block(who, upload_of(ask), ask.number("offset"), digest)

        sink = await self._border.run(begin)
        await self._receive(request, sink, MAX_BLOCK_BYTES)

        def finish() -> bytes:
            sink.finish()
            return _encode(upload_state(self._services.uploads.upload(self._bench.who(ask), upload_of(ask))))

        return self._bench.json(call, await self._border.run(finish))

    async def _receive(self, request: Request, sink: _Sink, cap: int) -> None:
        if request.content_length is not None and request.content_length > cap:
            await self._border.run(sink.abort)
            raise TooLarge(f"One request takes at most {cap} bytes here.", limit=cap)
        try:
            await receive(request, sink.write, cap=cap, executor=self._border.executor)
        except BaseException:
            await self._border.run(sink.abort)
            raise

    async def _put_pack(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["put_pack"]
        ask = read_ask(call, request, None)
        pack = await self._border.run(lambda: self._services.whole.begin_pack(self._bench.who(ask), root_of(ask)))
        reader = PackReader(api.PackItem)
        whole = hashlib.sha256()

        def take(piece: memoryview) -> None:
            whole.update(piece)
            pack.add_all(reader.feed(piece))

        def finish() -> bytes:
            try:
                reader.close()
                if not len(pack):
                    raise BadRequest("The pack is empty.")
                who = self._bench.who(ask)  # again: a login may have ended while its pack came in (S49)
                once = ask.once and Once(ask.once.key, ask.once.request + whole.digest())
                return _encode(results_of(pack.finish(who, once)))
            finally:
                pack.abort()

        try:
            await receive(request, take, cap=_MAX_PACK_BODY, executor=self._border.executor)
        except BaseException:
            await self._border.run(pack.abort)
            raise
        return self._bench.json(call, await self._border.run(finish))


_WholeSink = FileSink | ToldSink
_OpenSink = Callable[[int | None], _WholeSink]


class _BlockSink(_Sink, Protocol):
    def finish(self) -> None:
        """All of the block is here."""


def _next_piece(contents: Iterator[tuple[NodeId, int, bytes | CloudError]]) -> bytes:
    """The next part of a pack's body, about a mebibyte; b"" at the end."""
    parts: list[bytes] = []
    size = 0
    for node, rev, content in contents:
        if isinstance(content, CloudError):
            problem = problem_of(content.code, content.message, content.facts)
            piece = part(api.PackHeader(node=node, rev=rev, problem=problem), b"")
        else:
            piece = part(api.PackHeader(node=node, rev=rev, size=len(content)), content)
        parts.append(piece)
        size += len(piece)
        if size >= _PACK_FLUSH:
            break
    return b"".join(parts)
