"""A typed client of the native API: one method per call of `wire.calls`, all of them through the one table.

Whatever answers is doubted until it shows that it is a Homestow server (R17, SC-171): the `Homestow-Epoch` header, the
content type, and JSON of the call's form; every size is capped (S92). What a server says went wrong becomes the
`CloudError` of its code with its facts.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec

from homestow.client.adapters.http_client import Body as Content
from homestow.client.adapters.http_client import HttpClient, Response
from homestow.client.adapters.throttle import Throttle
from homestow.values.errors import CloudError, CursorGone, NotHomestow, ServerError, TooLarge, Unreachable, by_code
from homestow.values.faults import faultpoint
from homestow.values.nodes import Node
from homestow.wire import api
from homestow.wire.api import EPOCH_HEADER, KEY_HEADER, PREFIX, Body, Wire
from homestow.wire.calls import BY_NAME, Call

MAX_JSON_ANSWER: Final = 64 * 1024 * 1024
"""Most bytes of a JSON answer: a page of 10,000 nodes with long names is below a third of it."""

_MAX_PROBLEM: Final = 64 * 1024
_MAX_MESSAGE: Final = 1000
_EPOCH = re.compile(r"[0-9a-f]{32}")
_JSON: Final = "application/json"
_TEMPORARY: Final = frozenset({500, 502, 503, 504, 408, 425, 429})
_REPEATABLE: Final = frozenset({"GET", "HEAD", "DELETE"})

T = TypeVar("T")
Value = int | str | None

_encode = msgspec.json.Encoder().encode
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


class ApiClient:
    """Calls of one server with one token; may be used from several threads at once.

    Args:
        url: see `http_address.parse_url`.
        token: from `login`; None for the calls that are open and for the owner-only local socket.
        timeout_s, throttle: see `HttpClient`.

    Attributes:
        epoch: the life of the store that the last answer came from.
        pinned: the life that all calls mean which need a token; in another one they fail with `CursorGone` and have no
            effect (R23). None: any.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout_s: float = 60.0, throttle: Throttle | None = None
    ) -> None:
        self._http = HttpClient(url, timeout_s, throttle=throttle)
        self.token = token
        self.epoch = ""
        self.pinned: str | None = None

    def close(self) -> None:
        """Close connections; calls under way end with `Unreachable`."""
        self._http.close()

    # --- any call ------------------------------------------------------------------------------------------------------

    def call(
        self,
        name: str,
        gives: type[T],
        message: Wire | None = None,
        /,
        *,
        content: Content | None = None,
        key: str | None = None,
        wait_s: float = 0.0,
        **params: Value,
    ) -> T:
        """Make the call `name` and read its JSON answer, which is a `gives`.

        Args:
            message, content: the body, as the call takes it.
            key: idempotency key of a mutating call; a random one when None.
            wait_s: how much longer than usual the answer may take.
            params: those of the call; None means left out.
        Raises:
            CloudError: what the server said, `Unreachable`, or `NotHomestow`.
        """
        call = BY_NAME[name]
        if call.gives is not gives:
            raise TypeError(f"{name} does not give {gives.__name__}")
        body = _encode(message) if message is not None else content
        with self._answer(call, params, body, key=key, wait_s=wait_s) as answer:
            self._check_type(answer, _JSON)
            data = answer.read(MAX_JSON_ANSWER)
        return decode(data, gives)

    def pin(self, name: str, gives: type[T]) -> T:
        """Make a call that takes nothing in whatever life of the store there is, and mean that life from now on."""
        with self._answer(BY_NAME[name], {}, None, any_life=True) as answer:
            self._check_type(answer, _JSON)
            found = decode(answer.read(MAX_JSON_ANSWER), gives)
            self.pinned = answer.header(EPOCH_HEADER.lower())
        return found

    def act(self, name: str, message: Wire | None = None, /, *, key: str | None = None, **params: Value) -> None:
        """Make a call that answers nothing."""
        body = _encode(message) if message is not None else None
        with self._answer(BY_NAME[name], params, body, key=key) as answer:
            answer.read(_MAX_PROBLEM)

    def stream(
        self, name: str, message: Wire | None = None, headers: Mapping[str, str] = {}, /, **params: Value
    ) -> Response:
        """Make a call that answers bytes; the caller reads and closes the answer, whose status is 200, 206 or 304."""
        call = BY_NAME[name]
        body = _encode(message) if message is not None else None
        answer = self._answer(call, params, body, headers=headers)
        if call.gives is Body.PACK:
            self._check_type(answer, Body.PACK.value)
        return answer

    def _answer(
        self,
        call: Call,
        params: Mapping[str, Value],
        body: Content | None,
        *,
        key: str | None = None,
        wait_s: float = 0.0,
        headers: Mapping[str, str] = {},
        any_life: bool = False,
    ) -> Response:
        sent = {"Accept": "*/*", **headers}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if self.pinned is not None and not call.open and not any_life:
            sent[EPOCH_HEADER] = self.pinned
        if call.mutates:
            sent[KEY_HEADER] = key or secrets.token_hex(16)
        if body is not None:
            sent["Content-Type"] = call.takes.value if isinstance(call.takes, Body) else _JSON
        repeatable = call.mutates or call.method in _REPEATABLE or call.name == "put_block"
        faultpoint(f"client.{call.name}.asking")
        answer = self._http.request(
            call.method, target_of(call, params), sent, body, repeatable=repeatable, wait_s=wait_s
        )
        try:
            self._check(answer, sent.get(EPOCH_HEADER))
        except BaseException:
            answer.close()
            raise
        faultpoint(f"client.{call.name}.answered")
        return answer

    # --- doubting answers ----------------------------------------------------------------------------------------------

    def _check(self, answer: Response, meant: str | None) -> None:
        """Raise what a failing answer says, and `NotHomestow` for what is no answer of a Homestow server."""
        status = answer.status
        epoch = answer.header(EPOCH_HEADER.lower())
        if _EPOCH.fullmatch(epoch) is None:
            raise self._foreign(answer)
        if 300 <= status < 400 and status != 304:
            raise self._foreign(answer)
        self.epoch = epoch
        if status >= 400:
            raise self._problem(answer)
        if meant is not None and epoch != meant:
            raise CursorGone("The server was restored from a backup while it was asked; everything is listed anew.")

    def _problem(self, answer: Response) -> CloudError:
        self._check_type(answer, _JSON)
        problem = decode(answer.read(_MAX_PROBLEM), api.Problem)
        return error_of(problem, answer.header("retry-after"))

    def _foreign(self, answer: Response) -> CloudError:
        """The error for an answer that does not show that it is Homestow's."""
        where = self._http.address.path or self._http.address.authority
        if 300 <= answer.status < 400:
            target = answer.header("location")[:200]
            return NotHomestow(
                f"{where} answers that the server is at {target!r}. Nothing was sent there; if it is right, use that address."
            )
        if answer.status == 413:
            return TooLarge(f"A proxy in front of {where} refuses so large a request; raise its limit for bodies.")
        if answer.status in _TEMPORARY:
            return Unreachable(f"What stands in front of the server at {where} answers {answer.status}.")
        return NotHomestow(
            f"{where} answers, but it is not a Homestow server (or a login page of the network stands before it)."
        )

    def _check_type(self, answer: Response, wanted: str) -> None:
        kind = answer.header("content-type").partition(";")[0].strip().lower()
        if kind != wanted:
            answer.close()
            raise NotHomestow(f"The server's answer is of the type {kind[:60]!r} instead of {wanted!r}.")


