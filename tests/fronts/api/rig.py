"""The real stack in one process: SQLite and a tree of files in a temporary folder, served over HTTP on this machine.

Only two things are not as in a server: the clock stands still until a test moves it, and passwords are hashed cheaply.
"""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from homestow.client.adapters.api_client import Client
from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.catalogue_sql.shares import SqlShares
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.adapters.thumbs_disk import DiskThumbs
from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.border import Border
from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.api.express import SmallContents
from homestow.server.fronts.api.express_put import SmallPuts
from homestow.server.fronts.api.front import add_routes
from homestow.server.fronts.http.connection import Limits
from homestow.server.fronts.http.express import Express, Later, Plain, first_of
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.serving import HttpServer
from homestow.server.ports.content import Content
from homestow.server.rules.access import Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.committer import Committer
from homestow.server.service.core import Core, make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.media_parts import MediaStores, make_media
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.services import Services
from homestow.server.service.shares import Shares
from homestow.values.errors import LoginNeeded
from homestow.values.ids import AccountId
from homestow.values.nodes import Node
from homestow.wire import api, packs
from homestow.wire.api import EPOCH_HEADER, PREFIX

SECOND = 1_000_000_000
START = 1_900_000_000 * SECOND
PASSWORD = "correct horse battery"
PEOPLE = {"anna": Rights.OWN, "ben": Rights.WRITE, "cora": Rights.READ, "dan": Rights.NONE, "ada": Rights.NONE}
"""Who there is, and their rights in the root `tree`; `ada` is the administrator."""


class Clock:
    """A clock we move."""

    def __init__(self) -> None:
        self.ns = START

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


