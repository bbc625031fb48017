"""Bringing files: small ones in packs, larger ones by ranges into staging; nothing shows before its digest is right (R20).

A pack is fetched by a worker while the control thread puts the one before on disk. What of a larger file is durable is
remembered, so that a later run asks only for the rest (P7).
"""

from collections.abc import Iterator, Sequence
from hashlib import md5, sha256
from typing import NamedTuple

from blake3 import blake3

from homestow.client.engine.steps import DownloadContent, DownloadNew
from homestow.client.engine.trees import RemoteItem, agreed
from homestow.client.ports.localtree import LocalFull, LocalPath, Staging, Stamp
from homestow.client.ports.state import OpenDownload
from homestow.client.running.deeds import Did
from homestow.client.running.work import Work, file_here, free_name, in_packs, value_of
from homestow.values.digests import Digest
from homestow.values.errors import CloudError, DigestMismatch, NotFound, Stale
from homestow.values.ids import NodeId
from homestow.values.paths import conflict_name

SMALL_BYTES = 256 * 1024
PACK_FILES = 1000
PACK_BYTES = 8 * 1024 * 1024
RANGE_BYTES = 8 * 1024 * 1024
"""What is asked for at once, and remembered at once: making each durable takes no measurable time of a download."""
ALONE_BYTES = 4 * RANGE_BYTES
"""From here on a file's own ranges go in parallel; below, several files do."""
_PIECE_BYTES = 1024 * 1024
_SPARE_BYTES = 16 * 1024 * 1024
"""So much is left free on disk."""


class _File(NamedTuple):
    """A file to bring: `expect` is the local file it replaces, None for a new one in the folder `parent`."""

    item: int
    theirs: RemoteItem
    expect: Stamp | None
    conflict: bool

    @property
    def wanted(self) -> tuple[NodeId, int]:
        """As the server is asked."""
        return NodeId(self.item), self.theirs.rev


