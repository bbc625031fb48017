"""One good request for every call of the table, and every failure that a call documents, as data for the tests."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.fronts.api.rig import PASSWORD, Answer, Rig, digest_of, new, pack

from homestow.server.rules.access import Rights
from homestow.values.nodes import Node
from homestow.wire.api import Body, PackItem
from homestow.wire.calls import BY_NAME, Call

UNKNOWN = 10**12
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""
_number = count(1)


def fresh(stem: str = "x") -> str:
    """A name nobody has yet."""
    return f"{stem}-{next(_number)}"


@dataclass(slots=True)
class Asked:
    """Path with query, body and headers of one request."""

    path: str
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


Make = Callable[[Rig, str], Asked]
"""Makes a request that would go well for somebody with all rights; the other argument is who made what it is about."""


def old_version(rig: Rig) -> Node:
    """A file with an older content."""
    return rig.edit(rig.put(fresh(), b"old"), b"new!")


def trashed(rig: Rig, content: bytes = b"1") -> Node:
    """A file in the trash."""
    node = rig.put(fresh("gone"), content)
    assert rig.ask("DELETE", f"/nodes/{node.id}").status == 204
    return node


def begun(rig: Rig, maker: str, content: bytes = b"bytes", **more: Any) -> str:
    """An upload of `content` that nothing arrived of."""
    message = {"parent": rig.top, "name": fresh("up"), "size": len(content), **more}
    answer = rig.ask("POST", "/uploads", message, user=maker)
    assert answer.status == 201, answer
    return str(answer.json()["id"])


def filled(rig: Rig, maker: str, content: bytes = b"bytes", **more: Any) -> str:
    """An upload of `content` that is all there."""
    upload = begun(rig, maker, content, **more)
    assert rig.ask("PUT", f"/uploads/{upload}/blocks/0", content, user=maker).status == 200
    return upload


def _replacing(rig: Rig, maker: str) -> str:
    """An upload over a file of the content `old`, that nothing arrived of."""
    file = rig.put(fresh(), b"old")
    return begun(rig, maker, b"old", parent=None, name=None, node=file.id, base=file.rev)


def cursor(rig: Rig) -> str:
    """Where the feed stands now."""
    return str(rig.services.changes.cursor())


def picture(rig: Rig, content: bytes = PNG) -> Node:
    """A file that says it is a picture."""
    return rig.put(f"{fresh()}.png", content)


def shared(rig: Rig, maker: str) -> int:
    """A link somebody made."""
    answer = rig.ask("POST", "/shares", {"node": rig.top}, user=maker)
    assert answer.status == 201, answer
    return int(answer.json()["share"]["id"])


def _pack(rig: Rig) -> bytes:
    return pack(new(rig.top, fresh(), b"in a pack"))


PACK = {"Content-Type": Body.PACK.value}

GOOD: dict[str, Make] = {
    "server": lambda rig, by: Asked("/server"),
    "openapi": lambda rig, by: Asked("/openapi.json"),
    "login": lambda rig, by: Asked("/login", {"user": "dan", "password": PASSWORD, "device": "phone"}),
    "signup": lambda rig, by: Asked("/signup", {"user": fresh("user"), "password": PASSWORD}),
    "logout": lambda rig, by: Asked("/logout"),
    "me": lambda rig, by: Asked("/me"),
    "change_password": lambda rig, by: Asked("/me/password", {"old": PASSWORD, "new": PASSWORD}),
    "devices": lambda rig, by: Asked("/devices"),
    "remove_device": lambda rig, by: Asked(f"/devices/{_device(rig, by)}"),
    "roots": lambda rig, by: Asked("/roots"),
    "root_members": lambda rig, by: Asked(f"/roots/{rig.root}/members"),
    "set_member": lambda rig, by: Asked(f"/roots/{rig.root}/members", {"user": "cora", "rights": "read"}),
    "changes": lambda rig, by: Asked(f"/roots/{rig.root}/changes?cursor={cursor(rig)}"),
    "journal": lambda rig, by: Asked(f"/roots/{rig.root}/journal?cursor={cursor(rig)}"),
    "tree": lambda rig, by: Asked(f"/roots/{rig.root}/tree"),
    "resolve": lambda rig, by: Asked(f"/roots/{rig.root}/path?path={rig.put(fresh()).name}"),
    "node": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}"),
    "children": lambda rig, by: Asked(f"/nodes/{rig.top}/children"),
    "make_folder": lambda rig, by: Asked(f"/nodes/{rig.top}/folders", {"name": fresh()}),
    "move": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/move", {"parent": rig.top, "name": fresh()}),
    "copy": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/copy", {"parent": rig.top, "name": fresh()}),
    "set_facts": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/facts", {"mtime_ns": 5}),
    "delete": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}"),
    "trash": lambda rig, by: Asked(f"/roots/{rig.root}/trash"),
    "empty_trash": lambda rig, by: Asked(f"/roots/{rig.root}/trash"),
    "restore": lambda rig, by: Asked(f"/trash/{trashed(rig).id}/restore", {}),
    "purge": lambda rig, by: Asked(f"/trash/{trashed(rig).id}"),
    "versions": lambda rig, by: Asked(f"/nodes/{old_version(rig).id}/versions"),
    "restore_version": lambda rig, by: Asked(f"/nodes/{old_version(rig).id}/versions/1/restore"),
    "content": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/content"),
    "media": lambda rig, by: Asked(f"/nodes/{picture(rig).id}/media"),
    "thumbnail": lambda rig, by: Asked(f"/nodes/{picture(rig).id}/thumbnail"),
    "block_digests": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/blocks"),
    "put_file": lambda rig, by: Asked(f"/nodes/{rig.top}/files?name={fresh()}", b"whole"),
    "put_content": lambda rig, by: Asked(f"/nodes/{rig.put(fresh()).id}/content?base=1", b"whole"),
    "begin_upload": lambda rig, by: Asked("/uploads", {"parent": rig.top, "name": fresh(), "size": 3}),
    "upload": lambda rig, by: Asked(f"/uploads/{begun(rig, by)}"),
    "put_block": lambda rig, by: Asked(f"/uploads/{begun(rig, by)}/blocks/0", b"bytes"),
    "upload_have": lambda rig, by: Asked(f"/uploads/{_replacing(rig, by)}/have", {"digests": [digest_of(b"old")]}),
    "finish_upload": lambda rig, by: Asked(f"/uploads/{filled(rig, by)}/finish", {}),
    "cancel_upload": lambda rig, by: Asked(f"/uploads/{begun(rig, by)}"),
    "make_folders": lambda rig, by: Asked(f"/roots/{rig.root}/folders", {"folders": [[rig.top, fresh()], [-1, "in"]]}),
    "put_pack": lambda rig, by: Asked(f"/roots/{rig.root}/pack", _pack(rig), dict(PACK)),
    "get_pack": lambda rig, by: Asked(f"/roots/{rig.root}/wanted", {"files": [[rig.put(fresh()).id, 1]]}),
    "shares": lambda rig, by: Asked("/shares"),
    "add_share": lambda rig, by: Asked("/shares", {"node": rig.put(fresh()).id}),
    "remove_share": lambda rig, by: Asked(f"/shares/{shared(rig, by)}"),
    "order": lambda rig, by: Asked("/admin", {"name": "user list"}),
}

NEEDS: dict[str, Rights] = {
    **dict.fromkeys(
        [
            "root_members",
            "changes",
            "journal",
            "tree",
            "resolve",
            "node",
            "children",
            "trash",
            "versions",
            "content",
            "media",
            "thumbnail",
            "block_digests",
            "get_pack",
            "add_share",
        ],
        Rights.READ,
    ),
    **dict.fromkeys(
        [
            "make_folder",
            "move",
            "copy",
            "set_facts",
            "delete",
            "restore",
            "restore_version",
            "put_file",
            "put_content",
            "begin_upload",
            "make_folders",
            "put_pack",
        ],
        Rights.WRITE,
    ),
    **dict.fromkeys(("set_member", "empty_trash", "purge"), Rights.OWN),
}
"""What a call needs in the root it is about; calls that are not here are about no root, or about an upload of one's own."""

