"""What a worker gives up before it looks at anybody's file. Linux; elsewhere only what the resource limits do.

Walls, each on its own enough against what it names, put up where the system allows:
- limits: memory, processor time for each item, no core dump, no growing of any file.
- namespace: another network without a way out (and no rights from the user namespace that comes with it).
- landlock: files are read from the system's and Python's own folders only (workers for films), or nowhere (for pictures).
- seccomp: a list of calls: for pictures only what computing takes, so neither opening, nor sockets, nor starting anything; for
  films, which start ffmpeg, everything that writes, connects or reaches other processes is refused.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from homestow.server.adapters.media_workers import system_calls

MEBI: Final = 1024 * 1024
PICTURES_BYTES: Final = 640 * MEBI
"""Address space for pictures: 50 megapixels with transparency are 200 MiB, twice where they are converted, and the libraries
themselves take over a hundred. (The 256 MiB of S95 would refuse what phones make.)"""
FILMS_BYTES: Final = 1536 * MEBI
"""Address space for ffmpeg: its program alone maps 170 MiB, and 4K films keep some twenty frames."""
CPU_S: Final = 10

_NICE: Final = 19
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWIPC: Final = 0x08000000
_CLONE_THREAD: Final = 0x00010000
_IOPRIO_IDLE: Final = 3 << 13
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_EPERM: Final = 1
_ENOSYS: Final = 38
_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_ABOVE: Final = 0x35
_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_FS_EXECUTE: Final = 1
_FS_READ: Final = 4 | 8
_FS_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_PATH_BENEATH: Final = 1


def confine(films: bool, readable: Sequence[str]) -> list[str]:
    """Put up every wall that this system has; the names of those that stand.

    Args:
        films: for a worker that starts ffmpeg.
        readable: folders it may still read and start programs from.
    """
    walls = ["limits"]
    with suppress(OSError):
        os.nice(_NICE)
    _limit(films)
    if sys.platform != "linux":
        return walls
    libc = ctypes.CDLL(None, use_errno=True)
    calls = system_calls.of(platform.machine())
    if calls is not None:
        libc.syscall(calls["ioprio_set"], 1, 0, _IOPRIO_IDLE)
    # Both at once: the right to have a network of one's own comes with a user namespace of one's own.
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0:
        walls.append("namespace")
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or calls is None:
        return walls
    if _landlock(libc, calls, readable if films else ()):
        walls.append("landlock")
    program = _films_program(calls) if films else _pictures_program(calls)
    if _filter(libc, program):
        walls.append("seccomp")
    return walls


def begin_item() -> None:
    """Give this process its processor time for one more item."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S + 1, hard))


def _limit(films: bool) -> None:
    limits = {
        resource.RLIMIT_AS: FILMS_BYTES if films else PICTURES_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for what, most in limits.items():
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))


def _landlock(libc: ctypes.CDLL, calls: dict[str, int], readable: Sequence[str]) -> bool:
    version = libc.syscall(calls["landlock_create_ruleset"], None, 0, 1)
    if version < 1:
        return False
    handled = (1 << _FS_BITS.get(version, 16)) - 1
    rules = struct.pack("<QQ", handled, 3 if version >= 4 else 0)
    ruleset = libc.syscall(calls["landlock_create_ruleset"], rules, 16 if version >= 4 else 8, 0)
    if ruleset < 0:
        return False
    try:
        for folder in readable:
            with suppress(OSError):
                fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
                try:
                    allowed = _FS_EXECUTE | (_FS_READ if os.path.isdir(folder) else 4)
                    libc.syscall(calls["landlock_add_rule"], ruleset, _PATH_BENEATH, struct.pack("<Qi", allowed, fd), 0)
                finally:
                    os.close(fd)
        return bool(libc.syscall(calls["landlock_restrict_self"], ruleset, 0) == 0)
    finally:
        os.close(ruleset)


# --- seccomp ----------------------------------------------------------------------------------------------------------


def _step(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when, otherwise, value)


def _begin(calls: dict[str, int]) -> list[bytes]:
    """Kill what calls by another machine's numbers; then the number is loaded."""
    return [
        _step(_LOAD, 4),
        _step(_EQUAL, calls["AUDIT_ARCH"], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, 0),
        _step(_ABOVE, 0x40000000, 0, 1),
        _step(_RETURN, _KILL),
    ]


def _pictures_program(calls: dict[str, int]) -> list[bytes]:
    steps = _begin(calls)
    for name in system_calls.COMPUTING:
        if name in calls:
            steps += [_step(_EQUAL, calls[name], 0, 1), _step(_RETURN, _ALLOW)]
    # Threads, which the reader of HEIC insists on, but no processes; its newer form hides its flags, as openat2 does.
    steps += [_step(_EQUAL, calls["clone3"], 0, 1), _step(_RETURN, _ERRNO | _ENOSYS)]
    steps += [
        _step(_EQUAL, calls["clone"], 0, 3),
        _step(_LOAD, 16),
        _step(_ANY_BIT, _CLONE_THREAD, 0, 1),
        _step(_RETURN, _ALLOW),
    ]
    return [*steps, _step(_RETURN, _ERRNO | _EPERM)]


def _films_program(calls: dict[str, int]) -> list[bytes]:
    steps = _begin(calls)
    for name in system_calls.REACHING:
        if name in calls:
            steps += [_step(_EQUAL, calls[name], 0, 1), _step(_RETURN, _ERRNO | _EPERM)]
    # Its flags lie in memory, where a filter cannot look; whoever gets this answer uses the older call.
    steps += [_step(_EQUAL, calls["openat2"], 0, 1), _step(_RETURN, _ERRNO | _ENOSYS)]
    for name, argument in (("open", 1), ("openat", 2)):
        if name in calls:
            steps += [
                _step(_EQUAL, calls[name], 0, 4),
                _step(_LOAD, 16 + 8 * argument),
                _step(_ANY_BIT, _WRITES, 0, 1),
                _step(_RETURN, _ERRNO | _EPERM),
                _step(_RETURN, _ALLOW),
            ]
    return [*steps, _step(_RETURN, _ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _filter(libc: ctypes.CDLL, steps: list[bytes]) -> bool:
    body = b"".join(steps)
    program = _Program(len(steps), ctypes.cast(ctypes.create_string_buffer(body, len(body)), ctypes.c_char_p))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(program), 0, 0) == 0)
