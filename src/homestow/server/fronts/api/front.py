"""The native API as routes: every call of `wire.calls` gets its handler, or the server does not start."""

from homestow.server.fronts.api import accounts, files, shares
from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.api.bodies import Bodies
from homestow.server.fronts.api.feed import Feed
from homestow.server.fronts.api.links import Links
from homestow.server.fronts.api.pictures import Pictures
from homestow.server.fronts.http.routing import Router
from homestow.wire.api import PREFIX
from homestow.wire.calls import CALLS


def add_routes(router: Router, bench: Bench) -> Feed:
    """Put all calls on a router; the feed that was made for it, to be closed with the server. On the running loop."""
    feed = Feed(bench)
    uses = {**accounts.USES, **files.USES, **shares.USES}
    special = {**Bodies(bench).handlers(), **Pictures(bench).handlers(), "changes": feed.changes}
    for call in CALLS:
        use = uses.get(call.name)
        handler = bench.guarded(call, special[call.name]) if use is None else bench.plain(call, use)
        router.add(call.method, PREFIX + call.path, handler)
    Links(bench).add_routes(router)
    return feed
