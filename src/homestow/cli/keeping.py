"""Run a job of the sync client from the command line: once with a summary, or on and on in calm lines."""

import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from homestow.cli.display import Board, braked, summary
from homestow.cli.entering import Entered, enter
from homestow.cli.passwords import given_password
from homestow.cli.signals import stopped_by_signals
from homestow.cli.telling import in_the_way
from homestow.cli.troubles import BRAKE, FINE, LEFT, TROUBLE, Trouble
from homestow.cli.wishes import Wish
from homestow.client.adapters.this_computer import client_folder, device_name
from homestow.client.engine.rules import Direction
from homestow.client.running.outcome import Ending, Outcome
from homestow.client.settings import JobSettings
from homestow.values.errors import CloudError

if TYPE_CHECKING:
    from homestow.client.running.daemon import Job


def keep(wish: Wish) -> int:
    """Keep a folder in step as wished; the exit code."""
    # What the job needs is imported while the server looks at the password.
    remote = ("adapters.remote_netdrive", "adapters.netdrive_client") if wish.is_netdrive else ("adapters.remote_api",)
    early = threading.Thread(target=_import_early, args=remote, name="import", daemon=True)
    early.start()
    if not wish.once:
        from homestow.cli.servicing import keep_folder

        return keep_folder(wish, lambda: _settings(wish))
    try:
        settings = _settings(wish)
        early.join()
        from homestow.client.bootstrap import open_job

        job = open_job(settings)
    except CloudError as error:
        raise in_the_way(error) from error
    try:
        return once(job)
    finally:
        job.close()


def _import_early(*remote: str) -> None:
    for name in (
        "bootstrap",
        *remote,
        "adapters.state_sqlite",
        "adapters.tree_disk",
        "adapters.clock_system",
    ):
        import_module(f"homestow.client.{name}")


def job_settings(wish: Wish, entered: Entered, states: Path) -> JobSettings:
    """What the job must know."""
    return JobSettings(
        server=wish.server,
        token=entered.login.token,
        folder=wish.directory,
        device=device_name(),
        data=states,
        root=entered.root(wish.root).name,
        direction=Direction(wish.direction),
        accept_deletes=wish.accept_deletes,
        remote_folder=wish.remote_folder,
    )


def _settings(wish: Wish) -> JobSettings:
    """Log in, and say what the job must know then."""
    states = client_folder() / "jobs"
    if wish.is_netdrive:
        from homestow.cli.netdrive_keeping import netdrive_settings

        return netdrive_settings(wish, states)
    with enter(wish.server, wish.user, given_password(wish.password)) as entered:
        return job_settings(wish, entered, states)


def once(job: "Job") -> int:
    """Run until both sides are settled; print the summary, give the exit code."""
    begun = time.monotonic()
    with stopped_by_signals(job.stop), Board(job.progress.snapshot):
        outcome = job.once()
    for line in summary(outcome, time.monotonic() - begun):
        print(line)
    sys.stdout.flush()
    return _code(outcome)


def _code(outcome: Outcome) -> int:
    """The exit code of an ending; brake and trouble are told on stderr."""
    match outcome.ending:
        case Ending.IN_STEP:
            return FINE
        case Ending.ITEMS_LEFT | Ending.STOPPED:
            return LEFT
        case Ending.BRAKE:
            assert outcome.brake is not None
            raise Trouble(braked(outcome.brake, "run the same with --accept-deletes"), BRAKE)
        case Ending.TROUBLE:
            raise Trouble(outcome.trouble[1] if outcome.trouble else "something went wrong.", TROUBLE)
