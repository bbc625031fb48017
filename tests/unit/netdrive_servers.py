"""Small netdrive servers for tests of the client: one scripted connection by connection, one as the first C++ servers were, one of the list.

They hold everything in memory. The old one keeps the quirks of its kind: it reads byte by byte, holds 1,024 bytes of header, answers in
order, hangs up without a word on what it does not know, and never compares a file with its digest.
"""

import hashlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from homestow.wire import netdrive
from homestow.wire.netdrive import BLOCK_BYTES, Data, Dialect, End, Request

SESSION = "s" * 32


class Serving:
    """Takes connections in threads until it is closed; each is given to `talk`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._closed = False
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its address as the client takes it."""
        return f"netdrive://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def hang_up(self) -> None:
        """Cut every connection that is open now."""
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def talk(self, sock: socket.socket, number: int) -> None:
        """Serve one connection, the `number`-th from 0."""
        raise AssertionError("say what to do")

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            self._open.append(sock)
            self._begin(lambda sock=sock, number=number: self._talk(sock, number))  # type: ignore[misc]  # bound now

    def _talk(self, sock: socket.socket, number: int) -> None:
        try:
            with sock:
                self.talk(sock, number)
        except OSError:
            pass


class Scripted(Serving):
    """Does with each connection what a test says."""

    def __init__(self, script: Callable[[socket.socket, int], object]) -> None:
        super().__init__()
        self._script = script

    def talk(self, sock: socket.socket, number: int) -> None:
        self._script(sock, number)


