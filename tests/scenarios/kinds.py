"""Rows of sections E and F: changes of type; names."""

from tests.scenarios.rows import Row, Tree, Waits

F0: Tree = {"f": "0"}
F1: Tree = {"f": "1"}
DA: Tree = {"D/a": "1"}
NFC, NFD = "\u00e9", "e\u0301"
LONG = "x" * 251 + ".txt"
ODD = (
    "a\nb",
    "-rf",
    " lead",
    "trail ",
    "a.",
    "%41",
    '"',
    "\\",
    ":",
    "*",
    "\U0001f600",
    "\u202eabc",
    "CON",
    "aux.txt",
    "a:b",
)

ROWS: tuple[Row, ...] = (
    Row(104, "file becomes folder", start=F1, a="rm f; mkdir f; f/x=2", end={"f/x": "2"}, kept=("1",)),
    Row(105, "folder becomes file", start=DA, a="rm -r D; D=2", end={"D": "2"}, kept=("1",)),
    Row(106, "file becomes folder, edited elsewhere (R14)", start=F1, a="rm f; mkdir f", b="f=2", order="AB",
        end={"f/": None, "f!B": "2"}, kept=("1",)),
    Row(107, "folder becomes file, new child elsewhere (R8, R14)", start=DA, a="rm -r D; D=2", b="D/n=3", order="AB",
        end={"D/n": "3", "D!A": "2"}, ends=({"D/n": "3", "D!B": "2"},), kept=("1",)),
    Row(109, "an empty folder becomes a file", start={"D/": None}, a="rm -r D; D=1", end={"D": "1"}),
    Row(110, "file becomes symlink (R16, R25)", start={"f": "1", "g": "2"}, a="rm f; ln f", end={"f": "1", "g": "2"},
        apart={"A": {"g": "2"}}, counts={"A.delete": 0}),
    Row(111, "folder becomes symlink (R25)", start={"D/a": "1", "g": "2"}, a="rm -r D; ln D", end={"D/a": "1", "g": "2"},
        apart={"A": {"g": "2"}}, counts={"A.delete": 0, "A.PUT": 0}),
    Row(112, "a FIFO is left alone (R16)", a="fifo p; f=1", end=F1),
    Row(113, "file and folder swap names, killed in between", start={"f": "1", "D/a": "2"}, flat=False,
        script=("A: swap f D", "A>", "B> @move#2 kill", "B>"), end={"D": "1", "f/a": "2"}),
    Row(115, "a name in NFD (R15)", a=f"{NFD}=1", end={NFC: "1"}, counts={"B.PUT": 0}),
    Row(116, "NFC and NFD side by side (R12, R15)", a=f"{NFC}=1; {NFD}=2", end={NFC: "1", f"{NFC}!A": "2"},
        ends=({NFC: "2", f"{NFC}!A": "1"},)),
    Row(117, "the disk spells it in NFD", start={NFC: "1"}, kinds={"B": "folding"}, end={NFC: "1"},
        counts={"B.PUT": 0, "B.move": 0, "B.GET": 0, "A.GET": 0}, flat=False),
    Row(118, "names that differ by case on a folding disk (R15)", kinds={"B": "folding"},
        script=("A: test=1", "A>", "A: TEST=2", "A>", "B>"),
        end={"test": "1", "TEST": "2"}, apart={"B": {"test": "1"}}, counts={"B.delete": 0, "B.PUT": 0}, flat=False),
    Row(119, "the clash is cleared", a="", kinds={"B": "folding"}, flat=False,
        script=("A: test=1", "A>", "A: TEST=2", "A>", "B>", "A: rm TEST", "A>", "B>"), end={"test": "1"}, kept=("2",)),
    Row(121, "a name of 255 bytes", a=f"{LONG}=1", end={LONG: "1"}),
    Row(122, "a conflict of a name of 255 bytes", start={LONG: "0"}, a=f"{LONG}=1", b=f"{LONG}=2", order="AB",
        end={LONG: "1", f"{LONG}!B": "2"}),
    Row(124, "absurd names", a="; ".join(f"{name}=1" for name in ODD), end=dict.fromkeys(ODD, "1")),
    Row(127, "names that look like ours", a="0123456789abcdef0123456789abcdef.part=1; x~save1=2; marker=3",
        end={"0123456789abcdef0123456789abcdef.part": "1", "x~save1": "2", "marker": "3"}),
    Row(131, "four bytes of UTF-8", a="\U00020000\U0001f9ff=1", end={"\U00020000\U0001f9ff": "1"}),
)  # fmt: skip

WAITING: tuple[Waits, ...] = (
    Waits(
        123,
        "a path over 4,096 bytes: row 17 goes 100 levels deep; the limit itself is in tests/contracts/test_localtree.py",
    ),
    Waits(125, "a Windows-like disk: there is no adapter for Windows yet"),
)
