"""What this computer is to the client: its name, and where the client keeps what is its own."""

import os
import socket
from pathlib import Path


def client_folder() -> Path:
    """Where this computer's sync client keeps what is its own: the platform's data folder, `client` in it."""
    return data_home() / "homestow" / "client"


def data_home() -> Path:
    """Where programs keep their data for this user."""
    # The usual place on Linux, without the cost of asking platformdirs for it.
    if os.name == "posix" and os.uname().sysname == "Linux":
        given = os.environ.get("XDG_DATA_HOME", "")
        return Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    import platformdirs

    return Path(platformdirs.user_data_dir())


def device_name() -> str:
    """What this computer is called in the list of devices and in the names of conflict copies."""
    name = socket.gethostname().partition(".")[0]
    return "".join(letter for letter in name if letter.isprintable())[:64].strip() or "computer"
