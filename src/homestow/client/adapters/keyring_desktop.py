"""The keyring of the desktop session, where there is one that works. Nothing is imported before it is known that there may be."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

PATIENCE_S: Final = 30.0
"""So long a keyring may take; it may be asking somebody for the word that opens it (P12)."""

_WORKS: Final = 1
"""Keyrings of less priority are none, or plain files, which ours is better than."""


class DesktopKeyring:
    """Secrets in a keyring by service and user. A keyring that is locked, broken or silent holds nothing and takes nothing."""

    def __init__(self, backend: "KeyringBackend", patience_s: float = PATIENCE_S) -> None:
        self._backend, self._patience_s = backend, patience_s

    def get(self, service: str, user: str) -> str | None:
        """The secret; None when there is none, or the keyring does not give it."""
        return self._asked(lambda: self._backend.get_password(service, user), None)

    def put(self, service: str, user: str, secret: str) -> bool:
        """Keep a secret; whether the keyring gives it back as it was."""

        def kept() -> bool:
            self._backend.set_password(service, user, secret)
            return self._backend.get_password(service, user) == secret

        return self._asked(kept, False)

    def drop(self, service: str, user: str) -> None:
        """Forget a secret, if there is one."""
        self._asked(lambda: self._backend.delete_password(service, user), None)

    def _asked(self, work: Callable[[], T], otherwise: T) -> T:
        """What the keyring says within its time; it runs in a thread of its own, which nobody waits for any longer."""
        found: list[T] = []

        def ask() -> None:
            try:
                found.append(work())
            except Exception as error:  # noqa: BLE001 - backends raise whatever their desktops do: it is not to be had
                _note("the keyring refused", error)

        thread = threading.Thread(target=ask, name="keyring", daemon=True)
        thread.start()
        thread.join(self._patience_s)
        return found[0] if found else otherwise


def desktop_keyring() -> DesktopKeyring | None:
    """The keyring of this session; None where there is none. Costs nothing on a machine without a session bus."""
    if sys.platform.startswith("linux") and not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return None
    try:
        import keyring

        backend = keyring.get_keyring()
        return DesktopKeyring(backend) if backend.priority >= _WORKS else None
    except Exception as error:  # noqa: BLE001 - looking for backends runs code of the desktop's: there is no keyring
        _note("the keyring cannot be used", error)
        return None


def _note(what: str, error: Exception) -> None:
    """Log the kind of error only: what a backend says may hold anything (S91)."""
    import logging

    logging.getLogger(__name__).info(what, extra={"reason": type(error).__name__})
