"""Fuzz the codecs of netdrive, PiCloud and the control link: `python -m bench.fuzz_codecs [--codec NAME] [--runs N] [--seed N]`.

Each execution makes a stream of messages by grammar (odd values included), damages most of them, and reads the bytes twice, once as a
whole and once in random cuts. It fails when anything but the declared errors comes out, when both readings differ, when a reader holds
more than it may, or when an undamaged stream does not read as it was written. Reported: executions, slowest one, growth of memory.
"""

import argparse
import json
import random
import resource
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench import fuzz_control
from homestow.wire import netdrive, picloud
from homestow.wire.netdrive import Answer, Answers, Dialect, Malformed, Request, Requests

Outcome = list[object]

ODD_NUMBERS = (0, 1, -1, 5, 2**31, -(2**31), 2**32 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63, 10**30, 1.5, 1e308)
ODD_TEXTS = (
    "",
    "a",
    "//",
    "/sub/",
    "a.txt",
    "\x00",
    "\n",
    "}",
    "{",
    '"',
    "\\",
    "日本",
    "é",
    "\U0001f600",
    "x" * 300,
    "5d41402abc4b2a76b9719d911017c592",
)
ODD_JSON = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"null", b"true", b"[]", b"{}", b'"\\ud800"', b'"\\ud83d\\ude00"', b"[" * 40, b'{"a":' * 40,
    b"// }{\n", b",}", b",]", b'\\"', b'"', b"{", b"}", b"\0", b"\n", b"\x95\x5c", b"\xe4\xbd\xa0", b"\xff\xfe", b"9" * 30, b'"type":"upload",',
    b"::::::::::", b":", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"InputRequest:", b"\x16\x03\x01",
)  # fmt: skip


ENDS = ("still broken", *picloud.Reason)
"""What the outcome of a case ends with when its last event was a declared error."""


