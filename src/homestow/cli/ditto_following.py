"""`homestow ditto watch`: events as lines, and upload commands obeyed."""

import json
import sys
import time
import uuid as uuids
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from homestow.cli.ditto_entering import Door, KeptLogins, enter
from homestow.cli.ditto_notes import Notes
from homestow.cli.ditto_transfers import Acting
from homestow.cli.orders import shown
from homestow.cli.troubles import one_line
from homestow.client.adapters.ditto_values import DittoEvent, EventKind
from homestow.client.adapters.this_computer import client_folder

_PATIENCE_S = 120.0
_SECOND_NS = 1_000_000_000


def follow(door: Door, kinds: Collection[str], folder: Path | None, name: str | None, *, as_json: bool) -> None:
    """Show events, and act on commands, until the process is ended.

    Args:
        kinds: by name; none: all.
        folder: whose files the server may ask for; None: nobody acts.
        name: which reader this is; None: one for this computer, account, folder and kinds.
    Raises:
        CloudError: the server refuses. Trouble: nobody knows who it is.
    """
    wanted = [EventKind[kind] for kind in sorted(kinds)]
    entered = enter(door, patience_s=_PATIENCE_S)
    notes = Notes(client_folder() / "ditto" / "sent.db", entered.owner)
    try:
        with entered.client as client:
            client.log_in()
            acting = None if folder is None else Acting(client, notes, folder, _tell, time.sleep)
            for event in client.watch(wanted, name or _reader(wanted, folder)):
                print(shown(json.dumps(_as_json(event)) if as_json else _line(event)), flush=True)
                if acting is not None:
                    acting.act(event)
    finally:
        notes.close()


def _reader(kinds: Collection[EventKind], folder: Path | None) -> str:
    """The same name for the same thing on this computer: what one reader was told, another one was not."""
    what = f"{'' if folder is None else folder.absolute()}\n{','.join(kind.name for kind in kinds)}"
    return str(uuids.uuid5(uuids.UUID(KeptLogins().machine()), what))


def _tell(line: str) -> None:
    print(f"homestow: {one_line(line)}", file=sys.stderr, flush=True)


def _as_json(event: DittoEvent) -> dict[str, object]:
    return {**asdict(event), "kind": event.kind.name}


def _line(event: DittoEvent) -> str:
    match event.kind:
        case EventKind.FILE_TOUPLOAD_COMMANDED:
            what = f"files from {_when(event.start_ns)} to {_when(event.end_ns)}"
        case EventKind.FILEBLOCK_UPLOADED | EventKind.FILEBLOCK_TOUPLOAD_COMMANDED:
            what = f"{event.file}  block {event.block_no}"
        case EventKind.FILE_WRITTEN | EventKind.FILE_UPLOADED:
            what = f"{event.file}  {event.size} bytes  {event.md5}".rstrip()
    return f"{_when(event.created_ns)}  {event.kind.name.lower()}  {what}"


def _when(at_ns: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ns // _SECOND_NS))
    except (ValueError, OverflowError, OSError):
        return "at an odd time"
