"""Passwords that people wrote into the job file: each is traded for a token once, and taken out of the file (S90)."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from homestow.client.ports.accounts import Accounts
from homestow.client.ports.jobfile import JobBook
from homestow.client.running.jobs import Task
from homestow.client.running.standing import passes
from homestow.values.errors import CloudError

_log = logging.getLogger(__name__)

LONGEST_PAUSE_S: Final = 60.0


def trade(
    book: JobBook,
    task: Task,
    accounts: Accounts,
    ended: Callable[[], bool],
    logged_in: Callable[[str], None],
) -> None:
    """Log in for a job that is held, in a thread of its own, then let the job go on; waits for a server that is away."""

    def work() -> None:
        if _log_in(book, task, accounts, ended):
            try:
                book.drop_password(task.id)
            except CloudError as error:
                _log.warning("job %s: take its password out of %s yourself: %s", task.id, book.place, error.message)
            task.release()
            logged_in(task.config.server)

    threading.Thread(target=work, name=f"login {task.id}", daemon=True).start()


def _log_in(book: JobBook, task: Task, accounts: Accounts, ended: Callable[[], bool]) -> bool:
    """Whether the server has given its answer, whichever, or there is nothing to ask it."""
    config, pause = task.config, 1.0
    while not ended():
        try:
            # Anew each time: while the server was away somebody may have put it right.
            password = next((each.password for each in book.read() if each.config.id == task.id), None)
            if password is None:
                return True
            accounts.log_in(config.server, config.user, password)
        except CloudError as error:
            if passes(error.code) and not task.fault:
                task.hold(error.code, error.message)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            _log.warning("job %s: the password in the job file did not serve: %s", config.id, error.message)
        return True
    return False
