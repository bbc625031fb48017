"""The file with the keys that sign Ditto's access tokens: made when missing, replaced whole, for its owner only."""

import os
from collections.abc import Sequence
from pathlib import Path

from homestow.server.service.ditto_tokens import Key, new_key, read_keys, write_keys
from homestow.values.errors import StorageFailed


def open_keys(path: Path) -> list[Key]:
    """The keys, the newest last; one is made when there is no file.

    Raises:
        StorageFailed: the file is damaged, or cannot be read or written.
    """
    try:
        return read_keys(path.read_text("ascii"))
    except FileNotFoundError:
        keys = [new_key()]
        save_keys(path, keys)
        return keys
    except (OSError, UnicodeDecodeError) as error:
        raise StorageFailed(f"{path} cannot be read: {error}.") from error


def save_keys(path: Path, keys: Sequence[Key]) -> None:
    """Put these keys in the place of those that are there; durable when it returns.

    Raises:
        StorageFailed: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with open(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(write_keys(keys))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror or error}.") from error
