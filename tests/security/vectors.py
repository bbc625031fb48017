"""Names that mean harm: thousands of ways to say "somewhere else", made by rule, the same ones in every run (S01)."""

import random
import unicodedata
from collections.abc import Iterator
from itertools import product

DOTS = [".", "%2e", "%2E", "%252e", "%25%32%65", "%c0%ae", "%e0%80%ae", "%u002e", "\uff0e", "\u2024", "\u3002"]
SLASHES = ["/", "\\", "%2f", "%5c", "%252f", "%255c", "%c0%af", "%u2215", "\u2215", "\u2044", "\uff0f", "\uff3c", "//"]
TARGETS = ["canary.txt", "etc/passwd", ""]
DEVICES = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$", "$Mft", "COM¹", "LPT²"] + [
    f"{port}{number}" for port in ("COM", "LPT") for number in range(10)
]
MARKS = ["\u0301", "\u0308", "\u0327", "\u030a", "\u0345", "\u20d0"]
SURROGATES = [
    "\ud800",
    "a\udfffb",
    "\udc2f",
    "\udc2e\udc2e",
    "..\udc2f..",
    "\udc00\ud800",
    "x\udcff",
    "\ud83d",
    "\ude00",
]
TEXTS = [
    "'; DROP TABLE nodes; --", "' OR '1'='1", '" OR 1=1 --', "1) UNION SELECT token FROM devices --", "%' LIKE '%", "_%_%",
    "<img src=x onerror=alert(1)>", "<script>x</script>", "javascript:x", "{{7*7}}", "${7*7}", "#{x}", "%n%s%x", "{0.__class__}",
    "$(touch x)", "`touch x`", "; rm -rf x", "| cat", "&& x", "-rf", "--help", "-", "--", "*", "?", "[a-z]", "~", "~root", "~+",
    "!x", "\r\nSet-Cookie: a=b", "x\r\n\r\nHTTP/1.1 200 OK", '"; filename="x', "x\ty", "=cmd|' /C calc'!A0", "@SUM(1)", "+1",
    "file:///etc/passwd", "http://127.0.0.1/", "data:text/html,x", ".git", ".htaccess", ".homestow", ".HOMESTOW", "thumbs.db",
    "desktop.ini", "AUTORUN.INF", "..", ".", "", " ", "...", ". .", ".. ", " ..", "..;", "..;/", ";/..", "a/..;/b", "..:x", "::", ":",
    "x::$DATA", "x:stream", "x:$i30:$INDEX_ALLOCATION", "/", "//", "\\", "\\\\", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "\\??\\x",
    "/dev/null", "/proc/self/mem", "proc", "self", "fd", "/dev/fd/0",
]  # fmt: skip


def names() -> list[str]:
    """Every vector once, surrogates among them, in an order that is always the same."""
    return list(dict.fromkeys(_all()))


def _all() -> Iterator[str]:
    yield from TEXTS
    yield from SURROGATES
    yield from _climbing()
    yield from _of_windows()
    yield from _ending_oddly()
    yield from _unseen()
    yield from _of_all_lengths()
    yield from _composed()
    yield from _percent()
    yield from _by_chance(1500)


def _climbing() -> Iterator[str]:
    pairs = [(dot, dot) for dot in DOTS] + [(".", dot) for dot in DOTS[1:]]
    for (one, two), slash, depth in product(pairs, SLASHES, (1, 2, 7)):
        for target in TARGETS:
            yield f"{one}{two}{slash}" * depth + target
    for slash, dot in product(SLASHES, DOTS):
        yield f"a{slash}{dot}{dot}{slash}..{slash}canary.txt"
        yield f"{slash}{dot}{dot}"
        yield f"a{slash}{dot}{slash}b"


