"""Names and paths that mean harm, through every way a name comes in (rows S01 to S14)."""

import json
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import Answer, Rig
from tests.security.talk import Talk
from tests.security.vectors import legal, names, stored

from homestow.wire.api import MAX_FOLDERS, MAX_PACK_FILES, PREFIX, Body

NAMES = names()
CANARY = b"canary-7d1f: nobody reads or writes me"


def seen_outside(rig: Rig) -> dict[str, bytes]:
    """Everything beside the root's own folder that somebody who climbs out could reach first, with its bytes."""
    found: dict[str, bytes] = {}
    for path in (*rig.place.glob("*"), *(rig.place / "data" / "files").rglob("*"), *rig.place.parent.glob("*")):
        found[str(path)] = path.read_bytes() if path.is_file() else b""
    return found


@pytest.fixture
def outside(shared: Rig) -> Iterator[None]:
    """Whatever happens, no file outside of the root comes, goes or changes, and no other appears in the root."""
    for place in (shared.place, shared.place / "data", shared.place / "data" / "files"):
        (place / "canary.txt").write_bytes(CANARY)
    before = seen_outside(shared)
    yield
    assert seen_outside(shared) == before


def on_disk(folder: Path) -> set[bytes]:
    """Names in a folder as the disk has them."""
    return set(os.listdir(os.fsencode(folder)))


def expected(tried: list[str]) -> set[bytes]:
    """What must lie on disk after all of these were tried."""
    return {stored(name).encode() for name in tried if legal(name)}


def fine(answer: Answer) -> Answer:
    """An answer that is no failure of the server and gives nothing of the canary away."""
    assert answer.status < 500, answer
    assert CANARY not in answer.body
    return answer


def part(parent: int, name: str) -> bytes:
    """A file of one byte in a pack, its header made here: it may be anything."""
    header = json.dumps({"size": 1, "mtime_ns": 0, "parent": parent, "name": name}).encode()
    return struct.pack(">I", len(header)) + header + b"x"


def judge(tried: list[str], results: list[dict[str, object]]) -> None:
    """Each result is the one this name must have: stored exactly, taken already, or refused as no name."""
    assert len(results) == len(tried)
    taken: set[str] = set()
    for name, result in zip(tried, results, strict=True):
        node, problem = result.get("node"), result.get("problem")
        if not legal(name):
            assert isinstance(problem, dict), (ascii(name), result)
            assert problem["code"] == "bad-name", (ascii(name), result)
        elif stored(name) in taken:
            assert node is not None or isinstance(problem, dict), (ascii(name), result)
        else:
            assert isinstance(node, dict), (ascii(name), result)
            assert node["name"] == stored(name), (ascii(name), result)
            taken.add(stored(name))


def test_S01_the_list_is_long_enough() -> None:
    """Five thousand vectors at least, legal and illegal ones among them."""
    assert len(NAMES) >= 5000
    assert sum(map(legal, NAMES)) > 1000
    assert sum(not legal(name) for name in NAMES) > 1000


@pytest.mark.usefixtures("outside")
def test_S01_in_packs(shared: Rig) -> None:
    """Every vector as the name of a file in a pack: stored exactly or refused, each for itself, and nothing anywhere else."""
    folder = shared.folder_node(fresh())
    fits = [name for name in NAMES if len(part(folder.id, name)) < 4000 and (legal(name) or not has_surrogate(name))]
    results: list[dict[str, object]] = []
    for start in range(0, len(fits), MAX_PACK_FILES):
        body = b"".join(part(folder.id, name) for name in fits[start : start + MAX_PACK_FILES])
        answer = shared.ask("POST", f"/roots/{shared.root}/pack", body, headers={"Content-Type": Body.PACK.value})
        assert fine(answer).status == 200, answer
        results += answer.json()["results"]
    judge(fits, results)
    assert on_disk(shared.folder / folder.name) == expected(fits)
    left_out = [name for name in NAMES if name not in set(fits)]
    assert left_out
    for name in left_out:
        answer = shared.ask(
            "POST", f"/roots/{shared.root}/pack", part(folder.id, name), headers={"Content-Type": Body.PACK.value}
        )
        assert fine(answer).status == 400, ascii(name)


def has_surrogate(name: str) -> bool:
    """Whether a name is no text at all, so that its JSON is none."""
    return any("\ud800" <= letter <= "\udfff" for letter in name)


@pytest.mark.usefixtures("outside")
def test_S01_as_folders(shared: Rig) -> None:
    """Every vector as the name of a folder, in one call."""
    folder = shared.folder_node(fresh())
    tried = [name for name in NAMES if not has_surrogate(name)]
    assert len(tried) <= MAX_FOLDERS
    answer = shared.ask("POST", f"/roots/{shared.root}/folders", {"folders": [[folder.id, name] for name in tried]})
    assert fine(answer).status == 200, answer
    judge(tried, answer.json()["results"])
    assert on_disk(shared.folder / folder.name) == expected(tried)


