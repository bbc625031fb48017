"""The plain words of the control link: what the windows of all generations send and hear, and the files that tell them the ports.

Orders, replies and publications are one frame of UTF-8 text each. The generations, by the service that spoke to them (Z1 to Z4,
before May 2014 ended), differ in the words of replies and in the sign after a topic; readers here know all of them, and the words we
write are those that every window understands. `docs/protocols/control.md` has them one by one.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

DEFAULT_PORT: Final = 5556
"""Publications; orders come to the next port, the watch to the one after."""

MAX_ORDER_BYTES: Final = 1024
MAX_TEXT: Final = 4096
"""Letters of a path or sentence that is published."""

# --- orders -----------------------------------------------------------------------------------------------------------


class Word(Enum):
    """What may be ordered."""

    PAUSE = "PAUSE"
    START = "START"
    RELOAD = "RELOAD"
    LIST_JOBS = "LIST-JOBS"


@dataclass(frozen=True, slots=True)
class Order:
    """An order, for the job of this number (as LIST-JOBS shows them, from 0) or id; None: for all."""

    word: Word
    job: str | None = None

    @property
    def number(self) -> int | None:
        """The job's number, where it is one."""
        job = self.job
        return int(job) if job is not None and job.isascii() and job.isdigit() and len(job) < 10 else None


def decode_order(frame: bytes) -> Order | None:
    """The order in a frame; None: it is none. Blanks around it are passed over."""
    if len(frame) > MAX_ORDER_BYTES:
        return None
    try:
        words = frame.decode().strip("\0 \t\r\n").split(" ")
    except UnicodeDecodeError:
        return None
    known = next((word for word in Word if word.value == words[0]), None)
    match known, words[1:]:
        case None, _:
            return None
        case Word(), []:
            return Order(known)
        case Word.PAUSE | Word.START | Word.RELOAD, [str(job)] if job:
            return Order(known, job)
        case _:
            return None


def encode_order(order: Order) -> bytes:
    """An order as one frame."""
    return order.word.value.encode() if order.job is None else f"{order.word.value} {order.job}".encode()


WATCH: Final = b"sync"
"""What windows send to the watch socket; anything else is answered alike."""

# --- replies ----------------------------------------------------------------------------------------------------------

RUNNING: Final = b"RUNNING"
PAUSED: Final = b"PAUSED"
UNDEFINED: Final = b"undefined reply"


def undefined(why: str) -> bytes:
    """The reply to what cannot be done, with a sentence for people."""
    return UNDEFINED + b" " + clean(why).encode()


def state_reply(*, running: bool) -> bytes:
    """The state after an order, and what the watch tells."""
    return RUNNING if running else PAUSED


def read_state(reply: bytes) -> bool | None:
    """Whether the sync runs, by a reply of any generation; None: the reply does not say."""
    match reply:
        case b"RUNNING" | b"running":
            return True
        case b"PAUSED" | b"stopped":
            return False
        case _:
            return None


def encode_jobs(jobs: Iterable[tuple[str, str]]) -> bytes:
    """The reply to LIST-JOBS: each job by server and directory."""
    return json.dumps([f"{server} - {directory}" for server, directory in jobs]).encode()


def decode_jobs(reply: bytes) -> list[tuple[str, str]]:
    """Server and directory of each job.

    Raises:
        ValueError: this is no such reply.
    """
    try:
        listed = json.loads(reply)
    except (ValueError, RecursionError) as error:
        raise ValueError("No reply to LIST-JOBS.") from error
    if not isinstance(listed, list):
        raise ValueError("No reply to LIST-JOBS.")
    jobs = []
    for each in listed:
        if not isinstance(each, str) or " - " not in each:
            raise ValueError("No reply to LIST-JOBS.")
        server, _, directory = each.partition(" - ")
        jobs.append((server, directory))
    return jobs


# --- publications -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the sync runs: `status START`, `status PAUSE`."""

    running: bool


@dataclass(frozen=True, slots=True)
class Sync:
    """A change that was made, in words: `sync File a.txt uploaded to server`."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The service lives: `ping/`."""


@dataclass(frozen=True, slots=True)
class General:
    """All jobs in one word: `general synced`, `general in pause`."""

    state: str


@dataclass(frozen=True, slots=True)
class Task:
    """One job: `task 0 syncing http://localhost - /home/anna/Files`; state `gone`: it is no more."""

    number: int
    state: str
    server: str
    directory: str


@dataclass(frozen=True, slots=True)
class Way:
    """How far a job is (`progress 0 3/10 files 2048/10240 bytes 512 B/s`), or all are (number None: `overall 3/10 files …`)."""

    number: int | None
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    rate: int