class Wrong(AssertionError):
    """The codec broke a promise; the message holds the input."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one codec did: `errors` executions ended in a declared error, `grown_kib` is the growth of memory after the first tenth."""

    codec: str
    runs: int
    errors: int
    seconds: float
    slowest_ms: float
    grown_kib: int


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes, how to read them, and what they must give when they were not damaged."""

    data: bytes
    read: Callable[[list[bytes]], Outcome]
    wanted: Outcome | None


# --- grammar ------------------------------------------------------------------------------------------------------------


def text(chance: random.Random) -> str:
    """A short text, odd at times."""
    if chance.random() < 0.2:
        return chance.choice(ODD_TEXTS)
    return "".join(chance.choice(string.ascii_letters + string.digits) for _ in range(chance.randrange(1, 12)))


def value(field: Any, chance: random.Random, body: int) -> Any:
    """A value that the table of the message takes."""
    kind = field.kind.name
    if kind == "TEXT":
        return "n" + text(chance)[:200]
    if kind == "MD5":
        return f"{chance.getrandbits(128):032x}"
    if kind == "FLAG":
        return False
    if kind == "ROWS":
        return []
    if field.name in ("size", "chunksize"):
        return body
    return 0 if field.name == "offset" else chance.randrange(0, 1 << 30)


def fields_of(table: Any, chance: random.Random, body: int, *, optional: float) -> dict[str, Any]:
    """Fields of a message, optional ones at times."""
    return {each.name: value(each, chance, body) for each in table if each.needed or chance.random() < optional}


def a_request(dialect: Dialect, chance: random.Random) -> tuple[bytes, Outcome]:
    """A sound request, and what it must read as."""
    kind = chance.choice(list(netdrive.REQUESTS[dialect]))
    body = chance.randbytes(chance.choice((0, 1, 5, 60)))
    optional = 1.0 if (dialect, kind) == (Dialect.DOCUMENTED, "upload") else 0.3
    fields = fields_of(netdrive.REQUESTS[dialect][kind], chance, len(body), optional=optional)
    head = netdrive.request(dialect, kind, fields)
    if chance.random() < 0.3:
        head, fields = loosely(dialect, kind, fields, chance)
    if kind not in ("upload", "uploadChunk"):
        return head, [(kind, dialect, fields, None, None)]
    return head + body + netdrive.TAIL[dialect], [(kind, dialect, fields, len(body), None), body, "end"]


def loosely(dialect: Dialect, kind: str, fields: dict[str, Any], chance: random.Random) -> tuple[bytes, dict[str, Any]]:
    """A request as others may write it: not in ASCII, with line ends, and in braces with comments and commas at the end."""
    fields = {**fields, "note": "".join(chance.choice('日本乗\\}{"/ a') for _ in range(chance.randrange(6))) + "乗"}
    inside = fields if dialect is Dialect.FINAL else {"type": kind, **fields}
    codec = (
        "utf-8"
        if "\U0001f600" in fields.values() or "n\U0001f600" in fields.values()
        else chance.choice(("gbk", "utf-8"))
    )
    written = json.dumps(inside, ensure_ascii=False, indent=chance.choice((None, 2)))
    if dialect is not Dialect.FINAL:
        written = "{ // } 乗\n" + written[1:-1] + chance.choice((",\n", "// {\n", "")) + "}"
        return b"\0\n"[: chance.randrange(3)] + written.encode(codec), fields
    return f"{kind}\n{written}\0".encode(codec), fields


def an_answer(dialect: Dialect, chance: random.Random) -> tuple[bytes, str, int, Outcome]:
    """A sound answer, the type and length it answers to, and what it must read as."""
    kind = chance.choice(list(netdrive.ANSWERS[dialect]))
    body = chance.randbytes(chance.choice((0, 1, 5, 60)))
    fields = {"error": chance.choice((0, 0, 0, 4, 1, 2)), "msg": text(chance)}
    fields |= fields_of(netdrive.ANSWERS[dialect][kind], chance, len(body), optional=0.5)
    data = netdrive.answer(dialect, kind, fields)
    if fields["error"] or kind not in ("download", "downloadFile"):
        return data, kind, len(body), [(kind, dialect, fields, None)]
    return data + body + netdrive.TAIL[dialect], kind, len(body), [(kind, dialect, fields, len(body)), body, "end"]


def damage(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, left out, doubled or put in."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(7):
            case 0 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                del found[at : at + chance.choice((1, 2, 9))]
            case 2:
                found[at:at] = chance.choice(ODD_JSON)
            case 3:
                found[at:at] = found[chance.randrange(len(found) + 1) :][: chance.randrange(1, 40)]
            case 4:
                del found[at:]
            case 5:
                found[at:at] = repr(chance.choice(ODD_NUMBERS)).encode()
            case _:
                digit = next((k for k in range(at, len(found)) if found[k] in b"0123456789"), None)
                if digit is not None:
                    found[digit : digit + 1] = repr(chance.choice(ODD_NUMBERS)).encode()
    return bytes(found)


# --- reading ------------------------------------------------------------------------------------------------------------


def drain(reader: Requests | Answers, pieces: list[bytes], most: int) -> Outcome:
    """All that the pieces give, bodies put together; the declared error at the end if there is one."""
    found: Outcome = []
    body = bytearray()
    for piece in pieces:
        reader.feed(piece)
        try:
            for event in events(reader):
                match event:
                    case netdrive.Data():
                        body += event.data
                    case netdrive.End():
                        found += [bytes(body), "end"]
                        body.clear()
                    case Request():
                        found.append((event.type, event.dialect, event.fields, event.body, event.trouble))
                    case Answer():
                        found.append((event.type, event.dialect, event.fields, event.body))
                    case Malformed():
                        found.append((event.type, event.reason, event.message))
        except netdrive.FrameError as error:
            found.append((error.reason, error.message, error.type))
            return [*found, "still broken" if is_broken(reader) else "goes on"]
        assert reader.buffered <= most, "holds too much"
    return found


def is_broken(reader: Requests | Answers) -> bool:
    """Whether a reader that failed still says so."""
    try:
        reader.next()
    except netdrive.FrameError:
        return True
    return False


def events(reader: Requests | Answers) -> Iterator[Request | Answer | Malformed | netdrive.Data | netdrive.End]:
    """The events of a reader until it wants more bytes."""
    while (event := reader.next()) is not None:
        yield event


def drain_frames(pieces: list[bytes], hold: int) -> Outcome:
    """As `drain`, for frames; what a payload means is looked at twice, as a whole and in pieces."""
    reader = picloud.Frames(hold=hold, most=1 << 20)
    found: Outcome = []
    body = bytearray()
    for piece in pieces:
        reader.feed(piece)
        try:
            while (event := reader.next()) is not None:
                match event:
                    case picloud.Frame():
                        found += [event.payload, "end"]
                        means_the_same(event.payload, len(pieces))
                    case picloud.Begun():
                        assert event.length > hold
                    case picloud.Data():
                        body += event.data
                    case picloud.End():
                        found += [bytes(body), "end"]
                        body.clear()
        except picloud.FrameError as error:
            return [*found, error.reason]
        assert reader.buffered <= hold + picloud.HEAD_BYTES, "holds too much"
    return found


def means_the_same(payload: bytes, step: int) -> None:
    """A payload read as a stream gives the content and name that it has as a whole."""
    whole = picloud.classify(payload)
    tail = picloud.Tail()
    given = b"".join(bytes(each) for at in range(0, len(payload), step) for each in tail.feed(payload[at : at + step]))
    ending = tail.finish()
    if isinstance(whole, picloud.File):
        assert isinstance(ending, picloud.Ending)
        assert (given + ending.rest, ending.name, ending.ext) == (whole.content, whole.name, whole.ext)
    else:
        assert isinstance(ending, picloud.Broken)


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """The same bytes in pieces."""
    step = chance.choice((1, 2, 3, 7, 30, 200))
    return [data[at : at + step] for at in range(0, len(data), step)]


# --- codecs -------------------------------------------------------------------------------------------------------------


def request_case(chance: random.Random) -> Case:
    """A stream of requests of one framing."""
    framing = chance.choice(((Dialect.FINAL,), (Dialect.PHASE0, Dialect.DOCUMENTED)))
    data, wanted = b"", list[object]()
    for _ in range(chance.choice((1, 1, 2, 3))):
        one, means = a_request(chance.choice(framing), chance)
        data += one
        wanted += means

    def read(pieces: list[bytes]) -> Outcome:
        return drain(Requests(), pieces, netdrive.MAX_HEAD)

    return finish(data, read, wanted, chance)


def answer_case(chance: random.Random) -> Case:
    """A stream of answers of one dialect."""
    dialect = chance.choice(list(Dialect))
    data, wanted, asked = b"", list[object](), list[tuple[str, int]]()
    for _ in range(chance.choice((1, 1, 2, 3))):
        one, kind, length, means = an_answer(dialect, chance)
        data += one
        wanted += means
        asked.append((kind, length))

    def read(pieces: list[bytes]) -> Outcome:
        reader = Answers(dialect)
        for kind, length in asked:
            reader.expect(kind, length)
        return drain(reader, pieces, netdrive.MAX_LISTING)

    return finish(data, read, wanted, chance)


def frame_case(chance: random.Random) -> Case:
    """A stream of frames."""
    data, wanted = b"", list[object]()
    hold = chance.choice((0, 3, 30, 1 << 20))
    for _ in range(chance.choice((1, 1, 2, 3))):
        payload = chance.choice((
            picloud.file_payload(chance.randbytes(chance.choice((0, 1, 50))) + b":" * chance.randrange(12), "n" + text(chance), "txt"),
            picloud.wanted_payload("docs/" + text(chance), text(chance)[:200]),
            picloud.RECEIVED, picloud.FAILED, picloud.LOGIN_QUESTION, picloud.LOGGED_IN, b"1",
            picloud.file_payload(b"secret", "paul", "id"),
            picloud.file_payload(b"0" * 64 + b":" * chance.randrange(3), "", "public"),
        ))  # fmt: skip
        if chance.random() < 0.5:
            payload = damage(payload, chance) or b"?"
        data += picloud.frame(payload)
        wanted += [payload, "end"]
    return finish(data, lambda pieces: drain_frames(pieces, hold), wanted, chance)


def finish(data: bytes, read: Callable[[list[bytes]], Outcome], wanted: Outcome, chance: random.Random) -> Case:
    """The case, damaged in four of five."""
    if chance.random() < 0.8:
        return Case(damage(data, chance), read, None)
    return Case(data, read, wanted)


CODECS: dict[str, Callable[[random.Random], Case]] = {
    "netdrive-requests": request_case,
    "netdrive-answers": answer_case,
    "picloud": frame_case,
    "control-orders": lambda chance: finish(*fuzz_control.order(chance, text), chance),
    "control-answers": lambda chance: finish(*fuzz_control.answer(chance, text), chance),
    "control-news": lambda chance: finish(*fuzz_control.news(chance, text), chance),
    "control-plain": lambda chance: finish(*fuzz_control.plain(chance, text), chance),
}


def run(codec: str, runs: int, seed: int) -> Report:
    """Execute `runs` cases of one codec.

    Raises:
        Wrong: a promise was broken.
    """
    make = CODECS[codec]
    chance = random.Random(seed)
    errors, slowest, grown = 0, 0.0, 0
    began = time.perf_counter()
    for number in range(runs):
        case = make(chance)
        pieces = cut(case.data, chance)
        started = time.perf_counter()
        try:
            whole, parts = case.read([case.data]), case.read(pieces)
        except Exception as error:
            raise Wrong(f"{codec} seed {seed} number {number}: {error!r} on {case.data!r}") from error
        slowest = max(slowest, time.perf_counter() - started)
        if "goes on" in whole or whole != parts or (case.wanted is not None and whole != case.wanted):
            raise Wrong(f"{codec} seed {seed} number {number}: {whole} / {parts} / {case.wanted} on {case.data!r}")
        errors += bool(whole) and whole[-1] in ENDS
        if number == runs // 10:
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown
    return Report(codec, runs, errors, time.perf_counter() - began, slowest * 1000, grown)


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", choices=list(CODECS), action="append")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for codec in options.codec or CODECS:
        report = run(codec, options.runs, options.seed)
        print(
            f"{report.codec}: {report.runs} executions in {report.seconds:.1f} s, {report.errors} ended in a declared error,"
            f" slowest {report.slowest_ms:.1f} ms, memory grew by {report.grown_kib} KiB after the first tenth"
        )


if __name__ == "__main__":
    main()
