"""Where a password comes from, and how one on the command line is kept from other people's eyes."""

import os
import sys
from collections.abc import Sequence

from homestow.cli.troubles import USAGE, Trouble
from homestow.client.adapters.keyring_desktop import desktop_keyring

ENVIRONMENT = "HOMESTOW_PASSWORD"
MAX_INPUT = 4096


def hide_password_argument(argv: Sequence[str]) -> None:
    """Overwrite the value of `-p` in what `ps` and /proc show of this process; where the system forbids it, do nothing.

    `argv` itself stays as it is. Between exec and this call the value can be seen: HOMESTOW_PASSWORD or the keyring are better.
    """
    places = _password_values(argv)
    if not places or not sys.platform.startswith("linux"):
        return
    try:
        with open("/proc/self/stat", "rb") as file:
            # Fields 48 and 49 of proc(5): where the arguments lie in this process's memory.
            fields = file.read().rpartition(b")")[2].split()
        begin, end = int(fields[45]), int(fields[46])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            shown = memory.read(end - begin).split(b"\0")[:-1]
            # Python's own arguments stand before ours: count from the end.
            first = len(shown) - len(argv)
            for place, keep in places:
                text = shown[first + place]
                memory.seek(begin + sum(len(part) + 1 for part in shown[: first + place]) + keep)
                memory.write(b"*" * (len(text) - keep))
    except (OSError, ValueError, IndexError):
        return


def _password_values(argv: Sequence[str]) -> list[tuple[int, int]]:
    """Where `argv` holds a password: the argument's index, and how many bytes of it come before the password."""
    if argv[1:2] != ["sync"]:
        return []
    found: list[tuple[int, int]] = []
    for number, word in enumerate(argv[2:], start=2):
        if argv[number - 1] in ("-p", "--password"):
            found.append((number, 0))
        elif word.startswith("--password="):
            found.append((number, len("--password=")))
        elif word.startswith("-p") and len(word) > 2:
            found.append((number, 3 if word[2] == "=" else 2))
    return found


def given_password(argument: str | None = None, *, stdin: bool = False) -> str | None:
    """A password that was given: as argument, on standard input when `stdin`, or in HOMESTOW_PASSWORD; else None.

    Raises:
        Trouble: nothing came on standard input.
    """
    if argument is not None:
        return argument
    if stdin:
        try:
            line = sys.stdin.readline(MAX_INPUT).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise Trouble("the password on standard input is not UTF-8 text.", USAGE) from error
        if not line:
            raise Trouble(
                "--password-stdin was given, but nothing came; write the password and a newline to it.", USAGE
            )
        return line
    return os.environ.get(ENVIRONMENT) or None


def ask_password(prompt: str, *, twice: bool = False) -> str | None:
    """A password typed at the terminal without being shown; None when there is no terminal."""
    if not sys.stdin.isatty():
        return None
    from getpass import getpass

    while True:
        password = getpass(f"{prompt}: ", stream=sys.stderr)
        if not twice or getpass("Once more: ", stream=sys.stderr) == password:
            return password
        print("The two were not the same; again, please.", file=sys.stderr)


def new_password(prompt: str, *, stdin: bool) -> str:
    """A password for an account that is made or changed: given, else asked for twice.

    Raises:
        Trouble: none was given and nobody can be asked.
    """
    password = given_password(stdin=stdin) or ask_password(prompt, twice=True)
    if not password:
        raise Trouble(
            f"no password: write it to standard input with --password-stdin, or set {ENVIRONMENT}.",
            USAGE,
        )
    return password


def keyring_password(service: str, user: str) -> str | None:
    """What the desktop's keyring holds for this server and user; None without keyring or entry."""
    keyring = desktop_keyring()
    return keyring.get(service, user) if keyring is not None else None
