"""What people see of a running sync."""

import unicodedata

import pytest

from homestow.cli.display import block, done, problem, summary
from homestow.cli.fitting import duration, fitted, size
from homestow.cli.telling import Teller
from homestow.cli.troubles import one_line
from homestow.client.engine.steps import Brake, Held
from homestow.client.running.outcome import Counts, Ending, Outcome
from homestow.client.running.progress import Doing, Snapshot, Transfer
from homestow.values.words import counted


def snapshot(doing: Doing = Doing.SYNCING, transfers: tuple[Transfer, ...] = ()) -> Snapshot:
    return Snapshot(doing, "", 12, 3400, 5_000_000, 80_000_000, 0, 1_500_000.0, 50.0, transfers, "photos/a.jpg")


@pytest.mark.parametrize(
    "number,words",
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2e9, "2.0 GB"), (3.1e15, "3100.0 TB")],
)
def test_sizes(number: float, words: str) -> None:
    """Bytes in powers of a thousand."""
    assert size(number) == words


@pytest.mark.parametrize("seconds,words", [(0, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations(seconds: float, words: str) -> None:
    """Seconds in the two units that matter."""
    assert duration(seconds) == words


@pytest.mark.parametrize("text", ["short.txt", "a" * 300 + ".jpg", "写真" * 80 + ".jpg", "e\u0301" * 90])
@pytest.mark.parametrize("width", [5, 20, 79])
def test_a_fitted_line_is_never_wider_than_the_terminal(text: str, width: int) -> None:
    """A line that wraps would make the block climb the screen."""
    shown = fitted(text, width)
    columns = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)

    assert columns <= width


def test_a_name_cannot_draw_on_the_terminal() -> None:
    """Escape sequences and line breaks in names are shown as blanks."""
    assert one_line("a\x1b[2Jb\nc\u202e") == "a [2Jb c"
    assert "\x1b" not in problem(Held(("x\x1b]0;owned\x07",), "bad", "why\n"))


def test_the_block_tells_files_bytes_rate_and_time_left() -> None:
    """The first line has the numbers, then come the bar and the names."""
    lines = block(snapshot(transfers=(Transfer("film.mp4", True, 30, 100),)), 2, 100)

    assert lines[0] == "Syncing: 12 of 3,400 files, 5.0 MB of 80.0 MB, 1.5 MB/s, 50 s left"
    assert lines[1].endswith("6%")
    assert lines[2] == "  up    30% film.mp4"
    assert lines[3] == "  2 items left with problems"


def test_a_summary_says_what_was_done_and_what_is_left() -> None:
    """One line of counts, then the items with their reasons, the rest of many counted."""
    counts = Counts(uploaded=1, uploaded_bytes=5, moves=2, conflicts=1)
    held = tuple(Held(("dir", f"name{number}"), "bad-name", "no") for number in range(25))
    lines = summary(Outcome(Ending.ITEMS_LEFT, counts, held), 1.23)

    assert lines[0] == "25 items left: 1 file up (5 B), 2 moved or renamed, 1 conflict (both sides kept) in 1.2 s."
    assert lines[1] == "  left: dir/name0: no"
    assert lines[-1] == "  … and 5 more"


def test_nothing_done_is_said_so() -> None:
    """A pass without changes does not read like an error."""
    assert done(Counts()) == "nothing to do"
    assert summary(Outcome(Ending.IN_STEP, Counts()), 0.5) == ["In step: nothing to do in 0.5 s."]


@pytest.mark.parametrize("ending", [Ending.BRAKE, Ending.TROUBLE, Ending.STOPPED, Ending.ITEMS_LEFT])
def test_a_pass_that_was_stopped_had_something_to_do(ending: Ending) -> None:
    """Nobody reads that there is nothing to do when something is left."""
    (line,) = summary(Outcome(ending, Counts()), 0.5)

    assert line.endswith("nothing was done in 0.5 s.")


@pytest.mark.parametrize("number, told", [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12345, "12,345 files")])
def test_numbers_come_with_their_words(number: int, told: str) -> None:
    """One is one, and everything else is several."""
    assert counted(number, "file") == told
    assert counted(number, "entry", "entries") == told.replace("files", "entries").replace("file", "entry")


def test_continuous_sync_says_each_thing_once() -> None:
    """What a pass did is said with its own numbers, problems and states only when they are new."""
    said: list[str] = []
    left: list[int] = []
    teller = Teller(said.append, left.append, "here and there")
    counts = Counts()
    bad = Held(("x",), "bad-name", "no")

    def end(ending: Ending, *held: Held, **more: object) -> list[str]:
        said.clear()
        teller(Outcome(ending, counts, held, **more))  # type: ignore[arg-type]  # the fields by name
        return [line[10:] for line in said]

    counts.uploaded, counts.uploaded_bytes = 2, 10
    assert end(Ending.IN_STEP) == ["2 files up (10 B)", "in step: here and there"]
    assert end(Ending.IN_STEP) == []
    counts.uploaded, counts.uploaded_bytes = 3, 15
    assert end(Ending.ITEMS_LEFT, bad) == ["1 file up (5 B)", "left: x: no"]
    assert end(Ending.ITEMS_LEFT, bad) == []
    assert left[-1] == 1
    assert end(Ending.TROUBLE, trouble=("unreachable", "gone\n")) == ["waiting: gone"]
    assert end(Ending.TROUBLE, trouble=("unreachable", "gone\n")) == []
    assert end(Ending.IN_STEP) == ["in step: here and there"]
    (line,) = end(Ending.BRAKE, brake=Brake("there", 40, 41))
    assert "delete 40 of 41 files on the server" in line
    assert "does not have them any more" in line
    (line,) = end(Ending.BRAKE, brake=Brake("here", 1, 1))
    assert "delete 1 of 1 file in the folder here, because the server does not have it any more" in line
    assert "`homestow resume --accept-deletes`" in line


def test_a_problem_names_its_path_once() -> None:
    """A reason that begins with the path, as errors of the disk do, is not told with it twice."""
    held = Held(("d", "a"), "local-trouble", "d/a: no permission for it on this computer.")
    assert problem(held) == "d/a: no permission for it on this computer."