class Downloads:
    """Takes the downloading steps of a plan."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, steps: Sequence[DownloadNew | DownloadContent]) -> None:
        """Bring what the steps say, small files first."""
        work, limits = self._work, self._work.remote.limits
        files: dict[int, _File] = {}
        for step in steps:
            with work.answering(step.item):
                theirs = work.there(step.item)
                if isinstance(step, DownloadNew):
                    if work.trees.here(step.item) is None and self._folder_is_here(theirs.parent):
                        files[step.item] = _File(step.item, theirs, None, step.conflict)
                else:
                    files[step.item] = _File(step.item, theirs, work.here(step.item).stamp, False)
        most = min(SMALL_BYTES, limits.pack_file_bytes, limits.pack_bytes)
        small = [(file.item, file.theirs.size) for file in files.values() if file.theirs.size <= most]
        self._run_small(files, small)
        rest = [file for file in files.values() if file.theirs.size > most]
        self._run_several([file for file in rest if file.theirs.size <= ALONE_BYTES])
        for file in rest:
            if file.theirs.size > ALONE_BYTES:
                self._run_alone(file)
                work.remember()

    def _folder_is_here(self, folder: int) -> bool:
        return folder == self._work.trees.top or self._work.trees.is_here(folder)

    def _path(self, file: _File, name: str | None = None) -> LocalPath:
        """Where it shall be, or is."""
        if file.expect is not None:
            return self._work.path(file.item)
        parent = file.theirs.parent
        folder = () if parent == self._work.trees.top else self._work.path(parent)
        return (*folder, file.theirs.name if name is None else name)

    # --- packs --------------------------------------------------------------------------------------------------------

    def _run_small(self, files: dict[int, _File], small: list[tuple[int, int]]) -> None:
        work, limits = self._work, self._work.remote.limits
        packs = in_packs(small, min(PACK_FILES, limits.pack_files), min(PACK_BYTES, limits.pack_bytes))

        def fetch(pack: list[int]) -> list[tuple[NodeId, bytes | CloudError]]:
            return list(work.remote.get_small([files[item].wanted for item in pack]))

        for pack, outcome in work.workers.run(fetch, packs):
            if isinstance(outcome, CloudError):
                for item in pack:
                    work.failed(item, outcome)
                continue
            self._place_small(files, value_of(outcome))
            work.remember()
            work.check_stop()

    def _place_small(self, files: dict[int, _File], got: list[tuple[NodeId, bytes | CloudError]]) -> None:
        """Put a fetched pack on disk: new files together, replaced ones each."""
        work = self._work
        new: list[tuple[_File, Digest, LocalPath, bytes]] = []
        fetched: list[tuple[_File, Digest, bytes]] = []
        for node, content in got:
            with work.answering(node):
                data = value_of(content)
                file, digest = files[node], Digest(blake3(data).hexdigest())
                if work.fingerprints is not None and file.theirs.digest is None:
                    file = file._replace(theirs=file.theirs._replace(digest=work.fingerprints.digest_of(*file.wanted)))
                _checked(file, len(data), digest)
                fetched.append((files[node], digest, data))
        for file, digest, data in self._with_digests(fetched):
            try:
                if file.expect is None:
                    name = self._conflict_name(file, sha256(data).hexdigest()) if file.conflict else None
                    new.append((file, digest, self._path(file, name), data))
                else:
                    self._replace(file, digest, data)
            except CloudError as error:
                work.failed(file.item, error)
        if new:
            results = work.tree.put_small([(path, data, file.theirs.mtime_ns) for file, _, path, data in new])
            work.acted_here()
            for (file, digest, path, _), result in zip(new, results, strict=True):
                try:
                    self._placed(file, digest, path, value_of(result))
                except CloudError as error:
                    work.failed(file.item, error)
        if got:
            size = sum(len(data) for _, _, data in fetched)
            work.progress.small(files[got[-1][0]].theirs.name, len(got), size)

    def _with_digests(self, fetched: list[tuple[_File, Digest, bytes]]) -> list[tuple[_File, Digest, bytes]]:
        """What is about to be put on disk can be told from an edit if we die before it is remembered, and the server has
        other content by then (`engine.earlier`): a digest that only we know is remembered first."""
        known = [(self._with_digest(file, digest), digest, data) for file, digest, data in fetched]
        if any(file.theirs.digest is None for file, _, _ in fetched):
            self._work.remember()
        return known

    def _with_digest(self, file: _File, digest: Digest) -> _File:
        if file.theirs.digest is not None:
            return file
        theirs = file.theirs._replace(digest=digest)
        self._work.trees.set_there(file.item, theirs)
        return file._replace(theirs=theirs)

    def _replace(self, file: _File, digest: Digest, data: bytes) -> None:
        work = self._work
        staging = work.tree.stage(_key(file), len(data))
        try:
            staging.write_at(0, data)
            staging.flush()
            path = self._path(file)
            stamp = work.tree.put(staging, path, file.expect, file.theirs.mtime_ns)
        except BaseException:
            staging.discard()
            raise
        self._placed(file, digest, path, stamp)

    def _conflict_name(self, file: _File, sha256_hex: str) -> str:
        """The name beside the local folder that has the file's own (R14)."""
        work = self._work
        name = conflict_name(file.theirs.name, work.device, file.theirs.mtime_ns, sha256_hex)
        folder = self._path(file)[:-1]
        return free_name(work.tree, folder, name)

    def _placed(self, file: _File, digest: Digest, path: LocalPath, stamp: Stamp) -> None:
        """The content is on disk now."""
        work, theirs = self._work, file.theirs._replace(digest=digest)
        name = path[-1] if file.conflict else None
        if file.expect is None:
            mine = file_here(theirs.parent, theirs.name if name is None else name, digest, stamp)
            known = work.trees.remote.get(file.item)
            if name is None and known == file.theirs and work.trees.arrive_here(agreed(file.item, mine, theirs)):
                work.settled(file.item)
                self._count(file, path)
                return
        else:
            old = work.here(file.item)
            mine = file_here(old.parent, old.name, digest, stamp)._replace(disk=old.disk)
        work.same_content(file.item, mine, theirs)
        self._count(file, path)

    def _count(self, file: _File, path: LocalPath) -> None:
        self._work.did(Did.DOWNLOAD, here=True, path=path, size=file.theirs.size)
        if file.conflict:
            self._work.did(Did.CONFLICT, here=True, path=(*path[:-1], file.theirs.name), to=path)
        counts = self._work.counts
        counts.downloaded += 1
        counts.downloaded_bytes += file.theirs.size
        counts.conflicts += file.conflict

    # --- ranges -------------------------------------------------------------------------------------------------------

    def _run_several(self, files: list[_File]) -> None:
        work = self._work
        earlier = {download.item: download for download in work.state.open_downloads()}

        def fetch(file: _File) -> "tuple[_Receiving, Digest]":
            receiving = _Receiving(work, file, earlier.get(file.item))
            with receiving:
                for part in receiving.missing():
                    receiving.got(receiving.fetch(part))
                return receiving, receiving.checked()

        for file, outcome in work.workers.run(fetch, files):
            self._finished(file, outcome)
            work.remember()
            work.check_stop()

    def _run_alone(self, file: _File) -> None:
        work = self._work
        earlier = {download.item: download for download in work.state.open_downloads()}
        outcome: tuple[_Receiving, Digest] | BaseException
        try:
            receiving = _Receiving(work, file, earlier.get(file.item))
            with receiving:
                for _, part in work.workers.run(receiving.fetch, receiving.missing()):
                    receiving.got(value_of(part))
                outcome = receiving, receiving.checked()
        except CloudError as error:
            outcome = error
        self._finished(file, outcome)

    def _finished(self, file: _File, outcome: "tuple[_Receiving, Digest] | BaseException") -> None:
        work = self._work
        done = False
        with work.answering(file.item):
            try:
                receiving, digest = value_of(outcome)
            finally:
                if not isinstance(outcome, tuple):
                    work.progress.end(file.item, done=False)
            try:
                if file.theirs.digest is None:
                    file = self._with_digest(file, digest)
                    work.remember()
                name = self._conflict_name(file, receiving.sha256()) if file.conflict else None
                path = self._path(file, name)
                stamp = receiving.put(path)
            finally:
                receiving.staging.close()
            self._placed(file, digest, path, stamp)
            done = True
        if done:
            work.acted_here()
            work.state.drop_download(file.item)
            work.progress.end(file.item, done=True)


