"""netdrive, a sync drive over TCP, as bytes: readers for both ends, and what they send.

Framing. *Braces* (phase 0 and the documented list): a JSON object, then at once the bytes it announces; NUL and white space between
messages are skipped; an answer is its object, one NUL, then bytes. *Lines* (final dialect): type, LF, a JSON object, NUL, and for
blocks their bytes and one more NUL. The first byte of a connection tells: a letter means lines, anything else must be an object.

Readers are fed in any cuts, know no sockets and keep at most one head. Three degrees of trouble are told apart:
`Request.trouble` (understood, a value is out of range: answer error 1 and drop its body), `Malformed` (not understood, but where
the next message begins is known: it may be ignored) and `FrameError` (only closing the connection helps).

Source: the document of the project, and for the final dialect and exact texts the behaviour of its programs (`docs/protocols/netdrive.md`).
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from homestow.wire.fed import END, Data, End
from homestow.wire.netdrive_frames import (
    MAX_TYPE,
    Answer,
    FrameError,
    Framing,
    Malformed,
    Message,
    Reader,
    Reason,
    Request,
    framing_of,
)
from homestow.wire.netdrive_json import BadJson, Braces, begin, dump, load
from homestow.wire.netdrive_messages import (
    ALWAYS,
    ANSWERS,
    BLOCK_BYTES,
    ECHOED,
    LISTINGS,
    REQUESTS,
    SESSION_CHARACTERS,
    TOP,
    Chunk,
    Dialect,
    DirRow,
    Error,
    FileRow,
    ListedFile,
    Say,
    WrongField,
    check_fields,
    is_md5,
    read_chunks,
    read_dirs,
    read_files,
    read_listed,
    short_chunk,
    upload_trouble,
)

__all__ = [
    "ALWAYS", "ANSWERS", "BLOCK_BYTES", "ECHOED", "END", "LISTINGS", "MAX_ANSWER", "MAX_HEAD", "MAX_LISTING", "MAX_TYPE", "OLD_MAX_HEAD",
    "REQUESTS", "SESSION_CHARACTERS", "TAIL", "TOP",
    "Answer", "Answers", "Chunk", "Data", "Dialect", "DirRow", "End", "Error", "FileRow", "FrameError", "Framing", "ListedFile", "Malformed",
    "Message", "Reason", "Request", "Requests", "Say", "WrongField",
    "answer", "answer_to", "framing_of", "is_md5", "read_chunks", "read_dirs", "read_files", "read_listed", "request", "short_chunk",
]  # fmt: skip

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request without its body (S71)."""
OLD_MAX_HEAD: Final = 1024
"""Bytes of JSON with its NUL that the first servers of the final dialect hold; longer ones are lost there."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer without its body, unless it is a listing."""
MAX_LISTING: Final = 256 * 1024 * 1024
"""Bytes of a listing that a client takes: about a million files."""
TAIL: Final[Mapping[Dialect, bytes]] = {Dialect.PHASE0: b"", Dialect.DOCUMENTED: b"", Dialect.FINAL: b"\0"}
"""What stands behind the bytes of a body, in both directions."""

_QUICK: Final = 2048


