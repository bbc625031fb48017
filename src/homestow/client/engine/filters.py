"""Which files and folders a job leaves out, by patterns. Pure, and the same on every computer and on both sides.

A pattern is as in a shell: `*` is any run of characters, `?` is one, `[abc]` one of these, `[!abc]` none of these.

- Without "/" it is about the name of a file or folder, wherever it is: `*.tmp`.
- With "/" it is about the path below the job's folder, and `*` runs across "/" too. Beginning with "/" it is anchored at the
  top (`/build`, `/a/*.log`), else it may begin at any folder (`a/b` is `/a/b` and `/x/a/b`; `*/.*` is a hidden name anywhere
  but at the top).
- Ending with "/" it is about folders alone.
- Case does not matter, nor does the Unicode form: no disk shall decide otherwise than another one (R15).

A folder that is left out takes with it all that is in it. `includes` decide about files alone, and without any every file is
in; `excludes` beat them. A conflict copy is left out just where the file would be whose copy it is, so that no edit hides
behind the addition to its name, and a name that an item bears for a moment (`compare.passing_name`) never is.

Time to match is bounded by the length of a path times that of the patterns, whatever these are (no backtracking).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from hashlib import sha256

from homestow.client.engine.seen import PASSING
from homestow.values.errors import BadSettings
from homestow.values.paths import nfc

STANDARD_EXCLUDES = (
    ".*", "*/.*", "/recycle_bin*", "*.pydio_dl", "*.pydio_dl.*", "*.DS_Store", ".~lock.*", "~*", "*.xlk", "*.tmp",
)  # fmt: skip
"""What a job of a job file leaves out unless it says otherwise; a job from arguments leaves out nothing."""

MOST_PATTERNS = 1000
MOST_CHARACTERS = 1000

_WILD = re.compile(r"[*?\[]")
_COPY = re.compile(r" \(conflict .{1,40}? \d{4}-\d\d-\d\d [0-9a-f]{6}\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a job leaves out; see the module. The default leaves out nothing.

    Raises:
        BadSettings: a pattern that is empty or too long, or too many of them.
    """

    includes: tuple[str, ...] = ("*",)
    excludes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in (*self.includes, *self.excludes):
            if not pattern.strip("/") or "\0" in pattern:
                raise BadSettings(f"{pattern!r} is no pattern: it needs a name, such as *.tmp or /build.")
            if len(pattern) > MOST_CHARACTERS:
                raise BadSettings(f"The pattern {pattern[:40]!r}… is longer than {MOST_CHARACTERS} characters.")
        if len(self.includes) + len(self.excludes) > MOST_PATTERNS:
            raise BadSettings(f"There are more than {MOST_PATTERNS} patterns.")

    def __bool__(self) -> bool:
        """Whether anything can be left out."""
        return bool(self.excludes) or not ("*" in self.includes or not self.includes)

    @property
    def digest(self) -> str:
        """Tells one set of patterns from another; "" for one that leaves out nothing."""
        if not self:
            return ""
        text = "\n".join((*sorted(set(self.includes)), "", *sorted(set(self.excludes))))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]

    def matcher(self) -> "Matcher":
        """What tells of each name whether it is left out; made once."""
        return _matcher(self)


NOTHING = Filters()
STANDARD = Filters(excludes=STANDARD_EXCLUDES)


class Matcher:
    """Tells of names and paths whether they are left out."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        files = [pattern for pattern in filters.excludes if not pattern.endswith("/")]
        self._file = _Patterns(files)
        self._folder = _Patterns(filters.excludes)
        wanted = filters.includes or ("*",)
        self._wanted = None if "*" in wanted else _Patterns(wanted)
        self.by_kind = self._wanted is not None or any(pattern.endswith("/") for pattern in filters.excludes)
        """Whether a file may be in where a folder of the same name is not, or the other way round."""
        self.by_path = any("/" in pattern.rstrip("/") for pattern in (*filters.includes, *filters.excludes))
        """Whether the names of the folders above matter, so that renaming one can bring something out or in."""

    def __bool__(self) -> bool:
        return bool(self.filters)

    @staticmethod
    def above(path: Sequence[str]) -> str:
        """A folder's path as `entry` wants it."""
        return fold("/".join(("", *path, "")))

    @staticmethod
    def below(above: str, name: str) -> str:
        """The path of a folder in that one, likewise."""
        return f"{above}{fold(name)}/"

    def entry(self, above: str, name: str, folder: bool) -> bool:
        """Whether an entry of a folder that is not left out itself is left out."""
        plain = _plain(name)
        if plain is None:
            return False
        if folder:
            return self._folder.match(above, plain)
        if self._file.match(above, plain):
            return True
        return self._wanted is not None and not self._wanted.match(above, plain)

    def path(self, path: Sequence[str], folder: bool) -> bool:
        """Whether what lies at a path is left out, by itself or with a folder above it."""
        above, last = "/", len(path) - 1
        for number, name in enumerate(path):
            if self.entry(above, name, folder or number < last):
                return True
            above = self.below(above, name)
        return False


@lru_cache(maxsize=64)
def _matcher(filters: Filters) -> Matcher:
    return Matcher(filters)


def fold(name: str) -> str:
    """The form in which names and patterns are compared."""
    return name.lower() if name.isascii() else nfc(name.casefold())


def _plain(name: str) -> str | None:
    """The name as it is judged; None: it is never left out."""
    if name.startswith(PASSING):
        return None
    if " (conflict " in name:
        name = _COPY.sub("", name)
    return fold(name)


class _Patterns:
    """Patterns sorted by what they need: most are a name, a beginning or an ending, and these cost next to nothing."""

    def __init__(self, patterns: Iterable[str]) -> None:
        whole: set[str] = set()
        begins: list[str] = []
        ends: list[str] = []
        names: list[str] = []
        paths: list[str] = []
        for given in patterns:
            pattern = fold(given.rstrip("/"))
            if "/" in pattern:
                paths.append(pattern if pattern.startswith("/") else f"*/{pattern}")
            elif not _WILD.search(pattern):
                whole.add(pattern)
            elif pattern.endswith("*") and not _WILD.search(pattern[:-1]):
                begins.append(pattern[:-1])
            elif pattern.startswith("*") and not _WILD.search(pattern[1:]):
                ends.append(pattern[1:])
            else:
                names.append(pattern)
        self._whole = frozenset(whole)
        self._begins, self._ends = tuple(begins), tuple(ends)
        self._names, self._paths = _joined(names), _joined(paths)

    def match(self, above: str, name: str) -> bool:
        """Whether one of them is about the name in that folder; both folded."""
        if name in self._whole or name.startswith(self._begins) or name.endswith(self._ends):
            return True
        if self._names is not None and self._names.match(name):
            return True
        return self._paths is not None and self._paths.match(above + name) is not None


def _joined(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    # What `translate` makes of "*" keeps the first place where the rest fits, and never tries another one.
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in sorted(set(patterns))))
