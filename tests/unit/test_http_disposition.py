"""File names in `Content-Disposition`: never a new header, always the right name."""

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.server.fronts.http.disposition import Disposition, content_disposition


def name_by_email(value: str) -> str | None:
    """How the standard library's mail parser reads the name."""
    message = Message()
    message["Content-Disposition"] = value
    return message.get_filename()


def name_by_browser(value: str) -> str:
    """How a browser reads it: `filename*` wins."""
    _, star, extended = value.partition("filename*=UTF-8''")
    if star:
        return unquote(extended, errors="strict")
    return value.split('filename="', 1)[1].rstrip('"')


@pytest.mark.parametrize(
    "name, shown",
    [
        ("report.pdf", "report.pdf"),
        ("two words.txt", "two words.txt"),
        ("Überraschung.txt", "Überraschung.txt"),
        ("猫🐈.jpg", "猫🐈.jpg"),
        ('quo"te.txt', 'quo"te.txt'),
        ("semi;colon.txt", "semi;colon.txt"),
        ("100%25.txt", "100%25.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("back\\slash", "back_slash"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("nul\0.txt", "nul.txt"),
        ("lone\udc80.txt", "lone\ufffd.txt"),
        ("", "download"),
        ("..", "download"),
        (" ", "download"),
    ],
)
def test_two_kinds_of_reader_see_the_name(name: str, shown: str) -> None:
    """S21: what a person sees is the name, without what could deceive."""
    value = content_disposition(Disposition.ATTACHMENT, name)

    assert name_by_browser(value) == shown
    if "filename*" not in value:
        assert name_by_email(value) == shown


@given(st.text(max_size=300), st.sampled_from(Disposition))
def test_no_name_escapes_its_quotes(name: str, kind: Disposition) -> None:
    """Whatever the name, the value is one line of printable ASCII with the name inside its two quotes."""
    value = content_disposition(kind, name)

    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert "\\" not in value
    assert value.startswith(f'{kind.value}; filename="')
    assert name_by_browser(value).strip() != ""