class Requests(Reader):
    """Reads the requests of one connection, of whichever dialect; the first byte tells."""

    def __init__(self) -> None:
        super().__init__()
        self._framing: Framing | None = None
        self._braces: Braces | None = None

    @property
    def framing(self) -> Framing | None:
        """How this connection speaks, None before its first byte."""
        return self._framing

    @property
    def head_begun(self) -> bool:
        """Whether the beginning of a head is here and its end is not (what the time for heads is measured by)."""
        return bool(self._held)

    def next(self) -> Request | Malformed | Data | End | None:
        """The next event, None when more bytes are needed.

        Raises:
            FrameError: see there; every later call raises it again.
        """
        if self._broken is not None:
            raise self._broken
        if self._open:
            return self._body()
        if self._at >= len(self._buffer):
            return None
        if self._framing is None:
            self._framing = framing_of(self._buffer[self._at : self._at + 1])
        if self._framing is Framing.BRACES:
            return self._braces_head()
        if self._framing is Framing.LINES:
            return self._lines_head()
        raise self._fail(Reason.NOT_OURS, "a request begins with a letter or an opening brace")

    # --- braces

    def _braces_head(self) -> Request | Malformed | None:
        if self._braces is None:
            if not self._skip_blanks():
                return None
            at = self._at
            if self._buffer[at] != 0x7B:
                raise self._fail(Reason.NOT_OURS, "a request begins with an opening brace", Dialect.DOCUMENTED)
            found = self._quick(at)
            if found is not None:
                return self._documented(found)
            self._braces = Braces()
        fields = self._careful(self._braces)
        return None if fields is None else self._documented(fields)

    def _quick(self, at: int) -> dict[str, Any] | None:
        """A short head of pure ASCII that is here as a whole."""
        try:
            found = begin(self._buffer[at : at + _QUICK].decode("latin-1"))
        except BadJson as wrong:
            raise self._fail(Reason.BAD_JSON, str(wrong), Dialect.DOCUMENTED) from None
        if found is None:
            return None
        self._at = at + found[1]
        return found[0]

    def _careful(self, braces: Braces) -> dict[str, Any] | None:
        buffer, at = self._buffer, self._at
        try:
            stop = braces.feed(buffer, at)
        except BadJson as wrong:
            raise self._fail(Reason.BAD_JSON, str(wrong), Dialect.DOCUMENTED) from None
        end = stop if stop >= 0 else len(buffer)
        if len(self._held) + end - at > MAX_HEAD:
            raise self._fail(
                Reason.TOO_LONG, f"the head of a request has more than {MAX_HEAD} bytes", Dialect.DOCUMENTED
            )
        self._held += memoryview(buffer)[at:end]
        self._at = end
        if stop < 0:
            return None
        head = self._held
        self._held = bytearray()
        self._braces = None
        try:
            return load(head, lenient=True)
        except BadJson as wrong:
            raise self._fail(Reason.BAD_JSON, str(wrong), Dialect.DOCUMENTED) from None

    def _documented(self, fields: dict[str, Any]) -> Request | Malformed:
        kind = fields.pop("type", None)
        if type(kind) is not str:
            return Malformed(Dialect.DOCUMENTED, "", Reason.UNKNOWN_TYPE, "type is missing")
        dialect = Dialect.PHASE0 if "session" not in fields and kind in REQUESTS[Dialect.PHASE0] else Dialect.DOCUMENTED
        table = REQUESTS[dialect].get(kind)
        if table is None:
            return Malformed(dialect, kind, Reason.UNKNOWN_TYPE, "type is unknown")
        body = self._upload_length(fields, dialect) if kind == "upload" else None
        if dialect is Dialect.DOCUMENTED and table[0].name == "session":
            fields.setdefault("session", "")
        try:
            trouble = check_fields(table, fields)
        except WrongField as wrong:
            trouble = str(wrong)
        if trouble is None and kind == "upload":
            if dialect is Dialect.DOCUMENTED:
                trouble = upload_trouble(fields)
            elif body != fields["size"]:
                trouble = "session is missing"
        self._begin(body, tail=False)
        return Request(kind, fields, body, dialect, trouble)

    def _upload_length(self, fields: dict[str, Any], dialect: Dialect) -> int | None:
        if fields.get("complete") is True:
            return None
        length = fields.get("chunksize")
        if length is None:
            length = fields.get("size")
        if type(length) is not int or length < 0:
            raise self._fail(Reason.NO_LENGTH, "size (or chunksize) must say how many bytes follow", dialect, "upload")
        return length

    # --- lines

    def _lines_head(self) -> Request | Malformed | None:
        head = self._until_nul(MAX_HEAD, Dialect.FINAL)
        if head is None:
            if len(self._held) > MAX_TYPE:
                self._line(self._held)
            return None
        kind, start = self._line(head)
        table = REQUESTS[Dialect.FINAL].get(kind)
        if table is None:
            raise self._fail(Reason.UNKNOWN_TYPE, "type is unknown", Dialect.FINAL, kind)
        follows = kind == "uploadChunk"
        try:
            fields = load(memoryview(head)[start:], lenient=False)
        except BadJson as wrong:
            if follows:
                raise self._fail(Reason.NO_LENGTH, str(wrong), Dialect.FINAL, kind) from None
            return Malformed(Dialect.FINAL, kind, Reason.BAD_JSON, str(wrong))
        try:
            trouble = check_fields(table, fields)
        except WrongField as wrong:
            raise self._fail(Reason.BAD_FIELD, str(wrong), Dialect.FINAL, kind) from None
        body = None
        if follows:
            body = fields["chunksize"]
            if body < 0:
                raise self._fail(Reason.NO_LENGTH, "chunksize must be 0 or more", Dialect.FINAL, kind)
        self._begin(body, tail=True)
        return Request(kind, fields, body, Dialect.FINAL, trouble)


