"""A perfect world for the planner: three correlated trees drawn from a seed, and an executor in which every step succeeds.

Contents are tokens. The model is strict where disk and server are: names are free, folders are there and empty, nothing
moves into itself, and no content goes away that the server does not have in its history.
"""

import random
from collections.abc import Iterable

from homestow.client.engine.compare import changed_there
from homestow.client.engine.feed import drop_there
from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import (
    Action,
    Adopt,
    DeleteRemote,
    DownloadContent,
    DownloadNew,
    LearnDigest,
    MakeLocalFolder,
    MakeRemoteFolder,
    MoveLocal,
    MoveRemote,
    ReadDigest,
    RemoveLocal,
    RenameToConflict,
    SetMtimeLocal,
    SetMtimeRemote,
    UploadContent,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees, agreed
from homestow.values.digests import Digest

TOP = 1
ROUNDS = 200


class Model:
    """Trees, what files really hold, and all contents the server ever had."""

    def __init__(self, trees: Trees, rules: Rules) -> None:
        self.trees, self.rules = trees, rules
        self.tokens: dict[int, str] = {}
        """What a file on disk really holds, by inode."""
        self.bytes_there: dict[int, str] = {}
        self.history: set[str] = set()
        self.steps: list[Action] = []
        self._tick = 1000

    def tick(self) -> int:
        """A number never given before."""
        self._tick += 1
        return self._tick

    # --- running ------------------------------------------------------------------------------------------------------

    def converge(self) -> int:
        """Plan and act until nothing is left; how many plans that took, at most 200 (P4)."""
        for number in range(1, ROUNDS + 1):
            chosen = plan(self.trees, self.rules)
            assert chosen.brake is None
            if chosen.settlements:
                assert not chosen.actions
                for settlement in chosen.settlements:
                    settle(self.trees, settlement)
            elif chosen.actions:
                for action in chosen.actions:
                    self.act(action)
            else:
                return number
        raise AssertionError("the plans do not end")

    def act(self, action: Action) -> None:
        """Take one action as a perfect executor does."""
        self.steps.append(action)
        match action:
            case ReadDigest(item):
                mine = self._here(item)
                self.trees.set_here(item, mine._replace(digest=Digest(self.tokens[mine.inode])))
            case LearnDigest(item):
                theirs = self._there(item)
                self.trees.set_there(item, theirs._replace(digest=Digest(self.bytes_there[item])))
            case UploadNew() | UploadContent() | MakeRemoteFolder() | MoveRemote() | DeleteRemote() | SetMtimeRemote():
                self._act_there(action)
            case _:
                self._act_here(action)

    def _act_there(self, action: Action) -> None:
        trees = self.trees
        match action:
            case MakeRemoteFolder(item):
                mine = self._here(item)
                self._free_there(mine.parent, mine.name)
                node = self.tick()
                trees.set_there(node, RemoteItem(mine.parent, mine.name, True, 0, None, 0, self.tick(), 0))
                settle(trees, Adopt(item, node))
            case MoveRemote(item, parent, name, _):
                parent = trees.now(parent)
                self._free_there(parent, name)
                theirs, base = self._there(item), trees.synced.get(item)
                if theirs.folder:
                    assert not self._inside(parent, item, here=False), "a folder moves into itself there"
                theirs = theirs._replace(parent=parent, name=name, change=self.tick())
                trees.set_there(item, theirs)
                if base is not None:
                    trees.set_synced(item, base._replace(parent=parent, name=name))
            case DeleteRemote(item):
                for below in (item, *trees.all_there(item)):
                    theirs, base = self._there(below), trees.synced.get(below)
                    assert base is not None, "what nobody here has seen is deleted there"
                    if self.rules.down and not theirs.folder:
                        assert not changed_there(theirs, base), "an edit nobody here has seen is deleted there"
                drop_there(trees, item)
            case SetMtimeRemote(item, mtime_ns, _):
                self._agree(item, self._here(item), self._there(item)._replace(mtime_ns=mtime_ns, change=self.tick()))
            case UploadNew(item, expect):
                mine = self._here(item)
                assert mine.stamp._replace(ctime_ns=0) == expect._replace(ctime_ns=0)
                self._free_there(mine.parent, mine.name)
                node, token = self.tick(), self.tokens[mine.inode]
                theirs = RemoteItem(
                    mine.parent, mine.name, False, mine.size, Digest(token), 1, self.tick(), mine.mtime_ns
                )
                trees.set_there(node, theirs)
                trees.rename(item, node)
                self._sent(node, mine, theirs, token)
            case UploadContent(item, base_rev, expect):
                mine, theirs = self._here(item), self._there(item)
                assert mine.stamp._replace(ctime_ns=0) == expect._replace(ctime_ns=0)
                assert theirs.rev == base_rev
                token = self.tokens[mine.inode]
                theirs = theirs._replace(
                    size=mine.size, digest=Digest(token), rev=theirs.rev + 1, change=self.tick(), mtime_ns=mine.mtime_ns
                )
                self._sent(item, mine, theirs, token)
            case _:
                raise AssertionError(action)

    def _sent(self, item: int, mine: LocalItem, theirs: RemoteItem, token: str) -> None:
        self.history.add(token)
        self.bytes_there[item] = token
        self._agree(item, mine._replace(digest=Digest(token)), theirs)

    def _agree(self, item: int, mine: LocalItem, theirs: RemoteItem) -> None:
        base = self.trees.synced.get(item)
        new = agreed(item, mine, theirs)
        if base is not None:
            new = new._replace(parent=base.parent, name=base.name)
        self.trees.set_here(item, mine)
        self.trees.set_there(item, theirs)
        self.trees.set_synced(item, new)

    def _act_here(self, action: Action) -> None:
        trees = self.trees
        match action:
            case MakeLocalFolder(item):
                theirs = self._there(item)
                self._free_here(theirs.parent, theirs.name)
                mine = LocalItem(theirs.parent, theirs.name, True, 0, None, None, 0, 0, self.tick())
                trees.agree(item, mine, theirs)
            case MoveLocal(item, parent, name, _):
                self._move_here(item, trees.now(parent), name)
            case RenameToConflict(item, parent, name, _):
                mine = self._here(item)
                parent = trees.now(parent)
                new = f"{name}!{self.tokens.get(mine.inode, 'folder')}"
                while any(self._here(kid).name == new for kid in trees.kids_here(parent)):
                    new += "+"
                self._move_here(item, parent, new)
                base, there = trees.synced.get(item), trees.there(item)
                if base is not None and there is not None:
                    trees.set_synced(item, base._replace(parent=there.parent, name=there.name))
            case RemoveLocal(item, expect, folder):
                mine = self._here(item)
                assert mine.stamp._replace(ctime_ns=0) == expect._replace(ctime_ns=0)
                if folder:
                    assert not list(trees.kids_here(item)), "a folder with something in it is removed"
                else:
                    assert self.tokens[mine.inode] in self.history, "content that nobody else has is removed"
                trees.set_here(item, None)
            case SetMtimeLocal(item, mtime_ns, _):
                self._agree(item, self._here(item)._replace(mtime_ns=mtime_ns), self._there(item))
            case DownloadNew(item, rev, _, conflict):
                theirs = self._there(item)
                assert theirs.rev == rev
                assert trees.here(item) is None
                name = f"{theirs.name}!{self.bytes_there[item]}" if conflict else theirs.name
                self._free_here(theirs.parent, name)
                self._got(item, theirs, theirs.parent, name)
            case DownloadContent(item, rev, _, expect):
                mine, theirs = self._here(item), self._there(item)
                assert mine.stamp._replace(ctime_ns=0) == expect._replace(ctime_ns=0)
                assert theirs.rev == rev
                assert self.tokens[mine.inode] in self.history, "content that nobody else has is replaced"
                self._got(item, theirs, mine.parent, mine.name)
            case _:
                raise AssertionError(action)

    def _got(self, item: int, theirs: RemoteItem, parent: int, name: str) -> None:
        token, inode = self.bytes_there[item], self.tick()
        self.tokens[inode] = token
        mine = LocalItem(parent, name, False, theirs.size, Digest(token), None, theirs.mtime_ns, self.tick(), inode)
        self._agree(item, mine, theirs._replace(digest=Digest(token)))

    def _move_here(self, item: int, parent: int, name: str) -> None:
        mine = self._here(item)
        self._free_here(parent, name)
        if mine.folder:
            assert not self._inside(parent, item, here=True), "a folder moves into itself here"
        else:
            mine = mine._replace(ctime_ns=self.tick())
        self.trees.set_here(item, mine._replace(parent=parent, name=name, disk=None))
        base = self.trees.synced.get(item)
        if base is not None:
            self.trees.set_synced(item, base._replace(parent=parent, name=name))

    # --- what must be so ----------------------------------------------------------------------------------------------

    def _here(self, item: int) -> LocalItem:
        mine = self.trees.here(item)
        assert mine is not None, "it is not here"
        return mine

    def _there(self, item: int) -> RemoteItem:
        theirs = self.trees.there(item)
        assert theirs is not None, "it is not there"
        return theirs

    def _free_here(self, parent: int, name: str) -> None:
        assert parent == TOP or self._here(parent).folder
        assert all(self._here(kid).name != name for kid in self.trees.kids_here(parent)), "the name is taken here"

    def _free_there(self, parent: int, name: str) -> None:
        assert parent == TOP or self._there(parent).folder
        assert all(self._there(kid).name != name for kid in self.trees.kids_there(parent)), "the name is taken there"

    def _inside(self, folder: int, item: int, *, here: bool) -> bool:
        while folder != TOP:
            if folder == item:
                return True
            folder = (self._here(folder) if here else self._there(folder)).parent
        return False

    def live_here(self) -> dict[tuple[str, ...], str | None]:
        """Paths with tokens on disk; None for folders."""
        found: dict[tuple[str, ...], str | None] = {}
        for item in self.trees.all_here(TOP):
            path = self.trees.path_here(item)
            assert path is not None
            mine = self._here(item)
            found[path] = None if mine.folder else self.tokens[mine.inode]
        return found

    def live_there(self) -> dict[tuple[str, ...], str | None]:
        """Paths with tokens on the server; None for folders."""
        found: dict[tuple[str, ...], str | None] = {}
        for item in self.trees.all_there(TOP):
            path = self.trees.path_there(item)
            assert path is not None
            found[path] = None if self._there(item).folder else self.bytes_there[item]
        return found


# --- drawing a case ---------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d", "e")


class Draw:
    """Three correlated trees: a base, changed at random here and there."""

    def __init__(self, seed: int, direction: Direction = Direction.BOTH) -> None:
        self.dice = random.Random(seed)
        self.model = Model(Trees(TOP), Rules(direction, accept_deletes=True))
        self._base(self.dice.randint(0, 9))
        self.model.trees.drain()
        kind = self.dice.random()
        self.changes_here = 0 if kind < 0.1 else self.dice.randint(0, 6)
        self.changes_there = 0 if 0.1 <= kind < 0.2 else self.dice.randint(0, 6)
        self.base_tokens = set(self.model.history)
        for _ in range(self.changes_here):
            self._change_here()
        for _ in range(self.changes_there):
            self._change_there()
        self.before_here = self.model.live_here()
        self.before_there = self.model.live_there()

    def _base(self, size: int) -> None:
        model, trees = self.model, self.model.trees
        for _ in range(size):
            parent = self.dice.choice(self._folders_there())
            name = self._free(trees.kids_there(parent), here=False)
            if name is None:
                continue
            node, folder = model.tick(), self.dice.random() < 0.45
            token = f"t{node}"
            size_bytes = 0 if folder else self.dice.choice((3, 3, 4))
            inode, time = model.tick(), model.tick()
            digest = None if folder else Digest(token)
            theirs = RemoteItem(parent, name, folder, size_bytes, digest, 0 if folder else 1, model.tick(), time)
            mine = LocalItem(parent, name, folder, size_bytes, digest, None, 0 if folder else time, 0, inode)
            if not folder:
                model.tokens[inode] = token
                model.bytes_there[node] = token
                model.history.add(token)
            trees.agree(node, mine, theirs)

    def _folders_here(self) -> list[int]:
        trees = self.model.trees
        return [TOP, *sorted(item for item in trees.all_here(TOP) if (mine := trees.here(item)) and mine.folder)]

    def _folders_there(self) -> list[int]:
        trees = self.model.trees
        return [TOP, *sorted(item for item in trees.all_there(TOP) if (mine := trees.there(item)) and mine.folder)]

    def _free(self, kids: Iterable[int], *, here: bool) -> str | None:
        trees = self.model.trees
        taken = set()
        for kid in kids:
            item = trees.here(kid) if here else trees.there(kid)
            taken.add(item.name if item else "")
        left = [name for name in NAMES if name not in taken]
        return self.dice.choice(left) if left else None

    def _token(self) -> str:
        # Now and then both sides make the same bytes.
        return f"same{self.dice.randint(1, 3)}" if self.dice.random() < 0.2 else f"x{self.model.tick()}"

    def _size(self, token: str) -> int:
        return 5 if token.startswith("same") else self.dice.choice((3, 4, 5))

    def _change_here(self) -> None:
        dice, model, trees = self.dice, self.model, self.model.trees
        items = sorted(trees.all_here(TOP))
        kind = dice.choice(("new", "new", "folder", "edit", "edit", "remove", "move", "move", "swap", "touch", "turn"))
        if kind in ("new", "folder") or not items:
            parent = dice.choice(self._folders_here())
            name = self._free(trees.kids_here(parent), here=True)
            if name is not None:
                self._make_here(parent, name, folder=kind == "folder")
            return
        item = dice.choice(items)
        mine = trees.here(item)
        assert mine is not None
        if kind == "edit" and not mine.folder:
            self._write_here(item, mine, self._token())
        elif kind == "touch" and not mine.folder:
            trees.set_here(item, mine._replace(mtime_ns=model.tick(), ctime_ns=model.tick(), digest=None))
        elif kind in ("remove", "turn"):
            for below in (*reversed(list(trees.all_here(item))), item):
                trees.set_here(below, None)
            if kind == "turn":
                self._make_here(mine.parent, mine.name, folder=not mine.folder)
        elif kind == "move":
            self._move(item, mine, here=True)
        elif kind == "swap":
            other = dice.choice(items)
            theirs = trees.here(other)
            assert theirs is not None
            if not self._related(item, other, here=True):
                trees.set_here(item, mine._replace(parent=theirs.parent, name=theirs.name))
                trees.set_here(other, theirs._replace(parent=mine.parent, name=mine.name))

    def _related(self, one: int, other: int, *, here: bool) -> bool:
        below = self.model.trees.all_here if here else self.model.trees.all_there
        return one == other or other in set(below(one)) or one in set(below(other))

    def _make_here(self, parent: int, name: str, *, folder: bool) -> None:
        model, token = self.model, self._token()
        item, inode = model.trees.new_id(), model.tick()
        if folder:
            model.trees.set_here(item, LocalItem(parent, name, True, 0, None, None, 0, 0, inode))
            return
        model.tokens[inode] = token
        digest = Digest(token) if self.dice.random() < 0.3 else None
        time = model.tick()
        model.trees.set_here(item, LocalItem(parent, name, False, self._size(token), digest, None, time, time, inode))

    def _write_here(self, item: int, mine: LocalItem, token: str) -> None:
        model, inode, time = self.model, self.model.tick(), self.model.tick()
        model.tokens[inode] = token
        digest = Digest(token) if self.dice.random() < 0.3 else None
        changed = mine._replace(size=self._size(token), digest=digest, mtime_ns=time, ctime_ns=time, inode=inode)
        model.trees.set_here(item, changed)

    def _move(self, item: int, alive: LocalItem | RemoteItem, *, here: bool) -> None:
        trees = self.model.trees
        folders = self._folders_here() if here else self._folders_there()
        below = set(trees.all_here(item) if here else trees.all_there(item))
        parent = self.dice.choice([folder for folder in folders if folder != item and folder not in below])
        name = self._free(trees.kids_here(parent) if here else trees.kids_there(parent), here=here)
        if name is None:
            return
        if isinstance(alive, LocalItem):
            ctime = alive.ctime_ns if alive.folder else self.model.tick()
            trees.set_here(item, alive._replace(parent=parent, name=name, ctime_ns=ctime))
        else:
            trees.set_there(item, alive._replace(parent=parent, name=name, change=self.model.tick()))

    def _change_there(self) -> None:
        dice, model, trees = self.dice, self.model, self.model.trees
        items = sorted(trees.all_there(TOP))
        kind = dice.choice(("new", "new", "folder", "edit", "edit", "remove", "move", "move", "swap", "touch", "turn"))
        if kind in ("new", "folder") or not items:
            parent = dice.choice(self._folders_there())
            name = self._free(trees.kids_there(parent), here=False)
            if name is not None:
                self._make_there(parent, name, folder=kind == "folder")
            return
        item = dice.choice(items)
        theirs = trees.there(item)
        assert theirs is not None
        if kind == "edit" and not theirs.folder:
            token = self._token()
            model.history.add(token)
            model.bytes_there[item] = token
            digest = None if dice.random() < 0.2 else Digest(token)
            changed = theirs._replace(size=self._size(token), digest=digest, rev=theirs.rev + 1)
            trees.set_there(item, changed._replace(change=model.tick(), mtime_ns=model.tick()))
        elif kind == "touch" and not theirs.folder:
            trees.set_there(item, theirs._replace(mtime_ns=model.tick(), change=model.tick()))
        elif kind in ("remove", "turn"):
            drop_there(trees, item)
            if kind == "turn":
                self._make_there(theirs.parent, theirs.name, folder=not theirs.folder)
        elif kind == "move":
            self._move(item, theirs, here=False)
        elif kind == "swap":
            other = dice.choice(items)
            others = trees.there(other)
            assert others is not None
            if not self._related(item, other, here=False):
                trees.set_there(item, theirs._replace(parent=others.parent, name=others.name, change=model.tick()))
                trees.set_there(other, others._replace(parent=theirs.parent, name=theirs.name, change=model.tick()))

    def _make_there(self, parent: int, name: str, *, folder: bool) -> None:
        model, token = self.model, self._token()
        node = model.tick()
        if folder:
            model.trees.set_there(node, RemoteItem(parent, name, True, 0, None, 0, model.tick(), 0))
            return
        model.history.add(token)
        model.bytes_there[node] = token
        digest = None if self.dice.random() < 0.2 else Digest(token)
        size = self._size(token)
        model.trees.set_there(node, RemoteItem(parent, name, False, size, digest, 1, model.tick(), model.tick()))
