"""A whole server without fronts on a real disk: the outside world plus the core and everything that keeps it in order."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from blake3 import blake3
from tests.unit.outside_world import World

from homestow.server.adapters.catalogue_sql.copies import SqlCopies
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.rules.retention import Retention
from homestow.server.service.admin import OPERATOR
from homestow.server.service.core import make_core
from homestow.server.service.keeping import make_keeping
from homestow.values.ids import NodeId
from homestow.values.nodes import Node
from homestow.wire.api import Order, Outcome


class House(World):
    """A world whose store is used by people as well."""

    def __init__(self, data: Path, database: Database) -> None:
        super().__init__(data, database)
        self.core = make_core(
            self.catalogue, self.roots, self.roots, self.clock, "boot", lambda committer: self.outside, inline=True
        )
        self.committer = self.core.committer
        self.outside._committer = self.committer
        self.copies = SqlCopies(database)
        self.keeping = make_keeping(
            self.core, self.outside, self.accounts, self.account_rows, self.roots, self.copies, self.clock, Retention(),
            3600.0, True, None, data=data,
        )  # fmt: skip

    def put(self, path: str, data: bytes) -> Node:
        """A file written through the server, new or over what is there."""
        *folders, name = path.split("/")
        parent = self.top
        for folder in folders:
            there = self.catalogue.child(parent, folder)
            parent = there.id if there else self.core.files.make_folder(OPERATOR, parent, folder).id
        there = self.catalogue.child(parent, name)
        sink = self.core.whole.put_file(OPERATOR, parent, name, base=there.rev if there else None, size=len(data))
        sink.write(data)
        return sink.finish()

    @property
    def top(self) -> NodeId:
        row = self.catalogue.top(self.root)
        assert row is not None
        return row.id

    def delete(self, path: str) -> None:
        self.core.files.delete(OPERATOR, self.core.files.resolve(OPERATOR, self.root, path.split("/")).id)

    def order(self, order: str, /, **args: str | int | bool | None | list[str]) -> Outcome:
        return self.keeping.admin.run(Order(name=order, args=args))

    def data_of(self, order: str, /, **args: str | int | bool | None | list[str]) -> object:
        return msgspec.json.decode(self.order(order, **args).data)


def digest(data: bytes) -> bytes:
    return blake3(data).digest()


@contextmanager
def open_house(template: Path, place: Path) -> Iterator[House]:
    """A house on a copy of an empty database."""
    data = place / "data"
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "homestow.db").exists():
        shutil.copy(template, data / "homestow.db")
    database = Database.open(data / "homestow.db")
    house = House(data, database)
    try:
        yield house
    finally:
        house.core.close()
        house.roots.close()
        database.close()
