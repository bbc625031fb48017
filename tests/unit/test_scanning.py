"""Scans: folders and people of a configuration become roots and members; run again, everything is brought up to date."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.keeping_world import House

from homestow.server.rules.access import Rights
from homestow.values.errors import BadRequest, Busy, CloudError, LoginFailed
from homestow.values.ids import AccountId


def scan(house: House, *items: dict[str, Any]) -> dict[str, Any]:
    """Run a scan to its end; its result."""
    house.order("scan.start", items=json.dumps(items))
    while True:
        state = house.data_of("scan.state")
        assert isinstance(state, dict)
        if state["ended"]:
            result = state["result"]
            assert isinstance(result, dict)
            return result


def item(path: Path, *people: str | tuple[str, str], **more: Any) -> dict[str, Any]:
    given = [{"name": one} if isinstance(one, str) else {"name": one[0], "password": one[1]} for one in people]
    return {"paths": [str(path)], "people": given, **more}


def folder(place: Path, *names: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    return place


def rights(house: House, root: str) -> dict[str, str]:
    return {account.name: have.word for account, have in house.roots.member_list(house.roots.named(root).id)}


def files(house: House, root: str) -> set[str]:
    house.root = house.roots.named(root).id
    return {path for path, row in house.tree().items() if row.kind == "file"}


def test_two_folders_for_two_users(house: House, tmp_path: Path) -> None:
    """As the article's example: members may read and write, a short password is taken with a warning."""
    pics, docs = folder(tmp_path / "pics", "a.jpg", "2026/b.jpg"), folder(tmp_path / "docs", "c.txt")
    result = scan(house, item(pics, ("terry", "123"), ("terry2", "333")), item(docs, "terry"))
    assert result["problems"] == []
    assert rights(house, "pics") == {"terry": "write", "terry2": "write"}
    assert rights(house, "docs") == {"terry": "write"}
    assert files(house, "pics") == {"a.jpg", "2026/b.jpg"}
    assert any("short" in line for line in result["lines"])
    assert house.accounts.log_in("terry", "123", "phone", "").principal.name == "terry"
    assert len(house.roots.all()) == 3


def test_again_brings_up_to_date(house: House, tmp_path: Path) -> None:
    """What was added, changed and removed since; nothing else happens."""
    pics = folder(tmp_path / "pics", "a", "b", "c")
    scan(house, item(pics, "terry"))
    (pics / "a").unlink()
    (pics / "b").write_text("another content")
    folder(pics, "new/d")
    result = scan(house, item(pics, "terry"))
    assert (result["new"], result["edited"], result["gone"]) == (2, 1, 1)
    assert files(house, "pics") == {"b", "c", "new/d"}
    assert scan(house, item(pics, "terry"))["lines"] == []


def test_without_a_password_nobody_logs_in(house: House, tmp_path: Path) -> None:
    """Not with an empty one either, until a scan brings one."""
    pics = folder(tmp_path / "pics")
    scan(house, item(pics, "terry"))
    for password in ("", "terry", "nobody has this password"):
        with pytest.raises(LoginFailed):
            house.accounts.log_in("terry", password, "phone", "")
    scan(house, item(pics, ("terry", "pass")))
    house.accounts.log_in("terry", "pass", "phone", "")
    scan(house, item(pics, "terry"))
    house.accounts.log_in("terry", "pass", "phone", "")
    scan(house, item(pics, ("terry", "other")))
    with pytest.raises(LoginFailed):
        house.accounts.log_in("terry", "pass", "phone", "")


def test_a_folder_inside_is_looked_at_alone(house: House, tmp_path: Path) -> None:
    """`-p` of a folder in a root: deep in it everything is found, elsewhere nothing is looked at."""
    pics = folder(tmp_path / "pics", "in/deep/a", "out/b")
    scan(house, item(pics, "terry"))
    folder(pics, "in/deep/new", "out/other")
    result = scan(house, item(pics / "in", known_only=True))
    assert result["new"] == 1
    assert files(house, "pics") == {"in/deep/a", "in/deep/new", "out/b"}


def test_unknown_folders_are_not_added(house: House, tmp_path: Path) -> None:
    """`-p` needs a folder that was scanned; a folder that is not there is told, and the rest done."""
    result = scan(house, item(folder(tmp_path / "new"), known_only=True))
    assert "never scanned" in result["problems"][0]
    result = scan(house, {"paths": [str(tmp_path / "nix"), str(folder(tmp_path / "pics", "a"))], "people": []})
    assert "no such folder" in result["problems"][0]
    assert files(house, "pics") == {"a"}


