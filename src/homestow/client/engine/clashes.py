"""Two items that want one name: who keeps it, and what the other one does (R12, R14, R15)."""

from collections.abc import Collection, Iterable, Mapping

from homestow.client.engine.compare import Place
from homestow.client.engine.names import Names
from homestow.client.engine.rules import Rules
from homestow.client.engine.steps import Action, DownloadNew, MoveRemote, RenameToConflict
from homestow.client.engine.trees import Trees
from homestow.values.paths import numbered


class Clashes:
    """Finds the clashes among items whose final places are known.

    Args:
        finals: where each differing item shall be in the end.
        leave: items to which nothing is done; the others wait for them.
        undecided: items of which something has to be read first; likewise.
    """

    def __init__(
        self,
        trees: Trees,
        rules: Rules,
        finals: Mapping[int, Place],
        leave: Collection[int],
        undecided: Collection[int],
    ) -> None:
        self._trees, self._rules, self._finals = trees, rules, finals
        self._leave, self._undecided = leave, frozenset(undecided)

    def solve(self, staying: Iterable[int]) -> tuple[list[Action], dict[int, int]]:
        """What frees the names among the items that stay, and who gives way, with the folder it does so in."""
        wanted: dict[Place, list[int]] = {}
        settled = Names(self._trees.kids_settled, self._trees.here)
        for item in staying:
            place = self._finals[item]
            if (rivals := wanted.get(place)) is None:
                wanted[place] = rivals = [] if (found := settled.of(*place)) is None else [found]
            rivals.append(item)
        actions: list[Action] = []
        losers: dict[int, int] = {}
        for place, rivals in wanted.items():
            if len(rivals) < 2:
                continue
            for loser in sorted(rivals, key=lambda item: self._rank(item, place))[1:]:
                losers[loser] = place[0]
                if not self._undecided.intersection(rivals) and (step := self._give_way(loser, place)) is not None:
                    actions.append(step)
        return actions, losers

    def _rank(self, item: int, place: Place) -> tuple[bool | int, ...]:
        """Who keeps a wanted name: the source (one-way), the folder (R14), whom the server has there (R12), the first."""
        here, there = self._trees.here(item), self._trees.there(item)
        alive = here or there
        file = alive is None or not alive.folder
        claim = there is not None and (there.parent, there.name) == place
        source = True
        if not (self._rules.up and self._rules.down):
            source = here is not None if self._rules.up else claim
        spelled = here is not None and here.disk is None
        return (not source, file, not claim, item not in self._trees.synced, not spelled, abs(item))

    def _give_way(self, loser: int, place: Place) -> Action | None:
        if loser in self._leave:
            return None
        here, there = self._trees.here(loser), self._trees.there(loser)
        parent, name = place
        if here is not None:
            return RenameToConflict(loser, parent, name, here.stamp)
        if there is None:
            return None
        if self._rules.down:
            # A file of the server whose name a local folder has: it comes here under its conflict name, which the
            # server is told as a rename in the next plan.
            return DownloadNew(loser, there.rev, there.size, conflict=True)
        taken = {kid.name for kid in map(self._trees.there, self._trees.kids_there(parent)) if kid is not None}
        return MoveRemote(loser, parent, numbered(name, taken), there.change)
