"""Jobs of the sync service in words."""

import msgspec
import pytest

from homestow.cli.fitting import columns
from homestow.cli.jobwords import (
    Row,
    amount,
    clashes,
    happened,
    headline,
    moment,
    name,
    notes,
    overall,
    sentence,
    state,
    table,
    told,
    wrapped,
)
from homestow.wire.control import (
    Brake,
    Conflict,
    Event,
    EventKind,
    JobConfig,
    JobNow,
    Problem,
    Progress,
    Side,
    StateText,
    Transfer,
)

NOW = 1_790_000_000_000_000_000
MOVING = Progress(
    files_done=12, files_total=3400, bytes_done=5_000_000, bytes_total=80_000_000, rate=1_500_000.0, left_s=50.0,
    transfers=(Transfer(path="a/\u5199\u771f.jpg", up=True, done_bytes=1, size_bytes=4),),
)  # fmt: skip
STATES = msgspec.inspect.type_info(StateText).values  # type: ignore[attr-defined]  # of a Literal
KINDS = msgspec.inspect.type_info(EventKind).values  # type: ignore[attr-defined]  # of a Literal


def job(state: StateText = "synced", **facts: object) -> JobNow:
    config = JobConfig(server="https://home.example", directory="/home/anna/Documents", id="docs")
    return msgspec.structs.replace(JobNow(config=config, number=0, state=state), **facts)


@pytest.mark.parametrize("at", STATES)
def test_every_state_has_words(at: StateText) -> None:
    """One short phrase without the protocol's own words; and none is longer than a table likes."""
    words = state(job(at, problems=2))
    assert 0 < len(words) < 30
    assert sentence(job(at), NOW).startswith("Documents: ")


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_has_words(kind: EventKind) -> None:
    """With paths and what was told."""
    words = happened(
        Event(id=1, at_ns=NOW, job="docs", kind=kind, side="here", path="a.txt", to="b.txt", size=5, message="because")
    )
    assert words
    assert "because" in words
    assert kind in ("pause", "resume") or "a.txt" in words


def test_a_job_is_called_by_its_label_or_folder() -> None:
    """On every system's kind of path."""
    config = JobConfig(server="https://x", directory="/home/anna/Docs/", id="i")
    assert name(job(config=config)) == "Docs"
    assert name(job(config=msgspec.structs.replace(config, label="Mine"))) == "Mine"
    assert name(job(config=msgspec.structs.replace(config, directory="C:\\Users\\anna\\Docs"))) == "Docs"
    assert name(job(config=msgspec.structs.replace(config, directory="/"))) == "i"


def test_a_sentence_says_progress_and_the_most_urgent() -> None:
    """What moves, how fast, how long; and only then the reason."""
    assert (
        headline(job("syncing", progress=MOVING))
        == "Documents: syncing, 12 of 3,400 files, 5.0 MB of 80.0 MB, 1.5 MB/s, 50 s left"
    )
    assert sentence(job("waiting", why="The server is away."), NOW) == "Documents: waiting, The server is away."
    assert headline(job("synced", progress=MOVING)) == "Documents: in step"
    assert amount(Progress(scanned=1)) == "1 entry so far"


def test_what_waits_for_a_person_comes_with_its_command() -> None:
    """The brake before all else."""
    asks = job("asking", brake=Brake(side="here", files=30, of=40), why="x", problems=1, conflicts=2)
    found = notes(asks, NOW)
    assert found[0].startswith(
        "30 of 40 files would be deleted in the folder here, because the server does not have them"
    )
    assert found[0].endswith("homestow resume docs --accept-deletes")
    assert "homestow conflicts docs" in found[-1]
    assert notes(job("scheduled", next_at_ns=NOW + 1), NOW) == [f"next at {moment(NOW + 1, NOW)}"]
    assert "resume docs" in notes(job("scheduled"), NOW)[0]


@pytest.mark.parametrize("width", [12, 20, 40, 60, 80, 120, 200])
def test_a_table_is_never_wider_than_the_terminal(width: int) -> None:
    """And cuts no command that a line has room for: sentences go on in the next line."""
    rows = [
        Row(0, job("syncing", progress=MOVING)),
        Row(11, job("asking", brake=Brake(side="there", files=30, of=40))),
        Row(12, job("waiting", why="The server \u5bb6.example cannot be reached. " * 5)),
        Row(13, job("left", problems=3, config=JobConfig(server="x", directory="/d/" + "\u5199\u771f" * 40, id="d"))),
    ]
    lines = table(rows, NOW, width)
    assert max(columns(line) for line in lines) <= width
    if width >= 40:
        assert "--accept-deletes" in " ".join(lines)
    assert max(columns(line) for line in table(rows, NOW)) > 120


def test_all_jobs_in_a_line() -> None:
    """Counted by what they are at."""
    assert (
        overall([Row(0, job()), Row(1, job()), Row(2, job("left", problems=1))]) == "3 jobs: 2 in step, 1 with problems"
    )
    assert "homestow jobs add" in overall([])


def test_problems_say_their_path_once() -> None:
    """Whether the reason begins with it or not."""
    assert told(Problem(job="d", path="a", code="busy", message="a: is busy", left=True)) == "left: a: is busy"
    assert told(Problem(job="d", path="a", code="link", message="A link.", left=False)) == "not synced: a: A link."


def test_a_conflict_shows_both_contents() -> None:
    """Which is whose, and that one is not here."""
    side = Side(path="a.txt", file="/d/a.txt", size=5, mtime_ns=NOW)
    shown = clashes(
        Conflict(
            id="c",
            job="d",
            at_ns=NOW,
            device="pc",
            original=side,
            copy=msgspec.structs.replace(side, file=None),
            ready=False,
        ),
        "Docs",
    )
    assert shown[0] == "c  Docs: a.txt"
    assert "by pc, not on this computer" in shown[2]
    assert "after the next pass" in shown[3]


def test_times_that_no_calendar_has() -> None:
    """A file's time may be anything."""
    assert moment(2**63 - 1)
    assert moment(-(2**63))


def test_a_long_word_is_fitted() -> None:
    """A path without blanks is cut in its middle."""
    assert wrapped("  " + "x" * 50, 20, "  ") == ["  " + "x" * 9 + "…" + "x" * 8]