def decode(data: bytes, kind: type[T]) -> T:
    """Read a JSON answer strictly.

    Raises:
        NotHomestow: not of the form of `kind`.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return cast(T, decoder.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotHomestow(f"The server's answer is not of its form: {str(error)[:200]}") from error


def error_of(problem: api.Problem, retry_after: str = "") -> CloudError:
    """The error that a server told."""
    kind = by_code(problem.code)
    message = problem.message[:_MAX_MESSAGE]
    if kind is ServerError and problem.request_id and problem.request_id not in message:
        message = f"{message} (request {problem.request_id[:64]})"
    error = kind(message)
    error.facts = dict(problem.facts)
    if "retry_after_s" not in error.facts and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7:
        error.facts["retry_after_s"] = int(retry_after)
    return error


def target_of(call: Call, params: Mapping[str, Value]) -> str:
    """Path and query of a call, percent-encoded.

    Raises:
        TypeError: a parameter the call does not have, or one that is missing.
    """
    path = call.path
    query: list[tuple[str, str]] = []
    for param in call.params:
        value = params.get(param.name)
        if value is None:
            if param.required:
                raise TypeError(f"{call.name} needs {param.name}")
        elif param.where == "path":
            path = path.replace("{" + param.name + "}", quote(str(value), safe=""))
        else:
            query.append((param.name, str(value)))
    if unknown := params.keys() - {param.name for param in call.params}:
        raise TypeError(f"{call.name} has no {', '.join(sorted(unknown))}")
    return f"{PREFIX}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


class Client(ApiClient):
    """The calls by name, for the command line and other programs. Errors: those of each call in `wire.calls`."""

    def server(self) -> api.ServerInfo:
        """Who answers."""
        return self.call("server", api.ServerInfo)

    def login(self, user: str, password: str, device: str) -> api.LoggedIn:
        """Log in; the token is used from now on."""
        given = self.call("login", api.LoggedIn, api.Login(user=user, password=password, device=device))
        self.token = given.token
        return given

    def signup(self, user: str, password: str) -> api.LoggedIn:
        """Make an account; the token is used from now on."""
        given = self.call("signup", api.LoggedIn, api.Signup(user=user, password=password))
        self.token = given.token
        return given

    def logout(self) -> None:
        """End this device's token."""
        self.act("logout")
        self.token = None

    def me(self) -> api.Me:
        """The account of the token."""
        return self.call("me", api.Me)

    def change_password(self, old: str, new: str) -> None:
        """Change the own password."""
        self.act("change_password", api.NewPassword(old=old, new=new))

    def devices(self) -> list[api.Device]:
        """The account's devices."""
        return self.call("devices", api.Devices).devices

    def remove_device(self, device: int) -> None:
        """Log a device out."""
        self.act("remove_device", device=device)

    def roots(self) -> list[api.Root]:
        """The roots the account may see, its own first."""
        return self.call("roots", api.Roots).roots

    def root_members(self, root: int) -> list[api.Member]:
        """Who may see a root."""
        return self.call("root_members", api.Members, root=root).members

    def set_member(self, root: int, member: api.Member) -> list[api.Member]:
        """Give or take rights; all members afterwards."""
        return self.call("set_member", api.Members, member, root=root).members

    def resolve(self, root: int, path: str) -> Node:
        """The node at a path, names with '/' between."""
        return self.call("resolve", Node, root=root, path=path)

    def node(self, node: int) -> Node:
        """One node."""
        return self.call("node", Node, node=node)

    def children(self, node: int, after: str = "", limit: int = api.MAX_PAGE) -> api.NodePage:
        """A page of what a folder holds, by name."""
        return self.call("children", api.NodePage, node=node, after=after, limit=limit)

    def make_folder(self, parent: int, name: str) -> Node:
        """A new folder."""
        return self.call("make_folder", Node, api.NewFolder(name=name), node=parent)

    def move(self, node: int, parent: int, name: str, base: int | None = None) -> Node:
        """A new place in the same root."""
        return self.call("move", Node, api.Move(parent=parent, name=name, base=base), node=node)

    def copy(self, node: int, parent: int, name: str) -> Node:
        """A copy of a file or folder."""
        return self.call("copy", Node, api.Copy(parent=parent, name=name), node=node)

    def set_facts(self, node: int, mtime_ns: int, base: int | None = None) -> Node:
        """A new modification time."""
        return self.call("set_facts", Node, api.Facts(mtime_ns=mtime_ns, base=base), node=node)

    def delete(self, node: int, base: int | None = None) -> None:
        """Into the trash."""
        self.act("delete", node=node, base=base)

    def trash(self, root: int, after: int = 0, limit: int = 1000) -> api.Trash:
        """A page of what was deleted, newest first."""
        return self.call("trash", api.Trash, root=root, after=after, limit=limit)

    def empty_trash(self, root: int) -> int:
        """Remove everything in the trash for good; how many things that were."""
        return self.call("empty_trash", api.Emptied, root=root).removed

    def restore(self, node: int, parent: int | None = None, name: str | None = None) -> Node:
        """Bring back from the trash."""
        return self.call("restore", Node, api.Restore(parent=parent, name=name), node=node)

    def purge(self, node: int) -> None:
        """Remove one thing from the trash for good."""
        self.act("purge", node=node)

    def versions(self, node: int) -> list[api.Version]:
        """Contents a file had, newest first."""
        return self.call("versions", api.Versions, node=node).versions

    def restore_version(self, node: int, rev: int, base: int | None = None) -> Node:
        """Make an older content the present one."""
        return self.call("restore_version", Node, node=node, rev=rev, base=base)

    def content(self, node: int, rev: int | None = None, headers: Mapping[str, str] = {}) -> Response:
        """Bytes of a file as an answer to read and close."""
        return self.stream("content", None, headers, node=node, rev=rev)

    def media(self, node: int) -> api.Media:
        """What a file shows as a picture, film or sound."""
        return self.call("media", api.Media, node=node)

    def thumbnail(self, node: int, size: int = 100, headers: Mapping[str, str] = {}) -> Response:
        """A file's thumbnail of 100 or 800 pixels as an answer to read and close."""
        return self.stream("thumbnail", None, headers, node=node, size=size)

    def put_file(
        self, parent: int, name: str, content: Content, mtime_ns: int | None = None, base: int | None = None
    ) -> Node:
        """A new file in one request, or with `base` a new content for the file of that name."""
        return self.call("put_file", Node, content=content, node=parent, name=name, mtime_ns=mtime_ns, base=base)

    def put_content(self, node: int, base: int, content: Content, mtime_ns: int | None = None) -> Node:
        """New content for a file in one request."""
        return self.call("put_content", Node, content=content, node=node, base=base, mtime_ns=mtime_ns)

    def shares(self, root: int | None = None) -> list[api.Share]:
        """Links one made; with `root` all into that root, for its owners."""
        return self.call("shares", api.Shares, root=root).shares

    def add_share(self, share: api.NewShare) -> api.SharedLink:
        """Make a link; its path is told this once."""
        return self.call("add_share", api.SharedLink, share)

    def remove_share(self, share: int) -> None:
        """End a link."""
        self.act("remove_share", share=share)

    def order(self, name: str, args: Mapping[str, str | int | bool | None | list[str]]) -> api.Outcome:
        """An administration order; over the owner-only local socket (`unix:/path`) without a token."""
        return self.call("order", api.Outcome, api.Order(name=name, args=dict(args)), wait_s=3600)


def login(url: str, user: str, password: str, device: str, timeout_s: float = 60.0) -> api.LoggedIn:
    """Trade a password for a device token."""
    client = Client(url, timeout_s=timeout_s)
    try:
        return client.login(user, password, device)
    finally:
        client.close()
