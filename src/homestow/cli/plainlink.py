"""The plain TCP link that old windows use, from the shell: what `-z PORT` means for status, pause, resume and reload.

It knows jobs by number, server and folder only, and of the whole whether it runs or is paused. Everything else the private link
tells, which is used without `-z`.
"""

import json
from pathlib import Path
from typing import Final

import zmq

from homestow.cli.troubles import FINE, LEFT, TROUBLE, USAGE, Trouble, one_line
from homestow.wire.pydio import WATCH, Order, Word, decode_jobs, encode_order, read_state

_ANSWER_MS: Final = 5_000
_MAX_REPLY: Final = 16 * 1024 * 1024
_STATES: Final = {True: "RUNNING", False: "PAUSED"}


def show(port: int, *, as_json: bool, watch: bool, job: str | None) -> int:
    """Print the jobs, and whether they run."""
    if watch or job is not None:
        raise Trouble("the plain link of -z tells nothing of one job, and no progress to watch; leave -z out.", USAGE)
    jobs = _jobs(port)
    running = read_state(_ask(port + 2, WATCH))
    state = _STATES[running] if running is not None else "unknown"
    if as_json:
        rows = [
            {"number": number, "server": server, "directory": folder} for number, (server, folder) in enumerate(jobs)
        ]
        print(json.dumps({"version": 1, "state": state, "jobs": rows}, ensure_ascii=False))
        return FINE
    print(state)
    for number, (server, folder) in enumerate(jobs):
        print(f"{number}  {one_line(folder)}  {one_line(server)}")
    return FINE


def order(port: int, word: str, job: str | None) -> int:
    """Give an order, for a job by number, folder or id, or for all; tell the state after it."""
    reply = _ask(port + 1, encode_order(Order(Word(word), None if job is None else _named(port, job))))
    running = read_state(reply)
    if running is None:
        said = one_line(reply.decode(errors="replace").removeprefix("undefined reply"))
        raise Trouble(said or "the sync service does not understand this order.", LEFT)
    print(_STATES[running])
    return FINE


def _named(port: int, job: str) -> str:
    """The number of the job with this folder; anything else as it was typed."""
    if job.isascii() and job.isdigit():
        return job
    jobs = _jobs(port)
    wanted = {job, str(Path(job).expanduser().absolute())}
    folders = [folder.rstrip("/") for _, folder in jobs]
    found = [at for at, folder in enumerate(folders) if folder in wanted or Path(folder).name == job]
    if len(found) == 1:
        return str(found[0])
    if " " in job or found:
        shown = ", ".join(f"{at} ({one_line(folder)})" for at, folder in enumerate(folders))
        raise Trouble(f"{one_line(job)!r} is not one job of the plain link; there is: {shown or 'none'}.", USAGE)
    return job


def _jobs(port: int) -> list[tuple[str, str]]:
    try:
        return decode_jobs(_ask(port + 1, encode_order(Order(Word.LIST_JOBS))))
    except ValueError as error:
        raise Trouble(f"what answers on port {port + 1} is no sync service.", TROUBLE) from error


def _ask(port: int, frame: bytes) -> bytes:
    """One request, one reply.

    Raises:
        Trouble: nothing answers.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.REQ)
    try:
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, _MAX_REPLY)
        socket.connect(f"tcp://127.0.0.1:{port}")
        socket.send(frame)
        if not socket.poll(_ANSWER_MS):
            raise Trouble(
                f"no sync service answers on port {port} of this machine. The plain link is open when the service was started "
                f"with `homestow sync -z PORT`; without -z the private link is used.",
                TROUBLE,
            )
        return socket.recv()
    finally:
        socket.close()
        context.destroy(linger=0)
