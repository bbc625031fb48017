"""Exit codes, and what went wrong as one line for people."""

import errno

from homestow.values.errors import CloudError, with_reason

FINE = 0
LEFT = 1
"""Something was left undone, with reasons; also: the order cannot be obeyed as things are."""
USAGE = 2
"""The command line or a setting cannot be used as it stands."""
BRAKE = 3
"""One side looked emptied, and nobody has said that it is meant."""
TROUBLE = 4
"""The server, the network, the login, the root or the store is the trouble."""

_USAGE = frozenset({"bad-request", "bad-settings"})
_TROUBLE = frozenset(
    {
        *("unreachable", "not-homestow", "internal", "busy", "cursor-gone"),
        *("login-failed", "login-needed", "too-many-tries"),
        *("storage-failed", "storage-full", "store-locked", "newer-store", "local-root-missing"),
    }
)


class Trouble(Exception):
    """A command cannot go on; the text is one line that says what to do, `code` the exit code."""

    def __init__(self, line: str, code: int = LEFT) -> None:
        super().__init__(line)
        self.code = code


def exit_code(error: CloudError) -> int:
    """The exit code that stands for an error of the core."""
    if error.code in _USAGE:
        return USAGE
    return TROUBLE if error.code in _TROUBLE else LEFT


def told(error: BaseException) -> tuple[str, int]:
    """An error as one line without its program's name, and the exit code."""
    match error:
        case Trouble():
            return one_line(str(error)), error.code
        case CloudError():
            return one_line(with_reason(error)), exit_code(error)
        case OSError():
            return one_line(_of_system(error)), TROUBLE
        case _:
            what = one_line(f"{type(error).__name__}: {error}".removesuffix(": "))
            return f"this is a mistake in Homestow ({what}); HOMESTOW_DEBUG=1 shows where, please report it.", LEFT


def one_line(text: str) -> str:
    """`text` without line breaks and other control characters, so that a name in it can say nothing of its own."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _of_system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    hint = {
        errno.ENOSPC: "make room on that disk and try again",
        errno.EACCES: "correct its rights, or run as its owner",
        errno.EPERM: "correct its rights, or run as its owner",
        errno.ENOENT: "name something that exists",
    }.get(error.errno or 0)
    where = f"{error.filename}: " if isinstance(error.filename, str) and error.filename else ""
    return f"{where}{reason}" + (f"; {hint}." if hint else "")
