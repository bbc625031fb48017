"""`homestow netdrive upload | download`: orders, those that were interrupted too, and transfers with servers of the first phase."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from homestow.cli.carrying import Carried
from homestow.cli.netdrive_entering import Door, entered, known_login
from homestow.cli.netdrive_fetching import PARTIAL, Fetching, publish
from homestow.cli.netdrive_lanes import Lanes
from homestow.cli.netdrive_sending import Sending
from homestow.cli.netdrive_tasks import TaskList, left_over, open_list
from homestow.cli.transfers import Counter, report
from homestow.cli.troubles import USAGE, Trouble
from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_connection import Call
from homestow.client.adapters.this_computer import client_folder
from homestow.values.errors import CloudError, DigestMismatch, PathTaken
from homestow.values.paths import check_name
from homestow.wire.netdrive import Dialect

_LARGEST = 1 << 53


def send(at: Door, user: str | None, files: Sequence[str], to: Sequence[str]) -> int:
    """Carry out an upload, or without files all that were interrupted; the exit code."""
    order = {"files": list(files), "to": [check_name(name) for name in to]} if files else None
    return _orders(at, user, "upload", order, _send)


def fetch(at: Door, user: str | None, paths: Sequence[str], into: str, *, force: bool) -> int:
    """Carry out a download, or without paths all that were interrupted; the exit code."""
    order = {"paths": list(paths), "into": into, "force": force} if paths else None
    return _orders(at, user, "download", order, _fetch)


Doer = Callable[[NetdriveServer, TaskList, Lanes, Counter], Carried]


def _orders(at: Door, user: str | None, what: str, order: dict[str, Any] | None, do: Doer) -> int:
    name, _ = known_login(at, user)
    ours = {"do": what, "server": at.address.url, "user": name, "bind": at.bind}
    folder = client_folder() / "netdrive"
    if order is not None:
        wanted = [{**ours, **order}]
    else:
        wanted = [left for left in left_over(folder) if ours.items() <= left.items()]
        if not wanted:
            raise Trouble(f"name what to {what}: nothing was interrupted.", USAGE)
    counter, lanes, total = Counter(), Lanes(), Carried()
    try:
        for each in wanted:
            tasks = open_list(folder, each)
            try:
                carried = entered(at, name, lambda server, _, tasks=tasks: do(server, tasks, lanes, counter))  # type: ignore[misc]
                tasks.finish()
            finally:
                tasks.close()
            total.add(carried)
    finally:
        counter.clear()
    return report(total, "sent" if what == "upload" else "fetched")


def _send(server: NetdriveServer, tasks: TaskList, lanes: Lanes, counter: Counter) -> Carried:
    sending = Sending(server, tasks, lanes, counter.moved)
    sending.send([Path(file) for file in tasks.order["files"]], tasks.order["to"])
    return sending.carried


def _fetch(server: NetdriveServer, tasks: TaskList, lanes: Lanes, counter: Counter) -> Carried:
    fetching = Fetching(server, tasks, lanes, counter.moved, replace_files=tasks.order["force"])
    fetching.fetch(tasks.order["paths"], Path(tasks.order["into"]))
    return fetching.carried


# --- servers of the first phase ------------------------------------------------------------------------------------------


def phase0_upload(at: Door, files: Sequence[Path]) -> int:
    """Send files by their names; such a server says nothing when it has them, only that it has read all."""
    if not files:
        raise Trouble("which file?", USAGE)
    carried, counter = Carried(), Counter()
    try:
        for path in files:
            try:
                _phase0_put(at, path)
            except (CloudError, OSError) as error:
                carried.failed(path, error)
                continue
            carried.files += 1
            carried.bytes += path.stat().st_size
    finally:
        counter.clear()
    return report(carried, "sent")


def _phase0_put(at: Door, path: Path) -> None:
    with path.open("rb", buffering=0) as file, replace(at, dialect=Dialect.PHASE0).server() as server:
        size = os.fstat(file.fileno()).st_size
        fields = {"filename": check_name(path.name), "size": size}
        server.ask(Call("upload", fields, FileSlice(file.fileno(), 0, size), silent=True, repeatable=False))


def phase0_download(at: Door, names: Sequence[str], into: Path, *, force: bool) -> int:
    """Fetch files by their names."""
    if not names:
        raise Trouble("which file?", USAGE)
    carried, counter = Carried(), Counter()
    try:
        for name in names:
            target = into / name.rpartition("/")[2]
            try:
                carried.bytes += _phase0_get(at, name, target, counter, force=force)
            except (CloudError, OSError) as error:
                carried.failed(target, error)
            else:
                carried.files += 1
    finally:
        counter.clear()
    return report(carried, "fetched")


def _phase0_get(at: Door, name: str, target: Path, counter: Counter, *, force: bool) -> int:
    """Fetch one; its length in bytes."""
    check_name(target.name)
    partial = target.with_name(target.name + PARTIAL)
    for path in (target, partial):
        if os.path.lexists(path) and not force:
            raise PathTaken(f"{path} is there already; --force replaces it.")
    partial.unlink(missing_ok=True)
    try:
        with partial.open("xb", buffering=1 << 20) as file, replace(at, dialect=Dialect.PHASE0).server() as server:

            def take(data: memoryview) -> None:
                file.write(data)
                counter.moved(target.name, len(data))

            answer = server.ask(Call("download", {"filename": name}, sink=take, gives=_LARGEST))
            file.flush()
            if os.fstat(file.fileno()).st_size != answer.body:
                raise DigestMismatch("less came than the server announced; try again.")
            os.fsync(file.fileno())
        publish(partial, target, over=force)
    finally:
        partial.unlink(missing_ok=True)
    return answer.body or 0
