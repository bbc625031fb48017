"""A person who works in a folder, and what that folder must hold from then on."""

import os
import random
import shutil
from hashlib import sha256
from pathlib import Path

from homestow.client.engine.sightings import PRIVATE_NAME

Tree = dict[tuple[str, ...], bytes | None]
"""Contents by path; None for a folder."""

BIG = 9 * 1024 * 1024
MEDIUM = 300 * 1024


def tree_of(folder: Path) -> Tree:
    """Everything in a folder but what is ours there: the client's private folder, the server's hidden one."""
    found: Tree = {}
    for path, folders, files in os.walk(folder):
        here = Path(path).relative_to(folder).parts
        if not here:
            folders[:] = [name for name in folders if name not in (PRIVATE_NAME, ".homestow")]
        found.update({(*here, name): None for name in folders})
        found.update({(*here, name): (Path(path) / name).read_bytes() for name in files})
    return found


def differences(one: Tree, other: Tree) -> list[str]:
    """What differs, in words short enough to be read."""

    def told(content: bytes | None, there: bool) -> str:
        return (
            "absent"
            if not there
            else "folder"
            if content is None
            else f"{len(content)} B {sha256(content).hexdigest()[:8]}"
        )

    return [
        f"{'/'.join(path)}: {told(one.get(path), path in one)} / {told(other.get(path), path in other)}"
        for path in sorted(one.keys() | other.keys())
        if path not in one or path not in other or one[path] != other[path]
    ]


class Person:
    """Changes files below some top folders; the same is done to `meant`, which therefore is what all must hold in the end."""

    def __init__(self, folder: Path, dice: random.Random, meant: Tree) -> None:
        self.folder = folder
        self.dice = dice
        self.meant = meant
        self._count = 0

    def work(self, tops: list[str]) -> None:
        """A round of everything that a sync client has to carry."""
        for top in tops:
            if (top,) not in self.meant:
                self._folder((top,))
        top = self.dice.choice(tops)
        for _ in range(3):
            self._put((self.dice.choice(tops), self._name("small")), self.dice.randrange(3000))
        self._put((top, self._name("medium")), MEDIUM + self.dice.randrange(1000))
        self._put((top, self._name("empty")), 0)
        if (top, "big") in self.meant:
            self._edit_big((top, "big"))
        else:
            self._put((top, "big"), BIG + self.dice.randrange(1000))
        folder = (top, self._name("folder"))
        self._folder(folder)
        self._put((*folder, "within"), 100)
        for act in (self._replace, self._replace, self._touch, self._rename, self._remove):
            files = [
                path for path, content in self.meant.items()
                if path[0] in tops and content is not None and path[-1] not in ("big", "within")
            ]  # fmt: skip
            if files:
                act(self.dice.choice(files))
        folders = [
            path for path, content in self.meant.items() if path[0] in tops and content is None and len(path) == 2
        ]
        self._rename(self.dice.choice(folders))
        if len(folders) > 3:
            self._remove(next(path for path in self._folders(tops) if len(path) == 2))

    def _folders(self, tops: list[str]) -> list[tuple[str, ...]]:
        return [path for path, content in self.meant.items() if path[0] in tops and content is None]

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self.folder.parent.name}-{self._count}"

    def _at(self, path: tuple[str, ...]) -> Path:
        return self.folder.joinpath(*path)

    def _folder(self, path: tuple[str, ...]) -> None:
        self._at(path).mkdir()
        self.meant[path] = None

    def _put(self, path: tuple[str, ...], size: int) -> None:
        self.meant[path] = self.dice.randbytes(size)
        self._at(path).write_bytes(self.meant[path] or b"")

    def _replace(self, path: tuple[str, ...]) -> None:
        self._put(path, self.dice.randrange(1, 5000))

    def _edit_big(self, path: tuple[str, ...]) -> None:
        content = bytearray(self.meant[path] or b"")
        at = self.dice.randrange(len(content))
        content[at : at + 10] = self.dice.randbytes(10)
        self.meant[path] = bytes(content)
        self._at(path).write_bytes(content)

    def _touch(self, path: tuple[str, ...]) -> None:
        at = self.dice.randrange(10**9, 10**9 * 2)
        os.utime(self._at(path), (at, at))

    def _rename(self, path: tuple[str, ...]) -> None:
        new = (*path[:-1], self._name("renamed"))
        self._at(path).rename(self._at(new))
        for known in [known for known in self.meant if known[: len(path)] == path]:
            self.meant[(*new, *known[len(path) :])] = self.meant.pop(known)

    def _remove(self, path: tuple[str, ...]) -> None:
        if self.meant[path] is None:
            shutil.rmtree(self._at(path))
        else:
            self._at(path).unlink()
        for known in [known for known in self.meant if known[: len(path)] == path]:
            del self.meant[known]