def _key(file: _File) -> str:
    return f"n{file.item}-r{file.theirs.rev}"


def _checked(file: _File, size: int, digest: Digest) -> Digest:
    theirs = file.theirs
    if size != theirs.size or (theirs.digest is not None and theirs.digest != digest):
        raise DigestMismatch(f"The bytes received of {theirs.name} are not the ones the server has.")
    return digest


class _Receiving:
    """One download by ranges: begun anew or continued; hashed in order while the ranges come."""

    def __init__(self, work: Work, file: _File, earlier: OpenDownload | None) -> None:
        self._work, self._file = work, file
        size = file.theirs.size
        work.progress.begin(file.item, file.theirs.name, False, size)
        self._have: list[tuple[int, int]] = []
        if earlier is not None and earlier.rev == file.theirs.rev and earlier.key in set(work.tree.staged()):
            self._have = sorted(earlier.have)
        elif work.tree.free_bytes() < size + _SPARE_BYTES:
            raise LocalFull(
                f"This computer's disk has too little room for its {size:,} bytes, with some left over for others. "
                "Free some; it is tried again."
            )
        if earlier is not None and earlier.rev != file.theirs.rev:
            work.tree.stage(earlier.key, 0).discard()
            work.state.drop_download(file.item)
        self.staging: Staging = work.tree.stage(_key(file), size)
        self._hasher = blake3()
        self._md5 = md5(usedforsecurity=False) if work.fingerprints is not None else None
        self._hashed = 0
        work.progress.moved(file.item, sum(stop - start for start, stop in self._have), before=True)

    def __enter__(self) -> "_Receiving":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, NotFound | Stale | DigestMismatch):
            self.staging.discard()
            self._work.state.drop_download(self._file.item)
        else:
            self.staging.close()

    def missing(self) -> Iterator[tuple[int, int]]:
        """The ranges [start, stop) still to fetch, in order."""
        size = self._file.theirs.size
        for start in range(0, size, RANGE_BYTES):
            stop = min(start + RANGE_BYTES, size)
            if not any(first <= start and stop <= last for first, last in self._have):
                self._work.check_stop()
                yield start, stop

    def fetch(self, part: tuple[int, int]) -> tuple[int, int]:
        """Bring one range into staging; safe in any thread."""
        start, stop = part
        at = start
        for piece in self._work.remote.read(*self._file.wanted, start, stop):
            self._work.check_stop()
            self.staging.write_at(at, piece)
            at += len(piece)
            self._work.progress.moved(self._file.item, len(piece))
        if at != stop:
            raise DigestMismatch(
                f"The server sent {at - start:,} bytes of {stop - start:,} of {self._file.theirs.name}."
            )
        return part

    def got(self, part: tuple[int, int]) -> None:
        """A range is in staging: it is made durable and remembered, so that whatever ends us costs no more than is under way."""
        self._have = _joined(self._have, part)
        self._hash()
        self.staging.flush()
        kept = OpenDownload(self._file.item, self._file.theirs.rev, _key(self._file), tuple(self._have))
        self._work.state.put_download(kept)

    def _hash(self) -> None:
        """Hash on, as far as staging is without a gap."""
        ready = next((stop for start, stop in self._have if start <= self._hashed < stop), self._hashed)
        while self._hashed < ready:
            data = self.staging.read_at(self._hashed, min(_PIECE_BYTES, ready - self._hashed))
            if not data:
                raise DigestMismatch(f"Staging of {self._file.theirs.name} is shorter than remembered.")
            self._hasher.update(data)
            if self._md5 is not None:
                self._md5.update(data)
            self._hashed += len(data)

    def checked(self) -> Digest:
        """The digest of all that was received; staging is durable.

        Raises:
            DigestMismatch: it is not the server's; nothing is placed (SC-161).
        """
        self._hash()
        digest = _checked(self._file, self._hashed, Digest(self._hasher.hexdigest()))
        if self._md5 is not None and self._work.fingerprints is not None:
            self._work.fingerprints.check(*self._file.wanted, digest, self._md5.hexdigest())
        return digest

    def sha256(self) -> str:
        """SHA-256 of all that was received, for a conflict name."""
        hasher, offset = sha256(), 0
        while data := self.staging.read_at(offset, _PIECE_BYTES):
            hasher.update(data)
            offset += len(data)
        return hasher.hexdigest()

    def put(self, path: LocalPath) -> Stamp:
        """Publish it."""
        file = self._file
        return self._work.tree.put(self.staging, path, file.expect, file.theirs.mtime_ns)


def _joined(have: list[tuple[int, int]], part: tuple[int, int]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((*have, part)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
