"""`homestow scan`: folders and people of a list become roots, members and nodes; run again it brings them up to date.

The list is the scan configuration of the isync article. One scan at a time; it runs on a thread of its own beside everything
else, and whoever asked may look how far it is.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from homestow.server.ports.clock import Clock
from homestow.server.ports.roots import Root
from homestow.server.rules.access import Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.merging import Merging
from homestow.server.service.outside import Outside
from homestow.server.service.outside_scan import Found
from homestow.server.service.roots import Roots
from homestow.values.errors import BadName, Busy, CloudError, NotFound
from homestow.values.ids import RootId
from homestow.values.paths import check_name, nfc

log = logging.getLogger(__name__)

ReadMedia = Callable[[RootId, Callable[[int, int], None]], object]
"""Reads the media facts of a root that are not known yet; tells (done, all) as it goes."""

_MOST_LINES: Final = 1000
_SHORT: Final = 10
_SETTLES_S: Final = 2.1
_LOOKS_AGAIN: Final = 3


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a scan configuration; without a password nobody can log in by that name."""

    name: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the configuration: absolute `paths`, who shall see them, whether roots inside become folders of them.

    known_only: the paths must lie in roots already (`-p`).
    """

    paths: Sequence[str]
    people: Sequence[Person] = ()
    merge: bool = True
    known_only: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What a scan is doing: `at` is a folder, `done` of `all` (0: nobody knows) entries or files, since when."""

    what: str
    at: str
    done: int
    all: int
    seconds: float


@dataclass(slots=True)
class Scanned:
    """What a scan came to.

    Attributes:
        seen, new, edited, moved, gone: as in `outside_scan.Found`, summed up.
        media: files whose facts were read.
        lines: what happened, for people. problems: what was left, with what to do.
    """

    seen: int = 0
    new: int = 0
    edited: int = 0
    moved: int = 0
    gone: int = 0
    media: int = 0
    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, found: Found, at: str) -> None:
        """Add what one comparison found in a folder."""
        self.seen += found.seen
        self.new += found.new
        self.edited += found.edited
        self.moved += found.moved
        self.gone += found.gone
        self.problems += [f"{at}: left out: {line}" for line in found.skipped]
        if found.away:
            self.problems.append(f"{at}: its folder is not there; nothing was changed.")
        if found.held:
            self.problems.append(
                f"{at}: {found.held:,} files are missing, so many that nothing was deleted; `homestow root scan "
                "--accept-deletes` says that it was meant."
            )
        del self.problems[_MOST_LINES:]


