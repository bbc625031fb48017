"""Users as the isync calls know them: login, and what clients keep for themselves about a user."""

from dataclasses import dataclass, replace

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import ExtrasRows, Person
from homestow.server.rules.access import Principal
from homestow.server.service.isync_infos import SECOND, Infos
from homestow.server.service.roots import Roots
from homestow.server.service.sessions import Sessions
from homestow.values.errors import CloudError, LoginNeeded
from homestow.wire.isync import HelpInfo, UserInfo
from homestow.wire.isync_calls import SetHelp


@dataclass(frozen=True, slots=True)
class Entered:
    """A login: the cookie's token and what is told about the user."""

    token: str
    user: UserInfo

    def __repr__(self) -> str:
        return f"Entered({self.user!r})"


class People:
    """Use cases around users."""

    def __init__(
        self, accounts: AccountRows, rows: ExtrasRows, roots: Roots, sessions: Sessions, infos: Infos, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._rows = rows
        self._roots = roots
        self._sessions = sessions
        self._infos = infos
        self._clock = clock

    def log_in(self, user: str, password: str, device: str, address: str, old: str | None) -> Entered:
        """A new session; whoever has no root gets an own one. What is told is the login before this one.

        Raises:
            LoginFailed, TooManyTries, Busy: as `Sessions.log_in`.
            StorageFailed: the own root cannot be made.
        """
        entered = self._sessions.log_in(user, password, device, address, old)
        try:
            return Entered(entered.token, self._user(entered.principal))
        except CloudError:
            self._sessions.log_out(entered.token)
            raise

    def _user(self, who: Principal) -> UserInfo:
        account = self._accounts.account(who.account)
        if account is None:
            raise LoginNeeded("The account is gone.")
        self._roots.of(who)
        now_s = self._clock.now_ns() // SECOND
        before = self._rows.change_person(who.account, lambda person: replace(person, login_s=now_s))
        return self._infos.user(account, before)

    def help(self, who: Principal) -> HelpInfo:
        """What clients keep about the caller."""
        person = self._rows.person(who.account)
        account = self._accounts.account(who.account)
        info = HelpInfo() if account is None else self._infos.user(account, person)
        return HelpInfo(help_int=person.help_int, help_text=person.help_text, last_modify_time=info.last_modify_time)

    def set_help(self, who: Principal, asked: SetHelp) -> None:
        """Keep what the client gave; None leaves what is there."""
        now_s = self._clock.now_ns() // SECOND

        def keep(person: Person) -> Person:
            return replace(
                person,
                modified_s=now_s,
                help_int=person.help_int if asked.help_int is None else asked.help_int,
                help_text=person.help_text if asked.help_text is None else asked.help_text,
            )

        self._rows.change_person(who.account, keep)
