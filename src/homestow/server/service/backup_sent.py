"""Thumbnails that clients sent, in a backup: nobody can make them again, so they are kept as contents are.

They lie in the data folder by node and level; node ids stay the same when a backup is restored.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from homestow.server.rules.sent_names import FOLDERS, NAME, sent_path
from homestow.server.service.backup_folder import Contents, Sent, free_path, sync_folder, write_file
from homestow.values.errors import ContentMissing, StorageFailed

FOLDER: Final = "thumbs-sent"
"""Where they lie in a data folder."""


def copy_sent(data: Path, contents: Contents) -> tuple[list[Sent], list[str]]:
    """Copy them; the list of them, and what could not be read."""
    sent: list[Sent] = []
    missing: list[str] = []
    paths: list[Path] = []
    try:
        for inner in FOLDERS:
            with suppress(FileNotFoundError):
                folder = data / FOLDER / inner
                paths += [folder / name for name in sorted(os.listdir(folder)) if NAME.fullmatch(name)]
    except OSError as error:
        return [], [f"{FOLDER}: {error.strerror}"]
    for path in paths:
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            continue  # its file was deleted for good meanwhile
        except OSError as error:
            missing.append(f"{FOLDER}/{path.name}: {error.strerror}")
            continue
        sent.append(Sent(path.name, len(body), contents.add_bytes(body)))
    return sent, missing


def put_back_sent(data: Path, contents: Contents, sent: list[Sent]) -> list[str]:
    """Bring them back; lines about those that the backup does not hold any more as they were.

    Raises:
        StorageFailed: the list names what no thumbnail is called (S107), or the disk failed.
    """
    folder = data / FOLDER
    missing: list[str] = []
    try:
        if folder.exists():
            # Of another life of this folder: the same node ids meant other files.
            folder.rename(free_path(data, f"{FOLDER}.before"))
        if not sent:
            return []
        folder.mkdir(mode=0o700)
        for one in sent:
            match = NAME.fullmatch(one.name)
            if match is None:
                raise StorageFailed(f"The backup is damaged: {one.name!r} is no thumbnail of a file.")
            path = folder / sent_path(int(match[1]), int(match[2]))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                write_file(path, contents.read(one.digest, one.size))
            except ContentMissing as error:
                missing.append(f"{FOLDER}/{one.name}: {error.message}")
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.") from error
    sync_folder(folder)
    return missing
