"""Rows of sections G, H and I: upload and resume; download and discovery; volatile files and save habits."""

from tests.scenarios.rows import Row, Tree, Waits, big

F0: Tree = {"f": "0"}
UP, UP2 = big("1"), big("2")
LIST: Tree = {"D/a": "1", "g": "2"}


def _refused(point: str, event: str, number: int, about: str) -> Row:
    return Row(
        number, about, start=LIST, script=("B! drop-state", f"B> @{point} {event}", "wait", "B>"), end=LIST,
        counts={"B.delete": 0, "A.PUT": 0},
    )  # fmt: skip


ROWS: tuple[Row, ...] = (
    Row(133, "the server restarts in the middle of an upload",
        script=(f"A: f={UP}", "A> @r:put_block#4 lost-request", "A! server-restart", "wait", "A>", "B>"), end={"f": UP}),
    Row(134, "the client is killed in the middle of an upload",
        script=(f"A: f={UP}", "A> @r:put_block#4 kill", "A>", "B>"), end={"f": UP}, counts={"A.PUT": 1}, flat=False),
    Row(135, "edited after the break", script=(f"A: f={UP}", "A> @r:put_block#4 lost-request", f"A: f={UP2}", "wait", "A>"),
        end={"f": UP2}),
    Row(136, "deleted after the break", script=(f"A: f={UP}", "A> @r:put_block#4 lost-request", "A: rm f", "wait", "A>"), end={}),
    Row(137, "another edit is accepted during an upload (R4)", start=F0,
        script=(f"A: f={UP}", "B: f=2", "A> @r:put_block#4 B>", "A>", "B>"), end={"f": "2", "f!A": UP}, kept=("0",)),
    Row(139, "deleted during the upload", script=(f"A: f={UP}", "A> @r:put_block#4 A: rm f", "A>", "B>"), end={}),
    Row(140, "the answer to the finish is lost (R22)",
        script=(f"A: f={UP}", "A> @r:finish lost-reply", "wait", "A>", "B>"), end={"f": UP}, counts={"A.delete": 0}),
    Row(141, "the answer is lost, then deleted", start=F0,
        script=("A: f=1", "A> @r:put_small lost-reply", "A: rm f", "wait", "A>", "B>"), end={}, kept=("0", "1")),
    Row(142, "the upload's time runs out", script=(f"A: f={UP}", "A> @r:put_block#4 lost-request", "A! forget-uploads", "wait",
        "A>", "B>"), end={"f": UP}),
    Row(148, "big over small and back", start={"a": "1", "b": UP}, a=f"a={UP2}; b=2", end={"a": UP2, "b": "2"}, kept=("1", UP)),
    Row(149, "sizes around a block", a="; ".join(f"f{n}={'x' * n}" for n in (0, 1, 511, 512, 513, 768, 1024, 1025)),
        end={f"f{n}": "x" * n for n in (0, 1, 511, 512, 513, 768, 1024, 1025)}),
    Row(151, "every third request fails", flat=False,
        script=(
            "A: " + "; ".join(f"f{n}={n}" for n in range(40)), "A> @r:put_small broken", "wait",
            "A> @r:put_small#2 broken", "wait", "A> @r:put_small#2 busy", "wait", "A>", "B>",
        ),
        end={f"f{n}": str(n) for n in range(40)}),
    Row(153, "the server's disk is full", start=F0,
        script=(f"A: f={UP}", "A! server-full", "A>", "B>", "A! server-free", "wait", "A>", "B>"), end={"f": UP}, kept=("0",)),
    Row(154, "the folder of an upload is deleted (R8)", start={"D/a": "1"},
        script=(f"A: D/f={UP}", "B: rm -r D", "A> @r:put_block#4 B>", "A>", "B>", "A>"), end={"D/f": UP}, kept=("1",)),
    Row(155, "the folder of an upload is renamed", start={"D/a": "1"},
        script=(f"A: D/f={UP}", "B: mv D E", "A> @r:put_block#4 B>", "A>", "B>"), end={"E/a": "1", "E/f": UP}),
    Row(157, "the same bytes are there already", start={"f": UP}, a=f"g={UP}", end={"f": UP, "g": UP}),
    Row(158, "a download is cut", script=(f"A: f={UP}", "A>", "B> @r:read cut", "wait", "B>"), end={"f": UP}),
    Row(159, "cut, and then there is a newer content",
        script=(f"A: f={UP}", "A>", "B> @r:read cut", f"A: f={UP2}", "A>", "wait", "B>"), end={"f": UP2}, kept=(UP,)),
    Row(160, "cut again and again", script=(f"A: f={UP}", "A>", *("B> @r:read cut", "wait") * 10, "B>"), end={"f": UP}),
    Row(163, "the client's disk is full", start={"f": "0", "g": "1"}, flat=False,
        script=(f"A: f={UP}; g=2", "A>", "B! disk-full", "B>", "B! disk-free", "wait", "B>"), end={"f": UP, "g": "2"}),
    _refused("r:tree", "broken", 164, "the listing fails (R17)"),
    _refused("r:tree", "cut", 165, "the listing ends early (R17)"),
    _refused("r:root", "busy", 167, "maintenance"),
    Row(169, "the cursor is too old", start=LIST, script=("A: rm g; D/n=3", "A>", "A! compact", "B: D/b=4", "B>", "A>"),
        end={"D/a": "1", "D/n": "3", "D/b": "4"}, kept=("2",)),
    Row(172, "a pass that ends early is continued", start={"D/a": "1"},
        script=("A: D/b=2; D/c=3; D/d=4", "A>", "B> @r:get_small lost-request", "wait", "B>"),
        end={"D/a": "1", "D/b": "2", "D/c": "3", "D/d": "4"}),
    Row(175, "the folder dance of careful editors", start={"f": "1"}, a="mkdir f.sb; f.sb/f=2; over f.sb/f f; rm -r f.sb",
        end={"f": "2"}, kept=("1",), counts={"A.delete": 0}),
    Row(176, "the office's lock, draft and swap", start={"f.doc": "1"},
        a="~$f.doc=lock; f.tmp=2; mv f.doc f.bak; mv f.tmp f.doc; rm f.bak; rm ~$f.doc", end={"f.doc": "2"}),
    Row(177, "a log that grows while it is read (R19)", start={"log": "0"}, flat=False,
        script=(f"A: log={UP}", "A> @read_at#2 A: log+=more", "wait", "A>", "B>"), end={"log": UP + "more"}),
    Row(178, "files come during the pass", flat=False,
        script=("A: a=1", "A> @r:put_small A: b=2; c=3", "wait", "A>", "B>"), end={"a": "1", "b": "2", "c": "3"}),
    Row(179, "a file changes during the pass", start=F0, flat=False,
        script=("A: f=1", "A> @r:put_small A: f=2", "wait", "A>", "B>"), end={"f": "2"}, kept=("0", "1")),
)  # fmt: skip

WAITING: tuple[Waits, ...] = (
    *(Waits(n, "a client that sends wrong offsets or bytes: tests/contracts/test_remote.py and the API's own tests") for n in
      (143, 146, 147)),
    Waits(145, "two clients share one upload: no client does; the API's own tests have it"),
    Waits(152, "a proxy that caps bodies: tests over real HTTP"),
    Waits(161, "wrong bytes from the server: the API client's tests, with a server that lies"),
    Waits(166, "a listing without fields: the API client's tests"),
    Waits(170, "a login that ends in the middle: the API client's tests"),
    Waits(171, "a captive portal: the API client's tests"),
    Waits(173, "HTTP/2: the API speaks HTTP/1.1"),
    Waits(181, "a sparse file of 10 GB: memory tests with real processes"),
    Waits(182, "mmap writes: the rescan of a real folder"),
)  # fmt: skip