UPLOADS = ("upload", "put_block", "upload_have", "finish_upload", "cancel_upload")


def _device(rig: Rig, maker: str) -> int:
    return int(rig.services.accounts.log_in(maker, PASSWORD, "old phone", "").principal.device)


def send(rig: Rig, call: Call, asked: Asked, **more: Any) -> Answer:
    """Make the request."""
    return rig.ask(call.method, asked.path, asked.body, headers=asked.headers, **more)


def good(rig: Rig, name: str, by: str = "anna") -> Answer:
    """Make the call so that it goes well."""
    return send(rig, BY_NAME[name], GOOD[name](rig, by), user=by)


# --- failures -----------------------------------------------------------------------------------------------------------

Fail = Callable[[Rig], Answer]


def _put_taken(rig: Rig) -> Answer:
    return rig.ask("PUT", f"/nodes/{rig.top}/files?name={rig.put(fresh()).name}", b"2")


def _into_itself(verb: str) -> Fail:
    def make(rig: Rig) -> Answer:
        folder = rig.folder_node(fresh())
        inner = rig.folder_node("inner", folder.id)
        return rig.ask("POST", f"/nodes/{folder.id}/{verb}", {"parent": inner.id, "name": "x"})

    return make


def _named(verb: str, name: str) -> Fail:
    return lambda rig: rig.ask("POST", f"/nodes/{rig.put(fresh()).id}/{verb}", {"parent": rig.top, "name": name})


