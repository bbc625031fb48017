"""The sync service's settings as a small JSON file."""

import json
import logging
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from homestow.client.private_files import read_whole, write_whole
from homestow.values.errors import StorageFailed
from homestow.wire.control import Settings

_log = logging.getLogger(__name__)


class FileSettings:
    """`ports.settings.SettingsStore` in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()

    def load(self) -> Settings:
        """See the port; a value that cannot be is left out, the others are taken."""
        with self._lock:
            found = self._read()
        settings = Settings()
        for name in Settings.__struct_fields__:
            if name in found:
                try:
                    settings = msgspec.convert({**msgspec.to_builtins(settings), name: found[name]}, Settings)
                except msgspec.ValidationError as error:
                    _log.warning("%s: %s is not taken: %s", self._path, name, error)
        return settings

    def save(self, settings: Settings) -> None:
        """See the port."""
        with self._lock:
            kept = {**self._read(), **msgspec.to_builtins(settings)}
            text = json.dumps(kept, indent=2, ensure_ascii=False)
            write_whole(self._path, text.encode(errors="backslashreplace") + b"\n")

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(read_whole(self._path) or b"{}")
        except (StorageFailed, ValueError, RecursionError) as error:
            _log.warning("%s cannot be used, the usual settings are taken: %s", self._path, error)
            return {}
        return found if isinstance(found, dict) else {}


class MemorySettings:
    """The twin for tests."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()

    def load(self) -> Settings:
        """See the port."""
        return self._settings

    def save(self, settings: Settings) -> None:
        """See the port."""
        self._settings = settings