class Answers(Reader):
    """Reads what one server answers on one connection: answers come in the order of the requests, so `expect` each one when it is sent."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect = dialect
        self._expected: deque[tuple[str, int | None]] = deque()

    @property
    def expected(self) -> int:
        """How many answers are still to begin."""
        return len(self._expected)

    def expect(self, type: str, body: int | None = None) -> None:
        """A request was sent that will be answered (`logout` of the final dialect and `upload` of phase 0 are not).

        Args:
            type: of the request.
            body: most bytes that a download may bring; in the final dialect it brings exactly so many (its `chunksize`). None: no bound.
        """
        self._expected.append((type, body))

    def next(self) -> Answer | Data | End | None:
        """The next event, None when more bytes are needed.

        Raises:
            FrameError: see there; every later call raises it again.
        """
        if self._broken is not None:
            raise self._broken
        if self._open:
            return self._body()
        if not self._held and not self._begins():
            return None
        if not self._expected:
            raise self._fail(Reason.OUT_OF_ORDER, Reason.OUT_OF_ORDER.value, self._dialect)
        kind, bound = self._expected[0]
        head = self._until_nul(MAX_LISTING if kind in LISTINGS else MAX_ANSWER, self._dialect)
        if head is None:
            return None
        self._expected.popleft()
        fields = self._fields(head, kind)
        body = self._length(kind, fields, bound)
        self._begin(body, tail=self._dialect is Dialect.FINAL)
        return Answer(kind, fields, body, self._dialect)

    def _begins(self) -> bool:
        if self._dialect is Dialect.FINAL:
            return self._at < len(self._buffer)
        if not self._skip_blanks():
            return False
        if self._buffer[self._at] != 0x7B:
            raise self._fail(Reason.NOT_OURS, "an answer begins with an opening brace", self._dialect)
        return True

    def _fields(self, head: bytes | bytearray, kind: str) -> dict[str, Any]:
        try:
            if self._dialect is Dialect.FINAL:
                line, start = self._line(head)
                if line != f"{kind}Res":
                    raise self._fail(Reason.OUT_OF_ORDER, f"the answer to {kind} is a {line!r}", self._dialect, kind)
                fields = load(memoryview(head)[start:], lenient=False)
            else:
                fields = load(head, lenient=True)
                named = fields.pop("type", None)
                if named not in (None, kind, f"{kind}Res"):
                    raise self._fail(Reason.OUT_OF_ORDER, f"the answer to {kind} has another type", self._dialect, kind)
        except BadJson as wrong:
            raise self._fail(Reason.BAD_JSON, str(wrong), self._dialect, kind) from None
        if self._dialect is Dialect.PHASE0:
            fields.setdefault("error", 0)
        try:
            trouble = check_fields(ALWAYS, fields)
            if trouble is None and fields["error"] in (Error.OK, Error.NEED_UPLOAD):
                trouble = check_fields(ANSWERS[self._dialect].get(kind, ()), fields)
        except WrongField as wrong:
            trouble = str(wrong)
        if trouble is not None:
            raise self._fail(Reason.BAD_FIELD, trouble, self._dialect, kind)
        return fields

    def _length(self, kind: str, fields: dict[str, Any], bound: int | None) -> int | None:
        if fields["error"] != Error.OK:
            return None
        if self._dialect is Dialect.FINAL:
            return bound or 0 if kind == "downloadFile" else None
        if kind != "download":
            return None
        length: int = fields["size"]
        if bound is not None and length > bound:
            raise self._fail(
                Reason.NO_LENGTH, f"{length} bytes where at most {bound} were asked for", self._dialect, kind
            )
        return length


# --- writing ------------------------------------------------------------------------------------------------------------


def request(dialect: Dialect, type: str, fields: Mapping[str, Any]) -> bytes:
    """Head of a request; a body follows at once, then `TAIL[dialect]`.

    Written as the first clients do, in pure ASCII. Texts must be free of lone surrogates, as names of ours are.
    Raises:
        ValueError: the head has more than 64 KiB, or a number is none.
    """
    if dialect is Dialect.FINAL:
        head = b"%s\n%s\0" % (type.encode("ascii"), dump(dict(fields), compact=False))
    else:
        head = dump({"type": type, **fields}, compact=False)
    if len(head) > MAX_HEAD:
        raise ValueError(f"a request of {len(head)} bytes")
    return head


def answer(dialect: Dialect, type: str, fields: Mapping[str, Any]) -> bytes:
    """Head of the answer to a request of `type`, NUL at its end; a body follows at once, then `TAIL[dialect]`.

    Compact, one line, pure ASCII: clients of the final dialect take the text between two LF and decode GBK. In phase 0 `fields` alone
    count, else the type is added with its ending "Res".
    Raises:
        ValueError: a number is none.
    """
    if dialect is Dialect.FINAL:
        return b"%sRes\n%s\0" % (type.encode("ascii"), dump(dict(fields), compact=True))
    if dialect is Dialect.PHASE0:
        return dump(dict(fields), compact=True) + b"\0"
    return dump({"type": f"{type}Res", **fields}, compact=True) + b"\0"


def answer_to(asked: Request, error: int, msg: str, **more: Any) -> bytes:
    """Head of the answer to `asked`: `error`, `msg`, the keys it echoes, `more`."""
    fields: dict[str, Any] = {"error": error, "msg": msg}
    if asked.dialect is Dialect.FINAL:
        for name in ECHOED.get(asked.type, ()):
            if name in asked.fields:
                fields[name] = asked.fields[name]
    return answer(asked.dialect, asked.type, {**fields, **more})
