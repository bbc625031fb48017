"""What is said of passes and of what is in their way, in lines."""

import time
from collections.abc import Callable
from dataclasses import fields

from homestow.cli.display import MAX_PROBLEMS, braked, done, label, problem
from homestow.cli.troubles import LEFT, TROUBLE, Trouble, exit_code, one_line
from homestow.client.running.outcome import Counts, Ending, Outcome
from homestow.client.running.standing import passes
from homestow.values.errors import CloudError


def in_the_way(error: CloudError) -> Trouble:
    """What would be a mere refusal elsewhere means here that server, login, root or folder is the trouble."""
    return Trouble(error.message, exit_code(error) if exit_code(error) != LEFT else TROUBLE)


class Teller:
    """Says what continuous passes did: only what is new, each thing once."""

    def __init__(self, say: Callable[[str], None], problems: Callable[[int], None], what: str) -> None:
        self._say, self._count = say, problems
        self._what = what
        self._before = Counts()
        self._counted: Counts | None = None
        self._said = ""
        self._left: set[str] = set()

    def __call__(self, outcome: Outcome) -> None:
        """One pass ended."""
        if outcome.counts is not self._counted:
            self._counted, self._before = outcome.counts, Counts()  # the job was opened anew
        news = _less(outcome.counts, self._before)
        self._before = _less(outcome.counts, Counts())
        if news.total():
            self._say(f"{time.strftime('%H:%M:%S')}  {done(news)}")
        left = {f"{label(held)}: {problem(held)}": None for held in outcome.problems}
        self._count(outcome.left)
        new = [line for line in left if line not in self._left]
        for line in new[:MAX_PROBLEMS]:
            self._say(f"{time.strftime('%H:%M:%S')}  {line}")
        if len(new) > MAX_PROBLEMS:
            self._say(f"          … and {len(new) - MAX_PROBLEMS:,} more")
        self._left = set(left)
        self._state(outcome)

    def _state(self, outcome: Outcome) -> None:
        match outcome.ending:
            case Ending.IN_STEP:
                state = f"in step: {self._what}"
            case Ending.BRAKE if outcome.brake is not None:
                state = "stopped by the brake: " + braked(
                    outcome.brake, "say so with `homestow resume --accept-deletes` in another shell"
                )
            case Ending.TROUBLE if outcome.trouble is not None:
                word = "waiting" if passes(outcome.trouble[0]) else "cannot go on"
                state = f"{word}: {one_line(outcome.trouble[1])}"
            case _:
                return
        if state != self._said:
            self._said = state
            self._say(f"{time.strftime('%H:%M:%S')}  {state}")


def _less(counts: Counts, before: Counts) -> Counts:
    return Counts(**{one.name: getattr(counts, one.name) - getattr(before, one.name) for one in fields(Counts)})
