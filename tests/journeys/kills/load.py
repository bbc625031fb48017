"""A load on a server whose every effect is known: what was acknowledged must be there, what was not is asked for again.

Each hand is one thread with a folder of its own and its own seed. Each of its orders bears one idempotency key, however
often it is sent, so an order that was under way when the server died has one effect, and that exact one (P8).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from blake3 import blake3

from homestow.client.adapters.api_client import Client
from homestow.values.digests import Digest
from homestow.values.errors import NotFound, PathTaken, Unreachable, UploadGone
from homestow.values.nodes import Node
from homestow.wire import api, packs

BLOCK = 64 * 1024
MOST_FILES = 14


def content_of(dice: random.Random, size: int) -> bytes:
    """Content that tells whether it is whole: the digest of the rest, then the rest; `size` counts the rest."""
    rest = dice.randbytes(min(size, 64)) * (size // 64 + 1)
    return blake3(rest[:size]).hexdigest().encode() + rest[:size]


def is_whole(content: bytes) -> bool:
    """Whether it is exactly what somebody wrote."""
    return content[:64] == blake3(content[64:]).hexdigest().encode()


def digest_of(content: bytes) -> Digest:
    """As the server tells it."""
    return Digest(blake3(content).hexdigest())


@dataclass(slots=True)
class File:
    """A file as it was acknowledged: its place, and the digest of each of its contents by rev."""

    node: int
    parent: int
    name: str
    digests: dict[int, Digest] = field(default_factory=dict)
    trashed: bool = False

    @property
    def rev(self) -> int:
        """The present one."""
        return max(self.digests)


Order = Callable[[Client], None]
"""Sends one change, as often as it takes, and notes what was acknowledged."""


class Hand:
    """One thread's folder, files, and the order it has not heard the answer of."""

    def __init__(self, name: str, seed: int, root: int, top: int) -> None:
        self.name = name
        self.dice = random.Random(f"{name} {seed}")
        self.root = root
        self.top = top
        self.folders: list[int] = []
        self.files: dict[int, File] = {}
        self.pending: Order | None = None
        self.acked = 0
        self._names = 0

    # --- running ------------------------------------------------------------------------------------------------------

    def work(self, client: Client, most: int) -> bool:
        """Give orders until the server does not answer (False) or `most` were answered (True)."""
        try:
            for _ in range(most):
                if self.pending is None:
                    self.pending = self._next()
                self.pending(client)
                self.pending = None
                self.acked += 1
        except Unreachable:
            return False
        return True

    def settle(self, client: Client) -> bool:
        """Ask again for what is pending; False when the server does not answer."""
        return self.pending is None or self.work(client, 1)

    def check(self, client: Client, *, versions: bool) -> None:
        """Everything acknowledged is there (P1).

        Args:
            versions: read the bytes of every content that was ever acknowledged, not of the present ones only.
        """
        trashed = {item.node.id for item in client.trash(self.root, limit=10_000).items}
        for file in self.files.values():
            if file.trashed:
                assert file.node in trashed, f"{self.name}: {file} is not in the trash"
                continue
            node = client.node(file.node)
            assert (node.parent, node.name) == (file.parent, file.name), f"{self.name}: {node} is not at {file}"
            assert (node.rev, node.digest) == (file.rev, file.digests[file.rev]), f"{self.name}: {node} is not {file}"
            kept = {version.rev: version.digest for version in client.versions(file.node)}
            assert kept == file.digests, f"{self.name}: versions of {file} are {kept}"
            for rev in file.digests if versions else [file.rev]:
                assert read(client, file.node, rev) == file.digests[rev], f"{self.name}: rev {rev} of {file}"

    # --- what may be next ---------------------------------------------------------------------------------------------

    def _next(self) -> Order:
        if not self.folders:
            return self._make_folder(self.top)
        live = [file for file in self.files.values() if not file.trashed]
        trashed = [file for file in self.files.values() if file.trashed]
        old = [file for file in live if len(file.digests) > 1]
        choices: list[Callable[[], Order]] = [
            self._put,
            self._put_without_key,
            self._put_without_key,
            self._pack,
            self._upload,
            self._cancelled,
            self._folder_and_away,
        ]
        if len(self.folders) < 4:
            choices.append(lambda: self._make_folder(self.dice.choice(self.folders)))
        if live:
            one = self.dice.choice(live)
            choices += [
                lambda: self._replace(one), lambda: self._upload(one), lambda: self._move(one), lambda: self._delete(one),
                lambda: self._touch(one), lambda: self._copy(one), lambda: self._replace(one),
            ]  # fmt: skip
        if old:
            choices.append(lambda: self._restore_version(self.dice.choice(old)))
        if trashed:
            choices += [
                lambda: self._restore(self.dice.choice(trashed)),
                lambda: self._purge(self.dice.choice(trashed)),
            ]
        if len(live) > MOST_FILES:
            return self._delete(self.dice.choice(live))
        if len(trashed) > MOST_FILES:
            return self._purge(self.dice.choice(trashed))
        return self.dice.choice(choices)()

    def _key(self) -> str:
        return f"{self.dice.getrandbits(120):030x}"

    def _name(self) -> str:
        self._names += 1
        return f"{self.name}-{self._names}"

    def _content(self, most: int = 20_000) -> bytes:
        return content_of(self.dice, self.dice.choice([0, 1, self.dice.randrange(most)]))

    def _took(self, node: Node, parent: int, name: str, rev: int, content_digest: Digest) -> None:
        """The server acknowledged a content, and it must be the one that was meant."""
        told = (node.parent, node.name, node.rev, node.digest)
        assert told == (parent, name, rev, content_digest), f"{self.name}: {node}, not {parent, name, rev}"
        file = self.files.setdefault(node.id, File(node.id, parent, name))
        file.digests[rev] = content_digest

    # --- orders -------------------------------------------------------------------------------------------------------

    def _make_folder(self, parent: int) -> Order:
        name, key = self._name(), self._key()

        def send(client: Client) -> None:
            node = client.call("make_folder", Node, api.NewFolder(name=name), node=parent, key=key)
            assert (node.parent, node.name) == (parent, name)
            self.folders.append(node.id)

        return send

    def _put(self) -> Order:
        parent, name, content, key = self.dice.choice(self.folders), self._name(), self._content(), self._key()

        def send(client: Client) -> None:
            node = client.call("put_file", Node, content=content, node=parent, name=name, key=key)
            self._took(node, parent, name, 1, digest_of(content))

        return send

    def _put_without_key(self) -> Order:
        """By the express lane; asked again it finds its own file, since nobody else uses the name."""
        parent, name, content = self.dice.choice(self.folders), self._name(), self._content()

        def send(client: Client) -> None:
            try:
                node = client.call("put_file", Node, content=content, node=parent, name=name)
            except PathTaken:
                (node,) = [each for each in client.children(parent).nodes if each.name == name]
            self._took(node, parent, name, 1, digest_of(content))

        return send

    def _replace(self, file: File) -> Order:
        content, key, base = self._content(), self._key(), file.rev

        def send(client: Client) -> None:
            node = client.call("put_content", Node, content=content, node=file.node, base=base, key=key)
            self._took(node, file.parent, file.name, base + 1, digest_of(content))

        return send

    def _pack(self) -> Order:
        live = [file for file in self.files.values() if not file.trashed]
        items: list[tuple[api.PackItem, bytes, int, str, int]] = []
        for file in self.dice.sample(live, min(len(live), self.dice.randrange(3))):
            content = self._content(3000)
            item = api.PackItem(size=len(content), mtime_ns=1, node=file.node, base=file.rev, digest=digest_of(content))
            items.append((item, content, file.parent, file.name, file.rev + 1))
        for _ in range(self.dice.randrange(1, 4)):
            content, parent, name = self._content(3000), self.dice.choice(self.folders), self._name()
            items.append(
                (api.PackItem(size=len(content), mtime_ns=1, parent=parent, name=name), content, parent, name, 1)
            )
        body, key = b"".join(packs.part(item, content) for item, content, *_ in items), self._key()

        def send(client: Client) -> None:
            answer = client.call("put_pack", api.PackResults, content=body, root=self.root, key=key)
            for (_, content, parent, name, rev), result in zip(items, answer.results, strict=True):
                assert result.node is not None, result
                self._took(result.node, parent, name, rev, digest_of(content))

        return send

    def _upload(self, file: File | None = None) -> Order:
        content, keys = content_of(self.dice, self.dice.choice([0, BLOCK - 64, 3 * BLOCK + BLOCK // 2])), self._key()
        parent, name = (self.dice.choice(self.folders), self._name()) if file is None else (file.parent, file.name)
        rev = 1 if file is None else file.rev + 1
        begin = api.NewUpload(
            size=len(content), block_size=BLOCK, **({"parent": parent, "name": name} if file is None else
                                                   {"node": file.node, "base": file.rev})
        )  # fmt: skip
        return _Uploading(self, begin, content, keys, parent, name, rev).send

    def _cancelled(self) -> Order:
        begin = api.NewUpload(size=BLOCK, block_size=BLOCK, parent=self.dice.choice(self.folders), name=self._name())
        key = self._key()

        def send(client: Client) -> None:
            try:
                upload = client.call("begin_upload", api.Upload, begin, key=key)
                client.call("put_block", api.Upload, content=bytes(100), upload=upload.id, offset=0)
                client.act("cancel_upload", upload=upload.id)
            except UploadGone:
                pass  # cancelled, and the answer was lost

        return send

    def _folder_and_away(self) -> Order:
        """A folder with a file in it, into the trash and out of it for good."""
        parent, name, key = self.dice.choice(self.folders), self._name(), self._key()
        content = self._content(500)

        def send(client: Client) -> None:
            folder = client.call("make_folder", Node, api.NewFolder(name=name), node=parent, key=key + "m")
            try:
                client.call("put_file", Node, content=content, node=folder.id, name="inside", key=key + "f")
                client.act("delete", node=folder.id, key=key + "d")
                client.act("purge", node=folder.id, key=key + "p")
            except NotFound as error:
                raise AssertionError(f"{self.name}: {name} went away before it was purged") from error

        return send

    def _move(self, file: File) -> Order:
        parent, name, key = self.dice.choice(self.folders), self._name(), self._key()
        move = api.Move(parent=parent, name=name, place_only=self.dice.random() < 0.2)

        def send(client: Client) -> None:
            node = client.call("move", Node, move, node=file.node, key=key)
            assert (node.parent, node.name) == (parent, name)
            file.parent, file.name = parent, name

        return send

    def _touch(self, file: File) -> Order:
        facts, key = api.Facts(mtime_ns=self.dice.randrange(10**18)), self._key()

        def send(client: Client) -> None:
            node = client.call("set_facts", Node, facts, node=file.node, key=key)
            assert node.mtime_ns == facts.mtime_ns

        return send

    def _copy(self, file: File) -> Order:
        parent, name, key, digest = self.dice.choice(self.folders), self._name(), self._key(), file.digests[file.rev]

        def send(client: Client) -> None:
            node = client.call("copy", Node, api.Copy(parent=parent, name=name), node=file.node, key=key)
            self._took(node, parent, name, 1, digest)

        return send

    def _delete(self, file: File) -> Order:
        key = self._key()

        def send(client: Client) -> None:
            client.act("delete", node=file.node, key=key)
            file.trashed = True

        return send

    def _restore(self, file: File) -> Order:
        key = self._key()

        def send(client: Client) -> None:
            node = client.call("restore", Node, api.Restore(), node=file.node, key=key)
            assert (node.parent, node.name, node.rev) == (file.parent, file.name, file.rev)
            file.trashed = False

        return send

    def _purge(self, file: File) -> Order:
        key = self._key()

        def send(client: Client) -> None:
            client.act("purge", node=file.node, key=key)
            self.files.pop(file.node, None)

        return send

    def _restore_version(self, file: File) -> Order:
        key, base = self._key(), file.rev
        old = self.dice.choice([rev for rev in file.digests if rev != base])

        def send(client: Client) -> None:
            node = client.call("restore_version", Node, node=file.node, rev=old, base=base, key=key)
            self._took(node, file.parent, file.name, base + 1, file.digests[old])

        return send


@dataclass(slots=True)
class _Uploading:
    """An upload in blocks that goes on where it was: a block that was acknowledged is never asked for again (P7)."""

    hand: Hand
    begin: api.NewUpload
    content: bytes
    key: str
    parent: int
    name: str
    rev: int
    acked: set[int] = field(default_factory=set)

    def send(self, client: Client) -> None:
        """Send what the server does not have, then finish."""
        upload = client.call("begin_upload", api.Upload, self.begin, key=self.key + "b")
        if upload.state != "written":
            have = {at for at in range(0, len(self.content), BLOCK) if self._is_there(upload, at)}
            assert self.acked <= have, f"{self.hand.name}: blocks {self.acked - have} were acknowledged and are lost"
            missing = [at for at in range(0, len(self.content), BLOCK) if at not in have]
            self.hand.dice.shuffle(missing)
            for at in missing:
                block = self.content[at : at + BLOCK]
                client.call("put_block", api.Upload, content=block, upload=upload.id, offset=at)
                self.acked.add(at)
        finish = api.Finish(digest=digest_of(self.content))
        node = client.call("finish_upload", Node, finish, upload=upload.id, key=self.key + "f")
        self.hand._took(node, self.parent, self.name, self.rev, digest_of(self.content))

    def _is_there(self, upload: api.Upload, at: int) -> bool:
        stop = min(at + BLOCK, len(self.content))
        return any(first <= at and stop <= last for first, last in upload.have)


def read(client: Client, node: int, rev: int) -> Digest:
    """Digest of the bytes that a content is served with."""
    hasher = blake3()
    with client.content(node, rev) as answer:
        for piece in answer.pieces():
            hasher.update(piece)
    return Digest(hasher.hexdigest())
