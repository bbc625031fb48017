"""The patterns by which a job leaves files and folders out."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homestow.client.engine.compare import passing_name
from homestow.client.engine.filters import NOTHING, STANDARD, Filters, fold
from homestow.values.errors import BadSettings
from homestow.values.paths import conflict_name

FILE, FOLDER = False, True


def out(path: str, *excludes: str, folder: bool = False, includes: tuple[str, ...] = ("*",)) -> bool:
    return Filters(includes, excludes).matcher().path(path.split("/"), folder)


@pytest.mark.parametrize(
    "path, pattern, wanted",
    [
        ("a.tmp", "*.tmp", True),
        ("D/E/a.tmp", "*.tmp", True),
        ("a.tmp/b", "*.tmp", True),
        ("a.tmpx", "*.tmp", False),
        ("A.TMP", "*.tmp", True),
        ("a.tmp", "*.TMP", True),
        ("~a", "~*", True),
        ("a~", "~*", False),
        ("Thumbs.db", "thumbs.db", True),
        ("b1", "b?", True),
        ("b12", "b?", False),
        ("b1", "b[0-9]", True),
        ("bx", "b[0-9]", False),
        ("bx", "b[!0-9]", True),
        ("a[b", "a[b", True),
        ("build", "/build", True),
        ("build/x", "/build", True),
        ("x/build", "/build", False),
        ("a/b", "a/b", True),
        ("x/a/b", "a/b", True),
        ("xa/b", "a/b", False),
        ("a/x/b.log", "/a/*.log", True),
        (".h", "*/.*", False),
        ("D/.h/x", "*/.*", True),
        ("e\u0301", "\u00e9", True),
        ("a\nb.tmp", "*.tmp", True),
    ],
)
def test_patterns(path: str, pattern: str, wanted: bool) -> None:
    """Each form of pattern is about what the guide says."""
    assert out(path, pattern) is wanted


def test_a_slash_at_the_end_means_folders_alone() -> None:
    """`build/` leaves out folders of that name and what is in them, never a file of that name."""
    assert out("x/build", "build/", folder=True)
    assert out("x/build/a", "build/")
    assert not out("x/build", "build/")
    assert not out("build", "/build/")
    assert out("build", "/build/", folder=True)


def test_includes_decide_about_files_alone() -> None:
    """With includes only such files are in; folders are, whatever they are called; excludes beat includes."""
    jpg = ("*.jpg", "/notes/*")
    assert not out("D/a.jpg", includes=jpg)
    assert not out("notes/x", includes=jpg)
    assert out("D/a.txt", includes=jpg)
    assert not out("D", folder=True, includes=jpg)
    assert out("D/a.jpg", "a.*", includes=jpg)
    assert not out("anything", includes=())


def test_the_standard_ones() -> None:
    """What a job of a job file leaves out by itself: hidden things, and what editors and systems leave about."""
    matcher = STANDARD.matcher()
    for path in (".git", "D/.git", "recycle_bin", "a.pydio_dl", "a.pydio_dl.1", "D/.DS_Store", "x.DS_Store", ".~lock.a#",
                 "~$f.doc", "a.xlk", "D/f.tmp"):  # fmt: skip
        assert matcher.path(path.split("/"), FILE), path
    for path in ("D/recycle_bin", "f.doc", "a.tmp.txt", "D/a~"):
        assert not matcher.path(path.split("/"), FILE), path


def test_what_bears_a_name_for_the_sync_itself_is_in() -> None:
    """A name in passing is never left out; a conflict copy just where its file would be: no edit hides behind either."""
    copy = conflict_name("f.doc", "A", 10**18, "0123456789")
    assert not out(passing_name(5), ".*", "*")
    assert not out(copy, "*conflict*", "*)*")
    assert out(conflict_name("f.tmp", "A", 10**18, "0123456789"), "*.tmp")
    assert out(conflict_name(copy, "B", 10**18, "0123456789"), "f.doc")


def test_nothing_is_left_out_without_patterns() -> None:
    """The default leaves out nothing, and says so."""
    assert not NOTHING
    assert not NOTHING.matcher()
    assert not Filters(includes=())
    assert NOTHING.digest == ""
    assert STANDARD
    assert Filters(includes=("*.jpg",))


def test_the_digest_tells_sets_of_patterns_apart() -> None:
    """The order of patterns and doubles do not matter, anything else does."""
    assert Filters(excludes=("a", "b")).digest == Filters(excludes=("b", "a", "a")).digest
    assert len({Filters(("*",), ("a",)).digest, Filters(("a",), ()).digest, Filters(("a",), ("a",)).digest, ""}) == 4


@pytest.mark.parametrize("pattern", ["", "/", "//", "a\0b", "x" * 1001])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """Empty and endless patterns are an error of the settings."""
    with pytest.raises(BadSettings):
        Filters(excludes=(pattern,))
    with pytest.raises(BadSettings):
        Filters(excludes=tuple(f"{n}" for n in range(1001)))


def test_no_pattern_takes_long() -> None:
    """Patterns that make others try for ages are answered at once."""
    hard = Filters(excludes=("*a" * 400 + "b", "/" + "*/*a" * 100 + "[!a]", "*" * 900 + "z", "?*" * 400 + "\n"))
    begun = time.process_time()
    assert not hard.matcher().path([*["a" * 200] * 20, "a" * 254], FILE)
    assert time.process_time() - begun < 2.0


# --- compared with the plainest possible matcher ----------------------------------------------------------------------

LETTERS = st.text("aB.~é", min_size=1, max_size=5)
PIECES = st.lists(st.sampled_from(["a", "b", ".", "*", "?", "/", "[ab]", "[!a]", "é", "~"]), min_size=1, max_size=7)


def glob(pattern: str, text: str) -> bool:
    """Whether the text fits, tried letter by letter."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return glob(pattern[1:], text) or (bool(text) and glob(pattern, text[1:]))
    if not text:
        return False
    if pattern[0] == "[":
        end = pattern.index("]")
        inside = pattern[1:end]
        return (text[0] not in inside[1:] if inside[0] == "!" else text[0] in inside) and glob(
            pattern[end + 1 :], text[1:]
        )
    return pattern[0] in ("?", text[0]) and glob(pattern[1:], text[1:])


