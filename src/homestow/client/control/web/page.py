"""The local HTTP API as one thing: opened on a port, it answers; `open` gives the address of the page for a browser."""

import errno
import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from homestow.client.control.service import SyncService
from homestow.client.control.web.asking import Asking, Reply, as_json, trouble
from homestow.client.control.web.digest import Credentials, DigestLogin
from homestow.client.control.web.files import PageFiles
from homestow.client.control.web.guard import refusal
from homestow.client.control.web.limits import Limits
from homestow.client.control.web.ours import OurRoutes
from homestow.client.control.web.serving import BoundedServer
from homestow.client.control.web.sessions import Session, Sessions
from homestow.client.control.web.shipped import LEGACY_ORDERS, ShippedRoutes
from homestow.client.private_files import remove_own, write_whole
from homestow.values.errors import BadRequest, BadSettings, StorageFailed

log = logging.getLogger(__name__)

PROOF = "x-homestow-proof"
"""Header with a session's token; it is there, though maybe empty, in all requests of our page."""


class WebPage:
    """The browser page and the HTTP API of a running service, on 127.0.0.1. Thread-safe; opens and closes as often as one likes."""

    def __init__(
        self,
        service: SyncService,
        *,
        folders: Mapping[str, Path],
        ports_file: Path | None,
        monotonic: Callable[[], float],
        limits: Limits = Limits(),
    ) -> None:
        """Nothing is opened yet.

        Args:
            folders: files of the page: "" those of `/res/`, "texts" the catalogues.
            ports_file: where port, name and password are published while it is open, mode 600; None: nowhere.
        """
        self.credentials = Credentials.new()
        self._service = service
        self._limits = limits
        self._ports_file = ports_file
        self._sessions = Sessions(monotonic)
        self._digest = DigestLogin(self.credentials, monotonic)
        self._files = PageFiles(folders)
        self._ours = OurRoutes(service, limits)
        self._shipped = ShippedRoutes(service, limits)
        self._lock = threading.Lock()
        self._server: BoundedServer | None = None

    @property
    def port(self) -> int | None:
        """Where it listens; None: nowhere."""
        server = self._server
        return server.server_port if server else None

    def start(self, port: int) -> int:
        """Listen on a port of 127.0.0.1, 0: any free one; gives the port. Nothing happens when it is open.

        Raises:
            BadSettings: another program has the port.
        """
        with self._lock:
            if self._server is not None:
                return self._server.server_port
            try:
                server = BoundedServer(port, self._answer, self._limits)
            except OSError as error:
                raise _no_port(port, error) from error
            self._server = server
            self._shipped.start()
            threading.Thread(target=server.serve, name="local HTTP API", daemon=True).start()
            try:
                self._publish(server.server_port)
            except StorageFailed as error:
                log.warning("port and password of the local HTTP API are not told: %s", error.message)
            log.info("the local HTTP API listens on 127.0.0.1:%d", server.server_port)
            return server.server_port

    def open(self) -> str:
        """The address of the page, with a key that works once, for ten minutes.

        Raises:
            BadSettings: it does not listen; `start` comes first.
        """
        port = self.port
        if port is None:
            raise BadSettings("The local HTTP API is closed; give it a port first.")
        return f"http://127.0.0.1:{port}/res/index.html#key={self._sessions.invite()}"

    def stop(self) -> None:
        """Close it and end all connections; nothing when it is closed."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            if self._ports_file is not None:
                remove_own(self._ports_file, self._published(server.server_port))
            self._shipped.stop()
            self._ours.hang_up()
            server.end()

    def _publish(self, port: int) -> None:
        if self._ports_file is not None:
            write_whole(self._ports_file, self._published(port))

    def _published(self, port: int) -> bytes:
        return f"pydio:{port}:{self.credentials.user}:{self.credentials.password}".encode("ascii")

    # --- a request ----------------------------------------------------------------------------------------------------

    def _answer(self, asking: Asking) -> Reply:
        port = self.port
        if port is None:
            return trouble(HTTPStatus.SERVICE_UNAVAILABLE, "The service ends.")
        public = asking.path == "/" or asking.path.startswith("/res/")
        refused = refusal(asking, port, public)
        if refused is not None:
            return refused
        if asking.path == "/":
            return Reply(HTTPStatus.FOUND, headers=(("Location", "/res/index.html"),))
        if public:
            return self._files.answer(asking)
        if asking.path == "/feedbackinfo":
            return self._shipped.feedback()
        if asking.path == "/control/open" and asking.method == "POST":
            return self._open_session(asking, port)
        return self._let_in(asking, port) or self._route(asking)

    def _route(self, asking: Asking) -> Reply:
        return self._ours.answer(asking) or self._shipped.answer(asking)

    def _let_in(self, asking: Asking, port: int) -> Reply | None:
        """Who asks: a session of our page, or somebody with name and password; else a refusal."""
        if PROOF in asking.headers and "authorization" not in asking.headers:
            known = self._sessions.knows(_cookie(asking, port), asking.headers[PROOF])
            if known and asking.path.strip("/").partition("/")[0] not in LEGACY_ORDERS:
                return None
            return trouble(
                HTTPStatus.FORBIDDEN, "Open the page anew from the tray or with `homestow ui --page`.", "login-needed"
            )
        return self._challenge(asking)

    def _challenge(self, asking: Asking) -> Reply | None:
        verdict = self._digest.judge(asking.method, asking.target, asking.headers.get("authorization", ""))
        if verdict.right:
            return None
        challenge = ("WWW-Authenticate", self._digest.challenge(verdict.stale))
        return trouble(
            HTTPStatus.UNAUTHORIZED, "Name and password are in the file ports_config.", "login-needed", challenge
        )

    def _open_session(self, asking: Asking, port: int) -> Reply:
        """A session for the key that was handed over, or for name and password."""
        try:
            key = asking.object().get("key")
        except BadRequest as error:
            return trouble(HTTPStatus.BAD_REQUEST, error.message, error.code)
        session: Session | None
        if isinstance(key, str):
            session = self._sessions.open_with(key)
            if session is None:
                return trouble(
                    HTTPStatus.FORBIDDEN, "This key was used or is too old; open the page anew.", "login-needed"
                )
        else:
            refused = self._challenge(asking)
            if refused is not None:
                return refused
            session = self._sessions.open()
        cookie = f"{_cookie_name(port)}={session.cookie}; HttpOnly; SameSite=Strict; Path=/control"
        return as_json({"token": session.token}, HTTPStatus.OK, ("Set-Cookie", cookie))


def _cookie_name(port: int) -> str:
    return f"homestow-{port}"


def _cookie(asking: Asking, port: int) -> str:
    try:
        found = SimpleCookie(asking.headers.get("cookie", "")).get(_cookie_name(port))
    except CookieError:
        return ""
    return found.value if found else ""


def _no_port(port: int, error: OSError) -> BadSettings:
    if error.errno == errno.EADDRINUSE:
        what = "another program uses it; give another port, or 0 for any free one"
    else:
        what = error.strerror or "it was refused"
    return BadSettings(f"The local HTTP API cannot listen on port {port}: {what}.")