def _onto_other(verb: str) -> Fail:
    def make(rig: Rig) -> Answer:
        taken = rig.put(fresh())
        return rig.ask("POST", f"/nodes/{rig.put(fresh()).id}/{verb}", {"parent": rig.top, "name": taken.name})

    return make


def _into_file(verb: str) -> Fail:
    def make(rig: Rig) -> Answer:
        file = rig.put(fresh())
        return rig.ask("POST", f"/nodes/{rig.put(fresh()).id}/{verb}", {"parent": file.id, "name": "x"})

    return make


def _damaged_version(ask: Callable[[Rig, Node], Answer]) -> Fail:
    def make(rig: Rig) -> Answer:
        node = old_version(rig)
        (version,) = rig.catalogue.versions(node.id)
        rig.roots.get(rig.root).drop_kept(version.kept)
        return ask(rig, node)

    return make


def _finish_late(change: Callable[[Rig, Node], object], **target: Any) -> Fail:
    """An upload over a file, or to a name, that changed before it was finished."""

    def make(rig: Rig) -> Answer:
        file = rig.put(fresh())
        upload = filled(rig, "anna", parent=None, name=None, node=file.id, base=file.rev)
        change(rig, file)
        return rig.ask("POST", f"/uploads/{upload}/finish", {})

    return make


def _finish_taken(rig: Rig) -> Answer:
    name = fresh()
    upload = filled(rig, "anna", name=name)
    rig.put(name)
    return rig.ask("POST", f"/uploads/{upload}/finish", {})


def _finish_again_elsewhere(rig: Rig) -> Answer:
    upload = filled(rig, "anna", digest=digest_of(b"other"))
    return rig.ask("POST", f"/uploads/{upload}/finish", {})


def _large(method: str, path: Callable[[Rig], str]) -> Fail:
    """A body that only its length is told of."""

    def make(rig: Rig) -> Answer:
        head = (
            f"{method} /api/v1{path(rig)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rig.token('anna')}\r\n"
            f"Content-Length: {2**60}\r\nContent-Type: {Body.PACK.value}\r\n\r\n"
        )
        status, rest = rig.wire(head.encode(), until_closed=False).split(b" ", 2)[1:]
        return Answer(int(status), {}, rest.partition(b"\r\n\r\n")[2])

    return make


