"""The orders of the control protocol, what each gives, and how both are wrapped."""

from typing import Annotated, Any, Final, Literal

import msgspec

from homestow.wire.control.values import (
    MAX_LIST,
    VERSION,
    About,
    Conflict,
    Event,
    EventKind,
    JobConfig,
    JobNow,
    Message,
    Problem,
    Settings,
    Text,
    Whole,
)


class Order(Message, frozen=True, tag_field="order"):
    """Base of all orders; `job` in them is a job's id, None: all jobs. No repr shows a password (S91)."""

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "password")
        return f"{type(self).__name__}({', '.join(shown)})"


class Hello(Order, frozen=True, tag="hello"):
    """Who answers; gives `About`."""


class ListJobs(Order, frozen=True, tag="jobs"):
    """All jobs; gives `tuple[JobNow, ...]`."""


class Start(Order, frozen=True, tag="start"):
    """Go on after a pause, or run a scheduled job now; gives the jobs."""

    job: str | None = None


class Pause(Order, frozen=True, tag="pause"):
    """Begin nothing new until `start`, also after the next start of the service; gives the jobs."""

    job: str | None = None


class Reload(Order, frozen=True, tag="reload"):
    """Look at everything anew, soon; a paused job does when it goes on; gives the jobs."""

    job: str | None = None


class ReloadFile(Order, frozen=True, tag="reload-file"):
    """Read the job file again: new jobs begin, missing ones end, changed ones begin anew; gives the jobs."""


class AcceptDeletes(Order, frozen=True, tag="accept-deletes"):
    """The brake's question is answered: delete (SC-193). Only for one job; gives it."""

    job: str


class AddJob(Order, frozen=True, tag="add-job"):
    """A new job, also written to the job file. `password` is traded for a token and kept nowhere else; gives the job."""

    config: JobConfig
    password: str | None = None


class ChangeJob(Order, frozen=True, tag="change-job"):
    """Another configuration for the job of `config.id`; it begins anew with it; gives the job."""

    config: JobConfig
    password: str | None = None


class RemoveJob(Order, frozen=True, tag="remove-job"):
    """Forget a job and what the client remembers of it; files stay on both sides. Gives the jobs that are left."""

    job: str


class Enable(Order, frozen=True, tag="enable"):
    """Make a job active or not, also in the job file; gives it."""

    job: str
    active: bool


class ListLog(Order, frozen=True, tag="log"):
    """Events, newest first, of one job or all, of ids below `before`; gives `tuple[Event, ...]`."""

    job: str | None = None
    before: Whole | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIST)] = 100
    kinds: tuple[EventKind, ...] = ()


class ListProblems(Order, frozen=True, tag="problems"):
    """Items that are not in step; gives `tuple[Problem, ...]`, at most `MAX_LIST`."""

    job: str | None = None


class ListConflicts(Order, frozen=True, tag="conflicts"):
    """Conflicts that wait for a choice; gives `tuple[Conflict, ...]`, at most `MAX_LIST`."""

    job: str | None = None


class Settle(Order, frozen=True, tag="settle"):
    """Choose: keep the original (the copy goes to the trash), the copy (it becomes the file's content, the other stays as a
    version), or both (the copy gets an ordinary name). `conflict` None: all of the job. Gives the conflicts that are left.

    Refused with `local-changed` when one of them is not as it was listed, with `not-ready` when one is not on the server yet.
    """

    job: str
    keep: Literal["original", "copy", "both"]
    conflict: str | None = None


class Discover(Order, frozen=True, tag="discover"):
    """Look for servers on the local network for so long; gives `tuple[Found, ...]`."""

    seconds: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 3.0


class Found(Message, frozen=True):
    """A server that announces itself."""

    name: str
    url: str


class CheckServer(Order, frozen=True, tag="check-server"):
    """Is there a Homestow server at this address? Gives `ServerSeen`; `url` in it is the corrected address."""

    url: Text


class ServerSeen(Message, frozen=True):
    """A server that answers; `user` is the account this computer already has a login of, "" none. `plain`: what is sent there
    crosses the network unprotected, which people must know before they type a password."""

    url: str
    version: str
    user: str = ""
    plain: bool = False


class LogIn(Order, frozen=True, tag="login"):
    """Trade a password for a token that this computer keeps; gives `tuple[Workspace, ...]`."""

    url: Text
    user: Text
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class ListWorkspaces(Order, frozen=True, tag="workspaces"):
    """Roots that the account sees, its own first; gives `tuple[Workspace, ...]`. Refused with `login-needed` without a token."""

    url: Text
    user: Text


class Workspace(Message, frozen=True):
    """A root: number, name, whose rights: own, write or read."""

    id: Whole
    name: str
    rights: Literal["own", "write", "read"]


