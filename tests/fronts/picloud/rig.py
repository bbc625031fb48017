"""The real stack of `tests.fronts.api.rig`, with PiCloud's port beside HTTP, and a client that knows only the notes on its wire."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fronts.api.rig import Rig

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.border import Border
from homestow.server.fronts.http.routing import Router
from homestow.server.service.picloud import Picloud, make_picloud


class PicloudRig(Rig):
    """A server with both fronts."""

    picloud: Picloud

    def __init__(
        self, place: Path, *, inbox: str | None = None, current_user: bool = False, login_s: int = 900, **more: Any
    ) -> None:
        self._inbox, self._current_user, self._login_s = inbox, current_user, login_s
        super().__init__(place, **more)

    def _add_more(self, router: Router, border: Border) -> None:
        rows, sessions = SqlAccounts(self.database), SqlSessions(self.database)
        self.picloud = make_picloud(
            self.core, self.services, rows, sessions, inbox_root=self._inbox, current_user=self._current_user,
            login_s=self._login_s,
        )  # fmt: skip

    def close(self) -> None:
        self.picloud.close()
        super().close()


@contextmanager
def open_rig(place: Path, **more: Any) -> Iterator[PicloudRig]:
    """A rig that is closed at the end."""
    made = PicloudRig(place, **more)
    try:
        yield made
    finally:
        made.close()
