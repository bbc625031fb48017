"""Rows of sections A and B: one-sided basics; concurrent create, edit and delete."""

from tests.scenarios.rows import Row, Waits, big

F0 = {"f": "0"}
F1 = {"f": "1"}

ROWS: tuple[Row, ...] = (
    Row(1, "create (R2)", a="f=1", end=F1, order="AB", counts={"A.PUT": 1, "A.GET": 0, "B.PUT": 0, "B.GET": 1}),
    Row(2, "folders, an empty one too (R2)", a="mkdir Y; mkdir Z; Z/d0=1", end={"Y/": None, "Z/d0": "1"}),
    Row(3, "delete (R1, R2)", start=F1, a="rm f", end={}, kept=("1",), counts={"A.delete": 1, "B.delete": 0, "B.PUT": 0}),
    Row(4, "edit (R1)", start=F1, a="f=2", end={"f": "2"}, kept=("1",), order="AB", counts={"A.PUT": 1, "B.GET": 1}),
    Row(5, "touch: no data (R26)", start=F1, a="touch f", end=F1, counts={"A.PUT": 0, "B.GET": 0, "B.PUT": 0}),
    Row(7, "content from B, A's mode stays", start=F1, a="mode f", b="f=2", end={"f": "2"}, kept=("1",)),
    Row(8, "an empty file", a="f=", end={"f": ""}),
    Row(9, "cut to nothing", start=F1, a="f=", end={"f": ""}, kept=("1",)),
    Row(10, "append within the same second", start=F1, a="f+=2", end={"f": "12"}, kept=("1",)),
    Row(11, "same size, same mtime", start=F1, a="same f=2", end={"f": "2"}, kept=("1",)),
    Row(
        13, "deleted and made again alike", start=F1, a="rm f; f=1", end=F1,
        counts={"A.PUT": 0, "A.delete": 0, "B.GET": 0, "B.PUT": 0},
    ),
    Row(14, "deleted and made again otherwise", start=F1, a="rm f; f=2", end={"f": "2"}, kept=("1",)),
    Row(15, "a hundred small files", a="; ".join(f"f{n}={n}" for n in range(100)), end={f"f{n}": str(n) for n in range(100)}),
    Row(
        16, "ten folders of files of all sizes",
        a="; ".join(f"mkdir D{n}; D{n}/f={'x' * 3 ** n}" for n in range(8)), end={f"D{n}/f": "x" * 3**n for n in range(8)},
    ),
    Row(
        17, "a hundred levels deep",
        a="; ".join("mkdir " + "/".join("d" * depth) for depth in range(1, 101)) + "; " + "/".join("d" * 100) + "/leaf=1",
        end={"/".join("d" * 100) + "/leaf": "1"},
    ),
    Row(
        19, "an empty disk takes what the server has",
        script=("A: mkdir foo", "A>", "B>", "B! drop-state", "B: rm -r foo", "B>"), end={"foo/": None},
        counts={"B.delete": 0},
    ),
    Row(
        20, "nothing happens (P5)", start={"f": "1", "D/g": "2"}, end={"f": "1", "D/g": "2"},
        counts={"A.PUT": 0, "A.GET": 0, "A.move": 0, "A.delete": 0, "A.make_folder": 0, "A.make_folders": 0, "B.PUT": 0},
    ),
    Row(21, "edit and edit (R4)", start=F0, a="f=1", b="f=2", order="AB", end={"f": "1", "f!B": "2"}, kept=("0",)),
    Row(22, "the same edit (R3)", start=F0, a="f=1", b="f=1", order="AB", end=F1, kept=("0",), counts={"B.PUT": 0, "B.GET": 0}),
    Row(23, "create and create (R5)", a="f=1", b="f=2", order="AB", end={"f": "1", "f!B": "2"}),
    Row(25, "edit, then delete (R6)", start=F0, a="f=1", b="rm f", order="AB", end=F1, kept=("0",)),
    Row(26, "delete, then edit (R6)", start=F0, a="f=1", b="rm f", order="BA", end=F1, kept=("0",)),
    Row(27, "delete and delete (R7)", start=F0, a="rm f", b="rm f", end={}, kept=("0",)),
    Row(28, "deleted and made anew against an edit (R4)", start=F0, a="rm f; f=9", b="f=2", order="AB",
        end={"f": "9", "f!B": "2"}, kept=("0",)),
    Row(
        29, "an old delete never hits a new file (R1)", start=F0,
        script=("A: rm f", "A> @r:delete:answered B>", "B: f=5", "B>", "A>"), end={"f": "5"}, kept=("0",),
    ),
    Row(31, "only what was stable counts (R4)", start=F0, a="f=1", b="f=2; f=3", order="AB", end={"f": "1", "f!B": "3"}),
    Row(
        32, "edits one after the other (R2)", start=F0, script=("A: f=1", "A>", "B>", "B: f=4", "B>", "A>"),
        end={"f": "4"}, kept=("0", "1"),
    ),
    Row(
        33, "an edit between look and rename (R4)", start=F0,
        script=("A: f=1", "A>", "B> @put:checked B: f=4", "B>"), end={"f": "1", "f!B": "4"}, kept=("0",), flat=False,
    ),
    Row(
        34, "an edit while the delete is applied (R6)", start=F0,
        script=("A: rm f", "A>", "B> @remove_file:checked B: f=4", "B>", "A>"), end={"f": "4"}, kept=("0",), flat=False,
    ),
    Row(
        35, "the upload of the conflict copy is cut", start=F0,
        script=("A: f=1", f"B: f={big('2')}", "A>", "B> @r:put_block#2 lost-reply", "B! server-restart", "B>"),
        end={"f": "1", "f!B": big("2")}, kept=("0",),
    ),
    Row(
        37, "a conflict copy is an ordinary file", start=F0,
        script=("A: f=1", "B: f=2", "A>", "B>", "A>", "A: conflict f!B=7", "A>", "B>"), end={"f": "1", "f!B": "7"},
        kept=("0", "2"),
    ),
    Row(
        38, "a conflict of a conflict copy", start={"f (conflict B 2026-01-01 abcdef)": "2"}, order="AB",
        a="f (conflict B 2026-01-01 abcdef)=5", b="f (conflict B 2026-01-01 abcdef)=6",
        end={"f (conflict B 2026-01-01 abcdef)": "5", "f (conflict B 2026-01-01 abcdef)!B": "6"}, kept=("2",),
    ),
    Row(
        39, "a conflict copy is deleted", start=F0,
        script=("A: f=1", "B: f=2", "A>", "B>", "A>", "A: rm-conflict f!B", "A>", "B>"), end=F1, kept=("0", "2"),
    ),
    Row(40, "a name that looks like a conflict copy", start={"x (conflict …).txt": "1"}, a="x (conflict …).txt=2",
        end={"x (conflict …).txt": "2"}, kept=("1",)),
    Row(41, "three edits (R4)", start=F0, a="f=1", b="f=2", c="f=3", order="ABC", end={"f": "1", "f!B": "2", "f!C": "3"},
        kept=("0",)),
    Row(43, "a touch is no edit (R26)", start=F0, a="touch f", b="f=2", end={"f": "2"}, kept=("0",)),
    Row(44, "edited and back (A net unchanged)", start=F0, a="f=1; f=0", b="f=2", end={"f": "2"}, kept=("0",)),
    Row(
        45, "clocks do not decide", start=F0,
        script=("A! back-a-year", "A: f=1", "A! on-a-year", "A! on-a-year", "B: f=2", "A! back-a-year", "A>", "B>"),
        end={"f": "1", "f!B": "2"}, kept=("0",),
    ),
    Row(
        47, "two uploads of one file at once", start=F0,
        script=(f"A: f={big('1')}", f"B: f={big('2')}", "A> @r:put_block#3 B>", "B>", "A>", "B>"),
        end={"f": big("2"), "f!A": big("1")}, kept=("0",),
    ),
)  # fmt: skip

WAITING: tuple[Waits, ...] = (Waits(46, "two WebDAV PUTs with one If-Match: the WebDAV front"),)
