"""How a server is set: the settings, where each may come from, and the layout and lock of its data folder.

A setting comes from the flag, else from the environment (`HOMESTOW_` and its name in capitals), else from
`homestow.toml` in the data folder, else from the isync server's `appConfigs.json` there (`server.app_configs`), else from the
default below. Every mistake is one line that says where it stands and what to do.
"""

import difflib
import fcntl
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, Self

import msgspec

from homestow.server import app_configs
from homestow.server.rules.retention import DAY_NS, HOUR_NS, Retention
from homestow.values.errors import BadSettings, StorageFailed, StoreLocked

ENVIRONMENT = "HOMESTOW_"
Given = Mapping[str, str | int | bool | list[str] | None]
"""Settings by name; None means not given."""

_Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
_Bytes = Annotated[int, msgspec.Meta(ge=0)]
_Most = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=315_360_000)]


class Secret:
    """Text that no log, error or dump shows (S97); `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret('***')"

    def reveal(self) -> str:
        """The text itself."""
        return self._text


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting with its default; the names are those in the file, in the environment and of the flags.

    Attributes:
        http, netdrive, picloud, grpc: "HOST:PORT" a front listens on, ":0" for a free port; None: this front is off.
        public_url: how the server is reached from outside, for links; None: as it was asked.
        tls_cert, tls_key: PEM files; both or neither.
        allow_plain: serve without encryption whoever is not on this machine (S75, S101).
        trusted_proxies: addresses whose forwarded headers are believed (S29).
        signup: whether a stranger may make an account.
        quota: bytes an account may fill, 0: no limit, where nothing else was set for it.
        entries: how many files, folders and older versions an account's own roots may hold, and a root of nobody; 0: no limit.
        versions_all_days, versions_daily_days: all versions are kept so long, then one a day so long.
        trash_days, upload_days, journal_days: how long deleted things, unfinished uploads and the journal are kept.
        rescan_minutes: how often roots are compared with the disk, 0: only at start; watch: whether changes made outside
            are noticed at once.
        backup_key: secret that makes backups tamper-proof; at least 16 characters.
        log_file: what is told goes into this file too.
        users_folder: own roots are made in it; None: `files` in the data folder.
        thumbs_folder: where thumbnails are kept that can be made again; None: `thumbs` in the data folder.
        thumbs_bytes: how much room they may take.
        share_limit, share_seconds: how many links made by isync calls live at once, and how long one lives unused.
        online_limit, online_seconds: how many isync sessions live at once, and how long one lives unused.
        netdrive_open_root: name of the root that netdrive clients of the first phase, which have no login, read and write.
        grpc_reflection: whether anybody may ask the gRPC front what it offers, not only those with a login.
        picloud_inbox_root: name of the root that takes files of PiCloud clients that are not logged in.
        picloud_current_user: PiCloud clients that are not logged in count as whoever logged in last, from wherever.
        picloud_login_seconds: how long a PiCloud client's address stays logged in unused.
        announce: whether the server tells the local network by mDNS that it is there.
        access_log: tell every request too.
        log_level: what is told: debug, info, warning or error.
    """

    http: str = "127.0.0.1:5000"
    netdrive: str | None = None
    picloud: str | None = None
    grpc: str | None = None
    grpc_reflection: bool = False
    public_url: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    allow_plain: bool = False
    trusted_proxies: list[str] = []
    signup: bool = False
    quota: _Bytes = 0
    entries: _Bytes = 5_000_000
    versions_all_days: _Days = 1
    versions_daily_days: _Days = 30
    trash_days: _Days = 30
    upload_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    journal_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 90
    rescan_minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)] = 60
    watch: bool = True
    backup_key: Secret | None = None
    log_file: str | None = None
    users_folder: str | None = None
    thumbs_folder: str | None = None
    thumbs_bytes: _Bytes = 2 << 30
    share_limit: _Most = 1000
    share_seconds: _Seconds = 1800
    online_limit: _Most = 100
    online_seconds: _Seconds = 3600
    netdrive_open_root: str | None = None
    picloud_inbox_root: str | None = None
    picloud_current_user: bool = False
    picloud_login_seconds: _Seconds = 900
    announce: bool = False
    access_log: bool = False
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"

    def retention(self) -> Retention:
        """How long things are kept, as upkeep needs it."""
        return Retention(
            all_versions_ns=self.versions_all_days * DAY_NS,
            daily_versions_ns=self.versions_daily_days * DAY_NS,
            trash_ns=self.trash_days * DAY_NS,
            upload_ns=self.upload_days * DAY_NS,
            journal_ns=self.journal_days * DAY_NS,
            keys_ns=48 * HOUR_NS,
        )


