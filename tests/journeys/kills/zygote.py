"""Starts `homestow` processes by forking one that has imported everything: a start costs little, so many kills fit in a test.

The process that forks runs `python -m tests.journeys.kills.zygote` and speaks lines of JSON on stdin and stdout:
`{"argv", "env", "cwd", "err", "out"}` gives `{"pid"}`; when a child ends it says `{"pid", "status"}`. Its children end with it.
"""

import json
import os
import select
import signal
import sys
from typing import Any

PRELOAD = (
    "homestow.cli.keeping", "homestow.cli.serving", "homestow.cli.orders", "homestow.cli.commands",
    "homestow.server.bootstrap", "homestow.server.settings", "homestow.server.border",
    "homestow.server.fronts.api.binding", "homestow.server.fronts.api.front", "homestow.server.fronts.http.serving",
    "homestow.server.fronts.netdrive.front", "homestow.server.fronts.tcp.serving",
    "homestow.client.bootstrap", "homestow.client.adapters.remote_api", "homestow.client.adapters.state_sqlite",
    "homestow.client.adapters.tree_disk", "homestow.client.adapters.clock_system", "homestow.client.adapters.watch_os",
)  # fmt: skip


def child(order: dict[str, Any]) -> int:
    """Be the command."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name, number, flags in (("out", 1, os.O_WRONLY), ("err", 2, os.O_WRONLY)):
        fd = os.open(order[name], flags | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    fd = os.open(os.devnull, os.O_RDONLY)
    os.dup2(fd, 0)
    os.close(fd)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = ["homestow", *order["argv"]]
    from homestow.cli import main

    return main()


def main() -> None:
    """Fork until stdin closes."""
    import importlib

    for name in PRELOAD:
        importlib.import_module(name)
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: set[int] = set()
    rest = b""
    told = sys.stdout.fileno()
    os.write(told, b"{}\n")
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
        while children and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            children.discard(ended[0])
            os.write(told, (json.dumps({"pid": ended[0], "status": ended[1]}) + "\n").encode())
        if 0 in readable:
            data = os.read(0, 1 << 20)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    code = 70
                    try:
                        code = child(order)
                    finally:
                        sys.stdout.flush()
                        os._exit(code)
                children.add(pid)
                os.write(told, (json.dumps({"pid": pid}) + "\n").encode())
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
