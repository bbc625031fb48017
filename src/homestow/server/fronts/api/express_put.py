"""Small new files by the express lane: what `put_file` answers when all goes well, without its way there."""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from homestow.server.fronts.api.asking import Value, read_params
from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.api.files import digest_in
from homestow.server.fronts.http.express import Later, Plain, answer
from homestow.server.rules.access import Principal
from homestow.server.service.small_files import SmallFile
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId, RootId
from homestow.wire.api import EPOCH_HEADER, PREFIX
from homestow.wire.calls import BY_NAME

_FILES: Final = re.compile(PREFIX.encode() + rb"/nodes/([1-9][0-9]{0,17})/files")
_CALL: Final = BY_NAME["put_file"]
_EPOCH: Final = EPOCH_HEADER.lower().encode()
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, eq=False)
class _Asked:
    """A file, and who waits for what becomes of it."""

    file: SmallFile
    secure: bool
    later: Later


class SmallPuts:
    """Stores new files whose login and folder are at hand; those of one turn of the loop together, without a thread waiting.

    Only what was stored is answered here. Whatever does not go well, before or later, has left nothing behind and goes the
    ordinary way, which says why.
    """

    def __init__(self, bench: Bench) -> None:
        self._border = bench.border
        self._services = bench.services
        self._loop = asyncio.get_running_loop()
        self._turn: list[_Asked] = []
        self._open: dict[SmallFile, _Asked] = {}

    def __call__(self, asked: Plain, secure: bool, later: Later) -> bool:
        """Take it over, or not."""
        found = _FILES.fullmatch(asked.path)
        if found is None:
            return False
        scheme, _, token = asked.headers.get(b"authorization", b"").partition(b" ")
        if scheme != b"Bearer":
            return False
        epoch = self._services.epoch().encode()
        if asked.headers.get(_EPOCH, epoch) != epoch:
            return False
        who = self._services.accounts.known(token.decode())
        if who is None:
            return False
        try:
            params = read_params(_CALL, {"node": found[1].decode()}, asked.query.decode())
            file = None if params["base"] is not None else self._file(who, params, asked.body)
        except CloudError:
            return False
        if file is None or not self._border.enter():
            return False
        if not self._turn:
            self._loop.call_soon(self._hand_over)
        self._turn.append(_Asked(file, secure, later))
        return True

    def _file(self, who: Principal, params: dict[str, Value], body: bytes) -> SmallFile | None:
        node, name, mtime_ns, digest = params["node"], params["name"], params["mtime_ns"], params["digest"]
        assert isinstance(node, int)
        assert isinstance(name, str)
        assert mtime_ns is None or isinstance(mtime_ns, int)
        assert digest is None or isinstance(digest, str)
        folder, wanted = NodeId(node), digest_in(digest)

        def look() -> SmallFile:
            return self._services.whole.small_file(who, folder, name, body, mtime_ns=mtime_ns, digest=wanted)

        file = self._border.at_hand(look)
        if file is None:
            self._border.look_again(look)
        return file

    def _hand_over(self) -> None:
        """To the committer: what came in this turn of the loop."""
        turn, self._turn = self._turn, []
        groups: dict[tuple[Principal, RootId], list[_Asked]] = {}
        for each in turn:
            self._open[each.file] = each
            groups.setdefault((each.file.who, each.file.root), []).append(each)
        for group in groups.values():
            try:
                self._services.whole.put_small([each.file for each in group], self._told)
            except CloudError:
                self._answer([each.file for each in group], [None] * len(group))

    def _told(self, files: Sequence[SmallFile]) -> None:
        """On the committer's thread: all answers of a batch cross together."""
        nodes = [None if file.node is None else _encode(file.node) for file in files]
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits any more
            self._loop.call_soon_threadsafe(self._answer, files, nodes)

    def _answer(self, files: Sequence[SmallFile], nodes: Sequence[bytes | None]) -> None:
        epoch, now_s = self._services.epoch(), int(time.time())
        for file, node in zip(files, nodes, strict=True):
            asked = self._open.pop(file)
            self._border.leave()
            if node is None:
                asked.later(None)
                continue
            fields = (
                f"{EPOCH_HEADER}: {epoch}\r\nCache-Control: private, no-store\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(node)}\r\n"
            )
            asked.later(answer(fields, node, now_s, asked.secure, b"201 Created"))
