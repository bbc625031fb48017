"""What the control protocol speaks of: jobs, what they are told to be, and how they are."""

from typing import Annotated, Final, Literal

import msgspec

VERSION: Final = 1
TOPIC: Final = "homestow.1/"
"""All our publications begin with this; an old window subscribes to none of it."""

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""No order is longer (S85)."""

MAX_LIST: Final = 1000
"""Lists in answers are cut to so many entries."""

Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
JobId = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^/\x00-\x1f\x7f ]+$")]
"""Letters of any script, digits, "-", "."; never only digits, which would be a number in the list."""

DirectionText = Literal["bi", "up", "down"]
FrequencyText = Literal["auto", "manual", "time"]
SolveText = Literal["manual", "remote", "local", "both"]
"""What becomes of two different edits of one file. Both are kept in every case, as a conflict copy beside the file that the
server accepted first. manual: a person chooses. both: the copy stays. remote, local: once both lie on the server the copy goes
to its trash, or becomes the file's content with the other as version; nothing is lost (R1)."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages; unknown fields are ignored, so that an older window understands a newer service."""


# --- what a job is told to be -----------------------------------------------------------------------------------------


class Filters(Message, frozen=True):
    """Glob patterns; what matches one of `excludes`, or none of `includes` when there are any, is left out of the sync."""

    includes: tuple[Text, ...] = ()
    excludes: tuple[Text, ...] = ()


class StartTime(Message, frozen=True):
    """A time of day, local."""

    h: Annotated[int, msgspec.Meta(ge=0, le=23)] = 0
    m: Annotated[int, msgspec.Meta(ge=0, le=59)] = 0


class JobConfig(Message, frozen=True):
    """One folder kept in step with one root; the names are those of the job file.

    Attributes:
        id: "" in a new job: the service gives one.
        server: address without a slash at its end, http(s):// or netdrive(s)://.
        directory: absolute path of the folder on this computer.
        workspace: name or number of the root; "" the account's own.
        remote_folder: a folder of the root, "" all of it.
        user: account's name; never with a password.
        label: what people call the job; "" the folder's name.
        frequency: auto: at once, always; manual: when told; time: daily at `start_time`.
        timeout: seconds to wait for the server, 1 to 3,600. poolsize: requests under way at once, 1 to 16.
    """

    server: Text
    directory: Text
    id: Annotated[str, msgspec.Meta(max_length=100)] = ""
    workspace: Text = ""
    remote_folder: Text = ""
    user: Text = ""
    label: Text = ""
    direction: DirectionText = "bi"
    frequency: FrequencyText = "auto"
    start_time: StartTime = StartTime()
    solve: SolveText = "manual"
    active: bool = True
    filters: Filters = Filters()
    timeout: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    poolsize: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4


# --- what is going on -------------------------------------------------------------------------------------------------

StateText = Literal[
    "off",
    "starting",
    "listing",
    "scanning",
    "syncing",
    "synced",
    "left",
    "paused",
    "waiting",
    "asking",
    "scheduled",
    "failed",
]
"""off: not active. synced: in step. left: in step but for problems. waiting: the server, the network or the folder is away; goes on
by itself. asking: the brake wants an answer. scheduled: rests until its time or an order. failed: somebody has to do something."""

GeneralText = Literal["none", "starting", "syncing", "synced", "left", "paused", "waiting", "asking", "failed"]
"""All jobs in one word, the most urgent first: failed, asking, syncing, starting, waiting, left, paused, synced; none: no jobs."""


class Transfer(Message, frozen=True):
    """One large file on its way; `up`: to the server."""

    path: str
    up: bool
    done_bytes: Whole
    size_bytes: Whole


class Progress(Message, frozen=True):
    """How far a pass is: files and bytes to transfer, bytes per second, seconds left (None: not known), entries looked at."""

    files_done: Whole = 0
    files_total: Whole = 0
    bytes_done: Whole = 0
    bytes_total: Whole = 0
    scanned: Whole = 0
    rate: float = 0.0
    left_s: float | None = None
    current: str = ""
    transfers: tuple[Transfer, ...] = ()


EventKind = Literal[
    "upload", "download", "mkdir", "move", "delete", "conflict", "settled", "state", "problem", "pause", "resume"
]


class Event(Message, frozen=True):
    """Something that happened, kept in the job's log.

    Attributes:
        id: grows with every event of the service.
        side: where it was done: "here" on this computer's disk, "there" on the server, "" neither.
        path, to: what, and where it moved to; a conflict: the file, and its copy.
    """

    id: Whole
    at_ns: Time
    job: str
    kind: EventKind
    side: Literal["here", "there", ""] = ""
    path: str = ""
    to: str = ""
    folder: bool = False
    size: Whole = 0
    code: str = ""
    message: str = ""


class Brake(Message, frozen=True):
    """So many files of so many would be deleted on a side ("here" or "there"): shall they? (R18)."""

    side: Literal["here", "there"]
    files: Whole
    of: Whole


class JobNow(Message, frozen=True):
    """One job as it is.

    Attributes:
        number: its place in the list, from 0.
        code, why: what it waits for or why it failed; "" otherwise.
        paused: by order; it may still end a step.
        problems: items left out of step. conflicts: those that wait for a choice.
        synced_at_ns: when both sides were last in step; None: not yet since the start of the service.
        next_at_ns: when a scheduled job begins; None: when told.
    """

    config: JobConfig
    number: Whole
    state: StateText
    code: str = ""
    why: str = ""
    paused: bool = False
    problems: Whole = 0
    conflicts: Whole = 0
    brake: Brake | None = None
    progress: Progress = Progress()
    last: Event | None = None
    synced_at_ns: Time | None = None
    next_at_ns: Time | None = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self.config.id


class Problem(Message, frozen=True):
    """One item that is not in step, and why; `left` False: it is only told (a link, a pattern), nothing is to be done."""

    job: str
    path: str
    code: str
    message: str
    left: bool


class Side(Message, frozen=True):
    """One of the two contents of a conflict; `file` is its absolute path on this computer, None when it is not there."""

    path: str
    file: str | None
    size: Whole
    mtime_ns: Time


class Conflict(Message, frozen=True):
    """Two contents of one file. `original` has the name, `copy` was set aside by `device`.

    `ready`: both lie on the server, so that a choice can be made; else it has to wait for the next pass.
    """

    id: str
    job: str
    at_ns: Time
    device: str
    original: Side
    copy: Side
    ready: bool


class Settings(Message, frozen=True):
    """The service's own settings.

    Attributes:
        up_kbytes, down_kbytes: most kilobytes (1,000 bytes) per second to and from servers, over all jobs; 0: no limit.
        language: of texts, "" that of the desktop, else "en" or "zh".
        autostart: begin with the desktop session.
        notifications: balloons of the window.
        zmq_port: port of the plain link on loopback, 0: closed. api_port: port of the local HTTP API, 0: only when asked for.
    """

    up_kbytes: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    down_kbytes: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    language: Literal["", "en", "zh"] = ""
    autostart: bool = False
    notifications: bool = True
    zmq_port: Annotated[int, msgspec.Meta(ge=0, le=65_533)] = 0
    api_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0


class About(Message, frozen=True):
    """Who answers: version of Homestow, process id, when it began, its job file ("" none), this computer's name for devices."""

    version: str
    pid: Whole
    begun_ns: Time
    jobs_file: str
    device: str
    general: GeneralText
