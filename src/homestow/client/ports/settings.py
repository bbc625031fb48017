"""Where the sync service's own settings are kept."""

from typing import Protocol

from homestow.wire.control import Settings


class SettingsStore(Protocol):
    """Thread-safe; what it does not know of the file it keeps."""

    def load(self) -> Settings:
        """The settings; where nothing or nothing usable is kept, those that everybody begins with."""

    def save(self, settings: Settings) -> None:
        """Keep them, durable and whole.

        Raises:
            StorageFailed: they cannot be written; nothing changed.
        """
