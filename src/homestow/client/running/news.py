"""What the server tells: which life of its store it is in, what changed, and what of it was our own doing."""

from collections.abc import Callable, Sequence

from homestow.client.engine.earlier import agree_as_brought, unread
from homestow.client.engine.feed import drop_there, missing_there, take_nodes
from homestow.client.engine.leaving import Scope, back_in_sight, review, unlisted
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import Replace
from homestow.client.engine.trees import Passed, Trees
from homestow.client.ports.localtree import LocalChanged, LocalTrouble
from homestow.client.ports.remote import RemoteRoot
from homestow.client.ports.state import Life
from homestow.client.running.part import Part
from homestow.client.running.progress import Doing
from homestow.client.running.reading import digest_of
from homestow.client.running.work import Work
from homestow.values.changes import Cursor, parse_cursor
from homestow.values.errors import BadName, BadRequest, CloudError, CursorGone, NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

_HALF_REVIEWED = "?"
"""What the state has as the digest of the patterns while the trees are made for others; none is like it."""

MOST_LISTED = 20
"""Of more folders than these that come into sight at once, everything is listed."""


class News:
    """Takes what the server tells into the remote tree, with the cursor, each time in one transaction.

    Args:
        work: see `Work`; its trees are replaced when another life of the store begins.
        life, cursor: as the state remembers them.
        new_life: called when another life begins; what was known by item ids means nothing any more.
        part: finds the job's top, when it is a folder of the root.
    """

    def __init__(
        self,
        work: Work,
        life: Life | None,
        cursor: str | None,
        new_life: Callable[[], None],
        part: Part | None = None,
    ) -> None:
        self._work, self._part = work, part
        self._life, self.cursor = life, cursor
        self._new_life = new_life
        self.root: RemoteRoot | None = None
        self._refused: set[int] = set()
        self._reviewed = False

    def woke(self, life: Life | None, cursor: str | None) -> bool:
        """The state was read again: whether it is what we know. It is another one when the old could not be read (R24)."""
        same = (life, cursor) == (self._life, self.cursor)
        self._life, self.cursor = life, cursor
        return same

    def refused(self, node: Node, error: CloudError) -> bool:
        """The remote left out a node with a name that no file may have: people shall hear of it (S04, R16).

        True when that was the reason. Called while its news are fetched, so that both are remembered together.
        """
        if not isinstance(error, BadName) or node.parent is None:
            return False
        if not (0 < node.id < 2**63 and 0 < node.parent < 2**63):
            return False
        self._refused.add(node.id)
        passed = None if node.gone else Passed(node.parent, node.name, BadName.code)
        self._work.trees.set_passed(node.id, passed)
        return True

    def meet(self) -> None:
        """Make sure that it is the root and the life of the store that our trees are about (R23), and seen as they are."""
        root = self.root = self._ask_root()
        life = Life(root.epoch, root.id, root.top)
        if life != self._life:
            self._begin_life(life)
        if not self._reviewed:
            self._review()

    def _ask_root(self) -> RemoteRoot:
        root = self._work.remote.root()
        return root if self._part is None else self._part.of(root)

    @property
    def _scope(self) -> Scope:
        return Scope(self._work.matcher, self.root is not None and self.root.part)

    def _review(self) -> None:
        """If the trees were made with other patterns, make them anew: nothing is deleted for it (SC-129, SC-130)."""
        work, matcher = self._work, self._work.matcher
        digest = matcher.filters.digest
        if work.state.filters() != digest:
            work.state.put_filters(_HALF_REVIEWED)
            review(work.trees, matcher)
            self._list_anew()
            work.state.put_filters(digest)
        self._reviewed = True

    def _begin_life(self, life: Life) -> None:
        """A first run, a restored server or another root: nothing is agreed, all is merged by union (R23, R24)."""
        work, old = self._work, self._work.trees
        trees = Trees(life.top)
        # What was known of the disk stays known, under new ids, so that nothing has to be read again.
        ids = {old.top: life.top}
        for item in old.all_here(old.top):
            mine = old.here(item)
            if mine is not None:
                ids[item] = trees.new_id()
                trees.set_here(ids[item], mine._replace(parent=ids[mine.parent]))
        work.trees = trees
        work.forget_failures()
        self._new_life()
        self._life, self.cursor = life, None
        self._reviewed = False
        work.state.begin_life(life, trees.drain())

    def take(self) -> int:
        """Take what is new on the server into the remote tree, with the cursor in one transaction; how much was new."""
        work, nodes = self._work, list[Node]()
        if self.cursor is None:
            return self._list_anew()
        try:
            feed = work.remote.changes(self.cursor, 0)
            nodes += self._told(feed.nodes)
            while feed.more:
                work.check_stop()
                feed = work.remote.changes(feed.cursor, 0)
                nodes += self._told(feed.nodes)
            news = self._bring(nodes)
        except CursorGone:
            self.cursor = None
            self.meet()
            return self._list_anew()
        if feed.cursor != self.cursor:
            self.cursor = feed.cursor
            work.state.save(work.trees.drain(), feed.cursor)
        return news

    def skip_own(self) -> None:
        """Move the cursor over changes that all were ours, so that they are not told to us again.

        Each number is one change. A number that we were not answered with may be somebody else's: there we stop.
        """
        own, self._work.own_changes = self._work.own_changes, set()
        try:
            cursor = parse_cursor(self.cursor or "")
        except BadRequest:
            return
        number = cursor.number
        while number + 1 in own:
            number += 1
        if number > cursor.number:
            self.cursor = str(Cursor(cursor.epoch, number))
            self._work.state.save(self._work.trees.drain(), self.cursor)

    def _told(self, nodes: Sequence[Node]) -> Sequence[Node]:
        if any(node.id == self._work.trees.top and node.gone for node in nodes):
            self._still_there()
            raise NotFound("The root was deleted on the server.")
        if self._scope.part and any(node.gone for node in nodes):
            self._still_there()
        return nodes

    def _still_there(self) -> None:
        """What is gone says something only while the folder that the job is about is there.

        Raises:
            CloudError: it is not ours to see any more, or of another life.
        """
        root = self._ask_root()
        if Life(root.epoch, root.id, root.top) != self._life:
            raise CursorGone("The server was restored meanwhile.")

    def _bring(self, nodes: Sequence[Node]) -> int:
        """Take nodes, and what folders hold that come into sight with them; how much was new."""
        folders = unlisted(self._work.trees, nodes, self._scope)
        listed: list[Node] = []
        if len(folders) > MOST_LISTED:
            listed = self._listing(None)[0]
        else:
            for folder in folders:
                try:
                    listed += self._listing(NodeId(folder))[0]
                except (NotFound, WrongKind):
                    pass  # it is no more, as the feed will tell
        return take_nodes(self._work.trees, [*nodes, *listed], self._scope)

    def _listing(self, under: NodeId | None) -> tuple[list[Node], str]:
        """Everything there, or in one folder, with the cursor from which the feed goes on."""
        work = self._work
        if under is None and self.root is not None and self.root.part:
            under = self.root.top
        part = work.remote.tree(under=under)
        listed, cursor = list(part.nodes), part.cursor
        while part.next is not None:
            work.check_stop()
            part = work.remote.tree(part.next, cursor, under)
            listed.extend(part.nodes)
        return listed, cursor

    def look_for_left_out(self) -> None:
        """Folders may have other names: take what was left out for the old ones, if there is any."""
        for node in back_in_sight(self._work.trees, self._work.matcher):
            if self.is_gone(node):
                self._work.trees.set_passed(node, None)

    def _list_anew(self) -> int:
        """Take the whole tree; what is not in it is asked for by id before it counts as gone (R17, SC-169)."""
        work = self._work
        self._work.progress.at(Doing.LISTING)
        self._refused.clear()
        listed, cursor = self._listing(None)
        news = take_nodes(work.trees, listed, self._scope)
        told: set[int] = {node.id for node in listed}
        for node in work.trees.passed.keys() - told - self._refused:
            work.trees.set_passed(node, None)
        for item in missing_there(work.trees, told):
            if self.is_gone(item):
                drop_there(work.trees, item)
                news += 1
        self.cursor = cursor
        work.state.save(work.trees.drain(), cursor)
        return news + self.take()

    def is_gone(self, item: int) -> bool:
        """Ask for one node: whether it is gone; else its state is taken.

        "Not found" is also what somebody hears who may not see the root any more: it counts only while the root is there.

        Raises:
            CloudError: the root is not ours to see any more, or is of another life.
        """
        try:
            node = self._work.remote.node(NodeId(item))
        except NotFound:
            self._still_there()
            return True
        if not node.gone:
            self._bring([node])
        elif self._scope.part:
            self._still_there()
        return node.gone

    def recognise_own(self) -> None:
        """Content that we offered without hearing the answer, and that the server now shows, is agreed (SC-093, SC-141)."""
        work, trees = self._work, self._work.trees
        done: list[int] = []
        for sent in work.state.sent():
            item = trees.now(sent.item)
            if item > 0:
                base, theirs = trees.synced.get(item), trees.there(item)
                if base is not None and theirs is not None and theirs.rev == base.rev == sent.base_rev:
                    continue
                done.append(sent.item)
                if base is None or theirs is None or theirs.digest != sent.digest or theirs.rev != sent.base_rev + 1:
                    continue
                # No state of the disk's file is agreed: it may be another one by now, so it is read. What the server's
                # time is other than the disk's, somebody gave it since.
                mine = trees.here(item)
                new = base._replace(size=theirs.size, digest=theirs.digest, rev=theirs.rev, change=theirs.change)
                new = new._replace(mtime_ns=theirs.mtime_ns if mine is None else mine.mtime_ns)
                trees.set_synced(item, new._replace(local_mtime_ns=0, ctime_ns=-1, inode=0))
                continue
            mine = trees.here(item)
            if mine is None:
                done.append(sent.item)
                continue
            for node in trees.kids_there(mine.parent):
                theirs = trees.there(node)
                if theirs is not None and theirs.name == mine.name and node not in trees.synced:
                    done.append(sent.item)
                    if theirs.digest == sent.digest and theirs.rev == 1 and not trees.is_here(node):
                        settle(trees, Replace(item, node))
                    break
        if done:
            work.state.drop_sent(done)

    def recognise_placed(self) -> None:
        """What we brought to disk without remembering it, and the server changed since, is agreed as it was brought.

        Call after a look at the disk.
        """
        work, trees = self._work, self._work.trees
        if not trees.earlier:
            return
        for item, mine in unread(trees):
            work.check_stop()
            try:
                digest = digest_of(work.tree, work.path(item), mine.stamp, work.check_stop, work.fingerprints)
            except (LocalChanged, LocalTrouble):
                continue  # whoever reads it next will say why
            trees.set_here(item, mine._replace(digest=digest))
        agree_as_brought(trees)
