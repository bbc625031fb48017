"""What one job needs to know: which folder, which root on which server, which way."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.rules import Direction

SETTLE_S = 2.0
"""In continuous mode a file waits until it was quiet for so long (R19)."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """One folder kept in step with one root.

    Attributes:
        server: the address without a slash at its end; with netdrive:// or netdrives:// it is spoken to by that protocol.
        token: of this device, or the session of a netdrive server; never written into the job's state (S90).
        folder: absolute path of the folder on this computer; made when its parent exists.
        device: this computer's name, 1 to 64 characters, for conflict names.
        data: folder for the states of jobs, made when missing.
        root: name of the root; None: the account's own, or its only one.
        bind: number of the root on a netdrive server, which may not know names; None: the account's own.
        dialect: how a netdrive server is spoken to, "" for the documented list.
        writable: False where a netdrive server said that the root may only be read.
        direction: see `Direction`.
        accept_deletes: the brake's question is answered with yes for this run (R18).
        timeout_s: longest wait for an answer of the server (P12).
        workers: requests under way at once.
        filters: what is left out on both sides; nothing by default.
        remote_folder: path below the root's top, names with "/" between, of the folder that is kept in step; "" is the whole
            root. Only with the native protocol. Once found, the folder is followed by its id, whatever it is called then.
    """

    server: str
    token: str = field(repr=False)
    folder: Path
    device: str
    data: Path
    root: str | None = None
    direction: Direction = Direction.BOTH
    accept_deletes: bool = False
    timeout_s: float = 60.0
    workers: int = 4
    bind: int | None = None
    dialect: str = ""
    writable: bool = True
    filters: Filters = NOTHING
    remote_folder: str = ""

    @property
    def is_netdrive(self) -> bool:
        """Whether the server is spoken to by the netdrive protocol."""
        return self.server.startswith(("netdrive://", "netdrives://"))

    def state_path(self, root_id: int) -> Path:
        """Where this job's state lies: one file per server, root, folder there and folder here."""
        which = f"{self.server}\0{root_id}\0{self.folder}"
        if there := self.remote_folder.strip("/"):
            which = f"{which}\0{there}"
        digest = hashlib.sha256(which.encode(errors="surrogateescape")).hexdigest()
        return self.data / f"job-{digest[:24]}.sqlite"
