"""The calls of phase 0: single names, no login, no answer to what went well."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from homestow.server.fronts.netdrive.conversation import Conversation, Handler, Part, lane_for
from homestow.values.errors import BadRequest
from homestow.wire.netdrive import Dialect, Request, answer

PAUSE_S: Final = 0.05
"""Between the header and the bytes of a download: the first client reads its header by one call, whatever that brings."""


async def _upload(talk: Conversation, asked: Request) -> None:
    _check(asked)
    name, size = asked.text("filename"), asked.integer("size")
    sink = await talk.cross(lambda: talk.drive.doorway.open_put(name, size))
    await talk.receive(asked, sink, sink.finish, lane_for(size))


async def _download(talk: Conversation, asked: Request) -> None:
    _check(asked)

    def work() -> Part:
        content = talk.drive.doorway.open_get(asked.text("filename"))
        return Part(content, 0, content.size)

    part = await talk.cross(work)
    await talk.send(Dialect.PHASE0, answer(Dialect.PHASE0, "download", {"size": part.count}), part, pause_s=PAUSE_S)


def _check(asked: Request) -> None:
    if asked.trouble is not None:
        raise BadRequest(asked.trouble)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType({"upload": _upload, "download": _download})