class Scanning:
    """Carries out scans."""

    def __init__(
        self, accounts: Accounts, roots: Roots, outside: Outside, merging: Merging, clock: Clock,
        read_media: ReadMedia | None = None,
    ) -> None:  # fmt: skip
        self._accounts = accounts
        self._roots = roots
        self._outside = outside
        self._merging = merging
        self._clock = clock
        self._read_media = read_media
        self._lock = threading.Lock()
        self._running: Running | None = None

    def start(self, items: Sequence[Item]) -> "Running":
        """Begin a scan on a thread of its own.

        Raises:
            Busy: another one is running.
        """
        with self._lock:
            if self._running is not None and not self._running.ended.is_set():
                raise Busy("Another scan is running; wait until it is done.", retry_after_s=5)
            self._running = running = Running(self._clock)
        threading.Thread(target=self._run, args=(running, items), name="scan", daemon=True).start()
        return running

    def latest(self) -> "Running | None":
        """The scan that runs, or ran last."""
        return self._running

    def _run(self, running: "Running", items: Sequence[Item]) -> None:
        try:
            for item in items:
                self._item(running, item)
        except CloudError as error:
            running.error = error
        except Exception as error:
            log.exception("a scan failed")
            running.error = CloudError(f"The scan failed inside: {type(error).__name__}; the server's log says more.")
        finally:
            running.ended.set()

    # --- one object of the configuration ---

    def _item(self, running: "Running", item: Item) -> None:
        result = running.result
        for person in item.people:
            self._person(person, result)
        touched: dict[RootId, str] = {}
        for path in item.paths:
            running.check()
            running.tell("looking", path, 0, 0)
            try:
                root = self._path(running, item, path)
            except CloudError as error:
                if running.stopping.is_set():
                    raise
                result.problems.append(f"{path}: {error.message}")
                continue
            if root is not None:
                touched[root.id] = root.folder
        if self._read_media is not None:
            for number, folder in touched.items():
                running.check()
                self._media(running, number, folder)

    def _media(self, running: "Running", root: RootId, folder: str) -> None:
        assert self._read_media is not None
        before = running.result.media

        def told(done: int, count: int) -> None:
            running.check()
            running.result.media = before + done
            running.tell("reading media", folder, done, count)

        self._read_media(root, told)

    def _person(self, person: Person, result: Scanned) -> None:
        try:
            account = self._accounts.named(person.name)
        except NotFound:
            self._accounts.add(person.name, person.password, strict=False)
            result.lines.append(f"user {person.name}: made.")
            if person.password is None:
                result.lines.append(f"user {person.name}: has no password, so nobody can log in by that name.")
        else:
            if not person.password or self._accounts.has_password(account, person.password):
                return
            self._accounts.set_password(person.name, person.password, strict=False)
            result.lines.append(f"user {person.name}: has another password now.")
        if person.password and len(person.password) < _SHORT:
            result.lines.append(f"user {person.name}: the password is short; `homestow user passwd` sets a better one.")

    def _path(self, running: "Running", item: Item, path: str) -> Root | None:
        real = os.path.realpath(path)
        if not os.path.isdir(real):
            raise NotFound("there is no such folder on this machine.")
        root = self._roots.holding(real)
        if root is not None and root.folder == real:
            return self._again(running, item, root)
        if root is not None:
            return self._inside(running, item, root, real)
        if item.known_only:
            raise NotFound("it was never scanned: name it in the configuration, with the users who shall see it.")
        return self._new(running, item, real)

    def _again(self, running: "Running", item: Item, root: Root) -> Root:
        for person in item.people:
            account = self._accounts.named(person.name)
            if self._roots.rights(account.id, root.id) < Rights.WRITE:
                self._roots.give(root.id, account.id, Rights.WRITE)
                running.result.lines.append(f"{root.name}: {person.name} may see and change it.")
        files = self._roots.files_in(root.id)
        found = self._outside.rescan(root.id, tell=lambda seen: running.seen(root.folder, seen, files))
        self._found(running, root.id, found, root.folder)
        return root

    def _inside(self, running: "Running", item: Item, root: Root, real: str) -> Root:
        """A folder of a root that is known: whoever sees the root sees it, and nobody else."""
        for person in item.people:
            account = self._accounts.named(person.name)
            if self._roots.rights(account.id, root.id) < Rights.READ:
                running.result.problems.append(
                    f"{real}: it lies in the root {root.name!r}, which {person.name} may not see; if that is wanted: "
                    f"homestow root member {root.name!r} {person.name}"
                )
        inner = tuple(os.path.relpath(real, root.folder).split("/"))
        found = self._outside.look(root.id, [inner], deep=True, tell=lambda seen: running.seen(real, seen, 0))
        self._found(running, root.id, found, real)
        return root

    def _new(self, running: "Running", item: Item, real: str) -> Root:
        inner = self._roots.inside(real)
        people = {self._accounts.named(person.name).id for person in item.people}
        for root in inner:
            if not item.merge:
                raise BadName(f"the root {root.name!r} lies in it; mergeRootPaths makes that a folder of it.")
            self._merging.check(root, real)
            lost = [account.name for account, _ in self._roots.member_list(root.id) if account.id not in people]
            if lost:
                raise BadName(
                    f"the root {root.name!r} lies in it, whose members {', '.join(lost)} would lose it; add them to the users."
                )
        name = nfc(os.path.basename(real)) or "disk"
        with suppress(BadName):
            name = check_name(name)
        members = [(person.name, Rights.WRITE) for person in item.people]
        made = self._roots.add(name, real, members, around={root.id for root in inner})
        for root in inner:
            count = self._merging.merge(root, made)
            running.result.lines.append(
                f"{made.name}: {root.name} is a folder of it now, with {count:,} files and folders."
            )
        found = self._outside.rescan(made.id, tell=lambda seen: running.seen(real, seen, 0))
        running.result.lines.append(f"{made.name}: {real} is shared.")
        self._found(running, made.id, found, real)
        return made

    def _found(self, running: "Running", root: RootId, found: Found, at: str) -> None:
        """Add what a comparison found, and look once more where somebody was just writing."""
        running.result.add(found, at)
        for _ in range(_LOOKS_AGAIN):
            if not found.later:
                return
            running.tell("waiting for files that are being written", at, 0, 0)
            running.stopping.wait(_SETTLES_S)
            running.check()
            found = self._outside.look(root, found.later)
            running.result.add(replace(found, seen=0), at)
        if found.later:
            running.result.problems.append(
                f"{at}: something is still being written there; the server looks again later."
            )


class Running:
    """A scan that runs or has ended. `result` grows; it is whole once `ended` is set."""

    def __init__(self, clock: Clock) -> None:
        self.result = Scanned()
        self._clock = clock
        self.error: CloudError | None = None
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.step = Step("beginning", "", 0, 0, 0.0)
        self._since = self._clock.monotonic()

    def check(self) -> None:
        """Raise `Busy` when somebody asked to stop."""
        if self.stopping.is_set():
            raise Busy("The scan was stopped; run it again to do the rest.", retry_after_s=0)

    def tell(self, what: str, at: str, done: int, count: int) -> None:
        """How far it is."""
        now = self._clock.monotonic()
        if (what, at) != (self.step.what, self.step.at):
            self._since = now
        self.step = Step(what, at, done, count, now - self._since)

    def seen(self, at: str, seen: int, files: int) -> None:
        """So many entries were looked at, of perhaps so many."""
        self.check()
        self.tell("looking", at, seen, files)
