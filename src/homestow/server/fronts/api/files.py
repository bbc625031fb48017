"""Calls around nodes: looking, changing places, trash, versions, the journal, uploads in blocks."""

from typing import Literal, cast

from homestow.server.fronts.api.asking import Ask
from homestow.server.fronts.api.binding import Use
from homestow.server.rules.access import Principal
from homestow.server.service.publish import Outcome
from homestow.server.service.services import Services
from homestow.server.service.uploads import Begin, UploadState
from homestow.values.changes import parse_cursor
from homestow.values.digests import Digest, parse_digest
from homestow.values.errors import UploadGone
from homestow.values.ids import NodeId, RootId, UploadId
from homestow.values.nodes import Node
from homestow.values.paths import split_path
from homestow.wire import api
from homestow.wire.api import Wire

_HEX = frozenset("0123456789abcdef")


def node_of(ask: Ask) -> NodeId:
    """The path's node."""
    return NodeId(ask.number("node"))


def root_of(ask: Ask) -> RootId:
    """The path's root."""
    return RootId(ask.number("root"))


def upload_of(ask: Ask) -> UploadId:
    """The path's upload. Raises `UploadGone` for what can be no upload."""
    text = ask.text("upload")
    if len(text) != 32 or not _HEX.issuperset(text):
        raise UploadGone("There is no such upload (any more); begin a new one.")
    return UploadId(text)


def digest_in(text: str | None) -> Digest | None:
    """A digest that may be left out. Raises `BadRequest`."""
    return None if text is None else parse_digest(text)


def problem_of(code: str, message: str, facts: dict[str, str | int | bool | None]) -> api.Problem:
    """A failure inside of an answer that went well as a whole."""
    return api.Problem(code=code, message=message, facts=facts)


def results_of(outcomes: list[Outcome]) -> api.PackResults:
    """What became of each part of a pack, on the wire."""
    return api.PackResults(
        results=[
            api.PackResult(node=outcome.node)
            if outcome.node is not None
            else api.PackResult(problem=problem_of(outcome.code, outcome.message, outcome.facts))
            for outcome in outcomes
        ]
    )


def upload_state(state: UploadState) -> api.Upload:
    """An upload's state on the wire."""
    return api.Upload(
        id=state.id,
        node=state.node,
        state=cast(Literal["created", "uploading", "uploaded", "written"], state.state),
        size=state.size,
        block_size=state.block_size,
        have=state.have,
        expires_ns=state.expires_ns,
        done=state.done,
    )


