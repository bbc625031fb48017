"""Conflict names say what they are copies of, and whose."""

import hashlib
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from homestow.values.paths import (
    MAX_NAME_BYTES,
    ConflictName,
    check_name,
    conflict_device,
    conflict_name,
    nfc,
    numbered,
    parse_conflict_name,
)

HEX = hashlib.sha256(b"x").hexdigest()
DAY_NS = 1_700_000_000_000_000_000

names = (
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=60)
    .map(nfc)
    .filter(lambda name: name not in (".", "..") and len(name.encode()) < 160)
)
devices = st.text(st.characters(codec="utf-8"), max_size=30).filter(lambda name: " (conflict " not in name)
days = st.integers(-(2**62), 2**62)


@given(names, devices, days)
def test_a_conflict_name_is_read_back(name: str, device: str, mtime_ns: int) -> None:
    """For every name and device: the name both wanted, the device as it is shown, and the content's digits."""
    copy = conflict_name(name, device, mtime_ns, HEX)

    found = parse_conflict_name(copy)

    assert found is not None
    assert (found.name, found.device, found.digits) == (name, conflict_device(device), HEX[:6])


@given(names, st.text(string.ascii_letters + " -_", max_size=20), days, st.integers(2, 9999))
def test_a_numbered_conflict_name_is_read_back(name: str, device: str, mtime_ns: int, number: int) -> None:
    """A second copy of the same content has a number, which is no part of the name. (It stands before a dot at the name's end.)"""
    assume(not name.endswith("."))
    copy = conflict_name(name, device, mtime_ns, HEX)
    taken = {copy}

    found = parse_conflict_name(numbered(copy, taken))

    assert found is not None
    assert found.name == name


@given(names, names, st.booleans())
def test_a_conflict_of_a_conflict_copy_is_read_back(name: str, device: str, again: bool) -> None:
    """The copy of a copy is about that copy."""
    device = device.replace(" (conflict ", "")
    copy = conflict_name(name, "A", DAY_NS, HEX)
    if again:
        found = parse_conflict_name(conflict_name(copy, device, 0, HEX))
        assert found is not None
        assert found.name == copy


@given(st.text(max_size=300))
def test_any_text_may_be_asked_about(text: str) -> None:
    """Whatever a name is, the answer is None or something that could be a name's parts."""
    found = parse_conflict_name(text)

    assert found is None or (found.name and found.device and len(found.digits) == 6)


def test_very_long_names_are_cut() -> None:
    """The copy's name fits, so that the stem is not all of it; what is said of it still is right."""
    name = "\u00e9" * 120 + ".txt"
    copy = check_name(conflict_name(name, "laptop", DAY_NS, HEX))

    found = parse_conflict_name(copy)

    assert found is not None
    assert len(copy.encode()) <= MAX_NAME_BYTES
    assert found.device == "laptop"
    assert found.name.endswith(".txt")
    assert name.startswith(found.name.removesuffix(".txt"))


def test_names_as_people_see_them() -> None:
    """The form that is documented, and what only looks like it."""
    assert parse_conflict_name("a.b (conflict my.host 2023-11-14 0123ab)") == ConflictName(
        "a.b", "my.host", "2023-11-14", "0123ab"
    )
    assert parse_conflict_name(".profile (conflict A 2023-11-14 0123ab)") == ConflictName(
        ".profile", "A", "2023-11-14", "0123ab"
    )
    assert parse_conflict_name("f (conflict A 2023-11-14 0123ab).tar.gz") is None
    for other in ("f.txt", " (conflict A 2023-11-14 0123ab)", "f (conflict A 2023-11-14 0123AB)", "f (conflict A)", ""):
        assert parse_conflict_name(other) is None