Publication = Status | Sync | Ping | General | Task | Way

_STATUS: Final = {"START": True, "PAUSE": False, "Job Started": True, "Job Paused": False}
_TASK: Final = re.compile(r"([0-9]{1,9}) ([a-z]+) (.*?) - (.*)", re.DOTALL)
_WAY: Final = re.compile(r"([0-9]{1,19})/([0-9]{1,19}) files ([0-9]{1,19})/([0-9]{1,19}) bytes ([0-9]{1,19}) B/s")


def encode(publication: Publication) -> bytes:
    """A publication as one frame."""
    match publication:
        case Status(running):
            text = "status START" if running else "status PAUSE"
        case Sync(said):
            text = f"sync {clean(said)}"
        case Ping():
            text = "ping/"
        case General(state):
            text = f"general {state}"
        case Task(number, state, server, directory):
            text = f"task {number} {state} {clean(server)} - {clean(directory)}"
        case Way(number, files_done, files_total, bytes_done, bytes_total, rate):
            topic = "overall" if number is None else f"progress {number}"
            text = f"{topic} {files_done}/{files_total} files {bytes_done}/{bytes_total} bytes {rate} B/s"
    return text.encode()


def decode(frame: bytes) -> Publication | None:
    """The publication in a frame, of any generation; None: it is none that we know."""
    try:
        text = frame.decode()
    except UnicodeDecodeError:
        return None
    cut = re.match(r"[a-z]+[ /]", text)
    if cut is None:
        return None
    topic, sign, rest = text[: cut.end() - 1], cut[0][-1], text[cut.end() :]
    match topic, sign:
        case "status", _:
            return Status(_STATUS[rest]) if rest in _STATUS else None
        case "sync", _:
            return Sync(rest)
        case "ping", "/":
            return Ping()
        case "general", " ":
            return General(rest) if rest else None
        case "task", " ":
            task = _TASK.fullmatch(rest)
            return Task(int(task[1]), task[2], task[3], task[4]) if task else None
        case "overall", " ":
            return _way(None, rest)
        case "progress", " ":
            number, _, way = rest.partition(" ")
            return _way(int(number), way) if re.fullmatch("[0-9]{1,9}", number) else None
        case _:
            return None


def _way(number: int | None, text: str) -> Way | None:
    found = _WAY.fullmatch(text)
    return Way(number, *(int(each) for each in found.groups())) if found else None


def clean(text: str) -> str:
    """A text in one line without signs that a terminal or window would obey (S98); what is no letter becomes U+FFFD."""
    text = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or unicodedata.category(sign) == "Zs" else "\ufffd" for sign in text)


# --- port files -------------------------------------------------------------------------------------------------------

_TITLE: Final = "Pydio port config file"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the service listens on loopback; `api`: the local HTTP API. 0: nowhere."""

    pub: int = DEFAULT_PORT
    command: int = DEFAULT_PORT + 1
    watch: int = DEFAULT_PORT + 2
    api: int = 0


_PORTS: Final = {"pub_socket": "pub", "command_socket": "command", "watch_socket": "watch", "flask_api": "api"}


def encode_port_file(ports: Ports) -> str:
    """The port file of the windows of May 2014."""
    lines = (f"{key}:{getattr(ports, name)}" for key, name in _PORTS.items() if getattr(ports, name))
    return "\n".join((f"{_TITLE} ", *lines, ""))


def decode_port_file(text: str) -> Ports:
    """The ports in a file; as those windows do, the usual ones where the file is none, or does not name one."""
    if not text.startswith(_TITLE):
        return Ports()
    found: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        key, _, value = line.partition(":")
        port = _port(value.strip())
        if key.strip() in _PORTS and port:
            found[_PORTS[key.strip()]] = port
    return Ports(**found)


@dataclass(frozen=True, slots=True)
class Api:
    """The local HTTP API, as the windows since June 2014 find it."""

    port: int
    user: str
    password: str


def encode_api_file(api: Api) -> str:
    """The port file of those windows: one line."""
    return f"pydio:{api.port}:{api.user}:{api.password}"


def decode_api_file(text: str) -> Api | None:
    """What such a file tells; None: it is none."""
    parts = text.strip().split(":", 3)
    if len(parts) != 4 or parts[0] != "pydio" or not _port(parts[1]):
        return None
    return Api(_port(parts[1]), parts[2], parts[3])


def _port(text: str) -> int:
    """A port, 0 where the text is none."""
    port = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    return port if port <= 65_535 else 0