class Orders:
    """Administration that only tells which order came: what orders do is tested with the command line."""

    def run(self, order: api.Order) -> api.Outcome:
        return api.Outcome(lines=[order.name], data=msgspec.Raw(b'{"done":true}'))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The public code of a failure."""
        return str(self.json()["code"])

    @property
    def node(self) -> Node:
        return msgspec.json.decode(self.body, type=Node)


class Rig:
    """The server, its people, and ways to talk to it."""

    def __init__(
        self, place: Path, *, signup_open: bool = False, quota: int = 0, entries: int = 0, limits: Limits | None = None
    ) -> None:
        self.place = place
        self.clock = Clock()
        self.folder = place / "tree"
        self.folder.mkdir(parents=True, exist_ok=True)
        (place / "data" / "files").mkdir(parents=True, exist_ok=True)
        self.boot, self._at = "first", 0
        self._signup_open, self._quota, self._entries, self._limits = signup_open, quota, entries, limits
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self.at_once = self.taken = self.told = self.given_back = 0
        self.takes = True
        self.lanes: list[Express] = []
        self._open()

    # --- a server's life ----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.database = Database.open(self.place / "data" / "catalogue.db", in_process=True)
        self.catalogue = catalogue = SqlCatalogue(self.database)
        rows = SqlAccounts(self.database)
        accounts = Accounts(rows, self.clock, Hashing(time=1, memory_kib=8, lanes=1), self._signup_open)
        files = self.place / "data" / "files"
        self.roots = Roots(
            SqlRoots(self.database), rows, catalogue, self._open_store, self.clock, files, default_quota=self._quota,
            entries=self._entries,
        )  # fmt: skip
        self.core: Core = make_core(catalogue, self.roots, self.roots, self.clock, self.boot, self._outside)
        tools = WorkerPool(2)
        stores = MediaStores(
            SqlMedia(self.database), SqlExtras(self.database), tools,
            DiskThumbs(self.place / "thumbs", catalogue.epoch(), 1 << 30), DiskSentThumbs(self.place / "thumbs-sent"),
        )  # fmt: skip
        self.pictures = make_media(self.core, self.roots, stores, self.clock)
        shares = Shares(
            SqlShares(self.database), rows, catalogue, self.core.access, self.clock,
            Hashing(time=1, memory_kib=8, lanes=1), b"s" * 32,
        )  # fmt: skip
        self.services = Services(
            accounts=accounts, roots=self.roots, files=self.core.files, whole=self.core.whole, uploads=self.core.uploads,
            downloads=self.core.downloads, trashcan=self.core.trashcan, changes=self.core.changes, admin=Orders(),
            clock=self.clock, answers=self.core.answers, media=self.pictures.media, thumbnails=self.pictures.thumbnails,
            shares=shares,
        )  # fmt: skip
        if not accounts.all():
            for name in PEOPLE:
                accounts.add(name, PASSWORD, admin=name == "ada")
            members = [(name, rights) for name, rights in PEOPLE.items() if rights is not Rights.NONE]
            self.roots.add("tree", str(self.folder), members)
        self.root = self.roots.named("tree").id
        top = catalogue.top(self.root)
        assert top is not None
        self.top = top.id
        self._serve()

    def _open_store(self, folder: str) -> Content:
        return TreeContent(Path(folder))

    def _outside(self, committer: Committer) -> Outside:
        return Outside(self.catalogue, self.roots, committer, self.clock)

    def _serve(self) -> None:
        started = threading.Event()
        failure: list[BaseException] = []

        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._main = asyncio.current_task()
            border = Border()
            router = Router()
            bench = Bench(self.services, border)
            feed = self._feed = add_routes(router, bench)
            self._add_more(router, border)
            lanes = first_of(SmallContents(bench), *self.lanes)

            def express(asked: Plain, secure: bool) -> bytes | None:
                answer = lanes(asked, secure)
                self.at_once += answer is not None
                return answer

            puts = SmallPuts(bench)

            def taker(asked: Plain, secure: bool, later: Later) -> bool:
                def counted(answer: bytes | None) -> None:
                    self.told += 1
                    self.given_back += answer is None
                    later(answer)

                took = self.takes and puts(asked, secure, counted)
                self.taken += took
                return took

            server = HttpServer(router, limits=self._limits or Limits(shutdown_s=1.0), express=express, taker=taker)
            try:
                address = await server.listen_tcp("127.0.0.1", self._at)
                self.url, self.host, self.port = address.url, address.host, address.port
                await server.listen_unix(self.place / "socket")
                started.set()
                await self._stop.wait()
            finally:
                feed.close()
                await server.close()
                await self._loop.run_in_executor(None, border.close)

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                failure.append(error)
                started.set()

        self._thread = threading.Thread(target=run, name="server")
        self._thread.start()
        assert started.wait(30)
        if failure:
            raise failure[0]

    def _add_more(self, router: Router, border: Border) -> None:
        """Where other fronts join the native one."""

    def close(self) -> None:
        """Stop serving and let go of everything."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.pictures.idle.stop()
        self.core.close()
        self.roots.close()
        self.database.close()

    def restart(self, boot: str = "first", port: int = 0) -> None:
        """Close the server and open another one on the same folder; another `boot`: the machine itself went down."""
        kept, self._clients = self._clients, []
        self.close()
        self._clients = kept
        self.boot, self._at = boot, port
        self._open()

    # --- people -------------------------------------------------------------------------------------------------------

    def token(self, user: str) -> str:
        """A token of this person, the same as long as it is good."""
        accounts = self.services.accounts
        with self._lock:
            try:
                accounts.check(self._tokens[user])
            except (KeyError, LoginNeeded):
                self._tokens[user] = accounts.log_in(user, PASSWORD, "test", "").token
            return self._tokens[user]

    def account(self, user: str) -> AccountId:
        """A person's account."""
        return self.services.accounts.named(user).id

    def client(self, user: str = "anna") -> Client:
        """The typed client, logged in."""
        client = Client(self.url, self.token(user), timeout_s=20)
        self._clients.append(client)
        return client

    # --- raw HTTP -----------------------------------------------------------------------------------------------------

    def ask(
        self, method: str, path: str, body: object = None, *, user: str | None = "anna", token: str | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    ) -> Answer:  # fmt: skip
        """One request on a connection of its own.

        Args:
            path: below `/api/v1`, with its query.
            body: bytes are sent as they are, messages and plain values as JSON.
            user: who asks; None: nobody.
        """
        given = dict(headers)
        token = token if token is not None else self.token(user) if user is not None else None
        if token is not None:
            given.setdefault("Authorization", f"Bearer {token}")
        data: bytes | None
        if body is None or isinstance(body, bytes):
            data = body
        else:
            data = msgspec.json.encode(body)
            given.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, PREFIX + path, data, given)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def wire(self, data: bytes, *, until_closed: bool = True) -> bytes:
        """Send bytes just so, half-close, and give everything that comes back."""
        with socket.create_connection((self.host, self.port), timeout=20) as sock:
            sock.sendall(data)
            if until_closed:
                sock.shutdown(socket.SHUT_WR)
            parts = []
            while part := sock.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def quiet(self) -> None:
        """Wait until the server has dealt with every connection that was hung up on; none may be kept open."""

        async def wait() -> None:
            while self.taken > self.told:
                await asyncio.sleep(0.001)
            mine = {asyncio.current_task(), self._main}
            under_way = [task for task in asyncio.all_tasks() if task not in mine]
            if under_way:
                _, left = await asyncio.wait(under_way, timeout=20)
                assert not left, left

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(30)

    def waiting(self) -> list[object]:
        """Readers of the feed that wait for changes."""
        return [event for events in list(self._feed._waiting.values()) for event in list(events)]

    # --- short forms --------------------------------------------------------------------------------------------------

    def put(
        self, name: str, content: bytes = b"1", parent: int | None = None, user: str = "anna", query: str = ""
    ) -> Node:
        """A new file."""
        from urllib.parse import quote

        answer = self.ask("PUT", f"/nodes/{parent or self.top}/files?name={quote(name)}{query}", content, user=user)
        assert answer.status == 201, answer
        return answer.node

    def edit(self, node: Node, content: bytes) -> Node:
        """New content for a file."""
        answer = self.ask("PUT", f"/nodes/{node.id}/content?base={node.rev}", content)
        assert answer.status == 200, answer
        return answer.node

    def folder_node(self, name: str, parent: int | None = None, user: str = "anna") -> Node:
        """A new folder."""
        answer = self.ask("POST", f"/nodes/{parent or self.top}/folders", {"name": name}, user=user)
        assert answer.status == 201, answer
        return answer.node

    def node(self, node: int) -> Node:
        """A node as it is now."""
        answer = self.ask("GET", f"/nodes/{node}")
        assert answer.status == 200, answer
        return answer.node

    def read(self, node: int) -> bytes:
        """Content, whole."""
        answer = self.ask("GET", f"/nodes/{node}/content")
        assert answer.status == 200, answer
        return answer.body

    def names(self, node: int | None = None) -> list[str]:
        """What a folder holds."""
        nodes: list[dict[str, Any]] = self.ask("GET", f"/nodes/{node or self.top}/children").json()["nodes"]
        return [each["name"] for each in nodes]

    def nothing_left_over(self) -> None:
        """No staging file, intent or wrong counter is left."""
        store = self.roots.get(self.root)
        assert list(store.staged_keys()) == []
        assert set(store.kept_keys()) == self.catalogue.kept_keys(self.root)
        assert self.catalogue.intents() == []
        usage = self.catalogue.usage([self.root])[self.root]
        with self.catalogue.write() as rows:
            assert rows.recount(self.root) == usage


