"""The real stack of `tests.fronts.api.rig`, with the isync calls beside the native ones, and a client that knows only the article."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.fronts.api.rig import PASSWORD, Rig

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.adapters.catalogue_sql.listing import SqlListingSource
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.adapters.listing_arrays import ArrayListing
from homestow.server.border import Border
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.isync.binding import Desk
from homestow.server.fronts.isync.express import SmallThumbs
from homestow.server.fronts.isync.front import add_routes
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.isync import Isync, IsyncRows, make_isync
from homestow.server.service.listing import ListingService
from homestow.wire.isync_calls import CALLS

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["code"])

    @property
    def data(self) -> Any:
        answer = self.json
        assert answer["code"] == 0, answer
        return answer.get("data")


class Phone:
    """A plain HTTP client with its own cookies; one connection for each request."""

    def __init__(self, rig: "IsyncRig") -> None:
        self._rig = rig
        self.cookie: str | None = None

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Told:
        """One request; cookies are kept as browsers keep them."""
        given = dict(headers or {})
        if self.cookie:
            given.setdefault("Cookie", f"session={self.cookie}")
        connection = http.client.HTTPConnection(self._rig.host, self._rig.port, timeout=20)
        try:
            connection.request(method, target, body, given)
            response = connection.getresponse()
            told = Told(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()
        if "set-cookie" in told.headers:
            self.cookie = told.headers["set-cookie"].partition("=")[2].partition(";")[0] or None
        return told

    def get(self, name: str, /, **params: object) -> Told:
        """A call by its query."""
        return self.ask("GET", f"/{name}.icc" + (f"?{urlencode(params)}" if params else ""))

    def post(self, name: str, /, **params: object) -> Told:
        """A call by its form."""
        return self.ask("POST", f"/{name}.icc", urlencode(params).encode(), {"Content-Type": FORM})

    def post_json(self, name: str, body: object, kind: str = JSON) -> Told:
        """A call by JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", f"/{name}.icc", data, {"Content-Type": kind})

    def call(self, name: str, /, **params: object) -> Told:
        """A call by its first method."""
        return self.get(name, **params) if CALLS[name].methods[0] == "GET" else self.post(name, **params)

    def log_in(self, user: str, password: str = PASSWORD) -> "Phone":
        """Log in, which must work."""
        assert self.post("login", userName=user, password=password).code == 0
        return self


class IsyncRig(Rig):
    """A server with both fronts."""

    most, idle_s = 100, 3600
    public_url: str | None = None
    isync: Isync
    media: SqlMedia
    listing: ListingService

    def _add_more(self, router: Router, border: Border) -> None:
        extras = SqlExtras(self.database)
        self.media = SqlMedia(self.database)
        source = SqlListingSource(self.database, kind_of)
        self.listing = ListingService(
            source, lambda: ArrayListing(None), self.core.access, self.core.committer.subscribe, used_before=False
        )
        rows = IsyncRows(
            SqlAccounts(self.database), extras, extras, SqlSessions(self.database), self.media, self.listing
        )
        self.isync = make_isync(self.core, self.services, rows, self.clock, most=self.most, idle_s=self.idle_s)
        desk = Desk(self.isync, border, self.public_url)
        add_routes(router, desk)
        self.lanes.append(SmallThumbs(desk))

    def close(self) -> None:
        self.listing.stop()
        self.isync.close()
        super().close()

    def phone(self, user: str | None = "anna") -> Phone:
        """A client of its own, logged in."""
        made = Phone(self)
        return made if user is None else made.log_in(user)


@contextmanager
def rig(place: Path, **more: Any) -> Iterator[IsyncRig]:
    """A rig that is closed at the end."""
    made = IsyncRig(place, **more)
    try:
        yield made
    finally:
        made.close()
