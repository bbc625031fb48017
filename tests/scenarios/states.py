"""Rows of sections J and K: the client's memory, the brake, restarts; faults of the server."""

from tests.scenarios.rows import Row, Tree, Waits

F0: Tree = {"f": "0"}
TREE: Tree = {"a": "1", "D/b": "2", "D/E/c": "3"}
MANY: Tree = {f"f{n}": str(n) for n in range(100)}
HALF = "; ".join(f"rm f{n}" for n in range(51))
IDLE = {"B.PUT": 0, "B.GET": 0, "B.delete": 0, "B.move": 0, "A.GET": 0, "A.PUT": 0}

ROWS: tuple[Row, ...] = (
    Row(183, "the client's memory is lost (R24)", start=TREE, script=("B! drop-state", "B>", "A>"), end=TREE, counts=IDLE),
    Row(184, "lost, with an edit (R24)", start=F0, script=("A: f=1", "B: f=2", "B! drop-state", "A>", "B>"),
        end={"f": "1", "f!B": "2"}, kept=("0",)),
    Row(185, "lost, with a deletion (R24)", start=F0, script=("A: rm f", "A>", "B! drop-state", "B>", "A>"), end=F0),
    Row(187, "an old copy of the client's memory", start=F0,
        script=("B! save-state", "A: f=1; g=2", "A>", "B>", "B: h=3", "B>", "B! old-state", "B>"),
        end={"f": "1", "g": "2", "h": "3"}),
    Row(188, "the folder is removed while running (R18)", start=TREE,
        script=("A! disconnect", "A>", "A>", "B>", "A! connect", "A>"), end=TREE, counts={"A.delete": 0, "B.delete": 0}, flat=False),
    Row(190, "the disk is not mounted at the start (R18)", start=TREE,
        script=("A! kill", "A! unmount", "A>", "A>", "B>", "A! kill", "A! connect", "A>"), end=TREE,
        counts={"A.delete": 0, "A.PUT": 0}, flat=False),
    Row(191, "more than half is deleted: ask (R18)", start=MANY, script=(f"A: {HALF}", "A>", "B>"), end=MANY,
        apart={"A": {f"f{n}": str(n) for n in range(51, 100)}}, counts={"A.delete": 0}),
    Row(193, "the user says delete", start=MANY, script=(f"A: {HALF}", "A>", "A! accept-deletes", "A>", "B! accept-deletes", "B>"),
        end={f"f{n}": str(n) for n in range(51, 100)}, kept=("0", "50")),
    Row(194, "the only file is renamed: no question", start=F0, a="mv f g", end={"g": "0"}),
    Row(196, "many changes while stopped", start=TREE,
        script=("A! kill", "A: mv D F; rm a; F/n=4; F/b=5", "A>", "B>"), end={"F/b": "5", "F/E/c": "3", "F/n": "4"},
        kept=("1", "2"), counts={"A.move": 1}, flat=False),
    Row(197, "the watcher overflows", start=F0, script=("A: f=1; g=2", "A! overflow", "A>", "B>"), end={"f": "1", "g": "2"}),
    Row(199, "the clock goes back a year, and on (R26)", start=TREE, script=("A! back-a-year", "A>", "B>", "A! on-a-year", "A>"),
        end=TREE, counts=IDLE),
    Row(200, "killed at each step of a queue (R22)", start=TREE, flat=False,
        script=(
            "A: " + "; ".join(f"n{n}={n}" for n in range(12)), "A> @r:put_small#2 kill", "A> @r:put_small:answered kill",
            "A> @r:put_small:answered#2 kill", "A>", "B> @put_small:done#3 kill", "B> @put_small:done kill", "B>",
        ),
        end={**TREE, **{f"n{n}": str(n) for n in range(12)}}),
    Row(202, "the server is restarted again and again", start=TREE,
        script=(
            "A: a=5; D/n=6", "B: D/b=7", "A> @r:put_small server-restart", "A! server-restart", "B> @r:changes server-restart",
            "wait", "A>", "A! server-restart", "B>",
        ),
        end={"a": "5", "D/b": "7", "D/n": "6", "D/E/c": "3"}),
    Row(203, "the server is restored from a backup (R23)", start=TREE,
        script=("A! server-save", "A: a=5; n=6", "A>", "B>", "A! server-restore", "A>", "B>"),
        end={"a": "1", "a!A": "5", "D/b": "2", "D/E/c": "3", "n": "6"}, ends=({"a": "1", "a!A": "5", "a!B": "5", "D/b": "2", "D/E/c": "3", "n": "6"},),
        kept=("5", "6"), flat=False),
    Row(212, "another address, the same store", start=TREE, script=("B! kill", "B>"), end=TREE, counts=IDLE),
)  # fmt: skip

WAITING: tuple[Waits, ...] = (
    Waits(189, "the folder is renamed while running: one with row 188 for a client that holds its path"),
    Waits(195, "two clients on one folder: tests/contracts/test_localtree.py"),
    Waits(201, "a device that is logged out: the API client's tests"),
    *(Waits(n, "a failing disk or database under the server: the server's own tests") for n in (205, 206, 207, 208)),
    Waits(209, "PostgreSQL"),
    Waits(211, "content missing on the server's disk: the server's own tests"),
)  # fmt: skip