def pack(*files: tuple[api.PackItem, bytes]) -> bytes:
    """An upward pack."""
    return b"".join(packs.part(item, content) for item, content in files)


def new(parent: int, name: str, content: bytes, **more: Any) -> tuple[api.PackItem, bytes]:
    """A new file in a pack."""
    return api.PackItem(size=len(content), mtime_ns=START, parent=parent, name=name, **more), content


def unpack(body: bytes) -> list[tuple[api.PackHeader, bytes]]:
    """What a downward pack holds; it must be whole."""
    reader = packs.PackReader(api.PackHeader)
    parts = list(reader.feed(body))
    reader.close()
    return parts


def digest_of(content: bytes) -> str:
    """BLAKE3 as text."""
    return str(blake3(content).hexdigest())


def is_ours(answer: Answer) -> None:
    """Every answer bears the epoch and is private; every failure is a problem that says nothing of our inside (S34)."""
    assert len(answer.headers[EPOCH_HEADER.lower()]) == 32
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status >= 400:
        problem = msgspec.json.decode(answer.body, type=api.Problem)
        assert answer.headers["content-type"].startswith("application/json")
        assert problem.message
        assert len(problem.request_id) == 12
        text = answer.body.decode()
        assert "Traceback" not in text
        assert "/tmp" not in text
        assert ".py" not in text


@contextmanager
def rig(place: Path, **more: Any) -> Iterator[Rig]:
    """A rig that is closed at the end."""
    made = Rig(place, **more)
    try:
        yield made
    finally:
        made.close()
