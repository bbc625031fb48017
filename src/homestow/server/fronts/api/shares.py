"""Calls around links; opening them is in `links`."""

from homestow.server.fronts.api.asking import Ask
from homestow.server.fronts.api.binding import Use
from homestow.server.rules.access import Principal
from homestow.server.service.services import Services
from homestow.server.service.shares import ShareView
from homestow.values.errors import Forbidden
from homestow.values.ids import NodeId, RootId
from homestow.wire import api
from homestow.wire.api import Wire


class _Made(Wire, frozen=True):
    """What is remembered of a made link under an idempotency key: never its own key (S59)."""

    share: int


def _shares(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Shares:
    root = ask.maybe_number("root")
    return api.Shares(
        shares=[_share(view) for view in services.shares.list(who, None if root is None else RootId(root))]
    )


def _add_share(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.SharedLink:
    assert isinstance(message, api.NewShare)
    new, once = message, ask.once
    if who.operator:
        raise Forbidden("A link stands for somebody; log in as who shall share.")
    seed = None if once is None else once.key.encode() + b"\0" + once.request

    def add() -> tuple[ShareView, str]:
        return services.shares.add(
            who, NodeId(new.node), password=new.password, expires_ns=new.expires_ns, label=new.label, seed=seed
        )

    if seed is None:
        view, key = add()
    else:
        services.answers.once(who, RootId(0), once, _Made, lambda: _Made(add()[0].share.id))
        view, key = services.shares.again(who, seed)
    return api.SharedLink(share=_share(view), path=f"/s/{key}")


def _remove_share(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.shares.remove(who, ask.number("share"))


def _share(view: ShareView) -> api.Share:
    share = view.share
    return api.Share(
        id=share.id,
        node=share.node,
        root=share.root,
        name=view.name,
        kind=share.kind,
        user=view.owner,
        created_ns=share.created_ns,
        expires_ns=share.expires_ns,
        life_ns=share.life_ns,
        used_ns=share.used_ns,
        uses=share.uses,
        password=share.password is not None,
        label=share.label,
        opens=view.opens,
    )


USES: dict[str, Use] = {"shares": _shares, "add_share": _add_share, "remove_share": _remove_share}