class ListFolders(Order, frozen=True, tag="folders"):
    """Folders directly in a folder of a root ("" its top); gives `tuple[str, ...]`, their names."""

    url: Text
    user: Text
    workspace: Text
    path: Text = ""


class MakeFolder(Order, frozen=True, tag="make-folder"):
    """Make a folder in a root; gives the names beside it as `ListFolders` would."""

    url: Text
    user: Text
    workspace: Text
    path: Text


class CheckFolder(Order, frozen=True, tag="check-folder"):
    """May this folder of the computer be kept in step? Gives `FolderSeen`."""

    directory: Text


class FolderSeen(Message, frozen=True):
    """What a folder holds (counting stops at 100,000 files: `more`), room on its disk, and what is against it ("" nothing).

    `code` names what is against it, for translation: folder-path, -parent, -rights, -file, -disk, -ours, -unread, or roots-overlap.
    """

    directory: str
    exists: bool
    files: Whole
    size_bytes: Whole
    more: bool
    free_bytes: Whole
    against: str = ""
    code: str = ""


class Share(Order, frozen=True, tag="share"):
    """Make a link to a file or folder of a job for people without an account; gives `Link`."""

    job: str
    path: Text
    days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    password: Annotated[str, msgspec.Meta(min_length=6, max_length=1024)] | None = None


class Link(Message, frozen=True):
    """A link that was made, and its number, by which it is ended on the server."""

    url: str
    id: Whole


class Unshare(Order, frozen=True, tag="unshare"):
    """End a link; gives True."""

    job: str
    link: Whole


class GetSettings(Order, frozen=True, tag="settings"):
    """The service's settings; gives `Settings`."""


class ChangeSettings(Order, frozen=True, tag="change-settings"):
    """Set them all; gives `Settings` as they are then."""

    settings: Settings


class OpenPage(Order, frozen=True, tag="open-page"):
    """Open the local HTTP API if it is not; gives `Page`."""


class Page(Message, frozen=True):
    """Where the browser page is; the address bears a key that works once, for ten minutes."""

    url: str


class Quit(Order, frozen=True, tag="quit"):
    """End the service; gives True, then it ends."""


AnyOrder = (
    Hello | ListJobs | Start | Pause | Reload | ReloadFile | AcceptDeletes | AddJob | ChangeJob | RemoveJob | Enable
    | ListLog | ListProblems | ListConflicts | Settle | Discover | CheckServer | LogIn | ListWorkspaces | ListFolders
    | MakeFolder | CheckFolder | Share | Unshare | GetSettings | ChangeSettings | OpenPage | Quit
)  # fmt: skip

GIVES: Final[dict[type[Order], Any]] = {
    Hello: About,
    ListJobs: tuple[JobNow, ...],
    Start: tuple[JobNow, ...],
    Pause: tuple[JobNow, ...],
    Reload: tuple[JobNow, ...],
    ReloadFile: tuple[JobNow, ...],
    AcceptDeletes: JobNow,
    AddJob: JobNow,
    ChangeJob: JobNow,
    RemoveJob: tuple[JobNow, ...],
    Enable: JobNow,
    ListLog: tuple[Event, ...],
    ListProblems: tuple[Problem, ...],
    ListConflicts: tuple[Conflict, ...],
    Settle: tuple[Conflict, ...],
    Discover: tuple[Found, ...],
    CheckServer: ServerSeen,
    LogIn: tuple[Workspace, ...],
    ListWorkspaces: tuple[Workspace, ...],
    ListFolders: tuple[str, ...],
    MakeFolder: tuple[str, ...],
    CheckFolder: FolderSeen,
    Share: Link,
    Unshare: bool,
    GetSettings: Settings,
    ChangeSettings: Settings,
    OpenPage: Page,
    Quit: bool,
}
"""What each order gives."""

SLOW: Final[frozenset[type[Order]]] = frozenset(
    {AddJob, ChangeJob, RemoveJob, Enable, ReloadFile, Settle, Discover, CheckServer, LogIn, ListWorkspaces, ListFolders, MakeFolder,
     CheckFolder, Share, Unshare, ListConflicts, OpenPage, ChangeSettings}
)  # fmt: skip
"""These may wait for a disk, a server or a job; others are answered at once."""


class Asked(Message, frozen=True):
    """An order on the wire; another `version` than ours is refused with `wrong-version`."""

    order: AnyOrder
    version: int = VERSION


class Refused(Message, frozen=True):
    """Why an order was not done; `code` is one of `values.errors` or `wrong-version`, `not-ready`, `unknown-order`."""

    code: str
    message: str


class Answered(Message, frozen=True, omit_defaults=True):
    """What an order gave (see `GIVES`), or why it was refused; exactly one of both is there."""

    version: int = VERSION
    gave: msgspec.Raw = msgspec.Raw(b"")
    refused: Refused | None = None
