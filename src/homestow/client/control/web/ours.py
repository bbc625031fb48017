"""Our own part of the local HTTP API: one order and one answer, the news, and the pictures of conflicts."""

import threading
from collections.abc import Callable, Generator, Iterator
from http import HTTPStatus

from homestow.client.control.service import SyncService
from homestow.client.control.web.asking import JSON, Asking, Reply, trouble
from homestow.client.control.web.limits import Limits
from homestow.client.control.web.mailbox import Mailbox, follow
from homestow.client.control.web.pictures import picture
from homestow.values.errors import CloudError
from homestow.wire.control import Refused, decode_order, encode_answer


class OurRoutes:
    """`/control` and what lies below it, for those who may."""

    def __init__(self, service: SyncService, limits: Limits) -> None:
        self._service = service
        self._limits = limits
        self._lock = threading.Lock()
        self._followers: set[Mailbox] = set()

    def answer(self, asking: Asking) -> Reply | None:
        """The answer; None when this is no route of ours."""
        match asking.method, asking.path:
            case "POST", "/control":
                return self._order(asking)
            case "GET", "/control/news":
                return self._news()
            case "GET", "/control/preview":
                return self._preview(asking)
            case _:
                return None

    def hang_up(self) -> None:
        """End all streams of news."""
        with self._lock:
            for mailbox in self._followers:
                mailbox.close()

    def _order(self, asking: Asking) -> Reply:
        order = decode_order(asking.body)
        if isinstance(order, Refused):
            return Reply(HTTPStatus.BAD_REQUEST, encode_answer(order), JSON)
        try:
            return Reply(body=encode_answer(self._service.do(order)))
        except CloudError as error:
            return Reply(body=encode_answer(Refused(code=error.code, message=error.message)))

    def _news(self) -> Reply:
        mailbox = Mailbox()
        with self._lock:
            if len(self._followers) >= self._limits.streams:
                return trouble(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are open; close one.", "busy")
            self._followers.add(mailbox)
        hush = self._service.listen(mailbox.put)
        pieces = follow(self._service, mailbox, self._limits)
        return Reply(kind="text/event-stream; charset=utf-8", stream=_Stream(self, mailbox, hush, pieces))

    def _preview(self, asking: Asking) -> Reply:
        query = asking.query
        try:
            return picture(
                self._service, self._limits, query.get("job", ""), query.get("conflict", ""), query.get("side", "")
            )
        except CloudError as error:
            return trouble(HTTPStatus.NOT_FOUND, error.message, error.code)

    def forget(self, mailbox: Mailbox) -> None:
        """A follower is gone."""
        with self._lock:
            self._followers.discard(mailbox)


class _Stream:
    """The news for one follower; its place is given back also when not one byte could be sent."""

    def __init__(
        self, routes: OurRoutes, mailbox: Mailbox, hush: Callable[[], None], pieces: Generator[bytes, None, None]
    ) -> None:
        self._routes, self._mailbox, self._hush, self._pieces = routes, mailbox, hush, pieces

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Let go of the place; may be called twice."""
        self._hush()
        self._pieces.close()
        self._routes.forget(self._mailbox)
