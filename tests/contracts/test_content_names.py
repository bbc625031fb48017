"""Which names a store takes, and which lead nowhere: the content contract on S01, S02 and S14."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.contracts.content_rigs import KINDS, Rig, bytes_at, make_rig, names, put

from homestow.server.ports.content import Content, Location
from homestow.values.errors import BadName

FILE = ("letters", "a.txt")


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    (tmp_path / "root").mkdir()
    rig = make_rig(request.param, tmp_path / "root", monkeypatch.setattr)
    yield rig
    rig.close()


@pytest.fixture
def store(rig: Rig) -> Content:
    rig.outside.make_folder(("letters",))
    return rig.store


@pytest.mark.parametrize(
    "name",
    [
        "a" * 255,
        "ä" * 127,
        "new\nline",
        "-rf",
        "🏠",
        "e\u0301",
        "\u00e9",
        "trailing. ",
        "CON",
        ".hidden",
        "..x",
        "\udcff\udc80",
        "back\\slash",
        "\u202egpj.exe",
        " ",
        "%2e%2e%2f",
        ".homestow2",
        ".Homestow",
    ],
)
def test_every_name_a_disk_can_have_works(rig: Rig, store: Content, name: str) -> None:
    """Absurd names are names: published, listed, moved, kept and brought back as they are."""
    put(store, (name,), b"x")
    assert name in names(store)
    assert bytes_at(store, (name,)) == b"x"
    assert rig.outside.read((name,)) == b"x"
    store.keep((name,), "t")
    store.bring_back("t", ("letters", name))
    store.move(("letters", name), (name,))
    store.make_folder(("letters", name))
    put(store, ("letters", name, name), b"y", key="k2")
    assert names(store, ("letters", name)) == [name]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b", "a" * 256, "é" * 128, "\ud800"])
def test_what_no_disk_can_have_is_told(store: Content, name: str) -> None:
    """Segments that would lead elsewhere, or that no disk can store, are refused everywhere (S01, S14)."""
    put(store, FILE, b"x")
    store.stage_small("k2", b"y")
    places: list[Location] = [(name,), ("letters", name), (name, "x")]
    for at in places:
        acts: list[Callable[[], object]] = [
            partial(store.publish, "k2", at, False, None),
            partial(store.publish, "k2", at, True, None),
            partial(store.make_folder, at),
            partial(store.move, FILE, at),
            partial(store.move, at, ("letters", "new")),
            partial(store.keep, at, "t"),
            partial(store.open, at),
            partial(store.look, at),
            partial(store.list_folder, at),
            partial(store.set_mtime, at, 1),
        ]
        for act in acts:
            with pytest.raises(BadName):
                act()
    assert names(store) == ["letters"]
    assert names(store, ("letters",)) == ["a.txt"]


def test_the_hidden_area_has_no_visible_name(store: Content) -> None:
    """No location leads into the hidden area, and listing does not show it (P2)."""
    put(store, FILE, b"x")
    store.stage_small("k2", b"secret")
    assert names(store) == ["letters"]
    hidden: list[Location] = [(".homestow",), (".homestow", "staging"), (".homestow", "staging", "k2")]
    for at in hidden:
        for act in (store.look, store.open, store.list_folder):
            with pytest.raises(BadName):
                act(at)
        with pytest.raises(BadName):
            store.move(FILE, at)
    store.make_folder(("letters", ".homestow"))
    assert names(store, ("letters",)) == [".homestow", "a.txt"]


def test_both_spellings_of_a_name_live_side_by_side(store: Content) -> None:
    """A disk that tells composed and decomposed names apart keeps two files (SC-124 rests on this)."""
    put(store, ("\u00e9",), b"composed")
    put(store, ("e\u0301",), b"decomposed", key="k2")
    assert bytes_at(store, ("\u00e9",)) == b"composed"
    assert bytes_at(store, ("e\u0301",)) == b"decomposed"
