"""The job file: jobs of the sync service as JSON, in the two shapes that people have.

    [{"__type__": "JobConfig", "server": …, "directory": …, "workspace": …}, …]      an array of jobs
    {"home-anna": {"__type__": "JobConfig", "server": …, …}, …}                      an object, jobs by id

Either is written back in its shape, with every key that is not ours, with keys in their order, and with what stands there
twice. One job that cannot be read has a fault and stops no other. Where a file of the array's shape names no `id`, one is made
from server and workspace, by the order in the file.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePath
from typing import Any, Final, NamedTuple, get_args

import msgspec

from homestow.values.errors import BadSettings
from homestow.wire.control.values import (
    DirectionText,
    Filters,
    FrequencyText,
    JobConfig,
    SolveText,
    StartTime,
)

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_JOBS: Final = 1000
MAX_DEPTH: Final = 20

TYPE: Final = "JobConfig"

USUAL_FILTERS: Final = Filters(
    includes=("*",),
    excludes=(
        *(".*", "*/.*", "/recycle_bin*", "*.pydio_dl", "*.DS_Store", "*.pydio_dl.*"),
        *(".~lock.*", "~*", "*.xlk", "*.tmp"),
    ),
)
"""The filters of a job that names none: hidden and temporary files are left out."""

_KEYS: Final = (
    *("id", "label", "server", "workspace", "directory", "remote_folder", "user", "direction", "frequency", "solve"),
    *("start_time", "active", "filters", "timeout", "poolsize"),
)
"""Our keys, in the order in which a new job is written; each is an attribute of `JobConfig`."""

_ID: Final = re.compile(r"[^/\x00-\x1f\x7f ]{1,100}")
_SCHEMES: Final = ("http://", "https://", "netdrive://", "netdrives://")


class Job(NamedTuple):
    """One job of the file, as well as it can be read; `fault` "" means that it can run. See `client.ports.jobfile.Listed`."""

    config: JobConfig
    fault: str
    password: str | None
    remarks: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Job({self.config.id!r}, fault={self.fault!r})"


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: keys in order, also those that stand there twice."""

    def get(self, key: str) -> Any:
        """The last value of a key; None where there is none (or null)."""
        return next((value for name, value in reversed(self) if name == key), None)

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return any(name == key for name, _ in self)

    def twice(self) -> str | None:
        """A key that stands there twice, here or below."""
        seen: set[str] = set()
        for name, value in self:
            if name in seen:
                return name
            seen.add(name)
            if (below := _twice(value)) is not None:
                return below
        return None

    def having(self, key: str, value: Any) -> "Pairs":
        """The same with this value for the key, where it stands or at the end."""
        if not self.has(key):
            return Pairs([*self, (key, value)])
        last = max(number for number, (name, _) in enumerate(self) if name == key)
        return Pairs(
            (name, value if number == last else old)
            for number, (name, old) in enumerate(self)
            if name != key or number == last
        )

    def without(self, key: str) -> "Pairs":
        """The same without the key."""
        return Pairs(pair for pair in self if pair[0] != key)


class _Number(str):
    """A number with a point or an exponent, as it was written."""

    __slots__ = ()


