"""The settings files in a backup: as they are, but for the key of the backups' own seal.

Whoever can exchange a backup must not find in it the key that would show the exchange (S107).
"""

import re
import tomllib
from pathlib import Path
from typing import Final

from blake3 import blake3

from homestow.server.service.backup_folder import write_file
from homestow.values.errors import ContentMissing, StorageFailed

FILES: Final = ("homestow.toml", "appConfigs.json")
"""The files in a data folder that hold settings."""

_KEY: Final = "backup_key"
_LINE: Final = re.compile(rf"""(?m)^[ \t#]*["']?{_KEY}["']?[ \t]*=.*\n?""")


def copy_settings(data: Path, making: Path) -> tuple[dict[str, str], list[str]]:
    """Copy the settings files of a data folder; the digests of the copies by name, and what could not be copied."""
    copied: dict[str, str] = {}
    missing: list[str] = []
    for name in FILES:
        try:
            body = (data / name).read_bytes()
            body = without_key(body) if name.endswith(".toml") else body
        except FileNotFoundError:
            continue
        except OSError as error:
            missing.append(f"{name}: {error.strerror}")
            continue
        except ContentMissing as error:
            missing.append(f"{name}: {error.message}")
            continue
        write_file(making / name, body)
        copied[name] = blake3(body).hexdigest()
    return copied, missing


def without_key(body: bytes) -> bytes:
    """A homestow.toml without its `backup_key`, also where that stands in a comment.

    Raises:
        ContentMissing: the file cannot be understood, so nobody knows whether the key is still in it.
    """
    try:
        text = body.decode()
        wanted = {name: value for name, value in tomllib.loads(text).items() if name != _KEY}
        left = _LINE.sub("", text)
        if tomllib.loads(left) == wanted and _KEY not in wanted:
            return left.encode()
    except ValueError:
        pass
    raise ContentMissing(f"its {_KEY} cannot be told from the rest; copy the file yourself")


def put_back(chosen: Path, data: Path, digests: dict[str, str]) -> list[str]:
    """Bring back the settings files that are not there; their names.

    Args:
        digests: what the backup's list says about them.
    Raises:
        StorageFailed: a copy is not what it was (S107).
    """
    back: list[str] = []
    for name in FILES:
        if name in digests and not (data / name).exists():
            try:
                body = (chosen / name).read_bytes()
            except OSError as error:
                raise StorageFailed(f"{chosen / name} cannot be read: {error.strerror}.") from error
            if blake3(body).hexdigest() != digests[name]:
                raise StorageFailed(f"{chosen / name} is not the file this backup was made with; take another backup.")
            write_file(data / name, body)
            back.append(name)
    return back