@dataclass
class Stored:
    """A file, or one on its way; `done` are the numbers of the blocks that are complete, `parts` what came of blocks."""

    path: str
    name: str
    md5: str
    size: int
    mtime: int
    content: bytearray
    done: set[int] = field(default_factory=set)
    parts: dict[int, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all blocks came."""
        return len(self.done) * BLOCK_BYTES >= self.size


class OldServer(Serving):
    """The final dialect as the first servers spoke it.

    Attributes:
        files: by vfile_id.
        cut_after: close the connection in place of the answer to so many requests from now on; None: never.
        received: bytes of blocks that came.
    """

    def __init__(self, accounts: dict[str, str] | None = None, bind: int = 1) -> None:
        super().__init__()
        self.accounts = {"anna": "Secret1234"} if accounts is None else accounts
        self.sessions: dict[str, str] = {}
        self.bind = bind
        self.files: dict[int, Stored] = {}
        self.heard: list[str] = []
        self.cut_after: int | None = None
        self.received = 0
        self._lock = threading.Lock()

    def talk(self, sock: socket.socket, number: int) -> None:
        while True:
            kind = _until(sock, b"\n", 20)
            if kind is None:
                return
            text = _until(sock, b"\0", 1024)
            if text is None:
                return
            try:
                asked = json.loads(text)
            except ValueError:
                continue
            self.heard.append(kind.decode())
            if self.cut_after is not None:
                self.cut_after -= 1
                if self.cut_after < 0:
                    return
            answer = self._answer(sock, kind.decode(), asked)
            if answer is None:
                return
            fields, body = answer
            line = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
            sock.sendall(kind + b"Res\n" + line + b"\0" + (b"" if body is None else body + b"\0"))

    def _answer(
        self, sock: socket.socket, kind: str, asked: dict[str, Any]
    ) -> tuple[dict[str, Any], bytes | None] | None:
        if kind == "signup":
            taken = asked["username"] in self.accounts
            self.accounts.setdefault(asked["username"], asked["password"])
            return _said(1, "username has been registered") if taken else _said(0, "signup success")
        if kind == "login":
            if asked["username"] not in self.accounts:
                return _said(1, "username not exist")
            if self.accounts[asked["username"]] != asked["password"]:
                return _said(1, "username password not match")
            session = f"{len(self.sessions):032}"
            self.sessions[session] = asked["username"]
            return _said(0, "login success", session=session)
        echo = {name: asked[name] for name in netdrive.ECHOED.get(kind, ()) if name in asked}
        if asked["session"] not in self.sessions:
            return _said(2, "session has been destroyed, user need to login", **echo)
        if kind == "logout":
            del self.sessions[asked["session"]]
            return None
        if kind == "getbindid":
            return _said(0 if self.bind else 1, "", bindid=self.bind)
        if kind in ("setbind", "disbind"):
            self.bind = asked.get("bindid", 0)
            return _said(0, "bind success", **echo)
        if not self.bind:
            return _said(3, "user not bind server dir", **echo)
        work = getattr(self, f"_{kind}", None)
        if work is None:
            return None
        answer: tuple[dict[str, Any], bytes | None] = work(sock, asked, echo)
        return answer

    def _getdir(self, sock: socket.socket, asked: dict[str, Any], echo: dict[str, Any]) -> object:
        rows = [
            {"filename": one.name, "path": one.path, "md5": one.md5, "size": one.size, "mtime": one.mtime}
            for one in self.files.values()
            if one.complete
        ]
        return _said(0, "getdir success", dir_list=rows or None)

    def _uploadFile(self, sock: socket.socket, asked: dict[str, Any], echo: dict[str, Any]) -> object:
        with self._lock:
            wanted = (asked["path"], asked["filename"], asked["md5"])
            known = {(one.path, one.name, one.md5): number for number, one in self.files.items()}
            number = known.get(wanted, len(self.files) + 15)
            if wanted not in known:
                same = next((old for old in self.files.values() if old.md5 == asked["md5"]), None)
                content = same.content if same else bytearray(asked["size"])
                one = Stored(asked["path"], asked["filename"], asked["md5"], asked["size"], asked["mtime"], content)
                one.done = same.done if same else set()
                self.files[number] = one
            one = self.files[number]
            if one.complete:
                return _said(0, "lightning transfer success", vfile_id=number, **echo)
            return _said(4, "need to upload", vfile_id=number, **echo)

    def _uploadChunk(self, sock: socket.socket, asked: dict[str, Any], echo: dict[str, Any]) -> object:
        body = _exactly(sock, asked["chunksize"] + 1)[:-1]
        one = self.files[asked["vfile_id"]]
        with self._lock:
            self.received += len(body)
            if asked["chunkid"] in one.done:
                return _said(0, "this chunk has been uploaded", **echo)
            one.content[asked["offset"] : asked["offset"] + len(body)] = body
            one.done.add(asked["chunkid"])
        return _said(0, "upload success", **echo)

    def _downloadFile(self, sock: socket.socket, asked: dict[str, Any], echo: dict[str, Any]) -> object:
        for one in self.files.values():
            if one.md5 == asked["md5"] and one.complete:
                piece = bytes(one.content[asked["offset"] : asked["offset"] + asked["chunksize"]])
                return {"error": 0, "msg": "download success", **echo}, piece
        return _said(1, "file not exist", **echo)


class ListServer(Serving):
    """The documented list, briefly: files by path, progress in blocks, digests compared.

    Attributes:
        stored: files in their place, by (path, name).
        under_way: announced ones, by vfile_id.
        meddle: called with each request before it is answered; may return bytes to send in place of the answer, or b"" to hang up.
    """

    def __init__(self, meddle: Callable[[Request], bytes | None] | None = None) -> None:
        super().__init__()
        self.meddle = meddle or (lambda _: None)
        self.stored: dict[tuple[str, str], Stored] = {}
        self.under_way: dict[int, Stored] = {}
        self.heard: list[Request] = []
        self.received = 0
        self.session = SESSION
        self.password = "correct horse battery"
        self._lock = threading.Lock()

    def talk(self, sock: socket.socket, number: int) -> None:
        reader = netdrive.Requests()
        asked: Request | None = None
        body = bytearray()
        while True:
            event = reader.next()
            match event:
                case None:
                    data = sock.recv(65536)
                    if not data:
                        return
                    reader.feed(data)
                    continue
                case Request():
                    asked, body = event, bytearray()
                    self.heard.append(event)
                    if event.body is not None:
                        continue
                case Data():
                    body += event.data
                    continue
                case End():
                    self.received += len(body)
                case _:
                    return
            assert asked is not None
            odd = self.meddle(asked)
            if odd == b"":
                return
            sock.sendall(self._answer(asked, bytes(body)) if odd is None else odd)

    def _answer(self, asked: Request, body: bytes) -> bytes:
        def said(error: int, msg: str, **more: Any) -> bytes:
            return netdrive.answer(asked.dialect, asked.type, {"error": error, "msg": msg, **more})

        if asked.trouble:
            return said(1, asked.trouble)
        if asked.type == "login":
            fine = asked.text("password") == self.password
            return said(0, "login success", session=self.session) if fine else said(1, "username password not match")
        if asked.type == "signup":
            return said(0, "signup success")
        if asked.text("session") != self.session:
            return said(2, "session has been destroyed, user need to login")
        with self._lock:
            if asked.type == "dirinfo":
                return said(0, "", **self._dirinfo())
            if asked.type == "upload":
                return self._upload(asked, body, said)
            if asked.type == "download":
                return self._download(asked, said)
        if asked.type == "changepwd":
            if asked.text("password") != self.password:
                return said(1, "username password not match")
            self.password = asked.text("new_password")
        return said(0, "")

    def _dirinfo(self) -> dict[str, Any]:
        paths = sorted({path for path, _ in self.stored})
        files = [
            {
                "vfile_id": self._id(one), "vfile_dir_id": paths.index(one.path), "vfile_name": one.name, "vfile_size": one.size,
                "vfile_md5": one.md5, "vfile_server_mtime": one.mtime,
            }
            for one in self.stored.values()
        ]  # fmt: skip
        return {"dirs": [{"dir_id": n, "dir_path": path} for n, path in enumerate(paths)], "files": files}

    def _id(self, one: Stored) -> int:
        return 1000 + list(self.stored.values()).index(one)

    def _upload(self, asked: Request, body: bytes, said: Callable[..., bytes]) -> bytes:
        vfile = asked.maybe_integer("vfile_id")
        if vfile is not None:
            one = self.under_way.get(vfile)
            if one is None:
                return said(1, "there is no such file")
            if asked.fields.get("complete"):
                return self._complete(vfile, one, said)
            offset = asked.integer("offset")
            one.content[offset : offset + len(body)] = body
            one.parts[offset] = max(one.parts.get(offset, 0), len(body))
            block = offset // BLOCK_BYTES
            inside = sum(size for at, size in one.parts.items() if at // BLOCK_BYTES == block)
            if inside == min(BLOCK_BYTES, one.size - block * BLOCK_BYTES):
                one.done.add(block)
            return said(0, "", vfile_id=vfile, done=self._chunks(one))
        one = Stored(
            asked.text("path"),
            asked.text("filename"),
            asked.text("md5"),
            asked.integer("size"),
            asked.integer("mtime"),
            bytearray(),
        )
        if "chunksize" not in asked.fields:
            one.content = bytearray(body)
            if asked.text("md5") and _md5(body) != asked.text("md5"):
                return said(1, "the content is not what its md5 says")
            self.stored[one.path, one.name] = one
            return said(0, "upload success", vfile_id=self._id(one))
        same = next((old for old in self.stored.values() if old.md5 == one.md5), None)
        if same is not None:
            one.content = same.content
            self.stored[one.path, one.name] = one
            return said(0, "lightning transfer success", vfile_id=self._id(one))
        for number, old in self.under_way.items():
            if (old.path, old.name, old.md5) == (one.path, one.name, one.md5):
                return said(4, "need to upload", vfile_id=number, done=self._chunks(old))
        one.content = bytearray(one.size)
        vfile = 5000 + len(self.under_way)
        self.under_way[vfile] = one
        return said(4, "need to upload", vfile_id=vfile, done=self._chunks(one))

    def _complete(self, vfile: int, one: Stored, said: Callable[..., bytes]) -> bytes:
        if not one.complete:
            return said(1, "blocks are missing", done=self._chunks(one))
        if _md5(bytes(one.content)) != one.md5:
            one.done.clear()
            one.parts.clear()
            return said(1, "the content is not what its md5 says")
        self.stored[one.path, one.name] = one
        return said(0, "upload success", vfile_id=vfile)

    def _chunks(self, one: Stored) -> list[dict[str, Any]]:
        return [
            {"offset": at, "size": min(BLOCK_BYTES, one.size - at), "done": at // BLOCK_BYTES in one.done}
            for at in range(0, one.size, BLOCK_BYTES)
        ]

    def _download(self, asked: Request, said: Callable[..., bytes]) -> bytes:
        one = next((old for old in self.stored.values() if self._id(old) == asked.integer("vfile_id")), None)
        if one is None:
            return said(1, "there is no such file")
        start = asked.integer("offset")
        piece = bytes(one.content[start : start + asked.integer("size", one.size)])
        return said(0, "", size=len(piece)) + piece


def _said(error: int, msg: str, **more: Any) -> tuple[dict[str, Any], bytes | None]:
    return {"error": error, "msg": msg, **more}, None


def _until(sock: socket.socket, mark: bytes, most: int) -> bytes | None:
    """Byte by byte up to the mark; None at the end, and when it is not among the first `most` bytes."""
    found = b""
    while not found.endswith(mark):
        byte = sock.recv(1)
        if not byte or len(found) >= most:
            return None
        found += byte
    return found[:-1]


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        data = sock.recv(min(65536, size - len(found)))
        if not data:
            raise ConnectionError("cut")
        found += data
    return bytes(found)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


__all__ = ["SESSION", "Dialect", "ListServer", "OldServer", "Scripted", "Serving", "Stored"]