def _journal(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Journal:
    cursor = parse_cursor(ask.text("cursor"))
    entries, following = services.changes.journal(who, root_of(ask), cursor, ask.number("limit"))
    names = services.accounts.names()
    return api.Journal(
        entries=[
            api.Entry(
                number=entry.number,
                root=entry.root,
                node=entry.node,
                kind=entry.kind.value,
                at_ns=entry.at_ns,
                user=names.get(entry.account),
                device=entry.device,
            )
            for entry in entries
        ],
        cursor=str(following),
    )


def _tree(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.TreePage:
    given = ask.maybe_text("cursor")
    cursor = services.changes.cursor() if given is None else parse_cursor(given)
    services.changes.check(cursor)
    under = ask.maybe_number("under")
    nodes, following = services.files.tree(
        who,
        root_of(ask),
        NodeId(ask.number("after")),
        None if under is None else NodeId(under),
        ask.number("limit"),
    )
    return api.TreePage(nodes=nodes, next=following, cursor=str(cursor))


def _resolve(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    return services.files.resolve(who, root_of(ask), split_path(ask.text("path")))


def _node(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    return services.files.node(who, node_of(ask))


def _children(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.NodePage:
    nodes, following = services.files.children(who, node_of(ask), ask.text("after"), ask.number("limit"))
    return api.NodePage(nodes=nodes, next=following)


def _make_folder(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.NewFolder)
    return services.files.make_folder(who, node_of(ask), message.name, ask.once)


def _make_folders(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.PackResults:
    assert isinstance(message, api.PackFolders)
    return results_of(services.files.make_folders(who, root_of(ask), message.folders, ask.once))


def _move(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.Move)
    return services.files.move(
        who,
        node_of(ask),
        NodeId(message.parent),
        message.name,
        base=message.base,
        place_only=message.place_only,
        once=ask.once,
    )


def _copy(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.Copy)
    return services.files.copy(who, node_of(ask), NodeId(message.parent), message.name, ask.once)


def _set_facts(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.Facts)
    return services.files.set_facts(who, node_of(ask), message.mtime_ns, message.base, ask.once)


def _delete(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.files.delete(who, node_of(ask), ask.maybe_number("base"), ask.once)


def _trash(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Trash:
    items, following = services.trashcan.trash(who, root_of(ask), ask.number("after"), ask.number("limit"))
    names = services.accounts.names()
    return api.Trash(
        items=[
            api.Trashed(node=item.node, path="/".join(item.path), deleted_ns=item.deleted_ns, by=names.get(item.by))
            for item in items
        ],
        next=following,
    )


def _empty_trash(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Emptied:
    return api.Emptied(removed=services.trashcan.empty_trash(who, root_of(ask), ask.once))


def _restore(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.Restore)
    parent = None if message.parent is None else NodeId(message.parent)
    return services.trashcan.restore(who, node_of(ask), parent, message.name, ask.once)


def _purge(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.trashcan.purge(who, node_of(ask), ask.once)


def _versions(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Versions:
    node, older = services.trashcan.versions(who, node_of(ask))
    present = api.Version(
        rev=node.rev, size=node.size, mtime_ns=node.mtime_ns, digest=node.digest, saved_ns=0, current=True
    )
    return api.Versions(
        versions=[
            present,
            *(
                api.Version(
                    rev=version.rev,
                    size=version.size,
                    mtime_ns=version.mtime_ns,
                    digest=None if version.digest is None else version.digest.hex(),
                    saved_ns=version.saved_ns,
                    current=False,
                )
                for version in older
            ),
        ]
    )


def _restore_version(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    return services.trashcan.restore_version(who, node_of(ask), ask.number("rev"), ask.maybe_number("base"), ask.once)


def _block_digests(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Blocks:
    size = ask.number("block_size")
    content, digests = services.downloads.block_digests(who, node_of(ask), ask.maybe_number("rev"), size)
    return api.Blocks(rev=content.rev, size=content.size, block_size=size, digests=list(digests))


def _begin_upload(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Upload:
    assert isinstance(message, api.NewUpload)
    begin = Begin(
        size=message.size,
        parent=None if message.parent is None else NodeId(message.parent),
        name=message.name,
        node=None if message.node is None else NodeId(message.node),
        base=message.base,
        digest=digest_in(message.digest),
        mtime_ns=message.mtime_ns,
        block_size=message.block_size,
    )
    return upload_state(services.uploads.begin_upload(who, begin, ask.once))


def _upload(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Upload:
    return upload_state(services.uploads.upload(who, upload_of(ask)))


def _upload_have(services: Services, who: Principal, ask: Ask, message: Wire | None) -> api.Upload:
    assert isinstance(message, api.Have)
    digests = [parse_digest(text) for text in message.digests]
    return upload_state(services.uploads.upload_have(who, upload_of(ask), digests))


def _finish_upload(services: Services, who: Principal, ask: Ask, message: Wire | None) -> Node:
    assert isinstance(message, api.Finish)
    return services.uploads.finish_upload(who, upload_of(ask), digest_in(message.digest), ask.once)


def _cancel_upload(services: Services, who: Principal, ask: Ask, message: Wire | None) -> None:
    services.uploads.cancel_upload(who, upload_of(ask))


USES: dict[str, Use] = {
    "journal": _journal,
    "tree": _tree,
    "resolve": _resolve,
    "node": _node,
    "children": _children,
    "make_folder": _make_folder,
    "make_folders": _make_folders,
    "move": _move,
    "copy": _copy,
    "set_facts": _set_facts,
    "delete": _delete,
    "trash": _trash,
    "empty_trash": _empty_trash,
    "restore": _restore,
    "purge": _purge,
    "versions": _versions,
    "restore_version": _restore_version,
    "block_digests": _block_digests,
    "begin_upload": _begin_upload,
    "upload": _upload,
    "upload_have": _upload_have,
    "finish_upload": _finish_upload,
    "cancel_upload": _cancel_upload,
}