def _many_logins(path: str, message: dict[str, str], user: str | None) -> Fail:
    def make(rig: Rig) -> Answer:
        for _ in range(12):
            answer = rig.ask("POST", path, message | ({"user": fresh()} if path == "/signup" else {}), user=user)
        return answer

    return make


def _many_names(rig: Rig) -> Answer:
    """Somebody who owns the root for a while asks for people nobody knows (S45)."""
    ada = rig.account("ada")
    rig.roots.give(rig.root, ada, Rights.OWN)
    try:
        for _ in range(12):
            body = {"user": fresh("nobody"), "rights": "read"}
            answer = rig.ask("PUT", f"/roots/{rig.root}/members", body, user="ada")
        return answer
    finally:
        rig.roots.give(rig.root, ada, Rights.NONE)


FAILURES: dict[tuple[str, str], Fail] = {
    ("set_member", "too-many-tries"): _many_names,
    ("shares", "not-found"): lambda rig: rig.ask("GET", f"/shares?root={UNKNOWN}"),
    ("shares", "forbidden"): lambda rig: rig.ask("GET", f"/shares?root={rig.root}", user="ben"),
    ("add_share", "not-found"): lambda rig: rig.ask("POST", "/shares", {"node": UNKNOWN}),
    ("add_share", "weak-password"): lambda rig: rig.ask("POST", "/shares", {"node": rig.top, "password": "short"}),
    ("remove_share", "not-found"): lambda rig: rig.ask("DELETE", f"/shares/{UNKNOWN}"),
    ("login", "login-failed"): lambda rig: rig.ask("POST", "/login", {"user": "anna", "password": "no"}, user=None),
    ("login", "too-many-tries"): _many_logins("/login", {"user": "cora", "password": "no"}, None),
    ("signup", "name-taken"): lambda rig: rig.ask("POST", "/signup", {"user": "ANNA", "password": PASSWORD}, user=None),
    ("signup", "weak-password"): lambda rig: rig.ask("POST", "/signup", {"user": "x", "password": "short"}, user=None),
    ("signup", "bad-name"): lambda rig: rig.ask("POST", "/signup", {"user": "../x", "password": PASSWORD}, user=None),
    ("signup", "too-many-tries"): _many_logins("/signup", {"password": PASSWORD}, None),
    ("change_password", "login-failed"): lambda rig: rig.ask("POST", "/me/password", {"old": "no", "new": PASSWORD}),
    ("change_password", "weak-password"): lambda rig: rig.ask("POST", "/me/password", {"old": PASSWORD, "new": "x"}),
    ("change_password", "too-many-tries"): _many_logins("/me/password", {"old": "no", "new": PASSWORD}, "ben"),
    ("remove_device", "not-found"): lambda rig: rig.ask("DELETE", f"/devices/{UNKNOWN}"),
    ("changes", "cursor-gone"): lambda rig: rig.ask("GET", f"/roots/{rig.root}/changes?cursor={'f' * 32}-1"),
    ("journal", "cursor-gone"): lambda rig: rig.ask("GET", f"/roots/{rig.root}/journal?cursor={'f' * 32}-1"),
    ("tree", "cursor-gone"): lambda rig: rig.ask("GET", f"/roots/{rig.root}/tree?after=1&cursor={'f' * 32}-1"),
    ("tree", "wrong-kind"): lambda rig: rig.ask("GET", f"/roots/{rig.root}/tree?under={rig.put(fresh()).id}"),
    ("resolve", "bad-name"): lambda rig: rig.ask("GET", f"/roots/{rig.root}/path?path=a/../b"),
    ("children", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.put(fresh()).id}/children"),
    ("make_folder", "bad-name"): lambda rig: rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": ".."}),
    ("make_folder", "path-taken"): lambda rig: rig.ask(
        "POST", f"/nodes/{rig.top}/folders", {"name": rig.put(fresh()).name}
    ),
    ("make_folder", "wrong-kind"): lambda rig: rig.ask("POST", f"/nodes/{rig.put(fresh()).id}/folders", {"name": "x"}),
    ("move", "bad-name"): _named("move", "a/b"),
    ("move", "path-taken"): _onto_other("move"),
    ("move", "wrong-kind"): _into_file("move"),
    ("move", "would-cycle"): _into_itself("move"),
    ("move", "stale"): lambda rig: rig.ask(
        "POST", f"/nodes/{rig.put(fresh()).id}/move", {"parent": rig.top, "name": fresh(), "base": 1}
    ),
    ("copy", "bad-name"): _named("copy", ""),
    ("copy", "path-taken"): _onto_other("copy"),
    ("copy", "wrong-kind"): _into_file("copy"),
    ("copy", "would-cycle"): _into_itself("copy"),
    ("set_facts", "stale"): lambda rig: rig.ask(
        "POST", f"/nodes/{rig.put(fresh()).id}/facts", {"mtime_ns": 1, "base": 1}
    ),
    ("set_facts", "wrong-kind"): lambda rig: rig.ask("POST", f"/nodes/{rig.top}/facts", {"mtime_ns": 1}),
    ("delete", "stale"): lambda rig: rig.ask("DELETE", f"/nodes/{rig.put(fresh()).id}?base=1"),
    ("restore", "bad-name"): lambda rig: rig.ask("POST", f"/trash/{trashed(rig).id}/restore", {"name": "a/b"}),
    ("restore", "wrong-kind"): lambda rig: rig.ask(
        "POST", f"/trash/{trashed(rig).id}/restore", {"parent": rig.put(fresh()).id}
    ),
    ("versions", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.top}/versions"),
    ("restore_version", "stale"): lambda rig: rig.ask(
        "POST", f"/nodes/{old_version(rig).id}/versions/1/restore?base=1"
    ),
    ("restore_version", "wrong-kind"): lambda rig: rig.ask("POST", f"/nodes/{rig.top}/versions/1/restore"),
    ("restore_version", "content-missing"): _damaged_version(
        lambda rig, node: rig.ask("POST", f"/nodes/{node.id}/versions/1/restore")
    ),
    ("media", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.top}/media"),
    ("media", "media-broken"): lambda rig: rig.ask("GET", f"/nodes/{picture(rig, b'no picture').id}/media"),
    ("thumbnail", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.put(fresh()).id}/thumbnail"),
    ("thumbnail", "media-broken"): lambda rig: rig.ask("GET", f"/nodes/{picture(rig, b'no picture').id}/thumbnail"),
    ("content", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.top}/content"),
    ("content", "content-missing"): _damaged_version(
        lambda rig, node: rig.ask("GET", f"/nodes/{node.id}/content?rev=1")
    ),
    ("block_digests", "wrong-kind"): lambda rig: rig.ask("GET", f"/nodes/{rig.top}/blocks"),
    ("block_digests", "content-missing"): _damaged_version(
        lambda rig, node: rig.ask("GET", f"/nodes/{node.id}/blocks?rev=1")
    ),
    ("put_file", "bad-name"): lambda rig: rig.ask("PUT", f"/nodes/{rig.top}/files?name=.homestow", b"1"),
    ("put_file", "path-taken"): _put_taken,
    ("put_file", "stale"): lambda rig: rig.ask(
        "PUT", f"/nodes/{rig.top}/files?name={old_version(rig).name}&base=1", b"1"
    ),
    ("put_file", "wrong-kind"): lambda rig: rig.ask("PUT", f"/nodes/{rig.put(fresh()).id}/files?name=x", b"1"),
    ("put_file", "digest-mismatch"): lambda rig: rig.ask(
        "PUT", f"/nodes/{rig.top}/files?name={fresh()}&digest={digest_of(b'2')}", b"1"
    ),
    ("put_file", "too-large"): _large("PUT", lambda rig: f"/nodes/{rig.top}/files?name={fresh()}"),
    ("put_content", "stale"): lambda rig: rig.ask("PUT", f"/nodes/{old_version(rig).id}/content?base=1", b"1"),
    ("put_content", "wrong-kind"): lambda rig: rig.ask("PUT", f"/nodes/{rig.top}/content?base=1", b"1"),
    ("put_content", "digest-mismatch"): lambda rig: rig.ask(
        "PUT", f"/nodes/{rig.put(fresh()).id}/content?base=1&digest={digest_of(b'2')}", b"1"
    ),
    ("put_content", "too-large"): _large("PUT", lambda rig: f"/nodes/{rig.put(fresh()).id}/content?base=1"),
    ("begin_upload", "bad-name"): lambda rig: rig.ask("POST", "/uploads", {"parent": rig.top, "name": "", "size": 1}),
    ("begin_upload", "path-taken"): lambda rig: rig.ask(
        "POST", "/uploads", {"parent": rig.top, "name": rig.put(fresh()).name, "size": 1}
    ),
    ("begin_upload", "stale"): lambda rig: rig.ask(
        "POST", "/uploads", {"node": old_version(rig).id, "base": 1, "size": 1}
    ),
    ("begin_upload", "wrong-kind"): lambda rig: rig.ask("POST", "/uploads", {"node": rig.top, "base": 1, "size": 1}),
    ("begin_upload", "too-large"): lambda rig: rig.ask(
        "POST", "/uploads", {"parent": rig.top, "name": fresh(), "size": 2**62}
    ),
    ("put_block", "wrong-offset"): lambda rig: rig.ask("PUT", f"/uploads/{begun(rig, 'anna')}/blocks/6", b"x"),
    ("put_block", "digest-mismatch"): lambda rig: rig.ask(
        "PUT", f"/uploads/{begun(rig, 'anna')}/blocks/0?digest={digest_of(b'other')}", b"bytes"
    ),
    ("put_block", "too-large"): _large("PUT", lambda rig: f"/uploads/{begun(rig, 'anna')}/blocks/0"),
    ("finish_upload", "incomplete"): lambda rig: rig.ask("POST", f"/uploads/{begun(rig, 'anna')}/finish", {}),
    ("finish_upload", "digest-mismatch"): _finish_again_elsewhere,
    ("finish_upload", "path-taken"): _finish_taken,
    ("finish_upload", "stale"): _finish_late(lambda rig, file: rig.edit(file, b"meanwhile")),
    ("finish_upload", "not-found"): _finish_late(lambda rig, file: rig.ask("DELETE", f"/nodes/{file.id}")),
    ("make_folders", "too-large"): lambda rig: rig.ask(
        "POST", f"/roots/{rig.root}/folders", {"folders": [[rig.top, "x"]] * 10_001}
    ),
    ("put_pack", "too-large"): _large("POST", lambda rig: f"/roots/{rig.root}/pack"),
    ("get_pack", "too-large"): lambda rig: rig.ask(
        "POST", f"/roots/{rig.root}/wanted", {"files": [[rig.top, 1]] * 4097}
    ),
}
"""Failures by call and code that have a way of their own; those all calls share are made from the table."""

ELSEWHERE: dict[tuple[str, str], str] = {
    ("signup", "signup-closed"): "test_accounts_api: this server is open",
    ("move", "content-missing"): "needs the disk to lose a file between two looks of the service: tests of the core",
    ("copy", "content-missing"): "needs the disk to lose a file between two looks of the service: tests of the core",
    **{
        (call, "quota-exceeded"): "test_quota: this server has none"
        for call in ("copy", "restore_version", "put_file", "put_content", "begin_upload")
    },
    ("add_share", "too-large"): "tests of the service: it takes ten thousand links",
    ("begin_upload", "upload-gone"): "test_repeating: a key whose upload is gone",
}
"""Documented failures that other tests make, and where."""


def item(**more: Any) -> PackItem:
    """A pack's header."""
    return PackItem(**{"size": 0, "mtime_ns": 0, **more})