def _of_windows() -> Iterator[str]:
    for device, tail in product(DEVICES, ("", ".txt", ".tar.gz", " ", ".", ":", "::$DATA", " .txt")):
        yield device + tail
        yield device.lower() + tail
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZcz":
        for tail in (":", ":\\canary.txt", ":/canary.txt", ":x", "|x", "%3a%5cx"):
            yield letter + tail
    for host, share in product(("127.0.0.1", "localhost", "?\\UNC", ".", "[::1]"), ("c$", "x", "pipe\\x")):
        yield f"\\\\{host}\\{share}"
        yield f"//{host}/{share}"
    yield from (f"a{mark}b" for mark in '<>:"|?*')
    yield from ("PROGRA~1", "HOMEST~1", "a~1.txt", "x~99999")


def _ending_oddly() -> Iterator[str]:
    ends = [".", " ", "\t", "\u00a0", "\u3000", "\u2003"]
    for count in (1, 2, 3):
        for tail in product(ends, repeat=count):
            text = "".join(tail)
            yield "canary.txt" + text
            yield text + "x"
            yield text


def _unseen() -> Iterator[str]:
    codes = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F)]
    codes += [
        *range(0x2060, 0x2070),
        0xFEFF,
        *range(0xFFF9, 0x10000),
        0x1FFFE,
        0xE0001,
        0xE0041,
        0x10FFFF,
        0xFE0F,
        0x115F,
    ]
    for code in codes:
        for text in ("{}", "{}x", "x{}.txt", "invoice{}fdp.exe", "..{}", ".{}.", "..{}/canary.txt", "x{}"):
            yield text.format(chr(code))


def _of_all_lengths() -> Iterator[str]:
    for letter in ("x", "é", "€", "😀", "e\u0301", ".", " ", "%2e"):
        size = len(letter.encode())
        for count in {254 // size, 255 // size, 255 // size + 1, 256 // size + 1, 1000}:
            yield letter * count
            yield letter * count + ".txt"
    yield "a/" * 300 + "b"
    yield "../" * 1300
    yield "x" * 3500


def _composed() -> Iterator[str]:
    for letter, mark in product("aeioucnsSA=<>", MARKS):
        both = f"n-{letter}{mark}"
        yield both
        yield unicodedata.normalize("NFC", both)
        yield unicodedata.normalize("NFD", both)
    for text in ("\u212a", "K", "\u212b", "Å", "\u2126", "\u037e", ";", "\u1fef", "`", "\u2000x", "\u2002x", "ﬁ", "fi", "\uff0e", "각",
                 "\u1100\u1161\u11a8", "\u0958", "\u0340", "\u2adc", "\u226e", "\ufb1d", "q\u0323\u0307", "q\u0307\u0323"):  # fmt: skip
        yield text
        yield f"..{text}"


def _percent() -> Iterator[str]:
    for byte in range(256):
        yield f"%{byte:02x}"
        yield f"%25{byte:02X}"
        yield f"..%{byte:02x}canary.txt"
    yield from (
        "%",
        "%%",
        "%2",
        "%zz",
        "%u0000",
        "%00.txt",
        "a%00/../b",
        "%0d%0aX: y",
        "+",
        "a+b",
        "%2b",
        "&",
        "a&name=b",
        "=",
        "#",
        "a#b",
    )


def _by_chance(count: int) -> Iterator[str]:
    chance = random.Random(1)
    pieces = [
        *DOTS,
        *SLASHES,
        *MARKS,
        ".",
        "..",
        "/",
        "\\",
        "\0",
        "a",
        "canary.txt",
        " ",
        ":",
        "\n",
        "\u202e",
        "%00",
        "~",
        "\x7f",
    ]
    for _ in range(count):
        yield "".join(chance.choice(pieces) for _ in range(chance.randint(1, 9)))


def legal(name: str) -> bool:
    """Whether a name may stand, said anew here and not by the code under test: one segment, text, at most 255 bytes."""
    try:
        size = len(unicodedata.normalize("NFC", name).encode())
    except UnicodeEncodeError:
        return False
    return 1 <= size <= 255 and name not in (".", "..") and "/" not in name and "\0" not in name


def stored(name: str) -> str:
    """How a legal name is stored."""
    return unicodedata.normalize("NFC", name)
