"""Calls around login, devices, roots and administration."""

from typing import Literal

from homestow import __version__
from homestow.server.fronts.api.asking import Ask
from homestow.server.fronts.api.binding import Use
from homestow.server.ports.accounts import Account
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.roots import RootView
from homestow.server.service.services import Services
from homestow.values.errors import Forbidden
from homestow.values.ids import DeviceId, RootId
from homestow.wire import api
from homestow.wire.api import Wire


def _server(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.ServerInfo:
    return api.ServerInfo(
        version=__version__,
        epoch=services.epoch(),
        now_ns=services.clock.now_ns(),
        signup_open=services.accounts.signup_open,
    )


def _login(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.LoggedIn:
    assert isinstance(message, api.Login)
    entered = services.accounts.log_in(message.user, message.password, message.device, ask.address)
    return api.LoggedIn(token=entered.token, user=entered.principal.name, device=entered.principal.device)


def _signup(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.LoggedIn:
    assert isinstance(message, api.Signup)
    entered = services.accounts.sign_up(message.user, message.password, "browser", ask.address)
    return api.LoggedIn(token=entered.token, user=entered.principal.name, device=entered.principal.device)


def _logout(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.accounts.log_out(_person(who))


def _me(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Me:
    _person(who)
    devices = services.accounts.devices(who)
    used, quota = services.roots.usage(who.account)
    name = next((device.name for device in devices if device.id == who.device), "")
    return api.Me(user=who.name, admin=who.admin, device=who.device, device_name=name, quota=quota, used=used)


def _change_password(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    assert isinstance(message, api.NewPassword)
    services.accounts.change_password(_person(who), message.old, message.new, ask.address)


def _devices(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Devices:
    return api.Devices(
        devices=[
            api.Device(
                id=device.id,
                name=device.name,
                created_ns=device.created_ns,
                seen_ns=device.seen_ns,
                current=device.id == who.device,
            )
            for device in services.accounts.devices(_person(who))
        ]
    )


def _remove_device(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.accounts.remove_device(_person(who), DeviceId(ask.number("device")))


def _roots(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Roots:
    return api.Roots(roots=[_root(view) for view in services.roots.of(_person(who))])


def _root(view: RootView) -> api.Root:
    return api.Root(
        id=view.id,
        name=view.name,
        top=view.top,
        rights=_word(view.rights),
        change=view.change,
        used=view.used,
        quota=view.quota,
    )


def _root_members(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Members:
    return _members(services.roots.members(who, RootId(ask.number("root"))))


def _set_member(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Members:
    assert isinstance(message, api.Member)
    root, user, rights = RootId(ask.number("root")), message.user, Rights[message.rights.upper()]

    def act() -> api.Members:
        return _members(services.roots.set_member(who, root, user, rights))

    return services.answers.once(who, root, ask.once, api.Members, act)


def _members(members: list[tuple[Account, Rights]]) -> api.Members:
    return api.Members(members=[api.Member(user=account.name, rights=_word(rights)) for account, rights in members])


def _word(rights: Rights) -> Literal["read", "write", "own"]:
    return "own" if rights is Rights.OWN else "write" if rights is Rights.WRITE else "read"


def _order(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Outcome:
    assert isinstance(message, api.Order)
    return services.admin.run(message)


def _person(who: Principal) -> Principal:
    if who.operator:
        raise Forbidden("The local socket is for administration; log in as a user for this.")
    return who


USES: dict[str, Use] = {
    "server": _server,
    "login": _login,
    "signup": _signup,
    "logout": _logout,
    "me": _me,
    "change_password": _change_password,
    "devices": _devices,
    "remove_device": _remove_device,
    "roots": _roots,
    "root_members": _root_members,
    "set_member": _set_member,
    "order": _order,
}
