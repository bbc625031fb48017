"""What the server tells, taken into the remote tree. Pure."""

from collections.abc import Iterable

from homestow.client.engine.leaving import EVERYTHING, Scope, take_out
from homestow.client.engine.sightings import RESERVED_AT_TOP
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import Passed, RemoteItem, Trees
from homestow.values.errors import BadName
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name


def remote_item(node: Node) -> RemoteItem:
    """A node that is not gone, as the remote tree keeps it."""
    return RemoteItem(
        0 if node.parent is None else node.parent, node.name, node.kind is Kind.FOLDER, node.size, node.digest,
        node.rev, node.change, node.mtime_ns,
    )  # fmt: skip


def take_nodes(trees: Trees, nodes: Iterable[Node], scope: Scope = EVERYTHING) -> int:
    """Take the latest states of nodes, in the order they were told; how many differed from what was known.

    A gone folder takes all with it that is not told to be elsewhere: the feed tells each node once, with its last change, so
    what was moved out of the folder before that went may be told after it. All that the feed has to tell comes at once. News older than what our own actions were answered with is passed over. Links and names
    that no file may have are passed over too, and remembered with the reason: what was agreed stays (R16, R25). What is out
    of the job's `scope` is not kept; see `leaving`.
    """
    news = 0
    told: dict[int, None] = {}
    before: dict[int, tuple[int, str] | None] = {}
    latest: dict[int, Node] = {}
    for node in nodes:
        latest.pop(node.id, None)
        latest[node.id] = node
    latest.pop(trees.top, None)
    for node in sorted(latest.values(), key=lambda each: each.gone):
        known = trees.there(node.id)
        told[node.id] = None
        if node.gone:
            trees.set_passed(node.id, None)
            if known is not None:
                drop_there(trees, node.id)
                news += 1
        elif known is None or known.change <= node.change:
            passed = passed_over(trees.top, node)
            trees.set_passed(node.id, passed)
            if passed is None and (item := remote_item(node)) != known:
                before.setdefault(node.id, None if known is None else (known.parent, known.name))
                trees.keep_earlier(node.id)
                trees.set_there(node.id, item)
                news += 1
    if scope.narrow:
        take_out(trees, told, before, scope)
        news -= sum(was is None and trees.there(node) is None for node, was in before.items())
    return news


def drop_there(trees: Trees, item: int) -> None:
    """The server does not have the item any more, nor what was in it."""
    for gone in [*trees.all_there(item), item]:
        trees.keep_earlier(gone)
        trees.set_there(gone, None)


_REASONS = {
    "link": "A symbolic link on the server; links are not synced.",
    "bad-name": "No file may have this name; rename it on the server.",
    "reserved-name": "Homestow uses this name for itself; rename it on the server.",
}


def passed_over(top: int, node: Node) -> Passed | None:
    """Why the node is not kept in step, by kind or name; None: it is."""
    code = _unfit(top, node)
    return None if code is None else Passed(node.parent or 0, node.name, code)


def _unfit(top: int, node: Node) -> str | None:
    if node.kind is Kind.LINK:
        return "link"
    try:
        if node.parent is None or check_name(node.name) != node.name:
            return "bad-name"
    except BadName:
        return "bad-name"
    return "reserved-name" if node.parent == top and node.name in RESERVED_AT_TOP else None


def held_there(trees: Trees) -> list[Held]:
    """What of the server is passed over, with reasons, where people see it (R16, P9)."""
    held = (passed for passed in trees.passed.values() if passed.code in _REASONS)
    found = ((trees.path_there(passed.parent), passed) for passed in held)
    return sorted(
        Held((*path, passed.name), passed.code, _REASONS[passed.code]) for path, passed in found if path is not None
    )


def missing_there(trees: Trees, listed: set[int]) -> list[int]:
    """Known items that a complete listing does not have, without what is below another one of them.

    Absence is no proof: the caller asks for each by its id before it takes it as gone (R17, SC-169).
    """
    known = (item for item in (trees.synced.keys() | trees.remote.keys()) if trees.is_there(item))
    absent = {item for item in known if item not in listed}
    tops: list[int] = []
    for item in sorted(absent):
        theirs = trees.there(item)
        if theirs is None or theirs.parent not in absent:
            tops.append(item)
    return tops