class JobFile:
    """A job file that was read, or an empty one; changing it gives another one."""

    def __init__(self, entries: Iterable[tuple[str | None, Any]] = (), *, array: bool = False, home: str = "") -> None:
        self._entries = tuple(entries)
        self._array, self._home = array, home
        self.jobs: tuple[Job, ...] = tuple(self._read())

    def _read(self) -> Iterator[Job]:
        # Ids that people wrote go before those that we make.
        taken = {name for entry in self._entries if (name := self._written_id(entry)) is not None}
        seen: set[str] = set()
        for number, (key, raw) in enumerate(self._entries):
            written = self._written_id((key, raw))
            again = written is not None and written in seen
            job = _job(raw, "" if again or written is None else written, self._home, taken)
            taken.add(job.config.id)
            seen.add(job.config.id)
            if again:
                job = job._replace(fault=f"Two jobs of the file have the id {written!r}; give the second another one.")
            elif written is None and key is not None:
                job = job._replace(remarks=(*job.remarks, f"{key!r} is no id; {job.config.id!r} is taken instead"))
            if job.fault:
                job = job._replace(fault=f"Job {number + 1} of the file ({job.config.id}): {job.fault}")
            yield job

    def _written_id(self, entry: tuple[str | None, Any]) -> str | None:
        key, raw = entry
        found = key if key is not None else raw.get("id") if isinstance(raw, Pairs) else None
        return found if isinstance(found, str) and is_id(found) else None

    def put(self, config: JobConfig) -> "JobFile":
        """With the job of this id as `config` says, where it stands or at the end; a password of it is taken out."""
        entries = list(self._entries)
        for number, ((key, raw), job) in enumerate(zip(self._entries, self.jobs, strict=True)):
            if job.config.id == config.id:
                entries[number] = (key, _written(raw, None if job.fault else job.config, config, with_id=self._array))
                return self._with(entries)
        entries.append((None if self._array else config.id, _written(None, None, config, with_id=True)))
        return self._with(entries)

    def drop(self, job: str) -> "JobFile":
        """Without the job of this id; the ids of the others stay what they are."""
        entries = [
            (key, raw.having("id", each.config.id) if self._array and isinstance(raw, Pairs) else raw)
            for (key, raw), each in zip(self._entries, self.jobs, strict=True)
            if each.config.id != job
        ]
        return self._with(entries) if len(entries) < len(self._entries) else self

    def drop_password(self, job: str) -> "JobFile":
        """Without the password of the job of this id; the same file when it has none."""
        entries = [
            (key, raw.without("password") if each.config.id == job and isinstance(raw, Pairs) else raw)
            for (key, raw), each in zip(self._entries, self.jobs, strict=True)
        ]
        return self if entries == list(self._entries) else self._with(entries)

    def _with(self, entries: Iterable[tuple[str | None, Any]]) -> "JobFile":
        return JobFile(entries, array=self._array, home=self._home)

    def content(self) -> bytes:
        """The file's bytes."""
        if self._array:
            return (_text([raw for _, raw in self._entries], "") + "\n").encode()
        return (_text(Pairs((key or "", raw) for key, raw in self._entries), "") + "\n").encode()


def read(content: bytes, home: str = "") -> JobFile:
    """The jobs of a file; an empty file has none.

    Args:
        home: what stands for "~" at the beginning of a folder.
    Raises:
        BadSettings: it is no JSON of one of the two shapes, too long, too deep, or of too many jobs.
    """
    if len(content) > MAX_BYTES:
        raise BadSettings(f"A job file has at most {MAX_BYTES // 1024 // 1024} MiB; this is something else.")
    try:
        text = content.decode("utf-8-sig")
        if not text.strip():
            return JobFile(home=home)
        whole = json.loads(text, object_pairs_hook=Pairs, parse_float=_Number, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadSettings("The job file is no UTF-8 text; save it as UTF-8.") from error
    except RecursionError as error:
        raise BadSettings("The job file is nested too deeply; this is something else.") from error
    except ValueError as error:
        raise BadSettings(f"The job file is no JSON: {error}. Correct it there.") from error
    if _depth(whole) > MAX_DEPTH:
        raise BadSettings("The job file is nested too deeply; this is something else.")
    if isinstance(whole, Pairs):
        if whole.has("__type__") or whole.has("server"):
            raise BadSettings('The job file holds one job by itself; put it between "[" and "]".')
        entries: list[tuple[str | None, Any]] = [(key, raw) for key, raw in whole]
    elif isinstance(whole, list):
        entries = [(None, raw) for raw in whole]
    else:
        raise BadSettings("A job file is an array of jobs, or an object with jobs by their ids; this is neither.")
    if len(entries) > MAX_JOBS:
        raise BadSettings(f"A job file has at most {MAX_JOBS:,} jobs.")
    return JobFile(entries, array=not isinstance(whole, Pairs), home=home)


def is_id(text: str) -> bool:
    """Whether it can be a job's id: not a number, no space, no slash."""
    return _ID.fullmatch(text) is not None and not text.isdigit() and _is_unicode(text)


def job_id(server: str, workspace: str, taken: Collection[str]) -> str:
    """An id for a job: `<host>-<workspace>`, then with `-1`, `-2` … behind it; none of `taken`."""
    host = server.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = host.rpartition(":")[0] or host
    name = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in f"{host}-{workspace}")
    name = name.strip("-.")[:80].rstrip("-.") or "job"
    if name.isdigit():
        name = f"job-{name}"
    number, chosen = 0, name
    while chosen in taken:
        number += 1
        chosen = f"{name}-{number}"
    return chosen