def plainly(path: list[str], folder: bool, pattern: str) -> bool:
    for depth in range(1, len(path) + 1):
        if pattern.endswith("/") and depth == len(path) and not folder:
            continue
        one = pattern.rstrip("/").lower()
        if "/" not in one:
            found = glob(one, fold(path[depth - 1]))
        else:
            found = glob(one if one.startswith("/") else "*/" + one, fold("/" + "/".join(path[:depth])))
        if found:
            return True
    return False


@given(st.lists(LETTERS, min_size=1, max_size=4), st.booleans(), PIECES)
@example(["a", ".b"], False, ["*", "/", ".", "*"])
@example(["a"], False, ["/", "/", "a"])
def test_as_the_plainest_matcher(path: list[str], folder: bool, pieces: list[str]) -> None:
    """The quick matcher says the same as one that tries letter by letter."""
    pattern = "".join(pieces)
    if pattern.strip("/"):
        assert Filters(excludes=(pattern,)).matcher().path(path, folder) == plainly(path, folder, pattern)


@given(st.lists(LETTERS, min_size=1, max_size=3), st.lists(PIECES, max_size=4), LETTERS)
def test_what_is_left_out_takes_all_below_with_it(path: list[str], pieces: list[list[str]], name: str) -> None:
    """Whatever lies in a folder that is left out is left out, and one by one the same comes out as for the whole path."""
    excludes = tuple(text for each in pieces if (text := "".join(each)).strip("/"))
    matcher = Filters(excludes=excludes).matcher()
    if matcher.path(path, FOLDER):
        assert matcher.path([*path, name], FILE)
    else:
        assert matcher.path([*path, name], FILE) == matcher.entry(matcher.above(path), name, FILE)
