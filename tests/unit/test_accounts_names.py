"""What a user may be called (S06) and how long a password is (S46)."""

import pytest

from homestow.server.rules.passwords import check_password, check_user_name, device_name, name_key
from homestow.values.errors import BadName, WeakPassword

GOOD = ["a", "anna", "Anna Maria", "o.k", "a@b.org", "x_y-z", "Zoë", "明", "محمد", "हिन्दी", "Ω1", "x" * 64, "7"]
BAD = [
    *("", " ", "../x", "..", ".", "a/b", "a\\b", "a\0", "\x1b[1m", "a\nb", " a", "a ", "-a", ".a", "a.", "@", "x" * 65),
    *(
        "a  b",
        "a..b",
        "a\u202eb",
        "a\u200bb",
        "😀",
        "a:b",
        "a*b",
        "a?b",
        'a"b',
        "a<b",
        "a|b",
        "a;b",
        "\ud800",
        "~",
        "$(x)",
    ),
]


@pytest.mark.parametrize("name", GOOD)
def test_names_of_people_are_taken(name: str) -> None:
    """Letters and digits of any script, and `._@-` and single spaces inside."""
    assert check_user_name(name) == name


@pytest.mark.parametrize("name", BAD)
def test_names_that_build_paths_or_deceive_are_refused(name: str) -> None:
    """Nothing that is a path, an option, hidden, invisible or not a letter."""
    with pytest.raises(BadName, match="cannot be a user name"):
        check_user_name(name)


def test_one_person_has_one_spelling() -> None:
    """Composed or not, capital or not: the same key; the name keeps its capitals and becomes NFC."""
    assert check_user_name("Zoe\u0308") == "Zo\u00eb"
    assert name_key("ZOE\u0308") == name_key("zo\u00eb")


@pytest.mark.parametrize("password", ["x" * 10, "x" * 1024, "ü" * 10, " " * 10])
def test_passwords_of_ten_to_1024_characters(password: str) -> None:
    """Length is the only rule."""
    assert check_password(password) == password


@pytest.mark.parametrize("password", ["", "x" * 9, "x" * 1025, "\ud800" * 10])
def test_other_passwords_are_refused(password: str) -> None:
    """Both ends of the range are told."""
    with pytest.raises(WeakPassword):
        check_password(password)


def test_device_names_are_made_fit_to_show() -> None:
    """A device can be called anything and never breaks a list or a log."""
    assert device_name("  Anna's\x1b[0m phone\n") == "Anna's[0m phone"
    assert device_name("\n") == device_name("") == "device"
    assert len(device_name("x" * 100)) == 64
