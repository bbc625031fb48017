"""JSON of netdrive is strict in what it means and lenient in how it is written (S73)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.wire import netdrive_json
from homestow.wire.netdrive_json import BadJson, Braces, TooDeep, begin, load

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), VALUES, max_size=4)
REFUSED = [
    b'{"a":1,"a":1}', b'{"x":{"a":1,"a":2}}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":-1e999}',
    b'{"a":9007199254740993}', b'{"a":-9007199254740993}', b'{"a":[9007199254740993]}', b'{"a":%s}' % (b"1" * 5000),
    b'{"a":"\\ud800"}', b'{"a":"\\udfff"}', b'{"a":"\\uDE00\\uD83D"}', b'{"\\ud800":1}', b'{"a":["\\ud800x"]}', b'{"a":"\xff\xff"}',
    b'{"a":"\xed\xa0\x80\xff"}', b"[]", b"1", b'"a"', b"null", b"", b"{", b'{"a"}', b'{"a":1 "b":2}', b"{'a':1}", b"{a:1}",
    b'{"a":01}', b'{"a":.5}', b'{"a":"\n"}', b'{"a":1}{"b":1}', b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b'{"a":/* */1}', b"{,}",
]  # fmt: skip


def nested(levels: int) -> list[bytes]:
    """Objects with so many levels."""
    return [
        b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1),
        b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}",
    ]


@pytest.mark.parametrize("data", REFUSED)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_refused(data: bytes, lenient: bool) -> None:
    """Numbers that are none or too large, keys given twice, text that is none, anything but an object."""
    if lenient and data == b"{,}":
        return
    with pytest.raises(BadJson):
        load(data, lenient=lenient)


def test_depth() -> None:
    """32 levels are taken, 33 are not, and thousands are no failure of ours."""
    for data in nested(32):
        assert load(data, lenient=True)
    for levels in (33, 34, 500, 20_000):
        for data in nested(levels):
            for lenient in (False, True):
                with pytest.raises(TooDeep):
                    load(data, lenient=lenient)
    with pytest.raises(TooDeep):
        Braces().feed(nested(33)[0], 0)
    assert Braces().feed(nested(33)[1], 0) == len(nested(33)[1])


def test_the_largest_numbers() -> None:
    """2^53 is the last number that every reader holds exactly."""
    assert load(b'{"a":9007199254740992,"b":-9007199254740992}', lenient=False) == {"a": 2**53, "b": -(2**53)}


def test_looks_that_are_taken() -> None:
    """Comments, trailing commas and white space, outside of texts only."""
    data = b'// first\n{"a": "// no, } comment",// {"\n "b":[1,2 , ] ,"c":{"x":1,}// last\n , }'
    assert load(data, lenient=True) == {"a": "// no, } comment", "b": [1, 2], "c": {"x": 1}}
    with pytest.raises(BadJson):
        load(data, lenient=False)
    assert load(b'{"a":",}"}', lenient=True) == {"a": ",}"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"' + b'\\"' * 500_000,
        b'{"\\' * 300_000,
        b"," * 999_999,
        b", " * 500_000,
        b"/" * 999_999,
        b"//" + b"\n/" * 500_000,
    ],
)
def test_long_nonsense_takes_no_time(data: bytes) -> None:
    """What never closes is looked at once: a server cannot keep a client busy with it."""
    for end in (b"", b"}", b'"', b"\\"):
        with pytest.raises(BadJson):
            load(data + end, lenient=True)


@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]), st.binary(max_size=20))
def test_where_an_object_ends(value: dict[str, object], ascii_only: bool, indent: int | None, behind: bytes) -> None:
    """The quick way and the careful way find the same end, whatever follows, at every cut."""
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    whole = data + behind
    assert Braces().feed(whole, 0) == len(data)
    for at in range(1, len(data)):
        braces = Braces()
        assert braces.feed(data[:at], 0) == -1
        assert braces.feed(whole[at:], 0) == len(data) - at
    assert load(data, lenient=True) == load(data, lenient=False) == value
    quick = begin(whole.decode("latin-1"))
    assert quick == ((value, len(data)) if data.isascii() else None)


@given(st.lists(st.sampled_from(["日", "乗", "\\", '"', "}", "a", "表"]), max_size=8))
def test_characters_of_gbk(letters: list[str]) -> None:
    """A backslash that is half of a character ends no text, wherever the bytes are cut."""
    value = {"乗": "乗" + "".join(letters)}
    data = json.dumps(value, ensure_ascii=False).encode("gbk")
    for at in range(1, len(data)):
        braces = Braces()
        assert (braces.feed(data[:at], 0), braces.feed(data[at:] + b"}", 0)) == (-1, len(data) - at)
    assert load(data, lenient=True) == value


@given(st.binary(max_size=60), st.integers(1, 7))
def test_noise(noise: bytes, step: int) -> None:
    """Whatever is read, nothing but `BadJson` is raised, and cuts change nothing."""
    data = b'{"a' + noise
    whole = _end(data, len(data))
    assert _end(data, step) == whole
    for lenient in (False, True):
        try:
            found = load(data, lenient=lenient)
        except BadJson:
            continue
        assert isinstance(found, dict)


def _end(data: bytes, step: int) -> int | None:
    braces = Braces()
    for at in range(0, len(data), step):
        try:
            found = braces.feed(data[at : at + step], 0)
        except TooDeep:
            return None
        if found >= 0:
            return at + found
    return -1


def test_written_json() -> None:
    """Pure ASCII in one line; requests as Python writes them, answers without spaces."""
    value = {"a": "é\n", "b": [1, None]}
    assert netdrive_json.dump(value, compact=True) == b'{"a":"\\u00e9\\n","b":[1,null]}'
    assert netdrive_json.dump(value, compact=False) == b'{"a": "\\u00e9\\n", "b": [1, null]}'
    with pytest.raises(ValueError, match="JSON"):
        netdrive_json.dump({"a": float("nan")}, compact=True)
