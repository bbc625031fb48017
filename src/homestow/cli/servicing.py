"""`homestow sync` on and on: the sync service in this process, in calm lines, until it is told to stop."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from homestow.cli.display import Board
from homestow.cli.keeping import Teller, in_the_way
from homestow.cli.signals import stopped_by_signals
from homestow.cli.troubles import FINE, TROUBLE, Trouble, one_line
from homestow.client.adapters.logins import Logins
from homestow.client.adapters.this_computer import client_folder
from homestow.values.errors import CloudError, Unreachable

if TYPE_CHECKING:
    from homestow.cli.sync import Wish
    from homestow.client.running.outcome import Outcome
    from homestow.client.settings import JobSettings


def keep_folder(wish: "Wish", enter: Callable[[], "JobSettings"]) -> int:
    """Keep the one folder of the command line in step; the exit code.

    Args:
        enter: logs in, and gives what the job must know.
    """
    from homestow.client.control.places import name_for_folder
    from homestow.wire.control import JobConfig

    try:
        settings: JobSettings | None = enter()
    except Unreachable as error:
        # Who was here before waits for the server to come back.
        logins = Logins()
        if (logins.find(wish.server, wish.user) if wish.user else logins.only(wish.server)) is None:
            raise in_the_way(error) from error
        settings = None
        print(f"waiting for the server: {one_line(error.message)}", flush=True)
    except CloudError as error:
        raise in_the_way(error) from error
    from homestow.client.bootstrap import Running, ServicePlan

    config = JobConfig(
        id=_id(wish, settings), server=wish.server, directory=str(wish.directory), user=wish.user or "",
        workspace=(settings.root if settings and settings.root else wish.root) or "",
        direction="up" if wish.direction == "up" else "down" if wish.direction == "down" else "bi",
    )  # fmt: skip
    watched = _Watched()
    plan = ServicePlan(
        name_for_folder(wish.directory), client_folder(), given=config, known=settings, heard=watched.heard
    )
    try:
        running = Running(plan)
    except CloudError as error:
        raise in_the_way(error) from error
    try:
        with stopped_by_signals(running.quit), Board(running.service.seen) as board:
            root = config.workspace or "its root"
            teller = Teller(board.say, board.problems, f"{wish.directory} and {root} on {wish.server}")
            watched.teller, watched.stop = teller, running.quit
            try:
                running.begin()
            except CloudError as error:
                raise in_the_way(error) from error
            running.wait()
    finally:
        running.close()
    if watched.refused:
        raise Trouble(f"{watched.refused} This computer was logged out; start again with your password.", TROUBLE)
    return FINE


def _id(wish: "Wish", settings: "JobSettings | None") -> str:
    from homestow.wire.job_file import job_id

    return job_id(wish.server, (settings.root if settings else wish.root) or wish.user or "", ())


class _Watched:
    """Hears the passes of the one job, and ends the service when its login is refused."""

    def __init__(self) -> None:
        self.teller: Callable[[Outcome], None] = lambda outcome: None
        self.stop: Callable[[], None] = lambda: None
        self.refused = ""

    def heard(self, job: str, outcome: "Outcome") -> None:
        """A pass ended."""
        self.teller(outcome)
        if outcome.trouble is not None and outcome.trouble[0] in ("login-needed", "login-failed"):
            # Trying again with a token that was taken back helps nobody.
            self.refused = outcome.trouble[1]
            self.stop()