def test_users_do_not_get_the_root_above(house: House, tmp_path: Path) -> None:
    """A path inside somebody's root does not let others in; it is told how to."""
    pics = folder(tmp_path / "pics", "in/a")
    scan(house, item(pics, "terry"))
    result = scan(house, item(pics / "in", "ben"))
    assert rights(house, "pics") == {"terry": "write"}
    assert "homestow root member 'pics' ben" in result["problems"][0]


def test_merging_root_paths(house: House, tmp_path: Path) -> None:
    """A folder around a root takes it in, nodes and all, when nobody loses it."""
    inner = folder(tmp_path / "outer" / "inner", "a")
    folder(tmp_path / "outer", "b")
    scan(house, item(inner, "terry", "ben"))
    house.root = house.roots.named("inner").id
    node = house.tree()["a"].id
    refused = scan(house, item(tmp_path / "outer", "terry"))
    assert "ben would lose it" in refused["problems"][0]
    refused = scan(house, item(tmp_path / "outer", "terry", "ben", merge=False))
    assert "mergeRootPaths" in refused["problems"][0]
    assert [root.name for root in house.roots.all()] == ["tree", "inner"]
    result = scan(house, item(tmp_path / "outer", "terry", "ben"))
    assert result["problems"] == []
    assert files(house, "outer") == {"inner/a", "b"}
    assert house.tree()["inner/a"].id == node


def test_mass_deletions_wait(house: House, tmp_path: Path) -> None:
    """An emptied folder is told and not believed (P10)."""
    pics = folder(tmp_path / "pics", *[f"{number}.jpg" for number in range(200)])
    scan(house, item(pics, "terry"))
    for path in pics.iterdir():
        path.unlink()
    result = scan(house, item(pics, "terry"))
    assert result["gone"] == 0
    assert any("missing" in problem or "empty" in problem for problem in result["problems"])


def test_symlinks_and_dot_files(house: House, tmp_path: Path) -> None:
    """Links are listed and not followed; a link to a folder outside shows nothing of it."""
    pics = folder(tmp_path / "pics", "a", ".hidden/b")
    secret = folder(tmp_path / "secret", "s")
    (pics / "link").symlink_to(secret)
    (pics / "loop").symlink_to(pics)
    scan(house, item(pics, "terry"))
    house.root = house.roots.named("pics").id
    kinds = {path: row.kind for path, row in house.tree().items()}
    assert kinds["link"] == kinds["loop"] == "link"
    assert not any(path.startswith(("link/", "loop/")) for path in kinds)


@pytest.mark.parametrize(
    "items", ["", "{}", "[1]", '[{"paths":"x"}]', '[{"paths":["relative"]}]', '[{"paths":["/x"],"what":1}]', "[" * 9999]
)
def test_bad_orders(house: House, items: str) -> None:
    """Nothing is begun."""
    with pytest.raises(BadRequest):
        house.order("scan.start", items=items)
    with pytest.raises(BadRequest):
        house.order("scan.state")


def test_stopping(house: House, tmp_path: Path) -> None:
    """A scan that is stopped says so; what it recorded stays, and a new one does the rest."""
    paths = [str(folder(tmp_path / f"p{number}", "a")) for number in range(3)]
    running = house.keeping.admin._scanning
    begun = []

    def read(root: int, tell: object) -> None:
        begun.append(root)
        running_now = running.latest()
        assert running_now is not None
        running_now.stopping.set()

    running._read_media = read
    with pytest.raises(Busy, match="stopped"):
        scan(house, {"paths": paths, "people": []})
    assert len(begun) == 1
    running._read_media = None
    assert scan(house, {"paths": paths, "people": []})["problems"] == []


def test_a_failure_inside_is_told(house: House, tmp_path: Path) -> None:
    """Whoever waits hears of it; the next scan runs."""

    def read(root: int, tell: object) -> None:
        raise ZeroDivisionError

    house.keeping.admin._scanning._read_media = read
    with pytest.raises(CloudError, match="ZeroDivisionError"):
        scan(house, item(folder(tmp_path / "p", "a")))
    house.keeping.admin._scanning._read_media = None
    assert scan(house, item(tmp_path / "p"))["problems"] == []


def test_rights_are_never_lowered(house: House, tmp_path: Path) -> None:
    """An owner named in the configuration stays owner."""
    pics = folder(tmp_path / "pics")
    scan(house, item(pics, "terry"))
    house.roots.give(house.roots.named("pics").id, AccountId(house.accounts.named("terry").id), Rights.OWN)
    scan(house, item(pics, "terry"))
    assert rights(house, "pics") == {"terry": "own"}
