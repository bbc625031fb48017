"""kill -9 of the sync client at every named point: run again, both folders and the server's are equal to the byte (P2-P5)."""

import random
import re
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.kills.folders import Person, Tree, differences, tree_of
from tests.journeys.kills.processes import SOURCE, ClientProcess, ServerProcess, Zygote, points_in

pytestmark = pytest.mark.serial

TOPS = [f"top{number}" for number in range(4)]
KILLS_EACH_ROUND = 3
MOST_TRIES = 5

UNUSED_CALLS = ("make_folder", "resolve")
"""The port offers the first; the executor makes folders in packs. The other finds the folder of a job with -r, before anything."""

FIRST = ("client.tree.asking", "client.tree.answered")
"""Reached by the first pass of a job alone."""

BEFORE = {
    "client.upload.": "client.put_block.answered:kill:1",
    "client.cancel_upload.": "client.put_block.answered:kill:1",
    "client.recover.aside": "client.exchange.swapped:kill:1",
}
"""What must have happened for a point to be reached, by the beginning of its name."""


def points() -> set[str]:
    """Every point of the client: the steps of disk and state, and each call of the server before and after."""
    calls = set(
        re.findall(r'_api\.(?:call|act|stream)\(\s*"(\w+)"', (SOURCE / "client/adapters/remote_api.py").read_text())
    )
    both = {f"client.{call}.{when}" for call in calls.difference(UNUSED_CALLS) for when in ("asking", "answered")}
    return points_in("client") | both


class Trial:
    """A server, two computers, and what all three must hold."""

    def __init__(self, zygote: Zygote, place: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.server = ServerProcess(zygote, place)
        self.server.add_user("anna")
        self.tree = self.server.data / "files" / "anna"
        assert self.server.start()
        self.meant: Tree = {}
        self.clients = [ClientProcess(zygote, place / name, "anna", self.server.url) for name in ("one", "two")]
        for client in self.clients:
            client.folder.mkdir()
        self.people = [Person(client.folder, self.dice, self.meant) for client in self.clients]
        self.rounds = 0
        for point in FIRST:
            assert self.kill(f"{point}:kill:1")
        self.settle()

    def edit(self) -> None:
        """Both people work, each in folders of their own in this round: nothing can conflict."""
        self.rounds += 1
        for number, person in enumerate(self.people):
            person.work([top for at, top in enumerate(TOPS) if (at + self.rounds) % 2 == number])

    def edit_big(self) -> None:
        """Whatever is on its way of a big file is of no use any more."""
        for number, person in enumerate(self.people):
            for at, top in enumerate(TOPS):
                if (at + self.rounds) % 2 == number and (top, "big") in self.meant:
                    person._edit_big((top, "big"))

    def kill(self, fault: str) -> bool:
        """Run both until one of them dies at the fault; False when neither did."""
        clients = self.clients[:]
        self.dice.shuffle(clients)
        for client in clients:
            code = client.sync(fault)
            if code == -signal.SIGKILL:
                return True
            assert code in (0, 1), f"ended with {code}: {client.said()}"
        return False

    def settle(self) -> None:
        """Both in step within three passes each; all folders are what was meant, and nothing of ours is left in them."""
        for _ in range(3):
            codes = [client.sync() for client in self.clients]
            if codes == [0, 0] and tree_of(self.clients[0].folder) == self.meant:
                break
        assert codes == [0, 0], [client.said() for client in self.clients]
        found = [tree_of(folder) for folder in (*(client.folder for client in self.clients), self.tree)]
        wrong = [differences(self.meant, tree) for tree in found]
        text = "\n".join(
            f"{name}: {line}" for name, lines in zip(("one", "two", "server"), wrong, strict=True) for line in lines
        )
        assert not text, f"what was meant / what is there:\n{text}"
        for client in self.clients:
            for name in ("aside", "new", "staging"):
                left = [path.name for path in (client.folder / ".homestow-sync" / name).iterdir()]
                assert left == [], f"left in {name}: {left}"

    def at_rest(self) -> None:
        """Once in step a pass does nothing (P5)."""
        for client in self.clients:
            assert client.sync() == 0, client.said()
            assert "nothing to do" in client.log.with_suffix(".out").read_text().splitlines()[-1]


def run(trial: Trial, faults: deque[str]) -> None:
    """Rounds of edits and kills until every fault killed once."""
    tries: dict[str, int] = {}
    while faults:
        trial.edit()
        for _ in range(min(KILLS_EACH_ROUND, len(faults))):
            fault = faults.popleft()
            before = next((kill for point, kill in BEFORE.items() if fault.startswith(point)), None)
            if before is not None:
                if "cancel" in fault:
                    trial.settle()  # the only upload to be interrupted shall be the one that becomes of no use
                trial.edit_big()
                trial.kill(before)
                if "cancel" in fault:
                    trial.edit_big()
            if not trial.kill(fault):
                point = fault.partition(":")[0]
                tries[point] = tries.get(point, 0) + 1
                assert tries[point] < MOST_TRIES or point == "*", f"never reached: {point}"
                # Both ran to their end, so nothing is left to do in this round: it is tried first after the next edits.
                faults.appendleft(f"{point}:kill:1")
                break
        try:
            trial.settle()
        except AssertionError as error:
            killed = [client.killed_at[-4:] for client in trial.clients]
            raise AssertionError(f"after kills at {killed}: {error}") from error


def test_killed_at_every_named_point_the_client_goes_on(
    zygote: Zygote, place: Path, told: Callable[[str], None]
) -> None:
    """60 kills and more, each named point among them: nothing is lost, doubled or half done, and no conflict copy appears."""
    begun = time.monotonic()
    trial = Trial(zygote, place, seed=2)
    dice = random.Random(2)
    wanted = [f"{point}:kill:{dice.randrange(1, 3)}" for point in sorted(points().difference(FIRST))]
    wanted += [f"*:kill:{dice.randrange(1, 150)}" for _ in range(10)]
    dice.shuffle(wanted)
    try:
        run(trial, deque(wanted))
        trial.at_rest()
        killed = [point for client in trial.clients for point in client.killed_at]
        never = points().difference(killed)
        assert not never, f"never killed at {never}"
        assert len(killed) >= 60
        told(
            f"client: {len(killed)} kills at {len(set(killed))} points in {trial.rounds} rounds of edits on both sides, "
            f"{time.monotonic() - begun:.0f} s in all"
        )
    finally:
        trial.server.stop()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_kills(zygote: Zygote, place: Path, seed: int) -> None:
    """The release figure: 1,000 kills in ten runs, nothing lost."""
    trial = Trial(zygote, place, seed=200 + seed)
    dice = random.Random(200 + seed)
    wanted = [f"{point}:kill:{dice.randrange(1, 6)}" for point in sorted(points().difference(FIRST))]
    wanted += [f"*:kill:{dice.randrange(1, 300)}" for _ in range(50)]
    dice.shuffle(wanted)
    try:
        run(trial, deque(wanted))
        assert sum(len(client.killed_at) for client in trial.clients) >= 100
    finally:
        trial.server.stop()
