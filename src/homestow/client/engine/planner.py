"""Choosing what to do: `plan` compares the three trees and gives the next settlements or the next actions.

Only items in which a side differs from the base are looked at. First come settlements, which change nothing but what is
remembered; when there is none left, the actions that bring both sides together, in an order in which each can be taken.
The caller repeats until nothing is left; every step brings the trees nearer to each other, so that ends (P4).
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from homestow.client.engine.braking import asks
from homestow.client.engine.clashes import Clashes
from homestow.client.engine.compare import (
    Place,
    View,
    changed_here,
    changed_there,
    moved_here,
    moved_there,
    way_of_time,
)
from homestow.client.engine.names import Names, fold
from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.schedule import Schedule, here_side, there_side
from homestow.client.engine.steps import (
    Action,
    Adopt,
    DownloadContent,
    Forget,
    Held,
    LearnDigest,
    LeaveOut,
    Plan,
    ReadDigest,
    Rebirth,
    Remember,
    Replace,
    SetMtimeLocal,
    SetMtimeRemote,
    Settlement,
    Split,
    TakeTheirs,
    UploadContent,
)
from homestow.client.engine.trees import Trees
from homestow.client.engine.unseen import Unseen


def plan(
    trees: Trees,
    rules: Rules,
    leave: Collection[int] = (),
    held: Collection[int] = (),
    left_in: Mapping[int, Collection[str]] | None = None,
) -> Plan:
    """The next settlements, or else the next actions; empty when nothing is left that may be done now.

    Args:
        trees: as known now; not changed.
        rules: what the job wants.
        leave: items that wait (R19, R21): nothing is done to them, others go on.
        held: items whose place on disk shows something that is not synced (R16, R25): nothing is done to them nor, on
            disk, to what is below.
        left_in: folders in which the disk has something that the patterns leave out, with the names that may clash.
    """
    return _Planner(trees, rules, leave, held, left_in or {}).plan()


_READ_ONLY = ("read-only", "You may only read this root on the server; what is new here stays on this computer.")
_ONE_WAY = ("only-here", "This job only brings files down; what is new here stays on this computer.")


class _Planner:
    """One planning; see `plan`."""

    def __init__(
        self,
        trees: Trees,
        rules: Rules,
        leave: Collection[int],
        held: Collection[int],
        left_in: Mapping[int, Collection[str]],
    ) -> None:
        self.trees, self.rules = trees, rules
        self.unseen = Unseen(trees, rules.filters.matcher(), left_in, self._final) if rules.filters else None
        self.both = rules.up and rules.down
        self.leave = set(leave) | self._with_all_below(held)
        self.views = [
            View(item, trees.synced.get(item), trees.here(item), trees.there(item)) for item in trees.differing()
        ]
        self.orphan_parents: dict[int, bool] = {trees.top: False}
        self.orphans = {view.item for view in self.views if view.there is not None and self._orphan(view.there.parent)}
        self.dropped_there = {view.item: view for view in self.views if view.base and view.here and not view.there}
        self.dropped_here = {view.item: view for view in self.views if view.base and view.there and not view.here}
        self.reads: dict[Action, None] = {}
        self.undecided: set[int] = set()
        self.kept: set[int] = set()
        self.finals: dict[int, Place] = {}
        self.settlements: list[Settlement] = []
        self.held: list[Held] = []

    def plan(self) -> Plan:
        """See the module's `plan`."""
        self._place()
        self._undo_circles()
        if self.unseen is not None and (left := self.unseen.would_be([view.item for view in self.views])):
            return Plan(settlements=tuple(LeaveOut(item) for item in left))
        self._keep()
        for view in self.views:
            if view.item not in self.leave and view.item not in self.orphans:
                self._settle(view)
        self._adopt()
        if self.settlements:
            return Plan(settlements=tuple(self.settlements))
        clashes = Clashes(self.trees, self.rules, self.finals, self.leave, self.undecided)
        renames, losers = clashes.solve(self._staying())
        deleted_here = [view for view in self.dropped_there.values() if view.item not in self.kept]
        deleted_there = [view for view in self.dropped_here.values() if view.item not in self.kept]
        if (brake := asks(self.trees, self.rules, deleted_here, deleted_there)) is not None:
            return Plan(held=tuple(self.held), brake=brake)
        if self.unseen is not None:
            going = (self.dropped_here.keys() | self.dropped_there.keys()) - self.kept
            self.held.extend(self.unseen.find_bare([view.item for view in self.views if view.item not in going]))
        self._tell_what_stays()
        return Plan(actions=(*self.reads, *renames, *self._actions(losers)), held=tuple(self.held))

    # --- what there is ------------------------------------------------------------------------------------------------

    def _with_all_below(self, held: Collection[int]) -> set[int]:
        below = set(held)
        for item in held:
            below.update(self.trees.all_here(item))
            below.update(self.trees.all_there(item))
        return below

    def _orphan(self, parent: int) -> bool:
        """Whether the server has not told all folders above; such nodes wait for their folder."""
        known = self.orphan_parents
        trail: list[int] = []
        while parent not in known:
            trail.append(parent)
            known[parent] = True
            theirs = self.trees.there(parent)
            if theirs is None or not theirs.folder:
                break
            parent = theirs.parent
        orphan = known[parent]
        for folder in trail:
            known[folder] = orphan
        return orphan

    # --- where everything shall be ------------------------------------------------------------------------------------

    def _place(self) -> None:
        """The place each differing item shall have in the end, supposed that it stays."""
        for item, base, here, there in self.views:
            if here is None or there is None:
                alive = here or there
                if alive is not None:
                    self.finals[item] = (alive.parent, alive.name)
            elif base is None or not self.rules.up or (self.both and moved_there(item, there, base)):
                self.finals[item] = (there.parent, there.name)
            elif not self.rules.down or moved_here(item, here, base):
                self.finals[item] = (here.parent, here.name)
            else:
                self.finals[item] = (base.parent, base.name)

    def _final(self, item: int) -> Place | None:
        if item in self.finals:
            return self.finals[item]
        base = self.trees.synced.get(item)
        return None if base is None else (base.parent, base.name)

    def _undo_circles(self) -> None:
        """Moves of both sides that together would put a folder into itself: the server's stands, ours goes back (R13)."""
        ours = {
            view.item
            for view in self.views
            if view.here and view.there and view.here.folder and self.finals[view.item][0] != view.there.parent
        }
        for start in sorted(ours):
            trail: dict[int, None] = {}
            item = start
            while item != self.trees.top and item not in trail:
                trail[item] = None
                final = self._final(item)
                if final is None:
                    break
                item = final[0]
            if item in trail and start in ours:
                circle = list(trail)[list(trail).index(item) :]
                back = min((member for member in circle if member in ours), default=None)
                theirs = None if back is None else self.trees.there(back)
                if back is not None and theirs is not None:
                    self.finals[back] = (theirs.parent, theirs.name)
                    ours.discard(back)

    def _keep(self) -> None:
        """Which items, dropped on one side, stay because of what the other side did to them or in them (R6, R8, R10)."""
        signs = [view for view in self.dropped_there.values() if self._sign_here(view)]
        for view in signs:
            self._keep_all(view, self.trees.all_here, self.dropped_there)
        signs = [view for view in self.dropped_here.values() if self._sign_there(view)]
        for view in signs:
            self._keep_all(view, self.trees.all_there, self.dropped_here)
        if self.unseen is not None:
            self.kept.update(self.unseen.keeps(self.dropped_here, self.dropped_there))
        dropped = self.dropped_here.keys() | self.dropped_there.keys()
        waiting = [item for item in self.finals if item not in dropped or item in self.kept]
        for item in waiting:
            folder = self.finals[item][0]
            while folder in dropped and folder not in self.kept:
                self.kept.add(folder)
                folder = self.finals[folder][0]

    def _keep_all(self, view: View, below: Callable[[int], Iterator[int]], dropped: dict[int, View]) -> None:
        """The item, and if it is a folder that somebody moved, what it took along."""
        self.kept.add(view.item)
        alive = view.here or view.there
        if alive is not None and alive.folder:
            self.kept.update(item for item in below(view.item) if item in dropped)

    def _sign_here(self, view: View) -> bool:
        """Whether the disk did something to an item that the server dropped."""
        item, base, here, _ = view
        if base is None or here is None or not self.rules.down:
            return True
        if self.both and moved_here(item, here, base):
            return True
        if here.folder:
            return False
        changed = changed_here(here, base)
        if changed is None:
            self.undecided.add(item)
            if item not in self.leave:
                self.reads[ReadDigest(item, here.stamp)] = None
        return bool(changed)

    def _sign_there(self, view: View) -> bool:
        """Whether the server did something to an item that the disk dropped."""
        item, base, _, there = view
        if base is None or there is None or not self.both:
            return not self.rules.up
        return moved_there(item, there, base) or (not there.folder and changed_there(there, base))

    # --- settlements --------------------------------------------------------------------------------------------------

    def _settle(self, view: View) -> None:
        item, base, here, there = view
        add = self.settlements.append
        if base is None:
            if here is not None and there is not None:
                add(Split(item))
        elif here is None and there is None:
            add(Forget(item))
        elif here is None:
            if item in self.kept:
                add(Forget(item))
        elif there is None:
            if item in self.kept:
                add(Rebirth(item))
        elif there.folder:
            if (here.parent, here.name) == (there.parent, there.name):
                add(Remember(item))
        elif (settlement := self._settle_file(view)) is not None:
            add(settlement)

    def _settle_file(self, view: View) -> Settlement | None:
        """What a file that both sides have needs before it is acted on."""
        item, base, here, there = view
        if base is None or here is None or there is None:
            return None
        mine, theirs = changed_here(here, base), changed_there(there, base)
        if mine is None:
            self.undecided.add(item)
            self.reads[ReadDigest(item, here.stamp)] = None
            return None
        if theirs and not self.rules.down:
            return TakeTheirs(item)
        if theirs and mine:
            if (same := self._same_content(view, item)) is None:
                self.undecided.add(item)
                return None
            return Remember(item) if same else Split(item)
        if mine and not self.rules.up:
            return Split(item)
        same_place = (here.parent, here.name) == (there.parent, there.name)
        if not mine and not theirs and same_place and way_of_time(view, self.rules) is None:
            return Remember(item)
        return None

    def _same_content(self, view: View, node: int) -> bool | None:
        """Whether disk and server (as `node`) hold the same bytes; None while they have to be read."""
        item, _, here, there = view
        if here is None or there is None or here.size != there.size:
            return False
        if here.digest is not None and there.digest is not None:
            return here.digest == there.digest
        if here.digest is None and item not in self.leave:
            self.reads[ReadDigest(item, here.stamp)] = None
        if there.digest is None and node not in self.leave:
            self.reads[LearnDigest(node, there.rev)] = None
        return None

    def _adopt(self) -> None:
        """Bind what both sides made by themselves at one place, folders from the top (R3, R5, R24)."""
        news = {view.item: view for view in self.views if view.base is None and view.here and not view.there}
        theirs = Names(self.trees.kids_there, self.trees.there)
        nodes: dict[int, int] = {}
        taken: set[int] = set()
        below: dict[int, list[int]] = {}
        for item, view in news.items():
            if view.here is not None:
                below.setdefault(view.here.parent, []).append(item)
        waiting = [folder for folder in below if folder not in news]
        for folder in waiting:
            node_folder = nodes.get(folder, folder)
            if node_folder != self.trees.top and not self.trees.is_there(node_folder):
                continue
            for item in sorted(below[folder], reverse=True):
                here = news[item].here
                node = None if here is None else theirs.of(node_folder, here.name)
                if node is None or node in taken or not self._is_counterpart(news[item], node):
                    continue
                nodes[item] = node
                taken.add(node)
                if item in below:
                    waiting.append(item)

    def _is_counterpart(self, view: View, node: int) -> bool:
        """Whether the new local item is the node; says so as a settlement."""
        item, _, here, _ = view
        there = self.trees.there(node)
        if here is None or there is None or there.folder != here.folder or node in self.trees.synced:
            return False
        if node in self.orphans or (not here.folder and (item in self.leave or node in self.leave)):
            return False
        if here.folder:
            self.settlements.append(Adopt(item, node))
            return True
        same = self._same_content(View(item, None, here, there), node)
        if same is None:
            self.undecided.update((item, node))
            return False
        if not same and self.rules.down:
            return False
        self.settlements.append(Adopt(item, node) if same else Replace(item, node))
        return True

    def _tell_what_stays(self) -> None:
        """What is new here where nothing may go up stays here, told by its topmost folder (SC-213, SC-215)."""
        if self.rules.up:
            return
        new = {view.item for view in self.views if view.here is not None and view.there is None and view.base is None}
        if self.unseen is not None:
            new -= self.unseen.bare
        code, reason = _ONE_WAY if self.rules.direction is Direction.DOWN else _READ_ONLY
        for view in self.views:
            if view.item in new and view.item not in self.leave and view.here and view.here.parent not in new:
                path = self.trees.path_here(view.item)
                if path is not None:
                    self.held.append(Held(path, code, reason))

    def _staying(self) -> Iterator[int]:
        """The differing items that shall be somewhere in the end."""
        deleted = (self.dropped_here.keys() | self.dropped_there.keys()) - self.kept
        for item in self.finals:
            if item not in deleted and item not in self.orphans:
                yield item

    # --- actions ------------------------------------------------------------------------------------------------------

    def _actions(self, losers: dict[int, int]) -> list[Action]:
        there = Schedule(there_side(self.trees))
        here = Schedule(here_side(self.trees, fold if self.rules.facts.folds_case else None))
        contents: list[Action] = []
        for view in self.views:
            if view.item in self.leave or view.item in self.orphans or view.item in self.undecided:
                continue
            if view.item in losers:
                if view.here is not None:
                    here.vacate(view.item, losers[view.item])
                continue
            self._act(view, here, there, contents)
        ups, downs = there.run(), here.run()
        self.held.extend(here.held())
        if self.unseen is not None:
            self.held.extend(self.unseen.taken)
        return [*ups.shape, *downs.shape, *ups.files, *contents, *downs.files, *ups.deletes, *downs.deletes]

    def _act(self, view: View, here_plan: Schedule, there_plan: Schedule, contents: list[Action]) -> None:
        """What one item needs, each side by itself."""
        item, base, here, there = view
        if self.unseen is not None and self.unseen.stops(view, self.finals.get(item)):
            return
        if here is None or there is None:
            if base is not None:
                # Dropped on one side and not kept: it follows on the other.
                if here is not None and self.rules.down:
                    here_plan.delete(item)
                elif there is not None and self.rules.up:
                    there_plan.delete(item)
            elif here is not None and self.rules.up:
                there_plan.make(item, self.finals[item])
            elif there is not None and self.rules.down:
                here_plan.make(item, self.finals[item])
            return
        if base is None:
            return
        final = self.finals[item]
        if final != (there.parent, there.name):
            there_plan.move(item, final)
        if final != (here.parent, here.name):
            here_plan.move(item, final)
        if here.folder:
            return
        if changed_there(there, base):
            contents.append(DownloadContent(item, there.rev, there.size, here.stamp))
        elif changed_here(here, base):
            contents.append(UploadContent(item, there.rev, here.stamp))
        elif (way := way_of_time(view, self.rules)) is Direction.DOWN:
            contents.append(SetMtimeLocal(item, there.mtime_ns, here.stamp))
        elif way is Direction.UP:
            contents.append(SetMtimeRemote(item, here.mtime_ns, there.change))
