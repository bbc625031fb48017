"""Examples of a page of `docs/protocols`: requests and answers in ``http`` fences, bytes of bodies in ``hex`` fences."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FENCE = re.compile(r"^```(http|hex)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REQUEST = re.compile(r"(GET|HEAD|PUT|POST|DELETE) (/\S+)")
WORD = re.compile(r"\{([a-z]+)\}")


@dataclass(slots=True)
class Message:
    """First line, headers and body as the page has them."""

    first: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    raw: bytes | None = None
    """The body where it is given in hexadecimal."""


@dataclass(slots=True)
class Example:
    """A request and its answer."""

    line: int
    asked: Message
    answer: Message


def examples(page: str) -> Iterator[Example]:
    """All examples of a page, in order."""
    asked: Message | None = None
    line = 0
    pending: list[tuple[int, Message]] = []
    for found in FENCE.finditer(page):
        kind, text = found.groups()
        if kind == "hex":
            pending[-1][1].raw = read_hex(text)
            continue
        pending.append((page[: found.start()].count("\n") + 1, read_message(text)))
    for line, message in pending:
        if asked is None:
            assert REQUEST.fullmatch(message.first), f"line {line} is no request: {message.first}"
            asked = message
        else:
            assert re.match(r"\d{3} ", message.first), f"line {line} is no answer: {message.first}"
            yield Example(line, asked, message)
            asked = None
    assert asked is None, f"line {line} has no answer"


def read_message(text: str) -> Message:
    """One fence."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.strip().splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return Message(first, headers, body.removesuffix("\n"))


def read_hex(text: str) -> bytes:
    """Bytes as pairs of hexadecimal digits; what follows two spaces is there for people."""
    return b"".join(bytes.fromhex(line.partition("  ")[0]) for line in text.splitlines())


def show_hex(data: bytes) -> str:
    """Sixteen bytes a line, with their text beside."""
    lines = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{part.hex(' '):<47}  {text}")
    return "\n".join(lines) + "\n"


class Words:
    """What the words in braces stand for, once they were met; `{request}` is another one each time."""

    def __init__(self, **known: str) -> None:
        self.known = dict(known)

    def put_in(self, text: str) -> str:
        """The text with what its words stand for."""
        return WORD.sub(lambda found: self.known[found[1]], text)

    def fits(self, expected: str, actual: str) -> bool:
        """Whether a text is the expected one; words met for the first time stand for what they find."""
        pattern, new, at = "", list[str](), 0
        for found in WORD.finditer(expected):
            pattern += re.escape(expected[at : found.start()])
            word = found[1]
            if word == "request":
                pattern += "[0-9a-f]{12}"
            elif word in self.known:
                pattern += re.escape(self.known[word])
            elif word in new:
                pattern += f"(?P={word})"
            else:
                pattern += rf"(?P<{word}>[\w-]+)"
                new.append(word)
            at = found.end()
        matched = re.fullmatch(pattern + re.escape(expected[at:]), actual)
        if matched is None:
            return False
        self.known.update({word: matched[word] for word in new})
        return True

    def agrees(self, expected: Any, actual: Any) -> bool:
        """The same for values read from JSON."""
        if isinstance(expected, dict) and isinstance(actual, dict):
            return expected.keys() == actual.keys() and all(
                self.agrees(expected[name], actual[name]) for name in expected
            )
        if isinstance(expected, list) and isinstance(actual, list):
            return len(expected) == len(actual) and all(map(self.agrees, expected, actual))
        if isinstance(expected, str) and WORD.search(expected):
            return self.fits(expected, str(actual))
        return type(expected) is type(actual) and bool(expected == actual)


def read_json(text: str) -> Any:
    """JSON of the page, in which a word may stand for a number too."""
    return json.loads(re.sub(r"(?<=: )\{([a-z]+)\}", r'"{\1}"', text))
