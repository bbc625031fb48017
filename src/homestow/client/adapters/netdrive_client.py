"""A netdrive server as its clients use it: connections that are made once and used again, the session in each request.

Two ways of speaking are tried when nothing else is said (`log_in`): the documented list, and when the server hangs up on it, the
final dialect that the first servers speak. Errors of the protocol become `CloudError`s by number and text.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from homestow.client.adapters.dialing import Dialer
from homestow.client.adapters.netdrive_address import NetdriveAddress, parse_netdrive
from homestow.client.adapters.netdrive_connection import MAX_OPEN_CALLS, Call, Connection, HungUp
from homestow.client.adapters.throttle import Throttle
from homestow.values.errors import (
    BadName,
    BadSettings,
    CloudError,
    DigestMismatch,
    Forbidden,
    LoginFailed,
    LoginNeeded,
    NameTaken,
    NotFound,
    NotHomestow,
    PathTaken,
    ServerError,
    StorageFull,
    Unreachable,
)
from homestow.wire.netdrive import OLD_MAX_HEAD, Answer, Dialect, Error, Say, request

CONNECTIONS: Final = 4
"""Connections that transfers use at once, and that are kept for the next ones."""

_IDLE_S: Final = 50.0
_MAX_MESSAGE: Final = 1000


class NotBound(NotFound):
    """The account is bound to no root (final dialect): `set_bind` first."""


class NetdriveServer:
    """Calls of one server with one session; may be used from several threads at once.

    Attributes:
        address: where it is.
        dialect: how it is spoken to; `log_in` finds out unless it was given.
        session: from `log_in`; carried by every other call.
        bind: the root that calls mean, by its number; None: the account's own, or the one it is bound to (final dialect).
            Only our own servers look at it, and it changes nothing for other clients of the account.
        long_heads: whether the server takes requests over 1,024 bytes in the final dialect; the first servers lose them.
    """

    def __init__(
        self,
        address: str | NetdriveAddress,
        *,
        dialect: Dialect | None = None,
        session: str | None = None,
        bind: int | None = None,
        timeout_s: float = 60.0,
        allow_plain: bool = False,
        throttle: Throttle | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            dialect: speak this and nothing else; None: the documented list until `log_in` finds another.
            timeout_s: longest wait for a connection, for the other side to take or give a byte, and for an answer to begin.
            allow_plain: send passwords also unprotected over a network (S75).
            throttle: says how fast bytes may go and come; None: as fast as they can.
        Raises:
            BadSettings: no address of a netdrive server.
        """
        self.address = parse_netdrive(address) if isinstance(address, str) else address
        self.dialect = dialect or Dialect.DOCUMENTED
        self.session, self.bind = session, bind
        self.timeout_s = timeout_s
        self.long_heads = dialect is not Dialect.FINAL
        self._fixed = dialect is not None
        self._allow_plain, self._throttle = allow_plain, throttle
        self._dialer = Dialer(
            self.address.host, self.address.port, self.address.authority, tls=self.address.tls, timeout_s=timeout_s
        )
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._closed = False

    # --- any call ------------------------------------------------------------------------------------------------------

    def pump(
        self, more: Callable[[], Call | None], *, ahead: int = MAX_OPEN_CALLS, dialect: Dialect | None = None
    ) -> Iterator[tuple[Call, Answer]]:
        """Make calls on one connection without waiting for each answer, and give the answers in order, errors too.

        A kept connection that turns out to be closed before any answer is replaced by a new one, once, when all calls may
        be repeated.
        Args:
            more, ahead: see `Connection.run`.
        Raises:
            Unreachable: it broke or came too slowly; some calls may have had their effect.
            NotHomestow: something answered that is no netdrive.
        """
        again: deque[Call] = deque()

        def source() -> Call | None:
            return again.popleft() if again else more()

        for attempt in (1, 2):
            connection = self._take(dialect or self.dialect, fresh=attempt == 2)
            before = connection.heard
            try:
                yield from connection.run(source, ahead)
            except HungUp:
                self._drop(connection)
                stale = attempt == 1 and connection.heard == before > 0 and not self._closed
                if not stale or not all(call.repeatable for call in connection.unanswered):
                    raise
                again.extend(connection.unanswered)
            except BaseException:
                self._drop(connection)
                raise
            else:
                self._keep(connection)
                return

    def run(self, calls: Iterable[Call], *, ahead: int = MAX_OPEN_CALLS) -> Iterator[tuple[Call, Answer]]:
        """As `pump`, for calls that are known beforehand."""
        source = iter(calls)
        return self.pump(lambda: next(source, None), ahead=ahead)

    def ask(self, call: Call, dialect: Dialect | None = None) -> Answer:
        """Make one call.

        Raises:
            CloudError: see `refused`, `pump`.
        """
        waiting = deque([call])
        answers = list(self.pump(lambda: waiting.popleft() if waiting else None, dialect=dialect))
        return accepted(answers[0][1])

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of a call with the session, and the root where one is chosen.

        Raises:
            LoginNeeded: nobody is logged in.
        """
        if self.session is None:
            raise LoginNeeded(f"Nobody is logged in to {self.address.authority}; log in first.")
        found = {"session": self.session, **fields}
        if self.bind is not None:
            found["bindid"] = self.bind
        return found

    def check(self, call: Call) -> Call:
        """A call of the final dialect, unless its header is more than the server takes.

        Raises:
            BadName: names are all that can be so long.
        """
        if (
            not self.long_heads
            and len(request(Dialect.FINAL, call.type, call.fields)) - len(call.type) - 1 > OLD_MAX_HEAD
        ):
            raise BadName("The names are too long for this server, which is of an older kind; shorten them.")
        return call

    # --- accounts ------------------------------------------------------------------------------------------------------

    def sign_up(self, user: str, password: str) -> None:
        """Make an account.

        Raises:
            NameTaken: somebody has the name. BadSettings: the password would go unprotected over a network.
        """
        self._guard_password()
        self._find_dialect(Call("signup", {"username": user, "password": password}, repeatable=False))

    def log_in(self, user: str, password: str) -> str:
        """Log in; the session, which is used from now on.

        Raises:
            LoginFailed: unknown user or wrong password. BadSettings: the password would go unprotected over a network.
        """
        self._guard_password()
        answer = self._find_dialect(Call("login", {"username": user, "password": password}))
        self.session = answer.text("session")
        return self.session

    def change_password(self, old: str, new: str) -> None:
        """Another password; all other sessions and devices of the account end, this one goes on.

        Raises:
            LoginFailed: `old` is wrong. BadSettings: only the documented list has this call, or see `log_in`.
        """
        self._guard_password()
        if self.dialect is Dialect.FINAL:
            raise BadSettings(f"{self.address.authority} is an older server, which cannot change passwords.")
        fields = {**self.fields({}), "password": old, "new_password": new}
        fields.pop("bindid", None)
        try:
            self.ask(Call("changepwd", fields, repeatable=False))
        except Forbidden as error:
            raise LoginFailed(error.message) from error

    def log_out(self) -> None:
        """End the session; the server closes the connection. Nothing when nobody is logged in."""
        if self.session is None:
            return
        call = Call("logout", {"session": self.session}, silent=self.dialect is Dialect.FINAL)
        try:
            self.ask(call)
        except HungUp:
            pass  # the session was gone: that is how some servers say so
        self.session = None

    # --- binds (final dialect) -----------------------------------------------------------------------------------------

    def bound(self) -> int:
        """The number of the root that the account is bound to; 0: none."""
        answer = self._ask_final(Call("getbindid", self.fields({})))
        if answer.error == Error.NO_SESSION:
            raise refused(answer)
        return max(0, answer.integer("bindid"))

    def roots(self) -> tuple[int, list[tuple[int, str, bool]]]:
        """The number that the account is bound to, 0 for none, and of each root number, name, and whether it may be changed.

        Only our own servers tell the roots; the list is empty elsewhere.
        """
        answer = self._ask_final(Call("getbindid", {**self.fields({}), "roots": True}))
        if answer.error == Error.NO_SESSION:
            raise refused(answer)
        rows = answer.fields.get("roots")
        try:
            told = [
                (int(row["bindid"]), str(row["name"]), bool(row["writable"]))
                for row in (rows if isinstance(rows, list) else ())
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise NotHomestow(f"{self.address.authority} sends a list of roots that cannot be read.") from error
        return max(0, answer.integer("bindid")), told

    def set_bind(self, number: int) -> None:
        """Bind the account to a root, for all its clients.

        Raises:
            Forbidden: the account has no root of this number.
        """
        accepted(self._ask_final(Call("setbind", {**self.fields({}), "bindid": number})))

    def unbind(self) -> None:
        """Bind the account to no root."""
        accepted(self._ask_final(Call("disbind", self.fields({}))))

    def _ask_final(self, call: Call) -> Answer:
        waiting = deque([call])
        found = list(self.pump(lambda: waiting.popleft() if waiting else None, dialect=Dialect.FINAL))
        return found[0][1]

    # --- connections ---------------------------------------------------------------------------------------------------

    def prepare(self, count: int = CONNECTIONS) -> None:
        """Connect beforehand, so that `count` connections are there when work comes.

        Raises:
            Unreachable, NotHomestow: it cannot be connected to.
        """
        with self._lock:
            missing = count - len(self._idle) - len(self._busy)
        for connection in [self._connect(self.dialect) for _ in range(missing)]:
            self._keep(connection)

    def close(self) -> None:
        """Close all connections; calls under way end with `Unreachable`."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                connection.interrupt()
        for connection in idle:
            connection.close()

    def __enter__(self) -> "NetdriveServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, dialect: Dialect, *, fresh: bool) -> Connection:
        now = time.monotonic()
        stale = []
        found = None
        with self._lock:
            if self._closed:
                raise Unreachable("The connection was closed.")
            kept = []
            while self._idle and found is None:
                connection = self._idle.pop()
                if connection.dialect is not dialect:
                    kept.append(connection)
                elif not fresh and now - connection.idle_since < _IDLE_S and connection.is_quiet():
                    found = connection
                    self._busy.add(found)
                else:
                    stale.append(connection)
            self._idle += reversed(kept)
        for connection in stale:
            connection.close()
        return found or self._connect(dialect)

    def _connect(self, dialect: Dialect) -> Connection:
        connection = Connection(
            self._dialer, self._dialer.connect(), dialect, self.timeout_s, tls=self.address.tls, throttle=self._throttle
        )
        with self._lock:
            self._busy.add(connection)
            closed = self._closed
        if closed:
            self._drop(connection)
            raise Unreachable("The connection was closed.")
        return connection

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
            if not self._closed and len(self._idle) < 2 * CONNECTIONS and connection.is_quiet():
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                return
        connection.close()

    def _drop(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()

    # --- how the server speaks -----------------------------------------------------------------------------------------

    def _guard_password(self) -> None:
        if not self.address.tls and not self.address.is_here and not self._allow_plain:
            raise BadSettings(
                f"{self.address.authority} is another machine, and your password would go there unprotected. Use "
                f"netdrives:// (TLS), or --allow-plain in a network that you trust."
            )

    def _find_dialect(self, call: Call) -> Answer:
        """Make a call that every dialect has; one of the first servers hangs up on the documented form of it."""
        if self._fixed:
            return self.ask(call)
        try:
            answer = self.ask(call, Dialect.DOCUMENTED)
        except HungUp:
            answer = self.ask(call, Dialect.FINAL)
            self.dialect, self.long_heads = Dialect.FINAL, False
        else:
            self.dialect = Dialect.DOCUMENTED
        return answer


def accepted(answer: Answer) -> Answer:
    """The answer itself, unless it is a refusal.

    Raises:
        CloudError: see `refused`.
    """
    if answer.error in (Error.OK, Error.NEED_UPLOAD):
        return answer
    raise refused(answer)


def refused(answer: Answer) -> CloudError:
    """What a server said went wrong, as one of our errors: by its number, and where that says little by its text."""
    said = answer.message[:_MAX_MESSAGE] or f"The server refused {answer.type} and did not say why."
    said = _PLAINER.get(said, said)
    if answer.error == Error.NO_SESSION:
        return LoginNeeded(said)
    if answer.error == Error.NO_BIND:
        return NotBound(said)
    kind = _BY_TEXT.get(answer.message)
    if kind is None:
        kind = LoginFailed if answer.type == "login" else Forbidden
    return kind(said)


_PLAINER: Final[Mapping[str, str]] = {
    Say.WRONG_PASSWORD: "Unknown user or wrong password.",
    Say.NO_SUCH_USER: "Unknown user or wrong password.",
    Say.NO_SESSION: "This login has ended.",
    Say.NO_SPACE: "The server's disk has no room for it.",
    "what came does not have the announced md5, send the file again": (
        "Other bytes arrived than announced: the file changed while it was sent, or the network spoiled it. Send it again."
    ),
}
"""What people read in place of words that the protocol fixes."""

_BY_TEXT: Final[Mapping[str, type[CloudError]]] = {
    Say.NAME_REGISTERED: NameTaken,
    Say.NO_SPACE: StorageFull,
    Say.NO_PARENT: NotFound,
    Say.FILE_GONE: NotFound,
    Say.NO_USER: LoginNeeded,
    # What our own servers say beside the texts of the first ones.
    "there is no such file, folder or upload": NotFound,
    "something else is in this place": PathTaken,
    "what came does not have the announced md5, send the file again": DigestMismatch,
    "the server cannot do this now, try again later": ServerError,
}