@pytest.mark.usefixtures("outside")
def test_S01_as_uploads(shared: Rig) -> None:
    """As the name of an upload: what is no name is refused, each; of the names a third is begun, and of those some are
    finished and lie under exactly that name (all names were stored by packs)."""
    folder = shared.folder_node(fresh())
    tried = [name for name in NAMES if not legal(name)] + [name for name in NAMES if legal(name)][::3]

    def begin(tried: list[str]) -> list[str]:
        finished = []
        with Talk(shared) as talk:
            for at, name in enumerate(tried):
                # JSON can spell what is no text: lone surrogates go out as escapes.
                body = json.dumps({"parent": folder.id, "name": name, "size": 0}).encode()
                answer = fine(talk.ask("POST", f"{PREFIX}/uploads", body))
                if not legal(name):
                    assert (answer.status, answer.code) in ((400, "bad-name"), (400, "bad-request")), ascii(name)
                    continue
                assert answer.status == 201 or answer.code == "path-taken", (ascii(name), answer)
                if answer.status == 201 and at % 8 == 0:
                    done = fine(talk.ask("POST", f"{PREFIX}/uploads/{answer.json()['id']}/finish", b"{}"))
                    assert done.status == 200 or done.code == "path-taken", (ascii(name), done)
                    finished.append(name)
        return finished

    with ThreadPoolExecutor(2) as pool:
        finished = [name for done in pool.map(begin, (tried[::2], tried[1::2])) for name in done]
    assert on_disk(shared.folder / folder.name) == expected(finished)


@pytest.mark.usefixtures("outside")
def test_S01_in_addresses(shared: Rig) -> None:
    """Every vector in every place of an address, encoded and as it is: it names nothing, or what a path may name."""
    with Talk(shared) as talk:
        for name in NAMES:
            encoded = quote(name, safe="", errors="surrogatepass")
            path = fine(talk.ask("GET", f"{PREFIX}/roots/{shared.root}/path?path={encoded}"))
            # A slash before and one behind say nothing: these are the top itself; all else of the list is nowhere.
            assert path.status == 200 if name in ("", "/", "//") else path.status in (400, 404), (ascii(name), path)
            for target in (f"/nodes/{encoded}/content", f"/{encoded}"):
                assert fine(talk.ask("GET", PREFIX + target)).status in (400, 404, 405), (target, name)
        for name in NAMES:
            if name.isascii() and name.isprintable() and not set(" #?") & set(name):
                answer = fine(talk.ask("GET", f"{PREFIX}/nodes/{shared.top}/{name}"))
                assert answer.status in (400, 404, 405) or name == "versions", (name, answer)


@pytest.mark.usefixtures("outside")
def test_S01_in_queries(shared: Rig) -> None:
    """A sample of the vectors as the name of a file in one request."""
    folder = shared.folder_node(fresh())
    tried = NAMES[::12]
    with Talk(shared) as talk:
        for name in tried:
            encoded = quote(name, safe="", errors="surrogatepass")
            answer = fine(talk.ask("PUT", f"{PREFIX}/nodes/{folder.id}/files?name={encoded}", b"x", "text/plain"))
            assert (answer.status in (201, 409)) is legal(name), (ascii(name), answer)
            assert answer.status != 409 or answer.code == "path-taken"
    assert on_disk(shared.folder / folder.name) == expected(tried)


def test_S02_what_a_path_finds_is_what_was_stored(shared: Rig) -> None:
    """Packs, uploads, addresses and paths read one name alike: what one stored, the path of the same name finds."""
    folder = shared.folder_node(fresh())
    tried = [name for name in NAMES[::40] if legal(name)]
    pack = b"".join(part(folder.id, name) for name in tried)
    answer = shared.ask("POST", f"/roots/{shared.root}/pack", pack, headers={"Content-Type": Body.PACK.value})
    assert answer.status == 200
    with Talk(shared) as talk:
        for name in tried:
            path = quote(f"{folder.name}/{name}", safe="")
            found = talk.ask("GET", f"{PREFIX}/roots/{shared.root}/path?path={path}")
            assert (found.status, found.node.name) == (200, stored(name)), ascii(name)
            again = talk.ask("PUT", f"{PREFIX}/nodes/{folder.id}/files?name={quote(name, safe='')}", b"y")
            assert again.json()["facts"]["node"] == found.node.id


def test_S01_the_hidden_folder_is_no_name(shared: Rig) -> None:
    """At the top of a root nobody makes, reads or replaces what is ours, in whatever spelling a disk may take for it."""
    for name in (".homestow", ".homestow/staging", "x/../.homestow"):
        assert shared.ask("POST", f"/nodes/{shared.top}/folders", {"name": name}).code == "bad-name"
        found = shared.ask("GET", f"/roots/{shared.root}/path?path={quote(name, safe='')}")
        assert found.status in (400, 404)
