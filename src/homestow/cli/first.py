"""What `homestow start` decides before it does anything: names, passwords, folders and ports for a first run."""

import os
import secrets
import socket
import unicodedata
from pathlib import Path

from homestow.cli.troubles import USAGE, Trouble

PORT = 5000
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that nobody takes for another when reading a password aloud."""


def account_name(wanted: str) -> str:
    """An account's name as near to `wanted` (the person's name on this computer) as the rules allow."""
    kept = "".join(
        letter if letter in "._-" or unicodedata.category(letter)[0] in "LN" else "-"
        for letter in unicodedata.normalize("NFC", wanted)
    )
    while ".." in kept:
        kept = kept.replace("..", ".")
    return kept[:64].strip("._-") or "me"


def new_password() -> str:
    """A password of four groups of four, about 79 bits of chance."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def check_apart(folder: Path, data: Path) -> None:
    """The folder to sync and the server's data must not lie in each other.

    Raises:
        Trouble: they do: the server's files would be synced into themselves without end.
    """
    inner, outer = folder.resolve(), data.resolve()
    if inner == outer or inner.is_relative_to(outer):
        raise Trouble(f"{folder} lies in the server's own folder {data}; name another folder.", USAGE)
    if outer.is_relative_to(inner):
        raise Trouble(
            f"the server's own folder {data} lies in {folder}; name another folder, or another --data.", USAGE
        )


def free_port(wanted: int = PORT) -> int:
    """`wanted`, or 0 (any that is free) when something listens there already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def read_account(path: Path) -> tuple[str, str] | None:
    """Name and password of the first account from its file; None when there is none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    found = dict(line.split(": ", 1) for line in lines if ": " in line)
    return (found["name"], found["password"]) if {"name", "password"} <= found.keys() else None


def write_account(path: Path, name: str, password: str) -> None:
    """Keep name and password of the first account for the owner's eyes only; durable before it returns."""
    text = (
        "The first account of this Homestow. Change its password with: homestow passwd\n"
        f"name: {name}\npassword: {password}\n"
    )
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
