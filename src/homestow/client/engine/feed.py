"""What the server tells, taken into the remote tree. Pure."""

from collections.abc import Iterable

from homestow.client.engine.sightings import RESERVED_AT_TOP
from homestow.client.engine.trees import RemoteItem, Trees
from homestow.values.errors import BadName
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name


def remote_item(node: Node) -> RemoteItem:
    """A node that is not gone, as the remote tree keeps it."""
    return RemoteItem(
        0 if node.parent is None else node.parent, node.name, node.kind is Kind.FOLDER, node.size, node.digest,
        node.rev, node.change, node.mtime_ns,
    )  # fmt: skip


def take_nodes(trees: Trees, nodes: Iterable[Node]) -> int:
    """Take the latest states of nodes, in the feed's order; how many differed from what was known.

    A gone folder takes all with it. News older than what our own actions were answered with is passed over. Links and names
    that no file may have are passed over too: what was agreed stays (R16, R25).
    """
    news = 0
    for node in nodes:
        if node.id == trees.top:
            continue
        known = trees.there(node.id)
        if node.gone:
            if known is not None:
                drop_there(trees, node.id)
                news += 1
        elif (known is None or known.change <= node.change) and fits_here(trees.top, node):
            item = remote_item(node)
            if item != known:
                trees.set_there(node.id, item)
                news += 1
    return news


def drop_there(trees: Trees, item: int) -> None:
    """The server does not have the item any more, nor what was in it."""
    for below in list(trees.all_there(item)):
        trees.set_there(below, None)
    trees.set_there(item, None)


def fits_here(top: int, node: Node) -> bool:
    """Whether the node is something that is kept in step, by kind and name."""
    if node.kind is Kind.LINK or node.parent is None:
        return False
    try:
        return check_name(node.name) == node.name and not (node.parent == top and node.name in RESERVED_AT_TOP)
    except BadName:
        return False


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
