"""Files of Ditto as their users find and see them, and the folder that holds them."""

import hashlib
import uuid as uuids
from dataclasses import dataclass
from typing import Final

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.ditto import Announced, DittoRows, Stage
from homestow.server.rules.access import Principal
from homestow.server.service.core import Core
from homestow.server.service.md5s import Md5s
from homestow.server.service.roots import Roots
from homestow.values.errors import BadRequest, NotFound
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import numbered

HOME: Final = "Ditto"
"""Folder of the own root that holds what came."""

NOTHING: Final = "There is no such file."
_FOREIGN: Final = 8  # version of the uuids of files that did not come by Ditto


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as its user sees it. `md5`: 16 bytes; None: not known. Times in nanoseconds since 1970; None: not yet."""

    uuid: uuids.UUID
    name: str
    size: int
    type: str
    md5: bytes | None
    stage: Stage
    created_ns: int | None
    written_ns: int | None


class DittoShelf:
    """Finds and shows. All methods may be called from any thread."""

    def __init__(self, core: Core, roots: Roots, accounts: AccountRows, rows: DittoRows, md5s: Md5s) -> None:
        self._accounts = accounts
        self._core = core
        self._catalogue = core.catalogue
        self._roots = roots
        self._rows = rows
        self._md5s = md5s
        self._epoch = hashlib.sha256(core.catalogue.epoch().encode()).digest()[:6]

    def find(self, who: Principal, uuid: str) -> Announced:
        """One that this user announced. Raises `NotFound`."""
        try:
            raw = uuids.UUID(uuid).bytes if len(uuid) == 36 else None
        except ValueError:
            raw = None
        file = None if raw is None else self._rows.announced(raw, who.account)
        if file is None:
            raise NotFound(NOTHING)
        return file

    def again(self, file: Announced) -> Announced:
        """It as it is now. Raises `NotFound`: it was forgotten since."""
        found = self._rows.announced(file.uuid, file.account)
        if found is None:
            raise NotFound(NOTHING)
        return found

    def view(self, file: Announced) -> FileView:
        """What its user is told of it. Raises `NotFound`: it was written, and deleted since."""
        uuid = uuids.UUID(bytes=file.uuid)
        stage = self._rows.stage(file)
        if stage is not Stage.WRITTEN:
            return FileView(uuid, file.name, file.size, file.type, file.md5, stage, file.created_ns, None)
        row = self._catalogue.node(file.node)
        if row is None or row.gone or not self._core.access.stands_in(row.parent):
            raise NotFound(NOTHING)
        return FileView(
            uuid, file.name, row.size, file.type, self._md5s.of(row), stage, file.created_ns, file.written_ns
        )

    def of_node(self, row: NodeRow) -> FileView:
        """What is told of a file that came otherwise."""
        return FileView(
            self.uuid_of(row.id), row.name, row.size, "", self._md5s.of(row), Stage.WRITTEN, None, row.mtime_ns
        )

    def uuid_of(self, node: NodeId) -> uuids.UUID:
        """The uuid that names a file which did not come by Ditto: it tells the node, and the life of the store."""
        raw = bytearray(self._epoch + bytes(2) + int(node).to_bytes(8, "big"))
        raw[6] = _FOREIGN << 4
        raw[8] |= 0x80
        return uuids.UUID(bytes=bytes(raw))

    def foreign(self, uuid: str) -> NodeId | None:
        """The node of such a uuid; None for any other text."""
        try:
            raw = uuids.UUID(uuid).bytes if len(uuid) == 36 else bytes(16)
        except ValueError:
            return None
        number = int.from_bytes(raw[8:], "big") & ((1 << 62) - 1)
        return NodeId(number) if raw == self.uuid_of(NodeId(number)).bytes else None

    def folder(self, who: Principal, names: list[str]) -> tuple[RootId, NodeId]:
        """The folder for files with these folders before their names, made when missing."""
        root, top = self._own(who)
        at, path = top, [self._home_name(top), *names]
        while path:
            below = self._catalogue.child(at, path[0])
            if below is None:
                break
            if below.kind != Kind.FOLDER:
                raise BadRequest(f"{path[0]!r} is a {below.kind}; take another name.")
            at, path = below.id, path[1:]
        if not path:
            return root, at
        wanted = [(at if not number else -number, name) for number, name in enumerate(path)]
        return root, [made.result() for made in self._core.files.make_folders(who, root, wanted)][-1].id

    def _home_name(self, top: NodeId) -> str:
        """`Ditto`, or that with a number when a file has this name."""
        taken: list[str] = []
        while (
            there := self._catalogue.child(top, name := numbered(HOME, taken))
        ) is not None and there.kind != Kind.FOLDER:
            taken.append(name)
        return name

    def _own(self, who: Principal) -> tuple[RootId, NodeId]:
        account = self._accounts.account(who.account)
        top = None if account is None else self._catalogue.top(self._roots.own(account).id)
        if top is None:
            raise NotFound(NOTHING)
        return top.root, top.id
