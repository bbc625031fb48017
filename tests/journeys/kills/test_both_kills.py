"""Server and clients run on and on, people edit in both folders, and now one and now the other process dies (SC-202, P3, P4)."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.folders import differences, tree_of
from tests.journeys.kills.processes import ClientProcess, ServerProcess, Zygote
from tests.simulation.ledger import Ledger, tokens_of

from homestow.client.adapters.api_client import Client
from homestow.wire import api

pytestmark = pytest.mark.serial

NAMES = [f"{folder}{name}" for folder in ("", "x/", "y/") for name in ("a", "b", "c")]
CONVERGED_S = 90.0


class Trial:
    """A server, two computers that keep in step on their own, and a ledger of everything anybody wrote."""

    def __init__(self, zygote: Zygote, place: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ledger = Ledger(self.dice)
        self.server = ServerProcess(zygote, place)
        self.server.add_user("anna")
        self.tree = self.server.data / "files" / "anna"
        assert self.server.start()
        self.clients = [ClientProcess(zygote, place / name, "anna", self.server.url) for name in ("one", "two")]
        for client in self.clients:
            client.folder.mkdir()
            for name in ("x", "y"):
                (client.folder / name).mkdir()
            assert client.sync() == 0, client.said()
            client.begin(once=False)
        self.kills = 0

    def edit(self) -> None:
        """Somebody looks at a file and then writes it anew, adds to it, moves it, or deletes it."""
        client = self.dice.choice(self.clients)
        path = client.folder / self.dice.choice(NAMES)
        if not path.parent.is_dir():
            return
        seen = path.read_bytes() if path.is_file() else b""
        act = self.dice.choice(("write", "write", "write", "add", "move", "delete"))
        device = client.home.name
        if act == "write" or (act == "add" and not seen):
            content = self.ledger.write(device, self.dice.choice([100, 3000, 400_000]), f"{act} {path.name}")
            fresh = path.with_name(f"{path.name}.tmp~")
            fresh.write_bytes(content)
            fresh.replace(path)
            self.ledger.let_go(seen)
        elif act == "add":
            added = self.ledger.write(device, 50, f"{act} {path.name}")
            with path.open("ab") as file:
                file.write(added)
        elif act == "move" and path.is_file():
            target = client.folder / self.dice.choice(NAMES)
            if target.parent.is_dir() and not target.exists():
                path.rename(target)
        elif act == "delete" and path.is_file():
            path.unlink()
            self.ledger.let_go(seen)

    def kill(self) -> None:
        """One of the three dies, and begins again a moment later."""
        self.kills += 1
        if self.dice.random() < 0.5:
            self.server.kill()
            time.sleep(self.dice.random() * 0.2)
            assert self.server.start()
        else:
            client = self.dice.choice(self.clients)
            client.kill()
            client.begin(once=False)

    def converge(self) -> None:
        """All three folders become equal and stay so."""
        give_up = time.monotonic() + CONVERGED_S
        equal_since: float | None = None
        while True:
            trees = [tree_of(folder) for folder in (*(client.folder for client in self.clients), self.tree)]
            if trees[0] == trees[1] == trees[2]:
                equal_since = equal_since or time.monotonic()
                if time.monotonic() - equal_since > 3:
                    return
            else:
                equal_since = None
            told = [differences(trees[0], tree)[:5] for tree in trees[1:]]
            assert time.monotonic() < give_up, f"{told}\n{[client.said() for client in self.clients]}"
            time.sleep(0.2)

    def tokens_on_server(self) -> set[bytes]:
        """Of everything that lives, of all versions, and of the trash."""
        client = Client(self.server.url, timeout_s=20)
        try:
            client.login("anna", PASSWORD, "judge")
            root = client.roots()[0]
            nodes = client.call("tree", api.TreePage, root=root.id, after=0, limit=10_000).nodes
            files = [(node.id, node.rev) for node in nodes if node.kind == "file"]
            for item in client.trash(root.id, limit=10_000).items:
                restored = client.restore(item.node.id)
                files.append((restored.id, restored.rev))
            found: set[bytes] = set()
            for node, rev in files:
                for each in {rev, *(version.rev for version in client.versions(node))}:
                    with client.content(node, each) as answer:
                        found |= tokens_of(answer.read(10**7))
            return found
        finally:
            client.close()

    def close(self) -> None:
        for client in self.clients:
            if client.poll() is None:
                os.kill(client.pid, signal.SIGTERM)
                client.end()
        self.server.stop()


def run(trial: Trial, kills: int) -> None:
    """Edits and kills, then peace, then judgement."""
    while trial.kills < kills:
        for _ in range(trial.dice.randrange(3, 9)):
            trial.edit()
            time.sleep(trial.dice.random() * 0.1)
        time.sleep(trial.dice.random() * 0.6)
        trial.kill()
    trial.converge()
    missing = trial.ledger.missing(trial.tokens_on_server())
    assert not missing, f"lost: {missing}"


def test_now_one_dies_and_now_the_other(zygote: Zygote, place: Path, told: Callable[[str], None]) -> None:
    """Ten kills while both people edit the same files: all become equal, and every token that nobody let go is kept."""
    begun = time.monotonic()
    trial = Trial(zygote, place, seed=3)
    try:
        run(trial, 10)
        told(
            f"both: {trial.kills} kills of running processes, {len(trial.ledger.whole)} contents, "
            f"{time.monotonic() - begun:.0f} s in all"
        )
    finally:
        trial.close()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_many_deaths(zygote: Zygote, place: Path, seed: int) -> None:
    """Sixty kills in each of five runs."""
    trial = Trial(zygote, place, seed=300 + seed)
    try:
        run(trial, 60)
    finally:
        trial.close()