def new_id(config: JobConfig, taken: Collection[str]) -> str:
    """An id for a job that has none; none of `taken`."""
    folder = PurePath(config.directory.replace("\\", "/")).name
    return job_id(config.server, config.workspace or config.user or folder, taken)


def changed(config: JobConfig, **changes: object) -> JobConfig:
    """A job with other values.

    Raises:
        BadSettings: a value is out of its range.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(config, **changes)), JobConfig)
    except msgspec.ValidationError as error:
        raise BadSettings(f"This cannot be: {error}.") from error


def cut(path: str) -> str:
    """A path without slashes at its end."""
    return path.rstrip("/\\") or path[:1]


def wrong(config: JobConfig) -> str:
    """What is wrong with a job by itself, in a sentence; "" nothing."""
    host = config.server.partition("://")[2]
    if not config.server.startswith(_SCHEMES) or not host or set(config.server) & set(" \t\r\n?#@") or host[0] in ":/":
        return f"It needs the address of its server, such as https://home.example:5000; {config.server!r} is none."
    if not config.directory:
        return 'It needs the folder on this computer, as "directory".'
    if not PurePath(config.directory).is_absolute():
        return f"The folder {config.directory!r} has to be written in full, beginning with a slash."
    if any(ord(letter) < 32 or ord(letter) == 127 for text in (config.directory, config.server) for letter in text):
        return "Its folder or server has a name with control characters, which cannot be."
    if any(part in (".", "..") for part in config.remote_folder.split("/")):
        return f'The folder on the server {config.remote_folder!r} has to be written without "." and "..".'
    return ""


# --- reading a job ----------------------------------------------------------------------------------------------------


class _Fault(Exception):
    """The job cannot be read; the text is the sentence."""


def _job(raw: Any, written: str, home: str, taken: Collection[str]) -> Job:
    remarks: list[str] = []
    if not isinstance(raw, Pairs):
        config = JobConfig(server="", directory="", id=written or job_id("", "", taken))
        return Job(config, 'It is no object; write {"__type__": "JobConfig", …}.', None, ())
    password = raw.get("password")
    kept = password if type(password) is str and password and _is_unicode(password) else None
    try:
        config = _config(raw, written, home, taken, remarks)
        return Job(config, wrong(config), kept, tuple(remarks))
    except _Fault as fault:
        return Job(_rough(raw, written, taken), str(fault), kept, tuple(remarks))


def _config(raw: Pairs, written: str, home: str, taken: Collection[str], remarks: list[str]) -> JobConfig:
    if raw.get("__type__") != TYPE:
        raise _Fault('"__type__" is missing or another; write "__type__": "JobConfig" into it.')
    if (twice := raw.twice()) is not None:
        raise _Fault(f"{twice!r} stands in it twice; remove one of them.")
    directory = cut(_string(raw, "directory"))
    if directory == "~" or directory.startswith("~/"):
        directory = home + directory[1:]
    if raw.get("trust_ssl") is True:
        remarks.append(
            '"trust_ssl" is not taken: certificates are always checked; have this computer trust the server\'s'
        )
    config = JobConfig(
        server=_string(raw, "server").strip().rstrip("/"),
        directory=directory,
        workspace=_workspace(raw),
        remote_folder=_string(raw, "remote_folder").replace("\\", "/").strip("/"),
        user=_string(raw, "user"),
        label=_string(raw, "label"),
        direction=_direction(raw),
        frequency=_choice(
            raw, "frequency", get_args(FrequencyText), "manual" if raw.get("monitor") is False else "auto", remarks
        ),
        start_time=_start_time(raw, remarks),
        solve=_choice(raw, "solve", get_args(SolveText), "manual", remarks),
        active=_flag(raw, "active", True),
        filters=_filters(raw),
        timeout=_number(raw, "timeout", 60, 1, 3600, remarks),
        poolsize=_number(raw, "poolsize", 4, 1, 16, remarks),
    )
    config = msgspec.structs.replace(config, id=written or new_id(config, taken))
    try:
        checked: JobConfig = msgspec.convert(msgspec.to_builtins(config), JobConfig)
    except msgspec.ValidationError as error:
        raise _Fault(f"{error}.") from error
    return checked


def _rough(raw: Pairs, written: str, taken: Collection[str]) -> JobConfig:
    """What can be shown of a job that cannot be read."""

    def text(key: str) -> str:
        value = raw.get(key)
        return value[:200] if isinstance(value, str) and _is_unicode(value) else ""

    config = JobConfig(server=text("server"), directory=text("directory"), user=text("user"), label=text("label"))
    config = msgspec.structs.replace(config, workspace=text("workspace"))
    return msgspec.structs.replace(config, id=written or new_id(config, taken))


def _string(raw: Pairs, key: str) -> str:
    value = raw.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, _Number):
        raise _Fault(f'"{key}" is no text; write it between quotation marks.')
    if not _is_unicode(value):
        raise _Fault(f'"{key}" is no valid text; write it anew.')
    if len(value) > 4096:
        raise _Fault(f'"{key}" is too long.')
    return value


def _workspace(raw: Pairs) -> str:
    value = raw.get("workspace")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _string(raw, "workspace")


def _flag(raw: Pairs, key: str, usual: bool) -> bool:
    value = raw.get(key)
    if value is None:
        return usual
    if not isinstance(value, bool):
        raise _Fault(f'"{key}" is neither true nor false.')
    return value


def _choice(raw: Pairs, key: str, choices: tuple[Any, ...], usual: Any, remarks: list[str]) -> Any:
    value = raw.get(key)
    if isinstance(value, str) and value in choices:
        return value
    if value is not None:
        remarks.append(f'"{key}" {value!r:.40} is not known, {usual!r} is taken; it can be {", ".join(choices)}')
    return usual


def _direction(raw: Pairs) -> DirectionText:
    value = raw.get("direction")
    match value:
        case None:
            return "bi"
        case "bi" | "up" | "down":
            known: DirectionText = value
            return known
        case _:
            # Another than the one that was meant could send files where they do not belong.
            raise _Fault(
                f'"direction" is {value!r:.40}; it can be "bi", "up" or "down". Put it right, then the job begins.'
            )


def _number(raw: Pairs, key: str, usual: int, least: int, most: int, remarks: list[str]) -> int:
    value = raw.get(key)
    if value is None:
        return usual
    if not isinstance(value, (int, _Number)) or isinstance(value, bool):
        remarks.append(f'"{key}" is no number, {usual} is taken')
        return usual
    found = float(value) if isinstance(value, _Number) or abs(value) < 2**53 else 2.0**53
    taken = int(min(max(found, least), most))
    if taken != found:
        remarks.append(f'"{key}" can be {least:,} to {most:,}, {taken} is taken')
    return taken


def _start_time(raw: Pairs, remarks: list[str]) -> StartTime:
    value = raw.get("start_time")
    if value is None:
        return StartTime()
    hour, minute = (value.get("h"), value.get("m")) if isinstance(value, Pairs) else (None, None)
    hour, minute = 0 if hour is None else hour, 0 if minute is None else minute
    if isinstance(value, Pairs) and _is_within(hour, 24) and _is_within(minute, 60):
        return StartTime(h=hour, m=minute)
    remarks.append('"start_time" is no time of day, 0:00 is taken; write {"h": 3, "m": 30}')
    return StartTime()


def _is_within(value: Any, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def _filters(raw: Pairs) -> Filters:
    value = raw.get("filters")
    if value is None:
        return USUAL_FILTERS
    if not isinstance(value, Pairs):
        raise _Fault('"filters" is no object; write {"includes": ["*"], "excludes": […]}.')

    def patterns(key: str, usual: tuple[str, ...]) -> tuple[str, ...]:
        found = value.get(key)
        if found is None:
            return usual
        if not isinstance(found, list) or isinstance(found, Pairs):
            raise _Fault(f'"{key}" of the filters is no list of patterns.')
        if not all(isinstance(each, str) and not isinstance(each, _Number) and _is_unicode(each) for each in found):
            raise _Fault(f'"{key}" of the filters holds something that is no pattern.')
        if len(found) > 1000 or any(len(each) > 1000 for each in found):
            raise _Fault(f'"{key}" of the filters is too long.')
        return tuple(found)

    return Filters(
        includes=patterns("includes", USUAL_FILTERS.includes), excludes=patterns("excludes", USUAL_FILTERS.excludes)
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def _written(raw: Any, old: JobConfig | None, new: JobConfig, *, with_id: bool) -> Pairs:
    """A job as it stands in the file, with only those keys changed that are other than before; `old` None: all of them."""
    pairs = Pairs(raw) if isinstance(raw, Pairs) else Pairs()
    if pairs.get("__type__") != TYPE:
        pairs = pairs.without("__type__") if pairs.has("__type__") else pairs
        pairs = Pairs([("__type__", TYPE), *pairs])
    pairs = pairs.without("password")
    for key in _KEYS:
        value = getattr(new, key)
        if key == "id":
            if with_id and pairs.get("id") != value:
                pairs = pairs.having("id", value)
        elif old is None or getattr(old, key) != value:
            pairs = pairs.having(key, _plain(value))
    if old is not None and old.frequency != new.frequency:
        pairs = pairs.without("monitor")
    return pairs


def _plain(value: Any) -> Any:
    found = msgspec.to_builtins(value)
    return _pairs(found)


def _pairs(value: Any) -> Any:
    match value:
        case dict():
            return Pairs((key, _pairs(each)) for key, each in value.items())
        case list() | tuple():
            return [_pairs(each) for each in value]
        case _:
            return value


def _text(value: Any, indent: str) -> str:
    inner = indent + "  "
    match value:
        case Pairs():
            if not value:
                return "{}"
            body = ",\n".join(f"{inner}{_quoted(key)}: {_text(each, inner)}" for key, each in value)
            return f"{{\n{body}\n{indent}}}"
        case list():
            if all(isinstance(each, (str, int)) for each in value):
                return "[" + ", ".join(_text(each, inner) for each in value) + "]"
            return "[\n" + ",\n".join(inner + _text(each, inner) for each in value) + f"\n{indent}]"
        case _Number():
            return str(value)
        case str():
            return _quoted(value)
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not _is_unicode(text))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _twice(value: Any) -> str | None:
    match value:
        case Pairs():
            return value.twice()
        case list():
            return next((found for each in value if (found := _twice(each)) is not None), None)
        case _:
            return None


def _depth(value: Any) -> int:
    """How deep it is nested, at most one more than `MAX_DEPTH`."""
    level: list[Any] = [value]
    for depth in range(MAX_DEPTH + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return depth
    return MAX_DEPTH + 1


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case Pairs():
            return [each for _, each in value]
        case list():
            return value
        case _:
            return ()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
