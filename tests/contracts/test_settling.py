"""Conflicts are settled alike over every server: native, in process, in memory, and over netdrive."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.test_remote import SERVERS, Two
from tests.unit.sync_rig import Computer, at

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.history_memory import MemoryHistory
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.adapters.remote_netdrive import NetdriveRemote
from homestow.client.ports.localtree import LocalChanged
from homestow.client.running.conflicts import Conflicts
from homestow.client.running.settling import Keep, NotReady
from homestow.values.errors import Stale

SIZES = (4, 700_000)


class Pair:
    """Two computers with two edits of one file, and the conflicts of each."""

    def __init__(self, remotes: Two, size: int) -> None:
        clock = SimClock()
        for remote in remotes:
            if isinstance(remote, NetdriveRemote):
                remote.fingerprints = remote._account  # type: ignore[attr-defined]
        self.computers = [
            Computer(name, MemoryServer(), clock, around=lambda _, mine=remote: mine)  # type: ignore[misc]
            for name, remote in zip("AB", remotes, strict=True)
        ]
        self.conflicts = [
            Conflicts(
                each.cycle.settling,
                each.cycle.wake,
                MemoryHistory(),
                clock,
                job="j",
                folder=Path("/f"),
                device=each.name,
            )
            for each in self.computers
        ]
        one, other = self.computers
        one.write("f.txt", "old")
        self.calm()
        self.contents = ("A" * size, "B" * (size + 1))
        one.write("f.txt", self.contents[0])
        other.write("f.txt", self.contents[1])
        self.calm()

    def calm(self) -> None:
        """All in step."""
        for _ in range(3):
            for computer, conflicts in zip(self.computers, self.conflicts, strict=True):
                conflicts.passed(computer.sync().ending)

    def ended(self) -> dict[str, bytes | None]:
        """What both have in the end."""
        self.calm()
        one, other = self.computers
        assert one.files() == other.files()
        return one.files()


@pytest.fixture(params=sorted(SERVERS))
def remotes(request: pytest.FixtureRequest) -> Iterator[Two]:
    """Two devices at one empty root."""
    with SERVERS[request.param]() as devices:
        yield devices


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keep", ["original", "copy", "both"])
@pytest.mark.parametrize("who", [0, 1])
def test_a_choice_is_carried_out(remotes: Two, keep: Keep, size: int, who: int) -> None:
    """Whoever chooses: both computers end with what was chosen, and no conflict is left on either."""
    pair = Pair(remotes, size)
    (conflict,) = pair.conflicts[who].listed
    assert conflict.ready

    assert pair.conflicts[who].settle(keep, conflict.id) == ()

    mine, theirs = (content.encode() for content in pair.contents)
    wanted: dict[str, dict[str, bytes | None]] = {
        "original": {"f.txt": mine},
        "copy": {"f.txt": theirs},
        "both": {"f.txt": mine, "f (2).txt": theirs},
    }
    assert pair.ended() == wanted[keep]
    assert [conflicts.listed for conflicts in pair.conflicts] == [(), ()]
    transferred = sum(computer.cycle.counts.downloaded_bytes for computer in pair.computers)
    assert transferred <= 5 * size + 20


@pytest.mark.parametrize("keep", ["original", "copy"])
def test_an_edit_elsewhere_refuses_the_choice(remotes: Two, keep: Keep) -> None:
    """What another computer made of the file since it was listed is seen before anything is done."""
    pair = Pair(remotes, 4)
    (conflict,) = pair.conflicts[1].listed
    pair.computers[0].write("f.txt", "edited")
    pair.computers[0].sync()

    with pytest.raises((LocalChanged, NotReady, Stale)):
        pair.conflicts[1].settle(keep, conflict.id)

    assert pair.ended() == {"f.txt": b"edited", conflict.copy.path: pair.contents[1].encode()}
    assert at(conflict.copy.path)
