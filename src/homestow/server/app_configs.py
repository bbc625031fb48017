"""The settings file of the isync server, `appConfigs.json`: its seven keys, read and written as its article has it.

Numbers may stand as text, as an old set-up script wrote them. Paths may begin with `~`; relative ones are meant from the
file's folder. Keys that are none of the seven are left alone.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from homestow.values.errors import BadSettings

FILE: Final = "appConfigs.json"

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "logFileName": "log_file",
        "thumbPath": "thumbs_folder",
        "defaultUserPath": "users_folder",
        "shareUrlThreshold": "share_limit",
        "shareUrlTimeout": "share_seconds",
        "onlineThreshold": "online_limit",
        "onlineTimeout": "online_seconds",
    }
)
"""Which setting of ours each key is."""

PATHS: Final = frozenset({"logFileName", "thumbPath", "defaultUserPath"})
_DIGITS: Final = 19


def read(path: Path) -> dict[str, str | int]:
    """The keys a file gives, paths made absolute; nothing when there is no file.

    Raises:
        BadSettings: it cannot be read, is no JSON object, or a value is of the wrong type.
    """
    found: dict[str, str | int] = {}
    for key, value in _object(path).items():
        if key in SETTINGS:
            found[key] = typed(key, value, path.parent, f"{path}: ")
    return found


def typed(key: str, value: object, base: Path, where: str) -> str | int:
    """A key's value in its type.

    Args:
        base: relative paths are meant from here.
        where: begins the message of an error.
    Raises:
        BadSettings: it is none.
    """
    if key in PATHS:
        if not isinstance(value, str) or not value or "\0" in value:
            raise BadSettings(f"{where}{key} is a path, not {value!r}.")
        return os.path.abspath(base / os.path.expanduser(value))
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < _DIGITS:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadSettings(f"{where}{key} is a whole number, not {value!r}.")
    return value


def write(path: Path, changes: Mapping[str, str | int]) -> None:
    """Set keys in a file, made when missing; everything else in it stays. It is replaced at once or not at all.

    Raises:
        BadSettings: it is there and no JSON object, or cannot be written.
    """
    text = json.dumps({**_object(path), **changes}, indent=4, ensure_ascii=False) + "\n"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "x", encoding="utf-8", opener=_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise BadSettings(f"{path} cannot be written: {error.strerror or error}.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _object(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise BadSettings(f"{path}: this is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        value = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise BadSettings(
            f"{path}:{error.lineno}: {error.msg} (column {error.colno}); correct it there, or remove the file."
        ) from error
    except RecursionError as error:
        raise BadSettings(f"{path} is nested too deeply; it is one object of settings.") from error
    if not isinstance(value, dict):
        raise BadSettings(f'{path} is no JSON object such as {{"onlineTimeout": 3600}}; correct or remove it.')
    return value