NAMES = tuple(field.name for field in msgspec.structs.fields(Settings))
_SECRETS = frozenset({"backup_key"})
_TABLES = frozenset({"netdrive", "picloud"})
"""Fronts whose settings may stand in a table of the file too: `[netdrive] open_root` is `netdrive_open_root`."""
_ADDRESS = "address"
"""What the setting of such a front's own name is called in its table."""
_RANGES = {
    "log_level": "debug, info, warning or error",
    "upload_days": "a whole number from 1 to 365",
    "journal_days": "a whole number from 1 to 36500",
    "rescan_minutes": "a whole number from 0 to 10080",
    "quota": "a whole number of bytes, 0 or more",
    "entries": "a whole number, 0 or more",
    "thumbs_bytes": "a whole number of bytes, 0 or more",
    **dict.fromkeys(("share_limit", "online_limit"), "a whole number from 1 to 1000000"),
    **dict.fromkeys(
        ("share_seconds", "online_seconds", "picloud_login_seconds"), "a whole number of seconds from 1 to 315360000"
    ),
    "trusted_proxies": 'a list of addresses such as ["192.168.1.2"]',
    **dict.fromkeys(
        ("allow_plain", "announce", "grpc_reflection", "signup", "watch", "access_log", "picloud_current_user"),
        "true or false",
    ),
    **dict.fromkeys(("versions_all_days", "versions_daily_days", "trash_days"), "a whole number from 0 to 36500"),
}


# --- reading ----------------------------------------------------------------------------------------------------------


def load(data: Path, env: Mapping[str, str], flags: Given) -> Settings:
    """The settings of a data folder: flags, then environment, then its `homestow.toml`, then defaults.

    Args:
        data: the data folder; it need not exist.
        env: the environment; only `HOMESTOW_<SETTING>` is read, other names are left alone.
        flags: what the command line gave; None counts as not given.

    Raises:
        BadSettings: a file that cannot be read or is open to others while it holds a secret (S103), an unknown name (with
            a suggestion), a wrong value, or values that do not fit together.
    """
    values: dict[str, object] = {}
    configs = data / app_configs.FILE
    for key, given in app_configs.read(configs).items():
        name = app_configs.SETTINGS[key]
        values[name] = _checked(name, given, f"{configs}: {key}")
    values.update(_from_file(data / "homestow.toml"))
    values.update(_from_environment(env))
    for name, value in flags.items():
        if value is not None:
            values[name] = _checked(name, value, f"--{name.replace('_', '-')}")
    settings = msgspec.convert(values, Settings, dec_hook=_secret, strict=True)
    _check_together(settings)
    return settings


def parse_address(text: str, what: str = "The address") -> tuple[str, int]:
    """Host and port of "HOST:PORT", ":PORT" (this machine only) or "[IPV6]:PORT".

    Raises:
        BadSettings: no port, or one outside 0 to 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535 or (":" in host and host[0] != "["):
        raise BadSettings(f"{what} {text!r} is not HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:5000.")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _from_file(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: this is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        why = error.strerror or "it failed"
        raise BadSettings(
            f"{path} cannot be read: {why}. Make it readable for the user who runs the server."
        ) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(_toml_message(path, str(error))) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not _SECRETS.isdisjoint(values):
        raise BadSettings(f"{path} holds a secret and others may read it; run: chmod 600 {path}")
    found: dict[str, object] = {}
    for name, value, line in _flat(values, text):
        if name in found:
            raise BadSettings(f"{path}:{line}: {name} is given twice, at the top and in a table; leave one out.")
        found[name] = _checked(name, value, f"{path}:{line}")
    return found


def _flat(values: Mapping[str, object], text: str) -> Iterator[tuple[str, object, int]]:
    """Each setting of a file with its line, those in tables under their whole names."""
    for name, value in values.items():
        if name in _TABLES and isinstance(value, dict):
            for key, inner in value.items():
                whole = name if key == _ADDRESS else f"{name}_{key}"
                yield whole, inner, _line_of(key, text, name)
        else:
            yield name, value, _line_of(name, text)


def _toml_message(path: Path, message: str) -> str:
    """tomllib tells the line in brackets at the end."""
    what, _, place = message.rpartition(" (at line ")
    if not what:
        return f"{path}: {message}; correct it there."
    line, _, column = place.removesuffix(")").partition(", column ")
    return f"{path}:{line}: {what} (column {column}); correct it there."


def _line_of(name: str, text: str, table: str | None = None) -> int:
    """In which line of a TOML text a name first stands: at the top, or in a table."""
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace('"', "").replace("[", " ").replace("]", " ").replace("=", " ").replace(".", " ").split()
        if not words:
            continue
        if line.lstrip().startswith("["):
            inside = words[0]
            if table is None and inside == name:
                return number
        elif table is None:
            if words[0] == name:
                return number
        elif (inside == table and words[0] == name) or (inside is None and words[0] == table and name in words):
            return number
    return 1


def _from_environment(env: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in NAMES:
        key = ENVIRONMENT + name.upper()
        if key in env:
            found[name] = _checked(name, _typed(name, env[key]), key)
    return found


def _typed(name: str, text: str) -> object:
    """An environment value in the type of its setting; text that does not fit stays text, and is refused as such."""
    default = getattr(Settings(), name)
    if isinstance(default, bool):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)
    if isinstance(default, int):
        digits = text.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _checked(name: str, value: object, where: str) -> object:
    """A single value, held against its setting's type; `where` begins the message."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(NAMES)}."
        raise BadSettings(f"{where}: there is no setting {name!r}; {hint}")
    try:
        msgspec.convert({name: value}, Settings, dec_hook=_secret, strict=True)
    except msgspec.ValidationError as error:
        wanted = _RANGES.get(name, "text")
        shown = "***" if name in _SECRETS else repr(value)
        raise BadSettings(f"{where}: {name} is {wanted}, not {shown}.") from error
    return value


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError("text is expected")


def _check_together(settings: Settings) -> None:
    for name in ("http", "netdrive", "picloud", "grpc"):
        if (address := getattr(settings, name)) is not None:
            parse_address(address, f"{name}:")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise BadSettings("tls_cert and tls_key belong together; give both or neither.")
    for path in filter(None, (settings.tls_cert, settings.tls_key)):
        _check_pem(Path(path), secret=path == settings.tls_key)
    if settings.public_url is not None and not settings.public_url.startswith(("http://", "https://")):
        raise BadSettings(f"public_url {settings.public_url!r} does not begin with http:// or https://.")
    if settings.versions_daily_days < settings.versions_all_days:
        raise BadSettings("versions_daily_days counts from the same moment as versions_all_days and is not less.")
    for name in ("log_file", "users_folder", "thumbs_folder"):
        if (path := getattr(settings, name)) is not None and not Path(path).is_absolute():
            raise BadSettings(f"{name} {path!r} is not a whole path; begin it with a slash.")
    if settings.backup_key is not None and len(settings.backup_key.reveal()) < 16:
        raise BadSettings("backup_key has fewer than 16 characters; take a longer one.")


def _check_pem(path: Path, *, secret: bool) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}. Name an existing PEM file.") from error
    if secret and mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise BadSettings(f"{path} is a private key and others may read or change it; run: chmod 600 {path}")


# --- the data folder --------------------------------------------------------------------------------------------------


class DataFolder:
    """Where a server keeps what is its own; made at first need, for its owner only (S12)."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / "homestow.db"
        self.files = self.path / "files"
        self.lock = self.path / "lock"
        self.socket = self.path / "control.sock"
        self.settings = self.path / "homestow.toml"

    def make(self) -> Self:
        """Make what is missing of it, mode 0700; what exists stays as it is.

        Raises:
            StorageFailed: it cannot be made or written, with the reason.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.files.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            _cannot(self.path, error)
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise StorageFailed(
                f"The data folder {self.path} cannot be written; run as its owner or give another --data."
            )
        return self

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; the kernel lets go when the process ends, however it ends.

        Raises:
            StoreLocked: another process holds it; fact `pid` is that process, 0 when unknown.
        """
        try:
            fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            _cannot(self.lock, error)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
                pid = int(holder) if holder.isascii() and holder.isdigit() else 0
                who = f"process {pid}" if pid else "another process"
                raise StoreLocked(
                    f"{who} uses the data folder {self.path}; stop it first or wait until it is done.", pid=pid
                ) from error
            except OSError as error:
                _cannot(self.lock, error)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(fd)


def _cannot(path: Path, error: OSError) -> NoReturn:
    raise StorageFailed(
        f"{path} cannot be used: {error.strerror or error}. Give another --data or correct its rights."
    ) from error
